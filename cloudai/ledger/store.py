"""What a ledger's storage does. Each method is one atomic step, for all threads and processes that share it.

Who may spend how much is decided inside `reserve`, on totals that are kept for every limit and period: a row of
totals counts every attempt that matches it and whose instant falls into its period, whoever made the attempt and
whatever limits that one knows. A row that is missing is summed up from the attempts before it is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import NamedTuple, Protocol

from cloudai.ledger.entries import Attempt, CallRecord, State
from cloudai.ledger.settings import Limit


class LedgerFailure(Exception):
    """The storage can't be read or written; `str()` is the reason in words."""


class Window(NamedTuple):
    """One limit in one of its periods."""

    limit: Limit
    starts: int
    ends: int
    key: tuple[str, int, int]
    """Its row of totals."""


class Standing(NamedTuple):
    """What has been spent and is reserved in a window, in micro-USD."""

    window: Window
    spent: int
    reserved: int

    @property
    def left(self) -> int:
        """What may still be reserved; below 0 when it is overspent."""
        return self.window.limit.amount - self.spent - self.reserved

    def has_room(self, bound: int | None) -> bool:
        """What is free always passes; what may cost anything, as long as something is left."""
        return bound == 0 or self.left >= (1 if bound is None else bound)


class Booked(NamedTuple):
    """`id` None: refused, because the first of `over` has no room. `before`: as it stood without this attempt."""

    id: int | None
    before: Sequence[Standing]
    over: Sequence[Standing]


class Group(NamedTuple):
    """Sums of attempts that agree in all these, in one day of UTC. Money in micro-USD."""

    day: int
    """Days since 1970."""
    operation: str
    backend: str
    provider: str
    region: str
    tag: str
    state: State
    attempts: int
    unpriced: int
    """Of these, how many have no known cost or bound."""
    amount: int
    """The cost; of reservations the bound."""


class UsedGroup(NamedTuple):
    """Units of one meter that calls used in one day of UTC."""

    day: int
    operation: str
    backend: str
    provider: str
    region: str
    tag: str
    meter: str
    unit: str
    quantity: Decimal
    calls: int


class Ended(NamedTuple):
    """How a reservation ended. `cost` in micro-USD, `None`: not known."""

    id: int
    attempt: Attempt
    at: int
    """When it was reserved."""
    state: State
    cost: int | None


class Row(NamedTuple):
    """One attempt, as stored."""

    id: int
    at: int
    call_id: str
    attempt: int
    operation: str
    backend: str
    provider: str
    region: str
    tag: str
    state: State
    bound: int | None
    cost: int | None


class Store(Protocol):
    """A ledger's storage. Methods raise `LedgerFailure`; they are called from many threads."""

    @property
    def quick(self) -> bool:
        """Neither disk nor network: may be called on an event loop."""
        ...

    @property
    def joins(self) -> bool:
        """Whether `together` makes one transaction of several steps."""
        ...

    def together(self) -> AbstractContextManager[object]:
        """What this thread does inside is one transaction, where there are any. Raises `LedgerFailure`: then nothing of
        it was done."""
        ...

    def now(self) -> AbstractContextManager[object] | None:
        """`together`, begun already, where that takes no waiting: on an event loop."""
        ...

    def reserve(
        self, attempt: Attempt, *, at: int, expires: int, windows: Sequence[Window], enforce: bool
    ) -> Booked: ...

    def settle(self, ended: Ended, call: CallRecord | None = None) -> None:
        """Ends a reservation, also one that has expired; one that was settled stays as it is."""
        ...

    def record(self, call: CallRecord) -> None: ...

    def expire(self, now: int) -> int:
        """Reservations whose time is over become UNKNOWN, spent at their bound; how many there were."""
        ...

    def tidy(self) -> None:
        """Puts what has ended where it is kept, if that is another place than where it is settled."""
        ...

    def adjust(self, number: int, cost: int) -> bool:
        """Says what an UNKNOWN attempt has cost; False: there is no such one."""
        ...

    def first_time(self, window: Window, percent: int) -> bool:
        """Whether nobody has been told yet that this much of a window is used."""
        ...

    def standing(self, windows: Sequence[Window]) -> Sequence[Standing]: ...

    def groups(self, since: int, until: int) -> Sequence[Group]: ...

    def rows(self, state: State, since: int, until: int) -> Sequence[Row]: ...

    def used(self, since: int, until: int) -> Sequence[UsedGroup]: ...

    def calls(self, since: int, until: int) -> Iterator[CallRecord]:
        """In the order in which they were recorded."""
        ...

    def prune(self, before: int) -> None:
        """Deletes what was settled before an instant."""
        ...

    def close(self) -> None: ...
