"""The ledger in SQL: what SQLite and PostgreSQL share. Each operation is one write transaction.

What is in flight or has just ended stands in a small table without indexes, `recent`: to reserve and to settle, which
calls wait for, writes one page of it and one of totals. What has ended is moved to `attempts` by `tidy`.
"""

from __future__ import annotations

import itertools
import json
import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from decimal import Decimal
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar

from cloudai.ledger.entries import Attempt, CallRecord, State, Used
from cloudai.ledger.settings import service_of
from cloudai.ledger.store import Booked, Ended, Group, Row, Standing, UsedGroup, Window

T = TypeVar("T")
Value: TypeAlias = "int | float | str | None"
DAY = 86_400_000_000
VERSION = 2
"""Of the tables."""
_encoded = json.JSONEncoder(separators=(",", ":")).encode
_SWEEP = 500
"""Rows that one transaction expires or deletes."""

_ROW = """id {number}, at BIGINT NOT NULL, call_id TEXT NOT NULL, attempt INTEGER NOT NULL,
        operation TEXT NOT NULL, backend TEXT NOT NULL, provider TEXT NOT NULL, region TEXT NOT NULL,
        tag TEXT NOT NULL, bound BIGINT"""
TABLES = (
    f"CREATE TABLE IF NOT EXISTS recent ({_ROW}, cost BIGINT, state INTEGER NOT NULL, expires BIGINT NOT NULL)",
    f"CREATE TABLE IF NOT EXISTS attempts ({_ROW}, cost BIGINT, state INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS attempts_at ON attempts (at)",
    """CREATE TABLE IF NOT EXISTS totals (
        scope TEXT NOT NULL, starts BIGINT NOT NULL, ends BIGINT NOT NULL, tag TEXT NOT NULL, backend TEXT NOT NULL,
        operation TEXT NOT NULL, spent BIGINT NOT NULL, reserved BIGINT NOT NULL, warned INTEGER NOT NULL,
        PRIMARY KEY (scope, starts, ends))""",
    "CREATE INDEX IF NOT EXISTS totals_ends ON totals (ends)",
    """CREATE TABLE IF NOT EXISTS calls (
        id {key}, at BIGINT NOT NULL, call_id TEXT NOT NULL, operation TEXT NOT NULL, backend TEXT NOT NULL,
        provider TEXT NOT NULL, region TEXT NOT NULL, model TEXT, outcome TEXT NOT NULL, attempts INTEGER NOT NULL,
        latency BIGINT NOT NULL, queue BIGINT, overhead BIGINT, upstream BIGINT, cost BIGINT, usage TEXT NOT NULL,
        cached INTEGER NOT NULL, tag TEXT NOT NULL, top_label TEXT, confidence DOUBLE PRECISION, language TEXT,
        input_bytes BIGINT)""",
    "CREATE INDEX IF NOT EXISTS calls_at ON calls (at)",
)
"""`{number}`: the type of a primary key that cloudai gives; `{key}`: of one that the database gives."""

_MATCH = "ends > ? AND starts <= ? AND tag IN ('', ?) AND backend IN ('', ?) AND operation IN ('*', ?, ?)"
_TOTALS = f"SELECT scope, starts, ends, spent, reserved FROM totals WHERE {_MATCH}"  # noqa: S608  # a constant
_RESERVE = f"UPDATE totals SET reserved = reserved + ? WHERE {_MATCH}"  # noqa: S608
_SETTLE = f"UPDATE totals SET reserved = reserved - ?, spent = spent + ? WHERE {_MATCH}"  # noqa: S608
_COLUMNS = "id, at, call_id, attempt, operation, backend, provider, region, tag, bound"
_HELD = f"INSERT INTO recent ({_COLUMNS}, state, expires) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)"  # noqa: S608
_ENDED = "UPDATE recent SET state = ?, cost = ? WHERE id = ? AND state = 0"
_TIDIED = (
    f"INSERT INTO attempts SELECT {_COLUMNS}, cost, state FROM recent WHERE state <> 0",  # noqa: S608
    "DELETE FROM recent WHERE state <> 0",
)
_ALL = f"""(SELECT {_COLUMNS}, cost, state FROM attempts
    UNION ALL SELECT {_COLUMNS}, cost, state FROM recent) AS booked"""  # noqa: S608
_CALL = """INSERT INTO calls
    (at, call_id, operation, backend, provider, region, model, outcome, attempts, latency, queue, overhead, upstream,
    cost, usage, cached, tag, top_label, confidence, language, input_bytes)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""
_GROUPS = f"""SELECT at / 86400000000, operation, backend, provider, region, tag, state, count(*),
    sum(CASE WHEN state = 2 THEN 0 WHEN state = 0 AND bound IS NULL THEN 1 WHEN state <> 0 AND cost IS NULL THEN 1
    ELSE 0 END), coalesce(sum(CASE WHEN state = 0 THEN bound ELSE cost END), 0)
    FROM {_ALL} WHERE at >= ? AND at < ? GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7"""  # noqa: S608
_USED = """SELECT at / 86400000000, operation, backend, provider, region, tag, usage, count(*)
    FROM calls WHERE at >= ? AND at < ? AND usage <> '' GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 1, 2, 3, 4, 5, 6, 7"""


def other_version(found: int) -> str:
    """What is wrong with tables of another version."""
    if found > VERSION:
        return "it was written by a newer version of cloudai: update this one"
    return "it was written before cloudai's first release: move it away, a new one is made"


class _Numbers:
    """Of reservations, from a random beginning in each process: a database need not give them out."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Also after a fork."""
        self.next = itertools.count(secrets.randbits(40) << 22).__next__


_numbers = _Numbers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_numbers.begin)


class Cursor(Protocol):
    """Of sqlite3 or psycopg."""

    @property
    def rowcount(self) -> int: ...

    def fetchall(self) -> list[Any]: ...

    def fetchone(self) -> Any: ...


Execute: TypeAlias = "Callable[[str, Sequence[Value]], Cursor]"
"""Runs one statement with `?` for its values, inside the transaction."""


class SqlStore(ABC):
    """The operations of `Store`, over one write transaction at a time."""

    service: ClassVar[str]
    """SQL for `vision.*` of the column `operation`."""

    quick = False
    joins = False

    def together(self) -> AbstractContextManager[object]:
        """Each operation is a transaction of its own, unless a store says otherwise."""
        return nullcontext()

    def now(self) -> AbstractContextManager[object] | None:
        """Never: there may be a network to wait for."""
        return None

    @abstractmethod
    def transaction(self, work: Callable[[Execute], T]) -> T:
        """Runs `work` alone: no other writer is between its first statement and its last."""

    @abstractmethod
    def close(self) -> None:
        """Releases the connection."""

    def reserve(
        self, attempt: Attempt, *, at: int, expires: int, windows: Sequence[Window], enforce: bool
    ) -> Booked:  # fmt: skip
        def work(execute: Execute) -> Booked:
            bound, match = attempt.bound or 0, _match(attempt, at)
            found = {row[:3]: row for row in execute(_TOTALS, match).fetchall()}
            before = list[Standing]()
            for window in windows:
                row = found.get(window.key) or self._seed(execute, window)
                before.append(Standing(window, row[3], row[4]))
            over = [standing for standing in before if not standing.has_room(attempt.bound)]
            if over and enforce:
                return Booked(None, before, over)
            if bound and (found or windows):
                execute(_RESERVE, (bound, *match))
            number = _numbers.next()
            execute(_HELD, (number, *_attempt_values(attempt, at), expires))
            return Booked(number, before, over)

        return self.transaction(work)

    def _seed(self, execute: Execute, window: Window) -> Any:
        """The row of a limit that is new to the ledger: the sum of what is there already."""
        limit = window.limit
        execute(
            f"""INSERT INTO totals (scope, starts, ends, tag, backend, operation, spent, reserved, warned)
            SELECT ?, ?, ?, ?, ?, ?, coalesce(sum(CASE WHEN state IN (1, 3) THEN cost END), 0),
            coalesce(sum(CASE WHEN state = 0 THEN bound END), 0), 0 FROM {_ALL}
            WHERE at >= ? AND at < ? AND ? IN ('', tag) AND ? IN ('', backend)
            AND ? IN ('*', operation, {self.service})""",  # noqa: S608  # constants
            (
                *window.key, limit.tag, limit.backend, limit.operation,
                window.starts, window.ends, limit.tag, limit.backend, limit.operation,
            ),
        )  # fmt: skip
        return execute(
            "SELECT scope, starts, ends, spent, reserved FROM totals WHERE scope = ? AND starts = ? AND ends = ?",
            window.key,
        ).fetchone()

    def settle(self, ended: Ended, call: CallRecord | None = None) -> None:
        number, attempt, at, state, cost = ended

        def work(execute: Execute) -> None:
            if execute(_ENDED, (state, cost, number)).rowcount:
                moved = (attempt.bound or 0, cost or 0)
                if any(moved):
                    execute(_SETTLE, (*moved, *_match(attempt, at)))
            else:
                self._correct(execute, number, attempt, at, state, cost)
            if call is not None:
                execute(_CALL, _call_values(call))

        self.transaction(work)

    def _correct(
        self, execute: Execute, number: int, attempt: Attempt, at: int, state: State, cost: int | None
    ) -> bool:  # fmt: skip
        """What became known of an attempt that counted at its bound."""
        row = execute(f"SELECT cost FROM {_ALL} WHERE id = ? AND state = 3", (number,)).fetchone()  # noqa: S608
        if row is None:
            return False
        for table in ("recent", "attempts"):
            statement = f"UPDATE {table} SET state = ?, cost = ? WHERE id = ? AND state = 3"  # noqa: S608
            execute(statement, (state, cost, number))
        execute(_SETTLE, (0, (cost or 0) - (row[0] or 0), *_match(attempt, at)))
        return True

    def record(self, call: CallRecord) -> None:
        self.transaction(lambda execute: execute(_CALL, _call_values(call)))

    def expire(self, now: int) -> int:
        def work(execute: Execute) -> int:
            late = execute(
                f"""SELECT id, at, operation, backend, tag, bound FROM recent
                WHERE state = 0 AND expires <= ? ORDER BY expires LIMIT {_SWEEP}""",  # noqa: S608  # a constant
                (now,),
            ).fetchall()
            for number, at, operation, backend, tag, bound in late:
                execute(_ENDED, (State.UNKNOWN, bound, number))
                execute(_SETTLE, (bound or 0, bound or 0, *_matching(operation, backend, tag, at)))
            _tidied(execute)
            return len(late)

        count = self.transaction(work)
        return count + self.expire(now) if count == _SWEEP else count

    def tidy(self) -> None:
        self.transaction(_tidied)

    def adjust(self, number: int, cost: int) -> bool:
        def work(execute: Execute) -> bool:
            row = execute(
                f"SELECT at, operation, backend, tag, provider FROM {_ALL} WHERE id = ? AND state = 3",  # noqa: S608
                (number,),
            ).fetchone()
            if row is None:
                return False
            at, operation, backend, tag, provider = row
            attempt = Attempt(operation=operation, backend=backend, provider=provider, tag=tag, bound=None)
            return self._correct(execute, number, attempt, at, State.SETTLED, cost)

        return self.transaction(work)

    def first_time(self, window: Window, percent: int) -> bool:
        statement = "UPDATE totals SET warned = ? WHERE scope = ? AND starts = ? AND ends = ? AND warned < ?"
        values = (percent, *window.key, percent)
        return self.transaction(lambda execute: execute(statement, values).rowcount) > 0

    def standing(self, windows: Sequence[Window]) -> Sequence[Standing]:
        def work(execute: Execute) -> Sequence[Standing]:
            found = []
            for window in windows:
                statement = "SELECT spent, reserved FROM totals WHERE scope = ? AND starts = ? AND ends = ?"
                row = execute(statement, window.key).fetchone() or self._seed(execute, window)[3:]
                found.append(Standing(window, *row))
            return found

        return self.transaction(work)

    def groups(self, since: int, until: int) -> Sequence[Group]:
        rows = self.transaction(lambda execute: execute(_GROUPS, (since, until)).fetchall())
        return [Group._make((*row[:6], State(row[6]), row[7], int(row[8]), int(row[9]))) for row in rows]

    def used(self, since: int, until: int) -> Sequence[UsedGroup]:
        rows = self.transaction(lambda execute: execute(_USED, (since, until)).fetchall())
        sums: dict[tuple[Any, ...], tuple[Decimal, int]] = {}
        for *key, usage, calls in rows:
            for meter, unit, quantity, *_ in json.loads(usage):
                units, count = sums.get((*key, meter, unit), (Decimal(0), 0))
                sums[(*key, meter, unit)] = (units + Decimal(quantity) * calls, count + calls)
        return [UsedGroup._make((*key, *value)) for key, value in sums.items()]

    def rows(self, state: State, since: int, until: int) -> Sequence[Row]:
        statement = f"""SELECT id, at, call_id, attempt, operation, backend, provider, region, tag, state, bound, cost
            FROM {_ALL} WHERE state = ? AND at >= ? AND at < ? ORDER BY at, id"""  # noqa: S608
        rows = self.transaction(lambda execute: execute(statement, (state, since, until)).fetchall())
        return [Row._make((*row[:9], State(row[9]), *row[10:])) for row in rows]

    def calls(self, since: int, until: int) -> Iterator[CallRecord]:
        statement = """SELECT id, at, call_id, operation, backend, provider, region, model, outcome, attempts, latency,
            queue, overhead, upstream, cost, usage, cached, tag, top_label, confidence, language, input_bytes
            FROM calls WHERE id > ? AND at >= ? AND at < ? ORDER BY id LIMIT 1000"""
        last, page = 0, list[Any]()
        while True:
            values = (last, since, until)
            page = self.transaction(lambda execute, values=values: execute(statement, values).fetchall())  # type: ignore[misc]
            if not page:
                return
            last = page[-1][0]
            yield from (_call(row[1:]) for row in page)

    def prune(self, before: int) -> None:
        self.tidy()
        for table in ("attempts", "calls"):
            statement = f"""DELETE FROM {table} WHERE id IN
                (SELECT id FROM {table} WHERE at < ? ORDER BY at LIMIT {_SWEEP})"""  # noqa: S608
            while self.transaction(lambda execute, s=statement: execute(s, (before,)).rowcount) == _SWEEP:  # type: ignore[misc]
                pass
        self.transaction(lambda execute: execute("DELETE FROM totals WHERE ends < ?", (before,)))


def _tidied(execute: Execute) -> None:
    for statement in _TIDIED:
        execute(statement, ())


def _match(attempt: Attempt, at: int) -> tuple[Value, ...]:
    return _matching(attempt.operation, attempt.backend, attempt.tag or "", at)


def _matching(operation: str, backend: str, tag: str, at: int) -> tuple[Value, ...]:
    return (at, at, tag, backend, operation, service_of(operation))


def _attempt_values(attempt: Attempt, at: int) -> tuple[Value, ...]:
    return (
        at, attempt.call_id, attempt.attempt, attempt.operation, attempt.backend, attempt.provider,
        attempt.region or "", attempt.tag or "", attempt.bound,
    )  # fmt: skip


def usage_text(usage: Sequence[Used]) -> str:
    """As it is stored: `[["vision.detect_labels","image","1","group 2"]]`; nothing for none."""
    if not usage:
        return ""
    return _encoded([(used.meter, used.unit, str(used.quantity), used.sku) for used in usage])


def usage_of(text: str) -> tuple[Used, ...]:
    """The other way."""
    if not text:
        return ()
    return tuple(
        Used(meter=meter, unit=unit, quantity=Decimal(number), sku=sku[0] if sku else "")
        for meter, unit, number, *sku in json.loads(text)
    )


def _call_values(call: CallRecord) -> tuple[Value, ...]:
    return (
        call.at, call.call_id, call.operation, call.backend, call.provider, call.region or "", call.model, call.outcome,
        call.attempts, call.latency, call.queue, call.overhead, call.upstream, call.cost, usage_text(call.usage),
        int(call.cached), call.tag or "", call.top_label, call.confidence, call.language, call.input_bytes,
    )  # fmt: skip


def _call(row: Sequence[Any]) -> CallRecord:
    (at, call_id, operation, backend, provider, region, model, outcome, attempts, latency, queue, overhead, upstream,
     cost, usage, cached, tag, top_label, confidence, language, input_bytes) = row  # fmt: skip
    return CallRecord(
        at=at, call_id=call_id, operation=operation, backend=backend, provider=provider, region=region or None,
        model=model, outcome=outcome, attempts=attempts, latency=latency, queue=queue, overhead=overhead,
        upstream=upstream, cost=cost, usage=usage_of(usage), cached=bool(cached), tag=tag or None, top_label=top_label,
        confidence=confidence, language=language, input_bytes=input_bytes,
    )  # fmt: skip
