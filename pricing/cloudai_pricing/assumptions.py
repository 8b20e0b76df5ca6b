"""What an estimate takes for granted, in words: read back to the user, so that a wrong reading is seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from cloudai_pricing.billing import FreeTier
from cloudai_pricing.exact import cut, grouped
from cloudai_pricing.overlay import Overlay
from cloudai_pricing.selection import Catalog, Charge
from cloudai_pricing.units import base_of, factor, plural
from cloudai_pricing.workload import Line, Workload

_FREE = {
    "none": "Free allowances are not counted.",
    "always": "Free allowances are counted where they never end; first-months and separate free resources are not.",
    "all": "All free allowances are counted, also those of the first months and of separate free resources.",
}


def of(
    workload: Workload,
    catalog: Catalog,
    providers: Sequence[tuple[str, Mapping[str, str | None]]],
    free_tier: FreeTier,
    *,
    exact_mix: bool,
) -> tuple[str, ...]:
    """All assumptions, general ones first, then one per line."""
    found = [
        "List prices in USD, without tax, support, network or storage unless a line says so.",
        "A month has 730 hours; growth compounds monthly from month 1.",
        _FREE[free_tier],
    ]
    if clouds := [f"{name} {where['']}" for name, where in providers if name != "local"]:
        found.append(f"Regions: {', '.join(clouds)}.")
    if catalog.overlay.prices:
        found.append(f"Own prices from {catalog.overlay.name} take the place of list prices.")
    for discount in catalog.overlay.discounts:
        service = "all services" if discount.service == "*" else discount.service
        found.append(f"{grouped(discount.percent)}% off the list prices of {discount.provider}, {service}.")
    if catalog.overlay.savings:
        from cloudai_pricing.savings import assumed as assumed_of_plan

        found.extend(assumed_of_plan(savings) for savings in catalog.overlay.savings)
    if workload.local is not None and any(name == "local" for name, _ in providers):
        from cloudai_pricing.local import assumed

        found.append(assumed(workload.local))
    if any(line.needs for line in workload.lines) and catalog.capabilities is None:
        found.append("What lines need was not checked: no capability data was given.")
    if not exact_mix:
        found.append("The mix is the best found; so many lines share ladders that it is not proven to be the least.")
    found.extend(f"{line.name}: {_reading(line)}." for line in workload.lines)
    return tuple(found)


def unused(overlay: Overlay, charges: Sequence[Charge]) -> Iterator[str]:
    """Own prices and discounts that no line uses: a slip in a region or a name would pass unseen otherwise."""
    used = {charge.price.where for charge in charges if charge.price.own}
    for price in overlay.prices:
        if price.where not in used:
            yield f"Not used by any line: own price {price.sku} of {price.provider} in {price.region} ({price.where})."
    for savings in overlay.savings:
        if savings.where not in used:
            yield f"Used by no line, so its fee is in no total: savings plan {savings.name} ({savings.where})."
    taken = {(charge.price.provider, service) for charge in charges for service in (charge.price.service, "*")}
    for discount in overlay.discounts:
        if (discount.provider, discount.service) not in taken:
            yield f"Not used by any line: the discount of {discount.provider}, {discount.service}."


def _reading(line: Line) -> str:
    parts = [line.reading]
    if line.growth:
        parts.append(f"growing by {grouped(line.growth * 100)}% a month")
    if line.low != line.high:
        unit = plural(line.unit)
        low, high = grouped(line.stated(line.low)), grouped(line.stated(line.high))
        parts.append(f"between {low} and {high} {unit}")
    if line.request is not None:
        parts.append(f"in requests of {_size(line)}")
    if line.text is not None:
        shares = zip(line.text, ("Chinese characters", "markup"), strict=True)
        parts += [f"{grouped(share * 100)}% of it {what}" for share, what in shares if share]
    if line.features:
        parts.append(f"with {', '.join(line.features)}")
    if line.channels > 1:
        parts.append(f"{line.channels} channels")
    if line.targets > 1:
        parts.append(f"into {line.targets} languages")
    return ", ".join(parts)


def _size(line: Line) -> str:
    """`4 minutes`: in the largest unit of time that has no fraction, else in the unit of the line."""
    assert line.request is not None
    units = ("hour", "minute", "second") if base_of(line.unit) == "second" else (line.unit,)
    sizes = {unit: cut(line.request / factor(unit)) for unit in units}
    unit = next((name for name, size in sizes.items() if size == size.to_integral_value()), units[-1])
    return f"{grouped(sizes[unit])} {plural(unit, sizes[unit])}"
