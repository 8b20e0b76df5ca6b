"""`cloudai stats`: how calls went, from the ledger; `cloudai stats drift`: what has changed between two windows.

Exit codes: 0 fine; 2 bad input; 3 with `drift`: something has changed as much as `--level` says.
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
import shlex
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from cloudai.errors import CloudAIError, InvalidInput

if TYPE_CHECKING:
    from cloudai.cli.terminal import Grid
    from cloudai.ledger import Books, CallRecord
    from cloudai.ledger.drift import Finding
    from cloudai.ledger.stats import Key, Tally
    from cloudai.ledger.store import Store

DRIFTED = 3
LEVELS = ("moderate", "major")
_SPAN = re.compile(r"(\d{1,4})\s*([mhdw])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SECOND = 1_000_000
Window = tuple[int, int]


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    from cloudai.cli.parser import completes_files
    from cloudai.ledger.drift import LEAST

    parser.description = "How calls went, by backend and operation; with `drift`, what has changed between two windows."
    parser.epilog = """\
examples:
  cloudai stats --since 2026-11-01 --operation vision.detect_labels
  cloudai stats drift --baseline 30d --window 1d --on-drift 'notify-team labels'
  cloudai stats drift --before 2026-10-01..2026-10-31 --after 2026-11-01..2026-11-07 --format json

exit codes: 0 fine, 2 bad input, 3 (with drift) something has changed as much as --level says"""
    parser.add_argument("what", nargs="?", choices=("drift",), help="compare two windows")
    parser.add_argument("--since", metavar="DATE", help="from this day (default: the last 30 days)")
    parser.add_argument("--until", metavar="DATE", help="up to and with this day (default: now)")
    for name in ("tag", "backend", "operation"):
        parser.add_argument(f"--{name}", metavar="NAME", help=f"only this {name}")
    drift = parser.add_argument_group("drift")
    drift.add_argument("--before", metavar="DATE..DATE", help="the window to compare with")
    drift.add_argument("--after", metavar="DATE..DATE", help="the window to look at")
    drift.add_argument("--window", default="1d", metavar="SPAN", help="look at the last 1d, 12h, 2w (default: 1d)")
    drift.add_argument("--baseline", default="30d", metavar="SPAN",
                       help="compare with so much time before it (default: 30d)")  # fmt: skip
    drift.add_argument("--least", type=int, default=LEAST, metavar="N",
                       help=f"calls that either window must have (default: {LEAST})")  # fmt: skip
    drift.add_argument("--level", choices=LEVELS, default="major",
                       help="what counts as drift: an index of 0.1 (moderate), 0.25 (major: the default)")  # fmt: skip
    drift.add_argument("--on-drift", metavar="COMMAND", help="run this, with the findings as JSON on its stdin")
    drift.add_argument("--shell", action="store_true", help="run --on-drift by the shell")
    parser.add_argument("--ledger", metavar="PLACE", help="this ledger, whatever the config says")
    parser.add_argument("--format", choices=("table", "json", "csv"), default="table",
                        help="how to print it (default: table)")  # fmt: skip
    completes_files(parser.add_argument("--output", metavar="FILE", help="write to a file instead of standard output"))


def run(args: argparse.Namespace) -> int:
    """Reads the ledger and prints. Raises `InvalidInput` where there is none."""
    from cloudai.cli.spend import books_of
    from cloudai.ledger import LedgerFailure

    books = books_of(args.ledger)
    try:
        assert books.store is not None
        return _drift(args, books, books.store) if args.what == "drift" else _stats(args, books, books.store)
    except LedgerFailure as failure:
        raise CloudAIError(f"the ledger can't be read: {failure}") from failure
    finally:
        books.close()


# --- how it went -----------------------------------------------------------------------------------


def _stats(args: argparse.Namespace, books: Books, store: Store) -> int:
    from cloudai.cli.spend_show import write
    from cloudai.ledger.periods import instant, moment
    from cloudai.ledger.stats import kept, tallied

    now = instant(books.present())
    until = _day(args.until, "--until", books, over=True) if args.until else now + 1
    since = _day(args.since, "--since", books) if args.since else until - 30 * _SECONDS["d"] * _SECOND
    if since >= until:
        raise InvalidInput("--since is not before --until")
    found = tallied(kept(store.calls(since, until), _keep(args)))
    document = {
        "schema": "cloudai.stats/1",
        "ledger": books.settings.safe_ledger(),
        "since": moment(since).isoformat(),
        "until": moment(until).isoformat(),
        "groups": [_group(key, tally) for key, tally in found.items()],
    }
    write(args, document, _raw(found) if args.format == "csv" else _table(found))
    return 0


def _group(key: Key, tally: Tally) -> dict[str, object]:
    from cloudai.cli.spend_show import exact
    from cloudai.ledger.stats import PARTS, RANKS

    return {
        "backend": key[0],
        "operation": key[1],
        "calls": tally.calls,
        "attempts_per_call": round(tally.attempts / tally.calls, 4),
        "cached_share": round(tally.cached / tally.calls, 6),
        "error_share": round(sum(tally.errors.values()), 6),
        "errors": {code: round(share, 6) for code, share in tally.errors.items()},
        "cost": exact(tally.cost),
        "complete": not tally.unpriced,
        "seconds": {part: {f"p{rank}": _seconds(tally.percentile(part, rank)) for rank in RANKS} for part in PARTS},
    }


def _seconds(micros: int | None) -> float | None:
    return None if micros is None else micros / _SECOND


def _table(found: Mapping[Key, Tally]) -> Grid:
    from cloudai.cli.terminal import Grid
    from cloudai.ledger.stats import PARTS, RANKS

    rows = [
        (
            key[0] or "-",
            key[1],
            f"{tally.calls:,}",
            f"{tally.attempts / tally.calls:.2f}",
            f"{tally.cached / tally.calls:.1%}",
            ", ".join(f"{code} {share:.1%}" for code, share in tally.errors.items()) or "-",
            *(" / ".join(_ms(tally.percentile(part, rank)) for rank in RANKS) for part in PARTS),
        )
        for key, tally in found.items()
    ]
    times = ("ms p50/p90/p99", *PARTS[1:])
    return Grid(("backend", "operation", "calls", "attempts", "cached", "errors", *times), tuple(rows),
                empty="no calls in this time")  # fmt: skip


def _ms(micros: int | None) -> str:
    return "-" if micros is None else f"{micros / 1000:,.0f}" if micros >= 100_000 else f"{micros / 1000:.1f}"


def _raw(found: Mapping[Key, Tally]) -> Grid:
    """For programs: seconds, shares, one column each."""
    from cloudai.cli.terminal import Grid
    from cloudai.ledger.stats import PARTS, RANKS

    ranks = [(part, rank) for part in PARTS for rank in RANKS]
    head = ("backend", "operation", "calls", "attempts_per_call", "cached_share", "error_share")
    rows = []
    for key, tally in found.items():
        shares = (tally.attempts / tally.calls, tally.cached / tally.calls, sum(tally.errors.values()))
        times = ["" if (at := tally.percentile(*one)) is None else f"{at / _SECOND:.6f}" for one in ranks]
        rows.append((*key, str(tally.calls), *(f"{share:.6f}" for share in shares), *times))
    return Grid((*head, *(f"{part}_p{rank}" for part, rank in ranks)), tuple(rows))


# --- what has changed ------------------------------------------------------------------------------


def _drift(args: argparse.Namespace, books: Books, store: Store) -> int:
    from cloudai.cli.spend_show import write
    from cloudai.ledger.drift import findings
    from cloudai.ledger.stats import kept

    before, after = _windows(args, books)
    keep = _keep(args)
    found = findings(kept(store.calls(*before), keep), kept(store.calls(*after), keep), least=args.least)
    alarming = [each for each in found if _alarms(each, args.level)]
    document = {
        "schema": "cloudai.drift/1",
        "before": _shown(before),
        "after": _shown(after),
        "level": args.level,
        "drift": bool(alarming),
        "findings": [_plain(each) for each in found],
    }
    write(args, document, _grid(found))
    if not alarming:
        return 0
    if args.on_drift:
        _tell(args.on_drift, {**document, "findings": [_plain(each) for each in alarming]}, shell=args.shell)
    return DRIFTED


def _alarms(finding: Finding, level: str) -> bool:
    return finding.level in LEVELS[LEVELS.index(level) :]


def _tell(command: str, document: Mapping[str, object], *, shell: bool) -> None:
    """Runs the user's command. Raises `InvalidInput` for one that can't be started, `CloudAIError` when it fails."""
    words: str | Sequence[str] = command if shell else shlex.split(command)
    try:
        ended = subprocess.run(words, input=json.dumps(document).encode(), shell=shell, check=False)
    except (OSError, ValueError) as error:
        raise InvalidInput(f"--on-drift can't be run: {error}") from error
    if ended.returncode:
        raise CloudAIError(f"drift was found, and --on-drift ended with {ended.returncode}")


def _plain(finding: Finding) -> dict[str, object]:
    measure = finding.measure
    return {
        "backend": finding.backend,
        "operation": finding.operation,
        "what": finding.what,
        "level": finding.level,
        "psi": None if measure is None else round(measure.psi, 6),
        "js": None if measure is None else round(measure.js, 6),
        "chance": None if measure is None else round(measure.chance, 6),
        "calls_before": finding.before,
        "calls_after": finding.after,
        "moved": [{"bin": name, "before": round(x, 6), "after": round(y, 6)} for name, x, y in finding.moved],
    }


def _grid(found: Sequence[Finding]) -> Grid:
    from cloudai.cli.terminal import Grid

    rows = []
    for each in found:
        measured = ("-", "-") if each.measure is None else (f"{each.measure.psi:.3f}", f"{each.measure.js:.3f}")
        moved = "; ".join(f"{name} {x:.1%} -> {y:.1%}" for name, x, y in each.moved if abs(y - x) >= 0.005)
        calls = f"{each.before:,} -> {each.after:,}"
        rows.append((each.backend or "-", each.operation, each.what, each.level, *measured, calls, moved or "-"))
    head = ("backend", "operation", "what", "level", "psi", "js", "calls", "moved most")
    return Grid(head, tuple(rows), empty="no calls in either window")


# --- when ------------------------------------------------------------------------------------------


def _keep(args: argparse.Namespace) -> Callable[[CallRecord], bool]:
    names = [name for name in ("tag", "backend", "operation") if getattr(args, name) is not None]
    return lambda call: all((getattr(call, name) or "") == getattr(args, name) for name in names)


def _windows(args: argparse.Namespace, books: Books) -> tuple[Window, Window]:
    """Before, after."""
    from cloudai.ledger.periods import instant

    if args.after and not args.before:
        raise InvalidInput("--after needs --before: the window to compare with")
    after = _between(args.after, "--after", books) if args.after else None
    if after is None:
        until = instant(books.present()) + 1
        after = until - _span(args.window, "--window"), until
    if args.before:
        return _between(args.before, "--before", books), after
    return (after[0] - _span(args.baseline, "--baseline"), after[0]), after


def _between(text: str, option: str, books: Books) -> Window:
    first, dots, last = text.partition("..")
    if not dots:
        raise InvalidInput(f"{option} is not of the form 2026-10-01..2026-10-31")
    window = _day(first, option, books), _day(last, option, books, over=True)
    if window[0] >= window[1]:
        raise InvalidInput(f"{option} ends before it begins")
    return window


def _day(text: str, option: str, books: Books, *, over: bool = False) -> int:
    """When a day begins, or (`over`) ends; in the budget's time zone."""
    from cloudai.ledger.periods import instant

    try:
        day = datetime.date.fromisoformat(text.strip())
    except ValueError:
        raise InvalidInput(f"{option}: {text!r} is not a day such as 2026-11-01") from None
    if over:
        day += datetime.timedelta(days=1)
    return instant(datetime.datetime(day.year, day.month, day.day, tzinfo=books.present().tzinfo))


def _span(text: str, option: str) -> int:
    """Microseconds of `90m`, `12h`, `30d`, `2w`."""
    found = _SPAN.fullmatch(text.strip().lower())
    if found is None or int(found[1]) == 0:
        raise InvalidInput(f"{option}: {text!r} is not a time such as 12h, 30d or 2w")
    return int(found[1]) * _SECONDS[found[2]] * _SECOND


def _shown(window: Window) -> dict[str, str]:
    from cloudai.ledger.periods import moment

    return {"since": moment(window[0]).isoformat(), "until": moment(window[1]).isoformat()}
