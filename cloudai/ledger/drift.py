"""Whether answers or inputs have changed between two windows: labels, confidence, language, sizes, outcomes, models.

Two measures of two distributions p (before) and q (after) over the same bins:

- The population stability index, sum((q - p) * ln(q / p)): credit scoring's, where 0.1 and 0.25 are read as a moderate
  and a major shift (N. Siddiqi, Credit Risk Scorecards, Wiley 2006).
- The Jensen-Shannon divergence in bits, 0 (the same) to 1 (nothing in common): J. Lin, Divergence measures based on the
  Shannon entropy, IEEE Transactions on Information Theory 37 (1991).

Each bin is given half a call (Jeffreys' prior), so that an empty one is no infinity. Figures fall into the tenths of
the window before; names into the most frequent ones and the rest. With no change at all the index of n and m calls in
B bins is about (1/n + 1/m) times a chi-square of B - 1 degrees of freedom (B. Yurdakul, J. Naranjo, Statistical
properties of the population stability index, Journal of Risk Model Validation 14, 2020): what does not exceed its
99.9th percentile is chance, whatever the thresholds say.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import log, log2, sqrt
from typing import Final, Literal

from cloudai.ledger.entries import CallRecord

Level = Literal["none", "moderate", "major", "too few"]
MODERATE: Final = 0.1
MAJOR: Final = 0.25
LEAST: Final = 100
"""Calls in either window below which nothing is said."""
BINS: Final = 10
"""Of figures: the convention of the index."""
NAMES: Final = 20
"""Of names that are looked at one by one; the others are one bin together."""
OTHER: Final = "(other)"
_PRIOR: Final = 0.5
_CHANCE: Final = 3.0902
"""Normal quantile of 99.9%."""
Value = str | float | int
Look = Callable[[CallRecord], Value | None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Measure:
    """Two distributions compared."""

    psi: float
    js: float
    """Bits, 0..1."""
    chance: float
    """What the index reaches by chance alone, once in a thousand times."""

    @property
    def level(self) -> Level:
        """`none` where chance explains it."""
        if self.psi < MODERATE or self.psi <= self.chance:
            return "none"
        return "major" if self.psi >= MAJOR else "moderate"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is looked at, of one backend and operation."""

    backend: str
    operation: str
    what: str
    level: Level
    before: int
    after: int
    """Calls that say something of it."""
    measure: Measure | None
    """`None`: too few calls."""
    moved: tuple[tuple[str, float, float], ...] = ()
    """The bins that changed most: name, share before, share after."""


def _answered(look: Look) -> Look:
    return lambda call: look(call) if call.outcome == "ok" and not call.cached else None


LOOKED_AT: Final[Mapping[str, Look]] = {
    "model": _answered(lambda call: call.model),
    "label": _answered(lambda call: call.top_label),
    "confidence": _answered(lambda call: call.confidence),
    "language": _answered(lambda call: call.language),
    "input_bytes": _answered(lambda call: call.input_bytes),
    "outcome": lambda call: None if call.cached else call.outcome,
}
"""What the calls say; answers out of the cache say what was said before."""
Series = dict[tuple[str, str, str], list[Value]]


def findings(before: Iterable[CallRecord], after: Iterable[CallRecord], *, least: int = LEAST) -> tuple[Finding, ...]:
    """All that both windows say something of, the greatest change first; too few calls last."""
    old, new = _series(before), _series(after)
    found = [_finding(key, old.get(key, []), new.get(key, []), least) for key in sorted({*old, *new})]
    return tuple(sorted(found, key=lambda each: -1.0 if each.measure is None else each.measure.psi, reverse=True))


def _series(calls: Iterable[CallRecord]) -> Series:
    found: Series = {}
    for call in calls:
        for what, look in LOOKED_AT.items():
            value = look(call)
            if value is not None:
                found.setdefault((call.backend, call.operation, what), []).append(value)
    return found


def _finding(key: tuple[str, str, str], old: Sequence[Value], new: Sequence[Value], least: int) -> Finding:
    backend, operation, what = key
    few = Finding(
        backend=backend,
        operation=operation,
        what=what,
        level="too few",
        before=len(old),
        after=len(new),
        measure=None,
    )
    if min(len(old), len(new)) < max(1, least):
        return few
    names, counts = binned(old, new)
    measure = compared(*counts)
    return replace(few, level=measure.level, measure=measure, moved=_moved(names, *counts))


def binned(old: Sequence[Value], new: Sequence[Value]) -> tuple[Sequence[str], tuple[list[int], list[int]]]:
    """Names of the bins, and how many of each window fall into each."""
    if all(isinstance(value, str) for value in (*old, *new)):
        names = [name for name, _ in Counter((*old, *new)).most_common(NAMES)]
        place = {name: index for index, name in enumerate(names)}
        counts = [_counted((place.get(value, NAMES) for value in each), NAMES + 1) for each in (old, new)]
        shown = [*map(str, names), *[OTHER] * (NAMES + 1 - len(names))]
    else:
        edges = _edges([float(value) for value in old])
        counts = [
            _counted((bisect_right(edges, float(value)) for value in each), len(edges) + 1) for each in (old, new)
        ]
        shown = _between(edges)
    used = [index for index in range(len(shown)) if counts[0][index] or counts[1][index]]
    first, second = ([each[index] for index in used] for each in counts)
    return [shown[index] for index in used], (first, second)


def _edges(values: list[float]) -> list[float]:
    """Tenths, each once: many equal values are one bin."""
    values.sort()
    return sorted({values[len(values) * tenth // BINS] for tenth in range(1, BINS)})


def _between(edges: Sequence[float]) -> list[str]:
    if not edges:
        return ["all"]
    inner = [f"{low:g} to {high:g}" for low, high in pairwise(edges)]
    return [f"below {edges[0]:g}", *inner, f"{edges[-1]:g} and more"]


def _counted(places: Iterable[int], number: int) -> list[int]:
    counts = [0] * number
    for place in places:
        counts[place] += 1
    return counts


def compared(old: Sequence[int], new: Sequence[int]) -> Measure:
    """Counts in the same bins."""
    n, m, bins = sum(old), sum(new), len(old)
    p = [(count + _PRIOR) / (n + _PRIOR * bins) for count in old]
    q = [(count + _PRIOR) / (m + _PRIOR * bins) for count in new]
    psi = sum((after - before) * log(after / before) for before, after in zip(p, q, strict=True))
    js = sum(_information(x, y) + _information(y, x) for x, y in zip(p, q, strict=True)) / 2
    return Measure(psi=psi, js=min(1.0, max(0.0, js)), chance=(1 / n + 1 / m) * _chi_square(bins - 1))


def _information(share: float, other: float) -> float:
    return share * log2(2 * share / (share + other))


def _chi_square(freedom: int) -> float:
    """Its 99.9th percentile: E. Wilson, M. Hilferty, The distribution of chi-square, PNAS 17 (1931)."""
    if freedom < 1:
        return 0.0
    ninth = 2 / (9 * freedom)
    return float(freedom * (1 - ninth + _CHANCE * sqrt(ninth)) ** 3)


def _moved(names: Sequence[str], old: Sequence[int], new: Sequence[int]) -> tuple[tuple[str, float, float], ...]:
    n, m = sum(old), sum(new)
    shares = [(name, x / n, y / m) for name, x, y in zip(names, old, new, strict=True)]
    return tuple(sorted(shares, key=lambda each: abs(each[2] - each[1]), reverse=True)[:3])
