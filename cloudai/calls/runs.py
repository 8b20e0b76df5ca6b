"""Training runs: a handle that survives the process that submitted it, and questions about what would be submitted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from cloudai.calls.engine import CallOptions, Engine
from cloudai.calls.job import Job, Step, begin
from cloudai.calls.looking import Looks
from cloudai.calls.policy import turn
from cloudai.calls.run import AsyncRunner, Runner
from cloudai.driver import TrainingRuns
from cloudai.errors import ErrorCode, ServiceError, Unsupported
from cloudai.training import metrics_of
from cloudai.types.custom import LogPage, Metric, RunRef, RunStatus, TrainingJob, TrainingPlan, TrainResult
from cloudai.types.results import Model, Money
from cloudai.types.speech import JobState

if TYPE_CHECKING:
    from cloudai.backends import Candidate

OPERATION: Final = "custom.train"
HOURLY: Final = "hourly"
"""The detail of a handle with what an hour costs, in USD: of all instances together."""
Ask = Callable[[TrainingRuns, Any], Any]
"""What is asked of a driver: `(driver, call)`."""
Progress = Callable[[RunStatus], None]


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """A run at one backend. `ref` is all that is needed to find it again: `ref.model_dump_json()`."""

    run: Runner
    ref: RunRef

    def status(self) -> RunStatus:
        """Where it stands now."""
        found: RunStatus = self._ask(lambda driver, call: driver.run_status(self.ref, call))
        return found

    def wait(self, *, timeout: float = 86_400.0, interval: float = 5.0, progress: Progress | None = None) -> RunStatus:
        """Looks every `interval` seconds until it has ended, well or not. Raises `deadline_exceeded` after `timeout`
        seconds: the run goes on, and can be waited for again. A few looks that fail in a row are forgiven."""
        return _looks(self.ref, timeout).until_final(self.status, interval, progress)

    def page(self, cursor: str | None = None) -> LogPage:
        """Lines since `cursor`."""
        found: LogPage = self._ask(lambda driver, call: driver.run_logs(self.ref, cursor, call))
        return found

    def logs(self, *, follow: bool = False, interval: float = 2.0) -> Iterator[str]:
        """The log's lines so far; with `follow` also those to come, until the run has ended."""
        cursor, last = None, not follow
        while True:
            page = self.page(cursor)
            yield from page.lines
            cursor = page.next or cursor
            if page.lines:
                continue
            if last:
                return
            last = self.status().state.final
            time.sleep(0 if last else interval)

    def metrics(self) -> tuple[Metric, ...]:
        """What the script logged so far, in order."""
        return tuple(_metrics(self.logs()))

    def cancel(self) -> None:
        """Asks the backend to stop it; one that has ended stays as it is."""
        self._ask(lambda driver, call: driver.cancel_run(self.ref, call))

    def cost(self, status: RunStatus | None = None) -> Money | None:
        """What it has cost so far, or in the end, at the book's price. `None`: not known."""
        return cost_so_far(self.ref, status or self.status())

    def fetch(self, folder: str | Path) -> Path:
        """Downloads the model's files into `folder`. Raises `conflict` for a run that has none."""
        target = Path(folder)
        self._ask(lambda driver, call: driver.fetch_run(self.ref, target, call), whole=True)
        return target

    def _ask(self, ask: Ask, *, whole: bool = False) -> Any:
        job, step = question(self.run.engine, self.ref.backend, ask, whole=whole)
        return step.turn.run(partial(self.run.unbooked, job, step, request=step.request))


@dataclass(frozen=True, kw_only=True)
class AsyncTrainingRun:
    """The same of an `AsyncClient`: one handle is as good for both."""

    run: AsyncRunner
    ref: RunRef

    async def status(self) -> RunStatus:
        """Where it stands now."""
        found: RunStatus = await self._ask(lambda driver, call: driver.run_status(self.ref, call))
        return found

    async def wait(
        self,
        *,
        timeout: float = 86_400.0,  # the run goes on: not for asyncio.timeout
        interval: float = 5.0,
        progress: Progress | None = None,
    ) -> RunStatus:
        """As `TrainingRun.wait`."""
        return await _looks(self.ref, timeout).until_final_async(self.status, interval, progress)

    async def page(self, cursor: str | None = None) -> LogPage:
        """Lines since `cursor`."""
        found: LogPage = await self._ask(lambda driver, call: driver.run_logs(self.ref, cursor, call))
        return found

    async def logs(self, *, follow: bool = False, interval: float = 2.0) -> AsyncIterator[str]:
        """As `TrainingRun.logs`."""
        cursor, last = None, not follow
        while True:
            page = await self.page(cursor)
            for line in page.lines:
                yield line
            cursor = page.next or cursor
            if page.lines:
                continue
            if last:
                return
            last = (await self.status()).state.final
            await asyncio.sleep(0 if last else interval)

    async def metrics(self) -> tuple[Metric, ...]:
        """What the script logged so far, in order."""
        return tuple(_metrics([line async for line in self.logs()]))

    async def cancel(self) -> None:
        """As `TrainingRun.cancel`."""
        await self._ask(lambda driver, call: driver.cancel_run(self.ref, call))

    async def cost(self, status: RunStatus | None = None) -> Money | None:
        """As `TrainingRun.cost`."""
        return cost_so_far(self.ref, status or await self.status())

    async def fetch(self, folder: str | Path) -> Path:
        """As `TrainingRun.fetch`."""
        target = Path(folder)
        await self._ask(lambda driver, call: driver.fetch_run(self.ref, target, call), whole=True)
        return target

    async def _ask(self, ask: Ask, *, whole: bool = False) -> Any:
        job, step = question(self.run.engine, self.ref.backend, ask, whole=whole)
        return await step.turn.run_async(partial(self.run.unbooked, job, step, request=step.request))


# --- before and beside a run -----------------------------------------------------------------------------


def plan(run: Runner, request: TrainingJob, options: CallOptions) -> TrainingPlan:
    """What a submission would be. Nothing is sent."""
    job, step = _planning(run.engine, request, options)
    found: TrainingPlan = step.turn.run(partial(run.unbooked, job, step, request=request))
    return found


async def plan_async(run: AsyncRunner, request: TrainingJob, options: CallOptions) -> TrainingPlan:
    """The same with `await`."""
    job, step = _planning(run.engine, request, options)
    found: TrainingPlan = await step.turn.run_async(partial(run.unbooked, job, step, request=request))
    return found


def _planning(engine: Engine, request: TrainingJob, options: CallOptions) -> tuple[Job, Step[Model]]:
    chosen = engine.candidates(OPERATION, options.get("backend"))[0]
    return question(engine, chosen.backend.name, lambda driver, call: driver.plan_training(request, call))


def listing(run: Runner, backend: str | None) -> tuple[RunRef, ...]:
    """The runs that cloudai submitted to the route's backends, or to the one that is named; newest first."""
    found: list[RunRef] = []
    for name in _listable(run.engine, backend):
        job, step = question(run.engine, name, lambda driver, call: driver.list_runs(call))
        found += step.turn.run(partial(run.unbooked, job, step, request=step.request))
    return tuple(sorted(found, key=lambda ref: ref.submitted or "", reverse=True))


async def listing_async(run: AsyncRunner, backend: str | None) -> tuple[RunRef, ...]:
    """The same with `await`."""
    found: list[RunRef] = []
    for name in _listable(run.engine, backend):
        job, step = question(run.engine, name, lambda driver, call: driver.list_runs(call))
        found += await step.turn.run_async(partial(run.unbooked, job, step, request=step.request))
    return tuple(sorted(found, key=lambda ref: ref.submitted or "", reverse=True))


def _listable(engine: Engine, backend: str | None) -> list[str]:
    chosen = engine.candidates(OPERATION, backend)
    return [one.backend.name for one in chosen if backend or isinstance(one.backend.driver, TrainingRuns)]


def with_price(result: TrainResult) -> TrainResult:
    """The handle remembers what an hour costs, so that the run's cost is known wherever the handle is."""
    ref, hourly = result.run, result.plan.hourly if result.plan is not None else None
    if ref is None or hourly is None or any(name == HOURLY for name, _ in ref.details):
        return result
    priced = ref.model_copy(update={"details": (*ref.details, (HOURLY, f"{hourly.amount:f}"))})
    return result.filled(run=priced)


def cost_so_far(ref: RunRef, status: RunStatus) -> Money | None:
    """The handle's hourly price times the billed seconds; `None` where either is unknown."""
    from cloudai.training.machines import cost_of_seconds

    hourly = dict(ref.details).get(HOURLY)
    if hourly is None or status.billed_seconds is None:
        return None
    return cost_of_seconds(Money(amount=Decimal(hourly)), status.billed_seconds)


def must_have_succeeded(ref: RunRef, status: RunStatus) -> None:
    """Raises `ServiceError` with the platform's words for a run that ended otherwise."""
    if status.state is not JobState.SUCCEEDED:
        raise ServiceError(
            f"run {ref.name} {status.state}: {status.message or 'no reason given'}",
            code=ErrorCode.CANCELLED if status.state is JobState.CANCELLED else ErrorCode.INTERNAL,
            backend=ref.backend,
            operation=OPERATION,
        )


# --- asking ----------------------------------------------------------------------------------------------


def question(engine: Engine, backend: str, ask: Ask, *, whole: bool = False) -> tuple[Job, Step[Model]]:
    """One question to a driver, which may be asked again: it creates nothing. `whole`: as long as it takes."""
    job = begin(engine, OPERATION, {"deadline": 86_400.0} if whole else {}, watched=False)
    (chosen,) = engine.candidates(OPERATION, backend)
    if not isinstance(chosen.backend.driver, TrainingRuns):
        raise Unsupported(f"{backend} has no training runs to ask about", backend=backend, operation=OPERATION)
    driver = chosen.backend.driver
    asked = chosen.calling(lambda request, call: ask(driver, call))
    return job, Step(chosen=asked, request=Model(), notices=(), turn=_turn(job, chosen, whole=whole))


def _turn(job: Job, chosen: Candidate, *, whole: bool) -> Any:
    made = turn(
        job.engine.config.policy,
        ends=job.ends,
        timeout=86_400.0 if whole else job.timeout,
        backends_left=1,
        operation=OPERATION,
        lane=job.engine.lane(chosen, OPERATION),
    )
    return replace(made, repeatable=True)


def _looks(ref: RunRef, timeout: float) -> Looks:
    late = f"run {ref.name} has not ended within {timeout:g} s; it goes on"
    return Looks(backend=ref.backend, operation=OPERATION, timeout=timeout, late=late)


def _metrics(lines: Any) -> Iterator[Metric]:
    for found in metrics_of(lines):
        yield Metric(name=found.name, value=found.value, step=found.step, at=found.at)
