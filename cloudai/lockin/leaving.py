"""The exit bills of a scan for its outputs: made with the user's settings, as plain data, as rows, for rules.

`bill.py` joins the scan with the planner's sums; here it is only asked for, with a workload's costs where one is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from cloudai.lockin.bill import exits
from cloudai.lockin.rules import Bill
from cloudai.lockin.scanned import Scan
from cloudai_pricing import exit_words
from cloudai_pricing.draft import read_file
from cloudai_pricing.errors import PlanError
from cloudai_pricing.estimator import estimate
from cloudai_pricing.exact import money
from cloudai_pricing.exit_bill import Comparison
from cloudai_pricing.exit_data import comparison_data, terms_data
from cloudai_pricing.exit_settings import ExitSettings, parse_exit
from cloudai_pricing.exit_terms import Terms
from cloudai_pricing.workload import Workload
from cloudai_pricing.workload_file import check

HEAD = ("from", "to", "bill", "P10 to P90", "days", "weeks", "portable", "pays back in", "slack", "at risk",
        "behind cloudai", "worth of it")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Leaving:
    """Every way out, and what it was reckoned with."""

    ways: tuple[Comparison, ...]
    terms: Terms
    workload: Workload | None = None
    """Whose costs are in the bills."""


def leaving(scan: Scan, *, workload: str | None, changes: Sequence[str]) -> Leaving:
    """The bills. `workload`: a file whose estimate gives monthly costs, and whose `[exit]` gives settings.

    `changes`: `exit.key=value`. Raises `PlanError` for what the user can correct.
    """
    if workload is None:
        priced, settings, monthly = None, _settings(changes), None
    else:
        priced = _workload(workload, changes)
        settings, monthly = priced.exit or ExitSettings(), _monthly(priced)
    ways = exits(scan, settings, monthly=monthly)
    return Leaving(ways=ways, terms=settings.terms_on(scan.as_of.isoformat()), workload=priced)


def _settings(changes: Sequence[str]) -> ExitSettings:
    table: dict[str, object] = {}
    for change in changes:
        key, equals, value = change.partition("=")
        head, _, rest = key.strip().partition(".")
        if head != "exit" or not equals or not rest:
            raise PlanError(f"--set {change!r} is not exit.key=value", fix="Write it like --set exit.day_rate=700")
        name, _, inner = rest.partition(".")
        if inner:
            below = table.setdefault(name, {})
            assert isinstance(below, dict)
            below[inner] = value.strip()
        else:
            table[name] = value.strip()
    return parse_exit(table)


def _workload(file: str, changes: Sequence[str]) -> Workload:
    draft = read_file(file)
    for change in changes:
        draft = draft.with_set(change)
    return check(draft)


def _monthly(workload: Workload) -> Mapping[str, Decimal]:
    """Provider -> its first month, where all of it has a price."""
    return {option.provider: option.month.likely for option in estimate(workload).options if option.complete}


def bills(found: Leaving) -> Mapping[str, Bill]:
    """By target: the P50 of all providers in use together, since all of them would be left for it."""
    sums: dict[str, Bill] = {}
    for one in found.ways:
        amount, complete = sums.get(one.direct.target, (Decimal(0), True))
        sums[one.direct.target] = ((amount or Decimal(0)) + one.direct.p50, complete and one.direct.complete)
    return sums


def rows(found: Leaving) -> Iterator[Sequence[str]]:
    """A row per way out."""
    for one in found.ways:
        bill = one.direct
        yield (
            bill.source, bill.target, exit_words.total(bill), f"{money(bill.p10)} to {money(bill.p90)}",
            exit_words.number(bill.days.total), exit_words.number(bill.weeks), exit_words.percent(bill.shares.portable),
            exit_words.pays_back(bill), "-" if bill.slack is None else f"{exit_words.number(bill.slack)} days",
            money(bill.residual), exit_words.total(one.neutral), money(one.worth),
        )  # fmt: skip


def gaps(found: Leaving) -> Iterator[Sequence[str]]:
    """What the bills leave out."""
    told = [(one.direct.source, one.direct.target, text) for one in found.ways for text in one.direct.missing]
    yield from dict.fromkeys(told)


def to_data(found: Leaving) -> dict[str, object]:
    """The `exits` object of the JSON form."""
    return {
        "ways": [{"source": one.direct.source, **comparison_data(one)} for one in found.ways],
        "terms": terms_data(found.terms),
    }  # fmt: skip
