"""How calls went, from the ledger, by backend and operation: percentiles of times, shares of errors and of the cache.

Times are those of calls that a backend answered: an error that came at once would make a backend look fast, and so
would an answer out of the cache. A percentile is the nearest rank: the smallest time that at least so many calls had.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from math import ceil
from typing import Final

from cloudai.ledger.entries import CallRecord

PARTS: Final = ("latency", "queue", "overhead", "upstream")
"""Where the time of a call went; `latency` is all of it."""
RANKS: Final = (50, 90, 99)
Key = tuple[str, str]
"""Backend and operation."""


@dataclass(kw_only=True, slots=True)
class Tally:
    """The calls of one backend and operation. Eight bytes for each time that is kept."""

    outcomes: Counter[str] = field(default_factory=Counter)
    cached: int = 0
    attempts: int = 0
    """Requests sent, of all calls."""
    cost: int = 0
    """Micro-USD."""
    unpriced: int = 0
    """Answers without a known cost."""
    times: dict[str, array[int]] = field(default_factory=lambda: {part: array("q") for part in PARTS})

    def add(self, call: CallRecord) -> None:
        """One call."""
        self.outcomes[call.outcome] += 1
        self.cached += call.cached
        self.attempts += call.attempts
        if call.outcome != "ok":
            return
        self.cost += call.cost or 0
        self.unpriced += call.cost is None
        if call.cached:
            return
        for part, kept in self.times.items():
            value: int | None = getattr(call, part)
            if value is not None:
                kept.append(value)

    @property
    def calls(self) -> int:
        """All, whatever became of them."""
        return self.outcomes.total()

    @property
    def errors(self) -> Mapping[str, float]:
        """Share of each error code, the most frequent first."""
        counts = self.outcomes.most_common()
        return {code: count / self.calls for code, count in counts if code != "ok"}

    def percentile(self, part: str, rank: int) -> int | None:
        """Microseconds; `None`: no call was answered."""
        return percentile(self.times[part], rank)


def percentile(values: Iterable[int], rank: int) -> int | None:
    """The nearest rank of a percentage."""
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * rank / 100) - 1)] if ordered else None


def tallied(calls: Iterable[CallRecord]) -> Mapping[Key, Tally]:
    """By backend and operation, the busiest first."""
    found: dict[Key, Tally] = {}
    for call in calls:
        found.setdefault((call.backend, call.operation), Tally()).add(call)
    return dict(sorted(found.items(), key=lambda item: (-item[1].calls, item[0])))


def kept(calls: Iterable[CallRecord], keep: Callable[[CallRecord], bool]) -> Iterator[CallRecord]:
    """Those that were asked for."""
    return (call for call in calls if keep(call))
