"""In which month a growing line comes to another price: as typed objects, as notes of the JSON, as rows for people."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudai.cli import main
from cloudai_pricing.book import Book
from cloudai_pricing.draft import Draft
from cloudai_pricing.entry_check import check
from cloudai_pricing.estimator import estimate
from cloudai_pricing.model import Crossing, LineCost
from cloudai_pricing.workload_file import check as check_workload

TIERS = [{"up_to": "1000", "price": "0.01"}, {"up_to": "5000", "price": "0.008"}, {"price": "0.002"}]


def row(**more: object) -> dict[str, object]:
    table = {
        "provider": "acme", "service": "Vision", "sku": "labels", "kind": "usage", "region": "global", "unit": "image",
        "operations": ["vision.detect_labels"], "tiers": TIERS, "effective_from": "2026-01-01",
        "as_of": "2026-01-02", "source": "https://example.com/prices", "confidence": "official_page",
    }  # fmt: skip
    return dict(check(table | more, where="book/test.toml:1"))


def lines(rows: list[dict[str, object]], *tables: dict[str, object], months: int = 12, **more) -> tuple[LineCost, ...]:
    named = [{"operation": "vision.detect_labels", "name": f"line {at}"} | one for at, one in enumerate(tables)]
    workload = check_workload(Draft(name="test", data={"months": months, "line": named}))
    return estimate(workload, book=Book.of(rows), **more).options[0].lines


def steps(line: LineCost) -> list[tuple[int, str | None, str]]:
    return [
        (one.month, None if one.at is None else str(one.at), f"{one.before}->{one.after}") for one in line.crossings
    ]


def test_growth_passes_each_edge_in_its_month():
    (line,) = lines([row()], {"volume": "600 images", "growth": "100%"})
    assert steps(line) == [(2, "1000", "0.01->0.008"), (5, "5000", "0.008->0.002")]


def test_a_jump_over_a_whole_tier_names_the_edge_it_ends_above():
    (line,) = lines([row()], {"volume": "900 images", "growth": "900%"}, months=2)
    assert steps(line) == [(2, "5000", "0.01->0.002")]


def test_a_shrinking_line_comes_back_to_the_dearer_tier():
    (line,) = lines([row()], {"volume": "1500 images", "growth": "-50%"}, months=3)
    assert line.crossings == (
        Crossing(month=2, sku="labels", unit="image", at=Decimal(1000), rising=False, before=Decimal("0.008"),
                 after=Decimal("0.01")),
    )  # fmt: skip


def test_lines_of_one_ladder_cross_together():
    both = lines([row()], {"volume": "600 images", "growth": "10%"}, {"volume": "390 images"}, months=2)
    assert steps(both[0]) == steps(both[1]) == [(2, "1000", "0.01->0.008")]


def test_above_a_ladder_that_ends_the_price_is_unknown():
    (line,) = lines([row(tiers=TIERS[:1])], {"volume": "600 images", "growth": "100%"}, months=2)
    assert steps(line) == [(2, "1000", "0.01->None")]


def test_an_allowance_is_an_edge_and_one_that_ends_is_said():
    free = {"quantity": "700", "per": "month", "kind": "first_3_months"}
    (line,) = lines([row(free=free)], {"volume": "600 images", "growth": "20%"}, months=4, free_tier="all")
    assert steps(line) == [(2, "700", "0->0.01"), (4, None, "0->0.01")]


def test_a_steady_line_crosses_nothing():
    (line,) = lines([row()], {"volume": "60k images"})
    assert line.crossings == ()


def test_what_a_commitment_includes_is_an_edge():
    table = {key: value for key, value in row().items() if key not in ("tiers", "where", "own")}
    table["commitment"] = {"fee": "9", "included": "1000", "overage": "0.02"}
    committed = dict(check(table, where="book/test.toml:1"))
    (line,) = lines([committed], {"volume": "600 images", "growth": "100%", "sku": "labels"}, months=2)
    assert steps(line) == [(2, "1000", "0->0.02")]


@settings(deadline=None)
@given(
    start=st.integers(1, 8000),
    growth=st.integers(-90, 300),
    free=st.one_of(st.none(), st.integers(1, 3000)),
    months=st.integers(1, 12),
)
def test_the_price_of_the_next_unit_changes_in_these_months_and_in_no_other(start, growth, free, months):
    """Held against plans that end a month earlier: their marginal price is of their last month."""
    rows = [row() if free is None else row(free={"quantity": str(free), "kind": "always"})]
    table = {"volume": f"{start} images", "growth": f"{growth}%"}
    last = [lines(rows, table, months=upto)[0].marginal_unit_price for upto in range(1, months + 1)]
    changed = [month for month in range(2, months + 1) if last[month - 1] != last[month - 2]]
    found = lines(rows, table, months=months)[0].crossings
    assert [one.month for one in found] == changed
    assert all(one.after == last[one.month - 1] and one.before == last[one.month - 2] for one in found)


GROWING = ["vision.detect_labels=800k images", "--provider", "aws", "--set", "line.growth=10%/month"]


@pytest.mark.parametrize("form", ["table", "markdown", "html"])
def test_people_see_a_row_per_crossing(capsys, form):
    assert main(["estimate", *GROWING, "--format", form]) == 0
    shown = capsys.readouterr().out.replace("&gt;", ">")
    assert "Where the price changes" in shown
    assert "above 1,000,000 images" in shown
    assert "$0.001 -> $0.0008" in shown


def test_json_and_csv_have_the_crossings_as_notes(capsys):
    said = "from month 4 on: above 1,000,000 images, $0.001 -> $0.0008 for the next"
    assert main(["estimate", *GROWING, "--format", "json"]) == 0
    (line,) = json.loads(capsys.readouterr().out)["options"][0]["lines"]
    assert any(note.startswith(said) for note in line["notes"])
    assert main(["estimate", *GROWING, "--format", "csv"]) == 0
    assert said in capsys.readouterr().out
