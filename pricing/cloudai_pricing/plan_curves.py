"""Costs against volume, exactly: piecewise linear curves with steps, and where the least of several changes.

Numbers are fractions: a crossing is where it is, not where a scan happened to look. A piece holds from just above its
start up to and with its end, as tiers and machines do: the millionth image is still of the first million.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

NOTHING = Fraction(0)


class Piece(NamedTuple):
    """`at + slope x volume` above `start`, up to and with `end` (None: without end)."""

    start: Fraction
    end: Fraction | None
    at: Fraction
    slope: Fraction


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Pieces side by side from zero on; where the last one ends, the cost above is not known."""

    pieces: tuple[Piece, ...]

    def cost(self, volume: Fraction) -> Fraction | None:
        """At a volume above zero; None: not known."""
        for piece in self.pieces:
            if piece.end is None or volume <= piece.end:
                return piece.at + piece.slope * volume
        return None

    def tilted(self, fixed: Fraction, slope: Fraction = NOTHING) -> Curve:
        """With a cost that no volume changes, and one of every unit."""
        if not slope:
            return Curve(pieces=tuple(Piece(one.start, one.end, one.at + fixed, one.slope) for one in self.pieces))
        return Curve(pieces=tuple(Piece(one.start, one.end, one.at + fixed, one.slope + slope) for one in self.pieces))

    def of_multiple(self, times: Fraction) -> Curve:
        """The cost of `times` the volume (above zero), against the volume."""
        return Curve(
            pieces=tuple(
                Piece(one.start / times, None if one.end is None else one.end / times, one.at, one.slope * times)
                for one in self.pieces
            )
        )


def line(slope: Fraction, at: Fraction = NOTHING) -> Curve:
    """One price for every unit, over a fee."""
    return Curve(pieces=(Piece(NOTHING, None, at, slope),))


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
    return Curve(pieces=tuple(found))


def committed(fee: Fraction, included: Fraction, overage: Fraction | None) -> Curve:
    """A fee that covers units; those above it at the overage, or not to be had."""
    flat = Piece(NOTHING, included, fee, NOTHING)
    if overage is None:
        return Curve(pieces=(flat,))
    return Curve(pieces=(flat, Piece(included, None, fee - overage * included, overage)))


def machines(each: Fraction, does: Fraction, least: int, per_unit: Fraction, upto: Fraction) -> Curve:
    """Whole machines at `each`, of which one does `does` units, never fewer than `least`; a piece for each number."""
    pieces: list[Piece] = []
    start, count = NOTHING, max(least, 1)
    while not pieces or start < upto:
        end = does * count
        pieces.append(Piece(start, end, each * count, per_unit))
        start, count = end, count + 1
    return Curve(pieces=tuple(pieces))


def added(curves: Sequence[Curve]) -> Curve:
    """Their sum; known as far as all are."""
    edges = sorted({piece.end for curve in curves for piece in curve.pieces if piece.end is not None})
    ends = [curve.pieces[-1].end for curve in curves]
    known = min((end for end in ends if end is not None), default=None)
    bounds: list[Fraction | None] = [edge for edge in edges if known is None or edge <= known]
    if known is None:
        bounds.append(None)
    pieces: list[Piece] = []
    places = [0] * len(curves)
    start = NOTHING
    for end in bounds:
        at = slope = NOTHING
        for number, curve in enumerate(curves):
            while (last := curve.pieces[places[number]].end) is not None and last <= start:
                places[number] += 1
            piece = curve.pieces[places[number]]
            at, slope = at + piece.at, slope + piece.slope
        pieces.append(Piece(start, end, at, slope))
        if end is not None:
            start = end
    return Curve(pieces=tuple(pieces))


class Stretch(NamedTuple):
    """Volumes above `start` up to and with `end` for which `best` costs least (None: nothing is known)."""

    start: Fraction
    end: Fraction
    best: str | None


def envelope(curves: Mapping[str, Curve], upto: Fraction) -> list[Stretch]:
    """Which curve is least, for all volumes above zero up to `upto`; the first by name where several are equal.

    Every change is found: pieces are straight, so between two edges the least changes only where two of them meet.
    A touch in a single point is no change.
    """
    names = sorted(curves)
    edges = {piece.end for name in names for piece in curves[name].pieces if piece.end is not None}
    bounds = sorted({edge for edge in edges if edge < upto} | {upto})
    places = dict.fromkeys(names, 0)
    found: list[Stretch] = []
    start = NOTHING
    for end in bounds:
        lines: dict[str, tuple[Fraction, Fraction]] = {}
        for name in names:
            pieces = curves[name].pieces
            while places[name] < len(pieces) and (last := pieces[places[name]].end) is not None and last <= start:
                places[name] += 1
            if places[name] < len(pieces):
                lines[name] = (pieces[places[name]].at, pieces[places[name]].slope)
        for stretch in _between(lines, start, end):
            _append(found, stretch)
        start = end
    return found


def _between(lines: Mapping[str, tuple[Fraction, Fraction]], start: Fraction, end: Fraction) -> Iterator[Stretch]:
    """The least of straight lines between two edges."""
    if not lines:
        yield Stretch(start, end, None)
        return
    here = start
    while here < end:
        # just above `here`: least value, then least slope, then name
        best = min(lines, key=lambda name: (lines[name][0] + lines[name][1] * here, lines[name][1], name))
        at, slope = lines[best]
        meets = [
            (at - other_at) / (other_slope - slope) for other_at, other_slope in lines.values() if other_slope < slope
        ]
        following = min((meet for meet in meets if meet > here), default=end)
        yield Stretch(here, min(following, end), best)
        here = following


def _append(found: list[Stretch], stretch: Stretch) -> None:
    if found and found[-1].best == stretch.best:
        found[-1] = found[-1]._replace(end=stretch.end)
    else:
        found.append(stretch)
