"""Document AI's rows of cells as a grid: a cell that spans rows pushes those below it to the right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cloudai.wirejson import JsonNode

_MOST = 1_000
"""Rows or columns that one cell may span: more is a broken answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Placed:
    """One cell in its place."""

    node: JsonNode
    row: int
    column: int
    row_span: int
    column_span: int
    header: bool


def placed(node: JsonNode) -> list[Placed]:
    """The cells of `headerRows` and `bodyRows`."""
    headers = node.items("headerRows")
    rows = [*headers, *node.items("bodyRows")]
    return list(_placed([row.items("cells") for row in rows], len(headers)))


def size(cells: Sequence[Placed]) -> tuple[int, int]:
    """Rows and columns of the grid."""
    rows = max((cell.row + cell.row_span for cell in cells), default=0)
    return rows, max((cell.column + cell.column_span for cell in cells), default=0)


def _placed(rows: Sequence[Sequence[JsonNode]], headers: int) -> Iterator[Placed]:
    taken: set[tuple[int, int]] = set()
    for number, cells in enumerate(rows):
        column = 0
        for node in cells:
            while (number, column) in taken:
                column += 1
            down = min(_MOST, max(1, node.integer("rowSpan")))
            right = min(_MOST, max(1, node.integer("colSpan")))
            taken.update((number + y, column + x) for y in range(down) for x in range(right))
            yield Placed(
                node=node, row=number, column=column, row_span=down, column_span=right, header=number < headers
            )
