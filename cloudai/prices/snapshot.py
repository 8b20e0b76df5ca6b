"""Snapshots of the user's own: dated files of price entries, laid over the price book that came with this version.

A snapshot is an ordinary overlay file (`[[price]]` in the book's form) in $CLOUDAI_PRICES, else the user's data
folder. Files are only ever added, each written whole or not at all. Nothing here needs more than the standard library.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from cloudai.prices.changes import Key, key_of
from cloudai_pricing.book import Book
from cloudai_pricing.entries import Row
from cloudai_pricing.entry_check import check
from cloudai_pricing.errors import PlanError, nearest
from cloudai_pricing.tomlfile import MAX_BYTES, TomlError, TomlFile

BOOK = "book"
LATEST = "latest"
_NAME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(\.[0-9]{1,4})?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """One snapshot file. `id` is its name: the day it was made, with a number where the day had several."""

    id: str
    path: Path


def folder() -> Path:
    """Where snapshots are kept."""
    if own := os.environ.get("CLOUDAI_PRICES"):
        return Path(own)
    import platformdirs

    return platformdirs.user_data_path("cloudai") / "prices"


def stored() -> list[Stored]:
    """All snapshots, the oldest first. Files of other names are none."""
    found = [Stored(id=path.stem, path=path) for path in folder().glob("*.toml") if _NAME.fullmatch(path.stem)]
    return sorted(found, key=lambda one: _order(one.id))


def _order(name: str) -> tuple[str, int]:
    """Day and number of `2026-11-21.2`."""
    day, _, number = name.partition(".")
    return day, int(number or 1)


def find(name: str) -> Stored:
    """A snapshot by its id, or `latest`. Raises `PlanError` with those that are there."""
    known = stored()
    if name == LATEST and known:
        return known[-1]
    for one in known:
        if one.id == name:
            return one
    if not known:
        raise PlanError(f"there is no price snapshot {name!r}: none was made yet", fix="Run: cloudai prices refresh")
    raise PlanError(f"there is no price snapshot {name!r}", fix=nearest(name, (*(one.id for one in known), LATEST)))


def read(path: Path) -> list[Row]:
    """The checked entries of a file in the form of a snapshot. Raises `PlanError` with file and line."""
    try:
        file = TomlFile.load(path, parse_float=str)
    except TomlError as error:
        raise PlanError(error.reason, file=error.name, line=error.line) from error
    rows: list[Row] = []
    tables = file.data.get("price", [])
    for number, table in enumerate(tables if isinstance(tables, list) else [tables]):
        try:
            rows.append(check(table, where=f"{path.name} entry {number + 1}"))
        except PlanError as error:
            raise error.at(file.name, file.line_of(("price", number))) from error
    return rows


def over(book: Book, rows: Iterable[Row]) -> Book:
    """The book with further entries, as seen on the day of the newest reading of both.

    Of two entries for one SKU, region and day the one that was read later counts.
    """
    further = list(rows)
    if not further:
        return book
    merged: dict[tuple[Key, str], Row] = {}
    for row in (*book.rows(), *further):
        key = (key_of(row), str(row["effective_from"]))
        if key not in merged or str(row["as_of"]) >= str(merged[key]["as_of"]):
            merged[key] = row
    return Book.of(merged.values())


def book_of(name: str, *, as_of: str | None = None) -> Book:
    """The price book of a name: `book`, `latest`, a snapshot's id, or a file; `@2026-03-01` after it: on that day.

    Raises `PlanError` for a name that is none of these.
    """
    base, at, day = name.partition("@")
    shipped = Book.shipped()
    if base == BOOK:
        book = shipped
    elif base.endswith(".toml"):
        book = over(shipped, read(Path(base)))
    else:
        book = over(shipped, read(find(base).path))
    chosen = day if at else as_of
    return book.at(chosen) if chosen is not None else book


def write(rows: Sequence[Row], *, day: str, title: str) -> Stored:
    """A new snapshot of these entries: all of it or nothing; no file that is there is ever touched.

    Raises `PlanError` where the folder can't be written, or the entries are more than a snapshot may hold.
    """
    text = "".join((f"# {title}\n", *(f"\n{_entry(row)}" for row in rows)))
    if len(text.encode()) > MAX_BYTES:
        limit = MAX_BYTES // 1024 // 1024
        raise PlanError(f"{len(rows)} entries are more than {limit} MiB", fix="Narrow it by --service or --region")
    home = folder()
    try:
        home.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=home, prefix=".new-", suffix=".tmp")
        part = Path(name)
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            return _named(part, home, day)
        finally:
            with contextlib.suppress(FileNotFoundError):
                part.unlink()
    except OSError as error:
        raise PlanError(f"{home} can't be written: {error.strerror or error}", fix="Set CLOUDAI_PRICES") from error


def _named(part: Path, home: Path, day: str) -> Stored:
    """Gives the finished file the day's next free name. A link fails where the name is taken, a rename would not: it
    is used only where the file system has no links."""
    number = 1
    while True:
        name = day if number == 1 else f"{day}.{number}"
        target = home / f"{name}.toml"
        try:
            os.link(part, target)
        except FileExistsError:
            number += 1
            continue
        except OSError:
            if target.exists():
                number += 1
                continue
            part.replace(target)
        return Stored(id=name, path=target)


# The form of a file

_NOT_WRITTEN = ("where", "own", "until")


def _entry(row: Row) -> str:
    lines = [
        f"{key} = {_value(value)}\n" for key, value in row.items() if key not in _NOT_WRITTEN and value is not None
    ]
    return "[[price]]\n" + "".join(lines)


def _value(value: object) -> str:
    """A TOML value. JSON's strings are TOML's, but for the one control character that JSON leaves as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(item) for item in cast('Sequence[object]', value))}]"
    if isinstance(value, Mapping):
        pairs = cast("Mapping[str, object]", value).items()
        return f"{{ {', '.join(f'{key} = {_value(item)}' for key, item in pairs if item is not None)} }}"
    return str(value)
