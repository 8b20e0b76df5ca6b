"""Published cost examples, worked out by the planner from the rates and inputs that they name."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import pytest

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


EXAMPLES = {example["id"]: example for example in records("example")}


@pytest.mark.parametrize("record", records("shipped"), ids=lambda record: record["id"])
def test_an_example_at_list_prices_needs_no_overlay(record):
    example = EXAMPLES[record["id"]]
    draft = Draft(name="test", data={"months": 1, "region": record["region"], "line": record["line"]})
    provider = str(example["provider"])
    option = estimate(check_workload(draft), providers=[provider], free_tier=record["free_tier"]).options[0]
    assert option.complete, [line.notes for line in option.lines]
    assert abs(option.total.likely - Decimal(example["stated"])) <= Decimal(example["precision"]) / 2
    assert not any(piece.overridden for line in option.lines for piece in line.slices)


def test_all_ids_are_of_examples_and_stand_once():
    for kind in ("example", "inconsistent", "shipped"):
        ids = [record["id"] for record in records(kind)]
        assert len(ids) == len(set(ids))
    assert {record["id"] for record in records("shipped")} <= set(EXAMPLES)
    assert not set(EXAMPLES) & {record["id"] for record in records("inconsistent")}
