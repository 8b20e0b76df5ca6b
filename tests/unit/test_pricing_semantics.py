"""The shipped book: every file keeps to the form, and what it says of billing is what an estimate bills."""

from __future__ import annotations

import json
import re
import shutil
from decimal import Decimal
from pathlib import Path

import pytest

from cloudai.cli import main
from cloudai_pricing import Book
from cloudai_pricing.book import FOLDER, read_rows

DOCS = (Path(__file__).parents[2] / "docs" / "prices.md").read_text(encoding="utf-8")
DOCUMENTED = frozenset(re.findall(r"^\| `([a-z_]+)` \|", DOCS, re.MULTILINE))
"""The kinds of confidence that the guide explains."""
FILES = sorted(path.name for path in FOLDER.glob("*.toml"))


@pytest.mark.parametrize("name", FILES)
def test_every_file_keeps_to_the_form_and_says_where_each_price_comes_from(name: str, tmp_path: Path) -> None:
    shutil.copy(FOLDER / name, tmp_path)
    rows = read_rows(tmp_path)
    assert rows
    for row in rows:
        assert name.startswith(f"{row['provider']}_"), row["where"]
        assert str(row["source"]).startswith("https://"), row["where"]
        assert row["confidence"] in DOCUMENTED, row["where"]
        assert str(row["effective_from"]) <= str(row["as_of"]) <= "2026-11-21", row["where"]


def test_no_shipped_price_rests_on_memory() -> None:
    assert {"official_page", "derived"} <= DOCUMENTED
    assert "memory" not in {row["confidence"] for row in Book.shipped().rows()} | DOCUMENTED


def estimated(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, object]]:
    """The lines of the one provider that was asked for."""
    assert main(["estimate", *arguments, "--months", "1", "--format", "json"]) == 0
    (option,) = json.loads(capsys.readouterr().out)["options"]
    lines: list[dict[str, object]] = option["lines"]
    return lines


def likely(line: dict[str, object]) -> Decimal:
    cost = line["cost"]
    assert isinstance(cost, dict)
    return Decimal(cost["likely"])


@pytest.mark.parametrize("provider", ["aws", "azure", "gcp"])
def test_source_date_and_confidence_of_the_row_are_in_every_slice(
    capsys: pytest.CaptureFixture[str], provider: str
) -> None:
    known = {(row["sku"], row["region"]): row for row in Book.shipped().rows() if row["provider"] == provider}
    arguments = ["vision.detect_labels=3M images", "speech.transcribe=900 hours", "egress=9 TB"]
    for line in estimated(capsys, *arguments, "--provider", provider):
        slices = line["slices"]
        assert isinstance(slices, list)
        assert slices
        for piece in slices:
            row = known[piece["sku"], piece["region"]]
            said = {key: piece[key] for key in ("source", "as_of", "confidence")}
            assert said == {key: row[key] for key in said}


def test_a_commitment_costs_its_fee_unused_and_the_overage_above_what_it_includes(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def cost(hours: int) -> Decimal:
        path = tmp_path / "w.toml"
        path.write_text(
            f'[[line]]\noperation = "speech.transcribe"\nvolume = "{hours} hours"\n'
            'sku = "Transcription commitment (Azure) 2K hours"\n',
            encoding="utf-8",
        )
        (line,) = estimated(capsys, str(path), "--provider", "azure", "--region", "eastus")
        return likely(line)

    assert [cost(hours) for hours in (1, 2000, 2500)] == [1600, 1600, 2000]


def test_a_reservation_is_due_for_every_hour_used_or_not(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "w.toml"
    text = '[[line]]\noperation = "other.virtual_machine"\nvolume = "{} instance-hours"\nsku = "{}"\n'
    costs = []
    for hours in (10, 730):
        path.write_text(text.format(hours, "c5.12xlarge reserved 1 year"), encoding="utf-8")
        costs += [likely(line) for line in estimated(capsys, str(path), "--provider", "aws")]
    assert costs == [Decimal("875.66639")] * 2


def test_serverless_inference_is_billed_by_memory_times_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    (line,) = estimated(capsys, "custom.predict=1M GB-seconds", "--provider", "aws", "--region", "us-east-1")
    assert (likely(line), line["billed_unit"]) == (20, "gb-second")


@pytest.mark.parametrize(
    ("provider", "operation", "volume", "kind", "free", "price"),
    [
        ("aws", "vision.detect_labels", "2000 images", "none", 0, "2"),
        ("aws", "vision.detect_labels", "2000 images", "always", 0, "2"),
        ("aws", "vision.detect_labels", "2000 images", "all", 1000, "1"),
        ("gcp", "vision.detect_labels", "2000 images", "none", 0, "3"),
        ("gcp", "vision.detect_labels", "2000 images", "always", 1000, "1.5"),
        ("azure", "vision.read_document", "1000 pages", "always", 0, "1.5"),
        ("azure", "vision.read_document", "1000 pages", "all", 500, "0.75"),
    ],
    ids=lambda value: str(value),
)
def test_allowances_count_by_their_kind(
    capsys: pytest.CaptureFixture[str], provider: str, operation: str, volume: str, kind: str, free: int, price: str
) -> None:
    """AWS: the first 12 months. Google: always. Azure: only on a free resource of its own."""
    (line,) = estimated(capsys, f"{operation}={volume}", "--provider", provider, "--free-tier", kind, "--region", "us")
    assert (Decimal(str(line["free_quantity"])), likely(line)) == (free, Decimal(price))


def test_pages_with_an_addon_cost_the_base_and_the_addon(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "w.toml"
    text = '[[line]]\noperation = "vision.read_document"\nvolume = "1000 pages"\nfeatures = ["tables", "formulas"]\n'
    path.write_text(text, encoding="utf-8")
    (line,) = estimated(capsys, str(path), "--provider", "azure", "--region", "eastus")
    assert likely(line) == 10 + 6


def test_short_requests_are_billed_at_the_least_that_a_request_costs(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Comprehend bills 300 characters for a request of 20."""
    path = tmp_path / "w.toml"
    text = '[[line]]\noperation = "translation.detect_language"\nvolume = "1M characters"\nrequest = "20 characters"\n'
    path.write_text(text, encoding="utf-8")
    (line,) = estimated(capsys, str(path), "--provider", "aws", "--region", "us-east-1")
    assert Decimal(str(line["billed_quantity"])) == 15_000_000
