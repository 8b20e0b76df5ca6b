"""`plan(workload)`: build, buy or both. Every line's ways, the choice of least cost, where the answer changes.

The choice counts shared ladders and allowances as the mix does; ways with a model of one's own share nothing. It is
exact where it says so; otherwise the best that was found is given with that word.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cached_property

from cloudai_pricing.billing import FreeTier, Plan, total
from cloudai_pricing.book import Book
from cloudai_pricing.entries import Price, Tier
from cloudai_pricing.errors import PlanError
from cloudai_pricing.exact import ZERO, exactly
from cloudai_pricing.mix import Solver, assign
from cloudai_pricing.mix_offers import Shared, shared
from cloudai_pricing.overlay import Overlay
from cloudai_pricing.places import check_names, places
from cloudai_pricing.plan_answer import BuildPlan, LinePlan, Point
from cloudai_pricing.plan_settings import PlanSettings
from cloudai_pricing.plan_ways import Way, Ways
from cloudai_pricing.quotes import check_features, quote_lines
from cloudai_pricing.regions import GLOBAL
from cloudai_pricing.selection import Capabilities, Catalog, Charge, catalog_of
from cloudai_pricing.workload import Line, Workload

MOST_PLANS = 4_000
"""So many plans are looked at one by one, for the front and for a limit on leaving."""
_TIE = Decimal("1e-30")
"""Of two plans that cost the same, the one that is left for less."""
STEPS, FEW_STEPS = 24, 4
"""Steps of the weight on leaving, where there are more plans than that; few where there are more than 20 lines."""


def plan(
    workload: Workload,
    settings: PlanSettings,
    *,
    book: Book | None = None,
    overlay: Overlay | None = None,
    months: int | None = None,
    as_of: str | None = None,
    free_tier: FreeTier = "always",
    capabilities: Capabilities | None = None,
    solver: Solver | None = None,
    front: bool = True,
) -> BuildPlan:
    """Plans a workload. Raises `PlanError` for what the user can correct, also for limits that no plan keeps.

    `solver`: for large groups of lines, as `cloudai.solver.solve`. `front`: with the plans that trade cost against
    leaving.
    """
    with exactly():
        catalog = catalog_of(book, overlay, as_of=as_of, capabilities=capabilities, local=workload.local)
        check_names((*settings.providers, *settings.exclude), catalog.regions())
        check_features(workload, catalog)
        return _Planner(workload, settings, catalog, months or workload.months, free_tier, solver).plan(front=front)


class _Planner:
    def __init__(
        self,
        workload: Workload,
        settings: PlanSettings,
        catalog: Catalog,
        months: int,
        free_tier: FreeTier,
        solver: Solver | None,
    ) -> None:
        self._solver = solver
        self._workload = workload
        self._settings = settings
        self._catalog = catalog
        self._months = months
        self._free_tier: FreeTier = free_tier
        self._finder = Ways(workload, catalog, settings, months, free_tier)
        self._sums: dict[tuple[str, frozenset[str]], Decimal | None] = {}
        self._beyond: dict[str, list[Way]] = {}

    def plan(self, *, front: bool) -> BuildPlan:
        """All of it."""
        found = self._ways()
        self._by_name = {line.name: {way.name: way for way in ways} for line, ways in found}
        chosen, exact = self._choose(ZERO)
        points, whole = self._points() if front or self._settings.max_exit is not None else ([], False)
        limit = self._settings.max_exit
        if limit is not None and self._leaving(chosen) > limit:
            kept = [point for point in points if point.leaving <= limit]
            if not kept:
                least = min((point.leaving for point in points), default=ZERO).quantize(Decimal(1))
                raise PlanError(
                    f"no plan that was found can be left for {limit} USD; the least is {least} USD",
                    fix="Raise max_exit, or call through cloudai: exit.behind = neutral",
                    path=("plan", "max_exit"),
                )
            best = min(kept)
            chosen, exact = dict(best.ways), whole
        lines = tuple(self._line(line, ways, chosen.get(line.name)) for line, ways in found)
        return BuildPlan(
            name=self._workload.name,
            months=self._months,
            settings=self._settings,
            snapshot_id=self._catalog.book.snapshot.id,
            snapshot_date=self._catalog.book.snapshot.date,
            lines=lines,
            cost=self._cost(chosen) or ZERO,
            leaving=self._leaving(chosen),
            platform=self._finder.platform,
            exact=exact,
            front=tuple(points),
            front_exact=whole,
            assumptions=tuple(self._assumed()),
            catalog=self._catalog,
            free_tier=self._free_tier,
            workload=self._workload,
        )

    def _line(self, line: Line, ways: Sequence[Way], chosen: str | None) -> LinePlan:
        by_name = {way.name: way for way in ways}
        return LinePlan(
            line=line,
            ways=tuple(ways),
            chosen=by_name.get(chosen or ""),
            months=self._months,
            refused=self._refused.get(line.name, {}),
            beyond=tuple(self._beyond.get(line.name, ())),
        )

    @cached_property
    def _refused(self) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for (name, way), why in self._finder.refused.items():
            found.setdefault(name, {})[way] = why
        return found

    def _ways(self) -> list[tuple[Line, list[Way]]]:
        """Each line's ways with a known cost, cheapest first."""
        found: dict[str, list[Way]] = {line.name: [] for line in self._workload.lines}
        spots: dict[str, list[tuple[str, str]]] = {line.name: [] for line in self._workload.lines}
        asked = self._settings.regions or (None,)
        for region in asked:
            for provider, where in places(self._workload, self._catalog, (), region):
                if provider == "local" or not self._settings.allows(provider):
                    continue
                for quote in quote_lines(self._workload, self._catalog, provider, where, self._months):
                    spots[quote.line.name].append((provider, quote.region))
                    way = self._finder.managed(quote)
                    if way is not None:
                        found[quote.line.name].append(way)
                    else:
                        why = "; ".join(quote.notes) or "not wholly priced"
                        self._finder.refused[quote.line.name, f"{provider} {quote.region}"] = why
        for line in self._workload.lines:
            own = [way for way in self._finder.own(line, list(dict.fromkeys(spots[line.name]))) if self._may(way)]
            found[line.name] = self._ranked([*found[line.name], *own])
        return [(line, found[line.name]) for line in self._workload.lines]

    def _may(self, way: Way) -> bool:
        return self._settings.allows(way.provider)

    def _ranked(self, ways: Sequence[Way]) -> list[Way]:
        unique = {way.name: way for way in ways}
        totals = {name: way.total(self._months) for name, way in unique.items()}
        for name, cost in totals.items():
            if cost is None:
                line = unique[name].line.name
                self._finder.refused[line, name] = "its volume passes the last known price"
                self._beyond.setdefault(line, []).append(unique[name])
        known = [(cost, name) for name, cost in totals.items() if cost is not None]
        return [unique[name] for _, name in sorted(known)]

    def _choose(self, weight: Decimal) -> tuple[dict[str, str], bool]:
        """The way of each line, cost plus weight x leaving least; whether that is proven."""
        extra = {
            (way.name, name): more + (weight or _TIE) * way.leaving
            for name, ways in self._by_name.items()
            for way, more in zip(ways.values(), self._beside[name], strict=True)
        }
        found = assign(
            self._plans, list(self._by_name), self._months, self._free_tier, extra,
            solver=self._solver, several=self._shared, thorough=not weight,
        )  # fmt: skip
        return dict(found.providers), found.exact

    @cached_property
    def _plans(self) -> dict[str, dict[str, Plan]]:
        """Way -> line -> what bills it there."""
        plans: dict[str, dict[str, Plan]] = {}
        for name, ways in self._by_name.items():
            for way in ways.values():
                plans.setdefault(way.name, {})[name] = way.plan or _nothing(way)
        return plans

    @cached_property
    def _shared(self) -> Shared:
        return shared(self._plans, self._months, self._free_tier)

    @cached_property
    def _beside(self) -> dict[str, list[Decimal]]:
        """What each way of a line costs beside what is billed with others."""
        return {
            name: [
                (way.total(self._months) or ZERO) if way.plan is None else way.beside_total(self._months)
                for way in ways.values()
            ]
            for name, ways in self._by_name.items()
        }

    def _cost(self, chosen: Mapping[str, str]) -> Decimal | None:
        """Of a whole plan; None: not known."""
        groups: dict[str, set[str]] = {}
        cost = ZERO
        for name, way in chosen.items():
            one = self._by_name[name][way]
            if one.plan is None:
                cost += one.total(self._months) or ZERO
            else:
                groups.setdefault(way, set()).add(name)
                cost += one.beside_total(self._months)
        for way, names in groups.items():
            bill = self._bill(way, frozenset(names))
            if bill is None:
                return None
            cost += bill
        return cost

    def _bill(self, way: str, names: frozenset[str]) -> Decimal | None:
        key = (way, names)
        if key not in self._sums:
            plans = [one for name in sorted(names) if (one := self._by_name[name][way].plan) is not None]
            unknown, cost = total(plans, self._months, self._free_tier)
            self._sums[key] = None if unknown else cost
        return self._sums[key]

    def _leaving(self, chosen: Mapping[str, str]) -> Decimal:
        """People's cost of leaving all of it: each line's, and the platform of each cloud that is used."""
        ways = [self._by_name[name][way] for name, way in chosen.items()]
        clouds = {way.provider for way in ways if way.kind != "own"}
        return sum((way.leaving for way in ways), ZERO) + self._finder.platform * len(clouds)

    def _points(self) -> tuple[list[Point], bool]:
        """The front, and whether no plan is missing from it."""
        count = 1
        for ways in self._by_name.values():
            count *= max(len(ways), 1)
            if count > MOST_PLANS:
                return _front([self._point(self._choose(weight)[0]) for weight in _weights(len(self._by_name))]), False
        names = [name for name, ways in self._by_name.items() if ways]
        combos: list[dict[str, str]] = [{}]
        for name in names:
            combos = [{**combo, name: way} for combo in combos for way in self._by_name[name]]
        return _front([self._point(combo) for combo in combos]), True

    def _point(self, chosen: Mapping[str, str]) -> Point | None:
        cost = self._cost(chosen)
        return None if cost is None else Point(cost, self._leaving(chosen), chosen)

    def _assumed(self) -> list[str]:
        return [
            f"Prices of {self._catalog.book.snapshot.date}; a month has 730 hours; machines run all of them.",
            "Each way's curve has the line alone on its ladders; the choice counts what lines share.",
            "Leaving is people's time alone here: cloudai estimate has the whole exit bill of each provider.",
        ]


def _weights(lines: int) -> list[Decimal]:
    """From cost alone to leaving almost alone."""
    steps = STEPS if lines <= 20 else FEW_STEPS
    return [Decimal(step) / (steps - step) for step in range(steps)] + [Decimal(1000)]


def _front(points: Sequence[Point | None]) -> list[Point]:
    """Points that no other beats in both, cheapest first."""
    known = sorted((one for one in points if one is not None), key=lambda one: (one.cost, one.leaving))
    found: list[Point] = []
    for point in known:
        if not found or point.leaving < found[-1].leaving:
            found.append(point)
    return found


def _nothing(way: Way) -> Plan:
    """A plan that bills nothing: what the way costs is added beside it."""
    price = Price(
        provider=way.name, service="own", sku=way.line.name, kind="hosting", operations=(), region=GLOBAL,
        unit=way.line.unit, tiers=(Tier(up_to=None, price=ZERO),), effective_from="", as_of="", source="",
        confidence="own", where="", own=True,
    )  # fmt: skip
    volumes = ((ZERO, ZERO, ZERO),) * 1200
    return Plan(line=way.line, region="", volumes=volumes, charges=(Charge(price),))
