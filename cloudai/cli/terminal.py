"""What is printed: results on stdout, notes and errors on stderr; colour and tables by rich, only on a terminal.

A table that goes to a file or a pipe is plain, aligned text that is never cut; programs should ask for `--json`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.text import Text

_UNLIMITED = 100_000
_IN_ONE_PIECE = 32
"""Cells up to this width are not broken as long as others can be."""
_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), 127, *range(128, 160)) if chr(code) not in "\n\t"}


@dataclass(frozen=True, slots=True)
class Grid:
    """A table. Cells that are a word of state (`yes`, `no`, `error`, ...) are coloured; heads may all be empty."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    title: str = ""
    empty: str = "nothing found"
    """Said instead when there are no rows."""


Shown = str | Grid
"""What a command shows: text as it is, or a table."""

_STYLES = {
    "yes": "green", "ok": "green", "partial": "yellow", "preview": "yellow", "gated": "yellow", "retiring": "yellow",
    "no": "red", "error": "red", "missing": "yellow", "unknown": "yellow", "warning": "yellow", "-": "dim",
}  # fmt: skip


def coloured(stream: TextIO) -> bool:
    """A terminal that is not dumb; `NO_COLOR` switches it off, `FORCE_COLOR` on. https://no-color.org"""
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM") != "dumb"


def safe(text: str, stream: TextIO) -> str:
    """On a terminal, control characters are shown and not obeyed: an OCR result must not move the cursor."""
    return text.translate(_CONTROL) if stream.isatty() else text


def show(parts: Iterable[Shown]) -> None:
    """Prints results to stdout."""
    for part in parts:
        text = safe(part, sys.stdout) if isinstance(part, str) else _table(part)
        sys.stdout.write(text if text.endswith("\n") or not text else f"{text}\n")
    sys.stdout.flush()


def note(text: str) -> None:
    """One line on stderr beside the results."""
    _say(text, "dim")


def warn(text: str) -> None:
    """One line on stderr that starts with `warning:`."""
    _say(text, "yellow", lead="warning: ")


def complain(text: str) -> None:
    """An error on stderr."""
    _say(text, "bold red", lead="cloudai: ")


def _say(text: str, style: str, lead: str = "") -> None:
    """With a lead, only the lead is coloured."""
    sys.stdout.flush()
    text = safe(text, sys.stderr)
    if coloured(sys.stderr):
        from rich.text import Text

        line = Text(lead, style=style).append(text, style="default") if lead else Text(text, style=style)
        sys.stderr.write(_ansi(line))
    else:
        sys.stderr.write(f"{lead}{text}\n")
    sys.stderr.flush()


def _ansi(text: Text) -> str:
    from rich.console import Console

    buffer = StringIO()
    Console(file=buffer, force_terminal=True, width=_UNLIMITED, legacy_windows=False).print(text, soft_wrap=True)
    return buffer.getvalue()


def _table(grid: Grid) -> str:
    if not grid.rows:
        return grid.empty
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    terminal, colour = sys.stdout.isatty(), coloured(sys.stdout)
    table = Table(
        box=box.SIMPLE_HEAD if terminal else None,
        pad_edge=False,
        show_header=any(grid.columns),
        title=grid.title or None,
        title_justify="left",
    )
    for index, column in enumerate(grid.columns):
        longest = max(len(row[index]) for row in grid.rows)
        table.add_column(column, overflow="fold", no_wrap=not terminal or longest <= _IN_ONE_PIECE)
    for row in grid.rows:
        table.add_row(*(Text(safe(cell, sys.stdout), style=_STYLES.get(cell.rstrip("*"), "")) for cell in row))
    buffer = StringIO()
    width = Console(file=sys.stdout).width if terminal else _UNLIMITED
    console = Console(file=buffer, width=width, force_terminal=colour, no_color=not colour, legacy_windows=False)
    console.print(table)
    lines = (line.rstrip() for line in buffer.getvalue().splitlines())
    return "\n".join(line for line in lines if line)


def number(value: float | None, digits: int = 2) -> str:
    """A confidence or a time; `-` when there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def listed(values: Sequence[str]) -> str:
    """Values in one cell."""
    return ", ".join(values) or "-"
