"""`cloudai prices show | search | sources`: the entries of the price book, for people and as JSON. No network."""

from __future__ import annotations

import argparse
import datetime
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from cloudai.cli.terminal import Grid, Shown, note, show
from cloudai.prices.changes import in_force, ladder_text, price_of
from cloudai.prices.snapshot import book_of, stored
from cloudai_pricing.book import Book
from cloudai_pricing.entries import Price, Row
from cloudai_pricing.errors import PlanError, nearest

SCHEMA = "cloudai.prices/1"
_SEARCHED = ("provider", "service", "sku", "operations", "features", "region", "variant", "unit", "note", "source")
_FEW = 60
"""Matches that are listed in a table; more are counted."""


def run(args: argparse.Namespace) -> int:
    """Prints what was asked for. Raises `PlanError` for a name that nothing has."""
    book = book_of(args.snapshot, as_of=_day(args.as_of))
    rows = [row for row in in_force(book) if args.provider in (None, row["provider"])]
    if args.verb == "sources":
        _sources(args, book, rows)
        return 0
    rows = [row for row in rows if args.region in (None, row["region"])]
    chosen = _named(rows, args.what, book) if args.verb == "show" else _with_words(rows, args.words)
    if args.json:
        head = {"schema": SCHEMA, "snapshot": _snapshot(book), "entries": [_plain(row) for row in chosen]}
        show([json.dumps(head, indent=2, ensure_ascii=False)])
    elif args.verb == "show":
        show(_entries(chosen))
    else:
        show(_table(chosen))
        if len(chosen) > _FEW:
            note(f"{len(chosen) - _FEW} more: narrow it by --provider, --region or another word, or take --json")
    return 0


def _day(text: str | None) -> str | None:
    if text is None:
        return None
    try:
        return datetime.date.fromisoformat(text).isoformat()
    except ValueError as error:
        raise PlanError(f"--as-of {text!r} is not a day", fix="Write it like 2026-03-01") from error


def _snapshot(book: Book) -> dict[str, str]:
    return {"id": book.snapshot.id, "date": book.snapshot.date, "as_of": book.as_of}


def _plain(row: Row) -> dict[str, object]:
    return {key: value for key, value in row.items() if key not in ("until", "own") and value is not None}


# Finding


def _named(rows: Sequence[Row], what: str, book: Book) -> list[Row]:
    """By operation, provider, service or SKU: the first of these that has the name, whatever its capitals."""
    wanted = what.casefold()
    for names in (_operations, _of("provider"), _of("service"), _of("sku"), _of("instance")):
        found = [row for row in rows if wanted in (name.casefold() for name in names(row))]
        if found:
            return found
    known = {name for row in in_force(book) for names in (_operations, _of("provider"), _of("service"), _of("sku"))
             for name in names(row)}  # fmt: skip
    if wanted in (name.casefold() for name in known):
        raise PlanError(f"no price of {what!r} there is in force", fix="Leave out --region or --provider")
    hint = nearest(what, known)
    raise PlanError(
        f"nothing is called {what!r}", fix=hint if hint.startswith("Did") else f"Try: cloudai prices search {what}"
    )


def _operations(row: Row) -> Sequence[str]:
    return cast("Sequence[str]", row["operations"])


class _of:  # noqa: N801  # a function with a value
    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, row: Row) -> Sequence[str]:
        value = row.get(self._key)
        return [str(value)] if value is not None else []


def _with_words(rows: Iterable[Row], words: Sequence[str]) -> list[Row]:
    wanted = [word.casefold() for word in words]
    return [row for row in rows if all(word in _text(row) for word in wanted)]


def _text(row: Row) -> str:
    parts: list[str] = []
    for key in _SEARCHED:
        value = row.get(key)
        parts += cast("Sequence[str]", value) if isinstance(value, (list, tuple)) else [str(value or "")]
    return "\n".join(parts).casefold()


# Printing


def _entries(rows: Sequence[Row]) -> Iterable[Shown]:
    for number, row in enumerate(rows):
        yield ("\n" if number else "") + f"{row['provider']} {row['service']}: {row['sku']} ({row['region']})"
        yield Grid(("", ""), tuple((f"  {name}", text) for name, text in _facts(row) if text))


def _facts(row: Row) -> Iterable[tuple[str, str]]:
    price = price_of(row)
    yield "price", f"USD {ladder_text(price)}"
    yield "for", ", ".join(price.operations)
    yield "variant", f"{price.variant or ''}{' (default)' if price.default else ''}".strip()
    yield "features", ", ".join(price.features)
    yield "includes", ", ".join(price.includes)
    yield "machine", _machine(row)
    if price.free is not None:
        yield "free", f"{price.free.quantity:,f} {price.unit}s a month, {price.free.kind}"
    rounding = cast("Mapping[str, str]", row.get("rounding") or {})
    if rounding:
        unit = rounding.get("unit", price.unit)
        yield "per request", f"at least {rounding['minimum']}, in steps of {rounding['increment']} ({unit})"
    yield "counts", _counts(price)
    yield "times", f"each {price.per}" if price.per else ""
    yield "pool", price.pool or ""
    yield "in force", f"since {price.effective_from}"
    yield "read", f"{price.as_of}, {price.confidence}"
    yield "source", price.source
    yield "note", price.note or ""
    yield "stands in", price.where


def _counts(price: Price) -> str:
    counts = price.counts
    if counts is None:
        return ""
    tags = {True: "tags count", False: "tags do not count", None: ""}[counts.markup]
    tags += f" except {', '.join(counts.uncounted)}" if counts.uncounted else ""
    return ", ".join(part for part in (f"a Chinese character as {counts.chinese:f}", tags) if part)


def _machine(row: Row) -> str:
    if not row.get("instance"):
        return ""
    card = f", {row['accelerator_count']} x {row['accelerator']}" if row.get("accelerator") else ""
    return f"{row['instance']}: {row.get('vcpus', '?')} vCPU, {row.get('memory_gb', '?')} GB{card}"


def _table(rows: Sequence[Row]) -> Iterable[Shown]:
    cells = tuple(
        (
            str(row["provider"]),
            str(row["service"]),
            str(row["sku"]),
            str(row["region"]),
            ladder_text(price_of(row)),
            str(row["as_of"]),
        )
        for row in rows[:_FEW]
    )
    yield Grid(("provider", "service", "sku", "region", "USD", "read"), cells)


# Sources


def _sources(args: argparse.Namespace, book: Book, rows: Sequence[Row]) -> None:
    today = args.as_of or datetime.datetime.now(datetime.UTC).date().isoformat()
    counted = Counter((str(row["source"]), str(row["as_of"]), str(row["confidence"])) for row in rows)
    lines = sorted(counted.items(), key=lambda item: (item[0][1], item[0]))
    snapshots = stored()
    if args.json:
        document = {
            "schema": SCHEMA,
            "snapshot": _snapshot(book),
            "sources": [
                {"source": source, "as_of": read, "confidence": how, "entries": count, "age_days": _age(read, today)}
                for (source, read, how), count in lines
            ],
            "snapshots": [{"id": one.id, "path": str(one.path)} for one in snapshots],
        }
        show([json.dumps(document, indent=2, ensure_ascii=False)])
        return
    cells = tuple((source, read, f"{_age(read, today)} days", how, str(count)) for (source, read, how), count in lines)
    show([Grid(("source", "read", "age", "confidence", "entries"), cells)])
    show([f"\n{len(rows)} entries in force on {book.as_of}, snapshot {book.snapshot.id}"])
    if snapshots:
        show([f"your snapshots: {', '.join(one.id for one in snapshots)} in {snapshots[-1].path.parent}"])


def _age(read: str, today: str) -> int:
    return max(0, (datetime.date.fromisoformat(today) - datetime.date.fromisoformat(read)).days)
