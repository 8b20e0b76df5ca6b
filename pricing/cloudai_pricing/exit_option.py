"""The exit bill of each option of an estimate: what it would cost to leave it again, and for whom it costs least.

No code is known here, so lines of code are assumed per operation; `cloudai lockin` counts them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from cloudai_pricing.equivalence import Match, Table, table
from cloudai_pricing.exact import ONE, ZERO, cut
from cloudai_pricing.exit_bill import (
    Comparison,
    ExitBill,
    Leaving,
    Model,
    Use,
    base_probability,
    compare,
    horizon_end,
    rates,
)
from cloudai_pricing.exit_settings import ExitSettings
from cloudai_pricing.exit_terms import Terms
from cloudai_pricing.model import LineCost, Option
from cloudai_pricing.operations import billable
from cloudai_pricing.selection import Catalog, Unpriced, Wanted, select
from cloudai_pricing.tiers import climb
from cloudai_pricing.units import factor
from cloudai_pricing.workload import Line, Workload

CLOUDS = ("aws", "azure", "gcp")
_UNCALLED = ("storage", "egress")
"""Lines that no code calls: there is nothing to write anew."""


@dataclass(frozen=True, kw_only=True)
class OptionExit:
    """The exits from one option, the cheapest whole one first."""

    behind: str
    terms: Terms
    exits: tuple[Comparison, ...]

    @property
    def shown(self) -> tuple[ExitBill, ...]:
        """As the code is said to be."""
        return tuple(one.neutral if self.behind == "neutral" else one.direct for one in self.exits)

    @property
    def least(self) -> ExitBill:
        """The bill to the target that takes the most at the least cost."""
        return self.shown[0]


class Exits:
    """Exit bills of the options of one estimate."""

    def __init__(self, workload: Workload, catalog: Catalog, months: int) -> None:
        self._workload = workload
        self._catalog = catalog
        self._months = months
        self._settings = workload.exit or ExitSettings()
        self.terms: Terms = self._settings.terms_on(catalog.book.as_of)
        self._on: date = self._settings.on(catalog.book.as_of)
        self._until = horizon_end(self._on, self.terms)
        self._table: Table = table()

    def of(self, option: Option, options: Sequence[Option]) -> OptionExit | None:
        """Where to, and for how much; None: nothing of the option is called by code."""
        lines = [line for line in option.lines if line.cost is not None and _called(line.operation)]
        targets = dict.fromkeys((*(one.provider for one in options), *CLOUDS))
        targets.pop(option.provider, None)
        if not lines:
            return None
        by_name = {one.provider: one for one in options}
        found = [compare(self._leaving(option, lines, to, by_name.get(to)), self.terms) for to in targets]
        ranked = sorted(found, key=lambda one: (one.direct.shares.none, one.direct.total, one.direct.target))
        return OptionExit(behind=self._settings.behind, terms=self.terms, exits=tuple(ranked))

    def exposure(self, provider: str, line: Line) -> Decimal:
        """What placing one line on a provider adds to the cost of leaving it, weighed: USD.

        The people's cost of the cheapest exit of that line, times its probability or the share that was asked for;
        a line that nobody else offers counts as a work-around.
        """
        if not _called(line.operation) or self._settings.weigh is None:
            return ZERO
        targets = [name for name in CLOUDS if name != provider]
        bills = [self._own(provider, name, line) for name in targets]
        return min(bills, default=ZERO)

    def platform(self) -> Decimal:
        """What one more provider adds, weighed: USD."""
        if self._settings.weigh is None:
            return ZERO
        days = self.terms.number("platform_days") * self.terms.number("day_rate")
        return days * self._weight(base_probability(self.terms))

    def _own(self, provider: str, target: str, line: Line) -> Decimal:
        found = self._match(provider, target, line.operation, line.features)
        use = self._use(line.operation, min(found.kind, 3), ONE, found, provider, lines=self.lines_each())
        share, days = rates(use, self.terms, self._settings.behind)
        effort = cut(use.lines * share / self.terms.number("lines_per_day")) + days
        due = use.retires is not None and use.retires <= self._until
        return effort * self.terms.number("day_rate") * self._weight(ONE if due else base_probability(self.terms))

    def _weight(self, probability: Decimal) -> Decimal:
        weigh = self._settings.weigh
        return probability if weigh == "risk" or weigh is None else weigh

    def _leaving(self, option: Option, lines: Sequence[LineCost], to: str, target: Option | None) -> Leaving:
        called = {line.name for line in lines}
        there = None if target is None else [line for line in target.lines if line.name in called]
        known = there is not None and all(line.complete for line in there)
        gigabytes = self._gigabytes()
        return Leaving(
            source=option.provider,
            target=to,
            uses=tuple(self._uses(option.provider, lines, to, there)),
            models=tuple(self._models()),
            gigabytes=gigabytes,
            egress_price=self._egress(option, gigabytes) if gigabytes else None,
            cost_source=self._monthly(lines),
            cost_target=self._monthly(there) if known and there is not None else None,
            commitments=self._settings.commitments,
            adapter_cost=self._settings.adapter_cost or ZERO,
            on=self._on,
        )

    def _monthly(self, lines: Sequence[LineCost]) -> Decimal:
        return cut(sum((line.cost.likely for line in lines if line.cost is not None), ZERO) / self._months)

    def _uses(
        self, provider: str, lines: Sequence[LineCost], to: str, there: Sequence[LineCost] | None
    ) -> Iterator[Use]:
        features = {line.name: (*line.features, *line.needs) for line in self._workload.lines}
        groups: dict[str, list[LineCost]] = {}
        for line in lines:
            groups.setdefault(line.operation, []).append(line)
        each = self.lines_each(len(groups))
        for operation, several in groups.items():
            asked = tuple(dict.fromkeys(name for line in several for name in features[line.name]))
            found = self._match(provider, to, operation, asked)
            weight = sum((line.cost.likely for line in several if line.cost is not None), ZERO)
            priced = there is not None and any(one.operation == operation and one.cost is not None for one in there)
            if operation.startswith("other.") and priced:
                found = found._replace(kind=3, why=("another service, priced by your overlay",))
            yield self._use(operation, found.kind, weight, found, provider, lines=each)

    def _use(self, operation: str, kind: int, weight: Decimal, found: Match, provider: str, *, lines: Decimal) -> Use:
        own = self._table.offers.get(provider, {}).get((operation, ""))
        return Use(
            name=operation,
            lines=lines,
            kind=kind,
            weight=weight,
            portable=operation in billable(),
            retires=own.retires if own is not None else None,
            why="; ".join(found.why),
            source=found.source,
            as_of=found.as_of,
        )

    def _match(self, provider: str, to: str, operation: str, features: Sequence[str]) -> Match:
        return self._table.worst(provider, to, operation, features, until=self._until)

    def lines_each(self, operations: int | None = None) -> Decimal:
        """Coupled lines of one operation."""
        if self._settings.lines is None:
            return self.terms.number("lines_per_operation")
        if operations is None:
            operations = len({line.operation for line in self._workload.lines if _called(line.operation)})
        return cut(self._settings.lines / operations)

    def _models(self) -> Iterator[Model]:
        trained = sum(1 for line in self._workload.lines if line.operation == "custom.train")
        served = any(line.operation.startswith("custom.") for line in self._workload.lines)
        models = self._settings.models
        count = models if models is not None else max(trained, int(served), self._settings.stuck_models)
        for number in range(count):
            stuck = number < self._settings.stuck_models
            yield Model(
                name=f"model {number + 1}",
                exportable=not stuck,
                retraining=self._settings.retraining if stuck else ZERO,
                relabelling=self._settings.relabelling if stuck else ZERO,
            )

    def _gigabytes(self) -> Decimal:
        """What lies there in the last month."""
        if self._settings.gigabytes is not None:
            return self._settings.gigabytes
        stored = (line for line in self._workload.lines if line.operation == "storage")
        return sum((line.in_month(self._months)[1] / factor("gb-month") for line in stored), ZERO)

    def _egress(self, option: Option, gigabytes: Decimal) -> Decimal | None:
        """USD a GB on average, all taken out in one month; None: the book has no price there."""
        try:
            charge = select(self._catalog, option.provider, option.region, Wanted("egress", "gb")).charges[0]
        except Unpriced:
            return None
        units = gigabytes * factor("gb")
        cost = ZERO
        for piece in climb(charge.price, ZERO, units, ZERO):
            if piece.price is None:
                return None
            cost += piece.quantity * piece.price * charge.factor
        return cut(cost / gigabytes)


def _called(operation: str) -> bool:
    known = billable().get(operation)
    return operation not in _UNCALLED and not (known is not None and known.free)


def exits_of(workload: Workload, catalog: Catalog, options: Sequence[Option], months: int) -> Mapping[str, OptionExit]:
    """Provider -> its exits, for the options of which anything is called by code."""
    exits = Exits(workload, catalog, months)
    found = {option.provider: exits.of(option, options) for option in options}
    return {name: one for name, one in found.items() if one is not None}
