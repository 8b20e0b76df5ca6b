"""Long transcriptions: a handle that survives the process that made it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from cloudai.calls.policy import turn
from cloudai.calls.run import CallOptions, Runner, Step, begin, steps
from cloudai.driver import Call, TranscribeJobs
from cloudai.errors import CloudAIError, ErrorCode, ServiceError, Unsupported
from cloudai.types.speech import JobRef, JobState, JobStatus, TranscribeRequest, TranscribeResult

if TYPE_CHECKING:
    from cloudai.backends import Backend

T = TypeVar("T")
OPERATION = "speech.transcribe"
FINAL = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})


@dataclass(frozen=True, kw_only=True)
class TranscriptionJob:
    """A job at one backend. `ref` is all that is needed to find it again: `ref.model_dump_json()`."""

    run: Runner
    ref: JobRef

    def status(self) -> JobStatus:
        """Where it stands now."""
        return self._ask(lambda driver, call: driver.transcription_status(self.ref, call))

    def wait(
        self,
        *,
        timeout: float = 3600.0,
        interval: float = 5.0,
        progress: Callable[[JobStatus], None] | None = None,
    ) -> JobStatus:
        """Looks every `interval` seconds until it has ended. Raises `deadline_exceeded` after `timeout` seconds:
        the job goes on, and can be waited for again."""
        ends = time.monotonic() + timeout
        while (status := self.status()).state not in FINAL:
            if progress:
                progress(status)
            if time.monotonic() + interval > ends:
                raise CloudAIError(
                    f"job {self.ref.id} has not ended within {timeout:g} s; it goes on",
                    code=ErrorCode.DEADLINE_EXCEEDED,
                    backend=self.ref.backend,
                    operation=OPERATION,
                )
            time.sleep(interval)
        if progress:
            progress(status)
        return status

    def result(self, *, timeout: float = 3600.0, interval: float = 5.0) -> TranscribeResult:
        """Waits, then the transcript. Raises `ServiceError` when the job failed or was cancelled."""
        begun = begin(self.run.engine, OPERATION, {})
        status = self.wait(timeout=timeout, interval=interval)
        if status.state is not JobState.SUCCEEDED:
            code = ErrorCode.CANCELLED if status.state is JobState.CANCELLED else ErrorCode.INTERNAL
            raise ServiceError(
                f"job {self.ref.id} {status.state}: {status.message or 'no reason given'}",
                code=code,
                backend=self.ref.backend,
                operation=OPERATION,
            )
        answer = self._ask(lambda driver, call: driver.transcription_result(self.ref, call))
        chosen = self.run.engine.candidates(OPERATION, self.ref.backend)[0]
        mine = turn(self.run.engine.config.policy, ends=begun.ends, timeout=1.0, backends_left=1, operation=OPERATION)
        return begun.finish(Step(chosen=chosen, request=answer, notices=(), turn=mine), answer, TranscribeResult)

    def cancel(self) -> None:
        """Asks the backend to stop it; one that has ended stays as it is."""
        self._ask(lambda driver, call: driver.cancel_transcription(self.ref, call))

    def _ask(self, question: Callable[[TranscribeJobs, Call], T]) -> T:
        backend = self.run.engine.backend(self.ref.backend)
        driver = _with_jobs(backend)
        job = begin(self.run.engine, OPERATION, {})
        mine = turn(
            self.run.engine.config.policy, ends=job.ends, timeout=job.timeout, backends_left=1, operation=OPERATION
        )

        def attempt(timeout: float) -> T:
            with_context = job.call(backend, timeout)
            try:
                return question(driver, with_context)
            except CloudAIError as error:
                backend.error(error, OPERATION)
                raise
            except Exception as error:
                raise backend.error(error, OPERATION) from error

        return mine.run(attempt)


def submit(run: Runner, request: TranscribeRequest, options: CallOptions) -> TranscriptionJob:
    """Submits once to the first backend that takes jobs: a lost answer is `outcome_unknown`, never a second job."""
    job = begin(run.engine, OPERATION, options)
    for step in steps(job, request):
        backend = step.chosen.backend
        if not isinstance(backend.driver, TranscribeJobs):
            continue
        once = step.chosen.calling(backend.driver.submit_transcription)
        try:
            ref: JobRef = run.attempt(
                job, Step(chosen=once, request=step.request, notices=(), turn=step.turn), job.timeout
            )
        except CloudAIError as error:
            if error.code in (ErrorCode.UNAVAILABLE, ErrorCode.DEADLINE_EXCEEDED, ErrorCode.INTERNAL):
                error.code, error.retryable = ErrorCode.OUTCOME_UNKNOWN, False
                error.message += "; the job may have been created: look before you submit it again"
            raise
        return TranscriptionJob(run=run, ref=ref)
    raise Unsupported("no backend on the route takes transcription jobs: use transcribe()", operation=OPERATION)


def _with_jobs(backend: Backend) -> TranscribeJobs:
    if not isinstance(backend.driver, TranscribeJobs):
        raise Unsupported(f"{backend.name} has no transcription jobs", backend=backend.name, operation=OPERATION)
    return backend.driver
