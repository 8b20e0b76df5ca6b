"""Waiting for what goes on at a backend: when to look again, when waiting ends, and how many looks may fail."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, TypeVar

from cloudai.errors import CloudAIError, ErrorCode
from cloudai.types.speech import JobState

LOOKS: Final = 5
"""That may fail in a row, each with its own retries, before waiting ends."""
_PASSING: Final = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.DEADLINE_EXCEEDED, ErrorCode.RATE_LIMITED})


class Standing(Protocol):
    """What a look finds."""

    @property
    def state(self) -> JobState: ...


Found = TypeVar("Found", bound=Standing)


class Looks:
    """One wait of `timeout` seconds. `late` is said when it ends: the work itself goes on."""

    def __init__(self, *, backend: str, operation: str, timeout: float, late: str) -> None:
        self._backend, self._operation, self._late = backend, operation, late
        self._ends = time.monotonic() + timeout
        self._failed = 0

    def until_final(
        self, look: Callable[[], Found], interval: float, progress: Callable[[Found], None] | None
    ) -> Found:
        """Looks every `interval` seconds; the last state, whatever it is."""
        while True:
            try:
                status = look()
            except CloudAIError as error:
                self._forgive(error)
            else:
                if self._ended(status, progress):
                    return status
            time.sleep(self._pause(interval))

    async def until_final_async(
        self, look: Callable[[], Awaitable[Found]], interval: float, progress: Callable[[Found], None] | None
    ) -> Found:
        """The same with `await`."""
        import asyncio

        while True:
            try:
                status = await look()
            except CloudAIError as error:
                self._forgive(error)
            else:
                if self._ended(status, progress):
                    return status
            await asyncio.sleep(self._pause(interval))

    def _forgive(self, error: CloudAIError) -> None:
        """Raises one that waiting does not cure, and the last of too many."""
        self._failed += 1
        if error.code not in _PASSING or self._failed == LOOKS:
            raise error

    def _ended(self, status: Found, progress: Callable[[Found], None] | None) -> bool:
        self._failed = 0
        if progress:
            progress(status)
        return status.state.final

    def _pause(self, interval: float) -> float:
        """Seconds to the next look. Raises `deadline_exceeded` where it would come after the end."""
        if time.monotonic() + interval > self._ends:
            raise CloudAIError(
                self._late, code=ErrorCode.DEADLINE_EXCEEDED, backend=self._backend, operation=self._operation
            )
        return interval
