"""The sums: each month's units climb the ladders of their prices, pools and free allowances shared, in three cases."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

from cloudai_pricing.entries import ALWAYS_FREE, Commitment, Price
from cloudai_pricing.exact import ONE, PRICE_PLACES, ZERO, cut
from cloudai_pricing.selection import Charge
from cloudai_pricing.tiers import Piece, climb, counted, multiplier, next_price, rounded
from cloudai_pricing.units import factor
from cloudai_pricing.workload import Line

FreeTier = Literal["none", "always", "all"]
Counter = tuple[str, str, str]
Volumes = tuple[tuple[Decimal, Decimal, Decimal], ...]
"""Base units of a line in each month: low, likely, high."""


class Plan(NamedTuple):
    """A line on a provider with the prices that bill it; `nodes` machines run where the line's volume says one."""

    line: Line
    region: str
    volumes: Volumes
    charges: tuple[Charge, ...]
    nodes: int = 1
    pace: Decimal | None = None
    """Base units of the line to one billed unit (an hour of an own machine); None: its own units are billed."""
    known: bool = True
    """Everything that was asked for has a price (as far as the ladders go)."""

    @property
    def order(self) -> tuple[Decimal, str]:
        """Whose units count first in what lines share: the cheapest price first, then by name.

        What a commitment includes goes first to those who would pay most above it, as the clouds have it. The order of
        the workload file has no say, so that moving a line changes nothing.
        """
        price = self.charges[0].price
        return (price.first_price if price.commitment is None else -price.first_price, self.line.name)

    def units(self, charge: Charge, volume: Decimal) -> Decimal:
        """Base units that a volume is billed as at one price."""
        price, line = charge.price, self.line
        if self.pace is not None:
            volume = cut(volume / self.pace)
        request = line.request
        if line.text is not None and (share := counted(price, line.text)) != 1:
            volume, request = cut(volume * share), None if request is None else request * share
        units = volume if price.rounding is None else rounded(price, volume, request)
        times = multiplier(price, line.channels, line.targets) * self.nodes
        return units if times == 1 else units * times


class Month:
    """One month in one case: per plan its pieces; the counters as they stand at the end."""

    def __init__(self) -> None:
        self.pieces: dict[str, list[tuple[int, Piece]]] = {}
        self.positions: dict[Counter, Decimal] = {}
        self.used: dict[Counter, Decimal] = {}
        """Free units used up."""


class Next(NamedTuple):
    """What one more billed unit would cost in a month; at which unit of the base price that changes, and how far on."""

    price: Decimal | None = None
    at: Decimal | None = None
    left: Decimal | None = None


class Bill:
    """What one plan comes to over all months. Lists have one number per month."""

    def __init__(self, *, shared: frozenset[str]) -> None:
        self.low: list[Decimal] = []
        self.likely: list[Decimal] = []
        self.high: list[Decimal] = []
        self.pieces: dict[tuple[int, Decimal, Decimal | None, Decimal, bool, bool], Decimal] = {}
        """(charge, start, end, price, free, fee) -> billed units, in the likely case."""
        self.unknown = ZERO
        """The most billed units of a month, in any case, for which no price is known."""
        self.shared = shared
        """Other lines that count on the same ladder."""
        self.next = Next()
        self.ends: tuple[Month, ...] = ()
        """The likely case of each month; one object where nothing changed."""


def bill(plans: Sequence[Plan], months: int, free_tier: FreeTier, *, likely_only: bool = False) -> dict[str, Bill]:
    """Line name -> bill, for plans of one provider. `likely_only`: the three cases all as the likely one."""
    bills = {plan.line.name: Bill(shared=_sharers(plan, plans)) for plan in plans}
    ordered = sorted(plans, key=lambda plan: plan.order)
    by_name = {plan.line.name: plan for plan in plans}
    known: dict[object, Month] = {}
    ranged = not likely_only and any(plan.line.low != plan.line.high for plan in plans)
    cases = (0, 1, 2) if ranged else (1,)
    likely: list[Month] = []
    for month in range(1, months + 1):
        for case in cases:
            amounts = {plan.line.name: plan.volumes[month - 1][case] for plan in ordered}
            key = (tuple(amounts.values()), _limited(ordered, month, free_tier))
            if key not in known:
                known[key] = month_of(ordered, amounts, month, free_tier)
            if case == 1:
                likely.append(known[key])
            for name, one in bills.items():
                _add(one, by_name[name], known[key].pieces.get(name, []), case)
    for name, one in bills.items():
        if not ranged:
            one.low = one.high = one.likely
        one.ends = tuple(likely)
        one.next = _next(by_name[name], likely[-1], months, free_tier)
    return bills


def total(plans: Sequence[Plan], months: int, free_tier: FreeTier) -> tuple[int, Decimal]:
    """How many plans are not wholly priced, and the likely cost of all months."""
    bills = bill(plans, months, free_tier, likely_only=True)
    unknown = sum(1 for plan in plans if bills[plan.line.name].unknown or not plan.known)
    return unknown, sum((sum(one.likely, ZERO) for one in bills.values()), ZERO)


def month_of(plans: Sequence[Plan], amounts: Mapping[str, Decimal], month: int, free_tier: FreeTier) -> Month:
    """One month: plans in the order in which they count."""
    state = Month()
    for plan in plans:
        found = state.pieces.setdefault(plan.line.name, [])
        if not amounts[plan.line.name]:
            continue
        for number, charge in enumerate(plan.charges):
            price = charge.price
            units = plan.units(charge, amounts[plan.line.name])
            if price.commitment is not None and price.counter not in state.positions:
                found.append((number, _fee(price.commitment)))
            position = state.positions.get(price.counter, ZERO)
            free = masked = ZERO
            if price.free is not None and (allowed := allowance(price, month, free_tier)):
                used = state.used.get(price.free_counter, ZERO)
                free = min(units, max(allowed - used, ZERO))
                masked = allowed / factor(price.unit) if price.free_counter == price.counter else ZERO
                state.used[price.free_counter] = used + free
            found += [(number, piece) for piece in climb(price, position, units, free, masked=masked)]
            state.positions[price.counter] = position + units
    return state


def _fee(terms: Commitment) -> Piece:
    return Piece(start=ZERO, end=terms.included, quantity=ONE, price=terms.fee, fee=True)


def allowance(price: Price, month: int, free_tier: FreeTier) -> Decimal:
    """Base units of a month that are free."""
    free = price.free
    if free is None or free_tier == "none":
        return ZERO
    if free.kind in ALWAYS_FREE:
        return free.quantity * factor(price.unit)
    if free_tier == "always":
        return ZERO
    first = re.match(r"first_([0-9]+)_months", free.kind)
    if first is not None and month > int(first.group(1)):
        return ZERO
    return free.quantity * factor(price.unit)


def _limited(plans: Sequence[Plan], month: int, free_tier: FreeTier) -> tuple[Decimal, ...]:
    """What may differ between months of equal volume: allowances that end."""
    if free_tier != "all":
        return ()
    return tuple(allowance(charge.price, month, free_tier) for plan in plans for charge in plan.charges)


def _add(one: Bill, plan: Plan, pieces: Sequence[tuple[int, Piece]], case: int) -> None:
    cost = unknown = ZERO
    for number, piece in pieces:
        if piece.price is None:
            unknown += piece.quantity
            continue
        price = piece.price * plan.charges[number].factor
        cost += piece.quantity * price
        if case == 1:
            key = (number, piece.start, piece.end, piece.price, piece.free, piece.fee)
            one.pieces[key] = one.pieces.get(key, ZERO) + piece.quantity
    (one.low, one.likely, one.high)[case].append(cost)
    one.unknown = max(one.unknown, unknown)


def _sharers(plan: Plan, plans: Sequence[Plan]) -> frozenset[str]:
    counters = {charge.price.counter for charge in plan.charges}
    return frozenset(
        other.line.name
        for other in plans
        if other is not plan and any(charge.price.counter in counters for charge in other.charges)
    )


def _next(plan: Plan, state: Month, month: int, free_tier: FreeTier) -> Next:
    base = plan.charges[0].price
    marginal, next_at, left_to_it = ZERO, None, None
    for number, charge in enumerate(plan.charges):
        price = charge.price
        position = state.positions.get(price.counter, ZERO)
        each, tier_end = next_price(price, position)
        left = allowance(price, month, free_tier) - state.used.get(price.free_counter, ZERO)
        if left > ZERO:
            each, tier_end = ZERO, cut((position + left) / factor(price.unit))
        if number == 0 and tier_end is not None:
            next_at, left_to_it = tier_end, tier_end - cut(position / factor(price.unit))
        if each is None:
            return Next(None, next_at, left_to_it)
        marginal += cut(each * charge.factor * factor(base.unit) / factor(price.unit), PRICE_PLACES)
    return Next(marginal, next_at, left_to_it)
