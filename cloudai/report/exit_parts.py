"""Exit bills as parts of a page: a waterfall for each, the table of all ways out, and what they take for granted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cloudai.report.charts import Step, Table, Waterfall
from cloudai.report.parts import Listing, Part, Titled
from cloudai_pricing import exit_words
from cloudai_pricing.exact import ZERO, money
from cloudai_pricing.exit_bill import Comparison, ExitBill
from cloudai_pricing.exit_option import OptionExit
from cloudai_pricing.exit_terms import Terms

_WORDS = {
    "code": "code",
    "validation": "validation",
    "models": "models",
    "platform": "platform",
    "egress": "egress",
    "retraining": "retraining",
    "relabelling": "relabelling",
    "parallel": "running both",
    "commitments": "commitments",
}


def exit_parts(exits: Sequence[OptionExit]) -> Iterator[Part]:
    """Of several options: a waterfall of each one's least bill, all bills, what they leave out and assume."""
    yield from (waterfall(one.least) for one in exits)
    yield bills([comparison for one in exits for comparison in one.exits])
    missing = dict.fromkeys(
        f"leaving {bill.source} for {bill.target}: {text}"
        for one in exits
        for bill in one.shown
        for text in bill.missing
    )
    if missing:
        yield Listing(tuple(missing), "What the bills leave out")
    if exits:
        yield terms_table(exits[0].terms)


def steps(bill: ExitBill) -> tuple[Step, ...]:
    """A bill by component: people's days in dollars first, then what is paid to others. Nothings are left out."""
    rate = bill.dollars.people / bill.days.total if bill.days.total else ZERO
    found = {name: days * rate for name, days in bill.days._asdict().items()}
    found |= {name: amount for name, amount in bill.dollars._asdict().items() if name != "people"}
    return tuple(Step(_WORDS[name], amount) for name, amount in found.items() if amount)


def waterfall(bill: ExitBill) -> Waterfall:
    """A bill by component."""
    parts = steps(bill)
    most = max(parts, key=lambda step: step.amount, default=Step("nothing", ZERO))
    known = "" if bill.complete else "At least "
    behind = " behind the neutral interface" if bill.behind == "neutral" else ""
    return Waterfall(
        title=f"Leaving {bill.source} for {bill.target}{behind}",
        summary=f"{known}{money(bill.total)} and {exit_words.number(bill.weeks)} weeks; the most is {most.name}, "
        f"{money(most.amount)}. In 10% to 90% of draws {money(bill.p10)} to {money(bill.p90)}.",
        steps=parts or (Step("nothing", ZERO),),
        p10=bill.p10,
        p90=bill.p90,
    )


def bills(exits: Sequence[Comparison]) -> Titled:
    """A row per way out."""
    return Titled("All ways out", Table(tuple(exit_words.HEAD), tuple(map(_row, exits)), left=2))


def _row(one: Comparison) -> tuple[str, ...]:
    bill = one.direct
    return (
        bill.source,
        bill.target,
        exit_words.total(bill),
        f"{money(bill.p10)} to {money(bill.p90)}",
        exit_words.number(bill.days.total),
        exit_words.number(bill.weeks),
        exit_words.percent(bill.shares.portable),
        exit_words.pays_back(bill),
        "-" if bill.slack is None else f"{exit_words.number(bill.slack)} days",
        money(bill.residual),
        exit_words.total(one.neutral),
        money(one.worth),
    )


def terms_table(terms: Terms) -> Titled:
    """Every term of the bills with its reason, source and date."""
    rows = tuple(tuple(row) for row in exit_words.assumed(terms))
    return Titled("What the bills take for granted", Table(tuple(exit_words.ASSUMED), rows, left=5), folded=True)
