"""A ledger for one process, gone with it: for tests, for short jobs, and where nothing may be written.

Memory does not grow with calls: settled attempts are kept as sums, and of the calls the latest ones.
"""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from decimal import Decimal
from itertools import count

from cloudai.ledger.entries import Attempt, CallRecord, State
from cloudai.ledger.store import Booked, Ended, Group, Row, Standing, UsedGroup, Window

KEPT_CALLS = 10_000
KEPT_UNKNOWN = 10_000
_DAY = 86_400_000_000


@dataclass(slots=True)
class _Total:
    window: Window
    spent: int = 0
    reserved: int = 0
    warned: int = 0


@dataclass(slots=True)
class _Open:
    """An attempt that is reserved or UNKNOWN, with the totals that it counts in."""

    attempt: Attempt
    at: int
    expires: int
    totals: tuple[_Total, ...]
    state: State = State.RESERVED


class MemoryStore:
    """The operations of `Store`. Limits are those of the one client that has it, known from the beginning."""

    quick = True
    joins = False

    def together(self) -> AbstractContextManager[object]:
        """There is nothing to be gained."""
        return nullcontext()

    def now(self) -> AbstractContextManager[object] | None:
        """Never: it is asked without that."""
        return None

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ids = count(1)
        self._totals: dict[tuple[str, int, int], _Total] = {}
        self._open: dict[int, _Open] = {}
        self._unknown: dict[int, None] = {}
        self._counts: Counter[tuple[object, ...]] = Counter()
        self._amounts: Counter[tuple[object, ...]] = Counter()
        self._used: dict[tuple[object, ...], tuple[Decimal, int]] = {}
        self._calls: deque[CallRecord] = deque(maxlen=KEPT_CALLS)

    def reserve(
        self, attempt: Attempt, *, at: int, expires: int, windows: Sequence[Window], enforce: bool
    ) -> Booked:  # fmt: skip
        bound = attempt.bound or 0
        with self._lock:
            totals = tuple([self._total(window) for window in windows])
            before = [Standing(total.window, total.spent, total.reserved) for total in totals]
            over = [standing for standing in before if not standing.has_room(attempt.bound)]
            if over and enforce:
                return Booked(None, before, over)
            for total in totals:
                total.reserved += bound
            number = next(self._ids)
            self._open[number] = _Open(attempt, at, expires, totals)
        return Booked(number, before, over)

    def _total(self, window: Window) -> _Total:
        found = self._totals.get(window.key)
        if found is None:
            found = self._totals[window.key] = _Total(window)
        return found

    def settle(self, ended: Ended, call: CallRecord | None = None) -> None:
        with self._lock:
            entry = self._open.get(ended.id)
            if entry is not None:
                self._end(ended.id, entry, ended.state, ended.cost)
            if call is not None:
                self._record(call)

    def _end(self, number: int, entry: _Open, state: State, cost: int | None) -> None:
        """Moves an attempt on; one that is UNKNOWN stays open for what may become known."""
        bound = entry.attempt.bound or 0
        for total in entry.totals:
            if entry.state is State.RESERVED:
                total.reserved -= bound
            else:
                total.spent -= bound
            total.spent += cost or 0
        if state is State.UNKNOWN:
            entry.state = state
            self._unknown[number] = None
            self._bounded()
            return
        del self._open[number]
        self._unknown.pop(number, None)
        self._sum(entry, state, cost)

    def _bounded(self) -> None:
        """The oldest of too many UNKNOWN ones is kept in the sums only."""
        if len(self._unknown) > KEPT_UNKNOWN:
            oldest = next(iter(self._unknown))
            del self._unknown[oldest]
            entry = self._open.pop(oldest)
            self._sum(entry, State.UNKNOWN, entry.attempt.bound)

    def _sum(self, entry: _Open, state: State, cost: int | None) -> None:
        key = (*_key(entry.attempt, entry.at), state, state is not State.RELEASED and cost is None)
        self._counts[key] += 1
        self._amounts[key] += cost or 0

    def record(self, call: CallRecord) -> None:
        with self._lock:
            self._record(call)

    def _record(self, call: CallRecord) -> None:
        self._calls.append(call)
        for used in call.usage:
            key = (call.at // _DAY, call.operation, call.backend, call.provider, call.region or "", call.tag or "",
                   used.meter, used.unit)  # fmt: skip
            units, calls = self._used.get(key, (Decimal(0), 0))
            self._used[key] = (units + used.quantity, calls + 1)

    def expire(self, now: int) -> int:
        with self._lock:
            late = [
                number for number, entry in self._open.items() if entry.state is State.RESERVED and entry.expires <= now
            ]
            for number in late:
                self._end(number, self._open[number], State.UNKNOWN, self._open[number].attempt.bound)
        return len(late)

    def tidy(self) -> None:
        """It is where it stays."""

    def adjust(self, number: int, cost: int) -> bool:
        with self._lock:
            entry = self._open.get(number)
            if entry is None or entry.state is not State.UNKNOWN:
                return False
            self._end(number, entry, State.SETTLED, cost)
        return True

    def first_time(self, window: Window, percent: int) -> bool:
        with self._lock:
            total = self._total(window)
            first = total.warned < percent
            total.warned = max(total.warned, percent)
        return first

    def standing(self, windows: Sequence[Window]) -> Sequence[Standing]:
        with self._lock:
            totals = [self._total(window) for window in windows]
            return [Standing(total.window, total.spent, total.reserved) for total in totals]

    def groups(self, since: int, until: int) -> Sequence[Group]:
        """By whole days of UTC: sums are all that is kept."""
        with self._lock:
            counts, amounts = Counter(self._counts), Counter(self._amounts)
            for entry in self._open.values():
                key = (*_key(entry.attempt, entry.at), entry.state, entry.attempt.bound is None)
                counts[key] += 1
                amounts[key] += entry.attempt.bound or 0
        return list(_grouped(counts, amounts, since, until))

    def used(self, since: int, until: int) -> Sequence[UsedGroup]:
        with self._lock:
            found = list(self._used.items())
        groups = [UsedGroup._make((*key, *value)) for key, value in found]
        return [group for group in groups if since // _DAY <= group.day <= (until - 1) // _DAY]

    def rows(self, state: State, since: int, until: int) -> Sequence[Row]:
        """Only those that are open are there one by one."""
        with self._lock:
            return [
                _row(number, entry)
                for number, entry in self._open.items()
                if entry.state is state and since <= entry.at < until
            ]

    def calls(self, since: int, until: int) -> Iterator[CallRecord]:
        with self._lock:
            kept = tuple(self._calls)
        yield from (call for call in kept if since <= call.at < until)

    def prune(self, before: int) -> None:
        with self._lock:
            for key in [key for key, total in self._totals.items() if total.window.ends < before]:
                del self._totals[key]
            for table in (self._counts, self._amounts, self._used):
                for day in [key for key in table if isinstance(key[0], int) and key[0] < before // _DAY]:
                    del table[day]

    def close(self) -> None:
        """Nothing is held."""


def _key(attempt: Attempt, at: int) -> tuple[object, ...]:
    return (at // _DAY, attempt.operation, attempt.backend, attempt.provider, attempt.region or "", attempt.tag or "")


def _grouped(
    counts: Counter[tuple[object, ...]], amounts: Counter[tuple[object, ...]], since: int, until: int
) -> Iterable[Group]:
    merged: dict[tuple[object, ...], list[int]] = {}
    for key, number in counts.items():
        sums = merged.setdefault(key[:-1], [0, 0, 0])
        sums[0] += number
        sums[1] += number if key[-1] else 0
        sums[2] += amounts[key]
    for key in sorted(merged, key=lambda key: tuple(str(part) for part in key)):
        group = Group._make((*key, *merged[key]))
        if since // _DAY <= group.day <= (until - 1) // _DAY:
            yield group


def _row(number: int, entry: _Open) -> Row:
    one = entry.attempt
    cost = one.bound if entry.state is State.UNKNOWN else None
    return Row(number, entry.at, one.call_id, one.attempt, one.operation, one.backend, one.provider, one.region or "",
               one.tag or "", entry.state, one.bound, cost)  # fmt: skip
