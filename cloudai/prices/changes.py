"""Which of two prices is the newer, and what changed between two views of the price book."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

from cloudai.prices.entry import Remark
from cloudai_pricing.book import Book
from cloudai_pricing.entries import Price, Row, build
from cloudai_pricing.exact import exactly, plain

Key = tuple[str, ...]
_COSTS = ("tiers", "commitment", "free")
"""Keys of an entry that say what it costs."""


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


def newer(rows: Iterable[Row], known: Sequence[Row], *, trusted: bool = False) -> tuple[list[Row], list[Remark]]:
    """The rows that may stand over `known`, those in force, and remarks: a newer price is never replaced by an older.

    Newer is what came into force later and was read no earlier; of one day, what was read later. A book entry whose
    day is not known stands on the day it was read, so a feed may be right with an earlier day: that is for the user
    to say (`trusted`), and such a price then counts from the day it was read. An equal price is only read anew.
    """
    current = {key_of(row): row for row in known}
    taken: list[Row] = []
    held: list[Remark] = []
    for row in rows:
        before = current.get(key_of(row))
        if before is None:
            taken.append(row)
        elif _same(row, before):
            if _read(row) > _read(before):
                taken.append({**row, "effective_from": before["effective_from"]})
        elif _read(row) >= _read(before) and _since(row) >= _since(before):
            taken.append(row)
        elif trusted and _read(row) >= _read(before):
            taken.append({**row, "effective_from": row["as_of"]})
        else:
            held.append(_older(row, before))
    return taken, held


def _since(row: Row) -> str:
    return str(row["effective_from"])


def _read(row: Row) -> str:
    return str(row["as_of"])


def _same(row: Row, before: Row) -> bool:
    one, other = price_of(row), price_of(before)
    free, allowed = (price.free.quantity if price.free else None for price in (one, other))
    return (one.tiers, free) == (other.tiers, allowed)


def _older(row: Row, before: Row) -> Remark:
    old, new = ladder_text(price_of(before)), ladder_text(price_of(row))
    return Remark(
        f"{row['provider']} {row['service']} {row['sku']!r} in {row['region']}: the feed's {new} "
        f"(since {_since(row)}, read {_read(row)}) is older than {old} (since {_since(before)}, read {_read(before)})"
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
        elif any(before[key].get(part) != after[key].get(part) for part in _COSTS):
            old_price, new_price = price_of(before[key]), price_of(after[key])
            changes.append(Change("~", old_price, new_price, _percent(old_price, new_price)))
    return tuple(changes)


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
