"""Quotes billed: the lines of one provider, and the option that they make together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cloudai_pricing.billing import Bill, FreeTier, bill
from cloudai_pricing.linecost import free_line, line_cost, unpriced_line
from cloudai_pricing.model import NOTHING, LineCost, Option, Range
from cloudai_pricing.operations import billable
from cloudai_pricing.quotes import Quote


def option_of(provider: str, region: str, quotes: Sequence[Quote], months: int, free_tier: FreeTier) -> Option:
    lines = bill_lines(quotes, months, free_tier)
    by_month = month_sums(lines, months)
    return Option(
        provider=provider,
        region=region,
        complete=all(line.complete for line in lines),
        month=by_month[0],
        by_month=by_month,
        total=sum(by_month, NOTHING),
        lines=lines,
    )


def bill_lines(quotes: Sequence[Quote], months: int, free_tier: FreeTier) -> tuple[LineCost, ...]:
    bills = bill([quote.plan for quote in quotes if quote.plan is not None], months, free_tier)
    return tuple(_lacking(quote, _line(quote, bills.get(quote.line.name), months, free_tier)) for quote in quotes)


def _lacking(quote: Quote, line: LineCost) -> LineCost:
    return replace(line, lacks=quote.lacks) if quote.lacks else line


def _line(quote: Quote, one: Bill | None, months: int, free_tier: FreeTier) -> LineCost:
    operation = billable().get(quote.line.operation)
    if operation is not None and operation.free:
        return free_line(quote.line, months, quote.notes)
    if quote.plan is None or one is None:
        return unpriced_line(quote.line, months, quote.notes, offered=quote.offered)
    return line_cost(quote.plan, one, quote.notes, quote.candidates, free_tier)


def month_sums(lines: Sequence[LineCost], months: int) -> tuple[Range, ...]:
    return tuple(sum((line.by_month[at] for line in lines), NOTHING) for at in range(months))
