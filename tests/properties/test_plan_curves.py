"""Curves and their envelope: every crossing is found, against a fine scan and against sums by hand."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from cloudai_pricing.plan_curves import Curve, added, committed, envelope, ladder, line, machines

UPTO = Fraction(1000)
prices = st.integers(0, 40).map(lambda n: Fraction(n, 8))
bounds = st.lists(st.integers(1, 990), min_size=0, max_size=4, unique=True).map(sorted)


@st.composite
def ladders(draw: st.DrawFn) -> Curve:
    edges = draw(bounds)
    tiers = [(Fraction(edge), draw(prices)) for edge in edges]
    if draw(st.booleans()) or not tiers:
        tiers.append((None, draw(prices)))
    return ladder(tiers, Fraction(draw(st.integers(0, 300))))


curves = st.one_of(
    ladders(),
    st.builds(lambda fee, each: line(each, Fraction(fee)), st.integers(0, 900), prices),
    st.builds(
        lambda fee, n, each: committed(Fraction(fee), Fraction(n), each),
        st.integers(0, 900), st.integers(1, 900), prices,
    ),
    st.builds(
        lambda each, does, least, work: machines(Fraction(each), Fraction(does), least, work, UPTO),
        st.integers(1, 300), st.integers(40, 400), st.integers(1, 3), prices.map(lambda p: p / 10),
    ),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(curves, min_size=1, max_size=5))
def test_envelope_is_the_least_at_every_point_of_a_fine_scan(several: list[Curve]) -> None:
    named = {f"way {number}": curve for number, curve in enumerate(several)}
    found = envelope(named, UPTO)
    assert found[0].start == 0
    assert found[-1].end == UPTO
    for before, after in pairwise(found):
        assert before.end == after.start
        assert before.best != after.best
    for step in range(1, 1001, 3):
        volume = Fraction(step) - Fraction(1, 7)
        stretch = next(one for one in found if one.start < volume <= one.end)
        costs = {name: cost for name, curve in named.items() if (cost := curve.cost(volume)) is not None}
        if stretch.best is None:
            assert not costs
        else:
            assert costs[stretch.best] == min(costs.values())


@settings(max_examples=100, deadline=None)
@given(st.lists(curves, min_size=1, max_size=4), st.lists(st.integers(1, 1000), min_size=1, max_size=20))
def test_a_sum_costs_what_its_parts_cost(several: list[Curve], volumes: list[int]) -> None:
    whole = added(several)
    for volume in volumes:
        parts = [curve.cost(Fraction(volume)) for curve in several]
        known = [part for part in parts if part is not None]
        assert whole.cost(Fraction(volume)) == (sum(known) if len(known) == len(parts) else None)


@given(ladders(), st.integers(1, 900), st.fractions(Fraction(1, 10), Fraction(5)))
def test_the_curve_of_a_multiple_costs_what_the_multiple_costs(curve: Curve, volume: int, times: Fraction) -> None:
    assert curve.of_multiple(times).cost(Fraction(volume)) == curve.cost(volume * times)


def test_tiers_cross_a_machine_more_than_once() -> None:
    """$2 then $0.5 from 100 on against machines of $150 for 120 units each: four changes, by hand."""
    managed = ladder([(Fraction(100), Fraction(2)), (None, Fraction(1, 2))])
    own = machines(Fraction(150), Fraction(120), 1, Fraction(0), Fraction(600))
    found = envelope({"managed": managed, "own": own}, Fraction(600))
    assert [(one.best, one.start) for one in found] == [("managed", 0), ("own", 75), ("managed", 120)]
    assert managed.cost(Fraction(120)) == 210


def test_an_edge_belongs_to_the_piece_below_it() -> None:
    own = machines(Fraction(10), Fraction(100), 1, Fraction(0), Fraction(300))
    assert own.cost(Fraction(100)) == 10
    assert own.cost(Fraction(100) + Fraction(1, 10**9)) == 20


@given(st.integers(0, 400), bounds, st.integers(1, 1000))
def test_free_units_are_masked_on_the_ladder(free: int, edges: list[int], volume: int) -> None:
    tiers = [*((Fraction(edge), Fraction(3, number + 1)) for number, edge in enumerate(edges)), (None, Fraction(1, 9))]
    whole = ladder(tiers)
    paid, masked = whole.cost(Fraction(volume)), whole.cost(Fraction(min(free, volume))) if free else Fraction(0)
    assert paid is not None
    assert masked is not None
    assert ladder(tiers, Fraction(free)).cost(Fraction(volume)) == paid - masked
