"""Tables of plain rows, and the text of a page of them: fitted to a terminal, plain and wide for a file or a pipe."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from io import StringIO

from rich import box
from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

PIPE_WIDTH = 4000
"""Nothing is wrapped or cut where no terminal is."""
GAP = 2
"""Columns between two columns."""


def printed(parts: Callable[[int], Iterable[RenderableType]], *, to_file: bool) -> str:
    """The text to print: with colour and fitted to the terminal, or plain and wide for a file or a pipe.

    `parts` is given how many columns there are.
    """
    from cloudai.cli.terminal import coloured

    terminal = sys.stdout.isatty() and not to_file
    colour = coloured(sys.stdout) and not to_file
    width = shutil.get_terminal_size().columns if terminal else PIPE_WIDTH
    buffer = StringIO()
    console = Console(
        file=buffer,
        width=width,
        force_terminal=colour,
        no_color=not colour,
        color_system="auto" if colour else None,
        highlight=False,
        legacy_windows=False,
    )
    console.print(Group(*parts(width)))
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines()) + "\n"


def rows_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, left: tuple[int, ...], flexible: tuple[int, ...]
) -> Table:
    """Plain rows; only the `flexible` columns are wrapped."""
    table = empty_table()
    for number, name in enumerate(head):
        table.add_column(
            name,
            justify="left" if number in left else "right",
            no_wrap=number not in flexible,
            overflow="fold",
            min_width=None if number in flexible else max(cell_len(row[number]) for row in [head, *rows]),
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    return table


def empty_table() -> Table:
    """Of the form that all of them have."""
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, GAP - 1, 0, 0))


def indented(text: str) -> RenderableType:
    """A dim text below a heading, each of its lines set in."""
    return Padding(Text(text, style="dim"), (0, 0, 0, 2), expand=False)
