"""What a live run would cost and when it is refused, without a cloud; and the live run itself, on loopback servers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "wire"))

import aws_answers
import azure_answers
import cost_guard
import gcp_answers
import live_run
from aws_server import ACCESS_KEY, SECRET_KEY, StrictServer
from cost_guard import CALLS, KITS, Plan, Refused, allow, limit_of, plan
from gcp_server import google
from test_live import AwsHarness, AzureHarness, GcpHarness, LiveHarness

from cloudai import Client
from cloudai.calls.cost import cost_of
from cloudai.testing import Harness
from cloudai.types.results import Usage
from cloudai_pricing.operations import operations

HERE = Path(__file__).parent
HARNESSES: dict[str, type[LiveHarness]] = {"aws": AwsHarness, "gcp": GcpHarness, "azure": AzureHarness}
REGIONS = {"aws": "us-east-1", "gcp": None, "azure": "eastus"}
AFFORDABLE = limit_of("10 USD")


def planned(provider: str, *, region: str | None = None) -> Plan:
    implemented = HARNESSES[provider]().entry.provider.implements
    return plan(provider, sorted(implemented), region=region or REGIONS[provider])


def without_price(operation: str) -> Plan:
    """A plan for azure in which one price is not known, as that of many regions is."""
    found = planned("azure")
    return replace(
        found,
        lines=tuple(replace(each, complete=False) if each.name == operation else each for each in found.lines),
    )


@contextmanager
def loopback(provider: str, folder: Path) -> Iterator[dict[str, Any]]:
    """The settings of a backend on a strict server of the provider."""
    if provider == "gcp":
        with google(gcp_answers.ANSWERS) as server:
            yield gcp_answers.settings(server, folder)
    elif provider == "aws":
        with aws_answers.aws() as server:
            yield aws_answers.settings(server)
    else:
        with azure_answers.azure() as server:
            yield azure_answers.settings(server)


def used_by_the_kit(provider: str, folder: Path) -> dict[str, tuple[Usage, ...]]:
    """What the driver counts for one call of each sample."""
    with loopback(provider, folder) as values:
        harness = Harness()
        harness.provider = provider
        harness.values = {name: value for name, value in values.items() if name != "provider"}
        live = HARNESSES[provider]()
        with Client(harness.config()) as client:
            implemented = [name for name in live.entry.provider.implements if not name.startswith("custom.")]
            asked = [name for name in implemented if not operations()[name].free]
            return {name: live.sample(name)(client).usage for name in asked}


# --- the estimate --------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", KITS)
def test_what_is_planned_is_what_the_driver_counts_for_the_kits_calls(provider: str, tmp_path: Path) -> None:
    used = used_by_the_kit(provider, tmp_path)
    lines = {line.name: line for line in planned(provider).lines}
    assert lines.keys() == used.keys()
    for name, (item,) in used.items():
        calls = cost_guard.billed(provider, name).calls
        assert (lines[name].operation, lines[name].quantity) == (item.meter, calls * item.quantity), name
        cost, _ = cost_of(provider, REGIONS[provider], (item,))
        estimated = lines[name].cost
        assert (estimated is None) == (cost is None), name
        if estimated is not None and cost is not None:
            assert estimated.high == pytest.approx(calls * cost.amount, abs=Decimal("1e-10")), name


def test_free_operations_are_no_lines() -> None:
    assert not {"speech.voices", "translation.languages"} & {line.name for line in planned("aws").lines}


def test_no_free_allowance_is_counted() -> None:
    assert all(line.free_quantity == 0 for line in planned("azure").lines)


def test_the_report_names_each_operation_its_cost_and_the_total() -> None:
    found = planned("aws")
    text = "\n".join(found.report())
    assert "aws (us-east-1)" in text
    assert all(f"{line.name} " in text for line in found.lines)
    assert f"{found.total:.6f} USD" in text.splitlines()[-1]


def test_an_unknown_price_makes_the_total_a_lower_bound() -> None:
    found = without_price("vision.read_document")
    assert found.unpriced == ("vision.read_document",)
    assert list(found.report())[-1].endswith("at least")


def test_a_region_that_does_not_exist_is_refused() -> None:
    with pytest.raises(Refused, match="atlantis-1"):
        planned("aws", region="atlantis-1")


# --- the limit -----------------------------------------------------------------------------------


@pytest.mark.parametrize("provider", KITS)
def test_a_run_on_one_provider_is_within_the_limit_that_is_set_by_default(provider: str) -> None:
    allow([planned(provider)], limit_of(cost_guard.DEFAULT_BUDGET), allow_unpriced=True)


def test_what_is_dear_is_called_once() -> None:
    report = [line.split() for line in planned("gcp").report()]
    calls = {words[0]: words[1:3] for words in report}
    assert calls["translation.translate_document"] == ["1", "calls"]
    assert calls["vision.detect_labels"] == ["8", "calls"]


def test_a_run_may_cost_its_limit_and_not_more() -> None:
    found = planned("aws")
    at = limit_of(f"{found.total} USD")
    allow([found], at, allow_unpriced=False)
    with pytest.raises(Refused, match="more than the limit"):
        allow([found], replace(at, limit=at.limit - Decimal("0.000001")), allow_unpriced=False)


def test_the_limit_is_of_all_providers_together() -> None:
    both = [planned("aws"), planned("gcp")]
    dearest = max(each.total for each in both)
    with pytest.raises(Refused, match="more than the limit"):
        allow(both, limit_of(f"{dearest} USD"), allow_unpriced=False)


def test_an_unknown_price_is_refused_unless_it_is_allowed() -> None:
    with pytest.raises(Refused, match=r"azure vision\.read_document.*CLOUDAI_LIVE_UNPRICED=allow"):
        allow([without_price("vision.read_document")], AFFORDABLE, allow_unpriced=False)
    allow([without_price("vision.read_document")], AFFORDABLE, allow_unpriced=True)


def test_to_allow_unknown_prices_is_not_to_allow_too_much() -> None:
    with pytest.raises(Refused, match="more than the limit"):
        allow([planned("azure")], limit_of("0.01 USD"), allow_unpriced=True)


@pytest.mark.parametrize("text", ["", "much", "5", "5 EUR", "5 USD/month"])
def test_a_limit_that_is_no_sum_is_refused(text: str) -> None:
    with pytest.raises(Refused, match="CLOUDAI_LIVE_BUDGET"):
        limit_of(text)


# --- what is asked -------------------------------------------------------------------------------


def test_nothing_is_asked_without_the_variable() -> None:
    assert live_run.asked({}).providers == ()
    assert live_run.asked({}).budget.limit == Decimal("0.50")


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"CLOUDAI_LIVE": "awz", "CLOUDAI_LIVE_CONFIG": "x"}, "'awz'; known: aws, gcp, azure"),
        ({"CLOUDAI_LIVE": "aws"}, "CLOUDAI_LIVE_CONFIG must name"),
        ({"CLOUDAI_LIVE_UNPRICED": "yes"}, "CLOUDAI_LIVE_UNPRICED='yes'"),
    ],
)
def test_what_is_misspelt_is_refused(environ: dict[str, str], words: str) -> None:
    with pytest.raises(Refused, match=re.escape(words)):
        live_run.asked(environ)


@pytest.mark.parametrize(
    ("text", "count"), [('[backends.a]\nprovider = "gcp"\n', 0), ("", 0), ("[backends.a]\n[backends.b]\n", 2)]
)
def test_the_config_must_have_one_backend_of_the_provider(text: str, count: int, tmp_path: Path) -> None:
    path = tmp_path / "cloudai.toml"
    routes = '[routes]\n"*" = ["a"]\n' if count > 1 else ""
    path.write_text(routes + text.replace("]\n", ']\nprovider = "aws"\n') if count else text)
    environ = {"CLOUDAI_LIVE": "aws", "CLOUDAI_LIVE_CONFIG": str(path)}
    with pytest.raises(Refused, match=f"needs one backend of it, there are {count}"):
        live_run.backend_of("aws", environ)


# --- the run itself, with a loopback server in the place of an account ---------------------------


def run(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """pytest on test_live.py, in a process of its own."""
    command = [sys.executable, "-m", "pytest", str(HERE / "test_live.py"), "-p", "no:cacheprovider", "-n0", *arguments]
    return subprocess.run(
        command, env={**os.environ, **environ}, cwd=HERE.parents[1], capture_output=True, text=True, timeout=300
    )


@pytest.fixture
def account(tmp_path: Path) -> Iterator[tuple[StrictServer, dict[str, str]]]:
    """A strict AWS and the environment of a live run on it: credentials by boto3's chain, the bucket by `${NAME}`."""
    with aws_answers.aws() as server:
        path = tmp_path / "live.toml"
        path.write_text(
            f'[backends.mine]\nprovider = "aws"\nregion = "us-east-1"\nendpoint_url = "{server.url}"\n'
            'staging_bucket = "${CLOUDAI_MY_BUCKET}"\npoll_seconds = 0.01\n'
        )
        keys = {"AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY, "CLOUDAI_MY_BUCKET": "staging"}
        yield server, {"CLOUDAI_LIVE": "aws", "CLOUDAI_LIVE_CONFIG": str(path), **keys}


def test_live_tests_are_deselected_and_not_skipped_when_nobody_asked() -> None:
    found = run("-q")
    assert found.returncode == pytest.ExitCode.NO_TESTS_COLLECTED
    assert re.search(r"\d{3} deselected", found.stdout)
    assert "skipped" not in found.stdout


def test_a_refused_run_sends_nothing(account: tuple[StrictServer, dict[str, str]]) -> None:
    server, environ = account
    found = run(CLOUDAI_LIVE_BUDGET="0.01 USD", **environ)
    assert found.returncode == pytest.ExitCode.USAGE_ERROR
    assert "live run on aws (us-east-1)" in found.stdout
    assert "live run refused" in found.stderr
    assert server.requests == 0


def test_an_allowed_run_says_its_cost_first_and_makes_no_more_calls_than_planned(
    account: tuple[StrictServer, dict[str, str]],
) -> None:
    server, environ = account
    found = run("-q", **environ)
    assert found.returncode == pytest.ExitCode.OK, found.stdout
    assert found.stdout.index("total") < found.stdout.index("passed")
    calls = Counter(each.operation for each in server.received)
    assert calls["DetectLabels"] == 3 * (CALLS - 1) + 1, "labels, objects and landmarks; the first of them once more"
    for name in ("DetectFaces", "DetectText", "DetectModerationLabels", "TranslateText", "StartTranscriptionJob",
                 "SynthesizeSpeech", "TranslateDocument", "DetectDominantLanguage"):  # fmt: skip
        assert calls[name] == CALLS - 1, name
