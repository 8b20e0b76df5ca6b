"""The books that a client keeps: every attempt reserves its bound before it is sent and is settled afterwards."""

from __future__ import annotations

import datetime
import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from typing import NoReturn, TypeVar

from cloudai.errors import BudgetExceeded, CloudAIError, ErrorCode
from cloudai.ledger.entries import (
    Attempt,
    BudgetNotice,
    CallRecord,
    Outcome,
    Reservation,
    Said,
    State,
    dollars,
)
from cloudai.ledger.later import Later
from cloudai.ledger.periods import instant, moment, period_of, zone_of
from cloudai.ledger.settings import BudgetSettings, Limit
from cloudai.ledger.store import Booked, Ended, LedgerFailure, Standing, Store, Window

logger = logging.getLogger("cloudai.budget")
T = TypeVar("T")

SWEEP_SECONDS = 60.0
"""How often a process looks for reservations whose time is over. They count in full until then, so nothing hurries."""
HOLD_OFF_SECONDS = 1.0
"""After a failure of the ledger, how long it is not asked again: a locked file must not hold up every call."""
_KNOWN_SCOPES = 10_000
_DAY = 86_400_000_000


def now() -> int:
    """Microseconds since 1970."""
    return time.time_ns() // 1000


class Books:
    """One client's budget and ledger. Thread-safe; made by `open_books`.

    With `store` None nothing is booked: every reservation is granted.
    """

    def __init__(self, settings: BudgetSettings, store: Store | None, *, clock: Callable[[], int] = now) -> None:
        self.settings = settings
        self.store = store
        self._joins = store is not None and store.joins
        self._clock = clock
        self._zone = zone_of(settings.timezone)
        self._windows: dict[tuple[str, str, str], tuple[int, int, tuple[Window, ...]]] = {}
        self._ttl = int(settings.reservation_ttl * 1_000_000)
        self._enforce = settings.on_exceed == "refuse"
        self._said: set[object] = set()
        self._saying = threading.Lock()
        self._out_until = 0.0
        self._failure = ""
        self._sweep_at = 0.0
        self._sweeper: threading.Thread | None = None
        self._pruned = 0
        self._later = Later(self.write)

    @property
    def quick(self) -> bool:
        """Whether booking takes no disk and no network: an event loop may do it itself."""
        return self.store is None or self.store.quick

    @property
    def settles_later(self) -> bool:
        """Whether to settle an answer, and to record a call, takes no disk and no network either way."""
        return self._joins or self.quick

    def together(self) -> AbstractContextManager[object]:
        """What this thread books inside is one transaction, where the ledger has that. Raises `LedgerFailure`: then
        nothing of it was booked."""
        return nullcontext() if self.store is None else self.store.together()

    def now(self) -> AbstractContextManager[object] | None:
        """`together`, begun already; `None` where somebody or a disk would have to be waited for."""
        return None if self.store is None else self.store.now()

    def reserve(self, attempt: Attempt) -> Reservation:
        """Holds the attempt's bound, or raises `BudgetExceeded` (also for an unknown price, or a ledger that can't be
        written, as the settings say). Never retryable: nothing was sent."""
        at = self._clock()
        if self.store is None:
            return Reservation(id=None, attempt=attempt, at=at)
        windows = self._windows_of(attempt.operation, attempt.backend, attempt.tag or "", at)
        notices: tuple[BudgetNotice, ...] = ()
        if attempt.bound is None and windows:
            notices = self._unpriced(attempt, windows)
        expires, enforce = at + self._ttl, self._enforce

        try:
            booked = self._ask(
                lambda store: store.reserve(attempt, at=at, expires=expires, windows=windows, enforce=enforce)
            )
        except LedgerFailure as failure:
            return self._unbooked(attempt, at, notices, failure)
        if booked.id is None:
            raise self._exceeded(attempt, booked.over[0])
        if time.monotonic() >= self._sweep_at:
            self._sweep(at)
        if booked.over or (attempt.bound and windows):
            notices += self._passed(attempt, booked)
        return Reservation(id=booked.id, attempt=attempt, at=at, notices=notices)

    def settle(
        self,
        reservation: Reservation,
        *,
        outcome: Outcome,
        cost: int | None = None,
        call: CallRecord | None = None,
    ) -> None:
        """Ends a reservation: `cost` in micro-USD when it was answered. `call`: also record the finished call, in the
        same transaction. Never raises for a ledger that fails: the bound then stays reserved, and that is said once.

        An answer is settled with the next reservation and recorded a little later (`cloudai.ledger.later`), anything
        else at once."""
        if call is not None and not call.at:
            call = replace(call, at=self._clock())
        if reservation.id is None:
            if call is not None:
                self.record(call)
            return
        state, booked = _ending(outcome, cost, reservation.attempt.bound)
        ended = Ended(reservation.id, reservation.attempt, reservation.at, state, booked)
        if self._joins and outcome is Outcome.ANSWERED:
            self._later.settle(ended)
            if call is not None:
                self.record(call)
        else:
            self._tell(lambda store: store.settle(ended, call))

    def record(self, call: CallRecord) -> None:
        """Writes down a finished call that settled nothing: one from a cache, or refused. Never raises for a ledger
        that fails."""
        if not call.at:
            call = replace(call, at=self._clock())
        if self._joins:
            self._later.record(call)
        else:
            recorded = call
            self._tell(lambda store: store.record(recorded))

    def adjust(self, number: int, cost: int) -> bool:
        """Says what an attempt that counted at its bound has cost; False: there is no such one. Raises
        `LedgerFailure`."""
        return self._ask(lambda store: store.adjust(number, cost))

    def standing(self) -> Sequence[Standing]:
        """How each limit stands in its present period. Raises `LedgerFailure`."""
        at = self._clock()
        windows = [self._window(limit, at) for limit in self.settings.limits]
        return self._ask(lambda store: store.standing(windows)) if self.store is not None else ()

    def close(self) -> None:
        """Closes the ledger. What is reserved stays so until it expires."""
        if self._sweeper is not None:
            self._sweeper.join()
        self._later.close()
        if self.store is not None:
            self.store.close()

    # --- limits --------------------------------------------------------------------------------

    def _windows_of(self, operation: str, backend: str, tag: str, at: int) -> tuple[Window, ...]:
        """The limits that a call counts in, in their present periods; remembered until one of these ends."""
        key = (operation, backend, tag)
        known = self._windows.get(key)
        if known is not None and known[0] <= at < known[1]:
            return known[2]
        windows = tuple(
            self._window(limit, at) for limit in self.settings.limits if limit.matches(operation, backend, tag)
        )
        starts = max((window.starts for window in windows), default=0)
        ends = min((window.ends for window in windows), default=at + _DAY)
        if len(self._windows) >= _KNOWN_SCOPES:
            self._windows.clear()
        self._windows[key] = (starts, ends, windows)
        return windows

    def _window(self, limit: Limit, at: int) -> Window:
        period = period_of(limit.every, at, self._zone)
        return Window(limit, period.starts, period.ends, (limit.scope, period.starts, period.ends))

    def _exceeded(self, attempt: Attempt, standing: Standing) -> BudgetExceeded:
        limit = standing.window.limit
        spent, held, most = (_usd(amount) for amount in (standing.spent, standing.reserved, limit.amount))
        return BudgetExceeded(
            f"the {limit} of {most} has no room for up to {_usd(attempt.bound or 0)}: {spent} spent, {held} reserved; "
            f"it renews at {self._renews(standing.window)} ({limit.origin})",
            backend=attempt.backend,
            provider=attempt.provider,
            operation=attempt.operation,
            limit=str(limit),
            spent=dollars(standing.spent),
            reserved=dollars(standing.reserved),
            amount=dollars(limit.amount),
            renews=self._renews(standing.window),
        )

    def _renews(self, window: Window) -> str:
        return moment(window.ends, self._zone).isoformat(timespec="minutes")

    def _passed(self, attempt: Attempt, booked: Booked) -> tuple[BudgetNotice, ...]:
        """What this attempt made true of a limit: over it (each time), past a threshold (once, whoever is first)."""
        notices = list[BudgetNotice]()
        for standing in booked.over:
            limit, used = standing.window.limit, standing.spent + standing.reserved + (attempt.bound or 0)
            text = f"the {limit} of {_usd(limit.amount)} is exceeded: {_usd(used)}"
            notices.append(BudgetNotice(code=Said.OVER, message=text))
            self._say(standing.window, text)
        for standing in booked.before:
            percent = self._crossed(standing, attempt.bound or 0)
            if percent and self._first_time(standing.window, percent):
                limit, used = standing.window.limit, standing.spent + standing.reserved + (attempt.bound or 0)
                text = f"{percent}% of the {limit} of {_usd(limit.amount)} is used: {_usd(used)}"
                notices.append(BudgetNotice(code=Said.THRESHOLD, message=text))
                logger.warning(text)
        return tuple(notices)

    def _crossed(self, standing: Standing, bound: int) -> int:
        """The highest threshold that lies between before and after; 0: none."""
        before, amount = standing.spent + standing.reserved, standing.window.limit.amount
        after = before + bound
        found = 0
        for percent in self.settings.warn_at:
            if before * 100 < percent * amount <= after * 100:
                found = percent
        return found

    def _first_time(self, window: Window, percent: int) -> bool:
        try:
            return self._ask(lambda store: store.first_time(window, percent))
        except LedgerFailure:
            return False

    def _unpriced(self, attempt: Attempt, windows: Sequence[Window]) -> tuple[BudgetNotice, ...]:
        """An unknown price counts as nothing in a budget, so it is refused unless that was allowed."""
        text = f"no price of {attempt.operation} at {attempt.backend} ({attempt.provider}, {attempt.region}) is known"
        if self.settings.on_unknown_price == "refuse":
            raise BudgetExceeded(
                f'{text}, and the {windows[0].limit} is to hold: set on_unknown_price = "allow" in [budget] to let it '
                "pass uncounted",
                backend=attempt.backend,
                provider=attempt.provider,
                operation=attempt.operation,
                limit=str(windows[0].limit),
            )
        if not self._say((attempt.operation, attempt.backend), f"{text}: it counts in no budget"):
            return ()
        return (BudgetNotice(code=Said.UNPRICED, message=f"{text}: it counts in no budget"),)

    # --- the ledger may fail -------------------------------------------------------------------

    def _ask(self, question: Callable[[Store], T]) -> T:
        """Asks the store, after the answers that are waiting have been settled, in one transaction. After a failure
        not for a second, so that what is locked holds up one call, not each."""
        store = self.store
        assert store is not None
        if self._out_until and time.monotonic() < self._out_until:
            raise LedgerFailure(self._failure)
        try:
            if self._joins:
                with store.together():
                    for ended in self._later.settling():
                        store.settle(ended)
                    answer = question(store)
            else:
                answer = question(store)
        except LedgerFailure as failure:
            self._failure, self._out_until = str(failure), time.monotonic() + HOLD_OFF_SECONDS
            raise
        self._out_until = 0.0
        return answer

    def _unbooked(
        self, attempt: Attempt, at: int, notices: tuple[BudgetNotice, ...], failure: LedgerFailure
    ) -> Reservation:
        if self.settings.on_ledger_error == "refuse":
            _refuse(attempt, failure)
        text = f"the ledger can't be written, so calls are not counted: {failure}"
        if self._say("ledger", text):
            notices += (BudgetNotice(code=Said.UNBOOKED, message=text),)
        return Reservation(id=None, attempt=attempt, at=at, notices=notices)

    def write(self) -> None:
        """Writes what is waiting, for who reads the ledger by another way than these books."""
        if self._later.waiting:
            self._tell(self._write)

    def _write(self, store: Store) -> None:
        for call in self._later.recording():
            store.record(call)
        store.tidy()

    def _tell(self, task: Callable[[Store], object]) -> None:
        """What fails is said, once."""
        if self.store is None:
            return
        try:
            self._ask(task)
        except LedgerFailure as failure:
            self._say("ledger", f"the ledger can't be written: {failure}")

    def _say(self, about: object, text: str) -> bool:
        """Once."""
        with self._saying:
            if about in self._said:
                return False
            if len(self._said) >= _KNOWN_SCOPES:
                self._said.clear()
            self._said.add(about)
        logger.warning(text)
        return True

    def _sweep(self, at: int) -> None:
        """Now and then, beside the calls: what has expired, and once a day what is too old to keep."""
        self._sweep_at = time.monotonic() + SWEEP_SECONDS
        if self._sweeper is None or not self._sweeper.is_alive():
            self._sweeper = threading.Thread(target=self._swept, args=(at,), name="cloudai-sweep", daemon=True)
            self._sweeper.start()

    def _swept(self, at: int) -> None:
        with suppress(LedgerFailure):  # the next reservation meets it too, and says it
            self._ask(lambda store: store.expire(at))
            if at // _DAY != self._pruned:
                self._ask(lambda store: store.prune(at - self.settings.keep * _DAY))
                self._pruned = at // _DAY

    def present(self) -> datetime.datetime:
        """Now, in the budget's time zone."""
        return moment(self._clock(), self._zone)

    def month(self) -> tuple[int, int]:
        """The present month, as instants."""
        here = self.present()
        first = here.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        following = (first + datetime.timedelta(days=32)).replace(day=1)
        return instant(first), instant(following)


def _ending(outcome: Outcome, cost: int | None, bound: int | None) -> tuple[State, int | None]:
    """What is written: a billed attempt of unknown cost counts at its bound, which is what it cost if that is 0."""
    if outcome is Outcome.UNBILLED:
        return State.RELEASED, 0
    if outcome is Outcome.ANSWERED and (cost is not None or not bound):
        return State.SETTLED, bound if cost is None else cost
    return State.UNKNOWN, bound


def _refuse(attempt: Attempt, failure: LedgerFailure) -> NoReturn:
    raise CloudAIError(
        f'nothing was sent, because the ledger can\'t be written: {failure}\nSet on_ledger_error = "warn" in [budget] '
        "to call without counting.",
        code=ErrorCode.BUDGET_EXCEEDED,
        backend=attempt.backend,
        provider=attempt.provider,
        operation=attempt.operation,
    ) from failure


def _usd(amount: int) -> str:
    """`12.50 USD`; small amounts with as many places as they need."""
    value = dollars(amount)
    text = f"{value:,.2f}" if amount % 10_000 == 0 else f"{value:,.6f}".rstrip("0")
    return f"{text} USD"
