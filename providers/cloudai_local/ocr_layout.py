"""From loose text lines to a page: how far it is turned, which lines belong together, in which order they are read.

Pure geometry on *quads*: the four corners of a line in pixels, from the text's own top left, clockwise as one
reads it. So an upside-down line has its first corner at the bottom right of the image.

The order is a recursive cut of the page along its white gaps (G. Nagy, S. Seth, "Hierarchical representation of
optically scanned documents", 1984), after turning it upright: first into columns, then into strips. Side-by-side
texts count as columns only when each is a few lines of running text; short pieces side by side are a table's row
and are read across.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

Dot: TypeAlias = tuple[float, float]
Quad: TypeAlias = tuple[Dot, Dot, Dot, Dot]

COLUMN_GAP = 1.0
"""A gap between columns is at least this many line heights wide."""
PARAGRAPH_GAP = 1.0
"""A gap between blocks is at least this many line heights tall (detected boxes are taller than their letters)."""
COLUMN_LINES = 2
"""A column has at least this many lines ..."""
COLUMN_WIDTH = 8.0
"""... whose median width is at least this many line heights; less is a table's cell."""

JOIN_GAP = 0.3
"""Two boxes on one line are one line when less than this many line heights lie between them: half a space ..."""
JOIN_OVERLAP = 1.0
"""... or when they overlap by less than this."""


def line_angle(quad: Quad) -> float:
    """Degrees clockwise from left-to-right, in (-180, 180]: 0 upright, 90 runs downwards, 180 upside down."""
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = quad
    return math.degrees(math.atan2(by - ay + cy - dy, bx - ax + cx - dx))


def line_length(quad: Quad) -> float:
    """Along the text, in pixels."""
    return (math.dist(quad[0], quad[1]) + math.dist(quad[3], quad[2])) / 2


def line_height(quad: Quad) -> float:
    """Across the text, in pixels."""
    return (math.dist(quad[0], quad[3]) + math.dist(quad[1], quad[2])) / 2


def continues(left: Quad, right: Quad) -> bool:
    """Whether `right` goes on where `left` ends: same way, same height, and less than a wide space between them.

    Detected boxes are wider than their letters, so two halves of one line may overlap by up to a letter.
    """
    height = min(line_height(left), line_height(right))
    if height <= 0 or max(line_height(left), line_height(right)) > 1.5 * height:
        return False
    angle = math.radians(line_angle(left))
    if abs(turn_between(line_angle(left), line_angle(right))) > 15:
        return False
    x = (right[0][0] + right[3][0] - left[1][0] - left[2][0]) / 2
    y = (right[0][1] + right[3][1] - left[1][1] - left[2][1]) / 2
    along = x * math.cos(angle) + y * math.sin(angle)
    across = y * math.cos(angle) - x * math.sin(angle)
    return -JOIN_OVERLAP * height < along < JOIN_GAP * height and abs(across) < JOIN_GAP * height


def turn_between(angle: float, other: float) -> float:
    """From `other` to `angle`, in [-180, 180)."""
    return (angle - other + 180) % 360 - 180


def page_angle(quads: Sequence[Quad]) -> float:
    """How far the page is turned, degrees clockwise: the median of its lines, of those that run the main way.

    The main way (right, down, left, up) is the one with the greatest length of text. 0.0 for no lines.
    """
    if not quads:
        return 0.0
    length: dict[int, float] = dict.fromkeys((0, 90, -180, -90), 0.0)
    nearest = [min(length, key=lambda way: abs(turn_between(line_angle(quad), way))) for quad in quads]
    for quad, way in zip(quads, nearest, strict=True):
        length[way] += line_length(quad)
    main = max(length, key=lambda way: length[way])
    off = [turn_between(line_angle(quad), main) for quad, way in zip(quads, nearest, strict=True) if way == main]
    return turn_between(main + median(off), 0.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Piece:
    """A line's upright box on the deskewed page; `index` is its place in the input."""

    index: int
    left: float
    right: float
    top: float
    bottom: float
    height: float


def reading_order(quads: Sequence[Quad], angle: float) -> list[list[int]]:
    """Blocks in reading order, each the indices of its lines in reading order; `angle` as of `page_angle`."""
    if not quads:
        return []
    return _blocks([_upright(index, quad, angle) for index, quad in enumerate(quads)])


def _upright(index: int, quad: Quad, angle: float) -> _Piece:
    sin, cos = math.sin(math.radians(angle)), math.cos(math.radians(angle))
    xs = [x * cos + y * sin for x, y in quad]
    ys = [y * cos - x * sin for x, y in quad]
    return _Piece(index=index, left=min(xs), right=max(xs), top=min(ys), bottom=max(ys), height=line_height(quad))


def _blocks(pieces: list[_Piece]) -> list[list[int]]:
    columns = _columns(pieces)
    if columns:
        return [block for column in columns for block in _blocks(column)]
    strips = _strips(pieces)
    if len(strips) > 1:
        return [block for strip in strips for block in _blocks(strip)]
    return [_rows(pieces)]


def _columns(pieces: list[_Piece]) -> list[list[_Piece]]:
    """Two or more columns of running text, from left to right; empty when the pieces are not such."""
    gap = COLUMN_GAP * median(piece.height for piece in pieces)
    parts = _cut(pieces, gap, start=lambda p: p.left, end=lambda p: p.right)
    return parts if len(parts) > 1 and all(_is_running_text(part) for part in parts) else []


def _is_running_text(pieces: list[_Piece]) -> bool:
    widths = [(piece.right - piece.left) / piece.height for piece in pieces if piece.height > 0]
    return len(widths) >= COLUMN_LINES and median(widths) >= COLUMN_WIDTH


def _strips(pieces: list[_Piece]) -> list[list[_Piece]]:
    """Cut along white lines across the page; neighbouring strips of the same columns stay together."""
    gap = PARAGRAPH_GAP * median(piece.height for piece in pieces)
    strips: list[list[_Piece]] = []
    for strip in _cut(pieces, gap, start=lambda p: p.top, end=lambda p: p.bottom):
        if strips and _columns(strips[-1]) and _columns(strip) and _columns(strips[-1] + strip):
            strips[-1] = strips[-1] + strip
        else:
            strips.append(strip)
    return strips


def _cut(
    pieces: list[_Piece], gap: float, *, start: Callable[[_Piece], float], end: Callable[[_Piece], float]
) -> list[list[_Piece]]:
    """Divide where nothing lies for more than `gap` pixels."""
    parts: list[list[_Piece]] = []
    reach = -math.inf
    for piece in sorted(pieces, key=start):
        if start(piece) > reach + gap:
            parts.append([])
        parts[-1].append(piece)
        reach = max(reach, end(piece))
    return parts


def _rows(pieces: list[_Piece]) -> list[int]:
    """Top to bottom; pieces that overlap by half their height are one row, read from left to right."""
    rows: list[list[_Piece]] = []
    for piece in sorted(pieces, key=lambda p: p.top + p.bottom):
        if rows and _same_row(rows[-1][-1], piece):
            rows[-1].append(piece)
        else:
            rows.append([piece])
    return [piece.index for row in rows for piece in sorted(row, key=lambda p: p.left)]


def _same_row(a: _Piece, b: _Piece) -> bool:
    overlap = min(a.bottom, b.bottom) - max(a.top, b.top)
    return overlap >= 0.5 * min(a.bottom - a.top, b.bottom - b.top)
