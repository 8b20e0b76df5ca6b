"""Answers kept by the content of the request, so that the same picture is not paid for twice. Opt-in per route.

One SQLite file in the user's cache folder, shared by processes. What is kept is the result's JSON: no input, no key.
An answer is given again to the same operation with the same arguments and the same content, whichever backend it came
from. A cache that can't be read or written is as good as an empty one: said once, never an error.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cloudai.types.media import Media
from cloudai.types.results import Model, Money, Result

if TYPE_CHECKING:
    from cloudai.calls.engine import CallOptions
    from cloudai.routes import CacheSettings

R = TypeVar("R", bound=Result)
T = TypeVar("T")
logger = logging.getLogger("cloudai.cache")

SWEEP = 100
"""Answers stored between looks at the cache's size."""
# The number is that of the form of what is kept: another one begins an empty table.
_TABLE = """
CREATE TABLE IF NOT EXISTS answers_1 (
    key BLOB PRIMARY KEY, at REAL NOT NULL, size INTEGER NOT NULL, answer TEXT NOT NULL
) WITHOUT ROWID
"""


def default_path() -> Path:
    """In the user's cache folder."""
    import platformdirs

    return platformdirs.user_cache_path("cloudai") / "answers.sqlite"


def key_of(operation: str, request: Model, options: CallOptions) -> bytes | None:
    """What an answer is found by; `None`: an object passed by address, whose content may change."""
    fields: dict[str, Any] = {}
    for name in type(request).model_fields:
        value = getattr(request, name)
        if isinstance(value, Media):
            if value.data is None:
                return None
            fields[name] = [value.content_type, hashlib.sha256(value.data).hexdigest()]
    plain = request.model_dump(mode="json", exclude=set(fields))
    asked = {name: options.get(name) for name in ("backend", "raw", "options")}
    text = json.dumps([operation, plain, fields, asked], sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class ResultCache:
    """Thread-safe; opens its file at first use."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._stored = 0
        self._told = False

    def get(self, key: bytes, settings: CacheSettings, expected: type[R]) -> R | None:
        """The answer, if there is one that is young enough."""
        youngest = time.time() - settings.max_age
        found = self._ask(lambda connection: _find(connection, key, youngest))
        if found is None:
            return None
        with suppress(ValueError):  # written by a version with other types
            answer = expected.model_validate_json(found)
            return answer.filled(cached=True, usage=(), cost=Money(amount=Decimal(0)), price_ref=(), attempts=0)
        return None

    def put(self, key: bytes, settings: CacheSettings, answer: Result) -> None:
        """Keeps an answer. One that alone is over `max_bytes` is not kept."""
        text = answer.model_dump_json()
        if len(text) > settings.max_bytes:
            return
        self._ask(lambda connection: _store(connection, key, text))
        self._stored += 1
        if self._stored % SWEEP == 1:
            self._ask(lambda connection: _sweep(connection, settings))

    def close(self) -> None:
        """Closes the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T | None:
        with self._lock:
            try:
                return question(self._open())
            except (sqlite3.Error, OSError) as error:
                if not self._told:
                    self._told = True
                    logger.warning("the result cache can't be used, so every call is sent: %s", error)
                return None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            path = self._path or default_path()
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._connection = sqlite3.connect(path, timeout=1.0, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute(_TABLE)
        return self._connection


def _find(connection: sqlite3.Connection, key: bytes, youngest: float) -> str | None:
    row = connection.execute("SELECT answer FROM answers_1 WHERE key = ? AND at >= ?", (key, youngest)).fetchone()
    return None if row is None else str(row[0])


def _store(connection: sqlite3.Connection, key: bytes, text: str) -> None:
    connection.execute("INSERT OR REPLACE INTO answers_1 VALUES (?, ?, ?, ?)", (key, time.time(), len(text), text))


def _sweep(connection: sqlite3.Connection, settings: CacheSettings) -> None:
    """The oldest go first, until age, number and size are within the limits."""
    connection.execute("DELETE FROM answers_1 WHERE at < ?", (time.time() - settings.max_age,))
    connection.execute(
        """DELETE FROM answers_1 WHERE key IN (
            SELECT key FROM (
                SELECT key, row_number() OVER newest AS place, sum(size) OVER newest AS total FROM answers_1
                WINDOW newest AS (ORDER BY at DESC, key ROWS UNBOUNDED PRECEDING)
            ) WHERE place > ? OR total > ?)""",
        (settings.max_entries, settings.max_bytes),
    )
