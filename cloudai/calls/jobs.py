"""Long transcriptions: a handle that survives the process that made it, and the choice between a request and a job."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from cloudai.calls import booking
from cloudai.calls.engine import CallOptions, Engine
from cloudai.calls.fitting import prepare
from cloudai.calls.job import Job, Step, begin, cancelled, end
from cloudai.calls.limits import fit
from cloudai.calls.looking import Looks
from cloudai.calls.policy import Turn, turn, unknown
from cloudai.calls.run import AsyncRunner, Runner
from cloudai.driver import StagesAudio, TranscribeJobs
from cloudai.errors import CloudAIError, Delivery, ErrorCode, InvalidInput, ServiceError, TooLarge, Unsupported
from cloudai.types.results import Model
from cloudai.types.speech import JobRef, JobState, JobStatus, TranscribeRequest, TranscribeResult

if TYPE_CHECKING:
    from cloudai.backends import Candidate

OPERATION: Final = "speech.transcribe"
Method = Callable[[TranscribeJobs], Callable[..., Any]]


@dataclass(frozen=True, kw_only=True)
class TranscriptionJob:
    """A job at one backend. `ref` is all that is needed to find it again: `ref.model_dump_json()`."""

    run: Runner
    ref: JobRef

    def status(self) -> JobStatus:
        """Where it stands now."""
        found: JobStatus = self._ask(lambda driver: driver.transcription_status)
        return found

    def wait(
        self,
        *,
        timeout: float = 3600.0,
        interval: float = 5.0,
        progress: Callable[[JobStatus], None] | None = None,
    ) -> JobStatus:
        """Looks every `interval` seconds until it has ended. Raises `deadline_exceeded` after `timeout` seconds:
        the job goes on, and can be waited for again. So it does when looks fail: a few in a row are forgiven."""
        return _looks(self.ref, timeout).until_final(self.status, interval, progress)

    def result(self, *, timeout: float = 3600.0, interval: float = 5.0) -> TranscribeResult:
        """Waits, then the transcript. Raises `ServiceError` when the job failed or was cancelled."""
        job = begin(self.run.engine, OPERATION, {}, watched=False)
        _must_have_succeeded(self.ref, self.wait(timeout=timeout, interval=interval))
        return _finished(job, self.ref, self._ask(lambda driver: driver.transcription_result))

    def cancel(self) -> None:
        """Asks the backend to stop it; one that has ended stays as it is."""
        self._ask(lambda driver: driver.cancel_transcription)

    def _ask(self, method: Method) -> Any:
        job, step = _question(self.run.engine, self.ref, method)
        return step.turn.run(lambda timeout: self.run.unbooked(job, step, timeout, step.request))


@dataclass(frozen=True, kw_only=True)
class AsyncTranscriptionJob:
    """The same of an `AsyncClient`: one handle is as good for both."""

    run: AsyncRunner
    ref: JobRef

    async def status(self) -> JobStatus:
        """Where it stands now."""
        found: JobStatus = await self._ask(lambda driver: driver.transcription_status)
        return found

    async def wait(
        self,
        *,
        timeout: float = 3600.0,  # the job goes on: not for asyncio.timeout
        interval: float = 5.0,
        progress: Callable[[JobStatus], None] | None = None,
    ) -> JobStatus:
        """As `TranscriptionJob.wait`."""

        return await _looks(self.ref, timeout).until_final_async(self.status, interval, progress)

    async def result(
        self,
        *,
        timeout: float = 3600.0,  # as in wait()
        interval: float = 5.0,
    ) -> TranscribeResult:
        """As `TranscriptionJob.result`."""
        job = begin(self.run.engine, OPERATION, {}, watched=False)
        _must_have_succeeded(self.ref, await self.wait(timeout=timeout, interval=interval))
        return _finished(job, self.ref, await self._ask(lambda driver: driver.transcription_result))

    async def cancel(self) -> None:
        """As `TranscriptionJob.cancel`."""
        await self._ask(lambda driver: driver.cancel_transcription)

    async def _ask(self, method: Method) -> Any:
        job, step = _question(self.run.engine, self.ref, method)
        return await step.turn.run_async(lambda timeout: self.run.unbooked(job, step, timeout, step.request))


# --- submitting ----------------------------------------------------------------------------------------


def submit(run: Runner, request: TranscribeRequest, options: CallOptions) -> TranscriptionJob:
    """Submits once to the first backend that takes it: a lost answer is `outcome_unknown`, never a second job."""
    job, planned = _submission(run.engine, request, options)
    try:
        for step in planned:
            try:
                ref: JobRef = step.turn.run(partial(run.attempt, job, step))
            except CloudAIError as error:
                _not_sent(job, step, error)
            else:
                return TranscriptionJob(run=run, ref=_booked(job, ref))
        raise job.exhausted()
    except BaseException as error:
        end(job, None, error if isinstance(error, CloudAIError) else cancelled(OPERATION), written=False)
        raise


async def submit_async(run: AsyncRunner, request: TranscribeRequest, options: CallOptions) -> AsyncTranscriptionJob:
    """The same with `await`."""
    import asyncio

    job, planned = _submission(run.engine, request, options)
    try:
        while step := await asyncio.to_thread(next, planned, None):
            try:
                ref: JobRef = await step.turn.run_async(partial(run.attempt, job, step))
            except CloudAIError as error:
                _not_sent(job, step, error)
            else:
                return AsyncTranscriptionJob(run=run, ref=_booked(job, ref))
        raise job.exhausted()
    except BaseException as error:
        end(job, None, error if isinstance(error, CloudAIError) else cancelled(OPERATION), written=False)
        raise


def _booked(job: Job, ref: JobRef) -> JobRef:
    """With the number of its entry in the ledger, so that its result can correct what was held for it."""
    number = booking.submitted(job)
    end(job, None, None, written=False)
    return ref if number is None else ref.model_copy(update={"details": booking.noted(ref.details, [number])})


def _not_sent(job: Job, step: Step[Any], error: CloudAIError) -> None:
    """Raises the failure, unless nothing has left and the next backend may be asked."""
    if error.delivery is not Delivery.NOT_SENT:
        raise unknown(error, OPERATION, key=job.key) from error.__cause__
    job.failed(step.chosen.backend, error)


def _submission(engine: Engine, request: TranscribeRequest, options: CallOptions) -> tuple[Job, Iterator[Step[Any]]]:
    """To the backends with jobs whose limits for jobs the audio is within."""
    job = begin(engine, OPERATION, options)
    able = list(_with_jobs(engine, options))
    if not able:
        lacking = Unsupported("no backend on the route takes transcription jobs: use transcribe()", operation=OPERATION)
        end(job, None, lacking, written=False)
        raise lacking
    return job, _submissions(job, able, request)


def _submissions(job: Job, able: list[Candidate], request: TranscribeRequest) -> Iterator[Step[Any]]:
    options, engine = job.options, job.engine
    for left, chosen in zip(range(len(able) - 1, -1, -1), able, strict=True):
        try:
            made, notices = prepare(job, _of_jobs(chosen), request)
        except CloudAIError as error:
            job.failed(chosen.backend, error, unsent=left > 0)
            continue
        seconds = options.get("timeout", engine.config.policy.deadline)
        mine = replace(_turn(job, chosen, seconds), repeatable=False)
        once = chosen.calling(chosen.backend.driver.submit_transcription)
        yield Step(chosen=once, request=made.requests[0], notices=notices, turn=mine)


def _with_jobs(engine: Engine, options: CallOptions) -> Iterator[Candidate]:
    for chosen in engine.candidates(OPERATION, options.get("backend")):
        if isinstance(chosen.backend.driver, TranscribeJobs):
            yield chosen


def _of_jobs(chosen: Candidate) -> Candidate:
    """With the limits of a job in the place of a request's, where a provider has others."""
    declared = chosen.declared
    return (
        replace(chosen, declared=replace(declared, limits=declared.job_limits)) if declared.job_limits.known else chosen
    )


# --- a request or a job --------------------------------------------------------------------------------


def transcribe(run: Runner, request: TranscribeRequest, options: CallOptions) -> TranscribeResult:
    """One request where the audio fits in one, else a job that is waited for until the deadline."""
    if not _needs_job(run.engine, request, options):
        return run(OPERATION, request, options, TranscribeResult)
    ends = time.monotonic() + options.get("deadline", run.engine.config.policy.deadline)
    job = submit(run, request, options)
    try:
        return job.result(timeout=max(0.0, ends - time.monotonic()), interval=_interval(ends))
    except BaseException:
        with suppress(CloudAIError):
            job.cancel()
        raise


async def transcribe_async(run: AsyncRunner, request: TranscribeRequest, options: CallOptions) -> TranscribeResult:
    """The same with `await`."""
    import asyncio

    if not _needs_job(run.engine, request, options):
        return await run(OPERATION, request, options, TranscribeResult)
    ends = time.monotonic() + options.get("deadline", run.engine.config.policy.deadline)
    job = await submit_async(run, request, options)
    try:
        return await job.result(timeout=max(0.0, ends - time.monotonic()), interval=_interval(ends))
    except BaseException:
        with suppress(CloudAIError):
            await asyncio.shield(job.cancel())
        raise


def _needs_job(engine: Engine, request: TranscribeRequest, options: CallOptions) -> bool:
    """Whether the audio is too long or too large for a request of the first backend, and not for its jobs."""
    chosen = engine.candidates(OPERATION, options.get("backend"))[0]
    driver = chosen.backend.driver
    if request.audio.data is None or _fits(chosen, request) or not isinstance(driver, TranscribeJobs):
        return False
    return isinstance(driver, StagesAudio) and driver.stages_audio and _fits(_of_jobs(chosen), request)


def _fits(chosen: Candidate, request: TranscribeRequest) -> bool:
    declared = chosen.declared
    try:
        fit(request.audio, limits=declared.limits, content_types=declared.content_types, whose=chosen.backend.name)
    except (TooLarge, InvalidInput):
        return False
    return True


def _interval(ends: float) -> float:
    """Seconds between looks: a tenth of what there is, between a tenth of a second and five."""
    return min(5.0, max(0.1, (ends - time.monotonic()) / 10))


# --- asking about one ----------------------------------------------------------------------------------


def _question(engine: Engine, ref: JobRef, method: Method) -> tuple[Job, Step[Model]]:
    job = begin(engine, OPERATION, {}, watched=False)
    (chosen,) = engine.candidates(OPERATION, ref.backend)
    backend = chosen.backend
    if not isinstance(backend.driver, TranscribeJobs):
        raise Unsupported(f"{backend.name} has no transcription jobs", backend=backend.name, operation=OPERATION)
    asked = chosen.calling(method(backend.driver))
    return job, Step(chosen=asked, request=ref, notices=(), turn=_turn(job, chosen, job.timeout))


def _turn(job: Job, chosen: Candidate, timeout: float) -> Turn:
    """The only backend's: a handle is good at no other."""
    policy, lane = job.engine.config.policy, job.engine.lane(chosen, OPERATION)
    return turn(policy, ends=job.ends, timeout=timeout, backends_left=1, operation=OPERATION, lane=lane)


def _looks(ref: JobRef, timeout: float) -> Looks:
    late = f"job {ref.id} has not ended within {timeout:g} s; it goes on"
    return Looks(backend=ref.backend, operation=OPERATION, timeout=timeout, late=late)


def _must_have_succeeded(ref: JobRef, status: JobStatus) -> None:
    if status.state is not JobState.SUCCEEDED:
        raise ServiceError(
            f"job {ref.id} {status.state}: {status.message or 'no reason given'}",
            code=ErrorCode.CANCELLED if status.state is JobState.CANCELLED else ErrorCode.INTERNAL,
            backend=ref.backend,
            operation=OPERATION,
        )


def _finished(job: Job, ref: JobRef, answer: TranscribeResult) -> TranscribeResult:
    (chosen,) = job.engine.candidates(OPERATION, ref.backend)
    step = Step(chosen=chosen, request=ref, notices=(), turn=_turn(job, chosen, job.timeout))
    result = job.finish(step, [answer], TranscribeResult)
    booking.settled(job.engine.books, ref.details, result.cost)
    end(job, result, None)
    return result
