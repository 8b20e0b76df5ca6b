"""A bill turned into what is shown of a line: slices, unit prices, what was free, what is not known and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from cloudai_pricing import words
from cloudai_pricing.billing import Bill, FreeTier, Plan
from cloudai_pricing.crossings import crossings
from cloudai_pricing.exact import ONE, PRICE_PLACES, ZERO, cut, grouped
from cloudai_pricing.model import NOTHING, Candidate, LineCost, Range, Slice
from cloudai_pricing.tiers import counted
from cloudai_pricing.units import base_of, plural
from cloudai_pricing.workload import Line

MOST_NAMED = 5
"""Lines that a remark names."""


def line_cost(
    plan: Plan, one: Bill, notes: tuple[str, ...], candidates: tuple[Candidate, ...], free_tier: FreeTier
) -> LineCost:
    """What a billed plan shows."""
    by_month = tuple(
        Range(low=low, likely=likely, high=high)
        for low, likely, high in zip(one.low, one.likely, one.high, strict=True)
    )
    slices = _slices(plan, one)
    cost = sum(by_month, NOTHING)
    base = plan.charges[0].price
    crossed = crossings(plan, one.ends, free_tier)
    billed = sum((quantity for key, quantity in one.pieces.items() if key[0] == 0 and not key[5]), ZERO)
    free = sum((quantity for key, quantity in one.pieces.items() if key[0] == 0 and key[4]), ZERO)
    return LineCost(
        name=plan.line.name,
        operation=plan.line.operation,
        complete=plan.known and not one.unknown,
        quantity=plan.line.stated(sum((likely for _, likely, _ in plan.volumes), ZERO)),
        unit=plan.line.unit,
        billed_quantity=billed,
        billed_unit=base.unit,
        free_quantity=free,
        cost=cost if slices or not one.unknown else None,
        by_month=by_month,
        effective_unit_price=cut(cost.likely / billed, PRICE_PLACES) if billed else None,
        marginal_unit_price=one.next.price,
        next_tier_at=one.next.at,
        to_next_tier=one.next.left,
        slices=slices,
        notes=(*notes, *_remarks(plan, one), *(words.crossing(each) for each in crossed)),
        candidates=candidates,
        crossings=crossed,
    )


def unpriced_line(line: Line, months: int, notes: tuple[str, ...], *, offered: bool) -> LineCost:
    """A line with no price: its cost is not known, which is not the same as nothing."""
    return _bare(line, months, notes, cost=None, complete=False, offered=offered)


def free_line(line: Line, months: int, notes: tuple[str, ...]) -> LineCost:
    """A line of an operation that nobody bills."""
    return _bare(line, months, notes, cost=NOTHING, complete=True, offered=True)


def _bare(
    line: Line, months: int, notes: tuple[str, ...], *, cost: Range | None, complete: bool, offered: bool
) -> LineCost:
    quantity = volume(line, months)
    free = quantity if cost is not None else ZERO
    return LineCost(
        name=line.name,
        operation=line.operation,
        complete=complete,
        quantity=quantity,
        unit=line.unit,
        billed_quantity=free,
        billed_unit=line.unit,
        free_quantity=free,
        cost=cost,
        by_month=(NOTHING,) * months,
        effective_unit_price=ZERO if cost is not None and quantity else None,
        marginal_unit_price=ZERO if cost is not None else None,
        next_tier_at=None,
        slices=(),
        notes=notes,
        offered=offered,
    )


def volume(line: Line, months: int) -> Decimal:
    """The likely volume of all months, in the unit that the line is stated in."""
    return line.stated(sum((line.in_month(month)[1] for month in range(1, months + 1)), ZERO))


def _slices(plan: Plan, one: Bill) -> tuple[Slice, ...]:
    found = []
    for (number, start, end, price, free, fee), quantity in one.pieces.items():
        charge = plan.charges[number]
        entry = charge.price
        each = price * charge.factor
        found.append(
            Slice(
                sku=entry.sku,
                service=entry.service,
                region=entry.region,
                start=start,
                end=end,
                quantity=quantity,
                unit="month" if fee else entry.unit,
                unit_price=each,
                list_unit_price=price,
                cost=quantity * each,
                source=entry.source,
                as_of=entry.as_of,
                confidence=entry.confidence,
                overridden=charge.overridden,
                free=free,
            )
        )
    return tuple(found)


def _remarks(plan: Plan, one: Bill) -> list[str]:
    remarks = []
    base = plan.charges[0].price
    if one.unknown:
        remarks.append(f"no price is known for {grouped(one.unknown)} {plural(base.unit)} a month above the last tier")
    if one.shared:
        remarks.append(f"counts on one ladder with {_few(sorted(one.shared))}")
    remarks.extend(_rounding(plan))
    remarks.extend(_counting(plan))
    for charge in plan.charges:
        if charge.price.own:
            remarks.append(f"own price: {charge.price.sku} ({charge.price.where})")
        elif charge.factor != ONE:
            remarks.append(f"discounted by {grouped((ONE - charge.factor) * 100)}%: {charge.price.sku}")
        if charge.price.note:
            remarks.append(charge.price.note)
    return remarks


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMED]) + (f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else "")


def _counting(plan: Plan) -> Iterator[str]:
    """How the characters of a text are counted, where a volume alone does not show it."""
    price, text = plan.charges[0].price, plan.line.text
    counts = price.counts
    if counts is None:
        if text is not None and base_of(price.unit) == "character":
            yield "whether Chinese characters and tags count otherwise was not read: each character counts as one"
        return
    if counts.chinese != ONE and (text is None or text.chinese):
        hint = ': give chinese = "...%" to count that' if text is None else ""
        yield f"each Chinese character (hanzi, kanji, hanja) counts as {grouped(counts.chinese)}{hint}"
    if counts.markup is False and (text is None or text.markup):
        yield "tags are not billed" + (': give markup = "...%" to take them off' if text is None else "")
    if text is not None and text.markup and counts.markup is None:
        yield "whether tags are billed was not read: they are counted"
    if text is not None and text.markup and counts.uncounted:
        yield f"tags are billed, but not {' and '.join(counts.uncounted)}: markup is without these"
    if (share := counted(price, text)) != ONE:
        yield f"1,000 characters of it are billed as {grouped(share * 1000)}"


def _rounding(plan: Plan) -> list[str]:
    """That a request is billed in steps which a volume alone doesn't show."""
    rounding, counted = plan.charges[0].price.rounding, base_of(plan.charges[0].price.unit)
    if rounding is None or plan.line.request is not None:
        return []
    if counted in ("image", "page", "request", "unit") and max(rounding.increment, rounding.minimum) <= 1:
        return []
    step, least = (f"{grouped(size)} {plural(counted, size)}" for size in (rounding.increment, rounding.minimum))
    steps = f"in steps of {step}" if rounding.increment else "exactly"
    return [f"each request is billed {steps}, at least {least}: give request = ... to count that"]
