"""Neutral regions (`us`, `eu`, `japan`) to each provider's, by `regions.toml`; which are near one, by `areas.toml`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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


def own_regions(provider: str) -> frozenset[str]:
    """All regions that a provider lists itself; none for a provider that the table lacks."""
    return _tables()[1].get(provider, frozenset())


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
        raise PlanError(f"unknown region {name!r}", fix=_meant(name, others - {GLOBAL}))
    return None if provider in own else name


def _meant(name: str, known: frozenset[str]) -> str:
    """A near name; else the neutral region whose title has the word; else all neutral ones."""
    neutral = _tables()[0]
    word = name.lower()
    titled = [one for one, row in neutral.items() if len(word) > 3 and word in row["title"].lower()]
    if titled:
        return f"Did you mean {titled[0]!r}?"
    found = nearest(name, known)
    if found.endswith("?"):
        return found
    return f"Take a neutral one ({', '.join(neutral)}) or a provider's own, like us-east-1 or westeurope"


def same_place(name: str, provider: str) -> str | None:
    """A provider's region where another provider has one of this name, by the neutral regions; None: not known."""
    rows = (row for row in _tables()[0].values() if name in (row[key] for key in row if key != "title"))
    return next((row[provider] for row in rows if provider in row), None)


def neighbours(region: str, names: Iterable[str]) -> tuple[str, ...]:
    """Regions with those in the same part of the world first, then those in parts near it."""
    parts = (area_of(region), *_areas()[1].get(area_of(region), ()))
    return tuple(sorted(names, key=lambda name: (parts.index(area_of(name)) if area_of(name) in parts else 99, name)))


def area_of(region: str) -> str:
    """The part of the world a region is in; nothing where that is not known."""
    for area, words in _areas()[0].items():
        if any(region.startswith(word) if word.endswith("-") else word in region for word in words):
            return area
    return ""


@cache
def _areas() -> tuple[Mapping[str, Sequence[str]], Mapping[str, Sequence[str]]]:
    """Part of the world -> what names of regions there have; -> the parts near it."""
    file = TomlFile.load(Path(__file__).with_name("areas.toml"), name="areas.toml")
    table = cast("Mapping[str, Mapping[str, Sequence[str]]]", file.data)
    return table["members"], table["near"]
