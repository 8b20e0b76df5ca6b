"""`cloudai plan`: build, buy or both, for every line of a workload. Everything is computed by `cloudai_pricing`.

Exit codes as of `cloudai estimate`: 0 fine; 2 bad input; 3 over budget; 4 a line has no way with a known price.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cloudai.cli.planning import Declared, day, flags, months, write
from cloudai_pricing.draft import read_file
from cloudai_pricing.errors import PlanError
from cloudai_pricing.exact import money

if TYPE_CHECKING:
    from rich.console import RenderableType

    from cloudai_pricing.draft import Draft
    from cloudai_pricing.plan_answer import BuildPlan
    from cloudai_pricing.plan_settings import PlanSettings
    from cloudai_pricing.workload import Workload

OVER_BUDGET = 3
INCOMPLETE = 4
FORMATS = ("table", "json", "markdown", "csv", "html")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    parser.description = (
        "Build or buy: every line's ways, what each costs and takes to leave, and where the answer changes."
    )
    parser.epilog = """\
examples:
  cloudai plan shop.toml
  cloudai plan shop.toml --region us --region eu --max-exit "40000 USD"
  cloudai plan shop.toml --set 'photos.volume=40M images/month' --format json

exit codes: 0 fine, 2 bad input, 3 over budget, 4 a line has no way with a known price"""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "workload", nargs="?", metavar="WORKLOAD", help="a workload.toml, perhaps with [plan] and [local]"
    )
    parser.add_argument("--provider", action="append", default=[], metavar="NAME", help="only this one (repeatable)")
    parser.add_argument("--exclude", action="append", default=[], metavar="NAME", help="not this one (repeatable)")
    parser.add_argument("--region", action="append", default=[], metavar="R", help="where lines may go (repeatable)")
    parser.add_argument("--months", type=int, metavar="N", help="how many months (default: the file's, else 12)")
    parser.add_argument("--as-of", metavar="DATE", help="prices in force on this day, as 2026-03-01")
    parser.add_argument("--prices", metavar="OVERLAY.toml", help="own or negotiated prices and discounts")
    parser.add_argument("--free-tier", choices=("none", "always", "all"), default="always",
                        help="which free allowances count (default: those that never end)")  # fmt: skip
    parser.add_argument("--max-exit", metavar="LIMIT", help='what leaving may cost, as "40000 USD"')
    parser.add_argument("--budget", metavar="LIMIT", help='"5000 USD/month" or "60000 USD"; over it: exit code 3')
    parser.add_argument("--set", action="append", default=[], metavar="LINE.KEY=VALUE", dest="changes",
                        help="change one key of the workload (repeatable)")  # fmt: skip
    parser.add_argument("--format", choices=FORMATS, default="table", help="how to print it (default: table)")
    parser.add_argument("--output", metavar="FILE", help="write to a file instead of standard output")
    parser.add_argument("--plot", metavar="FILE.svg|FILE.png", help="also draw the charts into a file (cloudai[plot])")
    parser.add_argument("--explain", action="store_true", help="every assumption with source, why ways are none")
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema of --format json")


def run(args: argparse.Namespace) -> int:
    """Plans, prints, and returns the exit code. Raises `PlanError` for what the user can correct."""
    if args.schema:
        from cloudai_pricing.plan_data import schema

        write(schema(), args.output)
        return 0
    if args.workload is None:
        raise PlanError("nothing to plan", fix="Name a workload file: cloudai plan shop.toml")
    from cloudai_pricing.budget import parse_budget

    budget = None if args.budget is None else parse_budget(args.budget)
    if args.plot:
        from cloudai.report.plots import check_plot

        check_plot(args.plot)
    found = planned(args)
    write(_text(args, found), args.output)
    if args.plot:
        from cloudai.report.plan_page import plan_charts
        from cloudai.report.plots import write_charts

        write_charts(args.plot, plan_charts(found), title=found.name)
    if budget is not None:
        spent = max(found.by_month, default=found.cost) if budget.monthly else found.cost
        if spent > budget.limit:
            what = "the dearest month" if budget.monthly else "the total"
            _say(f"over budget: {what} is {money(spent)}, the limit {money(budget.limit)}")
            return OVER_BUDGET
    if not found.complete:
        _say("incomplete: a line has no way with a known price, so the total is a lower bound")
        return INCOMPLETE
    return 0


def planned(args: argparse.Namespace) -> BuildPlan:
    """The plan that the arguments ask for."""
    from cloudai import solver
    from cloudai_pricing.plan import plan
    from cloudai_pricing.workload_file import check

    draft = read_file(args.workload)
    for change in args.changes:
        draft = draft.with_set(change)
    overlay = None
    if args.prices:
        from cloudai_pricing.overlay_file import load_overlay

        overlay = load_overlay(args.prices)
    workload = check(draft)
    try:
        return plan(
            workload,
            _settings(args, draft, workload),
            overlay=overlay,
            months=months(args.months),
            as_of=day(args.as_of),
            free_tier=args.free_tier,
            capabilities=Declared(),
            solver=solver.solve if solver.available() else None,
        )
    except PlanError as error:
        raise error.at(*draft.place(error.path)) if error.path else error from error


def _settings(args: argparse.Namespace, draft: Draft, workload: Workload) -> PlanSettings:
    """`[plan]` with what the flags say instead."""
    from cloudai_pricing.exit_settings import dollars
    from cloudai_pricing.plan_settings import parse_plan

    found = parse_plan(draft.data.get("plan", {}), workload, Path(args.workload).parent)
    return replace(
        found,
        providers=tuple(args.provider) or found.providers,
        exclude=(*found.exclude, *args.exclude),
        regions=tuple(args.region) or found.regions,
        max_exit=found.max_exit if args.max_exit is None else dollars(args.max_exit),
    )


def _text(args: argparse.Namespace, found: BuildPlan) -> str:
    if args.format in ("json", "csv"):
        from cloudai_pricing.plan_data import to_csv, to_json

        return to_json(found) if args.format == "json" else to_csv(found)
    if args.format == "markdown":
        return _markdown(found, explain=args.explain)
    if args.format == "html":
        from cloudai.report import page_of

        return page_of(found, command=_command(args))
    from cloudai.cli.layout import printed

    return printed(lambda _: _parts(found, explain=args.explain), to_file=args.output is not None)


_FLAGS = ("provider", "exclude", "region", "months", "as_of", "prices", "free_tier", "max_exit", "changes")


def _command(args: argparse.Namespace) -> str:
    """The plan as it can be typed again, without its form."""
    import shlex

    return shlex.join(["cloudai", "plan", args.workload, *flags(args, _FLAGS)])


def _tables(found: BuildPlan, *, explain: bool) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Headings, columns and rows, in the order in which they are shown; tables without rows are left out."""
    from cloudai_pricing import plan_words as words

    yield "The ways, cheapest first (✓ chosen, * none other beats it)", words.WAYS, words.ways(found)
    yield "Where the answer changes, by the month's volume", words.CROSSINGS, words.crossings(found, whole=False)
    title = f"Where the answer changes over {found.months} months, by the volume of month 1"
    yield title, words.CROSSINGS, words.crossings(found, whole=True)
    title = "Cost against leaving" if found.front_exact else "Cost against leaving (points found, there may be more)"
    yield title, words.FRONT, words.front(found)
    if explain:
        yield "Sources of the prices", words.SOURCES, words.sources(found)
        yield "Taken for granted", words.TERMS, words.terms(found)
        refused = [[one.line.name, way, why] for one in found.lines for way, why in sorted(one.refused.items())]
        yield "No way", ["line", "way", "because"], refused


def _lists(found: BuildPlan) -> Iterator[tuple[str, list[str]]]:
    from cloudai_pricing import plan_words as words

    yield "Over the months", list(words.moves(found))
    yield "Advice", list(words.advice(found))
    yield "Assumed", [*found.assumptions, *words.notes(found)]


_WRAPPED = ("way", "ways", "because", "source", "services", "value")
"""Columns of words that may be long."""


def _parts(found: BuildPlan, *, explain: bool) -> Iterator[RenderableType]:
    from rich.text import Text

    from cloudai.cli.layout import indented, rows_table
    from cloudai_pricing import plan_words as words

    yield Text(words.headline(found), style="bold")
    for title, head, rows in _tables(found, explain=explain):
        if rows:
            yield Text(title, style="bold")
            wrapped = tuple(at for at, name in enumerate(head) if name in _WRAPPED)
            yield rows_table(head, rows, left=(0, *wrapped), flexible=wrapped or (0,))
    for title, texts in _lists(found):
        if texts:
            yield Text(title, style="bold")
            yield from (indented(text) for text in texts)


def _markdown(found: BuildPlan, *, explain: bool) -> str:
    from cloudai_pricing import plan_words as words
    from cloudai_pricing.documents import md_item, md_table, md_text

    parts = [f"### {md_text(words.headline(found))}"]
    for title, head, rows in _tables(found, explain=explain):
        if rows:
            parts += [f"**{md_text(title)}**", md_table(head, rows, left=1)]
    for title, texts in _lists(found):
        if texts:
            parts += [f"**{title}**", "\n".join(md_item(text) for text in texts)]
    return "\n\n".join(parts) + "\n"


def _say(text: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"cloudai: {text}\n")
