"""`cloudai lockin`: what code uses of vendors' AI services, how it is had elsewhere, and what leaving would cost.

Exit codes: 0 fine; 2 bad input; 3 failed by --fail-on; 4 a rule of --fail-on can't be told.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from cloudai.cli.parser import completes_files
from cloudai.errors import InvalidInput

if TYPE_CHECKING:
    from cloudai.cli.terminal import Shown
    from cloudai.lockin.leaving import Leaving
    from cloudai.lockin.rules import Bill, Rule, Verdict
    from cloudai.lockin.scanned import Scan

FAILED = 3
UNTOLD = 4
FORMATS = ("table", "json", "markdown", "sarif", "html")
TARGETS = ("aws", "gcp", "azure", "local")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    parser.description = (
        "What code uses of vendors' AI services, how each of it is had elsewhere, and what leaving would cost.\n"
        "Reads Python, notebooks, requirement files, Terraform and CloudFormation; runs nothing, asks no network."
    )
    parser.epilog = """\
examples:
  cloudai lockin src
  cloudai lockin . --to gcp --workload portal.toml --explain
  cloudai lockin . --format sarif --output lockin.sarif --fail-on 'portable<80%' --fail-on 'retirement<180d'

rules of --fail-on, each what the scan fails by:
  portable<80%   portable:gcp<80%   neutral<50%   retirement<180d   exit>50000 USD   exit:gcp>50000 USD

exit codes: 0 fine, 2 bad input, 3 failed by --fail-on, 4 a rule can't be told (a bill is not whole)"""
    completes_files(
        parser.add_argument("path", nargs="?", default=".", metavar="PATH", help="a folder or a file (default: here)")
    )
    parser.add_argument("--to", action="append", default=[], choices=TARGETS, metavar="PROVIDER",
                        help="only this target: aws, gcp, azure or local (repeatable)")  # fmt: skip
    parser.add_argument("--horizon", type=int, default=36, metavar="MONTHS",
                        help="what a target ends within it counts as not offered (default: 36)")  # fmt: skip
    parser.add_argument("--as-of", metavar="DATE", help="the day to count from, as 2026-11-21 (default: today)")
    parser.add_argument("--workload", metavar="WORKLOAD.toml", help="monthly costs and [exit] settings for the bill")
    parser.add_argument("--set", action="append", default=[], metavar="exit.KEY=VALUE", dest="changes",
                        help="change one term of the bill, as exit.day_rate=700 (repeatable)")  # fmt: skip
    parser.add_argument(
        "--fail-on",
        action="append",
        default=[],
        metavar="RULE",
        help="fail, with exit code 3, when this is so (repeatable)",
    )
    parser.add_argument("--format", choices=FORMATS, default="table", help="how to print it (default: table)")
    parser.add_argument("--output", metavar="FILE", help="write to a file instead of standard output")
    parser.add_argument("--plot", metavar="FILE.svg|FILE.png", help="also draw the bills into a file (cloudai[plot])")
    parser.add_argument("--explain", action="store_true", help="every find, reasons with sources, terms of the bill")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no notes about skipped files")
    parser.add_argument("--schema", action="store_true", help="print the JSON Schema of --format json")


def run(args: argparse.Namespace) -> int:
    """Scans, prints, and returns the exit code. Raises `InvalidInput` or `PlanError` for what the user can correct."""
    from cloudai.lockin.asjson import schema

    if args.schema:
        _write(schema(), args.output)
        return 0
    from cloudai.lockin.rules import judge, parse_rule

    rules = [parse_rule(text) for text in args.fail_on]
    if args.plot:
        from cloudai.report.plots import check_plot

        check_plot(args.plot)
    found = _scan(args)
    bill = _bill(args, found, rules)
    verdicts = judge(rules, found, _known(bill))
    _print(args, found, verdicts, bill)
    if args.plot:
        _plot(args.plot, bill)
    return _told(args, found, verdicts)


def _scan(args: argparse.Namespace) -> Scan:
    """With a progress bar."""
    from cloudai.cli.progress import Bar
    from cloudai.lockin import scan

    bars: list[Bar] = []

    def progress(done: int, total: int) -> None:
        if not bars:
            bars.append(Bar(total, quiet=args.quiet))
            bars[0].__enter__()
        bars[0].advance()

    try:
        return scan(args.path, as_of=_day(args.as_of), horizon_months=args.horizon,
                    targets=tuple(dict.fromkeys(args.to)) or TARGETS, progress=progress)  # fmt: skip
    finally:
        for bar in bars:
            bar.__exit__(None, None, None)


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"--as-of {text!r} is not a day: write it like 2026-03-01") from error


def _bill(args: argparse.Namespace, found: Scan, rules: Sequence[Rule]) -> Leaving | None:
    """SARIF has no place for it, so that it is made only where a rule asks."""
    if args.format == "sarif" and not args.plot and not any(rule.measure == "exit" for rule in rules):
        return None
    from cloudai.lockin.leaving import leaving

    return leaving(found, workload=args.workload, changes=args.changes)


def _known(bill: Leaving | None) -> Mapping[str, Bill] | None:
    if bill is None:
        return None
    from cloudai.lockin.leaving import bills

    return bills(bill)


def _print(args: argparse.Namespace, found: Scan, verdicts: Sequence[Verdict], bill: Leaving | None) -> None:
    match args.format:
        case "json":
            from cloudai.lockin.asjson import to_json
            from cloudai.lockin.leaving import to_data

            _write(to_json(found, verdicts, exits=None if bill is None else to_data(bill)), args.output)
        case "markdown":
            from cloudai.lockin.markdown import to_markdown

            _write(to_markdown(found, verdicts, bill), args.output)
        case "sarif":
            from cloudai.lockin.sarif import to_sarif

            _write(to_sarif(found, verdicts), args.output)
        case "html":
            assert bill is not None
            _write(_page(args, found, verdicts, bill), args.output)
        case _:
            _show(args, found, bill)


_FLAGS = ("to", "horizon", "as_of", "workload", "changes")


def _page(args: argparse.Namespace, found: Scan, verdicts: Sequence[Verdict], bill: Leaving) -> str:
    import shlex

    from cloudai.cli.planning import flags
    from cloudai.report import page_of_exit
    from cloudai_pricing.plans import planned

    several = None if bill.workload is None else planned(bill.workload)
    command = shlex.join(["cloudai", "lockin", args.path, *flags(args, _FLAGS)])
    return page_of_exit(found, bill.ways, bill.terms, verdicts=verdicts, several=several, command=command)


def _plot(path: str, bill: Leaving | None) -> None:
    from cloudai.report.exit_page import exit_charts
    from cloudai.report.plots import write_charts

    charts = exit_charts(() if bill is None else bill.ways)
    if not charts:
        raise InvalidInput(f"--plot {path}: nothing of a vendor was found, so there is no bill to draw")
    write_charts(path, charts, title="Lock-in")


def _show(args: argparse.Namespace, found: Scan, bill: Leaving | None) -> None:
    from cloudai.cli.terminal import show

    parts = list(_parts(found, bill, explain=args.explain))
    if args.output is None:
        show(parts)
        return
    from contextlib import redirect_stdout
    from io import StringIO

    text = StringIO()
    with redirect_stdout(text):
        show(parts)
    _write(text.getvalue(), args.output)


def _parts(found: Scan, bill: Leaving | None, *, explain: bool) -> Iterator[Shown]:
    from cloudai.cli.terminal import Grid
    from cloudai.lockin import words

    yield f"{words.headline(found)}\n"

    def grid(title: str, head: Sequence[str], rows: Iterator[Sequence[str]]) -> Iterator[Shown]:
        known = tuple(tuple(row) for row in rows)
        if known:
            yield f"\n{title}\n"
            yield Grid(columns=tuple(head), rows=known)

    yield from grid(
        "What is used, and how it is had elsewhere", words.operation_head(found), words.operation_rows(found)
    )
    yield from grid("Portable shares of the calls", words.SHARE_HEAD, words.share_rows(found))
    if explain:
        yield from grid("What stands in the way", words.GAP_HEAD, words.gap_rows(found))
    yield from grid("Coupled lines", words.COUPLING_HEAD, words.coupling_rows(found))
    yield from grid("Retirements of what is used", words.RETIREMENT_HEAD, words.retirement_rows(found))
    yield from grid("Custom models", words.MODEL_HEAD, words.model_rows(found))
    if bill is not None and bill.ways:
        from cloudai.lockin import leaving
        from cloudai_pricing import exit_words

        yield from grid(exit_words.TITLE, leaving.HEAD, leaving.rows(bill))
        yield from grid("What the bills leave out", ("from", "to", "what"), leaving.gaps(bill))
        if explain:
            yield from grid("What the bills take for granted", exit_words.ASSUMED, iter(exit_words.assumed(bill.terms)))
    if explain:
        yield from grid("Finds", words.FIND_HEAD, words.find_rows(found))


def _told(args: argparse.Namespace, found: Scan, verdicts: Sequence[Verdict]) -> int:
    """Notes about what was skipped and the rules, and the exit code."""
    from cloudai.cli.terminal import complain, note, warn

    sys.stdout.flush()
    if not args.quiet:
        for skipped in found.skipped:
            place = skipped.file if skipped.line is None else f"{skipped.file}:{skipped.line}"
            warn(f"skipped {place}: {skipped.reason}")
    for verdict in verdicts:
        if verdict.holds:
            note(f"passed --fail-on {verdict.rule!r}: {verdict.text}")
        else:
            said = "failed" if verdict.holds is False else "can't tell"
            complain(f"{said} --fail-on {verdict.rule!r}: {verdict.text}")
    if any(verdict.holds is False for verdict in verdicts):
        return FAILED
    return UNTOLD if any(verdict.holds is None for verdict in verdicts) else 0


def _write(text: str, output: str | None) -> None:
    if output is None:
        sys.stdout.write(text)
        return
    try:
        Path(output).write_text(text, encoding="utf-8", newline="")
    except OSError as error:
        raise InvalidInput(f"{output} can't be written: {error.strerror or error}") from error
