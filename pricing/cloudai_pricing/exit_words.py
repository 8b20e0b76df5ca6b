"""Exit bills in words: the rows of the tables that people read, and the assumptions under them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from cloudai_pricing.exact import money, plain
from cloudai_pricing.exit_bill import Comparison, ExitBill
from cloudai_pricing.exit_terms import Terms
from cloudai_pricing.model import Option

TITLE = "What leaving would cost"
HEAD = ["from", "to", "bill", "P10 to P90", "days", "weeks", "portable", "pays back in", "slack", "at risk",
        "behind cloudai", "worth of it"]  # fmt: skip
SHORT = (0, 1, 2, 4, 5, 7)
"""The columns that a narrow terminal has room for."""
COMPONENTS = ["from", "to", "component", "days", "USD"]


def rows(options: Sequence[Option]) -> list[list[str]]:
    """A row per way out."""
    return [_row(one) for option in options if option.exit is not None for one in option.exit.exits]


def _row(one: Comparison) -> list[str]:
    bill = one.direct
    return [
        bill.source,
        bill.target,
        total(bill),
        f"{money(bill.p10)} to {money(bill.p90)}",
        number(bill.days.total),
        number(bill.weeks),
        percent(bill.shares.portable),
        pays_back(bill),
        "-" if bill.slack is None else f"{number(bill.slack)} days",
        money(bill.residual),
        total(one.neutral),
        money(one.worth),
    ]


def cell(option: Option) -> str:
    """`$38,053.24 to gcp`: the exit to the target that takes the most at the least cost."""
    return "-" if option.exit is None else f"{total(option.exit.least)} to {option.exit.least.target}"


def total(bill: ExitBill) -> str:
    """`>=` where something can't be moved or is not known."""
    return f"{'' if bill.complete else '>= '}{money(bill.total)}"


def pays_back(bill: ExitBill) -> str:
    """`9.1 months`, `never` without a saving, `unknown` where a monthly cost is."""
    if bill.saving is None:
        return "unknown"
    if bill.break_even is None:
        return "never"
    return f"{'' if bill.complete else '>= '}{number(bill.break_even)} months"


def gaps(options: Sequence[Option]) -> Iterator[str]:
    """What the bills leave out, once each."""
    found = (
        f"leaving {bill.source}: {text}"
        for option in options
        if option.exit is not None
        for bill in option.exit.shown
        for text in bill.missing
    )
    yield from dict.fromkeys(found)


def components(bill: ExitBill) -> list[list[str]]:
    """A row per component with days, then those in dollars only, then the sum."""
    rate = bill.dollars.people / bill.days.total if bill.days.total else Decimal(0)
    days = [[name, number(value), money(value * rate)] for name, value in bill.days._asdict().items()]
    more = [[name, "", money(value)] for name, value in bill.dollars._asdict().items() if name != "people"]
    return [*days, *more, ["total", number(bill.days.total), total(bill)]]


def assumed(terms: Terms) -> list[list[str]]:
    """Key, value with unit, reason, source, date."""
    return [
        [term.key, f"{term.value} {term.unit}", term.why, term.set_by or term.source, term.as_of]
        for term in terms.said()
    ]


ASSUMED = ["term", "value", "because", "source", "as of"]


def number(value: Decimal) -> str:
    """To one place."""
    return plain(value.quantize(Decimal("0.1")))


def percent(share: Decimal) -> str:
    """`81%`."""
    return f"{plain((share * 100).quantize(Decimal(1)))}%"
