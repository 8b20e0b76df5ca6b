"""What is told of each call when it begins and ends: for telemetry, logs, and a user's own hook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from cloudai.calls.job import Job
    from cloudai.errors import CloudAIError
    from cloudai.types.results import Result


class Watcher(Protocol):
    """Must not raise, and must not keep payloads."""

    def begun(self, job: Job) -> AbstractContextManager[object]:
        """Entered for as long as the call lasts, in its thread or task."""
        ...

    def ended(self, job: Job, result: Result | None, error: CloudAIError | None) -> None:
        """The call has ended, one way or the other."""
        ...
