"""How fast one backend is asked for one operation: a configured rate, and what the backend said when it throttled.

The rate is a token bucket of one second (GCRA: https://en.wikipedia.org/wiki/Generic_cell_rate_algorithm). Throttling
holds every caller back, not only the one that was told: for `Retry-After`, or without one for a time that doubles from
`backoff` while throttling goes on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Limiter:
    """Thread-safe. `rate` is in requests per second, `None`: as fast as callers come."""

    def __init__(
        self,
        *,
        rate: float | None,
        backoff: float,
        max_backoff: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._interval = 1.0 / rate if rate else 0.0
        self._burst = max(0.0, 1.0 - self._interval)
        self._backoff = backoff
        self._max_backoff = max_backoff
        self._clock = clock
        self._lock = threading.Lock()
        self._next = 0.0
        """When the bucket is full again, had nobody come since."""
        self._cool_until = 0.0
        self._throttled = 0

    @property
    def cooling(self) -> float:
        """Seconds for which the backend asked to be left alone; 0: none."""
        return max(0.0, self._cool_until - self._clock()) if self._cool_until else 0.0

    def take(self, within: float) -> float | None:
        """Seconds to wait before sending, and the place is taken; `None`: more than `within`, and it is not."""
        if not self._interval and not self._cool_until:
            return 0.0
        with self._lock:
            now = self._clock()
            start = max(now, self._cool_until, self._next - self._burst)
            if start - now > within:
                return None
            if self._interval:
                self._next = max(self._next, start) + self._interval
            return start - now

    def delay(self) -> float:
        """Seconds that `take` would answer now."""
        now = self._clock()
        return max(0.0, self._cool_until - now, self._next - self._burst - now)

    def throttled(self, retry_after: float | None) -> None:
        """The backend answered 429."""
        with self._lock:
            self._throttled += 1
            asked = min(self._max_backoff, self._backoff * 2.0 ** min(30, self._throttled - 1))
            self._cool_until = max(self._cool_until, self._clock() + (asked if retry_after is None else retry_after))

    def answered(self) -> None:
        """It took a request again."""
        if self._throttled:
            with self._lock:
                self._throttled = 0
