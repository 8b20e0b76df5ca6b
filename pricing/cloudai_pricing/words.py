"""Costs in words and short tables of cells, shared by the forms that people read."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from cloudai_pricing.exact import ZERO, each, grouped, money
from cloudai_pricing.model import Choice, Crossing, Estimate, LineCost, Mix, Option, Range, Slice
from cloudai_pricing.units import plural

UNKNOWN = "unknown"


def amount(costs: Range | None, *, complete: bool) -> str:
    """`$1,234.56`, `>= $1,234.56` where a price is missing, `unknown` where all are."""
    if costs is None:
        return UNKNOWN
    return money(costs.likely) if complete else f">= {money(costs.likely)}"


def sum_of(costs: Range, option: Option) -> str:
    """An option's total or month in words: `unknown` where none of its lines has a price."""
    if all(line.cost is None for line in option.lines):
        return UNKNOWN
    return amount(costs, complete=option.complete)


def mix_total(mix: Mix) -> str:
    """The mix's total in words: `unknown` where none of its lines has a price."""
    if all(choice.cost is None for choice in mix.choices):
        return UNKNOWN
    return amount(mix.total, complete=mix.complete)


def span(costs: Range) -> str:
    """`$900.00 to $1,600.00`, or nothing where the inputs have no range."""
    return "" if costs.certain else f"{money(costs.low)} to {money(costs.high)}"


def low(option: Option) -> str:
    """An option's total where every input is at its low end."""
    return sum_of(Range(low=ZERO, likely=option.total.low, high=ZERO), option)


def high(option: Option) -> str:
    """An option's total where every input is at its high end."""
    return sum_of(Range(low=ZERO, likely=option.total.high, high=ZERO), option)


def volume(line: LineCost) -> str:
    """`36,000,000 images`."""
    shown = rounded(line.quantity)
    return f"{grouped(shown)} {plural(line.unit, shown)}"


def rounded(quantity: Decimal) -> Decimal:
    """A whole number where a fraction says nothing to people."""
    return quantity.quantize(Decimal(1)) if quantity >= 1000 else quantity


def tier(piece: Slice) -> str:
    """`1,000 to 5,000,000`, `above 5,000,000`, `all`: the units of a month that a slice's price is for."""
    if piece.end is None:
        return f"above {grouped(piece.start)}" if piece.start else "all"
    return f"{grouped(piece.start)} to {grouped(piece.end)}"


def unit_prices(line: LineCost) -> str:
    """`$0.0015 per image on average, $0.001 for the next, ...`: effective, marginal, and how far the next tier is."""
    parts = []
    if line.effective_unit_price is not None:
        parts.append(f"{each(line.effective_unit_price)} per {line.billed_unit} on average")
    if line.marginal_unit_price is not None:
        parts.append(f"{each(line.marginal_unit_price)} for the next")
    if line.next_tier_at is not None:
        left = "" if line.to_next_tier is None else f", {grouped(rounded(line.to_next_tier))} further"
        parts.append(f"price changes at {grouped(line.next_tier_at)} {plural(line.billed_unit)} a month{left}")
    return ", ".join(parts)


def candidates(line: LineCost) -> list[str]:
    """The instances that would do, the chosen one ticked."""
    return [
        f"{'✓' if one.chosen else ' '} {one.nodes} x {one.sku}: {each(one.hourly)} an hour" for one in line.candidates
    ]


_BY_TIME = ("custom.train", "custom.deploy", "custom.batch_predict", "storage")


def usage_based(line: LineCost) -> bool:
    """Whether a line is billed by use: what is not used is not paid. Machines, storage and fees are not."""
    return line.operation not in _BY_TIME and any(piece.unit != "month" for piece in line.slices)


def cheapest(estimate: Estimate, number: int) -> str | None:
    """The provider whose whole price of a line is least, where two or more can be compared."""
    lines = [(option.lines[number], option.provider) for option in estimate.options]
    costs = [(line.cost.likely, provider) for line, provider in lines if line.complete and line.cost is not None]
    return min(costs)[1] if len(costs) > 1 else None


def cheapest_option(estimate: Estimate) -> str | None:
    """The provider of the least complete total, where there are several options."""
    totals = [(option.total.likely, option.provider) for option in estimate.options if option.complete]
    return min(totals)[1] if totals and len(estimate.options) > 1 else None


def gaps(option: Option) -> Iterator[str]:
    """What of an option is not priced, and why."""
    for line in option.lines:
        if not line.complete:
            yield f"{line.name}: {'; '.join(line.notes)}"


def left_out(option: Option) -> Iterator[str]:
    """Which priced lines are no part of the mix on a provider, and why."""
    for line in option.lines:
        if line.complete and line.lacks:
            yield f"{line.name}: lacks {', '.join(line.lacks)}, which the line needs"


CROSSINGS = ["month", "provider", "line", "billed in the month", "price of the next"]
"""The head of `crossing_rows`."""


def crossing_rows(estimate: Estimate) -> list[list[str]]:
    """In which month which line comes to another price, by month; lines that share a ladder in one row."""
    rows: dict[tuple[int, str, str, str, str], list[str]] = {}
    for option in estimate.options:
        for line in option.lines:
            for one in line.crossings:
                key = (one.month, option.provider, one.sku, _edge(one), _change(one))
                rows.setdefault(key, []).append(line.name)
    return [
        [str(month), provider, ", ".join(dict.fromkeys(lines)), edge, change]
        for (month, provider, _, edge, change), lines in sorted(rows.items())
    ]


def crossing(one: Crossing) -> str:
    """`from month 4 on: above 1,000,000 images, $0.001 -> $0.0008 for the next (SKU)`."""
    which = "the first" if one.at is None else "the next"
    return f"from month {one.month} on: {_edge(one)}, {_change(one)} for {which} ({one.sku})"


def _edge(one: Crossing) -> str:
    if one.at is None:
        return "a free allowance ends" if one.after else "a free allowance begins"
    return f"{'above' if one.rising else 'up to'} {grouped(one.at)} {plural(one.unit, one.at)}"


def _change(one: Crossing) -> str:
    before, after = (UNKNOWN if price is None else each(price) for price in (one.before, one.after))
    return f"{before} -> {after}"


def placed(estimate: Estimate) -> str:
    """`product photos on aws, call recordings on gcp`: the mix in words."""
    assert estimate.mix is not None
    return ", ".join(_place(choice) for choice in estimate.mix.choices)


def _place(choice: Choice) -> str:
    if choice.provider is not None:
        return f"{choice.name} on {choice.provider}"
    return f"{choice.name}: {UNKNOWN if choice.cost is None else 'free'}"


def headline(estimate: Estimate) -> str:
    """`support portal: 12 months, prices of 2026-10-07 (snapshot 0123...)`."""
    months = f"{estimate.months} month{'s' if estimate.months > 1 else ''}"
    return f"{estimate.name}: {months}, prices read up to {estimate.snapshot_date} (snapshot {estimate.snapshot_id})"
