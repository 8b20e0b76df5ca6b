"""The books for an event loop: what tasks ask in one turn of it is booked in one transaction.

On the loop itself, where nobody has to be waited for: a handful of writes into the system's page cache take less than
to hand them to a thread. Otherwise in a thread of their own, so that a locked file, a disk or a network holds up the
calls that wait for it and not the loop. What was asked is in the ledger before its task goes on, as without it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from cloudai.errors import CloudAIError

if TYPE_CHECKING:
    from cloudai.ledger import Books

T = TypeVar("T")
Asked = tuple[Callable[[], object], "asyncio.Future[Any]"]


class Teller:
    """One for each `AsyncClient`; used from any number of event loops."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cloudai-books")
        self._waiting: WeakKeyDictionary[asyncio.AbstractEventLoop, deque[Asked]] = WeakKeyDictionary()

    def ask(self, task: Callable[..., T], *of: Any) -> asyncio.Future[T]:
        """Runs `task(*of)`, which books something. A task that is cancelled meanwhile is booked all the same."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        waiting = self._waiting.get(loop)
        if waiting is None:
            waiting = self._waiting[loop] = deque()
        waiting.append((partial(task, *of), future))
        if len(waiting) == 1:
            loop.call_soon(self._serve_here, loop, waiting)
        return future

    def close(self) -> None:
        """Waits for what is being booked."""
        self._thread.shutdown()

    def _serve_here(self, loop: asyncio.AbstractEventLoop, waiting: deque[Asked]) -> None:
        """On the loop, when everybody has asked who could; what can't be had at once is left to the thread."""
        begun = self._books.now()
        if begun is None:
            self._thread.submit(self._serve, loop, waiting)
            return
        batch = list(waiting)
        try:
            with begun:
                outcomes = [_outcome(task) for task, _ in batch]
        except Exception:  # noqa: BLE001  # nothing has been booked: in the thread each says what it was
            self._thread.submit(self._serve, loop, waiting)
            return
        waiting.clear()
        _deliver(batch, outcomes)

    def _serve(self, loop: asyncio.AbstractEventLoop, waiting: deque[Asked]) -> None:
        """In the thread: whatever has come until now. What comes first after that asks for the next turn."""
        batch: list[Asked] = []
        while waiting:
            batch.append(waiting.popleft())
        outcomes = self._booked([task for task, _ in batch])
        with suppress(RuntimeError):  # the loop is over, and nobody waits
            loop.call_soon_threadsafe(_deliver, batch, outcomes)

    def _booked(self, tasks: list[Callable[[], object]]) -> list[object]:
        """Together; one by one when that fails, so that each has its own error."""
        if len(tasks) > 1:
            try:
                with self._books.together():
                    return [_outcome(task) for task in tasks]
            except Exception:  # noqa: BLE001  # whatever it was, nothing has been booked: each by itself says it
                return [_outcome(task, alone=True) for task in tasks]
        return [_outcome(task, alone=True) for task in tasks]


def _outcome(task: Callable[[], object], *, alone: bool = False) -> object:
    """What it answers, or the error that it raises: a refusal in any case, anything else when it is alone."""
    try:
        return task()
    except CloudAIError as error:
        return error
    except Exception as error:
        if not alone:
            raise
        return error


def _deliver(batch: list[Asked], outcomes: list[object]) -> None:
    for (_, future), outcome in zip(batch, outcomes, strict=True):
        if future.cancelled():
            continue
        if isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
