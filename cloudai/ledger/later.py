"""What a ledger is told a little later: how answered attempts ended, and what is recorded of calls.

An attempt is settled in the transaction of the next reservation, so that a caller waits for one transaction a call and
not for two. Until then it stands in the ledger as reserved, at its bound: a process that is killed meanwhile counts too
much, by at most the last answer of each caller, and never too little. Records, which are no money, are written by a
thread, many at a time; it also settles where no reservation comes for `WITHIN`. Closing does, and so does the
interpreter's end.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakSet

if TYPE_CHECKING:
    from cloudai.ledger.entries import CallRecord
    from cloudai.ledger.store import Ended

WITHIN = 0.02
"""Seconds."""
MOST = 10_000
"""Of what waits while the ledger can't be written. What is older is given up: its bound stays reserved."""
T = TypeVar("T")
_all: WeakSet[Later] = WeakSet()


class Later:
    """What waits in one client's books. Thread-safe; `write` is called when it is due, and takes it."""

    def __init__(self, write: Callable[[], None]) -> None:
        self._write = write
        self.begin()
        _all.add(self)

    def begin(self) -> None:
        """With nothing to do: what a fork copied is the parent's to write."""
        self._settling, self._recording = deque["Ended"](maxlen=MOST), deque["CallRecord"](maxlen=MOST)
        self._due, self._closing, self._starting = threading.Event(), threading.Event(), threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def waiting(self) -> bool:
        """Whether there are any."""
        return bool(self._settling or self._recording)

    def settle(self, ended: Ended) -> None:
        """Before the next reservation."""
        self._settling.append(ended)
        self._wake()

    def record(self, call: CallRecord) -> None:
        """Soon."""
        self._recording.append(call)
        self._wake()

    def settling(self) -> Iterator[Ended]:
        """All settlements that wait, in their order, for whoever is alone with the ledger."""
        return _taken(self._settling)

    def recording(self) -> Iterator[CallRecord]:
        """All records that wait, likewise."""
        return _taken(self._recording)

    def _wake(self) -> None:
        if not self._due.is_set():
            self._due.set()
            if self._thread is None:
                self._start()

    def close(self) -> None:
        """Writes what is left."""
        atexit.unregister(self.close)
        if self._thread is not None:
            self._closing.set()
            self._due.set()
            self._thread.join()
        self._write()

    def _start(self) -> None:
        with self._starting:
            if self._thread is not None:
                return
            self._thread = threading.Thread(target=self._run, name="cloudai-books", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def _run(self) -> None:
        while True:
            self._due.wait()
            self._due.clear()  # before the look at `_closing`, whose setter sets this after it
            if self._closing.wait(WITHIN):
                return
            self._write()


def _taken(waiting: deque[T]) -> Iterator[T]:
    while waiting:
        yield waiting.popleft()


def _forked() -> None:
    for each in _all:
        each.begin()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
