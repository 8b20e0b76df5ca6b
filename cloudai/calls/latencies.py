"""How long a backend's answers take, over the last few: for `fastest` and `hedged`."""

from __future__ import annotations

import math
from collections import deque

KEPT = 200
ENOUGH = 20
"""Answers before a quantile says anything."""
FRESH = 16
"""Answers after which the quantiles are taken anew."""


class Latencies:
    """Seconds of the last `KEPT` answers. Appending is atomic; a reader may see a slightly older quantile."""

    def __init__(self) -> None:
        self._seconds = deque[float](maxlen=KEPT)
        self._count = 0
        self._sorted: list[float] = []
        self._sorted_at = 0

    def add(self, seconds: float) -> None:
        """One answer's time."""
        self._seconds.append(seconds)
        self._count += 1

    def quantile(self, share: float) -> float | None:
        """Seconds within which `share` (0..1) of the answers came; `None`: not enough of them yet."""
        if self._count < ENOUGH:
            return None
        if not self._sorted or self._count - self._sorted_at >= FRESH:
            self._sorted_at = self._count
            self._sorted = sorted(self._seconds.copy())
        return self._sorted[max(0, math.ceil(share * len(self._sorted)) - 1)]
