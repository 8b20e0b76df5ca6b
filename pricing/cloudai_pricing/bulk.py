"""Many volumes at once: what a provider's bill comes to in 100,000 variants of a workload, to the last digit.

With numpy all variants climb the ladders together, as whole numbers of a billionth of a unit (64 bits wide where
that is enough, else of any size); without it one by one, by `billing`. Both give the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from cloudai_pricing.billing import FreeTier, Plan, allowance, bill
from cloudai_pricing.entries import Price
from cloudai_pricing.exact import ONE, PLACES, ZERO, exactly
from cloudai_pricing.selection import Charge
from cloudai_pricing.tiers import billed_of, counted, multiplier
from cloudai_pricing.units import factor
from cloudai_pricing.workload import Line

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[Any]
    """Whole numbers, months x variants, 64 bits or Python's own."""

Counter = tuple[str, str, str]
_UNIT: int = 10**PLACES
_ROOM: int = 2**61
"""Sums below this are safe in 64 bits, also doubled."""


@dataclass(frozen=True, kw_only=True)
class Totals:
    """One number per variant: what all months cost, what each costs, whether a part has no known price."""

    costs: tuple[Decimal, ...]
    by_month: tuple[tuple[Decimal, ...], ...]
    """Per month one number per variant; empty unless asked for."""
    unknown: tuple[bool, ...]


class Variants:
    """Volumes of the lines of a workload, one per variant, for all providers: what they come to in each month."""

    def __init__(self, lines: Sequence[Line], volumes: Mapping[str, Sequence[Decimal]], months: int) -> None:
        """`volumes`: line name -> base units of month 1; other lines keep their likely volume. Raises `PlanError` for
        growth past any real workload.
        """
        self.months = months
        self.count = max((len(several) for several in volumes.values()), default=1)
        self.firsts = {line.name: volumes.get(line.name) or [line.likely] * self.count for line in lines}
        self.tops = {name: max(several) for name, several in self.firsts.items()}
        for line in lines:
            _at(line, self.tops[line.name]).in_month(months)
        self.whole = all(_is_whole(volume) for several in self.firsts.values() for volume in several)
        self.grown: dict[tuple[str, bool], Array] = {}
        """(line, in 64 bits) -> scaled base units, months x variants; filled as they are asked for."""


def totals(
    plans: Sequence[Plan],
    variants: Variants,
    free_tier: FreeTier,
    *,
    months_too: bool = False,
    vectorised: bool | None = None,
) -> Totals:
    """The bills of one provider. `vectorised`: by numpy or not; None: where it is installed."""
    with exactly():
        if vectorised is not False and variants.whole and _all_whole(plans) and (vectorised or _has_numpy()):
            return _Sums(plans, variants, free_tier).totals(months_too=months_too)
        return _one_by_one(plans, variants, free_tier, months_too=months_too)


@cache
def _has_numpy() -> bool:
    from importlib.util import find_spec

    return find_spec("numpy") is not None


def _at(line: Line, volume: Decimal) -> Line:
    return replace(line, low=volume, likely=volume, high=volume)


def _moved(plan: Plan, volume: Decimal, months: int) -> Plan:
    line = _at(plan.line, volume)
    return plan._replace(line=line, volumes=tuple(line.in_month(month) for month in range(1, months + 1)))


def _one_by_one(plans: Sequence[Plan], variants: Variants, free_tier: FreeTier, *, months_too: bool) -> Totals:
    costs, all_months, unknown = [], [], []
    months = variants.months
    for number in range(variants.count):
        moved = [_moved(plan, variants.firsts[plan.line.name][number], months) for plan in plans]
        bills = bill(moved, months, free_tier, likely_only=True).values()
        by_month = [sum((one.likely[at] for one in bills), ZERO) for at in range(months)]
        costs.append(sum(by_month, ZERO))
        all_months.append(by_month)
        unknown.append(any(one.unknown for one in bills))
    turned = tuple(zip(*all_months, strict=True)) if months_too else ()
    return Totals(costs=tuple(costs), by_month=turned, unknown=tuple(unknown))


def _is_whole(number: Decimal) -> bool:
    """Whether it is a whole number of billionths."""
    return cast("int", number.as_tuple().exponent) >= -PLACES


def _all_whole(plans: Sequence[Plan]) -> bool:
    """Whether every bound of a ladder or allowance is a whole number of billionths."""
    numbers: list[Decimal] = []
    for plan in plans:
        for charge in plan.charges:
            numbers += [upper for upper, _ in _ladder(charge.price) if upper is not None]
            if charge.price.free is not None:
                numbers.append(charge.price.free.quantity)
    return all(_is_whole(number) for number in numbers)


def _ladder(price: Price) -> Iterator[tuple[Decimal | None, Decimal]]:
    """Bounds and prices in rising order; a ladder that ends has no open tier."""
    if price.commitment is None:
        yield from price.tiers
        return
    yield price.commitment.included, ZERO
    if price.commitment.overage is not None:
        yield None, price.commitment.overage


def _scaled(number: Decimal) -> int:
    return int(number.scaleb(PLACES))


def _divided(array: Array, by: int) -> Array:
    """To the nearest whole number, halves to the even one, as `exact.cut` does."""
    whole = array // by
    twice = (array - whole * by) * 2
    return cast("Array", whole + ((twice > by) | ((twice == by) & (whole % 2 == 1))))


class _Sums:
    """All variants of one provider's month, laid side by side."""

    def __init__(self, plans: Sequence[Plan], variants: Variants, free_tier: FreeTier) -> None:
        import numpy

        self._numpy = numpy
        self._variants = variants
        self._months = variants.months
        self._free_tier: FreeTier = free_tier
        self._count = variants.count
        self._narrow = _most(plans, variants) < _ROOM
        self._parts: list[tuple[Decimal, Array]] = []
        self._unknown = numpy.zeros(self._count, dtype=bool)
        self._positions: dict[Counter, Array] = {}
        self._used: dict[Counter, Array] = {}
        self._started: dict[Counter, Array] = {}
        for plan in sorted(plans, key=lambda plan: plan.order):
            volume = self._volume(plan.line)
            for charge in plan.charges:
                self._count_on(charge, self._units(plan, charge, volume), volume > 0)

    def totals(self, *, months_too: bool) -> Totals:
        """The sums as decimals."""
        places = max((-cast("int", price.as_tuple().exponent) for price, _ in self._parts), default=0)
        places = max(places, 0)
        weighted = [(int(price.scaleb(places)), units) for price, units in self._parts]
        whole = self._sum([(price, units.sum(axis=0)) for price, units in weighted], (self._count,))
        each: Array | list[Array] = self._sum(weighted, (self._months, self._count)) if months_too else []
        down = -(places + PLACES)
        return Totals(
            costs=tuple(Decimal(cost).scaleb(down) for cost in whole),
            by_month=tuple(tuple(Decimal(cost).scaleb(down) for cost in month) for month in each),
            unknown=tuple(self._unknown.tolist()),
        )

    def _sum(self, weighted: Sequence[tuple[int, Array]], shape: tuple[int, ...]) -> Array:
        found = self._numpy.full(shape, 0, dtype=object)
        for price, units in weighted:
            if price:
                found = found + units.astype(object) * price
        return found

    def _array(self, values: Sequence[int]) -> Array:
        return self._numpy.array(values, dtype=self._numpy.int64 if self._narrow else object)

    def _kept(self, array: Array) -> Array:
        return array.astype(self._numpy.int64) if self._narrow else array

    def _volume(self, line: Line) -> Array:
        key = (line.name, self._narrow)
        if key not in self._variants.grown:
            self._variants.grown[key] = self._grown(line)
        return self._variants.grown[key]

    def _grown(self, line: Line) -> Array:
        """Base units in each month."""
        start = self._array([_scaled(volume) for volume in self._variants.firsts[line.name]])
        months = [start]
        wide = start.astype(object) if line.growth and not line.once else start
        for month in range(1, self._months):
            if line.once:
                months.append(start * 0)
            elif not line.growth:
                months.append(start)
            else:
                over, under = ((ONE + line.growth) ** month).as_integer_ratio()
                months.append(self._kept(_divided(wide * over, under)))
        return self._numpy.stack(months)

    def _units(self, plan: Plan, charge: Charge, volume: Array) -> Array:
        """Base units billed, as `Plan.units` has them."""
        price, line = charge.price, plan.line
        if plan.pace is not None:
            over, under = _ratio(ONE, plan.pace)
            volume = self._kept(_divided(volume.astype(object) * over, under))
        share = counted(price, line.text)
        if share != 1:
            over, under = _ratio(share, ONE)
            volume = self._kept(_divided(volume.astype(object) * over, under))
        request = line.request and line.request * share
        if price.rounding is not None and request and (billed := billed_of(price.rounding, request)):
            over, under = _ratio(billed, request)
            if over != under:
                volume = self._kept(_divided(volume.astype(object) * over, under))
        times = multiplier(price, line.channels, line.targets) * plan.nodes
        return volume if times == 1 else volume * times

    def _count_on(self, charge: Charge, units: Array, touched: Array) -> None:
        price = charge.price
        nothing = units * 0
        if price.commitment is not None:
            fee = touched & ~self._started.get(price.counter, touched & False)
            self._parts.append((price.commitment.fee * charge.factor, self._array([_UNIT]) * fee))
        self._started[price.counter] = self._started.get(price.counter, touched & False) | touched
        position = self._positions.get(price.counter, nothing)
        paid = position + self._free(price, units)
        self._positions[price.counter] = position + units
        self._climb(charge, paid, position + units)

    def _free(self, price: Price, units: Array) -> Array:
        """Base units of these that an allowance covers."""
        allowed = [
            min(_scaled(allowance(price, month, self._free_tier)), _ROOM) for month in range(1, self._months + 1)
        ]
        if not any(allowed):
            return units * 0
        used = self._used.get(price.free_counter, units * 0)
        left = self._array(allowed)[:, None] - used
        free: Array = self._numpy.minimum(units, self._numpy.maximum(left, 0))
        self._used[price.free_counter] = used + free
        return free

    def _climb(self, charge: Charge, paid: Array, end: Array) -> None:
        size = int(factor(charge.price.unit))
        if size != 1:
            paid, end = _divided(paid, size), _divided(end, size)
        start = paid
        for upper, price in _ladder(charge.price):
            bound = end if upper is None else self._numpy.minimum(end, min(_scaled(upper), _ROOM))
            reached = self._numpy.maximum(bound, start)
            self._parts.append((price * charge.factor, reached - start))
            start = reached
        self._unknown |= (end > start).any(axis=0)


def _ratio(over: Decimal, under: Decimal) -> tuple[int, int]:
    (a, b), (c, d) = over.as_integer_ratio(), under.as_integer_ratio()
    return a * d, b * c


def _most(plans: Sequence[Plan], variants: Variants) -> Decimal:
    """A bound on the scaled units that any sum over all months and lines may reach."""
    found: Decimal = ZERO
    for plan in plans:
        line = plan.line
        first: Decimal = variants.tops[line.name] * max(ONE, (ONE + line.growth) ** (variants.months - 1))
        for charge in plan.charges:
            price, share = charge.price, ONE if plan.pace is None else max(ONE, ONE / plan.pace)
            each = counted(price, line.text)
            if price.rounding is not None and line.request and each:
                share = max(ONE, billed_of(price.rounding, line.request * each) / (line.request * each))
            share *= max(ONE, each)
            found += (first * share + ONE) * multiplier(price, line.channels, line.targets) * plan.nodes + ONE
    return found * variants.months * _UNIT
