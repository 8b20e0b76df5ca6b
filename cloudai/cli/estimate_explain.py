"""`--explain`: every slice of every line, with SKU, tier, source, date and confidence, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from cloudai.cli.estimate_table import rows_table
from cloudai_pricing import words
from cloudai_pricing.exact import each, grouped, money
from cloudai_pricing.model import LineCost, Option, Slice
from cloudai_pricing.units import plural

_HEAD = ("sku", "tier", "quantity", "unit price", "cost")


def explained(option: Option) -> Iterator[RenderableType]:
    """All lines of a provider."""
    yield Text(f"{option.provider} {option.region}", style="bold")
    for line in option.lines:
        yield _indented(f"{line.name}: {words.amount(line.cost, complete=line.complete)}{_unit_prices(line)}", 2)
        if line.slices:
            rows = [_row(piece) for piece in line.slices]
            yield Padding(rows_table(_HEAD, rows, left=(0,), flexible=0), (0, 0, 0, 4), expand=False)
        for candidate in line.candidates:
            mark = "✓" if candidate.chosen else " "
            yield _indented(f"{mark} {candidate.nodes} x {candidate.sku}: {money(candidate.hourly)} an hour", 4)
        for source in dict.fromkeys(f"{one.source} ({one.as_of}, {one.confidence})" for one in line.slices):
            yield _indented(source, 4, style="dim")
        for remark in line.notes:
            yield _indented(remark, 4, style="dim")


def _indented(text: str, by: int, *, style: str = "") -> RenderableType:
    return Padding(Text(text, style=style, overflow="fold"), (0, 0, 0, by), expand=False)


def _row(piece: Slice) -> list[str]:
    return [
        f"{piece.service}: {piece.sku}{' (own)' if piece.overridden else ''}",
        words.tier(piece),
        f"{grouped(words.rounded(piece.quantity))} {plural(piece.unit, piece.quantity)}",
        each(piece.unit_price),
        money(piece.cost),
    ]


def _unit_prices(line: LineCost) -> str:
    parts = []
    if line.effective_unit_price is not None:
        parts.append(f"{each(line.effective_unit_price)} per {line.billed_unit} on average")
    if line.marginal_unit_price is not None:
        parts.append(f"{each(line.marginal_unit_price)} for the next")
    if line.next_tier_at is not None:
        parts.append(f"price changes at {grouped(line.next_tier_at)} {plural(line.billed_unit)} a month")
    return f" ({', '.join(parts)})" if parts else ""
