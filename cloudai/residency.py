"""Where a backend's region lies: by country, and by areas of several countries (`eu`, `eea`)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path

ON_PREMISES = frozenset({"local", "fake"})
"""Providers that run where the caller runs: nothing leaves."""

Places = frozenset[tuple[str, str]]
"""(provider, region)."""


@cache
def areas() -> Mapping[str, Places]:
    """Country or area -> the regions that lie in it."""
    tables = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))
    found: dict[str, Places] = {name: _places(row) for name, row in tables["countries"].items()}
    for area, parts in tables["areas"].items():
        found[area] = frozenset[tuple[str, str]]().union(
            *(found[part] for part in parts), _places(tables["spanning"].get(area, {}))
        )
    return found


def _places(row: Mapping[str, list[str]]) -> Places:
    return frozenset((provider, region) for provider, regions in row.items() for region in regions)


def outside(area: str, *, provider: str, region: str | None) -> str | None:
    """Why a backend does not keep data in `area`; `None`: it does. A region that is not known is outside."""
    if provider in ON_PREMISES:
        return None
    if region is None:
        return f"residency {area}: this backend has no region, so where it answers is not known"
    if (provider, region.lower()) in areas()[area]:
        return None
    where = next((name for name, places in areas().items() if (provider, region.lower()) in places), None)
    return f"residency {area}: {region} is " + (f"in {where}" if where else "not known to lie there")
