"""The ways to have a line done: a managed service, an endpoint with a model of one's own, own machines in a cloud, own
hardware; each with its cost against volume, what it takes once, and what leaving it would take.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Literal

from cloudai_pricing.billing import FreeTier, Plan, allowance
from cloudai_pricing.entries import Price
from cloudai_pricing.errors import PlanError
from cloudai_pricing.exact import ONE, ZERO, cut, grouped, money
from cloudai_pricing.exit_bill import Behind, Use, rates
from cloudai_pricing.exit_option import Exits
from cloudai_pricing.exit_settings import ExitSettings
from cloudai_pricing.machines import MachineChoice, choose
from cloudai_pricing.plan_curves import NOTHING, Curve, added, committed, ladder, machines
from cloudai_pricing.plan_curves import line as straight
from cloudai_pricing.plan_settings import Goodness, Own, PlanSettings
from cloudai_pricing.quotes import Quote
from cloudai_pricing.selection import Catalog, Charge, Unpriced
from cloudai_pricing.units import MONTH_HOURS, base_of, factor, plural
from cloudai_pricing.workload import Line, Local, Machine, Workload

Kind = Literal["managed", "endpoint", "cloud", "own"]
KINDS: Mapping[Kind, str] = {
    "managed": "managed service",
    "endpoint": "managed endpoint, own model",
    "cloud": "own machine in a cloud",
    "own": "own hardware",
}
_OPERATIONS = {"endpoint": "custom.deploy", "cloud": "other.virtual_machine"}
_LEAVING = {"endpoint": 2, "cloud": 1}
"""Classes of leaving one's own model: endpoints wrap requests in their own way, a machine's server goes along."""
MOST_MACHINES = 2000
"""No line runs on more machines of one's own than this: a slip in a throughput."""


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way for one line. `name` is unique among the line's ways; costs are USD, volumes base units a month.

    `curve`: what a month costs, everything in it; the line stands alone on its ladders. `once`: before the first month.
    `leaving`: people's cost of the cheapest exit. `plan`: what bills a managed service.
    """

    name: str
    kind: Kind
    provider: str
    region: str
    line: Line
    bill: Curve
    """The invoice or the machines alone."""
    beside: Curve
    """People, retraining and human looks."""
    once: Decimal
    leaving: Decimal
    goodness: Goodness = field(default_factory=Goodness)
    plan: Plan | None = None
    does: Fraction | None = None
    """Base units that one machine does in a month at the planned utilisation."""
    least: int = 0
    """Machines that always run."""
    machine: str = ""
    price: Price | None = None
    """Of a machine in a cloud."""
    notes: tuple[str, ...] = ()

    @property
    def prices(self) -> tuple[Price, ...]:
        """What the way is billed by; none for own hardware."""
        if self.plan is not None:
            return tuple(charge.price for charge in self.plan.charges)
        return () if self.price is None else (self.price,)

    @cached_property
    def curve(self) -> Curve:
        """What a month costs in all."""
        (piece,) = self.beside.pieces
        return self.bill.tilted(piece.at, piece.slope)

    def month(self, volume: Decimal) -> Decimal | None:
        """A month's cost; None: not known. Machines that always run cost their price without any work, too."""
        found = self.curve.cost(Fraction(volume)) if volume else self._idle()
        return None if found is None else decimal(found)

    def _idle(self) -> Fraction:
        """A month without work: machines and people go on, a managed service costs nothing."""
        if self.kind == "managed":
            return NOTHING
        return self.bill.pieces[0].at + self.beside.pieces[0].at

    def total(self, months: int) -> Decimal | None:
        """All months of the plan and what comes before them; None: not known."""
        if months not in self._totals:
            self._totals[months] = self._total(months)
        return self._totals[months]

    @cached_property
    def _totals(self) -> dict[int, Decimal | None]:
        """What `total` has worked out."""
        return {}

    def _total(self, months: int) -> Decimal | None:
        found = self.once
        for volume, times in self._volumes(months).items():
            cost = self.month(volume)
            if cost is None:
                return None
            found += cost * times
        return found

    def _volumes(self, months: int) -> Counter[Decimal]:
        """The likely volumes, each with the number of months that have it."""
        return Counter(self.line.in_month(month)[1] for month in range(1, months + 1))

    def beside_total(self, months: int) -> Decimal:
        """All but the invoice: people, retraining, human looks, set-up."""
        (piece,) = self.beside.pieces
        if not piece.slope:
            return self.once + decimal(piece.at) * months
        volumes = self._volumes(months).items()
        return self.once + sum((decimal(piece.at + piece.slope * Fraction(v)) * times for v, times in volumes), ZERO)

    def replicas(self, volume: Decimal) -> int:
        """Machines that a month's volume needs; 0 for a managed service."""
        return 0 if self.does is None else max(self.least, -(-Fraction(volume) // self.does))

    def idle_share(self, volume: Decimal, utilisation: Decimal) -> Decimal | None:
        """Of the machines' hours, how many are paid for nothing; None for a managed service."""
        if self.does is None:
            return None
        able = self.does / Fraction(utilisation) * self.replicas(volume)
        return decimal(1 - Fraction(volume) / able)


def decimal(number: Fraction) -> Decimal:
    """To 9 places."""
    return cut(Decimal(number.numerator) / Decimal(number.denominator))


def billed(plan: Plan, free_tier: FreeTier) -> Curve:
    """A managed service's bill for a line that stands alone, against its volume in base units."""
    curves = [_charged(plan, charge, free_tier) for charge in plan.charges]
    return curves[0] if len(curves) == 1 else added(curves)


_MANY = Decimal(10**9)


def _charged(plan: Plan, charge: Charge, free_tier: FreeTier) -> Curve:
    price = charge.price
    times = Fraction(plan.units(charge, _MANY)) / Fraction(_MANY)
    size, share = Fraction(factor(price.unit)), Fraction(charge.factor)
    if price.commitment is not None:
        terms = price.commitment
        overage = None if terms.overage is None else Fraction(terms.overage) * share / size
        return committed(Fraction(terms.fee) * share, Fraction(terms.included) * size, overage).of_multiple(times)
    tiers = [
        (None if tier.up_to is None else Fraction(tier.up_to) * size, Fraction(tier.price) * share / size)
        for tier in price.tiers
    ]
    return ladder(tiers, Fraction(allowance(price, 1, free_tier))).of_multiple(times)


class Ways:
    """Finds the ways of the lines of one workload."""

    def __init__(
        self, workload: Workload, catalog: Catalog, settings: PlanSettings, months: int, free_tier: FreeTier
    ) -> None:
        self._workload = workload
        self._catalog = catalog
        self._settings = settings
        self._months = months
        self._free_tier: FreeTier = free_tier
        self._rate = settings.number("day_rate")
        exit_settings = workload.exit or ExitSettings()
        self._behind: Behind = exit_settings.behind
        self._exits = Exits(replace(workload, exit=replace(exit_settings, weigh=ONE)), catalog, months)
        self._machines: dict[tuple[str, ...], MachineChoice | str] = {}
        self._curves: dict[object, Curve] = {}
        self._exposures: dict[tuple[str, str, tuple[str, ...]], Decimal] = {}
        self.refused: dict[tuple[str, str], str] = {}
        """(line, way) -> why it is none."""

    @property
    def platform(self) -> Decimal:
        """What leaving a provider takes once, however many lines are there."""
        return self._exits.platform()

    def managed(self, quote: Quote) -> Way | None:
        """The way through a provider's own service."""
        line, name = quote.line, f"{quote.plan.charges[0].price.provider if quote.plan else '?'} {quote.region}"
        if quote.plan is None or quote.lacks or not quote.plan.known:
            return None
        provider = quote.plan.charges[0].price.provider
        good = self._goodness(line, provider)
        return Way(
            name=name,
            kind="managed",
            provider=provider,
            region=quote.region,
            line=line,
            bill=self._billed(quote.plan),
            beside=self._beside("managed", line, good, ZERO),
            once=self._rate * self._settings.number("setup.managed"),
            leaving=self._exposure(provider, line),
            goodness=good,
            plan=quote.plan,
            notes=self._unlooked(good),
        )

    def _billed(self, plan: Plan) -> Curve:
        """Lines that are counted alike have one curve."""
        line, prices = plan.line, tuple((one.price.key, one.price.where, one.factor) for one in plan.charges)
        key = (prices, line.request, line.channels, line.targets, line.text, plan.nodes, plan.pace)
        if key not in self._curves:
            self._curves[key] = billed(plan, self._free_tier)
        return self._curves[key]

    def _exposure(self, provider: str, line: Line) -> Decimal:
        key = (provider, line.operation, line.features)
        if key not in self._exposures:
            self._exposures[key] = self._exits.exposure(provider, line)
        return self._exposures[key]

    def own(self, line: Line, places: Sequence[tuple[str, str]]) -> Iterator[Way]:
        """The ways with models of one's own; `places`: providers with their regions."""
        for own in self._of(line):
            for where in own.where:
                if where == "own":
                    yield from self._hardware(line, own)
                elif own.accelerator or own.instance:
                    for provider, region in places:
                        yield from self._machine(
                            "endpoint" if where == "endpoint" else "cloud", line, own, provider, region
                        )

    def _of(self, line: Line) -> Iterator[Own]:
        """The user's models for a line; a throughput in `[local]` is one too."""
        several = [own for own in self._settings.own if own.line in (line.name, line.operation)]
        yield from several
        pace = self._workload.local.pace(line) if self._workload.local is not None else None
        if pace is not None and not any("own" in own.where for own in several):
            yield Own(line=line.name, pace=pace, where=("own",))

    def _machine(
        self, kind: Literal["endpoint", "cloud"], line: Line, own: Own, provider: str, region: str
    ) -> Iterator[Way]:
        choice = self._choice(kind, own, provider, region)
        name = f"{kind} {provider} {region}"
        if isinstance(choice, str):
            self.refused[line.name, name] = choice
            return
        charge = choice.selection.charges[0]
        monthly = cut(charge.price.first_price * charge.factor * choice.nodes * MONTH_HOURS)
        does = Fraction(own.pace * MONTH_HOURS * self._settings.number("utilisation") / 100)
        least = int(self._settings.number("min_replicas"))
        machine = charge.price.instance or charge.price.sku
        yield Way(
            name=f"{name} {machine}",
            kind=kind,
            provider=provider,
            region=region,
            line=line,
            bill=machines(Fraction(monthly), self._able(line, does), least, NOTHING, self._upto(line)),
            beside=self._beside(kind, line, own.goodness, own.retraining),
            once=self._rate * self._settings.number(f"setup.{kind}") + own.training,
            leaving=self._leaving(line, kind),
            goodness=own.goodness,
            does=does,
            least=least,
            machine=machine,
            price=charge.price,
            notes=tuple(self._said(own, machine, line, f"{money(monthly)} a month each")),
        )

    def _choice(self, kind: str, own: Own, provider: str, region: str) -> MachineChoice | str:
        key = (kind, provider, region, own.accelerator or "", own.instance or "")
        if key not in self._machines:
            wanted = Machine(accelerator=own.accelerator, instance=own.instance)
            try:
                self._machines[key] = choose(self._catalog, provider, region, _OPERATIONS[kind], wanted)
            except Unpriced as reason:
                self._machines[key] = str(reason)
        return self._machines[key]

    def _hardware(self, line: Line, own: Own) -> Iterator[Way]:
        local = self._workload.local
        if local is None:
            self.refused[line.name, "own"] = "[local] says nothing of the machines"
            return
        monthly, work = _upkeep(local)
        does = Fraction(own.pace * MONTH_HOURS * local.utilisation)
        per_unit = Fraction(work) / Fraction(own.pace)
        yield Way(
            name="own hardware",
            kind="own",
            provider="local",
            region="",
            line=line,
            bill=machines(Fraction(monthly), self._able(line, does), local.machines, per_unit, self._upto(line)),
            beside=self._beside("own", line, own.goodness, own.retraining),
            once=self._rate * self._settings.number("setup.own") + own.training,
            leaving=ZERO,
            goodness=own.goodness,
            does=does,
            least=local.machines,
            machine="own",
            notes=tuple(self._said(own, "own hardware", line, f"{money(monthly)} a month each, bought and idle")),
        )

    def _able(self, line: Line, does: Fraction) -> Fraction:
        if self._upto(line) / does > MOST_MACHINES:
            raise PlanError(
                f"{line.name!r} would need more than {grouped(Decimal(MOST_MACHINES))} machines",
                fix="Check throughput and volume",
            )
        return does

    def _upto(self, line: Line) -> Fraction:
        return Fraction(horizon_volume(line, self._months))

    def _beside(self, kind: Kind, line: Line, good: Goodness, retraining: Decimal) -> Curve:
        people = self._rate * self._settings.number(f"people.{kind}") + retraining
        look = self._settings.look
        if look is None or good.error is None:
            return straight(NOTHING, Fraction(people))
        return straight(Fraction(good.error) * Fraction(look) / Fraction(result_size(line)), Fraction(people))

    def _unlooked(self, good: Goodness) -> tuple[str, ...]:
        known = self._settings.look is None or good.error is not None
        return () if known else ("no error rate was given: looks are not counted, its cost is a lower bound",)

    def _leaving(self, line: Line, kind: Literal["endpoint", "cloud"]) -> Decimal:
        """Class 2 or 1 of the exit bill, and one model that is taken along."""
        terms = self._exits.terms
        use = Use(name=line.operation, lines=self._exits.lines_each(), kind=_LEAVING[kind])
        share, days = rates(use, terms, self._behind)
        effort = cut(use.lines * share / terms.number("lines_per_day")) + days + terms.number("model.exportable")
        return effort * terms.number("day_rate")

    def _goodness(self, line: Line, provider: str) -> Goodness:
        measured = self._settings.measured
        return measured.get((line.name, provider), measured.get((line.operation, provider), Goodness()))

    def _said(self, own: Own, machine: str, line: Line, cost: str) -> Iterator[str]:
        yield f"{grouped(line.stated(own.pace))} {plural(line.unit)} an hour on one {machine}, {cost}"
        if own.record is not None:
            yield own.record.words
        yield from self._unlooked(own.goodness)
        if own.record is not None and machine.lower() not in own.record.hardware.lower():
            yield f"assumption: {machine} is as fast as {own.record.hardware}"


def _upkeep(local: Local) -> tuple[Decimal, Decimal]:
    """USD a month of one machine that has nothing to do, and USD more for an hour at work."""
    kilowatt = local.electricity / 1000
    monthly = cut(local.hardware / local.life) + kilowatt * local.idle_power * MONTH_HOURS
    return monthly, kilowatt * (local.power - local.idle_power)


def result_size(line: Line) -> Decimal:
    """Base units of one result: a request where its size is given, else one image, page, request.

    Raises `PlanError` for what has no natural result: hours of speech, characters.
    """
    if line.request is not None:
        return line.request
    if base_of(line.unit) in ("second", "character"):
        raise PlanError(
            f"look needs to know how large a result of {line.name!r} is", fix='Give request = "4 min" or the like'
        )
    return factor(line.unit)


def horizon_volume(line: Line, months: int) -> Decimal:
    """Up to which monthly volume (base units) ways are compared: ten times the most that is planned."""
    most = max(line.in_month(month)[2] for month in range(1, months + 1))
    return most * 10 or factor(line.unit) * 1000
