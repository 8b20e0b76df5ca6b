"""`estimate(workload)`: every provider's bill for a workload, and the mix that costs least.

Sums are exact; nothing is read but the price book that came with this version (and the overlay given); the same
inputs give the same answer to the byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

from cloudai_pricing import assumptions
from cloudai_pricing.billing import Bill, FreeTier, Plan, Volumes, bill
from cloudai_pricing.book import Book
from cloudai_pricing.errors import PlanError, nearest
from cloudai_pricing.exact import LARGEST, cut, exactly
from cloudai_pricing.linecost import free_line, line_cost, unpriced_line
from cloudai_pricing.mix import Assignment, assign, sharing
from cloudai_pricing.model import NOTHING, Candidate, Choice, Estimate, LineCost, Mix, Option, Range
from cloudai_pricing.operations import billable
from cloudai_pricing.overlay import NO_OVERLAY, Overlay
from cloudai_pricing.regions import region_of
from cloudai_pricing.selection import OFFERED, Capabilities, Catalog, Charge, Unpriced, Wanted, select
from cloudai_pricing.units import factor
from cloudai_pricing.workload import Line, Workload

if TYPE_CHECKING:
    from cloudai_pricing.bulk import Totals
    from cloudai_pricing.risk import Risk

Regions = Mapping[str, str | None]
"""A provider's region per line name; `""`: of the workload."""
KNOWN_PROVIDERS = ("aws", "azure", "gcp", "local")


class MixRules(NamedTuple):
    """What the mix must keep to. `most`: at most so many providers (0: any number)."""

    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    most: int = 0

    def allows(self, provider: str) -> bool:
        """Whether the mix may use a provider."""
        return provider not in self.exclude and (not self.only or provider in self.only)


class Quote(NamedTuple):
    """A line on a provider: the plan that bills it, or the reason why there is none; what to say beside it."""

    line: Line
    region: str
    plan: Plan | None
    notes: tuple[str, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    offered: bool = True
    lacks: tuple[str, ...] = ()
    """Features that the line needs and the provider has not: it is no part of the mix there."""


def estimate(
    workload: Workload,
    *,
    book: Book | None = None,
    overlay: Overlay | None = None,
    providers: Sequence[str] = (),
    region: str | None = None,
    months: int | None = None,
    as_of: str | None = None,
    snapshot: str | None = None,
    free_tier: FreeTier = "always",
    capabilities: Capabilities | None = None,
    mix_rules: MixRules | None = None,
    draws: int = 0,
    seed: int = 0,
) -> Estimate:
    """Prices a workload. Raises `PlanError` for what the user can correct, also for two prices that fit equally well.

    `as_of`: the day (ISO) whose prices count; default: the newest reading in the book. `snapshot`: fail unless the
    book is this one. `capabilities`: what providers offer, for `needs` and for features that no price names.
    `mix_rules`: which providers the mix may use. `draws`: how often to draw the lines' volumes from their ranges
    (0: not at all), from `seed` on.
    """
    with exactly():
        catalog = _catalog(book or Book.shipped(), overlay or NO_OVERLAY, as_of, snapshot, capabilities)
        catalog = replace(catalog, local=workload.local)
        months = months or workload.months
        rules = mix_rules or MixRules()
        return _estimate(workload, catalog, providers, region, months, free_tier, rules, (draws, seed))


def variants(
    workload: Workload,
    volumes: Mapping[str, Sequence[Decimal | int]],
    *,
    book: Book | None = None,
    overlay: Overlay | None = None,
    providers: Sequence[str] = (),
    months: int | None = None,
    as_of: str | None = None,
    free_tier: FreeTier = "always",
    capabilities: Capabilities | None = None,
) -> dict[str, Totals]:
    """Provider -> the total in each variant of a workload: many volumes in one go, equal to `estimate` of each.

    `volumes`: line name -> its volume in month 1 in the line's own unit, one number per variant, to at most 9 places.
    Raises `PlanError`.
    """
    from cloudai_pricing.bulk import Variants, totals

    if len({len(amounts) for amounts in volumes.values()}) != 1:
        raise PlanError("variants need volumes of one length", fix="Give each line one volume per variant")
    units = {line.name: factor(line.unit) for line in workload.lines}
    for name, amounts in volumes.items():
        if name not in units:
            raise PlanError(f"there is no line {name!r}", fix=nearest(name, units))
        if not all(0 <= volume <= LARGEST for volume in amounts):
            raise PlanError(f"a volume of {name!r} is negative or larger than any real workload")
    with exactly():
        catalog = _catalog(book or Book.shipped(), overlay or NO_OVERLAY, as_of, None, capabilities)
        catalog = replace(catalog, local=workload.local)
        months = months or workload.months
        _check_names(providers, catalog.regions())
        firsts = {name: [cut(Decimal(one) * units[name]) for one in amounts] for name, amounts in volumes.items()}
        several = Variants(workload.lines, firsts, months)
        found: dict[str, Totals] = {}
        for provider, where in _providers(workload, catalog, providers, None):
            quotes = _quotes(workload, catalog, provider, where, months)
            plans = [quote.plan for quote in quotes if quote.plan is not None]
            one = totals(plans, several, free_tier)
            whole = all(_priced(quote) for quote in quotes)
            found[provider] = one if whole else replace(one, unknown=(True,) * len(one.unknown))
        return found


def _priced(quote: Quote) -> bool:
    operation = billable().get(quote.line.operation)
    return (operation is not None and operation.free) or (quote.plan is not None and quote.plan.known)


def _catalog(
    book: Book, overlay: Overlay, as_of: str | None, snapshot: str | None, capabilities: Capabilities | None
) -> Catalog:
    seen = book.at(as_of) if as_of is not None else book
    if snapshot is not None and snapshot != seen.snapshot.id:
        fix = f"This version has {seen.snapshot.id!r} of {seen.snapshot.date}"
        raise PlanError(f"price snapshot {snapshot!r} is not here", fix=fix)
    return Catalog(book=seen, overlay=overlay.at(as_of), capabilities=capabilities)


def _estimate(
    workload: Workload,
    catalog: Catalog,
    providers: Sequence[str],
    region: str | None,
    months: int,
    free_tier: FreeTier,
    rules: MixRules,
    drawing: tuple[int, int],
) -> Estimate:
    _check_names((*providers, *rules.only, *rules.exclude), catalog.regions())
    chosen = _providers(workload, catalog, providers, region)
    quotes = {name: _quotes(workload, catalog, name, where, months) for name, where in chosen}
    options = tuple(_option(name, where[""] or "", quotes[name], months, free_tier) for name, where in chosen)
    mix, exact = _mix(workload, quotes, {one.provider: one.lines for one in options}, months, free_tier, rules)
    return Estimate(
        name=workload.name,
        currency="USD",
        months=months,
        snapshot_id=catalog.book.snapshot.id,
        snapshot_date=catalog.book.snapshot.date,
        assumptions=(
            *assumptions.of(workload, catalog, chosen, free_tier, exact_mix=exact),
            *assumptions.unused(catalog.overlay, _charges(quotes)),
        ),
        options=options,
        mix=mix,
        risk=_risk(workload, quotes, options, mix, months, free_tier, drawing) if drawing[0] else None,
    )


def _risk(
    workload: Workload,
    quotes: Mapping[str, Sequence[Quote]],
    options: Sequence[Option],
    mix: Mix | None,
    months: int,
    free_tier: FreeTier,
    drawing: tuple[int, int],
) -> Risk:
    from cloudai_pricing.risk import Asked, Drawing

    plans = {name: {q.line.name: q.plan for q in several if q.plan is not None} for name, several in quotes.items()}
    return Drawing(workload.lines, months, Asked(*drawing)).risk(plans, options, mix, free_tier)


def _quotes(workload: Workload, catalog: Catalog, provider: str, where: Regions, months: int) -> list[Quote]:
    return [
        _quote(catalog, provider, line, where[line.name], tuple(line.in_month(at) for at in range(1, months + 1)))
        for line in workload.lines
    ]


def _charges(quotes: Mapping[str, Sequence[Quote]]) -> list[Charge]:
    plans = (quote.plan for several in quotes.values() for quote in several if quote.plan is not None)
    return [charge for plan in plans for charge in plan.charges]


def _providers(
    workload: Workload, catalog: Catalog, asked: Sequence[str], region: str | None
) -> list[tuple[str, Regions]]:
    """Providers with their regions: those asked for, or all that price a line."""
    known = catalog.regions()
    pricing = frozenset[str]().union(*(catalog.providers(line.operation) for line in workload.lines))
    if workload.local is not None:
        pricing |= {"local"}
    found = []
    for name in dict.fromkeys(asked) or sorted(pricing or known):
        where = _regions(workload, name, region, known)
        if where is not None:
            found.append((name, where))
        elif asked:
            raise _no_region(region or workload.region_on(name), name)
    if not found:
        raise _no_region(region or workload.region, "any provider that prices this")
    return found


def _check_names(names: Sequence[str], known: Mapping[str, object]) -> None:
    for name in names:
        if name not in known and name not in KNOWN_PROVIDERS:
            raise PlanError(f"unknown provider {name!r}", fix=nearest(name, {*known, *KNOWN_PROVIDERS}))


def _no_region(region: str, whose: str) -> PlanError:
    fix = "Use a neutral one, like us or eu, or the provider's own"
    return PlanError(f"{region!r} is not a region of {whose}", fix=fix, path=("region",))


def _regions(
    workload: Workload, provider: str, region: str | None, known: Mapping[str, tuple[str, ...]]
) -> Regions | None:
    """Region per line name, None where the line asks for another provider's own; None: the whole workload does."""
    asked = region or workload.region_on(provider)
    try:
        own = region_of(asked, provider, known)
    except PlanError as error:
        raise error.about("region") if region is None else error from error
    if own is None:
        return None
    where: dict[str, str | None] = {"": own}
    for line in workload.lines:
        try:
            where[line.name] = own if line.region is None else region_of(line.region, provider, known)
        except PlanError as error:
            raise error.about("line", line.name, "region") from error
    return where


def _quote(catalog: Catalog, provider: str, line: Line, region: str | None, volumes: Volumes) -> Quote:
    lacks = tuple(need for need in line.needs if not _has(catalog, provider, line.operation, need))
    notes = tuple(f"{provider} lacks {need}, which the line needs" for need in lacks)
    operation = billable().get(line.operation)
    if operation is not None and operation.free:
        return Quote(line=line, region=region or "", plan=None, notes=("free of charge",), lacks=lacks)
    if region is None:
        notes = (*notes, f"{line.region!r} is not a region of {provider}")
        return Quote(line=line, region="", plan=None, notes=notes, offered=False, lacks=lacks)
    try:
        plan, more, candidates = _plan(catalog, provider, line, region, volumes)
    except Unpriced as reason:
        priced = provider in catalog.providers(line.operation)
        offered = priced or catalog.supports(provider, line.operation) != "no"
        return Quote(line=line, region=region, plan=None, notes=(*notes, str(reason)), offered=offered, lacks=lacks)
    return Quote(line=line, region=region, plan=plan, notes=(*notes, *more), candidates=candidates, lacks=lacks)


def _has(catalog: Catalog, provider: str, operation: str, feature: str) -> bool:
    """Without capability data nothing is known to be lacking."""
    if catalog.capabilities is None or provider not in catalog.capabilities:
        return True
    return catalog.supports(provider, operation, feature) in OFFERED


def _plan(
    catalog: Catalog, provider: str, line: Line, region: str, volumes: Volumes
) -> tuple[Plan, tuple[str, ...], tuple[Candidate, ...]]:
    if provider == "local" and catalog.local is not None:
        from cloudai_pricing.local import local_plan

        own = local_plan(catalog.local, line, catalog.book.as_of)
        if own is not None:
            times = line.channels * line.targets
            plan = Plan(line=line, region=region, volumes=volumes, charges=own.charges, nodes=times, pace=own.pace)
            return plan, (own.note,), ()
        if "local" not in catalog.providers(line.operation):
            raise Unpriced(f"[local.throughput] has neither {line.name!r} nor {line.operation}")
    if line.machine is not None:
        from cloudai_pricing.machines import choose  # few workloads have compute lines

        choice = choose(catalog, provider, region, line.operation, line.machine)
        charges = choice.selection.charges
        plan = Plan(line=line, region=region, volumes=volumes, charges=charges, nodes=choice.nodes)
        return plan, choice.selection.notes, choice.candidates
    wanted = Wanted(
        operation=line.operation,
        unit=line.unit,
        features=line.features,
        variant=line.variant_on(provider),
        sku=line.sku,
    )
    selection = select(catalog, provider, region, wanted)
    plan = Plan(line=line, region=region, volumes=volumes, charges=selection.charges, known=not selection.unpriced)
    return plan, selection.notes, ()


def _option(provider: str, region: str, quotes: Sequence[Quote], months: int, free_tier: FreeTier) -> Option:
    lines = _lines(quotes, months, free_tier)
    by_month = _by_month(lines, months)
    return Option(
        provider=provider,
        region=region,
        complete=all(line.complete for line in lines),
        month=by_month[0],
        by_month=by_month,
        total=sum(by_month, NOTHING),
        lines=lines,
    )


def _lines(quotes: Sequence[Quote], months: int, free_tier: FreeTier) -> tuple[LineCost, ...]:
    bills = bill([quote.plan for quote in quotes if quote.plan is not None], months, free_tier)
    return tuple(_line(quote, bills.get(quote.line.name), months) for quote in quotes)


def _line(quote: Quote, one: Bill | None, months: int) -> LineCost:
    operation = billable().get(quote.line.operation)
    if operation is not None and operation.free:
        return free_line(quote.line, months, quote.notes)
    if quote.plan is None or one is None:
        return unpriced_line(quote.line, months, quote.notes, offered=quote.offered)
    return line_cost(quote.plan, one, quote.notes, quote.candidates)


def _by_month(lines: Sequence[LineCost], months: int) -> tuple[Range, ...]:
    return tuple(sum((line.by_month[at] for line in lines), NOTHING) for at in range(months))


def _mix(
    workload: Workload,
    quotes: Mapping[str, Sequence[Quote]],
    alone: Mapping[str, Sequence[LineCost]],
    months: int,
    free_tier: FreeTier,
    rules: MixRules,
) -> tuple[Mix | None, bool]:
    """The mix, and whether it is proven least."""
    able = {
        provider: {quote.line.name: quote.plan for quote in several if quote.plan is not None and not quote.lacks}
        for provider, several in quotes.items()
        if rules.allows(provider)
    }
    if not able:
        return None, True
    names = [line.name for line in workload.lines]
    most = min(rules.most or len(able), len(able))
    mixes = []
    for few in combinations(sorted(able), most):
        assignment = assign({provider: able[provider] for provider in few}, names, months, free_tier)
        mixes.append((_mixed(workload, quotes, alone, assignment, months, free_tier), assignment.exact))
    best, _ = min(mixes, key=lambda one: (sum(not _whole(choice) for choice in one[0].choices), one[0].total.likely))
    return best, all(exact for _, exact in mixes)


def _whole(choice: Choice) -> bool:
    return choice.line is not None and choice.line.complete


def _mixed(
    workload: Workload,
    quotes: Mapping[str, Sequence[Quote]],
    alone: Mapping[str, Sequence[LineCost]],
    assignment: Assignment,
    months: int,
    free_tier: FreeTier,
) -> Mix:
    placed: dict[str, tuple[str, str, LineCost]] = {}
    for provider, several in quotes.items():
        mine = [quote for quote in several if assignment.providers.get(quote.line.name) == provider]
        for quote, line in zip(mine, _again(mine, several, alone[provider], months, free_tier), strict=True):
            placed[line.name] = (provider, quote.region, line)
    choices = tuple(_choice(line, placed.get(line.name), months) for line in workload.lines)
    by_month = _by_month([choice.line for choice in choices if choice.line is not None], months)
    complete = all(_whole(choice) for choice in choices)
    return Mix(complete=complete, month=by_month[0], by_month=by_month, total=sum(by_month, NOTHING), choices=choices)


def _again(
    mine: Sequence[Quote], several: Sequence[Quote], alone: Sequence[LineCost], months: int, free_tier: FreeTier
) -> list[LineCost]:
    """Some of a provider's lines: as in its option where all that they share with is here too, else billed anew."""
    names = {quote.line.name for quote in mine}
    anew: set[str] = set()
    for group in sharing([quote.plan for quote in several if quote.plan is not None], free_tier):
        members = {plan.line.name for plan in group}
        anew |= set() if members <= names else members
    known = {line.name: line for line in alone}
    again = _lines([quote for quote in mine if quote.line.name in anew], months, free_tier)
    known |= {line.name: line for line in again}
    return [known[quote.line.name] for quote in mine]


def _choice(line: Line, placed: tuple[str, str, LineCost] | None, months: int) -> Choice:
    if placed is not None:
        provider, region, cost = placed
        return Choice(name=line.name, provider=provider, region=region, cost=cost.cost, line=cost)
    operation = billable().get(line.operation)
    if operation is not None and operation.free:
        free = free_line(line, months, ("free of charge",))
        return Choice(name=line.name, provider=None, region=None, cost=free.cost, line=free)
    return Choice(name=line.name, provider=None, region=None, cost=None)
