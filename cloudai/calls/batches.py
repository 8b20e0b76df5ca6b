"""Batch predictions: a handle that survives the process that submitted, and waiting for a result within a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from cloudai.calls import booking
from cloudai.calls.asking import Asking, well_ended
from cloudai.calls.engine import CallOptions, Engine
from cloudai.calls.looking import Looks
from cloudai.calls.runs import folder_for, priced, remembered
from cloudai.driver import BatchPrediction
from cloudai.errors import CloudAIError, ErrorCode, InvalidInput
from cloudai.types.custom import BatchPlan, BatchPredictRequest, BatchPredictResult, BatchRef, BatchStatus
from cloudai.types.results import Money

if TYPE_CHECKING:
    from cloudai.calls.run import AsyncRunner, Runner
    from cloudai.driver import Call
    from cloudai.serving.batch_results import Counts

T = TypeVar("T")
OPERATION: Final = "custom.batch_predict"
OUTPUT: Final = "output_folder"
"""The detail of a handle with the folder of this machine that the request named for its results."""
BATCHES: Final = Asking[BatchPrediction](OPERATION, BatchPrediction, "batch jobs")
Progress = Callable[[BatchStatus], None]


@dataclass(frozen=True, kw_only=True)
class BatchRun:
    """A batch job at one backend. `ref` is all that is needed to find it again: `ref.model_dump_json()`."""

    run: Runner
    ref: BatchRef
    submission: BatchPredictResult | None = None
    """What its submission answered, where this process made it."""

    def status(self) -> BatchStatus:
        """Where it stands now: its counts, and what it has cost so far. Of one that has ended the ledger is told."""
        found = self._ask(lambda driver, call: driver.batch_status(self.ref, call))
        return _priced(self.run.engine, self.ref, found)

    def wait(
        self, *, timeout: float = 86_400.0, interval: float = 5.0, progress: Progress | None = None
    ) -> BatchStatus:
        """Looks every `interval` seconds until it has ended, well or not. Raises `deadline_exceeded` after `timeout`
        seconds: the job goes on, and can be waited for again. A few looks that fail in a row are forgiven."""
        return _looks(self.ref, timeout).until_final(self.status, interval, progress)

    def result(self, *, timeout: float = 86_400.0, interval: float = 5.0) -> BatchPredictResult:
        """Waits, and puts the results into the folder that the request named. Raises `ServiceError` for a job that
        failed or was cancelled."""
        status = self.wait(timeout=timeout, interval=interval)
        must_have_succeeded(self.ref, status)
        folder = _to_fetch(self.ref, status)
        counts = None if folder is None else self._fetched(folder)
        return _result(self, status, folder, counts)

    def fetch(self, folder: str | Path) -> Path:
        """Puts the results into `folder`: the input's files, line N the response to line N or `{"error": "..."}`.
        Raises `conflict` for a job that has none."""
        target = folder_for(folder)
        self._fetched(target)
        return target

    def cancel(self) -> None:
        """Asks the backend to stop it; one that has ended stays as it is."""
        self._ask(lambda driver, call: driver.cancel_batch(self.ref, call))

    def _fetched(self, folder: Path) -> Counts:
        from cloudai.serving.batch_results import arriving, count_results

        with arriving(folder) as waiting:
            self._ask(lambda driver, call: driver.fetch_batch(self.ref, waiting, call), whole=True)
            return count_results(waiting)

    def _ask(self, ask: Callable[[BatchPrediction, Call], T], *, whole: bool = False) -> T:
        return BATCHES.of(self.run, self.ref.backend, ask, whole=whole)


@dataclass(frozen=True, kw_only=True)
class AsyncBatchRun:
    """The same of an `AsyncClient`: one handle is as good for both."""

    run: AsyncRunner
    ref: BatchRef
    submission: BatchPredictResult | None = None
    """As `BatchRun.submission`."""

    async def status(self) -> BatchStatus:
        """As `BatchRun.status`."""
        found = await self._ask(lambda driver, call: driver.batch_status(self.ref, call))
        return _priced(self.run.engine, self.ref, found)

    async def wait(
        self,
        *,
        timeout: float = 86_400.0,  # the job goes on: not for asyncio.timeout
        interval: float = 5.0,
        progress: Progress | None = None,
    ) -> BatchStatus:
        """As `BatchRun.wait`."""
        return await _looks(self.ref, timeout).until_final_async(self.status, interval, progress)

    async def result(
        self,
        *,
        timeout: float = 86_400.0,  # as in wait()
        interval: float = 5.0,
    ) -> BatchPredictResult:
        """As `BatchRun.result`."""
        status = await self.wait(timeout=timeout, interval=interval)
        must_have_succeeded(self.ref, status)
        folder = _to_fetch(self.ref, status)
        counts = None if folder is None else await self._fetched(folder)
        return _result(self, status, folder, counts)

    async def fetch(self, folder: str | Path) -> Path:
        """As `BatchRun.fetch`."""
        target = folder_for(folder)
        await self._fetched(target)
        return target

    async def cancel(self) -> None:
        """As `BatchRun.cancel`."""
        await self._ask(lambda driver, call: driver.cancel_batch(self.ref, call))

    async def _fetched(self, folder: Path) -> Counts:
        from cloudai.serving.batch_results import arriving, count_results

        with arriving(folder) as waiting:
            await self._ask(lambda driver, call: driver.fetch_batch(self.ref, waiting, call), whole=True)
            counts: Counts = await self.run.in_thread(partial(count_results, waiting))
        return counts

    async def _ask(self, ask: Callable[[BatchPrediction, Call], T], *, whole: bool = False) -> T:
        return await BATCHES.of_async(self.run, self.ref.backend, ask, whole=whole)


# --- submitting ------------------------------------------------------------------------------------------


def submit_batch(run: Runner, request: BatchPredictRequest, options: CallOptions) -> BatchRun:
    """Submits once; the same request again finds the job that it made."""
    entries: list[int] = []
    answer = run(OPERATION, request, options, BatchPredictResult, entries=entries)
    return BatchRun(run=run, ref=_remembered(answer, request, entries), submission=answer)


async def submit_batch_async(run: AsyncRunner, request: BatchPredictRequest, options: CallOptions) -> AsyncBatchRun:
    """The same with `await`."""
    entries: list[int] = []
    answer = await run(OPERATION, request, options, BatchPredictResult, entries=entries)
    return AsyncBatchRun(run=run, ref=_remembered(answer, request, entries), submission=answer)


def batch_predict(run: Runner, request: BatchPredictRequest, options: CallOptions) -> BatchPredictResult:
    """Submits, and waits until the deadline."""
    ends = _ends(run.engine, options)
    job = submit_batch(run, request, options)
    return job.result(timeout=max(0.0, ends - time.monotonic()), interval=_interval(ends))


async def batch_predict_async(
    run: AsyncRunner, request: BatchPredictRequest, options: CallOptions
) -> BatchPredictResult:
    """The same with `await`."""
    ends = _ends(run.engine, options)
    job = await submit_batch_async(run, request, options)
    return await job.result(timeout=max(0.0, ends - time.monotonic()), interval=_interval(ends))


def plan_batch(run: Runner, request: BatchPredictRequest, options: CallOptions) -> BatchPlan:
    """What a submission would be. Nothing is sent."""
    backend = BATCHES.first(run.engine, options)
    return BATCHES.of(run, backend, lambda driver, call: driver.plan_batch(request, call))


async def plan_batch_async(run: AsyncRunner, request: BatchPredictRequest, options: CallOptions) -> BatchPlan:
    """The same with `await`."""
    backend = BATCHES.first(run.engine, options)
    return await BATCHES.of_async(run, backend, lambda driver, call: driver.plan_batch(request, call))


def all_batches(run: Runner, backend: str | None) -> tuple[BatchRef, ...]:
    """The jobs that cloudai submitted to the route's backends, or to the one that is named; newest first."""
    return _newest_first(BATCHES.of_each(run, backend, lambda driver, call: driver.list_batches(call)))


async def all_batches_async(run: AsyncRunner, backend: str | None) -> tuple[BatchRef, ...]:
    """The same with `await`."""
    return _newest_first(await BATCHES.of_each_async(run, backend, lambda driver, call: driver.list_batches(call)))


def batch_ref(batch: BatchRef | str) -> BatchRef:
    """A ref, or its JSON. Raises `InvalidInput` for what is neither."""
    if isinstance(batch, BatchRef):
        return batch
    try:
        return BatchRef.model_validate_json(batch)
    except ValueError as error:
        raise InvalidInput("this is no batch job's ref in JSON") from error


def _newest_first(found: Sequence[BatchRef]) -> tuple[BatchRef, ...]:
    return tuple(sorted(found, key=lambda ref: ref.submitted or "", reverse=True))


def _ends(engine: Engine, options: CallOptions) -> float:
    return time.monotonic() + options.get("deadline", engine.config.policy.deadline)


def _interval(ends: float) -> float:
    """Seconds between looks: a hundredth of what there is, between a tenth of a second and five."""
    return min(5.0, max(0.1, (ends - time.monotonic()) / 100))


def _remembered(answer: BatchPredictResult, request: BatchPredictRequest, entries: Sequence[int]) -> BatchRef:
    """The handle knows what an hour costs, its entry in the ledger, and where the results are to be put."""
    from cloudai.training.package import is_remote

    ref = answer.batch
    if ref is None:
        raise CloudAIError(f"{answer.backend}'s driver answered without a batch job", code=ErrorCode.INTERNAL)
    details = remembered(ref.details, answer.plan, () if answer.found else entries)
    if not is_remote(request.output):
        details = (*details, (OUTPUT, str(Path(request.output).absolute())))
    return ref.model_copy(update={"details": details})


# --- the end ---------------------------------------------------------------------------------------------


def _priced(engine: Engine, ref: BatchRef, status: BatchStatus) -> BatchStatus:
    """With the price of an hour that the handle remembers, and what that makes of the billed seconds."""
    hourly = priced(ref.details) or status.hourly
    cost = _cost(hourly, status.billed_seconds)
    if status.state.final:
        booking.settled(engine.books, ref.details, cost)
    return status.model_copy(update={"hourly": hourly, "cost": cost})


def _cost(hourly: Money | None, seconds: float | None) -> Money | None:
    from cloudai.training.machines import cost_of_seconds

    return None if seconds is None else cost_of_seconds(hourly, seconds)


def must_have_succeeded(ref: BatchRef, status: BatchStatus) -> None:
    """Raises `ServiceError` with the platform's words for a job that ended otherwise."""
    well_ended(status, what=f"batch job {ref.name}", backend=ref.backend, operation=OPERATION)


def _to_fetch(ref: BatchRef, status: BatchStatus) -> Path | None:
    """The folder that the request named, unless the backend has written there itself."""
    named = dict(ref.details).get(OUTPUT)
    if named is None or (status.output is not None and Path(status.output) == Path(named)):
        return None
    return Path(named)


def _result(
    batch: BatchRun | AsyncBatchRun, status: BatchStatus, folder: Path | None, counts: Counts | None
) -> BatchPredictResult:
    """Counted in the results where they are here, else as the platform says."""
    backend = batch.run.engine.backend(batch.ref.backend)
    submitted = batch.submission or BatchPredictResult(
        operation=OPERATION, provider=backend.provider, backend=backend.name, region=backend.region
    )
    seen = counts or status
    return submitted.filled(
        batch=batch.ref,
        state=status.state,
        cost=status.cost,
        output=status.output if folder is None else str(folder),
        total=seen.total,
        succeeded=seen.succeeded,
        failed=seen.failed,
        failures=seen.failures,
    )


def _looks(ref: BatchRef, timeout: float) -> Looks:
    late = f"batch job {ref.name} has not ended within {timeout:.3g} s; it goes on: the same request finds it again"
    return Looks(backend=ref.backend, operation=OPERATION, timeout=timeout, late=late)
