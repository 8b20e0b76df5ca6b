"""`cloudai estimate` as other programs call it: flags, exit codes, JSON, bytes."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from cloudai.cli import main

EXAMPLE = Path(__file__).parents[2] / "examples" / "01_estimate" / "support_portal.toml"

OVERLAY = """
[[price]]
provider = "acme"
service = "Vision"
sku = "labels"
operations = ["vision.detect_labels"]
region = "global"
unit = "image"
tiers = [{ up_to = "1_000_000", price = "0.001" }, { price = "0.0005" }]
source = "https://acme.example/contract"
"""
HALF_PRICED = ["vision.detect_labels=2M images", "vision.moderate=1k images", "--provider", "acme"]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch):
    """An estimate opens no socket."""

    def refused(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("an estimate must not open a socket")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


@pytest.fixture
def overlay(tmp_path: Path) -> str:
    path = tmp_path / "own.toml"
    path.write_text(OVERLAY, encoding="utf-8")
    return str(path)


def run(*arguments: str) -> int:
    return main(["estimate", *arguments])


def document(capsys: pytest.CaptureFixture[str], *arguments: str):
    code = run(*arguments, "--format", "json")
    return code, json.loads(capsys.readouterr().out)


def test_the_example_is_fully_priced_by_three_providers(capsys):
    code, found = document(capsys, str(EXAMPLE))
    assert code == 0
    assert {option["provider"] for option in found["options"]} >= {"aws", "azure", "gcp"}
    assert all(option["complete"] for option in found["options"])
    assert found["mix"]["complete"]


def test_the_json_has_the_fixed_form(capsys):
    _, found = document(capsys, str(EXAMPLE))
    assert list(found) == ["schema", "name", "currency", "months", "snapshot", "assumptions", "options", "mix"]
    assert found["schema"] == "cloudai.estimate/1"
    assert set(found["snapshot"]) == {"id", "date"}
    option = found["options"][0]
    assert list(option) == ["provider", "region", "complete", "month", "by_month", "total", "lines", "exit"]
    assert option["exit"]["to"] in {"aws", "azure", "gcp"} - {option["provider"]}
    assert [month["month"] for month in option["by_month"]] == list(range(1, 13))
    assert set(option["month"]) == {"low", "likely", "high"}
    assert {
        "name", "operation", "complete", "quantity", "unit", "billed_quantity", "billed_unit", "free_quantity", "cost",
        "effective_unit_price", "marginal_unit_price", "next_tier_at", "slices", "notes",
    } <= set(option["lines"][0])  # fmt: skip
    assert {
        "sku", "service", "region", "from", "to", "quantity", "unit_price", "cost", "source", "as_of", "confidence",
        "overridden",
    } <= set(option["lines"][0]["slices"][0])  # fmt: skip
    assert set(found["mix"]) == {"complete", "month", "by_month", "total", "choices"}
    assert set(found["mix"]["choices"][0]) == {"name", "provider", "region", "cost"}


def test_money_and_quantities_are_plain_decimal_strings(capsys):
    _, found = document(capsys, str(EXAMPLE))

    def numbers(value: object):
        if isinstance(value, dict):
            for key, inner in value.items():
                if key in ("low", "likely", "high", "quantity", "unit_price", "cost", "billed_quantity"):
                    yield inner
                yield from numbers(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from numbers(inner)

    texts = [text for text in numbers(found) if not isinstance(text, dict)]
    assert texts
    for text in texts:
        assert isinstance(text, str)
        assert "e" not in text.lower()
        assert Decimal(text).is_finite()


def test_two_runs_give_the_same_bytes():
    def once() -> bytes:
        command = [sys.executable, "-m", "cloudai", "estimate", str(EXAMPLE), "--format", "json"]
        done = subprocess.run(command, capture_output=True, check=False, env={"PYTHONHASHSEED": "random"})
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert once() == once()


def test_the_process_loads_no_heavy_module():
    heavy = [
        "pydantic",
        "httpx",
        "numpy",
        "rich",
        "importlib.metadata",
        "boto3",
        "google",
        "azure",
        "onnxruntime",
        "PIL",
    ]
    script = (
        "import sys; before = set(sys.modules); from cloudai.cli import main; "  # a .pth file may bring a namespace
        f"main(['estimate', {str(EXAMPLE)!r}, '--format', 'json', '--output', '/dev/null']); "
        f"print([name for name in {heavy!r} if name in set(sys.modules) - before])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_an_unknown_price_makes_a_lower_bound_and_exit_code_4(capsys, overlay):
    """Nobody prices moderation for acme: what is known counts, the rest is said."""
    arguments = [
        "vision.detect_labels=2M images",
        "vision.moderate=1k images",
        "--provider",
        "acme",
        "--prices",
        overlay,
    ]
    code, found = document(capsys, *arguments)
    assert code == 4
    option = found["options"][0]
    assert not option["complete"]
    assert option["total"]["likely"] == "18000"
    assert option["lines"][1]["cost"] is None
    assert run(*arguments) == 4
    shown = capsys.readouterr()
    assert ">= $18,000.00" in shown.out
    assert "unknown" in shown.out
    assert "lower bound" in shown.err


@pytest.mark.parametrize(
    ("budget", "code"),
    [
        ("1500 USD/month", 0),
        ("1499.99 USD/month", 3),
        ("18000 USD", 0),
        ("17999 USD", 3),
        ("$17,999", 3),
    ],
)
def test_a_budget_holds_the_dearest_month_or_the_whole(overlay, budget, code):
    arguments = ["vision.detect_labels=2M images", "--provider", "acme", "--prices", overlay, "--budget", budget]
    assert run(*arguments) == code


def test_a_lower_bound_that_is_over_the_budget_is_over(overlay, capsys):
    arguments = [
        "vision.detect_labels=2M images",
        "vision.moderate=1k images",
        "--provider",
        "acme",
        "--prices",
        overlay,
    ]
    assert run(*arguments, "--budget", "10000 USD") == 3
    assert "at least $18,000.00" in capsys.readouterr().err
    assert run(*arguments, "--budget", "20000 USD") == 4


def test_a_budget_for_several_providers_is_held_against_the_mix(capsys):
    _, found = document(capsys, str(EXAMPLE))
    mix = Decimal(found["mix"]["total"]["likely"])
    dearest = max(Decimal(option["total"]["likely"]) for option in found["options"])
    assert mix < dearest
    assert run(str(EXAMPLE), "--budget", f"{mix + 1:.2f} USD", "--format", "json") == 0
    assert run(str(EXAMPLE), "--budget", f"{mix - 1:.2f} USD", "--format", "json") == 3


def providers_of(found) -> set[str]:
    return {choice["provider"] for choice in found["mix"]["choices"]}


def test_the_mix_keeps_to_the_providers_it_may_use(capsys):
    _, free = document(capsys, str(EXAMPLE))
    assert len(providers_of(free)) == 3
    _, only = document(capsys, str(EXAMPLE), "--only", "aws", "--only", "gcp")
    assert providers_of(only) <= {"aws", "gcp"}
    assert {option["provider"] for option in only["options"]} == {"aws", "azure", "gcp"}
    _, without = document(capsys, str(EXAMPLE), "--exclude", "azure")
    assert without["mix"] == only["mix"]
    totals = [Decimal(found["mix"]["total"]["likely"]) for found in (free, only)]
    assert totals[0] < totals[1]


def test_the_mix_of_few_providers_is_the_best_of_few(capsys):
    _, found = document(capsys, str(EXAMPLE), "--max-providers", "1")
    best = min(Decimal(option["total"]["likely"]) for option in found["options"])
    assert Decimal(found["mix"]["total"]["likely"]) == best
    _, pair = document(capsys, str(EXAMPLE), "--max-providers", "2")
    assert len(providers_of(pair)) == 2
    assert Decimal(pair["mix"]["total"]["likely"]) < best


def test_months_region_and_set_change_what_they_say(capsys):
    _, found = document(capsys, str(EXAMPLE), "--months", "3", "--set", "product photos.volume=1M images/month")
    assert found["months"] == 3
    assert len(found["options"][0]["by_month"]) == 3
    assert any("1,000,000 images/month" in text for text in found["assumptions"])
    _, found = document(capsys, "vision.detect_labels=1M images", "--provider", "aws", "--region", "us-east-1")
    assert found["options"][0]["region"] == "us-east-1"


def test_a_region_without_a_price_names_those_that_have_one(capsys):
    code, found = document(capsys, "vision.read_document=1k pages", "--provider", "aws", "--region", "brazil")
    assert code == 4
    assert found["options"][0]["region"] == "sa-east-1"
    assert "us-east-1" in found["options"][0]["lines"][0]["notes"][0]


def test_free_allowances_that_end_count_only_when_asked(capsys):
    def free(policy: str) -> str:
        arguments = ["vision.detect_labels=3M images", "--provider", "aws", "--months", "14", "--free-tier", policy]
        return document(capsys, *arguments)[1]["options"][0]["lines"][0]["free_quantity"]

    assert free("always") == "0"
    assert free("none") == "0"
    assert free("all") == "12000"


def test_an_allowance_that_never_ends_counts_unless_declined(capsys):
    def free(policy: str) -> str:
        arguments = ["vision.detect_labels=3M images", "--provider", "gcp", "--months", "2", "--free-tier", policy]
        return document(capsys, *arguments)[1]["options"][0]["lines"][0]["free_quantity"]

    assert (free("none"), free("always"), free("all")) == ("0", "2000", "2000")


def test_own_prices_are_tagged(capsys, overlay):
    _, found = document(capsys, "vision.detect_labels=2M images", "--provider", "acme", "--prices", overlay)
    line = found["options"][0]["lines"][0]
    assert all(piece["overridden"] for piece in line["slices"])
    assert any("own price" in text for text in line["notes"])
    assert any("own.toml" in text for text in found["assumptions"])


def test_an_own_price_may_name_a_neutral_region(capsys, tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(OVERLAY.replace("acme", "aws").replace('"global"', '"us"'), encoding="utf-8")
    _, found = document(capsys, "vision.detect_labels=2M images", "--provider", "aws", "--prices", str(path))
    assert found["options"][0]["lines"][0]["slices"][0]["overridden"]


def test_an_own_price_that_no_line_uses_is_said(capsys, tmp_path):
    path = tmp_path / "own.toml"
    discount = '[[discount]]\nprovider = "aws"\nservice = "Recognition"\npercent = "5"\n'
    path.write_text(OVERLAY.replace("acme", "aws").replace('"global"', '"eu-west-1"') + discount, encoding="utf-8")
    _, found = document(capsys, "vision.detect_labels=2M images", "--provider", "aws", "--prices", str(path))
    unused = [text for text in found["assumptions"] if text.startswith("Not used by any line")]
    assert len(unused) == 2
    assert "own price labels of aws in eu-west-1" in unused[0]
    assert "aws, Recognition" in unused[1]


def test_what_a_provider_does_not_offer_is_no_unknown_price(capsys):
    """AWS has no captions; Azure has: nothing is unknown, and the mix is whole."""
    items = ["vision.caption=1k images", "vision.detect_labels=2M images"]
    code, found = document(capsys, *items, "--provider", "aws", "--provider", "azure")
    assert (code, found["mix"]["complete"], found["options"][0]["complete"]) == (0, True, False)
    assert run(*items, "--provider", "aws", "--provider", "azure") == 0
    assert "not offered" in capsys.readouterr().out
    assert run(*items, "--provider", "aws") == 4


def test_a_discount_is_taken_off_list_prices_and_tagged(capsys, tmp_path):
    path = tmp_path / "deal.toml"
    path.write_text('[[discount]]\nprovider = "aws"\nservice = "*"\npercent = "12"\n', encoding="utf-8")
    items = ["vision.detect_labels=1M images", "--provider", "aws", "--months", "1"]
    _, listed = document(capsys, *items)
    _, dealt = document(capsys, *items, "--prices", str(path))
    assert (
        Decimal(dealt["options"][0]["total"]["likely"]) == Decimal(listed["options"][0]["total"]["likely"]) * 88 / 100
    )
    assert all(piece["overridden"] for piece in dealt["options"][0]["lines"][0]["slices"])


def test_the_snapshot_can_be_required(capsys):
    _, found = document(capsys, str(EXAMPLE))
    assert run(str(EXAMPLE), "--snapshot", found["snapshot"]["id"], "--format", "json") == 0
    assert run(str(EXAMPLE), "--snapshot", "0123456789abcdef") == 2
    assert "This version has" in capsys.readouterr().err


def test_output_goes_to_a_file(tmp_path, capsys):
    path = tmp_path / "estimate.json"
    assert run(str(EXAMPLE), "--format", "json", "--output", str(path)) == 0
    assert capsys.readouterr().out == ""
    assert json.loads(path.read_text(encoding="utf-8"))["name"] == "support portal"


def test_explain_shows_every_source(capsys):
    assert run(str(EXAMPLE), "--explain") == 0
    shown = capsys.readouterr().out
    _, found = document(capsys, str(EXAMPLE))
    for option in found["options"]:
        for line in option["lines"]:
            for piece in line["slices"]:
                assert piece["source"] in shown
                assert piece["sku"] in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["vision.detect_label=3M images"], "Did you mean 'vision.detect_labels'?"),
        (["vision.detect_labels=3M imagse"], "Did you mean 'images'?"),
        (["vision.detect_labels=261"], "of what?"),
        (["vision.detect_labels=3M hours"], "counted in images, not hours"),
        (["vision.detect_labels=-3 images"], "negative"),
        (["vision.detect_labels=nan images"], "not a quantity"),
        (["vision.detect_labels=1e400 images"], "unit"),
        (["vision.detect_labels=3M images", "--provider", "azur"], "Did you mean 'azure'?"),
        (["vision.detect_labels=3M images", "--only", "aws", "--exclude", "aws"], "leave the mix none of aws"),
        (["vision.detect_labels=3M images", "--provider", "aws", "--only", "gcp"], "leave the mix none of aws"),
        (["vision.detect_labels=3M images", "--region", "us-esat-1"], "Did you mean 'us-east-1'?"),
        (["vision.detect_labels=3M images", "--region", "us-east-1", "--provider", "gcp"], "not a region of gcp"),
        (["vision.detect_labels=3M images", "--months", "0"], "from 1 to 120"),
        (["vision.detect_labels=3M images", "--only", "amazon"], "unknown provider 'amazon'"),
        (["vision.detect_labels=3M images", "--max-providers", "-1"], "negative"),
        ([], "nothing to estimate"),
        (["vision.detect_labels=3M images", "--as-of", "yesterday"], "Write it like 2026-03-01"),
        (["vision.detect_labels=3M images", "--as-of", "1999-01-01"], "It starts on"),
        (["vision.detect_labels=3M images", "--budget", "lots"], "5000 USD/month"),
        (["vision.detect_labels=3M images", "--budget", "500 EUR"], "5000 USD/month"),
        (["vision.detect_labels=3M images", "--set", "volume"], "LINE.key=value"),
        (["vision.detect_labels=3M images", "--set", "vision.detect_labels.volum=3"], "Did you mean 'volume'?"),
        (["vision.detect_labels=3M images", "--set", "photos.volume=3M images"], "there is no one line 'photos'"),
        (["vision.detect_labels=3M images", "--prices", "nowhere.toml"], "nowhere.toml"),
        (["vision.detect_labels=3M images", "--output", "/nowhere/at/all.json"], "can't be written"),
        (["nowhere.toml"], "nowhere.toml: can't be read"),
        (["a.toml", "b.toml"], "neither a file nor OPERATION=QUANTITY"),
        (["vision.detect_labels=3M images", "--frmat", "json"], "--frmat"),
    ],
)
def test_bad_input_says_what_to_do_with_exit_code_2(capsys, arguments, says):
    assert run(*arguments) == 2
    shown = capsys.readouterr()
    assert says in shown.err
    assert shown.out == ""
    assert "Traceback" not in shown.err
    assert len(shown.err.strip().splitlines()) <= 3
