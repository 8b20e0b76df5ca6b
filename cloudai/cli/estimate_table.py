"""An estimate as a table for a terminal, by rich: a column per provider, the cheapest ticked, `>=` where unknown.

Amounts are never cut nor broken: where the terminal is too narrow for a row, names give way first, then volumes move
below the names, then the providers are shown some at a time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from cloudai.cli.layout import GAP, PIPE_WIDTH, empty_table, indented, printed, rows_table
from cloudai_pricing import words
from cloudai_pricing.diff import Diff
from cloudai_pricing.diff_words import to_lines
from cloudai_pricing.model import Estimate, LineCost, Option, Range

if TYPE_CHECKING:
    from cloudai_pricing.risk import Risk

_NARROWEST_NAME = 14
_EDGES = 2
_SIGNS = {"+ ": "green", "- ": "red", "~ ": "yellow"}


def to_table(estimate: Estimate, *, diff: Diff | None = None, explain: bool, to_file: bool) -> str:
    """The text of an estimate, as `printed` prints."""
    return printed(lambda room: _parts(estimate, diff, room, explain=explain), to_file=to_file)


def _parts(estimate: Estimate, diff: Diff | None, room: int, *, explain: bool) -> Iterator[RenderableType]:
    yield Text(words.headline(estimate) + _age(estimate, room), style="bold")
    yield from _main(estimate, room)
    if estimate.mix is not None and len(estimate.options) > 1:
        yield Text.assemble(("Least mix: ", "bold"), words.mix_total(estimate.mix), _span(estimate.mix.total))
        yield indented(words.placed(estimate))
    if estimate.risk is not None:
        yield from _risk(estimate.risk)
    if crossed := words.crossing_rows(estimate):
        yield Text("Where the price changes", style="bold")
        yield rows_table(words.CROSSINGS, crossed, left=(1, 2), flexible=(2,))
    if any(option.exit is not None for option in estimate.options):
        yield from _exits(estimate, room, explain=explain)
    for option in estimate.options:
        for gap in words.gaps(option):
            yield Text.assemble((">= ", "yellow"), f"{option.provider}: {gap}")
        for reason in words.left_out(option):
            yield Text(f"not in the mix: {option.provider}: {reason}")
    if diff is not None:
        yield from (Text(line, style=_SIGNS.get(line.strip()[:2], "")) for line in to_lines(diff))
    if explain:
        from cloudai.cli.estimate_explain import explained

        for option in estimate.options:
            yield from explained(option)
    yield Text("Assumed", style="bold")
    for text in estimate.assumptions:
        yield indented(text)


def _exits(estimate: Estimate, room: int, *, explain: bool) -> Iterator[RenderableType]:
    """Every way out of every option; explained: by component, and every assumption with its source."""
    from cloudai_pricing import exit_words

    yield Text(exit_words.TITLE, style="bold")
    found = [exit_words.HEAD, *exit_words.rows(estimate.options)]
    if room < sum(max(len(row[at]) for row in found) + GAP for at in range(len(found[0]))) + _EDGES:
        found = [[row[at] for at in exit_words.SHORT] for row in found]
    yield rows_table(found[0], found[1:], left=(0, 1), flexible=())
    exits = [option.exit for option in estimate.options if option.exit is not None]
    if not explain:
        yield indented("Without code to count, from assumptions: --explain prints them; cloudai lockin counts code.")
        return
    parts = [[b.source, b.target, *row] for one in exits for b in one.shown for row in exit_words.components(b)]
    yield rows_table(exit_words.COMPONENTS, parts, left=(0, 1, 2), flexible=())
    yield rows_table(exit_words.ASSUMED, exit_words.assumed(exits[0].terms), left=(0, 1, 2, 3, 4), flexible=(2, 3))
    for gap in exit_words.gaps(estimate.options):
        yield Text.assemble((">= ", "yellow"), gap)


def _age(estimate: Estimate, room: int) -> str:
    """How old the prices are, for people at a terminal: a file has the same bytes on any day."""
    if room == PIPE_WIDTH:
        return ""
    import datetime

    days = (datetime.datetime.now(tz=datetime.UTC).date() - datetime.date.fromisoformat(estimate.snapshot_date)).days
    return "" if days < 1 else f", {days} day{'s' if days > 1 else ''} old"


def _risk(risk: Risk) -> Iterator[RenderableType]:
    from cloudai_pricing import risk_words

    yield Text(risk_words.title(risk), style="bold")
    last = len(risk_words.HEAD) - 1
    yield rows_table(risk_words.HEAD, risk_words.rows(risk), left=(0, last), flexible=(last,))
    if moved := risk_words.tornado(risk):
        yield Text(risk_words.tornado_title(risk), style="bold")
        yield rows_table(risk_words.TORNADO, moved, left=(0,), flexible=(0,))


class _Row(NamedTuple):
    """A row of the main table: `cells` has one text per provider."""

    name: Text
    volume: str
    cells: list[Text]


class _Sheet(NamedTuple):
    """The rows of the main table: one per line, then the sums; the heads of the providers' columns."""

    lines: list[_Row]
    sums: list[_Row]
    heads: list[str]

    def width(self, number: int) -> int:
        """Of a provider's column."""
        cells = [row.cells[number].plain for row in (*self.lines, *self.sums)]
        return max(cell_len(text) for text in [*cells, *self.heads[number].split("\n")])


def _main(estimate: Estimate, room: int) -> Iterator[RenderableType]:
    sheet = _sheet(estimate)
    months = f"volume in {estimate.months} months" if estimate.months > 1 else "volume"
    names = max(cell_len(row.name.plain) for row in (*sheet.lines, *sheet.sums))
    volumes = max(cell_len(text) for text in (months, *(row.volume for row in sheet.lines)))
    providers = sum(sheet.width(number) + GAP for number in range(len(sheet.heads)))
    if _EDGES + min(names, _NARROWEST_NAME * 2) + GAP + volumes + providers <= room:
        yield _columns(sheet, range(len(sheet.heads)), volumes=months)
    else:
        for group in _groups(sheet, room - _EDGES - min(max(names, volumes), max(_NARROWEST_NAME, volumes))):
            yield _columns(sheet, group, volumes="")
    if any(words.usage_based(line) for option in estimate.options for line in option.lines):
        yield Text("* billed by use, the rest by time or by commitment", style="dim")


def _groups(sheet: _Sheet, room: int) -> list[list[int]]:
    """Providers' columns that go side by side beside the names."""
    groups: list[list[int]] = [[]]
    left = room
    for number in range(len(sheet.heads)):
        width = sheet.width(number) + GAP
        if groups[-1] and width > left:
            groups.append([])
            left = room
        groups[-1].append(number)
        left -= width
    return groups


def _columns(sheet: _Sheet, group: Iterable[int], *, volumes: str) -> Table:
    """Some providers side by side. `volumes`: the head of the column of volumes; empty: they stand below the names."""
    group = list(group)
    table = empty_table()
    table.add_column("line", overflow="fold")
    if volumes:
        table.add_column(volumes, justify="right", no_wrap=True)
    for number in group:
        table.add_column(sheet.heads[number], justify="right", no_wrap=True, min_width=sheet.width(number))
    for row in sheet.lines:
        name = row.name if volumes else Text.assemble(row.name, (f"\n  {row.volume}", "dim"))
        table.add_row(name, *([row.volume] if volumes else []), *(row.cells[number] for number in group))
    table.add_section()
    for row in sheet.sums:
        table.add_row(row.name, *([""] if volumes else []), *(row.cells[number] for number in group))
    return table


def _sheet(estimate: Estimate) -> _Sheet:
    options = estimate.options
    lines = []
    for number, line in enumerate(options[0].lines if options else ()):
        best = words.cheapest(estimate, number)
        cells = [_cell(option.lines[number], ticked=option.provider == best) for option in options]
        star = " *" if any(words.usage_based(option.lines[number]) for option in options) else ""
        lines.append(_Row(Text(f"{line.name}{star}"), words.volume(line), cells))
    best = words.cheapest_option(estimate)
    total = f"{estimate.months} months" if estimate.months > 1 else "total"
    sums = [
        _Row(Text("first month"), "", [_sum(option.month, option, ticked=False) for option in options]),
        _Row(
            Text(total, style="bold"),
            "",
            [_sum(option.total, option, ticked=option.provider == best) for option in options],
        ),
    ]
    if any(not option.total.certain for option in options):
        sums += [
            _Row(Text("  at the low end"), "", [Text(words.low(option)) for option in options]),
            _Row(Text("  at the high end"), "", [Text(words.high(option)) for option in options]),
        ]
    if any(option.exit is not None for option in options):
        from cloudai_pricing import exit_words

        sums.append(_Row(Text("to leave it again"), "", [Text(exit_words.cell(option)) for option in options]))
    return _Sheet(lines, sums, [f"{option.provider}\n{option.region}" for option in options])


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
