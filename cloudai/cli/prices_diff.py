"""`cloudai prices diff`: what changed between two views of the prices, and what that does to a workload."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path

from cloudai.cli.prices_show import SCHEMA
from cloudai.cli.terminal import Grid, Shown, show
from cloudai.prices.changes import Change, compare, in_force, ladder_text
from cloudai.prices.snapshot import book_of
from cloudai_pricing import words
from cloudai_pricing.book import Book
from cloudai_pricing.entries import Price
from cloudai_pricing.exact import exactly, money, plain


def run(args: argparse.Namespace) -> int:
    """Prints the changes. 0, whether there are any or not."""
    old, new = book_of(args.a), book_of(args.b)
    changes = compare(in_force(old), in_force(new))
    totals = list(_totals(Path(args.workload), old, new)) if args.workload else []
    if args.json:
        document = {
            "schema": SCHEMA,
            "from": {"id": old.snapshot.id, "date": old.snapshot.date, "as_of": old.as_of},
            "to": {"id": new.snapshot.id, "date": new.snapshot.date, "as_of": new.as_of},
            "changes": [_plain(change) for change in changes],
            "totals": totals,
        }
        show([json.dumps(document, indent=2, ensure_ascii=False)])
        return 0
    show(parts(changes, every=args.all))
    if args.workload:
        show(["\n", totals_table(totals)])
    return 0


def parts(changes: Sequence[Change], *, every: bool) -> Iterable[Shown]:
    """The changes as lines; added prices are counted by service unless `every` is asked for."""
    if not changes:
        yield "no price changed"
        return
    added = [change for change in changes if change.kind == "+"]
    for change in changes:
        if change.kind != "+" or every:
            yield _line(change)
    if added and not every:
        groups: dict[tuple[str, str], list[Price]] = {}
        for change in added:
            groups.setdefault((change.price.provider, change.price.service), []).append(change.price)
        for (provider, service), prices in groups.items():
            regions = {price.region for price in prices}
            where = f"in {next(iter(regions))}" if len(regions) == 1 else f"in {len(regions)} regions"
            yield f"+ {provider} {service}: {len(prices)} new price{'s' if len(prices) > 1 else ''} {where}"
    counts = {kind: sum(1 for change in changes if change.kind == kind) for kind in "+-~"}
    yield f"{counts['+']} added, {counts['-']} removed, {counts['~']} changed"


def _line(change: Change) -> str:
    price = change.price
    name = f"{change.kind} {price.provider} {price.service}: {price.sku} ({price.region})"
    if change.old is None or change.new is None:
        return f"{name}  USD {ladder_text(price)}"
    percent = f"  {change.percent:+f}%" if change.percent is not None else ""
    return f"{name}  USD {ladder_text(change.old)} -> {ladder_text(change.new)}{percent}"


def _plain(change: Change) -> dict[str, object]:
    price = change.price
    return {
        "kind": {"+": "added", "-": "removed", "~": "changed"}[change.kind],
        "provider": price.provider,
        "service": price.service,
        "sku": price.sku,
        "region": price.region,
        "percent": None if change.percent is None else plain(change.percent),
        "old": _side(change.old),
        "new": _side(change.new),
    }


def _side(price: Price | None) -> dict[str, object] | None:
    if price is None:
        return None
    tiers = [{"up_to": None if t.up_to is None else plain(t.up_to), "price": plain(t.price)} for t in price.tiers]
    return {"unit": price.unit, "tiers": tiers, "effective_from": price.effective_from, "as_of": price.as_of,
            "source": price.source, "confidence": price.confidence}  # fmt: skip


# What it does to a workload


def workload_parts(path: str, old: Book, new: Book) -> Iterable[Shown]:
    """The totals of a workload file before and after, by provider."""
    yield totals_table(list(_totals(Path(path), old, new)))


def _totals(path: Path, old: Book, new: Book) -> Iterator[dict[str, str]]:
    """Total by provider at the prices of both; a total with an unknown price is a lower bound (`>=`)."""
    from cloudai_pricing.draft import read_file
    from cloudai_pricing.estimator import estimate
    from cloudai_pricing.workload_file import check

    workload = check(read_file(path))
    before, after = estimate(workload, book=old), estimate(workload, book=new)
    was = {option.provider: option for option in before.options}
    for option in after.options:
        first = was.get(option.provider)
        yield {
            "provider": option.provider,
            "old": words.amount(first.total if first else None, complete=first is not None and first.complete),
            "new": words.amount(option.total, complete=option.complete),
            "difference": _difference(first.total.likely if first else None, option.total.likely),
        }


def _difference(old: Decimal | None, new: Decimal) -> str:
    if old is None:
        return "-"
    with exactly():
        change = new - old
        percent = f" ({(change / old * 100).quantize(Decimal('0.1')):+f}%)" if old else ""
    sign = "-" if change < 0 else "+"
    return f"{sign}{money(abs(change))}{percent}" if change else "none"


def totals_table(totals: Sequence[dict[str, str]]) -> Grid:
    """Provider, before, after, difference."""
    rows = tuple((row["provider"], row["old"], row["new"], row["difference"]) for row in totals)
    return Grid(("provider", "total before", "total after", "difference"), rows)
