"""`cloudai prices`: what it shows of the book, of snapshots, and what they do to a workload."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cloudai.cli import main
from cloudai.prices import snapshot
from cloudai.prices.changes import in_force
from cloudai_pricing import Book

BATCH = next(
    row for row in Book.shipped().rows() if (row["sku"], row["region"]) == ("S0 batch transcription", "eastus")
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLOUDAI_PRICES", str(tmp_path / "prices"))
    return tmp_path / "prices"


@pytest.fixture
def dearer() -> str:
    """A snapshot in which batch transcription in East US costs 0.36 instead of 0.18 an hour."""
    changed = {"tiers": [{"price": "0.36"}], "effective_from": "2026-11-22", "as_of": "2026-11-22"}
    return snapshot.write([{**BATCH, **changed}], day="2026-11-22", title="a test").id


def printed(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(["prices", *argv]) == 0
    return capsys.readouterr().out


def as_json(capsys: pytest.CaptureFixture[str], *argv: str) -> Any:
    document = json.loads(printed(capsys, *argv, "--json"))
    assert document["schema"] == "cloudai.prices/1"
    return document


# show


@pytest.mark.parametrize(
    ("what", "key", "value"),
    [
        ("speech.synthesize", "operations", ["speech.synthesize"]),
        ("GCP", "provider", "gcp"),
        ("polly", "service", "Polly"),
        ("neural voices", "sku", "Neural voices"),
    ],
)
def test_show_finds_by_operation_provider_service_and_sku(
    capsys: pytest.CaptureFixture[str], what: str, key: str, value: object
) -> None:
    entries = as_json(capsys, "show", what)["entries"]
    assert entries
    assert all(entry[key] == value for entry in entries)


def test_show_says_price_allowance_source_date_and_confidence(capsys: pytest.CaptureFixture[str]) -> None:
    out = printed(capsys, "show", "LABEL_DETECTION")
    for text in (
        "gcp Cloud Vision: LABEL_DETECTION (global)",
        "USD 0.0015 to 5,000,000, then 0.001 per image",
        "1,000 images a month, always",
        "https://cloud.google.com/vision/pricing",
        "2026-09-23, official_page",
        "book/gcp_vision.toml:",
    ):
        assert text in out


def test_show_on_a_day_shows_the_price_of_that_day(capsys: pytest.CaptureFixture[str]) -> None:
    argv = ("show", "S0 neural HD voices", "--region", "eastus")
    (now,) = as_json(capsys, *argv)["entries"]
    (then,) = as_json(capsys, *argv, "--as-of", "2025-12-01")["entries"]
    assert (then["tiers"][0]["price"], now["tiers"][0]["price"]) == ("0.00003", "0.000022")


def test_show_of_a_snapshot_shows_its_prices(capsys: pytest.CaptureFixture[str], dearer: str) -> None:
    argv = ("show", "S0 batch transcription", "--region", "eastus", "--snapshot")
    for name, price in (("latest", "0.36"), (dearer, "0.36"), ("book", "0.18"), ("latest@2026-11-21", "0.18")):
        (entry,) = as_json(capsys, *argv, name)["entries"]
        assert entry["tiers"][0]["price"] == price


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("show", "speech.transcrib"), "Did you mean 'speech.transcribe'?"),
        (("show", "flying carpets"), "cloudai prices search flying carpets"),
        (("show", "Polly", "--region", "eastus"), "Leave out --region"),
        (("show", "aws", "--as-of", "yesterday"), "Write it like 2026-03-01"),
        (("show", "aws", "--as-of", "1999-01-01"), "It starts on"),
        (("sources", "--snapshot", "2020-01-01"), "cloudai prices refresh"),
        (("diff", "book", "nothing.toml"), "nothing.toml"),
        (("diff", "book", "book", "--workload", "nothing.toml"), "nothing.toml"),
        (("show",), "WHAT"),
        (("refresh", "--provider", "oracle"), "oracle"),
        (("refresh", "--provider", "azure", "--azure-url", "http://prices.example"), "use https"),
        (("refresh", "--provider", "azure", "--service", "Quantum"), "no service 'Quantum'"),
        (("refresh", "--mapping", "nothing.toml"), "nothing.toml"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_or_two(
    capsys: pytest.CaptureFixture[str], argv: tuple[str, ...], said: str
) -> None:
    assert main(["prices", *argv]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "Traceback" not in err
    assert len(err.splitlines()) <= 3


# search, sources


def test_search_wants_every_word(capsys: pytest.CaptureFixture[str]) -> None:
    entries = as_json(capsys, "search", "Neural", "EASTUS2", "hd")["entries"]
    assert [(entry["sku"], entry["region"]) for entry in entries] == [("S0 neural HD voices", "eastus2")]
    assert "nothing found" in printed(capsys, "search", "neural", "polly", "azure")


def test_search_cuts_a_long_table_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prices", "search", "azure"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 61
    assert "more: narrow it" in err


def test_every_entry_rests_on_a_source_that_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    sources = as_json(capsys, "sources", "--as-of", "2026-11-21")["sources"]
    assert sum(source["entries"] for source in sources) == len(in_force(Book.shipped().at("2026-11-21")))
    for source in sources:
        assert source["age_days"] >= 0
        assert source["source"].startswith("https://") or "://" not in source["source"]


def test_sources_list_the_users_snapshots(capsys: pytest.CaptureFixture[str], dearer: str, home: Path) -> None:
    assert f"your snapshots: {dearer} in {home}" in printed(capsys, "sources")


# diff


def test_diff_says_what_changed_and_by_how_much(capsys: pytest.CaptureFixture[str], dearer: str) -> None:
    out = printed(capsys, "diff", "book", dearer)
    assert out.splitlines() == [
        "~ azure AI Speech: S0 batch transcription (eastus)  USD 0.18 per hour -> 0.36 per hour  +100.0%",
        "0 added, 0 removed, 1 changed",
    ]
    (change,) = as_json(capsys, "diff", dearer, "book")["changes"]
    assert (change["kind"], change["percent"]) == ("changed", "-50")
    assert printed(capsys, "diff", "book", "book") == "no price changed\n"


def test_diff_of_two_days_shows_what_came_into_force_between(capsys: pytest.CaptureFixture[str]) -> None:
    document = as_json(capsys, "diff", "book@2026-03-01", "book")
    changed = [change for change in document["changes"] if change["kind"] == "changed"]
    assert ("S0 neural HD voices", "eastus") in {(change["sku"], change["region"]) for change in changed}


def test_diff_says_what_it_does_to_a_workload(capsys: pytest.CaptureFixture[str], dearer: str) -> None:
    Path("calls.toml").write_text(
        'region = "eastus"\nmonths = 1\n[[line]]\nname = "calls"\noperation = "speech.transcribe"\n'
        'volume = "100 hours"\n'
    )
    (total,) = as_json(capsys, "diff", "book", dearer, "--workload", "calls.toml")["totals"]
    assert total == {"provider": "azure", "old": "$18.00", "new": "$36.00", "difference": "+$18.00 (+100.0%)"}


# What is loaded


@pytest.mark.parametrize("argv", [["show", "Polly"], ["search", "polly"], ["sources"], ["diff", "book", "book"]])
def test_looking_loads_no_http_and_opens_no_socket(argv: list[str]) -> None:
    code = (
        "import sys\nopened = []\n"
        "sys.addaudithook(lambda event, args: opened.append(event) if event.startswith('socket.') else None)\n"
        f"from cloudai.cli import main\nstatus = main({['prices', *argv]!r})\n"
        "loaded = [name for name in ('httpx', 'tenacity', 'pydantic', 'boto3') if name in sys.modules]\n"
        "sys.exit(f'{status} {loaded} {opened}')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert done.stderr.strip() == "0 [] []"
