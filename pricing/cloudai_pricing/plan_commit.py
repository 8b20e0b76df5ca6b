"""Advice on commitments and spot machines: from which use on they pay, with the numbers it rests on.

Spot: the expected time with interruptions is that of Daly, "A higher order estimate of the optimum checkpoint interval"
(https://doi.org/10.1016/j.future.2004.11.016): M e^(R/M) (e^((t+d)/M) - 1) work / t, with M the mean time between
interruptions, d the time of a checkpoint, R that of a restart, t the time between checkpoints.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from cloudai_pricing.entries import Price
from cloudai_pricing.exact import ZERO, cut, exactly
from cloudai_pricing.machines import choose
from cloudai_pricing.plan_answer import BuildPlan, LinePlan
from cloudai_pricing.plan_curves import Curve, committed, envelope
from cloudai_pricing.plan_ways import Way, decimal
from cloudai_pricing.regions import GLOBAL
from cloudai_pricing.selection import Unpriced
from cloudai_pricing.units import MONTH_HOURS, convertible, factor
from cloudai_pricing.workload import Line, Machine


@dataclass(frozen=True, kw_only=True)
class CommitmentAdvice:
    """One commitment against paying by use, for a line on a way. Volumes in base units a month, USD a month.

    `worth`: stretches of volume (above, up to) in which the commitment is the cheaper; up to the plan's horizon.
    `low`, `likely`, `high`: what it saves at the line's range in month 1, negative where it costs more; None: unknown.
    """

    line: str
    unit: str
    way: str
    sku: str
    fee: Decimal
    worth: tuple[tuple[Decimal, Decimal], ...]
    low: Decimal | None
    likely: Decimal | None
    high: Decimal | None
    source: str
    as_of: str

    @property
    def always(self) -> bool:
        """It saves over the whole range of the volume."""
        return all(one is not None and one > 0 for one in (self.low, self.likely, self.high))

    @property
    def never(self) -> bool:
        """It saves nowhere in the range."""
        return all(one is None or one <= 0 for one in (self.low, self.likely, self.high))


@dataclass(frozen=True, kw_only=True)
class ReservationAdvice:
    """Reserving machines of a way in a cloud. `break_even`: the share of a month's hours from which it pays.

    `steady`: machines that run in every month in the low case: those can be reserved; more only as they come.
    """

    line: str
    way: str
    sku: str
    hourly: Decimal
    fee: Decimal
    break_even: Decimal
    steady: int
    saving: Decimal
    source: str
    as_of: str


@dataclass(frozen=True, kw_only=True)
class SpotAdvice:
    """Training on spot machines: hours of work a month, what interruptions make of them, what it saves a month.

    `interruptions`: per machine and hour; `interval`: hours between checkpoints; `break_even`: interruptions an hour
    at which spot costs as much as on demand (None: more than one a minute).
    """

    line: str
    provider: str
    region: str
    machine: str
    on_demand: Decimal
    spot: Decimal
    hours: Decimal
    interruptions: Decimal
    interval: Decimal
    overhead: Decimal
    saving: Decimal
    break_even: Decimal | None
    source: str
    as_of: str


def commitments(found: BuildPlan) -> Iterator[CommitmentAdvice]:
    """Commitments of the providers that offer a line, against paying them by use."""
    with exactly():
        for one in found.lines:
            for way in one.ways:
                if way.kind == "managed":
                    yield from _commitments(found, one, way)


def _commitments(found: BuildPlan, one: LinePlan, way: Way) -> Iterator[CommitmentAdvice]:
    layers = found.catalog.layers(one.line.operation, way.provider, way.region, GLOBAL)
    for price in (price for layer in layers for price in layer):
        if price.kind != "commitment" or price.commitment is None or not convertible(price.unit, one.line.unit):
            continue
        base = None if way.plan is None else way.plan.charges[0].price
        if base is None or base.commitment is not None or price.features not in ((), base.features):
            continue
        if price.variant != base.variant and price.variant is not None and base.variant is not None:
            continue
        yield _against(one.line, way, price, _fee(way, price))


def _fee(way: Way, price: Price) -> Curve:
    assert price.commitment is not None
    assert way.plan is not None
    size, terms = Fraction(factor(price.unit)), price.commitment
    overage = None if terms.overage is None else Fraction(terms.overage) / size
    times = Fraction(way.plan.units(way.plan.charges[0], Decimal(10**9))) / 10**9
    return committed(Fraction(terms.fee), Fraction(terms.included) * size, overage).of_multiple(times)


def _against(line: Line, way: Way, price: Price, fee: Curve) -> CommitmentAdvice:
    upto = max((piece.end for piece in fee.pieces if piece.end is not None), default=Fraction(1)) * 10
    stretches = envelope({"use": way.bill, "commitment": fee}, max(upto, Fraction(line.high) * 2))
    worth = tuple((decimal(s.start), decimal(s.end)) for s in stretches if s.best == "commitment")

    def saves(volume: Decimal) -> Decimal | None:
        by_use, by_fee = way.bill.cost(Fraction(volume)), fee.cost(Fraction(volume))
        return None if by_use is None or by_fee is None else decimal(by_use - by_fee)

    assert price.commitment is not None
    return CommitmentAdvice(
        line=line.name,
        unit=line.unit,
        way=way.name,
        sku=price.sku,
        fee=price.commitment.fee,
        worth=worth,
        low=saves(line.low),
        likely=saves(line.likely),
        high=saves(line.high),
        source=price.source,
        as_of=price.as_of,
    )


def reservations(found: BuildPlan) -> Iterator[ReservationAdvice]:
    """Reservations of the machines of each line's ways in a cloud."""
    with exactly():
        for one in found.lines:
            for way in one.ways:
                if way.kind == "cloud":
                    yield from _reservations(found, one, way)


def _reservations(found: BuildPlan, one: LinePlan, way: Way) -> Iterator[ReservationAdvice]:
    monthly = decimal(way.bill.pieces[0].at) / max(way.least, 1)
    low = min(one.line.in_month(month)[0] for month in range(1, found.months + 1))
    steady = way.replicas(low)
    for layer in found.catalog.layers("other.virtual_machine", way.provider, way.region):
        for price in layer:
            if price.commitment is None or not price.sku.startswith(f"{way.machine} reserved"):
                continue
            fee = price.commitment.fee
            yield ReservationAdvice(
                line=one.line.name,
                way=way.name,
                sku=price.sku,
                hourly=cut(monthly / MONTH_HOURS),
                fee=fee,
                break_even=cut(fee / monthly),
                steady=steady,
                saving=(monthly - fee) * steady,
                source=price.source,
                as_of=price.as_of,
            )


def spots(found: BuildPlan) -> Iterator[SpotAdvice]:
    """Spot machines for the training lines of the workload, on every provider that has a price of both kinds."""
    with exactly():
        for one in found.lines:
            if one.line.operation == "custom.train" and one.line.machine is not None:
                for way in one.ways:
                    if way.kind == "managed":
                        yield from _spot(found, one.line, way, one.line.machine)


def _spot(found: BuildPlan, line: Line, way: Way, machine: Machine) -> Iterator[SpotAdvice]:
    prices = []
    for spot in (False, True):
        wanted = Machine(instance=machine.instance, accelerator=machine.accelerator, count=machine.count, spot=spot)
        try:
            prices.append(choose(found.catalog, way.provider, way.region, line.operation, wanted))
        except Unpriced:
            return
    full, cheap = prices
    hourly = [
        one.selection.charges[0].price.first_price * one.selection.charges[0].factor * one.nodes for one in prices
    ]
    rate = found.settings.number("interruptions") / 100
    save, again = (found.settings.number(f"{word}_minutes") / 60 for word in ("checkpoint", "restart"))
    interval, overhead = interrupted(float(rate) * cheap.nodes, float(save), float(again))
    hours, factor_ = line.likely, Decimal(f"{overhead:.6f}")
    price = cheap.selection.charges[0].price
    yield SpotAdvice(
        line=line.name,
        provider=way.provider,
        region=way.region,
        machine=full.selection.charges[0].price.instance or full.selection.charges[0].price.sku,
        on_demand=hourly[0],
        spot=hourly[1],
        hours=hours,
        interruptions=rate,
        interval=Decimal(f"{interval:.3f}"),
        overhead=factor_,
        saving=hours * (hourly[0] - hourly[1] * factor_),
        break_even=_break_even(
            float(hourly[0] / hourly[1]) if hourly[1] else 0.0, cheap.nodes, float(save), float(again)
        ),
        source=price.source,
        as_of=price.as_of,
    )


def interrupted(rate: float, save: float, again: float) -> tuple[float, float]:
    """Hours between checkpoints, and how many hours one hour of work takes with them. `rate`: interruptions an hour.

    The interval is Daly's optimum to first order, sqrt(2 d M) - d, at least d; without checkpoints or interruptions
    nothing is lost.
    """
    if rate <= 0:
        return 0.0, 1.0
    mean = 1 / rate
    interval = max(math.sqrt(2 * save * mean) - save, save, 1 / 60)
    if (interval + save + again) / mean > 50:
        return interval, math.inf
    return interval, mean * math.exp(again / mean) * math.expm1((interval + save) / mean) / interval


def _break_even(ratio: float, nodes: int, save: float, again: float) -> Decimal | None:
    """Interruptions per machine and hour at which the overhead eats the discount: by halving."""
    low, high = 0.0, 60.0
    if ratio <= 1:
        return ZERO
    if interrupted(high * nodes, save, again)[1] < ratio:
        return None
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if interrupted(middle * nodes, save, again)[1] < ratio else (low, middle)
    return Decimal(f"{low:.6f}")
