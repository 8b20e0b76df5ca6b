"""What is told of each call: that it began, how each attempt went, that it ended. For telemetry, logs and hooks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol

from cloudai.calls.observed import Observed, observed

if TYPE_CHECKING:
    from cloudai.calls.job import Job, Step
    from cloudai.errors import CloudAIError
    from cloudai.ledger import CallRecord
    from cloudai.types.results import Result

logger = logging.getLogger("cloudai.calls")
"""At DEBUG one line for each call that ended well, at INFO one for each that failed. Never a payload or a secret."""


class Watcher(Protocol):
    """Must not raise, and must not keep payloads."""

    def begun(self, job: Job) -> AbstractContextManager[object]:
        """Entered for as long as the call lasts, in its thread or task."""
        ...

    def attempted(self, job: Job, step: Step[Any], seconds: float, error: CloudAIError | None) -> None:
        """One request was answered or has failed."""
        ...

    def ended(self, job: Job, result: Result | None, error: CloudAIError | None) -> None:
        """The call has ended, one way or the other."""
        ...


class Hook:
    """A user's function, given the figures of each call that ended."""

    def __init__(self, on_call: Callable[[CallRecord], None]) -> None:
        self._on_call = on_call

    def begun(self, job: Job) -> AbstractContextManager[object]:
        return nullcontext()

    def attempted(self, job: Job, step: Step[Any], seconds: float, error: CloudAIError | None) -> None:
        """Nothing: attempts are counted in the record."""

    def ended(self, job: Job, result: Result | None, error: CloudAIError | None) -> None:
        try:
            self._on_call(record(job, result, error))
        except Exception:  # a hook that fails must not take the answer with it
            logger.exception("the on_call hook failed")


def log(job: Job, result: Result | None, error: CloudAIError | None) -> None:
    """A line on the logger `cloudai.calls`, where somebody listens."""
    level = logging.DEBUG if error is None else logging.INFO
    if not logger.isEnabledFor(level):
        return
    call = record(job, result, error)
    logger.log(
        level,
        "%s at %s: %s after %.3f s (queue %.3f, upstream %.3f), %d attempt(s), cost %s",
        call.operation,
        call.backend or "nobody",
        call.outcome,
        call.latency / 1e6,
        (call.queue or 0) / 1e6,
        (call.upstream or 0) / 1e6,
        call.attempts,
        "unknown" if call.cost is None else f"{call.cost / 1e6:.6f} USD",
    )


def record(job: Job, result: Result | None, error: CloudAIError | None) -> CallRecord:
    """What is written down of a call that ended: figures and codes, never payloads. Made once, for all who ask."""
    if job.record is None:
        job.record = _record(job, result, error)
    return job.record


def _record(job: Job, result: Result | None, error: CloudAIError | None) -> CallRecord:
    from cloudai.ledger import CallRecord, Used, micro

    total = job.elapsed()
    queue = sum(turn.waited for turn in job.turns)
    upstream = sum(turn.upstream for turn in job.turns)
    backend = job.turns[-1].lane.backend if job.turns else ""
    entry = job.engine.backends.get(backend)
    seen = observed(job.operation, result) if result is not None else Observed()
    return CallRecord(
        operation=job.operation,
        outcome="ok" if error is None else error.code.value,
        call_id=job.key,
        backend=result.backend if result is not None else backend,
        provider=result.provider if result is not None else (entry.provider if entry is not None else ""),
        region=result.region if result is not None else (entry.region if entry is not None else None),
        model=result.model if result is not None else None,
        attempts=job.attempts,
        latency=_micros(total),
        queue=_micros(queue),
        upstream=_micros(upstream),
        overhead=_micros(max(0.0, total - queue - upstream)),
        cost=None if result is None or result.cost is None else micro(result.cost.amount),
        usage=() if result is None else [Used(meter=u.meter, unit=u.unit, quantity=u.quantity) for u in result.usage],
        cached=result is not None and result.cached,
        tag=job.options.get("tag"),
        top_label=seen.label,
        confidence=seen.confidence,
        language=seen.language,
        input_bytes=job.input_bytes,
    )


def _micros(seconds: float) -> int:
    return round(seconds * 1_000_000)
