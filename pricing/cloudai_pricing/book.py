"""The price book: all entries of `book/*.toml`, those in force on a day, and the id of what they say.

The readable files are the truth. `book_compiled.jsonl` beside them (`python -m cloudai_pricing.compile`) is the same
rows in a form that loads in a millisecond: a header with an index, then one row per line, read only for the
operations, providers and regions asked for. It is used only while it was made from exactly the files that are there.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple, cast

from cloudai_pricing.entries import Price, Row, build
from cloudai_pricing.errors import PlanError
from cloudai_pricing.exact import plain
from cloudai_pricing.tomlfile import TomlError, TomlFile

Index = Mapping[str, Mapping[str, Mapping[str, Sequence[int]]]]
"""Operation -> provider -> region -> the numbers of its rows."""
FOLDER = Path(__file__).with_name("book")
COMPILED = Path(__file__).with_name("book_compiled.jsonl")
_NOT_SAID = ("where", "until", "own")
"""Keys of a row that say nothing about the price itself: they are no part of a snapshot's id."""


class Snapshot(NamedTuple):
    """What the book said on a day: `id` is a hash of the entries in force, `date` the newest reading among them."""

    since: str
    id: str
    date: str


class Book:
    """Price entries as seen on one day. Made by `shipped`, `read` or `of`; `at` gives another day's view."""

    def __init__(
        self,
        *,
        rows: Sequence[Row | bytes],
        index: Index,
        regions: Mapping[str, Sequence[str]],
        snapshots: Sequence[Snapshot],
        as_of: str,
    ) -> None:
        self._rows = rows
        self._index = index
        self._snapshots = snapshots
        self._prices: dict[int, Price | None] = {}
        self.regions = regions
        """Provider -> the regions that any of its entries name."""
        self.as_of = as_of

    @classmethod
    def shipped(cls) -> Book:
        """The book of this version, as of its newest reading."""
        return _shipped()

    @classmethod
    def read(cls, folder: Path) -> Book:
        """All `*.toml` of a folder. Raises `PlanError` with file and line; names both places of a duplicate."""
        return cls.of(read_rows(folder))

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Book:
        """Of checked rows. Raises `PlanError` for a duplicate."""
        dated = with_ends(list(rows))
        snapshots = snapshots_of(dated)
        return cls(
            rows=dated, index=index_of(dated), regions=regions_of(dated), snapshots=snapshots, as_of=newest(snapshots)
        )

    def at(self, as_of: str) -> Book:
        """The same book on another day. Raises `PlanError` before its first entry."""
        if not self._snapshots or as_of < self._snapshots[0].since:
            first = self._snapshots[0].since if self._snapshots else "no day: it is empty"
            raise PlanError(f"the price book knows no prices of {as_of}", fix=f"It starts on {first}")
        return Book(
            rows=self._rows, index=self._index, regions=self.regions, snapshots=self._snapshots, as_of=as_of
        )  # fmt: skip

    @property
    def snapshot(self) -> Snapshot:
        """What this view is of."""
        seen = [snapshot for snapshot in self._snapshots if snapshot.since <= self.as_of]
        return seen[-1] if seen else Snapshot(since=self.as_of, id="empty", date=self.as_of)

    @property
    def providers(self) -> tuple[str, ...]:
        """All providers that have any entry."""
        return tuple(sorted(self.regions))

    def prices(self, operation: str, provider: str | None = None, *regions: str) -> tuple[Price, ...]:
        """The entries in force for one operation, in the order of the files; of a provider, of its regions only."""
        by_provider = self._index.get(operation, {})
        chosen = by_provider.values() if provider is None else (by_provider.get(provider, {}),)
        numbers = {n for by_region in chosen for region in regions or by_region for n in by_region.get(region, ())}
        return tuple(price for number in sorted(numbers) if (price := self._price(number)) is not None)

    def providers_of(self, operation: str) -> frozenset[str]:
        """Who has an entry in force for an operation, in any region."""
        return frozenset(
            provider
            for provider, by_region in self._index.get(operation, {}).items()
            if any(self._price(number) is not None for numbers in by_region.values() for number in numbers)
        )

    def _price(self, number: int) -> Price | None:
        """One entry; None: it is not in force."""
        if number not in self._prices:
            row = self.row(number)
            self._prices[number] = build(_known(row)) if self._in_force(row) else None
        return self._prices[number]

    def row(self, number: int) -> Row:
        """One entry, in force or not, as plain data."""
        row = self._rows[number]
        return cast("Row", json.loads(row)) if isinstance(row, bytes) else row

    def rows(self) -> list[Row]:
        """All entries, in force or not, as plain data."""
        return [self.row(number) for number in range(len(self._rows))]

    def _in_force(self, row: Row) -> bool:
        until = row.get("until")
        return str(row["effective_from"]) <= self.as_of and (until is None or self.as_of < str(until))


def _known(row: Row) -> Row:
    return {key: value for key, value in row.items() if key != "until"}


@cache
def _shipped() -> Book:
    return load_compiled() or Book.read(FOLDER)


# From the readable files


def read_rows(folder: Path) -> list[Row]:
    """The checked rows of a folder's `*.toml`, in the order of the file names."""
    from cloudai_pricing.entry_check import check  # only where sources are read

    rows: list[Row] = []
    for path in sorted(folder.glob("*.toml")):
        name = f"{folder.name}/{path.name}"
        try:
            file = TomlFile.load(path, name=name, parse_float=str)
        except TomlError as error:
            raise PlanError(error.reason, file=error.name, line=error.line) from error
        tables = file.data.get("price", [])
        for number, table in enumerate(tables if isinstance(tables, list) else [tables]):
            line = file.line_of(("price", number))
            try:
                rows.append(check(table, where=f"{name}:{line}"))
            except PlanError as error:
                raise error.at(name, file.line_of(("price", number, *error.path))) from error
    return rows


def with_ends(rows: Sequence[Row]) -> list[Row]:
    """Rows with the day each ends on (`until`): when the next price of the same SKU comes into force."""
    known: dict[tuple[str, ...], dict[str, Row]] = {}
    for row in rows:
        dates = known.setdefault(_key(row), {})
        since = str(row["effective_from"])
        if since in dates:
            first = dates[since]
            raise PlanError(
                f"two prices for {row['provider']} {row['service']} {row['sku']!r} in {row['region']} from {since}: "
                f"{first['where']} ({first['source']}) and {row['where']} ({row['source']})",
                fix="Keep one",
            )
        dates[since] = row
    return [{**row, "until": _end(row, known[_key(row)])} for row in rows]


def _key(row: Row) -> tuple[str, ...]:
    commitment = row.get("commitment")
    included = str(commitment["included"]) if isinstance(commitment, Mapping) else ""
    return (*(str(row[name]) for name in ("provider", "service", "sku", "region")), included)


def _end(row: Row, dates: Mapping[str, Row]) -> str | None:
    return min((since for since in dates if since > str(row["effective_from"])), default=None)


def index_of(rows: Sequence[Row]) -> Index:
    """Where the rows of an operation, provider and region are."""
    index: dict[str, dict[str, dict[str, list[int]]]] = {}
    for number, row in enumerate(rows):
        for operation in cast("Sequence[str]", row["operations"]):
            regions = index.setdefault(operation, {}).setdefault(str(row["provider"]), {})
            regions.setdefault(str(row["region"]), []).append(number)
    return index


def regions_of(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Provider -> its regions."""
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(str(row["provider"]), set()).add(str(row["region"]))
    return {provider: sorted(found[provider]) for provider in sorted(found)}


def snapshots_of(rows: Sequence[Row]) -> list[Snapshot]:
    """One per day on which something came into force. Adding a later price leaves the earlier ones as they are."""
    import hashlib  # 3 ms that only reading the sources should cost

    said = sorted((str(row["effective_from"]), str(row["as_of"]), _digest(row)) for row in rows)
    snapshots = []
    for since in sorted({date for date, _, _ in said}):
        upto = [item for item in said if item[0] <= since]
        text = "\n".join(sorted(digest for _, _, digest in upto))
        read = max(as_of for _, as_of, _ in upto)
        snapshots.append(Snapshot(since=since, id=hashlib.sha256(text.encode()).hexdigest()[:16], date=read))
    return snapshots


def newest(snapshots: Sequence[Snapshot]) -> str:
    """The day a book is seen on unless another is asked for: that of its newest reading."""
    return max((snapshot.date for snapshot in snapshots), default="1970-01-01")


def _digest(row: Row) -> str:
    import hashlib

    said = {key: value for key, value in row.items() if key not in _NOT_SAID}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()


# The compiled form


def compiled_text(folder: Path) -> str:
    """The text of `book_compiled.jsonl` for a folder of readable files."""
    rows = with_ends(read_rows(folder))
    snapshots = snapshots_of(rows)
    header = {
        "sources": fingerprint(folder),
        "snapshots": [[snapshot.since, snapshot.id, snapshot.date] for snapshot in snapshots],
        "regions": regions_of(rows),
        "index": index_of(rows),
    }
    lines = [header, *({key: value for key, value in row.items() if key != "own"} for row in rows)]
    return "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)


def fingerprint(folder: Path) -> dict[str, list[int]]:
    """File name -> length and checksum of each readable file: whether a compiled form is of these files."""
    texts = {path.name: path.read_bytes().replace(b"\r\n", b"\n") for path in sorted(folder.glob("*.toml"))}
    return {name: [len(text), zlib.crc32(text)] for name, text in texts.items()}


def _is_of(sources: Mapping[str, Sequence[int]], compiled: Path, folder: Path) -> bool:
    """Whether the readable files are those that were compiled: of their lengths and older, else read again."""
    made = compiled.stat().st_mtime_ns
    found = {entry.name: entry.stat() for entry in os.scandir(folder) if entry.name.endswith(".toml")}
    older = all(stat.st_mtime_ns < made for stat in found.values())
    lengths = {name: length for name, (length, _) in sources.items()}
    unchanged = older and lengths == {name: stat.st_size for name, stat in found.items()}
    return unchanged or sources == fingerprint(folder)


def load_compiled(path: Path = COMPILED, folder: Path = FOLDER) -> Book | None:
    """The compiled book, or None where it is missing or not of the readable files that are there."""
    try:
        first, *rows = path.read_bytes().splitlines()
        header = json.loads(first)
        if not _is_of(header["sources"], path, folder):
            return None
    except (OSError, ValueError):
        return None
    snapshots = [Snapshot(since=since, id=name, date=date) for since, name, date in header["snapshots"]]
    return Book(
        rows=rows, index=header["index"], regions=header["regions"], snapshots=snapshots, as_of=newest(snapshots)
    )


def candidates(prices: Sequence[Price]) -> str:
    """For an error: each price in words, `and` between them; of many, the first three."""
    words = [f"{price} at {plain(price.first_price)} per {price.unit}" for price in prices[:3]]
    return " and ".join([*words, *([f"{len(prices) - 3} more"] if len(prices) > 3 else [])])
