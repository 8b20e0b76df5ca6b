"""When an exchange has to be over: known to whoever waits for a socket in its thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cloudai.http_faults import OutOfTime


class Clock(threading.local):
    """The end of this thread's exchange: one thread has one at a time, whatever connection it uses."""

    ends: float | None = None

    @contextmanager
    def until(self, ends: float) -> Iterator[None]:
        """The exchange in this block ends at `ends` (monotonic)."""
        self.ends = ends
        try:
            yield
        finally:
            self.ends = None

    def left(self, timeout: float | None) -> float | None:
        """Seconds for the next socket operation. Raises `OutOfTime` when there are none."""
        if self.ends is None:
            return timeout
        seconds = self.ends - time.monotonic()
        if seconds <= 0:
            raise OutOfTime
        return seconds if timeout is None else min(timeout, seconds)
