"""What each backend has been used for this month, read from the books once a minute: it decides the tier of a price."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudai.ledger import Books

FRESH = 60.0
"""Seconds that a reading is good for: tiers are as wide as days."""


class MonthToDate:
    """Units by operation, of all clients that share the books. Without books: none, the first tier."""

    def __init__(self, books: Books | None) -> None:
        self._books = books
        self._used: Mapping[str, Mapping[str, Decimal]] = {}
        self._read_at: float | None = None

    def used(self, backend: str) -> Mapping[str, Decimal]:
        """Operation -> units of one backend. A ledger that can't be read leaves what was read before."""
        if self._books is None or self._books.store is None:
            return {}
        now = time.monotonic()
        if self._read_at is None or now - self._read_at > FRESH:
            self._read_at = now
            self._used = self._read(self._books)
        return self._used.get(backend, {})

    def _read(self, books: Books) -> Mapping[str, Mapping[str, Decimal]]:
        from cloudai.ledger import LedgerFailure
        from cloudai_pricing.operations import operations

        assert books.store is not None
        found: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
        try:
            groups = books.store.used(*books.month())
        except LedgerFailure:
            return self._used
        for group in groups:
            if group.meter in operations():
                found[group.backend][group.meter] += group.quantity
        return found
