"""Which of two prices is the newer, and what changed between two views of the price book."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

from cloudai.prices.entry import Remark
from cloudai_pricing.book import Book
from cloudai_pricing.entries import Price, Row, Tier, build
from cloudai_pricing.exact import exactly, plain

Key = tuple[str, ...]


def in_force(book: Book) -> list[Row]:
    """The rows in force on the day of the view."""
    return [row for row in book.rows() if _in_force(row, book.as_of)]


def _in_force(row: Row, day: str) -> bool:
    until = row.get("until")
    return str(row["effective_from"]) <= day and (until is None or day < str(until))


def price_of(row: Row) -> Price:
    """A row as a typed price."""
    return build({key: value for key, value in row.items() if key != "until"})


def key_of(row: Row) -> Key:
    """What identifies a SKU over time: provider, service, SKU, region, units that a commitment includes."""
    commitment = row.get("commitment")
    included = str(commitment["included"]) if isinstance(commitment, Mapping) else ""
    return (*(str(row[name]) for name in ("provider", "service", "sku", "region")), included)


# Newer or older


def newer(rows: Iterable[Row], known: Sequence[Row]) -> tuple[list[Row], list[Remark]]:
    """The rows that may stand over `known`, those in force, and remarks: a newer price is never replaced by an older.

    What was read later is the newer. A later reading that the feed dates to an earlier day counts from the day it was
    read on: when it came into force is then not known. An equal price keeps its date and is only read anew.
    """
    current = {key_of(row): row for row in known}
    taken: list[Row] = []
    held: list[Remark] = []
    for row in rows:
        before = current.get(key_of(row))
        if before is None:
            taken.append(row)
        elif _same(row, before):
            if str(row["as_of"]) > str(before["as_of"]):
                taken.append({**row, "effective_from": before["effective_from"]})
        elif (dated := _after(row, before)) is not None:
            taken.append(dated)
        else:
            held.append(_older(row, before))
    return taken, held


def _same(row: Row, before: Row) -> bool:
    return _costs(row) == _costs(before)


def _costs(row: Row) -> tuple[tuple[Tier, ...], Decimal]:
    price = price_of(row)
    return price.tiers, price.free.quantity if price.free else Decimal(0)


def _after(row: Row, before: Row) -> Row | None:
    """The row with a date after the one before; None: it is no newer."""
    since, read = str(row["effective_from"]), str(row["as_of"])
    if read < str(before["as_of"]):
        return None
    if since > str(before["effective_from"]):
        return row
    return {**row, "effective_from": read} if read > str(before["effective_from"]) else None


def _older(row: Row, before: Row) -> Remark:
    name = f"{row['provider']} {row['service']} {row['sku']!r} in {row['region']}"
    return Remark(
        f"{name}: the price of the feed (since {row['effective_from']}, read {row['as_of']}) is older than the one "
        f"there (since {before['effective_from']}, read {before['as_of']}), which stays"
    )


# What changed


class Change(NamedTuple):
    """`+` added, `-` removed, `~` changed. `percent`: of the first tier whose price changed; None: not a number."""

    kind: Literal["+", "-", "~"]
    old: Price | None
    new: Price | None
    percent: Decimal | None = None

    @property
    def price(self) -> Price:
        """Of either side."""
        found = self.new or self.old
        assert found is not None
        return found


def compare(old: Iterable[Row], new: Iterable[Row]) -> tuple[Change, ...]:
    """Prices that were added, removed or changed, in the order of provider, service, SKU and region."""
    before = {key_of(row): row for row in old}
    after = {key_of(row): row for row in new}
    changes: list[Change] = []
    for key in sorted({*before, *after}):
        if key not in before:
            changes.append(Change("+", None, price_of(after[key])))
        elif key not in after:
            changes.append(Change("-", price_of(before[key]), None))
        elif before[key] is not after[key]:
            changes += _changed(price_of(before[key]), price_of(after[key]))
    return tuple(changes)


def _changed(old: Price, new: Price) -> list[Change]:
    if (old.tiers, old.commitment, old.free) == (new.tiers, new.commitment, new.free):
        return []
    return [Change("~", old, new, _percent(old, new))]


def _percent(old: Price, new: Price) -> Decimal | None:
    pairs = [(a.price, b.price) for a, b in zip(old.tiers, new.tiers, strict=False) if a.price != b.price]
    if old.commitment and new.commitment:
        pairs = [(old.commitment.fee, new.commitment.fee)]
    if not pairs or not pairs[0][0]:
        return None
    with exactly():
        return ((pairs[0][1] - pairs[0][0]) / pairs[0][0] * 100).quantize(Decimal("0.1"))


def ladder_text(price: Price) -> str:
    """`0.001 to 1,000,000, then 0.0008` per unit, for people."""
    if price.commitment is not None:
        overage = price.commitment.overage
        above = f", then {plain(overage)} per {price.unit}" if overage is not None else ""
        return f"{plain(price.commitment.fee)} a month for {price.commitment.included:,}{above}"
    parts = [
        f"{plain(tier.price)} to {int(tier.up_to):,}" if tier.up_to is not None else plain(tier.price)
        for tier in price.tiers
    ]
    open_ended = price.tiers[-1].up_to is None
    return f"{', then '.join(parts)} per {price.unit}" + ("" if open_ended else ", above that unknown")
