"""`strategy = "hedged"`: a second request when the first takes longer than is usual; whoever answers first wins.

Usual is the 95th percentile of the last answers, held between 1.4 and 1.5 times the 90th: where a few in a hundred are
stragglers it lies now among them, which is late, and now among the others, of whom hardly one is worth a hedge.

The second goes to the route's next backend, or to the same one when it is alone there. It is sent only

- for operations that create nothing, once there are answers enough to know what is usual;
- while the share of hedged calls is within `BUDGET`, so that a slow day does not double the load;
- never after a failure: that is a retry's or a fallback's business, and in a full outage there is nobody to ask.

The time that a loser had taken until then counts as an answer's: without the slow ones, what is usual would sink until
everybody is hedged.

An async loser is cancelled, which closes its connection. A thread can't be: the sync client leaves it to its own
time-out, and what it may cost stays booked.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from cloudai.errors import CloudAIError

if TYPE_CHECKING:
    from cloudai.calls.job import Job, Step
    from cloudai.calls.run import AsyncRunner, Runner

USUAL: Final = 0.95
NEARLY: Final = 0.9
APART: Final = (1.4, 1.5)
"""Between these multiples of what is nearly usual, usual is taken as measured."""
BUDGET: Final = 0.05
"""Hedges per call, over many calls."""
SAVED: Final = 50.0
"""Hedges that calls without one save up at most."""


class HedgeBudget:
    """Thread-safe. Each call adds `BUDGET` of a hedge."""

    def __init__(self) -> None:
        self._left = 0.0
        self._lock = threading.Lock()

    def earn(self) -> None:
        """A call."""
        with self._lock:
            self._left = min(SAVED, self._left + BUDGET)

    def take(self) -> bool:
        """Whether a second request may be sent; it is counted then."""
        with self._lock:
            if self._left < 1.0:
                return False
            self._left -= 1.0
            return True

    def give_back(self) -> None:
        """Nobody was there to be asked."""
        with self._lock:
            self._left = min(SAVED, self._left + 1.0)


def _delay(job: Job, step: Step[Any]) -> float | None:
    """Seconds to wait for the first answer before a second request; `None`: there is none."""
    job.engine.hedges.earn()
    latencies = step.turn.lane.latencies
    nearly, usual = latencies.quantile(NEARLY), latencies.quantile(USUAL)
    if nearly is None or usual is None:
        return None
    least, most = APART
    return min(max(usual, least * nearly), most * nearly)


def _pauses(delay: float) -> tuple[float, float]:
    """Seconds until a hedge is sent, and, where the budget has none then, until it is asked once more: meanwhile those
    that were only a little late have answered. Who waited longer would take what the next straggler needs."""
    return delay, delay / 8


def _second(job: Job, step: Step[Any], planned: Iterator[Step[Any]]) -> Step[Any] | None:
    """The next backend's turn, or another one of the same backend. The hedge has been taken from the budget."""
    if (following := next(planned, None)) is not None:
        return following
    if not step.turn.alone:
        job.engine.hedges.give_back()
        return None
    return step.again()


def _slow(first: Step[Any], losers: Iterable[Step[Any]], begun: float) -> None:
    """The first request has lost: it takes at least as long as it has taken."""
    if any(loser is first for loser in losers):
        first.turn.lane.latencies.add(time.perf_counter() - begun)


def hedged(runner: Runner, job: Job, step: Step[Any], planned: Iterator[Step[Any]]) -> tuple[Step[Any], list[Any]]:
    """Whose answers came first, and them. Raises what the last of them to fail raised."""
    from concurrent.futures import FIRST_COMPLETED, wait

    delay = _delay(job, step)
    if delay is None:
        return step, runner.answers(job, step)
    threads, begun = job.engine.threads, time.perf_counter()
    pending = {threads.submit(runner.answers, job, step): step}
    for pause in _pauses(delay):
        if wait(pending, timeout=pause).done:
            break
        if job.engine.hedges.take():
            if (second := _second(job, step, planned)) is not None:
                pending[threads.submit(runner.answers, job, second)] = second
            break
    while pending:
        for future in wait(pending, return_when=FIRST_COMPLETED).done:
            winner = pending.pop(future)
            try:
                answers = future.result()
            except CloudAIError as error:
                if not pending:
                    raise
                job.failed(winner.chosen.backend, error)
            else:
                _slow(step, pending.values(), begun)
                return winner, answers
    raise AssertionError("one of them has answered or failed")


async def hedged_async(
    runner: AsyncRunner, job: Job, step: Step[Any], planned: Iterator[Step[Any]]
) -> tuple[Step[Any], list[Any]]:
    """The same on the event loop, where the loser is cancelled."""
    import asyncio

    delay = _delay(job, step)
    if delay is None:
        return step, await runner.answers(job, step)
    begun = time.perf_counter()
    pending = {asyncio.create_task(runner.answers(job, step)): step}
    try:
        for pause in _pauses(delay):
            done, _ = await asyncio.wait(pending, timeout=pause)
            if done:
                break
            if job.engine.hedges.take():
                if (second := _second(job, step, planned)) is not None:
                    pending[asyncio.create_task(runner.answers(job, second))] = second
                break
        while True:
            done, _ = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                winner = pending.pop(task)
                try:
                    answers = task.result()
                except CloudAIError as error:
                    if not pending:
                        raise
                    job.failed(winner.chosen.backend, error)
                else:
                    _slow(step, pending.values(), begun)
                    return winner, answers
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
