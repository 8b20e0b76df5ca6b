"""`cloudai estimate`: what a workload costs on each provider. Everything is computed by `cloudai_pricing`.

Exit codes: 0 fine; 2 bad input; 3 over budget, also when the known part already is; 4 a price is unknown, so that
a total is a lower bound.
"""

from __future__ import annotations

import argparse
import gc
import os
import re
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from cloudai.cli.planning import Declared, day, months, write
from cloudai_pricing.asjson import schema, to_json
from cloudai_pricing.draft import Draft, quick, read_file
from cloudai_pricing.errors import PlanError
from cloudai_pricing.estimator import estimate
from cloudai_pricing.exact import money
from cloudai_pricing.model import Estimate, Mix, Option
from cloudai_pricing.placement import MixRules
from cloudai_pricing.workload_file import check

if TYPE_CHECKING:
    from cloudai_pricing.book import Book
    from cloudai_pricing.budget import Budget
    from cloudai_pricing.diff import Diff
    from cloudai_pricing.overlay import Overlay
    from cloudai_pricing.plans import Planned
    from cloudai_pricing.sweep import Vary
    from cloudai_pricing.workload import Workload

OVER_BUDGET = 3
INCOMPLETE = 4
FORMATS = ("table", "json", "markdown", "csv", "html", "focus")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments. They are fixed: other programs call this command."""
    parser.description = "What a workload costs on each provider: offline, exact, every price with source and date."
    parser.epilog = """\
examples:
  cloudai estimate portal.toml
  cloudai estimate vision.detect_labels="3M images" speech.transcribe="1500 hours" --provider aws --explain
  cloudai estimate portal.toml --set 'photos.volume=5M images/month' --budget "5000 USD/month"

exit codes: 0 fine, 2 bad input, 3 over budget, 4 a price is unknown (totals are lower bounds)"""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("workload", nargs="*", metavar="WORKLOAD", help="a workload.toml, or OPERATION=QUANTITY ...")
    parser.add_argument("--provider", action="append", default=[], metavar="NAME", help="only this one (repeatable)")
    parser.add_argument("--region", metavar="R", help="neutral (us, eu, japan ...) or a provider's own")
    parser.add_argument("--months", type=int, metavar="N", help="how many months (default: the file's, else 12)")
    parser.add_argument("--as-of", metavar="DATE", help="prices in force on this day, as 2026-03-01")
    parser.add_argument("--snapshot", metavar="ID",
                        help="your own of `prices refresh`, or latest; a hash: fail unless the book is it")  # fmt: skip
    parser.add_argument("--prices", metavar="OVERLAY.toml", help="own or negotiated prices and discounts")
    parser.add_argument("--free-tier", choices=("none", "always", "all"), default="always",
                        help="which free allowances count (default: those that never end)")  # fmt: skip
    parser.add_argument("--format", choices=FORMATS, default="table", help="how to print it (default: table)")
    parser.add_argument("--output", metavar="FILE", help="write to a file instead of standard output")
    parser.add_argument("--plot", metavar="FILE.svg|FILE.png", help="also draw the charts into a file (cloudai[plot])")
    parser.add_argument("--explain", action="store_true", help="every slice with SKU, source, date and confidence")
    parser.add_argument("--budget", metavar="LIMIT", help='"5000 USD/month" or "60000 USD"; over it: exit code 3')
    parser.add_argument("--draws", type=int, default=0, metavar="N",
                        help="draw the lines' volumes N times: P5, P50, P95, what moves the total")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of the draws (default: 0)")
    parser.add_argument("--budget-p95", metavar="LIMIT", help="as --budget, held against P95 (1000 draws, or --draws)")
    parser.add_argument("--only", action="append", default=[], metavar="NAME",
                        help="the mix may use only this provider (repeatable)")  # fmt: skip
    parser.add_argument("--exclude", action="append", default=[], metavar="NAME",
                        help="the mix may not use this provider (repeatable)")  # fmt: skip
    parser.add_argument("--max-providers", type=int, default=0, metavar="N", help="the mix may use at most N providers")
    parser.add_argument("--weigh-exit", metavar="risk|SHARE",
                        help="the mix also weighs leaving: by its probability, or by a share like 50%%")  # fmt: skip
    parser.add_argument("--junit", metavar="FILE", help="also write a JUnit file: a failure per unknown price or limit")
    parser.add_argument("--set", action="append", default=[], metavar="LINE.KEY=VALUE", dest="changes",
                        help="change one key of the workload (repeatable)")  # fmt: skip
    parser.add_argument("--vary", action="append", default=[], metavar="LINE.KEY=LOW..HIGH:STEPS",
                        help="a row a step, as 'photos.volume=1M..9M images/month:20' (twice: all pairs)")  # fmt: skip
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema of --format json")
    parser.add_argument("--diff", metavar="OLD.json", help="compare with an estimate saved as JSON")


def run(args: argparse.Namespace) -> int:
    """Estimates, prints, and returns the exit code. Raises `PlanError` for what the user can correct.

    Nothing here makes cycles: looking for them, all the way through the sums, would be a fifth of the time.
    """
    looking = gc.isenabled()
    gc.disable()
    try:
        return _run(args)
    finally:
        if looking:
            gc.enable()


def _run(args: argparse.Namespace) -> int:
    if args.schema:
        write(schema(), args.output)
        return 0
    _check_together(args)
    draft = _draft(args.workload)
    for change in args.changes:
        draft = draft.with_set(change)
    budget, budget_p95 = _budget(args.budget), _budget(args.budget_p95)
    varied = _varied(args)
    result = _placed(args, draft, _draws(args, draft))
    write(_swept(args, draft, result, varied) if varied else _text(args, draft, result), args.output)
    if args.plot:
        from cloudai.report.plots import write_plot

        write_plot(args.plot, result, _planned(args, draft))
    asked = len(set(args.provider))
    over = _over(result, budget, asked=asked) or _over_p95(result, budget_p95, asked=asked)
    _report(args, result, over)
    if over is not None:
        _say(over)
        return OVER_BUDGET
    if not result.complete:
        _say("incomplete: a price is unknown, so totals with >= are lower bounds")
        return INCOMPLETE
    return 0


def _check_together(args: argparse.Namespace) -> None:
    """Nothing that was asked for is left out silently."""
    if args.plot:
        from cloudai.report.plots import check_plot

        check_plot(args.plot)
    if args.diff is not None and args.vary:
        raise PlanError(
            "--diff and --vary can't go together", fix="Compare one step: --diff OLD.json --set LINE.key=..."
        )
    if args.diff is not None and args.format in ("csv", "focus"):
        raise PlanError(f"--diff has no form {args.format}", fix="Use --format table, json, markdown or html")
    if args.explain and args.vary:
        raise PlanError("--explain and --vary can't go together", fix="Explain one step: --explain --set LINE.key=...")


def _placed(args: argparse.Namespace, draft: Draft, draws: int) -> Estimate:
    """The estimate of a draft; what is wrong in it is said with its place."""
    try:
        return _estimate(args, draft, draws)
    except PlanError as error:
        raise error.at(*draft.place(error.path)) if error.path else error from error


def _varied(args: argparse.Namespace) -> tuple[Vary, ...]:
    if not args.vary:
        return ()
    from cloudai.cli.estimate_sweep import check_format
    from cloudai_pricing.sweep import parse_vary

    check_format(args.format)
    if len(args.vary) > 2:
        raise PlanError(f"--vary was given {len(args.vary)} times", fix="Vary one key, or two")
    return tuple(parse_vary(text) for text in args.vary)


def _swept(args: argparse.Namespace, draft: Draft, base: Estimate, varied: tuple[Vary, ...]) -> str:
    from cloudai.cli.estimate_sweep import sweep_text
    from cloudai_pricing.sweep import sweep

    steps = sweep(draft, varied, lambda changed: _placed(args, changed, 0))
    return sweep_text(args.format, base, steps, to_file=args.output is not None)


def _budget(text: str | None) -> Budget | None:
    if text is None:
        return None
    from cloudai_pricing.budget import parse_budget

    return parse_budget(text)


def _draft(items: list[str]) -> Draft:
    """One file, or operations with quantities."""
    if not items:
        raise PlanError("nothing to estimate", fix='Name a workload file, or try vision.detect_labels="3M images"')
    if len(items) == 1 and "=" not in items[0]:
        return read_file(items[0])
    return quick(items)


class _Given(NamedTuple):
    """What an estimate is made of; `snapshot`: the user's own, where `book` is made of one."""

    workload: Workload
    overlay: Overlay | None
    book: Book | None
    snapshot: str


def _given(args: argparse.Namespace, draft: Draft) -> _Given:
    overlay, (snapshot, book) = None, _refreshed(args.snapshot)
    if args.prices:
        from cloudai_pricing.overlay_file import load_overlay

        overlay = load_overlay(args.prices)
    return _Given(_weighed(args, check(draft)), overlay, book, snapshot)


def _estimate(args: argparse.Namespace, draft: Draft, draws: int) -> Estimate:
    given = _given(args, draft)
    result = estimate(
        given.workload,
        book=given.book,
        overlay=given.overlay,
        providers=args.provider,
        region=args.region,
        months=months(args.months),
        as_of=day(args.as_of),
        snapshot=None if given.book is not None else args.snapshot,
        free_tier=args.free_tier,
        capabilities=Declared(),
        mix_rules=_mix_rules(args),
        draws=draws,
        seed=args.seed,
        exits=not args.vary,
    )
    if given.book is None:
        return result
    used = f"Prices of your snapshot {given.snapshot} lie over the book where they are newer."
    return replace(result, assumptions=(*result.assumptions, used))


def _planned(args: argparse.Namespace, draft: Draft) -> Planned:
    """The plans that the estimate of the same arguments bills."""
    from cloudai_pricing.plans import planned

    given = _given(args, draft)
    return planned(
        given.workload,
        book=given.book,
        overlay=given.overlay,
        providers=args.provider,
        region=args.region,
        months=months(args.months),
        as_of=day(args.as_of),
        free_tier=args.free_tier,
        capabilities=Declared(),
    )


def _weighed(args: argparse.Namespace, workload: Workload) -> Workload:
    """The workload with what `--weigh-exit` says."""
    if args.weigh_exit is None:
        return workload
    from cloudai_pricing.exit_settings import ExitSettings, parse_weigh

    try:
        weigh = parse_weigh(args.weigh_exit)
    except PlanError as error:
        raise PlanError(f"--weigh-exit: {error.message}", fix=error.fix) from error
    return replace(workload, exit=replace(workload.exit or ExitSettings(), weigh=weigh))


def _refreshed(name: str | None) -> tuple[str, Book | None]:
    """The id of a snapshot of the user's own and the book under it; None: the snapshot asked for is no such one.

    Ids of the book are hashes, those of the user's snapshots days.
    """
    if name is None or not (name == "latest" or re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", name)):
        return "", None
    from cloudai.prices.snapshot import book_of, find

    return find(name).id, book_of(name)


def _mix_rules(args: argparse.Namespace) -> MixRules:
    if args.max_providers < 0:
        raise PlanError(f"--max-providers {args.max_providers} is negative")
    return MixRules(only=tuple(args.only), exclude=tuple(args.exclude), most=args.max_providers)


def _text(args: argparse.Namespace, draft: Draft, result: Estimate) -> str:
    diff = _diff(args.diff, result)
    if args.format == "json":
        return to_json(result, **({} if diff is None else {"diff": _diff_data(diff)}))
    if args.format in ("csv", "focus"):
        from cloudai_pricing.ascsv import to_csv, to_focus

        return to_csv(result) if args.format == "csv" else to_focus(result)
    if args.format == "markdown":
        from cloudai_pricing.documents import to_markdown

        return to_markdown(result, diff=diff, explain=args.explain)
    if args.format == "html":
        from cloudai.cli.estimate_command import command_of
        from cloudai.report import page_of

        return page_of(result, several=_planned(args, draft), diff=diff, command=command_of(args))
    from cloudai.cli.estimate_table import to_table

    return to_table(result, diff=diff, explain=args.explain, to_file=args.output is not None)


def _diff(old: str | None, result: Estimate) -> Diff | None:
    if old is None:
        return None
    from cloudai_pricing.diff import compare, load_old

    return compare(load_old(old), result, file=old)


def _diff_data(diff: Diff) -> dict[str, object]:
    from cloudai_pricing.diff_words import to_data

    return to_data(diff)


def _over(result: Estimate, budget: Budget | None, *, asked: int) -> str | None:
    """Why the budget is not kept; None: it is, as far as prices are known."""
    answer: Option | Mix | None = result.options[0] if asked == 1 and result.options else result.mix
    if budget is None or answer is None or not budget.over(answer):
        return None
    known = "" if answer.complete else "at least "
    what = "the dearest month" if budget.monthly else "the total"
    return f"over budget: {what} is {known}{money(budget.spent(answer))}, the limit {money(budget.limit)}"


def _over_p95(result: Estimate, budget: Budget | None, *, asked: int) -> str | None:
    """Why the budget is not kept in at least 95% of the draws."""
    if budget is None or result.risk is None:
        return None
    spread = result.risk.options[0] if asked == 1 and result.risk.options else result.risk.mix
    if spread is None or budget.p95(spread) <= budget.limit:
        return None
    known = "" if spread.complete else "at least "
    what = "P95 of the dearest month" if budget.monthly else "P95 of the total"
    return f"over budget: {what} is {known}{money(budget.p95(spread))}, the limit {money(budget.limit)}"


def _draws(args: argparse.Namespace, draft: Draft) -> int:
    if not args.draws and args.budget_p95 is None:
        if args.format != "html" and not args.plot:
            return 0
        from cloudai.cli.estimate_command import draws_of_page

        return draws_of_page(draft)
    from cloudai_pricing.risk import MOST_DRAWS, USUAL_DRAWS

    if not 0 <= args.draws <= MOST_DRAWS:
        raise PlanError(f"--draws {args.draws} is not from 0 to {MOST_DRAWS:,}")
    return int(args.draws) or USUAL_DRAWS


def _report(args: argparse.Namespace, result: Estimate, over: str | None) -> None:
    if args.junit or "GITHUB_STEP_SUMMARY" in os.environ:
        from cloudai.cli.estimate_gate import junit, summarise

        if args.junit:
            write(junit(result, over), args.junit)
        summarise(result, over)


def _say(text: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"cloudai: {text}\n")
