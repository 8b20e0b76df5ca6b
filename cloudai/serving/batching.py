"""Dynamic batching without a timer: what arrives while an engine is busy is run together when it is free again.

An idle engine starts at once (in the event loop's next turn, so that requests of one turn meet). `max_delay` adds a
wait for those who want fuller batches; a 1 ms timer of that kind is what takes a peer's median from 0.5 to 1.9 ms.

Short runs on the CPU (under a millisecond) stay on the event loop's thread: handing them to another one and back costs
as much as they do. Longer ones go to the model's own threads, so that health checks and other models are answered
meanwhile. What counts is the thread's CPU time: a short run that the machine has interrupted is a short run.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from cloudai.errors import ErrorCode, ServiceError
from cloudai.serving.joining import Feed, run_together

if TYPE_CHECKING:
    from cloudai.serving.engine import Array, Engine
    from cloudai.serving.joining import Outcome
    from cloudai.serving.metrics import ModelMeters
    from cloudai.serving.trial import Trial

SHORT = 0.001
"""Seconds: runs expected to be shorter stay on the event loop's thread."""


class Item(Feed):
    """One waiting request."""

    __slots__ = ("deadline", "future", "queued")

    def __init__(
        self,
        names: list[str],
        feed: dict[str, Array],
        *,
        timeout: float | None,
        joins: bool,
        future: asyncio.Future[list[Array]],
    ) -> None:
        super().__init__(names, feed, joins=joins)
        self.future = future
        self.queued = time.perf_counter()
        self.deadline = math.inf if timeout is None else self.queued + timeout


class Batcher:
    """The queue before one engine. All methods are called on the event loop's thread."""

    def __init__(self, engine: Engine, trial: Trial, meters: ModelMeters) -> None:
        self._engine, self._policy, self._meters = engine, engine.policy, meters
        self._cap = trial.batch
        self._seconds = trial.seconds
        self._inline = engine.device == "cpu"
        self._busy = trial.seconds
        self._waiting: deque[Item] = deque()
        self._running = 0
        self._planned = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._loop = asyncio.get_running_loop()
        self._threads = ThreadPoolExecutor(self._policy.parallel, thread_name_prefix=f"model-{engine.name}")

    def check_room(self) -> None:
        """Raises `ServiceError` (unavailable, with when to come again) when too many wait."""
        if len(self._waiting) >= self._policy.max_queue:
            raise ServiceError(
                f"{self._engine.name}: {len(self._waiting)} requests are waiting, the most that may",
                code=ErrorCode.UNAVAILABLE,
                retry_after=self._seconds * len(self._waiting) / self._cap / self._policy.parallel,
            )

    def submit(self, names: list[str], feed: dict[str, Array], *, timeout: float | None) -> asyncio.Future[list[Array]]:
        """The outputs, in order. Raises as `check_room` does."""
        self.check_room()
        future: asyncio.Future[list[Array]] = self._loop.create_future()
        self._waiting.append(Item(names, feed, timeout=timeout, joins=self._cap > 1, future=future))
        self._idle.clear()
        if not self._planned and self._running < self._policy.parallel:
            self._plan()
        return future

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._waiting)

    async def drained(self) -> None:
        """Returns when nothing waits or runs."""
        await self._idle.wait()

    def close(self) -> None:
        """After `drained`."""
        self._threads.shutdown(wait=False)

    def _plan(self) -> None:
        self._planned = True
        self._loop.call_soon(self._start)

    def _start(self) -> None:
        """Runs that may begin now."""
        self._planned = False
        while self._waiting and self._running < self._policy.parallel:
            wait = self._wait()
            if wait > 0:
                self._planned = True
                self._loop.call_later(wait, self._start)
                return
            group = self._next_group()
            if group:
                self._begin(group)
        if not self._waiting and not self._running:
            self._idle.set()

    def _wait(self) -> float:
        """Seconds that `max_delay` still gives the oldest request."""
        if self._policy.max_delay <= 0 or self._cap == 1:
            return 0.0
        if sum(item.rows or self._cap for item in self._waiting) >= self._cap:
            return 0.0
        return self._waiting[0].queued + self._policy.max_delay - time.perf_counter()

    def _next_group(self) -> list[Item]:
        """The oldest request, and those behind it that fit into one run with it; others keep their places."""
        first = self._waiting.popleft()
        group, rows, others = [first], first.rows, []
        while self._waiting and first.rows and rows < self._cap:
            item = self._waiting.popleft()
            if first.fits(item) and rows + item.rows <= self._cap:
                group.append(item)
                rows += item.rows
            else:
                others.append(item)
        self._waiting.extendleft(reversed(others))
        return self._in_time(group)

    def _in_time(self, group: list[Item]) -> list[Item]:
        now = time.perf_counter()
        for item in group:
            self._meters.queue.observe(now - item.queued)
            if item.deadline < now and not item.future.done():
                message = f"waited {now - item.queued:.3f} s, longer than the request's timeout"
                item.future.set_exception(ServiceError(message, code=ErrorCode.DEADLINE_EXCEEDED))
        return [item for item in group if not item.future.done()]

    def _begin(self, group: list[Item]) -> None:
        self._running += 1
        if self._inline and self._busy < SHORT:
            self._end(group, *self._run(group))
            return
        task = self._loop.run_in_executor(self._threads, self._run, group)
        task.add_done_callback(lambda done: self._end_later(group, done))

    def _end_later(self, group: list[Item], done: asyncio.Future[tuple[list[Outcome], float, float]]) -> None:
        self._end(group, *done.result())
        if self._waiting and not self._planned:
            self._start()
        elif not self._waiting and not self._running:
            self._idle.set()

    def _end(self, group: list[Item], outcomes: list[Outcome], seconds: float, busy: float) -> None:
        self._running -= 1
        self._seconds += 0.1 * (seconds - self._seconds)
        self._busy = max(busy, self._busy + 0.1 * (busy - self._busy))
        self._meters.run.observe(seconds)
        self._meters.rows.observe(sum(item.rows or 1 for item in group))
        for item, outcome in zip(group, outcomes, strict=True):
            if item.future.done():  # the client went away
                continue
            if isinstance(outcome, Exception):
                item.future.set_exception(outcome)
            else:
                item.future.set_result(outcome)

    def _run(self, group: list[Item]) -> tuple[list[Outcome], float, float]:
        """On any thread."""
        start, started = time.perf_counter(), time.thread_time()
        outcomes = run_together(self._engine, group)
        return outcomes, time.perf_counter() - start, time.thread_time() - started
