"""The one owner of retries: attempt timeout, deadline over everything, backoff, `Retry-After`, ordered fallback.

A driver sends once per attempt, with its SDK's own retries off, so requests on the wire equal attempts here.
The rules, for one call over backends A, B, C:

- An attempt gets `timeout` seconds, but never more than its backend's share of what is left of the deadline: with
  fallbacks behind it a backend may use (time left) / (backends left), so that a hung first one can't eat it all.
- A retryable failure is tried again up to `max_attempts` times on that backend, after `Retry-After` when the backend
  gave one that fits in its share (else the next backend is taken at once), or after full-jitter backoff.
- A failure that another backend may cure (`errors.FALLBACK`) moves on to it; any other is raised.
- An operation that creates something (`custom.train`, a job) is never sent again after its outcome is unknown.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from cloudai.errors import FALLBACK, CloudAIError, ErrorCode

if TYPE_CHECKING:
    from tenacity import RetryCallState

    from cloudai.config import Policy

T = TypeVar("T")

CREATES = frozenset({"custom.train", "custom.deploy", "custom.batch_predict"})
"""Operations that create a resource: not repeated when it is not known whether the first one got through."""

_UNCERTAIN = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.DEADLINE_EXCEEDED, ErrorCode.INTERNAL})


@dataclass(slots=True)
class Turn:
    """One backend's turn within a call: how long it has, and how often it was tried."""

    policy: Policy
    ends: float
    """Monotonic time at which its share of the deadline is over."""
    timeout: float
    repeatable: bool = True
    attempts: int = 0

    def next_timeout(self) -> float:
        """Seconds for the next attempt. Raises `deadline_exceeded` when there are none left."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise CloudAIError(
                f"the deadline passed after {self.attempts} attempt(s)", code=ErrorCode.DEADLINE_EXCEEDED
            )
        self.attempts += 1
        return min(self.timeout, left)

    def again(self, error: BaseException) -> bool:
        """Whether this failure is worth another attempt at the same backend."""
        return (
            isinstance(error, CloudAIError)
            and error.retryable
            and self.repeatable
            and self.attempts < self.policy.max_attempts
            and time.monotonic() + (error.retry_after or 0.0) < self.ends
        )

    def pause(self, error: BaseException) -> float:
        """Seconds before the next attempt: what the backend asked for, or full jitter."""
        asked = error.retry_after if isinstance(error, CloudAIError) else None
        if asked is not None:
            return max(0.0, asked)
        bound = min(self.policy.max_backoff, self.policy.backoff * 2.0 ** (self.attempts - 1))
        left = max(0.0, self.ends - time.monotonic())
        return min(random.uniform(0.0, bound), left)  # noqa: S311  # jitter, not a secret

    def run(self, attempt: Callable[[float], T]) -> T:
        """Calls `attempt(timeout)` until it answers or is not worth repeating. The first one costs no machinery."""
        try:
            return attempt(self.next_timeout())
        except CloudAIError as error:
            if not self.again(error):
                raise
            first = error
        from tenacity import Retrying

        time.sleep(self.pause(first))
        return Retrying(**self._tenacity())(lambda: attempt(self.next_timeout()))

    async def run_async(self, attempt: Callable[[float], Awaitable[T]]) -> T:
        """The same for an async attempt."""
        try:
            return await attempt(self.next_timeout())
        except CloudAIError as error:
            if not self.again(error):
                raise
            first = error
        import asyncio

        from tenacity import AsyncRetrying

        async def once() -> T:
            return await attempt(self.next_timeout())

        await asyncio.sleep(self.pause(first))
        return await AsyncRetrying(**self._tenacity())(once)

    def _tenacity(self) -> dict[str, Any]:
        from tenacity import retry_if_exception

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            return self.pause(error) if error else 0.0

        return {"retry": retry_if_exception(self.again), "wait": wait, "reraise": True}


def turn(policy: Policy, *, ends: float, timeout: float, backends_left: int, operation: str) -> Turn:
    """The next backend's turn, with its share of the time that is left until `ends`."""
    now = time.monotonic()
    share = (ends - now) / max(1, backends_left)
    return Turn(policy=policy, ends=now + share, timeout=timeout, repeatable=operation not in CREATES)


def may_fall_back(error: CloudAIError, operation: str) -> bool:
    """Whether another backend should be asked after this failure."""
    return error.code in FALLBACK and not (operation in CREATES and error.code in _UNCERTAIN)


def settle(error: CloudAIError, operation: str) -> CloudAIError:
    """The error to raise: for a creating operation a lost answer is `outcome_unknown`, not a failure."""
    if operation in CREATES and error.code in _UNCERTAIN:
        error.code, error.retryable = ErrorCode.OUTCOME_UNKNOWN, False
        error.message += "; it may have been created: look before you submit it again"
    return error
