"""A plan as it is given back: every line's ways, the choice, where it changes, the front, and the prices' sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from cloudai_pricing.billing import FreeTier
from cloudai_pricing.exact import ZERO
from cloudai_pricing.plan_curves import Curve, Stretch, added, envelope
from cloudai_pricing.plan_settings import PlanSettings
from cloudai_pricing.plan_ways import Way, decimal, horizon_volume
from cloudai_pricing.selection import Catalog
from cloudai_pricing.workload import Line, Workload


class Edge(NamedTuple):
    """Above `volume` (base units a month) `after` costs less than `before`."""

    volume: Fraction
    before: str | None
    after: str | None


@dataclass(frozen=True, kw_only=True)
class LinePlan:
    """One line: its ways, cheapest first, which of them is chosen, and where that changes."""

    line: Line
    ways: tuple[Way, ...]
    chosen: Way | None
    months: int
    refused: Mapping[str, str] = field(default_factory=dict)
    """Way -> why it is none."""
    beyond: tuple[Way, ...] = ()
    """Ways that are none because the volume passes their last known price; at a smaller volume they would be."""

    @cached_property
    def now(self) -> list[Stretch]:
        """Which way costs least in a month, by that month's volume: running costs only."""
        return envelope({way.name: way.curve for way in self.ways}, self._upto)

    @cached_property
    def over_the_months(self) -> list[Stretch]:
        """Which way costs least over the plan, set-up and training included, by the volume of month 1."""
        known: dict[object, Curve] = {}
        curves = {}
        for way in self.ways:
            key = (way.bill, way.beside, way.once)
            if key not in known:
                known[key] = self._whole(way)
            curves[way.name] = known[key]
        return envelope(curves, Fraction(self.line.in_month(1)[2]) * 10 or self._upto)

    @property
    def _upto(self) -> Fraction:
        return Fraction(horizon_volume(self.line, self.months))

    def _whole(self, way: Way) -> Curve:
        if self.line.once:
            return way.curve.tilted(Fraction(way.once))
        if not self.line.growth:
            return way.curve.times(self.months).tilted(Fraction(way.once))
        grown = 1 + Fraction(self.line.growth)
        return added([way.curve.of_multiple(grown**month) for month in range(self.months)]).tilted(Fraction(way.once))

    def best_in(self, month: int) -> str | None:
        """The way that costs least in a month of the plan."""
        volume = Fraction(self.line.in_month(month)[1])
        return next((one.best for one in self.now if one.start < volume <= one.end), None)

    @property
    def front(self) -> tuple[Way, ...]:
        """Ways that no other beats in cost, leaving, latency and quality at once; only what both have is compared."""
        return tuple(way for way in self.ways if not any(_beats(other, way, self.months) for other in self.ways))


def edges(stretches: Sequence[Stretch]) -> list[Edge]:
    """The crossings between stretches."""
    return [Edge(after.start, before.best, after.best) for before, after in pairwise(stretches)]


class PriceSource(NamedTuple):
    """Where prices of some services were read, from the first day to the last."""

    source: str
    services: tuple[str, ...]
    first: str
    last: str


class Point(NamedTuple):
    """A whole plan: what it costs, what leaving it would take, which way each line goes."""

    cost: Decimal
    leaving: Decimal
    ways: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class BuildPlan:
    """The answer. `exact`: the choice is proven least; `front_exact`: no plan is missing from the front."""

    name: str
    months: int
    settings: PlanSettings
    snapshot_id: str
    snapshot_date: str
    lines: tuple[LinePlan, ...]
    cost: Decimal
    leaving: Decimal
    platform: Decimal
    """What leaving one more cloud takes, however many lines are there; a part of `leaving`."""
    exact: bool
    front: tuple[Point, ...]
    front_exact: bool
    assumptions: tuple[str, ...]
    catalog: Catalog
    free_tier: FreeTier
    workload: Workload

    @property
    def complete(self) -> bool:
        """Every line has a way with a known price."""
        return all(line.chosen is not None for line in self.lines)

    @property
    def sources(self) -> tuple[PriceSource, ...]:
        """Where the prices of all ways were read, and when, in the order in which they are met."""
        prices = [price for one in self.lines for way in one.ways for price in way.prices]
        services: dict[str, dict[str, None]] = {}
        days: dict[str, set[str]] = {}
        for price in prices:
            services.setdefault(price.source, {})[price.service] = None
            days.setdefault(price.source, set()).add(price.as_of)
        return tuple(
            PriceSource(source, tuple(names), min(days[source]), max(days[source]))
            for source, names in services.items()
        )

    @property
    def by_month(self) -> tuple[Decimal, ...]:
        """Per month what the chosen ways cost on their own ladders; set-up is not in it."""
        found = []
        for month in range(1, self.months + 1):
            costs = (one.chosen.month(one.line.in_month(month)[1]) for one in self.lines if one.chosen is not None)
            found.append(sum((cost for cost in costs if cost is not None), ZERO))
        return tuple(found)


def _beats(one: Way, other: Way, months: int) -> bool:
    """At least as good in all that both have, better in one, and nothing that only the other has."""
    mine, theirs = _measures(one, months), _measures(other, months)
    if any(a is None and b is not None for a, b in zip(mine, theirs, strict=True)):
        return False
    pairs = [(a, b) for a, b in zip(mine, theirs, strict=True) if a is not None and b is not None]
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)


def _measures(way: Way, months: int) -> tuple[Decimal | None, ...]:
    """Smaller is better."""
    good = way.goodness
    return (way.total(months), way.leaving, good.latency, None if good.quality is None else -good.quality)


def stated(line: Line, volume: Fraction) -> Decimal:
    """Base units in the line's own unit."""
    return line.stated(decimal(volume))
