"""What calls may cost and what they have cost: budgets that hold across threads and processes, and the ledger.

    books = open_books(settings)                   # once per client
    held = books.reserve(Attempt(...))             # before a request is sent; raises BudgetExceeded
    books.settle(held, outcome=Outcome.ANSWERED, cost=micro(amount), call=CallRecord(...))
    books.close()

How it counts, and what a crash leaves: docs/budget.md and docs/decisions/0009-the-ledger-counts-bounds.md.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cloudai.ledger.books import Books
from cloudai.ledger.entries import (
    Attempt,
    BudgetNotice,
    CallRecord,
    Outcome,
    Reservation,
    Said,
    State,
    Used,
    dollars,
    micro,
)
from cloudai.ledger.settings import BudgetSettings, Limit, budget_settings
from cloudai.ledger.store import LedgerFailure

if TYPE_CHECKING:
    from cloudai.ledger.store import Store

__all__ = [
    "Attempt",
    "Books",
    "BudgetNotice",
    "BudgetSettings",
    "CallRecord",
    "LedgerFailure",
    "Limit",
    "Outcome",
    "Reservation",
    "Said",
    "State",
    "Used",
    "budget_settings",
    "dollars",
    "micro",
    "open_books",
    "open_store",
]


def open_books(settings: BudgetSettings | None, *, folder: Path | None = None) -> Books:
    """The books of one client. `settings` None (no `[budget]`): nothing is booked and everything granted.

    `folder`: what a relative path of a ledger is relative to. Opens nothing yet: the first reservation does, and what
    is wrong with the ledger is then treated as `on_ledger_error` says. Raises `MissingDependency` without the extra of
    a PostgreSQL or Redis ledger.
    """
    if settings is None:
        return Books(BudgetSettings(), None)
    return Books(settings, open_store(settings, folder=folder))


def open_store(settings: BudgetSettings, *, folder: Path | None = None) -> Store:
    """Where the ledger of these settings is kept."""
    where = settings.ledger
    scheme = where.partition("://")[0] if "://" in where else ""
    if scheme in ("postgresql", "postgres"):
        from cloudai.ledger.postgres import PostgresStore

        return PostgresStore(where)
    if scheme:
        from cloudai.ledger.redis import RedisStore

        return RedisStore(where)
    if where == "memory":
        from cloudai.ledger.memory import MemoryStore

        return MemoryStore()
    from cloudai.ledger.sqlite import SqliteStore, default_path

    path = default_path() if where == "sqlite" else (folder or Path.cwd()) / Path(where).expanduser()
    return SqliteStore(path, synchronous=settings.synchronous)
