"""`--explain`: every slice of every line, with SKU, tier, source, date and confidence, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from cloudai.cli.layout import rows_table
from cloudai_pricing import words
from cloudai_pricing.exact import each, grouped, money
from cloudai_pricing.model import Option, Slice
from cloudai_pricing.units import plural

_HEAD = ("sku", "tier", "quantity", "unit price", "cost")


def explained(option: Option) -> Iterator[RenderableType]:
    """All lines of a provider."""
    yield Text(f"{option.provider} {option.region}", style="bold")
    for line in option.lines:
        prices = words.unit_prices(line)
        what = f"{line.name}: {words.amount(line.cost, complete=line.complete)}"
        yield _indented(f"{what} ({prices})" if prices else what, 2)
        if line.slices:
            rows = [_row(piece) for piece in line.slices]
            yield Padding(rows_table(_HEAD, rows, left=(0,), flexible=(0,)), (0, 0, 0, 4), expand=False)
        for candidate in words.candidates(line):
            yield _indented(candidate, 4)
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
