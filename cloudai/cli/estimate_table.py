"""An estimate as a table for a terminal, by rich: a column per provider, the cheapest ticked, `>=` where unknown."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from typing import TYPE_CHECKING

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from cloudai_pricing import words
from cloudai_pricing.diff import Diff
from cloudai_pricing.diff_words import to_lines
from cloudai_pricing.exact import each, grouped, money
from cloudai_pricing.model import Estimate, LineCost, Option, Range, Slice
from cloudai_pricing.units import plural

if TYPE_CHECKING:
    from cloudai_pricing.risk import Risk

PIPE_WIDTH = 4000
"""Nothing is wrapped or cut where no terminal is."""

_SIGNS = {"+ ": "green", "- ": "red", "~ ": "yellow"}


def to_table(estimate: Estimate, *, diff: Diff | None = None, explain: bool, to_file: bool) -> str:
    """The text of an estimate, as `printed` prints."""
    return printed(_parts(estimate, diff, explain=explain), to_file=to_file)


def printed(parts: Iterable[RenderableType], *, to_file: bool) -> str:
    """The text to print: with colour and fitted to the terminal, or plain and wide for a file or a pipe."""
    from cloudai.cli.terminal import coloured

    terminal = sys.stdout.isatty() and not to_file
    colour = coloured(sys.stdout) and not to_file
    buffer = StringIO()
    console = Console(
        file=buffer,
        width=shutil.get_terminal_size().columns if terminal else PIPE_WIDTH,
        force_terminal=colour,
        no_color=not colour,
        color_system="auto" if colour else None,
        highlight=False,
        legacy_windows=False,
    )
    console.print(Group(*parts))
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def _parts(estimate: Estimate, diff: Diff | None, *, explain: bool) -> Iterator[RenderableType]:
    yield Text(words.headline(estimate), style="bold")
    yield _table(estimate)
    if estimate.mix is not None and len(estimate.options) > 1:
        mix = estimate.mix
        yield Text.assemble(("Least mix: ", "bold"), words.mix_total(mix), _span(mix.total))
        yield Text(f"  {words.placed(estimate)}", style="dim")
    if estimate.risk is not None:
        yield from _risk(estimate.risk)
    if crossed := words.crossing_rows(estimate):
        yield Text("Where the price changes", style="bold")
        yield _rows(words.CROSSINGS, crossed, left=(1, 2))
    for option in estimate.options:
        for gap in words.gaps(option):
            yield Text.assemble((">= ", "yellow"), f"{option.provider}: {gap}")
    if diff is not None:
        yield from (Text(line, style=_SIGNS.get(line.strip()[:2], "")) for line in to_lines(diff))
    if explain:
        for option in estimate.options:
            yield from _explained(option)
    yield Text("Assumed", style="bold")
    for text in estimate.assumptions:
        yield Text(f"  {text}", style="dim")


def _risk(risk: Risk) -> Iterator[RenderableType]:
    from cloudai_pricing import risk_words

    yield Text(risk_words.title(risk), style="bold")
    yield _rows(risk_words.HEAD, risk_words.rows(risk), left=(0, len(risk_words.HEAD) - 1))


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: tuple[int, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, name in enumerate(head):
        table.add_column(name, justify="left" if number in left else "right")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def _table(estimate: Estimate) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("line")
    table.add_column(f"volume in {estimate.months} months" if estimate.months > 1 else "volume", justify="right")
    for option in estimate.options:
        table.add_column(f"{option.provider}\n{option.region}", justify="right")
    lines = estimate.options[0].lines if estimate.options else ()
    for number, line in enumerate(lines):
        best = words.cheapest(estimate, number)
        cells = [_cell(option.lines[number], ticked=option.provider == best) for option in estimate.options]
        table.add_row(line.name, words.volume(line), *cells)
    table.add_section()
    best = words.cheapest_option(estimate)
    table.add_row("first month", "", *(_sum(option.month, option, ticked=False) for option in estimate.options))
    total = f"{estimate.months} months" if estimate.months > 1 else "total"
    cells = [_sum(option.total, option, ticked=option.provider == best) for option in estimate.options]
    table.add_row(Text(total, style="bold"), "", *cells)
    if any(not option.total.certain for option in estimate.options):
        table.add_row("low to high", "", *(words.span(option.total) for option in estimate.options))
    return table


def _cell(line: LineCost, *, ticked: bool) -> Text:
    if line.cost is None:
        return Text(words.UNKNOWN if line.offered else "not offered", style="yellow")
    own = " own" if any(piece.overridden for piece in line.slices) else ""
    return _ticked(words.amount(line.cost, complete=line.complete) + own, ticked=ticked, whole=line.complete)


def _sum(costs: Range, option: Option, *, ticked: bool) -> Text:
    return _ticked(words.sum_of(costs, option), ticked=ticked, whole=option.complete)


def _ticked(text: str, *, ticked: bool, whole: bool) -> Text:
    if ticked:
        return Text(f"✓ {text}", style="green")
    return Text(text, style="" if whole else "yellow")


def _span(costs: Range) -> str:
    return "" if costs.certain else f" ({words.span(costs)})"


def _explained(option: Option) -> Iterator[RenderableType]:
    yield Text(f"{option.provider} {option.region}", style="bold")
    for line in option.lines:
        yield Text(f"  {line.name}: {words.amount(line.cost, complete=line.complete)}{_unit_prices(line)}")
        if line.slices:
            yield _slices(line.slices)
        for candidate in line.candidates:
            mark = "✓" if candidate.chosen else " "
            yield Text(f"    {mark} {candidate.nodes} x {candidate.sku}: {money(candidate.hourly)} an hour")
        for remark in line.notes:
            yield Text(f"    {remark}", style="dim")


def _unit_prices(line: LineCost) -> str:
    parts = []
    if line.effective_unit_price is not None:
        parts.append(f"{each(line.effective_unit_price)} per {line.billed_unit} on average")
    if line.marginal_unit_price is not None:
        parts.append(f"{each(line.marginal_unit_price)} for the next")
    if line.next_tier_at is not None:
        parts.append(f"price changes at {grouped(line.next_tier_at)} {plural(line.billed_unit)} a month")
    return f" ({', '.join(parts)})" if parts else ""


def _slices(slices: tuple[Slice, ...]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for name in ("    sku", "tier", "quantity", "unit price", "cost", "source, date, confidence"):
        left = name in ("    sku", "source, date, confidence")
        table.add_column(name, justify="left" if left else "right", overflow="fold")
    for piece in slices:
        upper = "" if piece.end is None else f" to {grouped(piece.end)}"
        own = " (own)" if piece.overridden else ""
        table.add_row(
            f"    {piece.service}: {piece.sku}{own}",
            f"from {grouped(piece.start)}{upper}",
            f"{grouped(piece.quantity)} {plural(piece.unit, piece.quantity)}",
            each(piece.unit_price),
            money(piece.cost),
            f"{piece.source}, {piece.as_of}, {piece.confidence}",
        )
    return table
