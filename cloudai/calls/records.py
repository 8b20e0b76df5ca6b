"""What is written down of a call that ended: for the books, telemetry, the log and a user's hook."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from cloudai.calls.observed import Observed, observed
from cloudai.ledger import CallRecord, Used, micro

if TYPE_CHECKING:
    from cloudai.calls.job import Job
    from cloudai.errors import CloudAIError
    from cloudai.types.results import Result

logger = logging.getLogger("cloudai.calls")
OnCall = Callable[[CallRecord], None]
"""A user's function that is given the figures of each call."""


def tell(on_call: OnCall, call: CallRecord) -> None:
    """A hook that fails must not take the answer with it."""
    try:
        on_call(call)
    except Exception:
        logger.exception("the on_call hook failed")


def record(job: Job, result: Result | None, error: CloudAIError | None) -> CallRecord:
    """What is written down of a call that ended: figures and codes, never payloads. Made once, for all who ask."""
    if job.record is None:
        job.record = _record(job, result, error)
    return job.record


def _record(job: Job, result: Result | None, error: CloudAIError | None) -> CallRecord:
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
        at=time.time_ns() // 1000,
    )


def _micros(seconds: float) -> int:
    return round(seconds * 1_000_000)
