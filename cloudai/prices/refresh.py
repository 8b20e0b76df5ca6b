"""A refresh: read the feeds that were asked for, match them to the book, and say what would change. Writes nothing.

A feed counts whole or not at all: one that fails or is malformed half way gives no entry, and the others go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from cloudai.errors import CloudAIError, InvalidInput
from cloudai.prices.changes import Change, compare, in_force, key_of, newer
from cloudai.prices.entry import Remark
from cloudai.prices.feed import FeedPrice, Request, Step
from cloudai.prices.mapping import Meters
from cloudai.prices.match import Matched, match
from cloudai.prices.snapshot import over
from cloudai_pricing.book import Book
from cloudai_pricing.entries import Row


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What the feeds said. `rows`: all entries of the snapshot to write, those of the one before included."""

    rows: tuple[Row, ...]
    fresh: int
    """How many of them are read anew, changed or not."""
    changes: tuple[Change, ...]
    remarks: tuple[Remark, ...]
    unmapped: tuple[FeedPrice, ...]
    missing: tuple[str, ...]
    """Meters of the mapping that no feed had."""
    failures: tuple[tuple[str, CloudAIError], ...]
    unused: int


Feed = Callable[[Request, Meters, str, Step], Iterator[FeedPrice]]


def refresh(request: Request, meters: Meters, previous: Sequence[Row], *, today: str, step: Step) -> Outcome:
    """Reads the feeds. `previous`: the latest snapshot's entries. Raises `InvalidInput` where nothing is mapped."""
    before = over(Book.shipped(), previous)
    if today > before.as_of:
        before = before.at(today)
    known = in_force(before)
    read: list[FeedPrice] = []
    failures: list[tuple[str, CloudAIError]] = []
    missing: list[str] = []
    for provider in request.providers:
        groups = meters.of(provider, request.services)
        if not groups:
            raise InvalidInput(f"{provider} has no service {' or '.join(request.services)!r} in the mapping")
        try:
            found = list(_feed(provider)(request, Meters(groups=groups), today, step))
        except CloudAIError as error:
            if isinstance(error, InvalidInput):
                raise
            failures.append((provider, error))
            continue
        read += found
        missing += _missing(Meters(groups=groups), found)
    matched = match(read, meters, known, regions=request.regions)
    taken, held = newer(matched.rows, known, trusted=request.trusted)
    return _outcome(before, previous, matched, taken, held, missing, failures)


def _outcome(
    before: Book,
    previous: Sequence[Row],
    matched: Matched,
    taken: Sequence[Row],
    held: Sequence[Remark],
    missing: Sequence[str],
    failures: Sequence[tuple[str, CloudAIError]],
) -> Outcome:
    kept = {(key_of(row), row["effective_from"]): row for row in (*previous, *_beside(taken, in_force(before)), *taken)}
    rows = tuple(kept[key] for key in sorted(kept, key=str))
    after = over(before, rows)
    day = max(before.as_of, after.as_of)
    return Outcome(
        rows=rows,
        fresh=len(taken),
        changes=compare(in_force(before), in_force(after.at(day))),
        remarks=(*matched.remarks, *held),
        unmapped=matched.unmapped,
        missing=tuple(missing),
        failures=tuple(failures),
        unused=matched.unused,
    )


def _beside(taken: Sequence[Row], known: Sequence[Row]) -> list[Row]:
    """The book's other prices of the same operations: the file can then also be used as a whole, as an overlay."""
    touched = {pair for row in taken for pair in _operations(row)}
    return [row for row in known if touched & _operations(row)]


def _operations(row: Row) -> set[tuple[str, str]]:
    return {(str(row["provider"]), operation) for operation in cast("Sequence[str]", row["operations"])}


def _missing(meters: Meters, found: Sequence[FeedPrice]) -> list[str]:
    """Mapped meters that the feed did not have in any region (patterns of machines aside)."""
    there = {(price.product, price.meter.casefold()) for price in found}
    return [
        f"{group.provider} {' or '.join(group.products)} / {meter}"
        for group in meters.groups
        for meter, targets in group.meters.items()
        if "{" not in meter and any(target.sku for target in targets)
        if not any((product, meter) in there for product in group.products)
    ]


def _feed(provider: str) -> Feed:
    """Each feed is imported when it is asked."""
    if provider == "aws":
        from cloudai.prices.aws_feed import read as aws

        return aws
    if provider == "gcp":
        from cloudai.prices.gcp_feed import read as gcp

        return gcp
    from cloudai.prices.azure_feed import read as azure

    return azure
