"""`--snapshot` takes a snapshot that `cloudai prices refresh` made: its newer prices count, its older ones don't."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from cloudai.cli import main
from cloudai.prices import snapshot
from cloudai_pricing import Book
from cloudai_pricing.entries import Row

ITEMS = ["speech.transcribe=1000 hours", "--provider", "azure", "--region", "eastus", "--months", "1"]
BATCH = next(
    row for row in Book.shipped().rows() if (row["sku"], row["region"]) == ("S0 batch transcription", "eastus")
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLOUDAI_PRICES", str(tmp_path / "prices"))
    return tmp_path / "prices"


def stored(price: str, since: str, *, read: str = "2026-12-01") -> str:
    plain = {key: value for key, value in BATCH.items() if key not in ("until", "where") and value is not None}
    row: Row = {**plain, "tiers": [{"price": price}], "effective_from": since, "as_of": read}
    return snapshot.write([row], day=read, title="test").id


def document(capsys: pytest.CaptureFixture[str], *arguments: str):
    assert main(["estimate", *ITEMS, *arguments, "--format", "json"]) == 0
    return json.loads(capsys.readouterr().out)


def total(found) -> Decimal:
    return Decimal(found["options"][0]["total"]["likely"])


def test_a_newer_price_of_a_snapshot_counts_and_is_said(capsys):
    book = total(document(capsys))
    name = stored("0.5", "2026-12-01")
    for asked in (name, "latest"):
        found = document(capsys, "--snapshot", asked)
        assert total(found) == 500 != book
        assert found["snapshot"]["date"] == "2026-12-01"
        assert f"Prices of your snapshot {name} lie over the book where they are newer." in found["assumptions"]
    assert total(document(capsys)) == book


def test_an_older_price_of_a_snapshot_replaces_nothing(capsys):
    book = total(document(capsys))
    assert total(document(capsys, "--snapshot", stored("0.5", "2020-01-01", read="2020-01-01"))) == book


def test_as_of_holds_with_a_snapshot(capsys):
    name = stored("0.5", "2026-12-01")
    before = total(document(capsys))
    assert total(document(capsys, "--snapshot", name, "--as-of", "2026-11-30")) == before
    assert total(document(capsys, "--snapshot", name, "--as-of", "2026-12-02")) == 500


def test_a_snapshot_that_is_not_there_is_named_with_those_that_are(capsys):
    assert main(["estimate", *ITEMS, "--snapshot", "2026-12-24"]) == 2
    assert "cloudai prices refresh" in capsys.readouterr().err
    stored("0.5", "2026-12-01")
    assert main(["estimate", *ITEMS, "--snapshot", "2026-12-24"]) == 2
    assert "2026-12-01" in capsys.readouterr().err


def test_reading_a_snapshot_needs_no_network_library(home):
    name = stored("0.5", "2026-12-01")
    script = (
        "import sys; from cloudai.cli import main; "
        f"main(['estimate', *{ITEMS!r}, '--snapshot', {name!r}, '--format', 'json', '--output', '/dev/null']); "
        "print([name for name in ('httpx', 'pydantic', 'numpy', 'boto3', 'rich') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
