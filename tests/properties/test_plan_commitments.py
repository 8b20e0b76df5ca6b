"""Commitments against paying by use, at random prices: where the advice says that one pays, a scan finds it does."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from cloudai_pricing.book import Book
from cloudai_pricing.draft import Draft
from cloudai_pricing.entry_check import check
from cloudai_pricing.plan import plan
from cloudai_pricing.plan_commit import CommitmentAdvice, commitments
from cloudai_pricing.plan_settings import PlanSettings
from cloudai_pricing.workload_file import check as check_workload

F = Fraction
cents = st.integers(1, 500).map(lambda number: F(number, 100))


def row(kind: str, **more: object) -> dict[str, object]:
    table = {
        "provider": "aws", "service": "S", "sku": kind, "kind": kind, "operations": ["vision.detect_labels"],
        "region": "us-east-1", "unit": "image", "effective_from": "2026-01-01", "as_of": "2026-01-01",
        "source": "https://example.com", "confidence": "official_page", **more,
    }  # fmt: skip
    return dict(check(table, where=f"t:{kind}"))


@settings(max_examples=80, deadline=None)
@given(
    bound=st.integers(10, 900), first=cents, then=cents, fee=st.integers(1, 2000), included=st.integers(1, 900),
    overage=st.none() | cents, volume=st.integers(1, 1000), spread=st.integers(0, 90),
)  # fmt: skip
def test_a_commitment_pays_where_a_scan_of_both_bills_finds_it_does(
    bound: int, first: Fraction, then: Fraction, fee: int, included: int, overage: Fraction | None, volume: int,
    spread: int,
) -> None:  # fmt: skip
    over = {} if overage is None else {"overage": str(float(overage))}
    tiers = [{"up_to": str(bound), "price": str(float(first))}, {"price": str(float(then))}]
    book = Book.of(
        [
            row("usage", tiers=tiers),
            row("commitment", commitment={"fee": str(fee), "per": "month", "included": str(included), **over}),
        ]
    )
    line = {"name": "photos", "operation": "vision.detect_labels", "volume": f"{volume} images", "range": f"±{spread}%"}
    workload = check_workload(Draft(name="t", data={"name": "t", "region": "us", "months": 1, "line": [line]}))
    (one,) = commitments(plan(workload, PlanSettings(), book=book))

    def by_use(units: Fraction) -> Fraction:
        return min(units, F(bound)) * first + max(units - bound, F(0)) * then

    def by_fee(units: Fraction) -> Fraction | None:
        if units <= included:
            return F(fee)
        return None if overage is None else fee + (units - included) * overage

    compared = max(F(included) * 10, volume * (1 + F(spread, 100)) * 2)
    for step in range(1, 60):
        units = compared * F(step * 3 - 1, 180)
        paid = by_fee(units)
        pays = any(above < units <= upto for above, upto in one.worth)
        assert pays == (paid is not None and paid < by_use(units)), float(units)
    ends = (volume * (1 - F(spread, 100)), F(volume), volume * (1 + F(spread, 100)))
    assert_saved(one, [None if (paid := by_fee(units)) is None else by_use(units) - paid for units in ends])


def assert_saved(one: CommitmentAdvice, expected: list[Fraction | None]) -> None:
    for found, saved in zip((one.low, one.likely, one.high), expected, strict=True):
        assert (found is None) == (saved is None)
        assert found is None or saved is None or abs(F(found) - saved) < F(1, 10**6)
    assert one.always == all(saved is not None and saved > 0 for saved in expected)
    assert one.never == all(saved is None or saved <= 0 for saved in expected)
