"""The embedded ledger: one SQLite file in WAL mode, shared by the threads and processes of a machine.

A writer takes the file's only write lock with BEGIN IMMEDIATE, so that nothing is between reading the totals and
changing them. In WAL mode a commit is in the system's page cache when it returns: a killed process loses nothing.
With `synchronous = "full"` it is on the disk, and a power failure loses nothing either.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakSet

from cloudai.ledger.sql import TABLES, VERSION, Execute, SqlStore, other_version
from cloudai.ledger.store import LedgerFailure

if TYPE_CHECKING:
    from types import TracebackType

T = TypeVar("T")
LOCK_WAIT = 5.0
"""Seconds to wait for another process's transaction, which takes well under a millisecond."""
_FIRST_PAUSE = 0.00005
_LONGEST_PAUSE = 0.005
_CHECKPOINT_EVERY = 500
"""Transactions after which the log is copied into the file, in a thread of its own: that waits for the disk."""
_PAGE = 1024
"""Bytes. A transaction writes the five or six pages that it touches: small ones take two thirds of the time."""
_CHECKPOINT_PAGES = 65_536
"""64 MB of log, which are only reached when that thread can't keep up: then a transaction waits for the disk."""
_KEY = "INTEGER PRIMARY KEY"
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_PROTOCOL)
_APPLICATION = 0x636C6169
"""`clai`: what the file says it is."""
_all: WeakSet[SqliteStore] = WeakSet()
_abandoned: list[sqlite3.Connection] = []
"""Connections that a forked child inherited: closing them there could hurt the parent's."""


def default_path() -> Path:
    """In the user's state folder."""
    import platformdirs

    return platformdirs.user_state_path("cloudai") / "ledger.sqlite"


class SqliteStore(SqlStore):
    """One connection for all threads of a process: SQLite has one writer at a time anyway."""

    service = "substr(operation, 1, instr(operation, '.')) || '*'"
    joins = True

    def __init__(self, path: Path, *, synchronous: str = "normal") -> None:
        self.path = path
        self._synchronous = synchronous
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._depth = 0
        self._transaction = _Transaction(self)
        _all.add(self)
        self._closed = False
        self._done = 0
        self._checkpointer: threading.Thread | None = None

    def transaction(self, work: Callable[[Execute], T]) -> T:
        with self._transaction as connection:
            return work(connection.execute)

    def together(self) -> _Transaction:
        """What this thread books inside is one transaction: all of it, or, when `LedgerFailure` is raised, nothing."""
        return self._transaction

    def now(self) -> _Begun | None:
        """`together`, begun already: when the file is open, no other thread or process writes, and the commit does not
        wait for the disk."""
        if self._synchronous != "normal" or not self._lock.acquire(blocking=False):
            return None
        if self._connection is not None and not self._depth:
            with suppress(sqlite3.Error):
                self._connection.execute("BEGIN IMMEDIATE")
                self._depth = 1
                return _Begun(self)
        self._lock.release()
        return None

    def begin(self) -> sqlite3.Connection:
        """Alone with the ledger until `end`; again in the same thread, a part of what has begun."""
        self._lock.acquire()
        try:
            connection = self._connection or self._open()
            if not self._depth:
                _patiently(connection, "BEGIN IMMEDIATE")
        except BaseException as error:
            try:
                self._blamed(error)
            finally:
                self._lock.release()
            raise
        self._depth += 1
        return connection

    def end(self, error: BaseException | None) -> None:
        """Commits, or after an error takes everything back."""
        self._depth -= 1
        try:
            if not self._depth:
                self._finish(error)
        finally:
            self._lock.release()

    def _finish(self, error: BaseException | None) -> None:
        assert self._connection is not None
        try:
            self._connection.execute("COMMIT" if error is None else "ROLLBACK")
        except sqlite3.Error as failure:
            self._blamed(error or failure)
            self._drop()
        if error is not None:
            self._blamed(error)
            return
        self._done += 1
        if self._done % _CHECKPOINT_EVERY == 0:
            self._checkpoint_soon()

    def _blamed(self, error: BaseException) -> None:
        """Raises `LedgerFailure` for what is the ledger's fault, after which the file is opened again: it may have been
        repaired."""
        if isinstance(error, (sqlite3.Error, OSError)):
            self._drop()
            raise LedgerFailure(f"{self.path}: {_reason(error)}") from error

    def _checkpoint_soon(self) -> None:
        if self._checkpointer is None or not self._checkpointer.is_alive():
            self._checkpointer = threading.Thread(target=self._checkpoint, name="cloudai-ledger", daemon=True)
            self._checkpointer.start()

    def _checkpoint(self) -> None:
        """Holds up no writer. What fails is done by the next one, or by the transaction that finds the log too long."""
        with suppress(sqlite3.Error), closing(sqlite3.connect(self.path, timeout=0.0)) as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)")

    def _open(self) -> sqlite3.Connection:
        if self._closed:
            raise sqlite3.ProgrammingError("the ledger is closed")
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=LOCK_WAIT, isolation_level=None, check_same_thread=False)
        try:
            connection.execute(f"PRAGMA page_size = {_PAGE}")  # of a new file
            _patiently(connection, "PRAGMA journal_mode = WAL")  # of which SQLite waits for nobody
            connection.execute(f"PRAGMA synchronous = {self._synchronous}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            self._tables(connection)
            connection.execute("PRAGMA busy_timeout = 0")
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection

    def _tables(self, connection: sqlite3.Connection) -> None:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found == VERSION:
            return
        if found:
            raise sqlite3.DatabaseError(other_version(found))
        _patiently(connection, "BEGIN IMMEDIATE")
        for statement in TABLES:
            connection.execute(statement.format(key=_KEY, number=_KEY))
        connection.execute(f"PRAGMA application_id = {_APPLICATION}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")

    def held(self) -> threading.RLock:
        """The lock of all transactions, taken."""
        lock = self._lock
        lock.acquire()
        return lock

    def forked(self) -> None:
        """In the child: a connection must not be carried over a fork, and the lock may be held by a thread that is not
        here."""
        if self._connection is not None:
            _abandoned.append(self._connection)
        self._connection, self._lock = None, threading.RLock()
        self._depth, self._checkpointer = 0, None

    def _drop(self) -> None:
        """The next transaction opens the file again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._drop()
        if self._checkpointer is not None:
            self._checkpointer.join()


class _Transaction:
    """Of a store, for `with`. A generator would take five times as long, on the path of every call."""

    __slots__ = ("_store",)

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def __enter__(self) -> sqlite3.Connection:
        return self._store.begin()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._store.end(error)


class _Begun:
    """A transaction that is entered already."""

    __slots__ = ("_store",)

    def __init__(self, store: SqliteStore) -> None:
        self._store = store

    def __enter__(self) -> None:
        """It is."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._store.end(error)


def _patiently(connection: sqlite3.Connection, statement: str) -> None:
    """Waits for other processes. SQLite itself first waits a millisecond, twenty times what a transaction takes."""
    ends, pause = 0.0, _FIRST_PAUSE
    while True:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError as error:
            now = time.monotonic()
            ends = ends or now + LOCK_WAIT
            if error.sqlite_errorcode & 0xFF not in _BUSY or now >= ends:
                raise
            time.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 1.5)
        else:
            return


def _reason(error: Exception) -> str:
    """What to do about the frequent ones."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_BUSY:
        return f"locked by another program for more than {LOCK_WAIT:g} s"
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return f"{error}: move the file away, a new one is made"
    return str(error)


_held: list[threading.RLock] = []


def _before_fork() -> None:
    """No transaction may be under way in another thread: SQLite in the child would take it for one of its own, for
    ever."""
    for each in list(_all):
        _held.append(each.held())


def _after_fork() -> None:
    while _held:
        _held.pop().release()


def _forked() -> None:
    _held.clear()
    for each in _all:
        each.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_forked)
