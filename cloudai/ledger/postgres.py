"""A ledger for teams, in PostgreSQL: `ledger = "postgresql://user@host/database"`. Needs the extra `postgres`.

Transactions are serialised by an advisory lock, which is held for three round trips: keep the server near.
A password belongs into the environment (`PGPASSWORD`, `~/.pgpass`), not into the address.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from cloudai.errors import MissingDependency
from cloudai.ledger.settings import without_credentials
from cloudai.ledger.sql import TABLES, VERSION, Cursor, Execute, SqlStore, Value, other_version
from cloudai.ledger.store import LedgerFailure

if TYPE_CHECKING:
    import psycopg

T = TypeVar("T")
CONNECT_SECONDS = 5
STATEMENT_MILLISECONDS = 5000
"""For any statement, and so for waiting on the lock."""
_LOCK = 0x636C6169
_KEY = "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"


class PostgresStore(SqlStore):
    """One connection for all threads of a process; made again when it was lost, and after a fork."""

    service = "split_part(operation, '.', 1) || '.*'"

    def __init__(self, url: str, *, schema: str = "cloudai") -> None:
        try:
            import psycopg
        except ImportError as error:
            raise MissingDependency(
                "a ledger in PostgreSQL needs psycopg", install="pip install 'cloudai[postgres]'"
            ) from error
        self._psycopg = psycopg
        self._url = url
        self._schema = schema
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[Any] | None = None
        self._process = os.getpid()
        self._closed = False

    def transaction(self, work: Callable[[Execute], T]) -> T:
        if self._process != os.getpid():
            self._connection, self._lock, self._process = None, threading.Lock(), os.getpid()
        with self._lock:
            try:
                return self._transaction(work)
            except (self._psycopg.Error, OSError) as error:
                self._drop()
                reason = str(error).strip().partition("\n")[0] or type(error).__name__
                raise LedgerFailure(f"{without_credentials(self._url)}: {reason}") from None

    def _transaction(self, work: Callable[[Execute], T]) -> T:
        with ExitStack() as stack:
            connection = self._begun(stack)

            def execute(statement: str, values: Sequence[Value]) -> Cursor:
                return connection.execute(_translated(statement), values)

            return work(execute)

    def _begun(self, stack: ExitStack) -> psycopg.Connection[Any]:
        """A connection that holds the lock, in a transaction. One that was lost while it was idle is made again:
        nothing was asked of it yet."""
        if self._connection is not None:
            try:
                return self._locked(stack, self._connection)
            except self._psycopg.OperationalError:
                if not self._connection.broken:
                    raise
                self._drop()
        self._connection = self._open()
        return self._locked(stack, self._connection)

    def _locked(self, stack: ExitStack, connection: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
        with ExitStack() as mine:
            mine.enter_context(connection.transaction())
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            stack.push(mine.pop_all())
        return connection

    def _open(self) -> psycopg.Connection[Any]:
        if self._closed:
            raise self._psycopg.InterfaceError("the ledger is closed")
        options = f"-c statement_timeout={STATEMENT_MILLISECONDS} -c search_path={self._schema}"
        connection: psycopg.Connection[Any] = self._psycopg.connect(
            self._url, autocommit=True, connect_timeout=CONNECT_SECONDS, options=options, application_name="cloudai"
        )
        try:
            self._tables(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _tables(self, connection: psycopg.Connection[Any]) -> None:
        """Makes what is missing; a role that may not is fine where somebody else has."""
        if connection.execute("SELECT to_regclass('ledger_version')").fetchone() == (None,):
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
                connection.execute(f"CREATE SCHEMA IF NOT EXISTS {self._schema}".encode())
                for statement in TABLES:
                    connection.execute(statement.format(key=_KEY, number="BIGINT PRIMARY KEY").encode())
                connection.execute("CREATE TABLE IF NOT EXISTS ledger_version (version INTEGER PRIMARY KEY)")
                connection.execute("INSERT INTO ledger_version VALUES (%s) ON CONFLICT DO NOTHING", (VERSION,))
        (found,) = connection.execute("SELECT max(version) FROM ledger_version").fetchone() or (0,)
        if found != VERSION:
            raise self._psycopg.DataError(other_version(found))

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self._process == os.getpid():
                self._drop()


@cache
def _translated(statement: str) -> bytes:
    """psycopg's placeholders. There are no other question marks or per cent signs in the statements."""
    return statement.replace("?", "%s").encode()
