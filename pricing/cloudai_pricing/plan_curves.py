"""Costs against volume, exactly: piecewise linear curves with steps, and where the least of several changes.

Numbers are fractions: a crossing is where it is, not where a scan happened to look. A piece holds from just above its
start up to and with its end, as tiers and machines do: the millionth image is still of the first million. A curve keeps
whole numbers over one denominator for volumes and one for costs: sums and comparisons are those of whole numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import pairwise
from math import lcm
from typing import NamedTuple

NOTHING = Fraction(0)


class Piece(NamedTuple):
    """`at + slope x volume` above `start`, up to and with `end` (None: without end)."""

    start: Fraction
    end: Fraction | None
    at: Fraction
    slope: Fraction


class _Row(NamedTuple):
    """A piece in whole numbers: up to the volume `end / x` a cost is `(at + slope x volume x) / y`."""

    end: int | None
    at: int
    slope: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """Pieces side by side from zero on; where the last one ends, the cost above is not known.

    `rows` count volumes in parts of `x` and costs in parts of `y`. Two curves are equal where they are the same object.
    """

    x: int
    y: int
    rows: tuple[_Row, ...]

    @cached_property
    def pieces(self) -> tuple[Piece, ...]:
        """The pieces as fractions."""
        found, start = [], NOTHING
        for row in self.rows:
            end = None if row.end is None else Fraction(row.end, self.x)
            found.append(Piece(start, end, Fraction(row.at, self.y), Fraction(row.slope * self.x, self.y)))
            start = start if end is None else end
        return tuple(found)

    def cost(self, volume: Fraction) -> Fraction | None:
        """At a volume above zero; None: not known."""
        over, under = volume.numerator * self.x, volume.denominator
        for end, at, slope in self.rows:
            if end is None or over <= end * under:
                return Fraction(at * under + slope * over, self.y * under)
        return None

    def tilted(self, fixed: Fraction, slope: Fraction = NOTHING) -> Curve:
        """With a cost that no volume changes, and one of every unit."""
        if not fixed and not slope:
            return self
        each = slope / self.x
        y = lcm(self.y, fixed.denominator, each.denominator)
        times, more, steeper = y // self.y, int(fixed * y), int(each * y)
        rows = [_Row(end, at * times + more, slope * times + steeper) for end, at, slope in self.rows]
        return Curve(x=self.x, y=y, rows=tuple(rows))

    def times(self, factor: int) -> Curve:
        """So many times the cost."""
        rows = (row._replace(at=row.at * factor, slope=row.slope * factor) for row in self.rows)
        return Curve(x=self.x, y=self.y, rows=tuple(rows))

    def of_multiple(self, times: Fraction) -> Curve:
        """The cost of `times` the volume (above zero), against the volume."""
        over, under = times.numerator, times.denominator
        rows = [_Row(None if end is None else end * under, at * under, slope) for end, at, slope in self.rows]
        return Curve(x=self.x * over, y=self.y * under, rows=tuple(rows))


def curve(pieces: Iterable[Piece]) -> Curve:
    """Of pieces side by side."""
    known = tuple(pieces)
    x = lcm(*(piece.end.denominator for piece in known if piece.end is not None))
    y = lcm(*(lcm(piece.at.denominator, (piece.slope / x).denominator) for piece in known))
    rows = (
        _Row(None if piece.end is None else int(piece.end * x), int(piece.at * y), int(piece.slope / x * y))
        for piece in known
    )
    return Curve(x=x, y=y, rows=tuple(rows))


@lru_cache(maxsize=1024)
def line(slope: Fraction, at: Fraction = NOTHING) -> Curve:
    """One price for every unit, over a fee. The same object for the same numbers."""
    return curve([Piece(NOTHING, None, at, slope)])


def ladder(tiers: Sequence[tuple[Fraction | None, Fraction]], free: Fraction = NOTHING) -> Curve:
    """Marginal tiers (upper bound, price per unit), the first `free` units at no charge but counted."""
    pieces: list[Piece] = []
    start = paid = NOTHING
    masked = NOTHING
    for upper, price in tiers:
        masked += price * (min(free, upper) - start if upper is not None else free - start) if free > start else 0
        pieces.append(Piece(start, upper, paid - price * start, price))
        if upper is None:
            break
        paid += price * (upper - start)
        start = upper
    found: list[Piece] = []
    if free > 0:
        found.append(Piece(NOTHING, free, NOTHING, NOTHING))
    for piece in pieces:
        if piece.end is None or piece.end > free:
            found.append(piece._replace(start=max(piece.start, free), at=piece.at - masked))
    return curve(found)


def committed(fee: Fraction, included: Fraction, overage: Fraction | None) -> Curve:
    """A fee that covers units; those above it at the overage, or not to be had."""
    flat = Piece(NOTHING, included, fee, NOTHING)
    if overage is None:
        return curve([flat])
    return curve([flat, Piece(included, None, fee - overage * included, overage)])


def machines(each: Fraction, does: Fraction, least: int, per_unit: Fraction, upto: Fraction) -> Curve:
    """Whole machines at `each`, of which one does `does` units, never fewer than `least`; a piece for each number.

    One more than `upto` needs: growth is not cut as volumes are, so that a month may lie a billionth above it.
    """
    first = max(least, 1)
    last = max(-(-upto // does) + 1, first)
    x = does.denominator
    y = lcm(each.denominator, (per_unit / x).denominator)
    price, slope, able = int(each * y), int(per_unit / x * y), does.numerator
    rows = tuple(_Row(able * count, price * count, slope) for count in range(first, last + 1))
    return Curve(x=x, y=y, rows=rows)


def _alike(curves: Sequence[Curve], more: int = 1) -> tuple[int, int, list[Sequence[_Row]]]:
    """Rows over the same two denominators; `more`: another denominator of volumes."""
    x = lcm(more, *(one.x for one in curves))
    y = lcm(*(one.y * (x // one.x) for one in curves))
    found: list[Sequence[_Row]] = []
    for one in curves:
        longer, times = x // one.x, y // one.y
        rows = [
            _Row(None if end is None else end * longer, at * times, slope * (times // longer))
            for end, at, slope in one.rows
        ]
        found.append(rows)
    return x, y, found


def added(curves: Sequence[Curve]) -> Curve:
    """Their sum; known as far as all are."""
    x, y, several = _alike(curves)
    known = min((rows[-1].end for rows in several if rows[-1].end is not None), default=None)
    steps: dict[int, tuple[int, int]] = {}
    at = slope = 0
    for rows in several:
        at, slope = at + rows[0].at, slope + rows[0].slope
        for before, after in pairwise(rows):
            assert before.end is not None
            more = steps.get(before.end, (0, 0))
            steps[before.end] = (more[0] + after.at - before.at, more[1] + after.slope - before.slope)
    found: list[_Row] = []
    for end in sorted(steps):
        if known is not None and end >= known:
            break
        found.append(_Row(end, at, slope))
        at, slope = at + steps[end][0], slope + steps[end][1]
    return Curve(x=x, y=y, rows=(*found, _Row(known, at, slope)))


class Stretch(NamedTuple):
    """Volumes above `start` up to and with `end` for which `best` costs least (None: nothing is known)."""

    start: Fraction
    end: Fraction
    best: str | None


_Part = tuple[int, int, int, int, str | None]
"""A piece of the least of several curves: (end, under, at, slope, best), up to the volume `end / under`.

`best` None: nothing is known. A plain tuple, since a plan makes a million of them.
"""


def envelope(curves: Mapping[str, Curve], upto: Fraction) -> list[Stretch]:
    """Which curve is least, for all volumes above zero up to `upto`; the first by name where several are equal.

    Every change is found: pieces are straight, so between two edges the least changes only where two of them meet.
    A touch in a single point is no change. Curves are taken in one by one.
    """
    x, _, several = _alike(list(curves.values()), upto.denominator)
    top = upto.numerator * (x // upto.denominator)
    first: dict[Curve, str] = {}
    for name in sorted(curves):
        first.setdefault(curves[name], name)
    least: list[_Part] = [(top, 1, 0, 0, None)]
    for (name, one), rows in zip(curves.items(), several, strict=True):
        if first[one] == name:
            least = list(_lesser(least, _parts(rows, top, name)))
    found: list[Stretch] = []
    start = NOTHING
    for number, (over, under, _, _, best) in enumerate(least):
        if number + 1 == len(least) or least[number + 1][4] != best:
            end = Fraction(over, under * x)
            found.append(Stretch(start, end, best))
            start = end
    return found


def _parts(rows: Sequence[_Row], top: int, name: str) -> Iterator[_Part]:
    """One curve up to `top`."""
    for end, at, slope in rows:
        if end is None or end >= top:
            yield top, 1, at, slope, name
            return
        yield end, 1, at, slope, name
    yield top, 1, 0, 0, None


def _lesser(some: Iterable[_Part], others: Iterable[_Part]) -> Iterator[_Part]:
    """The least of two; both go equally far."""
    left, right = iter(some), iter(others)
    one, other = next(left), next(right)
    here, under = 0, 1
    while True:
        nearer = one[0] * other[1] - other[0] * one[1]
        end, end_under, *_ = one if nearer <= 0 else other
        yield from _least(one, other, here, under, end, end_under)
        here, under = end, end_under
        next_one = next(left, None) if nearer <= 0 else one
        next_other = next(right, None) if nearer >= 0 else other
        if next_one is None or next_other is None:
            return
        one, other = next_one, next_other


def _least(one: _Part, other: _Part, here: int, under: int, end: int, end_under: int) -> Iterator[_Part]:
    """Of two straight lines between two volumes."""
    _, _, at, slope, name = one
    _, _, other_at, other_slope, other_name = other
    if name is None:
        yield end, end_under, other_at, other_slope, other_name
        return
    if other_name is None:
        yield end, end_under, at, slope, name
        return
    more, steeper = at - other_at, slope - other_slope
    before, after = more * under + steeper * here, more * end_under + steeper * end
    # just above `here`: the lesser value, then the lesser slope, then the first name
    first = (before or steeper or (-1 if name < other_name else 1)) < 0
    if (before < 0 < after) or (after < 0 < before):
        meet, per = (-more, steeper) if steeper > 0 else (more, -steeper)
        yield (meet, per, at, slope, name) if first else (meet, per, other_at, other_slope, other_name)
        first = not first
    yield (end, end_under, at, slope, name) if first else (end, end_under, other_at, other_slope, other_name)
