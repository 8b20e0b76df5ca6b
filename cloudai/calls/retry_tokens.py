"""A bucket of retry tokens per backend, so that an outage is not multiplied by everybody's retries.

The figures are those of AWS's SDKs (botocore 1.44 `retries/standard.py`): 500 tokens, a retry after a fault takes 14,
after throttling 5; an answer at the first attempt gives 1 back, an answer to a retry gives back what that retry took.
"""

from __future__ import annotations

import threading

FAULT = 14
THROTTLED = 5
REFUND = 1


class RetryTokens:
    """Thread-safe; shared by all operations of one backend, which has one set of credentials."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._left = capacity
        self._lock = threading.Lock()

    @property
    def left(self) -> int:
        """0 to `capacity`."""
        return self._left

    def take(self, cost: int) -> bool:
        """Whether there were tokens for one retry; they are gone then."""
        with self._lock:
            if self._left < cost:
                return False
            self._left -= cost
            return True

    def give(self, amount: int) -> None:
        """After an answer: `REFUND`, or what its last retry took."""
        if self._left >= self.capacity:
            return
        with self._lock:
            self._left = min(self.capacity, self._left + amount)
