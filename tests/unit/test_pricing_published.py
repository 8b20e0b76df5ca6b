"""Published cost examples, worked out by the planner from the rates and inputs that they name."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from cloudai_pricing.book import Book
from cloudai_pricing.draft import Draft
from cloudai_pricing.entries import build
from cloudai_pricing.entry_check import check
from cloudai_pricing.estimator import estimate
from cloudai_pricing.overlay import Overlay
from cloudai_pricing.tomlfile import TomlFile
from cloudai_pricing.workload_file import check as check_workload

FIXTURE = TomlFile.load(Path(__file__).with_name("fixtures") / "published.toml", name="published.toml").data
Record = Mapping[str, object]


def records(kind: str) -> list[Record]:
    found = FIXTURE[kind]
    assert isinstance(found, list)
    return found


def total(record: Record) -> Decimal:
    """With the rates of the example as own prices, for one month, without allowances but those it names."""
    prices = record["price"]
    assert isinstance(prices, list)
    common = {"provider": record["provider"], "region": "global", "source": record["source"]}
    rows = [check({**common, **price}, where=f"{record['id']}:{at}", own=True) for at, price in enumerate(prices)]
    draft = Draft(name=str(record["id"]), data={"months": 1, "line": record["line"]})
    overlay = Overlay(name="published", prices=tuple(build(row) for row in rows))
    provider = str(record["provider"])
    result = estimate(check_workload(draft), overlay=overlay, providers=[provider], free_tier="none")
    assert result.options[0].complete, result.options[0]
    return result.options[0].total.likely


@pytest.mark.parametrize("record", records("example"), ids=lambda record: record["id"])
def test_a_published_example_is_reproduced_to_its_stated_precision(record):
    stated, precision = Decimal(record["stated"]), Decimal(record["precision"])
    assert abs(total(record) - stated) <= precision / 2


@pytest.mark.parametrize("record", records("inconsistent"), ids=lambda record: record["id"])
def test_an_inconsistent_example_states_what_its_own_rates_do_not_give(record):
    assert total(record) == Decimal(record["recomputed"])
    assert total(record) != Decimal(record["stated"])
    assert record["note"]


# Examples whose rates are those of the shipped book: no overlay. (provider, region, line, USD a month, free tier)
WITH_THE_BOOK = {
    "three calls on one image are three billed images": (
        "aws", "us", {"operation": "vision.detect_labels", "volume": "3 images"}, "0.003"
    ),
    "Textract layout, 1,000 pages": (
        "aws", "us", {"operation": "vision.read_document", "volume": "1000 pages", "features": ["layout"]}, "4.00"
    ),
    "Polly neural, 2M characters": ("aws", "us", {"operation": "speech.synthesize", "volume": "2M characters"}, "32"),
    "Translate, 2M characters": ("aws", "us", {"operation": "translation.translate", "volume": "2M characters"}, "30"),
    "Speech batch, 56 hours": ("azure", "eu", {"operation": "speech.transcribe", "volume": "56 hours"}, "10.08"),
    "Translator, 15,000 characters": (
        "azure", "us", {"operation": "translation.translate", "volume": "15k characters"}, "0.15"
    ),
    "Cloud Translation, 575,000 characters, 500,000 free": (
        "gcp", "us", {"operation": "translation.translate", "volume": "575k characters"}, "1.50"
    ),
    "Speech-to-Text v2, 100,020 minutes": (
        "gcp", "us", {"operation": "speech.transcribe", "volume": "100020 minutes"}, "1600.32"
    ),
    "Vision text, 5,000 units, 1,000 free": (
        "gcp", "us", {"operation": "vision.read_text", "volume": "5000 images"}, "6.00"
    ),
    "Vision text, 21,600 units, 1,000 free": (
        "gcp", "us", {"operation": "vision.read_text", "volume": "21600 images"}, "30.90"
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WITH_THE_BOOK)
def test_an_example_at_list_prices_needs_no_overlay(what):
    provider, region, line, stated = WITH_THE_BOOK[what]
    workload = check_workload(Draft(name="test", data={"months": 1, "region": region, "line": [line]}))
    option = estimate(workload, book=Book.shipped(), providers=[provider]).options[0]
    assert option.complete, option.lines[0].notes
    assert option.total.likely == Decimal(stated)
