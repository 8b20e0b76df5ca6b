"""Many volumes of a workload in one go: what a plot or a search over volumes asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from cloudai_pricing.billing import FreeTier
from cloudai_pricing.book import Book
from cloudai_pricing.bulk import Totals, Variants, totals
from cloudai_pricing.errors import PlanError, nearest
from cloudai_pricing.exact import LARGEST, cut, exactly
from cloudai_pricing.overlay import Overlay
from cloudai_pricing.places import check_names, places
from cloudai_pricing.quotes import is_priced, quote_lines
from cloudai_pricing.selection import Capabilities, catalog_of
from cloudai_pricing.units import factor
from cloudai_pricing.workload import Workload


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
    if len({len(amounts) for amounts in volumes.values()}) != 1:
        raise PlanError("variants need volumes of one length", fix="Give each line one volume per variant")
    units = {line.name: factor(line.unit) for line in workload.lines}
    for name, amounts in volumes.items():
        if name not in units:
            raise PlanError(f"there is no line {name!r}", fix=nearest(name, units))
        if not all(0 <= volume <= LARGEST for volume in amounts):
            raise PlanError(f"a volume of {name!r} is negative or larger than any real workload")
    with exactly():
        catalog = catalog_of(book, overlay, as_of=as_of, capabilities=capabilities, local=workload.local)
        months = months or workload.months
        check_names(providers, catalog.regions())
        firsts = {name: [cut(Decimal(one) * units[name]) for one in amounts] for name, amounts in volumes.items()}
        several = Variants(workload.lines, firsts, months)
        found: dict[str, Totals] = {}
        for provider, where in places(workload, catalog, providers, None):
            quotes = quote_lines(workload, catalog, provider, where, months)
            plans = [quote.plan for quote in quotes if quote.plan is not None]
            one = totals(plans, several, free_tier)
            whole = all(is_priced(quote) for quote in quotes)
            found[provider] = one if whole else replace(one, unknown=(True,) * len(one.unknown))
        return found
