"""What `cloudai spend` prints: tables for people, `cloudai.spend/1` as JSON, CSV, FOCUS rows."""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

from cloudai.cli.terminal import Grid, Shown, note, show
from cloudai.errors import InvalidInput
from cloudai.ledger import Books, State, dollars, micro
from cloudai.ledger.periods import instant, moment
from cloudai.ledger.report import Spending, Sum, spending
from cloudai.ledger.store import Group, Row, Standing, Store
from cloudai_pricing.ascsv import csv_text
from cloudai_pricing.exact import plain

SCHEMA = "cloudai.spend/1"
OVER_BUDGET = 3
EVER = 2**52
_HEADS = {"tag": "(no tag)", "backend": "-", "operation": "-"}


def run(args: argparse.Namespace, books: Books) -> int:
    """The part of the command that the arguments ask for."""
    assert books.store is not None
    books.store.expire(instant(books.present()))
    if args.settle:
        return _settle(args.settle, books.store)
    if args.unknown:
        write(args, *_unknown(args, books.store))
        return 0
    if args.budget:
        return _budget(args, books)
    found = read(args, books, books.store)
    if args.format == "focus":
        from cloudai.ledger.focus import charges, to_focus

        calls = books.store.calls(found.since, found.until)
        _emit(args, to_focus(found.groups, [one for one in charges(calls) if keep(args, one)]))
    elif args.format == "csv":
        _emit(args, _csv(found.groups))
    elif args.format == "json":
        _emit(args, as_json(_document(found, books)))
    else:
        show_to(args, _tables(found, books))
    return 0


def read(args: argparse.Namespace, books: Books, store: Store) -> Spending:
    """The period that was asked for, narrowed to what was asked for."""
    since, until = period(args, books)
    now = instant(books.present())
    return spending(store, since=since, until=until, now=now, keep=lambda group: keep(args, group))


def keep(args: argparse.Namespace, one: object) -> bool:
    """Whether a sum is of the tag, backend and operation that were named."""
    return all(getattr(args, name) in (None, getattr(one, name)) for name in ("tag", "backend", "operation"))


def period(args: argparse.Namespace, books: Books) -> tuple[int, int]:
    """From, up to: the month that was named, the days since, or the present month; in the budget's time zone."""
    here = books.present()
    if args.since is not None:
        day = _date(args.since, "--since", "2026-11-01")
        start = instant(datetime.datetime(day.year, day.month, day.day, tzinfo=here.tzinfo))
        if start > instant(here):
            raise InvalidInput(f"--since {args.since} is not over yet")
        return start, instant(here) + 1
    if args.month is None:
        return books.month()
    first = _date(f"{args.month}-01", "--month", "2026-11-01")
    following = (first + datetime.timedelta(days=32)).replace(day=1)
    begins, ends = (datetime.datetime(day.year, day.month, day.day, tzinfo=here.tzinfo) for day in (first, following))
    return instant(begins), instant(ends)


def _date(text: str, option: str, example: str) -> datetime.date:
    try:
        return datetime.date.fromisoformat(text)
    except ValueError:
        form = example if option == "--since" else example[:7]
        raise InvalidInput(f"{option} is not of the form {form}") from None


# --- printing ------------------------------------------------------------------------------------


def show_to(args: argparse.Namespace, parts: Iterable[Shown]) -> None:
    """Tables: to a file as plain text."""
    if args.output is None:
        show(parts)
        return
    lines = []
    for part in parts:
        lines += [part.strip("\n")] if isinstance(part, str) else ["\t".join(row) for row in (part.columns, *part.rows)]
    _emit(args, "".join(f"{line}\n" for line in lines))


def _emit(args: argparse.Namespace, text: str) -> None:
    if args.output is None:
        show([text])
        return
    Path(args.output).write_text(text, encoding="utf-8")
    note(f"wrote {args.output}")


def as_json(document: Mapping[str, object]) -> str:
    """Money as decimal strings."""
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def write(args: argparse.Namespace, document: Mapping[str, object], grid: Grid) -> None:
    """As JSON, CSV or a table."""
    if args.format == "focus":
        raise InvalidInput("FOCUS rows are of what was spent: leave out --budget, --unknown and --against")
    if args.format == "json":
        _emit(args, as_json(document))
    elif args.format == "csv":
        _emit(args, csv_text(grid.columns, grid.rows))
    else:
        show_to(args, [grid])


def usd(amount: int) -> str:
    """`$1,234.56`, with more places where an amount needs them."""
    if amount < 0:
        return f"-{usd(-amount)}"
    value = dollars(amount)
    return f"${value:,.2f}" if amount % 10_000 == 0 else f"${value:,.6f}".rstrip("0")


def exact(amount: int) -> str:
    """For programs."""
    return plain(dollars(amount))


def _tables(found: Spending, books: Books) -> Iterable[Shown]:
    total, zone = found.total, books.present().tzinfo
    begins, ends = (moment(each, zone or datetime.UTC) for each in (found.since, found.until - 1))
    sign = ">= " if total.unpriced else ""
    facts = [("spent", f"{sign}{usd(total.spent)}"), ("reserved", usd(total.reserved))]
    if total.unknown:
        facts.append(("of unknown outcome", f"{usd(total.unknown)} of what is spent: cloudai spend --unknown"))
    if total.unpriced:
        facts.append(("of unknown price", f"{total.unpriced:,} attempts, which count as nothing"))
    if found.forecast is not None:
        facts.append(("forecast", f"{sign}{usd(found.forecast)} by {ends:%Y-%m-%d}, at the pace of the last days"))
    yield f"{begins:%Y-%m-%d} to {ends:%Y-%m-%d}, {books.settings.safe_ledger()}"
    yield Grid(("", ""), tuple(facts))
    for name, sums in found.by.items():
        if sums:
            yield "\n"
            yield _sums(name, sums)


def _sums(name: str, sums: Mapping[str, Sum]) -> Grid:
    rows = [
        (key or _HEADS[name], usd(each.spent), usd(each.reserved), usd(each.unknown), f"{each.attempts:,}")
        for key, each in sums.items()
    ]
    return Grid((name, "spent", "reserved", "unknown", "attempts"), tuple(rows))


def _document(found: Spending, books: Books) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "ledger": books.settings.safe_ledger(),
        "currency": "USD",
        "since": moment(found.since).isoformat(),
        "until": moment(found.until).isoformat(),
        **_plain(found.total),
        "complete": not found.total.unpriced,
        "forecast": None if found.forecast is None else exact(found.forecast),
        "by": {
            name: [{name: key or None, **_plain(each)} for key, each in by.items()] for name, by in found.by.items()
        },
    }


def _plain(one: Sum) -> dict[str, object]:
    return {
        "spent": exact(one.spent),
        "reserved": exact(one.reserved),
        "unknown": exact(one.unknown),
        "attempts": one.attempts,
        "unpriced_attempts": one.unpriced,
    }


_CSV = ("day", "operation", "backend", "provider", "region", "tag", "state", "attempts", "unpriced_attempts", "usd")


def _csv(groups: Sequence[Group]) -> str:
    rows = [
        (f"{moment(g.day * 86_400_000_000):%Y-%m-%d}", g.operation, g.backend, g.provider, g.region, g.tag,
         g.state.name.lower(), str(g.attempts), str(g.unpriced), exact(g.amount))
        for g in groups
    ]  # fmt: skip
    return csv_text(_CSV, rows)


# --- budgets -------------------------------------------------------------------------------------


def _budget(args: argparse.Namespace, books: Books) -> int:
    standings = books.standing()
    if not standings:
        raise InvalidInput('[budget] has no limit: add monthly = "500 USD" or a [[budget.limit]]')
    document = {"schema": SCHEMA, "currency": "USD", "budgets": [_standing(each, books) for each in standings]}
    rows = tuple(_standing_row(each, books) for each in standings)
    write(args, document, Grid(("budget", "limit", "spent", "reserved", "left", "used", "renews"), rows))
    return OVER_BUDGET if any(each.left < 0 for each in standings) else 0


def _standing(one: Standing, books: Books) -> dict[str, object]:
    limit = one.window.limit
    return {
        "budget": str(limit),
        "every": str(limit.every),
        "tag": limit.tag or None,
        "backend": limit.backend or None,
        "operation": limit.operation,
        "limit": exact(limit.amount),
        "spent": exact(one.spent),
        "reserved": exact(one.reserved),
        "left": exact(one.left),
        "renews": _renews(one, books),
    }


def _standing_row(one: Standing, books: Books) -> tuple[str, ...]:
    limit = one.window.limit
    used = one.spent + one.reserved
    percent = f"{used * 100 // limit.amount}%" if limit.amount else "-"
    left = usd(one.left) if one.left >= 0 else f"-{usd(-one.left)}"
    return (str(limit), usd(limit.amount), usd(one.spent), usd(one.reserved), left, percent, _renews(one, books))


def _renews(one: Standing, books: Books) -> str:
    return moment(one.window.ends, books.present().tzinfo or datetime.UTC).isoformat(timespec="minutes")


# --- what nobody knows ---------------------------------------------------------------------------


def _unknown(args: argparse.Namespace, store: Store) -> tuple[dict[str, object], Grid]:
    rows = [row for row in store.rows(State.UNKNOWN, 0, EVER) if keep(args, row)]
    document: dict[str, object] = {"schema": SCHEMA, "currency": "USD", "unknown": [_attempt(row) for row in rows]}
    columns = ("id", "at", "operation", "backend", "tag", "counts as", "call")
    cells = tuple(
        (str(r.id), f"{moment(r.at):%Y-%m-%d %H:%M:%S}", r.operation, r.backend, r.tag, usd(r.cost or 0), r.call_id)
        for r in rows
    )
    return document, Grid(columns, cells, empty="the outcome of every attempt is known")


def _attempt(row: Row) -> dict[str, object]:
    return {
        "id": str(row.id),  # of 62 bits: more than a number of JSON holds everywhere
        "at": moment(row.at).isoformat(),
        "operation": row.operation,
        "backend": row.backend,
        "provider": row.provider,
        "region": row.region or None,
        "tag": row.tag or None,
        "call_id": row.call_id,
        "attempt": row.attempt,
        "counts_as": None if row.cost is None else exact(row.cost),
    }


def _settle(given: Sequence[str], store: Store) -> int:
    """All are read before any is written."""
    wanted = [_wanted(text) for text in given]
    for number, cost in wanted:
        if number is None:
            numbers = [row.id for row in store.rows(State.UNKNOWN, 0, EVER)]
            note(f"settled {sum(store.adjust(each, cost) for each in numbers)} attempts at {usd(cost)} each")
        elif not store.adjust(number, cost):
            raise InvalidInput(f"attempt {number} is not one of unknown outcome: see cloudai spend --unknown")
        else:
            note(f"settled attempt {number} at {usd(cost)}")
    return 0


def _wanted(text: str) -> tuple[int | None, int]:
    name, _, amount = text.partition("=")
    try:
        cost = Decimal(amount.strip().removesuffix("USD").strip())
        number = None if name.strip() == "all" else int(name)
    except (InvalidOperation, ValueError):
        raise InvalidInput(f"--settle {text!r} is not of the form 1234=0.0015 (USD), or all=0") from None
    if not cost.is_finite() or not 0 <= cost <= 10**9:
        raise InvalidInput(f"--settle {text!r}: a cost is 0 USD or more")
    return number, micro(cost)
