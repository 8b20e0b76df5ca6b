"""What is told of each call while it goes on (telemetry), and the line that the log has of it."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from cloudai.calls.job import Job, Step
    from cloudai.errors import CloudAIError
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


def log(job: Job, result: Result | None, error: CloudAIError | None) -> None:
    """A line on the logger `cloudai.calls`, where somebody listens."""
    level = logging.DEBUG if error is None else logging.INFO
    if not logger.isEnabledFor(level):
        return
    from cloudai.calls.records import record

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
