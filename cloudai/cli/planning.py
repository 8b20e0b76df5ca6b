"""What the commands of the planner share: what providers declare, days and months of flags, where output goes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cloudai_pricing.errors import PlanError
from cloudai_pricing.places import KNOWN_PROVIDERS

if TYPE_CHECKING:
    import argparse


def write(text: str, output: str | None) -> None:
    """To a file, or to standard output. Raises `PlanError`."""
    if output is None:
        sys.stdout.write(text)
        return
    try:
        Path(output).write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise PlanError(f"{output} can't be written: {error.strerror or error}") from error


def flags(args: argparse.Namespace, names: Sequence[str]) -> Iterator[str]:
    """Flags as they can be typed again: those that were given, lists one by one; `changes` is `--set`."""
    for name in names:
        value = getattr(args, name)
        flag = "--set" if name == "changes" else f"--{name.replace('_', '-')}"
        for one in value if isinstance(value, list) else [value]:
            if one is not None and not (name == "free_tier" and one == "always"):
                yield from (flag, str(one))


def months(number: int | None) -> int | None:
    """`--months`, checked."""
    from cloudai_pricing.workload_values import parse_months

    return None if number is None else parse_months(number)


def day(text: str | None) -> str | None:
    """`--as-of`, checked: an ISO date."""
    if text is None:
        return None
    from datetime import date

    try:
        return date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise PlanError(f"--as-of {text!r} is not a day", fix="Write it like 2026-03-01") from error


class Declared(Mapping[str, Mapping[str, Mapping[str, str]]]):
    """What providers declare in `capabilities.toml`, read at the first question about one of them."""

    def __init__(self) -> None:
        self._known: dict[str, Mapping[str, Mapping[str, str]] | None] = {}

    def __getitem__(self, provider: str) -> Mapping[str, Mapping[str, str]]:
        if provider not in self._known:
            self._known[provider] = _declared(provider)
        found = self._known[provider]
        if found is None:
            raise KeyError(provider)
        return found

    def __iter__(self) -> Iterator[str]:
        return (name for name in KNOWN_PROVIDERS if self.get(name) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _declared(provider: str) -> Mapping[str, Mapping[str, str]] | None:
    """Operation -> feature (`""`: the operation itself) -> support; None: nothing is declared."""
    if provider not in KNOWN_PROVIDERS:
        return None
    from cloudai.capabilities import as_planner_data, find_capabilities, load_capabilities
    from cloudai.errors import ConfigError

    try:
        declared = load_capabilities(find_capabilities(f"cloudai_{provider}"))
    except ConfigError:  # a broken declaration is for `cloudai operations` to show; prices don't hang on it
        return None
    return as_planner_data({provider: declared})[provider]
