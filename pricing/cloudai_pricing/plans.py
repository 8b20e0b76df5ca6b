"""The plans of a workload: each line on each provider with the prices that bill it, before anything is summed.

For those who sum at many volumes themselves: the page of `cloudai estimate --format html` carries them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cloudai_pricing.billing import FreeTier, Plan
from cloudai_pricing.book import Book
from cloudai_pricing.exact import exactly
from cloudai_pricing.overlay import Overlay
from cloudai_pricing.places import places
from cloudai_pricing.quotes import is_priced, quote_lines
from cloudai_pricing.selection import Capabilities, catalog_of
from cloudai_pricing.workload import Workload


@dataclass(frozen=True, kw_only=True)
class ProviderPlans:
    """One provider's plans, in the order in which they count on what they share.

    Not `priced`: some line, or a part of one, has no price there.
    """

    provider: str
    region: str
    plans: tuple[Plan, ...]
    priced: bool


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A workload with the plans of its providers, over so many months."""

    workload: Workload
    months: int
    free_tier: FreeTier
    providers: tuple[ProviderPlans, ...]


def planned(
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
) -> Planned:
    """The plans that `estimate` bills when it is given the same. Raises `PlanError`."""
    with exactly():
        catalog = catalog_of(
            book, overlay, as_of=as_of, snapshot=snapshot, capabilities=capabilities, local=workload.local
        )
        several = months or workload.months
        found = []
        for provider, where in places(workload, catalog, providers, region):
            quotes = quote_lines(workload, catalog, provider, where, several)
            plans = sorted((quote.plan for quote in quotes if quote.plan is not None), key=lambda plan: plan.order)
            priced = all(is_priced(quote) for quote in quotes)
            found.append(ProviderPlans(provider=provider, region=where[""] or "", plans=tuple(plans), priced=priced))
        return Planned(workload=workload, months=several, free_tier=free_tier, providers=tuple(found))
