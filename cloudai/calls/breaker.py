"""A circuit breaker: a backend that keeps failing is left alone for a while, then tried by one request.

    closed ──failures in a row, or half of the last 20──> open ──cooldown over, one let through──> half open
      ^                                                     ^                                        │
      └───────────────── answered ──────────────────────────┼────────────────────────────────────────┤
                                                            └── failed: twice the cooldown ──────────┘

The request that is let through holds the probe for `lease` seconds: should it never report (its thread died, its task
was cancelled), another takes its place. What comes back while open, from requests sent before, changes nothing.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum

WINDOW = 20
"""Outcomes that the failure share is taken over."""


class State(StrEnum):
    """Of a breaker."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Thread-safe. `clock` is monotonic, in seconds."""

    def __init__(
        self,
        *,
        failures: int,
        cooldown: float,
        max_cooldown: float,
        lease: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = failures
        self._first_cooldown = cooldown
        self._max_cooldown = max_cooldown
        self._lease = lease
        self._clock = clock
        self._lock = threading.Lock()
        self._outcomes = deque[bool](maxlen=WINDOW)
        self._in_a_row = 0
        self._cooldown = cooldown
        self._open_until: float | None = None
        self._probe_until: float | None = None

    @property
    def state(self) -> State:
        """Half open: the cooldown is over, nobody has answered yet."""
        if self._open_until is None:
            return State.CLOSED
        return State.OPEN if self._clock() < self._open_until else State.HALF_OPEN

    @property
    def remaining(self) -> float:
        """Seconds until a request would be let through; 0: now."""
        if self._open_until is None:
            return 0.0
        return max(0.0, self._open_until - self._clock(), (self._probe_until or 0.0) - self._clock())

    def enter(self) -> bool:
        """Whether a request may be sent. When half open, only for the one that becomes the probe."""
        if self._open_until is None:
            return True
        with self._lock:
            if self.remaining > 0.0:
                return False
            self._probe_until = self._clock() + self._lease
            return True

    def answered(self) -> None:
        """The backend answered, be it with a refusal of the request."""
        if self._open_until is None and not self._in_a_row:
            self._outcomes.append(True)
            return
        with self._lock:
            if self.state is State.OPEN:
                return
            self._outcomes.append(True)
            if self._open_until is not None:
                self._outcomes.clear()
            self._in_a_row = 0
            self._cooldown = self._first_cooldown
            self._open_until = self._probe_until = None

    def failed(self) -> None:
        """The backend did not do its part: a fault, a time-out, refused credentials."""
        with self._lock:
            state = self.state
            if state is State.OPEN:
                return
            if state is State.HALF_OPEN:
                self._open(min(self._max_cooldown, 2.0 * self._cooldown))
                return
            self._outcomes.append(False)
            self._in_a_row += 1
            half = len(self._outcomes) == WINDOW and 2 * self._outcomes.count(False) >= WINDOW
            if self._in_a_row >= self._limit or half:
                self._open(self._first_cooldown)

    def trip(self, seconds: float) -> None:
        """Opens for a given time, whatever came before: an exhausted quota."""
        with self._lock:
            until = self._clock() + seconds
            if self._open_until is None or until > self._open_until:
                self._open_until, self._probe_until = until, None

    def _open(self, cooldown: float) -> None:
        self._cooldown = cooldown
        self._open_until = self._clock() + cooldown
        self._probe_until = None
        self._in_a_row = 0
        self._outcomes.clear()
