"""`estimate(workload)`: every provider's bill for a workload, and the mix that costs least.

Sums are exact; nothing is read but the price book that came with this version (and the overlay given); the same
inputs give the same answer to the byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from cloudai_pricing import assumptions
from cloudai_pricing.billing import FreeTier
from cloudai_pricing.book import Book
from cloudai_pricing.errors import PlanError
from cloudai_pricing.exact import exactly
from cloudai_pricing.model import Estimate, Mix, Option
from cloudai_pricing.options import option_of
from cloudai_pricing.overlay import Overlay
from cloudai_pricing.placement import MixRules, Weighing, mix_of
from cloudai_pricing.places import check_names, places
from cloudai_pricing.quotes import Quote, check_features, quote_lines
from cloudai_pricing.selection import Capabilities, Catalog, Charge, catalog_of
from cloudai_pricing.workload import Workload

if TYPE_CHECKING:
    from cloudai_pricing.risk import Risk


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
    exits: bool = True,
) -> Estimate:
    """Prices a workload. Raises `PlanError` for what the user can correct, also for two prices that fit equally well.

    `as_of`: the day (ISO) whose prices count; default: the newest reading in the book. `snapshot`: fail unless the
    book is this one. `capabilities`: what providers offer, for `needs` and for features that no price names.
    `mix_rules`: which providers the mix may use. `draws`: how often to draw the lines' volumes from their ranges
    (0: not at all), from `seed` on. `exits`: with what leaving each option would cost.
    """
    with exactly():
        catalog = catalog_of(
            book, overlay, as_of=as_of, snapshot=snapshot, capabilities=capabilities, local=workload.local
        )
        months = months or workload.months
        rules = mix_rules or MixRules()
        return _estimate(workload, catalog, providers, region, months, free_tier, rules, (draws, seed), exits=exits)


def _estimate(
    workload: Workload,
    catalog: Catalog,
    providers: Sequence[str],
    region: str | None,
    months: int,
    free_tier: FreeTier,
    rules: MixRules,
    drawing: tuple[int, int],
    *,
    exits: bool,
) -> Estimate:
    check_names((*providers, *rules.only, *rules.exclude), catalog.regions())
    check_features(workload, catalog)
    chosen = places(workload, catalog, providers, region)
    if not any(rules.allows(name) for name, _ in chosen):
        asked = ", ".join(name for name, _ in chosen)
        raise PlanError(f"only and exclude leave the mix none of {asked}", fix="Drop one of them")
    quotes = {name: quote_lines(workload, catalog, name, where, months) for name, where in chosen}
    options = tuple(option_of(name, where[""] or "", quotes[name], months, free_tier) for name, where in chosen)
    alone = {one.provider: one.lines for one in options}
    mix, exact = mix_of(workload, quotes, alone, months, free_tier, rules, _weighing(workload, catalog, quotes, months))
    if exits:
        options = _with_exits(workload, catalog, options, months)
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


def _weighing(
    workload: Workload, catalog: Catalog, quotes: Mapping[str, Sequence[Quote]], months: int
) -> Weighing | None:
    """What leaving weighs in the mix, where the user asked for that."""
    if workload.exit is None or workload.exit.weigh is None:
        return None
    from cloudai_pricing.exit_option import Exits

    known = Exits(workload, catalog, months)
    lines = {(name, line.name): known.exposure(name, line) for name in quotes for line in workload.lines}
    return Weighing(lines, known.platform())


def _with_exits(workload: Workload, catalog: Catalog, options: tuple[Option, ...], months: int) -> tuple[Option, ...]:
    from cloudai_pricing.exit_option import exits_of

    found = exits_of(workload, catalog, options, months)
    return tuple(replace(option, exit=found.get(option.provider)) for option in options)


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


def _charges(quotes: Mapping[str, Sequence[Quote]]) -> list[Charge]:
    plans = (quote.plan for several in quotes.values() for quote in several if quote.plan is not None)
    return [charge for plan in plans for charge in plan.charges]
