"""The fake's training runs and batch jobs: they stand in memory, and each look at one finds the next scripted state."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from cloudai.errors import CloudAIError, ErrorCode
from cloudai.types.custom import (
    BatchPlan,
    BatchPredictRequest,
    BatchPredictResult,
    BatchRef,
    BatchStatus,
    LogPage,
    RunRef,
    RunStatus,
    TrainingJob,
    TrainingPlan,
    TrainResult,
)
from cloudai.types.speech import JobState

if TYPE_CHECKING:
    from cloudai.driver import Call

SUBMITTED = "2026-01-01T00:00:00Z"
BILLED = 60.0
"""Seconds of each job that has ended."""
Look: TypeAlias = JobState | RunStatus | BatchStatus | Exception
"""What a look finds, or what it raises."""
T = TypeVar("T", TrainResult, BatchPredictResult)


@dataclass(kw_only=True)
class _Job:
    """One run or batch job."""

    ref: RunRef | BatchRef
    seen: JobState | RunStatus | BatchStatus = JobState.QUEUED
    """What the last look found."""
    request: BatchPredictRequest | None = None

    @property
    def state(self) -> JobState:
        return self.seen if isinstance(self.seen, JobState) else self.seen.state


@dataclass(kw_only=True)
class FakeJobs:
    """What a `FakeBackend` has of runs and batch jobs, for all backends that are opened on it."""

    looks: deque[Look] = field(default_factory=deque)
    """What the next looks find, in turn; empty: the first one that a job has succeeded."""
    lines: list[str] = field(default_factory=list)
    """Of every run's log."""
    files: dict[str, bytes] = field(default_factory=lambda: {"model.onnx": b"fake"})
    """Of every run's model."""
    jobs: dict[tuple[str, str], _Job] = field(default_factory=dict)
    """Backend and name -> the job, in the order of their submission."""
    lock: threading.Lock = field(default_factory=threading.Lock)


class FakeJobMethods:
    """The part of the fake's driver that is `TrainingRuns` and `BatchPrediction`."""

    def __init__(self, jobs: FakeJobs, backend: str) -> None:
        self._jobs = jobs
        self._name = backend

    # --- training runs -------------------------------------------------------------------------------

    def plan_training(self, request: TrainingJob, call: Call) -> TrainingPlan:
        """What `train` would be asked."""
        body = request.model_dump(mode="json")
        return TrainingPlan(
            backend=self._name,
            provider="fake",
            name=request.name,
            instance="fake",
            requests=({"call": "train", "body": body},),
        )

    def run_status(self, run: RunRef, call: Call) -> RunStatus:
        """The next look, or that it has succeeded."""
        job = self._looked(run)
        if isinstance(job.seen, RunStatus):
            return job.seen
        return RunStatus(
            state=job.state,
            started=SUBMITTED,
            billed_seconds=BILLED if job.state.final else None,
            artefact=f"fake://{run.name}" if job.state is JobState.SUCCEEDED else None,
        )

    def run_logs(self, run: RunRef, cursor: str | None, call: Call) -> LogPage:
        """The scripted lines since `cursor`."""
        self._job(run)
        lines = self._jobs.lines[int(cursor or 0) :]
        return LogPage(lines=tuple(lines), next=str(len(self._jobs.lines)))

    def cancel_run(self, run: RunRef, call: Call) -> None:
        """Unless it has ended."""
        self._cancel(run)

    def fetch_run(self, run: RunRef, folder: Path, call: Call) -> None:
        """The scripted files, of a run that was seen to have succeeded."""
        self._must_have_succeeded(run)
        for name, content in self._jobs.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)

    def list_runs(self, call: Call) -> Sequence[RunRef]:
        """Newest first."""
        return [ref for ref in self._refs() if isinstance(ref, RunRef)]

    # --- batch jobs ----------------------------------------------------------------------------------

    def plan_batch(self, request: BatchPredictRequest, call: Call) -> BatchPlan:
        """What `batch_predict` would be asked."""
        from cloudai.serving.batches import prepare_batch

        name, body = prepare_batch(request).name, request.model_dump(mode="json")
        return BatchPlan(
            backend=self._name,
            provider="fake",
            name=name,
            instance="fake",
            requests=({"call": "batch_predict", "body": body},),
        )

    def batch_status(self, batch: BatchRef, call: Call) -> BatchStatus:
        """The next look, or that it has succeeded."""
        job = self._looked(batch)
        if isinstance(job.seen, BatchStatus):
            return job.seen
        return BatchStatus(state=job.state, started=SUBMITTED, billed_seconds=BILLED if job.state.final else None)

    def cancel_batch(self, batch: BatchRef, call: Call) -> None:
        """Unless it has ended."""
        self._cancel(batch)

    def fetch_batch(self, batch: BatchRef, folder: Path, call: Call) -> None:
        """Each request's own tensors, of a job that was seen to have succeeded."""
        from cloudai.serving.batch_results import result_file
        from cloudai.serving.batches import prepare_batch

        self._must_have_succeeded(batch)
        request = self._job(batch).request
        assert request is not None  # a batch job has one
        with prepare_batch(request).lines() as files:
            for file in files:
                with result_file(folder, file.name) as target, file.path.open("rb") as source:
                    target.writelines(_echoed(line) for line in source)

    def list_batches(self, call: Call) -> Sequence[BatchRef]:
        """Newest first."""
        return [ref for ref in self._refs() if isinstance(ref, BatchRef)]

    # --- what stands ---------------------------------------------------------------------------------

    def submitted(self, request: TrainingJob | BatchPredictRequest, answer: T) -> T:
        """The submission's answer, with the handle of this backend; the same name again finds the first. A scripted
        result of a batch job that has ended is what looks at it find."""
        ref = answer.run if isinstance(answer, TrainResult) else answer.batch or _batch_of(request)
        if ref is None:
            return answer
        mine = ref.model_copy(update={"backend": self._name, "submitted": ref.submitted or SUBMITTED})
        job = _Job(ref=mine, request=request if isinstance(request, BatchPredictRequest) else None)
        if isinstance(answer, BatchPredictResult) and answer.state.final:
            job.seen = BatchStatus(**{name: getattr(answer, name) for name in _ENDED})
        with self._jobs.lock:
            found = (self._name, mine.name) in self._jobs.jobs
            self._jobs.jobs.setdefault((self._name, mine.name), job)
        named = "run" if isinstance(answer, TrainResult) else "batch"
        return answer.filled(**{named: mine, "found": answer.found or found})

    def _refs(self) -> list[RunRef | BatchRef]:
        with self._jobs.lock:
            return [job.ref for (backend, _), job in reversed(self._jobs.jobs.items()) if backend == self._name]

    def _job(self, ref: RunRef | BatchRef) -> _Job:
        job = self._jobs.jobs.get((self._name, ref.name))
        if job is None or type(job.ref) is not type(ref):
            raise CloudAIError(f"the fake has no {ref.name}", code=ErrorCode.NOT_FOUND)
        return job

    def _looked(self, ref: RunRef | BatchRef) -> _Job:
        """The job after the next look at it; one that has ended stays as it is."""
        job = self._job(ref)
        with self._jobs.lock:
            if job.state.final:
                return job
            found = self._jobs.looks.popleft() if self._jobs.looks else JobState.SUCCEEDED
            if isinstance(found, Exception):
                raise found
            job.seen = found
        return job

    def _cancel(self, ref: RunRef | BatchRef) -> None:
        job = self._job(ref)
        with self._jobs.lock:
            if not job.state.final:
                job.seen = JobState.CANCELLED

    def _must_have_succeeded(self, ref: RunRef | BatchRef) -> None:
        state = self._job(ref).state
        if state is not JobState.SUCCEEDED:
            raise CloudAIError(f"{ref.name} has nothing to fetch: it is {state}", code=ErrorCode.CONFLICT)


_ENDED = ("state", "total", "succeeded", "failed", "failures", "output")
"""Of a batch job: what its result and its status have in common."""


def _batch_of(request: TrainingJob | BatchPredictRequest) -> BatchRef:
    from cloudai.serving.batches import prepare_batch

    assert isinstance(request, BatchPredictRequest)  # whoever answers with a batch job's result was asked for one
    name = prepare_batch(request).name
    return BatchRef(backend="fake", id=f"fake-{name}", name=name)


def _echoed(line: bytes) -> bytes:
    import json

    from cloudai.serving.batch_results import error_line

    try:
        request = json.loads(line)
        named = {"id": request["id"]} if "id" in request else {}
        answer = json.dumps({**named, "model_name": "fake", "outputs": request["inputs"]}).encode()
    except (ValueError, KeyError, TypeError):
        answer = error_line("the line is no inference request", line)
    return answer + b"\n"
