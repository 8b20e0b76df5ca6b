"""Money, exactly: what must hold of every ladder, volume, allowance and rounding."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cloudai_pricing.book import Book
from cloudai_pricing.draft import Draft
from cloudai_pricing.entries import build
from cloudai_pricing.entry_check import check
from cloudai_pricing.estimator import estimate
from cloudai_pricing.exact import exactly
from cloudai_pricing.model import Estimate, Option
from cloudai_pricing.tiers import climb
from cloudai_pricing.workload_file import check as check_workload

PRICES = st.integers(0, 10**6).map(lambda micros: Decimal(micros).scaleb(-6))
VOLUMES = st.integers(0, 10**9)


@st.composite
def ladders(draw, *, falling: bool = False):
    """Tiers from the first unit on, the last one open."""
    bounds = sorted(draw(st.sets(st.integers(1, 10**8), max_size=4)))
    prices = draw(st.lists(PRICES, min_size=len(bounds) + 1, max_size=len(bounds) + 1))
    if falling:
        prices.sort(reverse=True)
    tiers: list[dict[str, str]] = [{"up_to": str(b), "price": str(p)} for b, p in zip(bounds, prices, strict=False)]
    return [*tiers, {"price": str(prices[-1])}]


def row(sku: str = "labels", *, where: str = "", **more: object) -> dict[str, object]:
    table: dict[str, object] = {
        "provider": "acme",
        "service": "Vision",
        "sku": sku,
        "kind": "usage",
        "operations": ["vision.detect_labels"],
        "region": "global",
        "unit": "image",
        "effective_from": "2026-01-01",
        "as_of": "2026-01-02",
        "source": "https://example.com/prices",
        "confidence": "official_page",
    }
    return dict(check(table | more, where=where or f"book/test.toml:{sku}"))


def allowance(tiers: list[dict[str, str]], quantity: int) -> dict[str, object]:
    """A free part, where the ladder does not have it as a tier of price 0 already."""
    return {"free": {"quantity": str(quantity), "kind": "always"}} if Decimal(tiers[0]["price"]) else {}


def lines(*volumes: tuple[str, int], **more: object) -> list[dict[str, object]]:
    return [
        {"name": f"{operation} {at}", "operation": operation, "volume": f"{volume} images/month"} | more
        for at, (operation, volume) in enumerate(volumes)
    ]


def run(rows: list[dict[str, object]], tables: list[dict[str, object]], *, months: int = 1, **more) -> Estimate:
    workload = check_workload(Draft(name="test", data={"name": "test", "months": months, "line": tables}))
    return estimate(workload, book=Book.of(rows), **more)


def only(result: Estimate) -> Option:
    assert len(result.options) == 1
    return result.options[0]


def cost(tiers, volume: int, **more) -> Decimal:
    return only(run([row(tiers=tiers, **more)], lines(("vision.detect_labels", volume)))).total.likely


@settings(deadline=None)
@given(ladders(), VOLUMES, VOLUMES)
def test_more_units_never_cost_less(tiers, one, other):
    assert cost(tiers, min(one, other)) <= cost(tiers, max(one, other))


@settings(deadline=None)
@given(ladders(), st.data())
def test_tier_price_is_continuous_at_the_edge(tiers, data):
    """One unit across an edge costs that unit's own price and nothing else."""
    edges = [int(tier["up_to"]) for tier in tiers if "up_to" in tier]
    at = data.draw(st.sampled_from(edges)) if edges else 1
    for volume in (at - 1, at):
        step = cost(tiers, volume + 1) - cost(tiers, volume)
        owner = next(tier for tier in tiers if "up_to" not in tier or volume < int(tier["up_to"]))
        assert step == Decimal(owner["price"])


@settings(deadline=None)
@given(ladders(), VOLUMES, st.integers(1, 10**7), st.integers(1, 4), st.integers(-20, 60))
def test_slices_add_up_to_the_line_and_lines_to_the_total(tiers, volume, free, months, growth):
    rows = [
        row(tiers=tiers, pool="p", **allowance(tiers, free)),
        row("faces", operations=["vision.detect_faces"], tiers=tiers, pool="p"),
    ]
    tables = lines(("vision.detect_labels", volume), ("vision.detect_faces", 3 * volume), growth=f"{growth}%/month")
    option = only(run(rows, tables, months=months))
    with exactly():
        for line in option.lines:
            assert line.cost is not None
            assert sum((piece.cost for piece in line.slices), Decimal(0)) == line.cost.likely
            assert sum((piece.quantity for piece in line.slices), Decimal(0)) == line.billed_quantity
            for piece in line.slices:
                assert piece.quantity * piece.unit_price == piece.cost
        assert sum((line.cost.likely for line in option.lines if line.cost), Decimal(0)) == option.total.likely
        assert sum((month.likely for month in option.by_month), Decimal(0)) == option.total.likely


@settings(deadline=None)
@given(ladders(), st.lists(VOLUMES, min_size=1, max_size=5))
def test_splitting_a_pooled_volume_changes_nothing(tiers, volumes):
    pooled = [row(tiers=tiers, pool="p", operations=["vision.detect_labels", "vision.moderate"])]
    operations = ["vision.detect_labels", "vision.moderate"]
    split = lines(*((operations[at % 2], volume) for at, volume in enumerate(volumes)))
    whole = lines(("vision.detect_labels", sum(volumes)))
    assert only(run(pooled, split)).total == only(run(pooled, whole)).total


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**7), min_size=2, max_size=5))
def test_splitting_seconds_of_an_hourly_price_changes_nothing(seconds):
    """The number of hours has no end; the pieces still add up to the whole."""
    tiers = [{"up_to": "7", "price": "1.37"}, {"up_to": "1000", "price": "0.91"}, {"price": "0.333"}]
    hourly = [row(operations=["speech.transcribe"], unit="hour", tiers=tiers)]
    split = [
        {"name": f"calls {at}", "operation": "speech.transcribe", "volume": f"{volume} seconds"}
        for at, volume in enumerate(seconds)
    ]
    whole = [{"operation": "speech.transcribe", "volume": f"{sum(seconds)} seconds"}]
    assert only(run(hourly, split)).total == only(run(hourly, whole)).total


@settings(deadline=None)
@given(ladders(), st.lists(VOLUMES, min_size=2, max_size=5), st.randoms(use_true_random=False))
def test_the_order_of_lines_changes_nothing(tiers, volumes, rng):
    rows = [
        row(tiers=tiers, pool="p", **allowance(tiers, 1000)),
        row("faces", operations=["vision.detect_faces"], tiers=[{"price": "0.5"}], pool="p"),
    ]
    operations = ["vision.detect_labels", "vision.detect_faces"]
    tables = lines(*((operations[at % 2], volume) for at, volume in enumerate(volumes)))
    shuffled = list(tables)
    rng.shuffle(shuffled)
    first, second = only(run(rows, tables)), only(run(rows, shuffled))
    assert first.total == second.total
    assert {line.name: line for line in first.lines} == {line.name: line for line in second.lines}


@settings(deadline=None)
@given(ladders(falling=True), VOLUMES, st.integers(1, 10**8))
def test_an_allowance_masks_the_first_units(tiers, volume, free):
    """It costs what the whole costs less what the masked units alone would."""
    assume(Decimal(tiers[0]["price"]))
    assert cost(tiers, volume, **allowance(tiers, free)) == cost(tiers, volume) - cost(tiers, min(volume, free))


@settings(deadline=None)
@given(st.integers(1, 10**6), st.integers(1, 500), st.integers(0, 500), st.integers(1, 2000))
def test_each_request_is_rounded_by_itself(requests, increment, minimum, size):
    rounding = {"increment": str(increment), "minimum": str(minimum)}
    rows = [row(operations=["speech.transcribe"], unit="second", tiers=[{"price": "0.001"}], rounding=rounding)]
    table = {"operation": "speech.transcribe", "volume": f"{requests * size} seconds", "request": f"{size} seconds"}
    billed = only(run(rows, [table])).lines[0].billed_quantity
    each = -(-max(size, minimum) // increment) * increment
    assert billed == requests * each


@settings(deadline=None)
@given(ladders(), st.integers(0, 10**8), st.integers(0, 100))
def test_a_range_holds_the_likely_case(tiers, volume, percent):
    tables = lines(("vision.detect_labels", volume), range=f"±{percent}%")
    total = only(run([row(tiers=tiers)], tables)).total
    assert total.low <= total.likely <= total.high
    assert total.likely == cost(tiers, volume)


def slow_oracle(bounds: list[int], prices: list[int], free: int, start: int, quantity: int) -> int:
    """Unit by unit, in integers: the definition of a marginal tier."""
    cents = 0
    for unit in range(start, start + quantity):
        if unit - start < free:
            continue
        tier = sum(1 for bound in bounds if unit >= bound)
        cents += prices[tier]
    return cents


def test_ten_thousand_random_schedules_agree_with_an_integer_oracle():
    rng = random.Random(20261121)
    for _ in range(10_000):
        bounds = sorted(rng.sample(range(1, 60), rng.randrange(0, 4)))
        prices = [rng.randrange(0, 100) for _ in range(len(bounds) + 1)]
        start, quantity = rng.randrange(0, 40), rng.randrange(0, 60)
        free = rng.randrange(0, quantity + 1)
        tiers = [{"up_to": str(b), "price": str(p)} for b, p in zip(bounds, prices, strict=False)]
        price = build(row(tiers=[*tiers, {"price": str(prices[-1])}]))
        pieces = list(climb(price, Decimal(start), Decimal(quantity), Decimal(free)))
        assert sum(piece.quantity for piece in pieces) == quantity
        assert sum(piece.quantity * piece.price for piece in pieces if piece.price is not None) == slow_oracle(
            bounds, prices, free, start, quantity
        )


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 10**6), st.integers(2, 24), st.integers(-50, 100))
def test_growth_compounds_monthly_from_the_first_month(volume, months, percent):
    rows = [row(tiers=[{"price": "1"}])]
    tables = lines(("vision.detect_labels", volume), growth=f"{percent}%/month")
    option = only(run(rows, tables, months=months))
    assert option.month.likely == volume
    with exactly():
        share = 1 + Decimal(percent) / 100
        for at, month in enumerate(option.by_month):
            assert abs(month.likely - volume * share**at) <= Decimal("1e-9")


@pytest.mark.parametrize("volume", [5_000_001, 6_000_000, 10**9])
def test_a_ladder_without_an_open_tier_is_unknown_above_it(volume):
    rows = [row(tiers=[{"up_to": "5_000_000", "price": "0.001"}])]
    option = only(run(rows, lines(("vision.detect_labels", volume))))
    assert not option.complete
    assert option.total.likely == 5000
    assert "above the last tier" in option.lines[0].notes[0]
