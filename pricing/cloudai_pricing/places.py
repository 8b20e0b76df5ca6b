"""Who is asked, and where: the providers of an estimate with their region per line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cloudai_pricing.errors import PlanError, nearest
from cloudai_pricing.regions import region_of, same_place
from cloudai_pricing.selection import Catalog
from cloudai_pricing.workload import Workload

Regions = Mapping[str, str | None]
"""A provider's region per line name, None where the line asks for another provider's own; `""`: of the workload."""
KNOWN_PROVIDERS = ("aws", "azure", "gcp", "local")


def places(workload: Workload, catalog: Catalog, asked: Sequence[str], region: str | None) -> list[tuple[str, Regions]]:
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
            raise _no_region(workload, region, name)
    if not found:
        raise _no_region(workload, region, "any provider that prices this")
    return found


def check_names(names: Sequence[str], known: Mapping[str, object]) -> None:
    for name in names:
        if name not in known and name not in KNOWN_PROVIDERS:
            raise PlanError(f"unknown provider {name!r}", fix=nearest(name, {*known, *KNOWN_PROVIDERS}))


def _no_region(workload: Workload, region: str | None, whose: str) -> PlanError:
    """`region`: from the flag; None: the workload names it."""
    name = region or workload.region_on(whose)
    there = same_place(name, whose)
    fix = f"There it is {there!r}" if there else "Use a neutral one, like us or eu, or the provider's own"
    wrong = PlanError(f"{name!r} is not a region of {whose}", fix=fix)
    return wrong.about("region") if region is None else wrong


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
