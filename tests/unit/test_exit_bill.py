"""The exit bill: the model's worked check, every formula anew from plain numbers, what is missing is said."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from cloudai_pricing.errors import PlanError
from cloudai_pricing.exact import exactly
from cloudai_pricing.exit_bill import Leaving, Model, Use, compare, exit_bill, rates
from cloudai_pricing.exit_terms import Terms, defaults, percentiles

ON = date(2026, 11, 21)
D = Decimal


def _worked(**changes: object) -> Leaving:
    """12 operations that need an adapter, 1,500 lines, 1 model, 5 TB, 1 parallel month at $3,000, saving $2,000."""
    uses = tuple(Use(name=f"op {number}", lines=D(125), kind=2) for number in range(12))
    leaving = Leaving(
        source="aws",
        target="gcp",
        uses=uses,
        models=(Model(name="defects", exportable=False, retraining=D(1200)),),
        gigabytes=D(5000),
        egress_price=D("0.09"),
        cost_source=D(5000),
        cost_target=D(3000),
        on=ON,
    )
    return replace(leaving, **changes)  # type: ignore[arg-type]


def test_worked_check_of_the_direct_sdk() -> None:
    bill = exit_bill(_worked(), Terms())
    assert bill.days.total == D("81.5")
    assert bill.days == (D("47.5"), D(24), D(5), D(5))
    assert bill.total == D(72_295)
    assert round(bill.total, -2) == D(72_300)
    assert bill.break_even is not None
    assert round(bill.break_even) == 36
    assert bill.complete


def test_worked_check_behind_the_neutral_interface() -> None:
    bill = exit_bill(_worked(), Terms(), behind="neutral")
    assert bill.days.total == D(17)
    assert round(bill.total, -2) == D(17_600)
    assert bill.break_even is not None
    assert round(bill.break_even) == 9
    assert bill.dollars.retraining == 0


def test_every_number_anew_from_plain_floats() -> None:
    """A mixed exit, recomputed with floats and no name of the planner's."""
    uses = (
        Use(name="labels", lines=D(300), kind=1, weight=D(700)),
        Use(name="text", lines=D(80), kind=2, weight=D(250), retires=date(2028, 9, 25)),
        Use(name="faces", lines=D(41), kind=3, weight=D(50)),
    )
    models = (
        Model(name="a", exportable=True),
        Model(name="b", exportable=False, retraining=D(900), relabelling=D(350)),
    )
    leaving = Leaving(
        source="azure",
        target="aws",
        uses=uses,
        models=models,
        gigabytes=D(2048),
        egress_price=D("0.087"),
        cost_source=D("1234.5"),
        cost_target=D("900.25"),
        commitments=D(77),
        on=ON,
    )
    terms = Terms().having({"engineers": "3", "waiting_weeks": "2", "waiver": "40"}, set_by="[exit]")
    with exactly():
        bill = exit_bill(leaving, terms)
    code = 300 * 0.34 / 18 + 80 * 0.57 / 18 + 41 * 1.0 / 18
    checks = 0.5 + 2 + 5
    effort = code + checks + (1 + 5) + 5
    egress = 2048 * 0.087 * 0.6
    dollars = 830 * effort + egress + 900 + 350 + 1 * 900.25 + 77
    weeks = effort / 15 + 2
    assert float(bill.days.total) == pytest.approx(effort)
    assert float(bill.weeks) == pytest.approx(weeks)
    assert float(bill.total) == pytest.approx(dollars)
    assert float(bill.break_even or 0) == pytest.approx(dollars / (1234.5 - 900.25))
    assert float(bill.slack or 0) == pytest.approx((date(2028, 9, 25) - ON).days - 7 * weeks)
    assert bill.shares == (D("0.7"), D("0.25"), D("0.05"), 0)
    assert bill.shares.portable == D("0.95")
    base = 1 - (1 - 0.035) ** 3 + 0.01 * 3
    own = [830 * (300 * 0.34 / 18 + 0.5), 830 * (80 * 0.57 / 18 + 2), 830 * (41 / 18 + 5)]
    shared = dollars - sum(own)
    each = [mine + shared * weight for mine, weight in zip(own, (0.7, 0.25, 0.05), strict=True)]
    residual = base * each[0] + 1 * each[1] + base * each[2]
    assert float(bill.residual) == pytest.approx(residual)


def test_components_add_up_and_items_add_up_to_the_bill() -> None:
    bill = exit_bill(_worked(), Terms())
    assert sum(bill.dollars) == bill.total
    assert sum(item.dollars for item in bill.items) == bill.total
    assert sum(bill.shares) == 1


def test_what_has_no_like_leaves_a_lower_bound_that_names_it() -> None:
    uses = (*_worked().uses, Use(name="vision.detect_ppe", lines=D(900), kind=4, why="not offered"))
    bill = exit_bill(_worked(uses=uses), Terms())
    assert not bill.complete
    assert bill.missing == ("vision.detect_ppe has no like at gcp: not offered",)
    assert bill.days.total == D("81.5")
    assert bill.shares.none > 0


def test_an_unknown_monthly_cost_is_no_saving_and_no_free_parallel_running() -> None:
    bill = exit_bill(_worked(cost_source=None, cost_target=None), Terms())
    assert bill.saving is None
    assert bill.break_even is None
    assert "parallel running" in bill.missing[0]


def test_a_dearer_target_never_breaks_even() -> None:
    bill = exit_bill(_worked(cost_target=D(5001)), Terms())
    assert bill.saving == D(-1)
    assert bill.break_even is None


def test_spread_percentiles_are_those_of_the_triangular_distribution() -> None:
    """Inverse of the distribution function, by hand: 0.6 + sqrt(p x 1.3 x 0.4), 1.9 - sqrt((1-p) x 1.3 x 0.9)."""
    p10, p50, p90 = (float(one) for one in percentiles(Terms().spread))
    assert p10 == pytest.approx(0.6 + (0.1 * 1.3 * 0.4) ** 0.5, abs=0.01)
    assert p50 == pytest.approx(1.9 - (0.5 * 1.3 * 0.9) ** 0.5, abs=0.01)
    assert p90 == pytest.approx(1.9 - (0.1 * 1.3 * 0.9) ** 0.5, abs=0.01)
    bill = exit_bill(_worked(), Terms())
    assert bill.p10 < bill.p50 < bill.p90
    assert exit_bill(_worked(), Terms()) == bill


def test_worth_of_the_interface_is_probability_times_difference_less_its_cost() -> None:
    both = compare(_worked(adapter_cost=D(5000)), Terms())
    probability = both.direct.items[0].probability
    assert all(item.probability == probability for item in both.direct.items)
    assert both.worth == pytest.approx(probability * (both.direct.total - both.neutral.total) - 5000)


def test_an_eu_exit_with_a_full_waiver_pays_no_egress() -> None:
    terms = Terms().having({"waiver": "100%"}, set_by="[exit]")
    assert exit_bill(_worked(), terms).dollars.egress == 0
    assert terms.terms["waiver"].set_by == "[exit]"


def test_a_workaround_and_calls_with_vendor_options_are_not_the_interface_s_to_move() -> None:
    terms = Terms()
    assert rates(Use(name="x", lines=D(1), kind=3), terms, "neutral") == (1, 5)
    assert rates(Use(name="x", lines=D(1), kind=2, portable=False), terms, "neutral") == (D("0.57"), 2)


def test_every_default_has_a_source_a_date_and_a_reason() -> None:
    for term in defaults().values():
        assert term.source.startswith(("https://", "own judgement", "own count", "COCOMO II")), term.key
        assert term.as_of
        assert term.why
        assert term.unit


@pytest.mark.parametrize(
    ("key", "value"),
    [("lines_per_day", "0"), ("waiver", "101"), ("day_rate", "-1"), ("day_rate", "lots"), ("rate", "5"),
     ("spread", "2, 1, 3"), ("engineers", "nan"), ("horizon_years", "inf")],
)  # fmt: skip
def test_a_term_out_of_range_is_refused_by_name(key: str, value: str) -> None:
    with pytest.raises(PlanError, match=key):
        Terms().having({key: value}, set_by="[exit]")


def test_an_empty_exit_costs_nothing() -> None:
    bill = exit_bill(Leaving(source="aws", target="gcp", uses=(), cost_source=D(0), cost_target=D(0), on=ON), Terms())
    assert bill.total == 0
    assert bill.shares == (0, 0, 0, 0)
