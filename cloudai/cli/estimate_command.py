"""What the page of `cloudai estimate --format html` is told: the command that gives it again, and how often to draw."""

from __future__ import annotations

import argparse
import shlex

from cloudai.cli.planning import flags
from cloudai_pricing.draft import Draft

PAGE_DRAWS = 200
"""Where a page has lines with a range and no other number was asked for."""
MOST_DRAWN_LINES = 50
"""Beyond so many lines a page draws only when asked to: it would be waited for."""
_FLAGS = ("provider", "only", "exclude", "region", "months", "as_of", "snapshot", "prices", "weigh_exit", "free_tier")


def command_of(args: argparse.Namespace) -> str:
    """The estimate as it can be typed again, without its form: `cloudai estimate portal.toml --provider aws`."""
    most = ["--max-providers", str(args.max_providers)] if args.max_providers else []
    return shlex.join(["cloudai", "estimate", *args.workload, *flags(args, _FLAGS), *most, *flags(args, ["changes"])])


def draws_of_page(draft: Draft) -> int:
    """How often a page draws of its own accord: it has a chart of what moves the total."""
    lines = draft.data.get("line")
    return PAGE_DRAWS if isinstance(lines, list) and len(lines) <= MOST_DRAWN_LINES else 0
