"""Training runs: a handle that survives the process that submitted it, and questions about what would be submitted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from cloudai.calls import booking
from cloudai.calls.asking import Asking, well_ended
from cloudai.calls.engine import CallOptions, Engine
from cloudai.calls.looking import Looks
from cloudai.driver import TrainingRuns
from cloudai.errors import InvalidInput
from cloudai.training import metrics_of
from cloudai.types.custom import BatchPlan, LogPage, Metric, RunRef, RunStatus, TrainingJob, TrainingPlan, TrainResult
from cloudai.types.results import Money

if TYPE_CHECKING:
    from cloudai.calls.run import AsyncRunner, Runner
    from cloudai.driver import Call

T = TypeVar("T")
OPERATION: Final = "custom.train"
HOURLY: Final = "hourly"
"""The detail of a handle with what an hour costs, in USD: of all instances together."""
RUNS: Final = Asking[TrainingRuns](OPERATION, TrainingRuns, "training runs")
Progress = Callable[[RunStatus], None]


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """A run at one backend. `ref` is all that is needed to find it again: `ref.model_dump_json()`."""

    run: Runner
    ref: RunRef

    def status(self) -> RunStatus:
        """Where it stands now. Of one that has ended the ledger is told what it has cost."""
        found = self._ask(lambda driver, call: driver.run_status(self.ref, call))
        _settle(self.run.engine, self.ref, found)
        return found

    def wait(self, *, timeout: float = 86_400.0, interval: float = 5.0, progress: Progress | None = None) -> RunStatus:
        """Looks every `interval` seconds until it has ended, well or not. Raises `deadline_exceeded` after `timeout`
        seconds: the run goes on, and can be waited for again. A few looks that fail in a row are forgiven."""
        return _looks(self.ref, timeout).until_final(self.status, interval, progress)

    def page(self, cursor: str | None = None) -> LogPage:
        """Lines since `cursor`."""
        return self._ask(lambda driver, call: driver.run_logs(self.ref, cursor, call))

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
        target = folder_for(folder)
        self._ask(lambda driver, call: driver.fetch_run(self.ref, target, call), whole=True)
        return target

    def _ask(self, ask: Callable[[TrainingRuns, Call], T], *, whole: bool = False) -> T:
        return RUNS.of(self.run, self.ref.backend, ask, whole=whole)


@dataclass(frozen=True, kw_only=True)
class AsyncTrainingRun:
    """The same of an `AsyncClient`: one handle is as good for both."""

    run: AsyncRunner
    ref: RunRef

    async def status(self) -> RunStatus:
        """As `TrainingRun.status`."""
        found = await self._ask(lambda driver, call: driver.run_status(self.ref, call))
        _settle(self.run.engine, self.ref, found)
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
        return await self._ask(lambda driver, call: driver.run_logs(self.ref, cursor, call))

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
        target = folder_for(folder)
        await self._ask(lambda driver, call: driver.fetch_run(self.ref, target, call), whole=True)
        return target

    async def _ask(self, ask: Callable[[TrainingRuns, Call], T], *, whole: bool = False) -> T:
        return await RUNS.of_async(self.run, self.ref.backend, ask, whole=whole)


# --- before and beside a run -----------------------------------------------------------------------------


def plan(run: Runner, request: TrainingJob, options: CallOptions) -> TrainingPlan:
    """What a submission would be. Nothing is sent."""
    backend = RUNS.first(run.engine, options)
    return RUNS.of(run, backend, lambda driver, call: driver.plan_training(request, call))


async def plan_async(run: AsyncRunner, request: TrainingJob, options: CallOptions) -> TrainingPlan:
    """The same with `await`."""
    backend = RUNS.first(run.engine, options)
    return await RUNS.of_async(run, backend, lambda driver, call: driver.plan_training(request, call))


def listing(run: Runner, backend: str | None) -> tuple[RunRef, ...]:
    """The runs that cloudai submitted to the route's backends, or to the one that is named; newest first."""
    return _newest_first(RUNS.of_each(run, backend, lambda driver, call: driver.list_runs(call)))


async def listing_async(run: AsyncRunner, backend: str | None) -> tuple[RunRef, ...]:
    """The same with `await`."""
    return _newest_first(await RUNS.of_each_async(run, backend, lambda driver, call: driver.list_runs(call)))


def _newest_first(found: Sequence[RunRef]) -> tuple[RunRef, ...]:
    return tuple(sorted(found, key=lambda ref: ref.submitted or "", reverse=True))


def train(run: Runner, request: TrainingJob, options: CallOptions) -> TrainResult:
    """Submits once; the same job again finds the run that it made."""
    entries: list[int] = []
    return _remembering(run(OPERATION, request, options, TrainResult, entries=entries), entries)


async def train_async(run: AsyncRunner, request: TrainingJob, options: CallOptions) -> TrainResult:
    """The same with `await`."""
    entries: list[int] = []
    return _remembering(await run(OPERATION, request, options, TrainResult, entries=entries), entries)


def _remembering(result: TrainResult, entries: Sequence[int]) -> TrainResult:
    """The handle remembers what an hour costs, and its entry in the ledger, so that both are known wherever it is."""
    if result.run is None:
        return result
    details = remembered(result.run.details, result.plan, () if result.found else entries)
    return result.filled(run=result.run.model_copy(update={"details": details}))


def remembered(
    details: booking.Details, plan: TrainingPlan | BatchPlan | None, entries: Sequence[int]
) -> booking.Details:
    """A handle's details with the price of an hour and its entry in the ledger."""
    if plan is not None and plan.hourly is not None and HOURLY not in dict(details):
        details = (*details, (HOURLY, f"{plan.hourly.amount:f}"))
    return booking.noted(details, entries)


def cost_so_far(ref: RunRef, status: RunStatus) -> Money | None:
    """The handle's hourly price times the billed seconds; `None` where either is unknown."""
    from cloudai.training.machines import cost_of_seconds

    hourly = priced(ref.details)
    return None if status.billed_seconds is None else cost_of_seconds(hourly, status.billed_seconds)


def priced(details: Iterable[tuple[str, str]]) -> Money | None:
    """What an hour costs, as a handle remembers it; `None`: not known."""
    hourly = dict(details).get(HOURLY)
    return None if hourly is None else Money(amount=Decimal(hourly))


def folder_for(folder: str | Path) -> Path:
    """Where a download goes. Raises `InvalidInput` for a file."""
    found = Path(folder)
    if found.exists() and not found.is_dir():
        raise InvalidInput(f"{found} is a file: name a folder")
    return found


def _settle(engine: Engine, ref: RunRef, status: RunStatus) -> None:
    if status.state.final:
        booking.settled(engine.books, ref.details, cost_so_far(ref, status))


def must_have_succeeded(ref: RunRef, status: RunStatus) -> None:
    """Raises `ServiceError` with the platform's words for a run that ended otherwise."""
    well_ended(status, what=f"run {ref.name}", backend=ref.backend, operation=OPERATION)


def _looks(ref: RunRef, timeout: float) -> Looks:
    late = f"run {ref.name} has not ended within {timeout:g} s; it goes on"
    return Looks(backend=ref.backend, operation=OPERATION, timeout=timeout, late=late)


def _metrics(lines: Iterable[str]) -> Iterator[Metric]:
    for found in metrics_of(lines):
        yield Metric(name=found.name, value=found.value, step=found.step, at=found.at)
