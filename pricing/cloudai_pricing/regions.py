"""Neutral regions (`us`, `eu`, `japan`) to a region of each provider, by the table in `regions.toml`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import cast

from cloudai_pricing.errors import PlanError, nearest
from cloudai_pricing.tomlfile import TomlFile

GLOBAL = "global"
"""The region of prices that are the same everywhere."""


@cache
def _tables() -> tuple[Mapping[str, Mapping[str, str]], Mapping[str, frozenset[str]]]:
    """Neutral name -> provider -> region; provider -> all regions of its own that are known."""
    file = TomlFile.load(Path(__file__).with_name("regions.toml"), name="regions.toml")
    neutral = cast("Mapping[str, Mapping[str, str]]", file.data["neutral"])
    own = {provider: set(regions) for provider, regions in cast("Mapping[str, list[str]]", file.data["more"]).items()}
    for row in neutral.values():
        for provider, region in row.items():
            if provider != "title":
                own.setdefault(provider, set()).add(region)
    return neutral, {provider: frozenset(regions) for provider, regions in own.items()}


def neutral_regions() -> tuple[str, ...]:
    """All neutral names."""
    return tuple(_tables()[0])


def region_of(name: str, provider: str, known: Mapping[str, tuple[str, ...]] | None = None) -> str | None:
    """The provider's region for a neutral name or for a region of its own; None: it is another provider's.

    `known` adds regions that prices name (an overlay may have its own). A provider that the table lacks (an on-premises
    one, a small vendor) takes every known name. Raises `PlanError` for a name that nobody knows.
    """
    neutral, own = _tables()
    priced = {one: frozenset(regions) for one, regions in (known or {}).items()}
    if name in neutral and provider in own:
        return neutral[name].get(provider)
    if name == GLOBAL or name in own.get(provider, frozenset()) | priced.get(provider, frozenset()):
        return name
    others = frozenset(neutral).union(*own.values(), *priced.values())
    if name not in others:
        raise PlanError(f"unknown region {name!r}", fix=nearest(name, others))
    return None if provider in own else name
