"""What is written down of a call that ended: for the books, telemetry, the log and a user's hook."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from cloudai.calls.cost import cost_of
from cloudai.calls.observed import NOT_ANSWERED, observed
from cloudai.ledger import CallRecord, Used, micro

if TYPE_CHECKING:
    from cloudai.calls.job import Job
    from cloudai.errors import CloudAIError
    from cloudai.types.results import PriceRef, Result

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
    queue = upstream = 0.0
    for turn in job.turns:
        queue += turn.waited
        upstream += turn.upstream
    backend, provider, region = _who(job, result)
    seen = observed(job.operation, result) if result is not None else NOT_ANSWERED
    return CallRecord(
        operation=job.operation,
        outcome="ok" if error is None else error.code.value,
        call_id=job.key,
        backend=backend,
        provider=provider,
        region=region,
        model=result.model if result is not None else None,
        attempts=job.attempts,
        latency=_micros(total),
        queue=_micros(queue),
        upstream=_micros(upstream),
        overhead=_micros(max(0.0, total - queue - upstream)),
        cost=None if result is None or result.cost is None else micro(result.cost.amount),
        usage=() if result is None else _used(result),
        cached=result is not None and result.cached,
        tag=job.options.get("tag"),
        top_label=seen.label,
        confidence=seen.confidence,
        language=seen.language,
        input_bytes=job.input_bytes,
        at=time.time_ns() // 1000,
    )


def _who(job: Job, result: Result | None) -> tuple[str, str, str | None]:
    """Backend, provider and region of who answered, or was asked last."""
    if result is not None:
        return result.backend, result.provider, result.region
    backend = job.turns[-1].lane.backend if job.turns else ""
    entry = job.engine.backends.get(backend)
    return (backend, entry.provider, entry.region) if entry is not None else (backend, "", None)


def _used(result: Result) -> tuple[Used, ...]:
    """With what each was priced by; of one meter the result says it."""
    if len(result.usage) == 1:
        (one,) = result.usage
        return (Used(meter=one.meter, unit=one.unit, quantity=one.quantity, sku=_sku(result.price_ref)),)
    priced = [(used, cost_of(result.provider, result.region, (used,))[1]) for used in result.usage]
    return tuple(
        [Used(meter=used.meter, unit=used.unit, quantity=used.quantity, sku=_sku(refs)) for used, refs in priced]
    )


def _sku(refs: Sequence[PriceRef]) -> str:
    if not refs:
        return ""
    return refs[0].sku if len(refs) == 1 else " + ".join(dict.fromkeys(ref.sku for ref in refs))


def _micros(seconds: float) -> int:
    return round(seconds * 1_000_000)
