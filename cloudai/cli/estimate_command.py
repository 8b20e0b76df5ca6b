"""What the page of `cloudai estimate --format html` is told: the command that gives it again, and how often to draw."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator

from cloudai_pricing.draft import Draft

PAGE_DRAWS = 200
"""Where a page has lines with a range and no other number was asked for."""
MOST_DRAWN_LINES = 50
"""Beyond so many lines a page draws only when asked to: it would be waited for."""
_MANY = ("provider", "only", "exclude")
_ONE = ("region", "months", "as_of", "snapshot", "prices", "weigh_exit")


def command_of(args: argparse.Namespace) -> str:
    """The estimate as it can be typed again, without its form: `cloudai estimate portal.toml --provider aws`."""
    return shlex.join(["cloudai", "estimate", *args.workload, *_flags(args)])


def _flags(args: argparse.Namespace) -> Iterator[str]:
    for name in _MANY:
        for value in getattr(args, name):
            yield from (f"--{name}", value)
    for name in _ONE:
        if (value := getattr(args, name)) is not None:
            yield from (f"--{name.replace('_', '-')}", str(value))
    if args.free_tier != "always":
        yield from ("--free-tier", args.free_tier)
    if args.max_providers:
        yield from ("--max-providers", str(args.max_providers))
    for change in args.changes:
        yield from ("--set", change)


def draws_of_page(draft: Draft) -> int:
    """How often a page draws of its own accord: it has a chart of what moves the total."""
    lines = draft.data.get("line")
    return PAGE_DRAWS if isinstance(lines, list) and len(lines) <= MOST_DRAWN_LINES else 0
