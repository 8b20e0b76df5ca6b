"""The one owner of retries: attempt timeout, deadline over everything, backoff, `Retry-After`, retry tokens.

A driver sends once per attempt, with its SDK's own retries off, so requests on the wire equal attempts here.
The rules, for one call over backends A, B, C:

- An attempt gets `timeout` seconds, but never more than its backend's share of what is left of the deadline: with
  fallbacks behind it a backend may use (time left) / (backends left), so that a hung first one can't eat it all.
- A retryable failure is tried again up to `max_attempts` times on that backend, after `Retry-After` when the backend
  gave one that fits in its share (else the next backend is taken at once), or after full-jitter backoff. Each retry
  takes tokens of its backend (`cloudai.calls.retry_tokens`); when none are left the failure stands.
- A backend with a fallback is left alone while its breaker is open (`cloudai.calls.breaker`). One that throttled is
  waited for by every call (`cloudai.calls.limiter`), and asked last where there are others.
- A failure that another backend may cure (`errors.FALLBACK`) moves on to it; any other is raised.
- An operation that creates something (`custom.train`, a job) is sent again, here or elsewhere, only where nothing of
  it has left; any other doubt is `outcome_unknown`, with where to look.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from cloudai.calls.breaker import State
from cloudai.errors import FALLBACK, CloudAIError, Delivery, ErrorCode

if TYPE_CHECKING:
    from tenacity import RetryCallState

    from cloudai.calls.lane import Lane
    from cloudai.config import Policy

T = TypeVar("T")

CREATES = frozenset({"custom.train", "custom.deploy", "custom.batch_predict"})
"""Operations that create a resource: not repeated when it is not known whether the first one got through."""

_UNCERTAIN = frozenset({ErrorCode.UNAVAILABLE, ErrorCode.DEADLINE_EXCEEDED, ErrorCode.INTERNAL})
WHERE: Mapping[str, str] = {
    "custom.train": "look for a job that is named after yours in the list of training jobs",
    "custom.deploy": "look for its name in the list of endpoints",
    "custom.batch_predict": "look for its output, and in the list of batch jobs",
    "speech.transcribe": "look for {key} in the names of its transcription jobs",
}
"""Of what an operation may have created, how to find out. `key`: what the call's jobs and objects are named by."""


@dataclass(slots=True)
class Turn:
    """One backend's turn within a call: how long it has, and how often it was tried."""

    policy: Policy
    ends: float
    """Monotonic time at which its share of the deadline is over."""
    timeout: float
    lane: Lane
    alone: bool = True
    """No other backend could answer: its breaker is not asked."""
    repeatable: bool = True
    attempts: int = 0
    waited: float = 0.0
    """Seconds before attempts: backoff, `Retry-After`, rate limit."""
    upstream: float = 0.0
    """Seconds in attempts."""
    _spent: int = 0
    """Tokens that the last retry took."""

    def next_timeout(self) -> float:
        """Seconds for the next attempt. Raises `deadline_exceeded` when there are none left."""
        left = self.ends - time.monotonic()
        if left <= 0:
            raise CloudAIError(
                f"the deadline passed after {self.attempts} attempt(s)",
                code=ErrorCode.DEADLINE_EXCEEDED,
                # what creates something comes here only while nothing of it has left
                delivery=None if self.attempts and self.repeatable else Delivery.NOT_SENT,
            )
        self.attempts += 1
        return min(self.timeout, left)

    def place(self) -> float:
        """Seconds to wait for a place under the rate limit. Raises `rate_limited` when they don't fit in the turn."""
        limiter = self.lane.limiter
        wait = limiter.take(within=self.ends - time.monotonic())
        if wait is None:
            left = limiter.delay()
            raise CloudAIError(
                f"not sent: {self.lane.backend} is to be left alone for {left:.3g} s more",
                code=ErrorCode.RATE_LIMITED,
                retryable=False,
                retry_after=left,
                delivery=Delivery.NOT_SENT,
            )
        self.waited += wait
        return wait

    def again(self, error: BaseException) -> bool:
        """Whether this failure is worth another attempt at the same backend. Takes the tokens for it."""
        if not (
            isinstance(error, CloudAIError)
            and error.retryable
            and (self.repeatable or error.delivery is Delivery.NOT_SENT)
            and self.attempts < self.policy.max_attempts
            and time.monotonic() + (error.retry_after or 0.0) < self.ends
            and (self.alone or self.lane.breaker.state is not State.OPEN)
        ):
            return False
        self._spent = self.lane.retry_cost(error)
        return bool(self._spent)

    def pause(self, error: BaseException) -> float:
        """Seconds before the next attempt: what the backend asked for, or full jitter."""
        asked = error.retry_after if isinstance(error, CloudAIError) else None
        if asked is not None:
            seconds = max(0.0, asked)
        else:
            bound = min(self.policy.max_backoff, self.policy.backoff * 2.0 ** (self.attempts - 1))
            left = max(0.0, self.ends - time.monotonic())
            seconds = min(random.uniform(0.0, bound), left)  # noqa: S311  # jitter, not a secret
        self.waited += seconds
        return seconds

    def run(self, attempt: Callable[[float], T]) -> T:
        """Calls `attempt(timeout)` until it answers or is not worth repeating. The first one costs no machinery."""
        self.attempts = self._spent = 0
        try:
            return self._once(attempt)
        except CloudAIError as error:
            if not self.again(error):
                raise
            first = error
        from tenacity import Retrying

        time.sleep(self.pause(first))
        answer: T = Retrying(**self._tenacity())(lambda: self._once(attempt))
        return answer

    def _once(self, attempt: Callable[[float], T]) -> T:
        if wait := self.place():
            time.sleep(wait)
        timeout = self.next_timeout()
        begun = time.perf_counter()
        try:
            answer = attempt(timeout)
        except CloudAIError as error:
            self._failed(error, begun)
            raise
        self._answered(begun)
        return answer

    async def run_async(self, attempt: Callable[[float], Awaitable[T]]) -> T:
        """The same for an async attempt."""
        self.attempts = self._spent = 0
        try:
            return await self._once_async(attempt)
        except CloudAIError as error:
            if not self.again(error):
                raise
            first = error
        import asyncio

        from tenacity import AsyncRetrying

        await asyncio.sleep(self.pause(first))
        answer: T = await AsyncRetrying(**self._tenacity())(self._once_async, attempt)
        return answer

    async def _once_async(self, attempt: Callable[[float], Awaitable[T]]) -> T:
        if wait := self.place():
            import asyncio

            await asyncio.sleep(wait)
        timeout = self.next_timeout()
        begun = time.perf_counter()
        try:
            answer = await attempt(timeout)
        except CloudAIError as error:
            self._failed(error, begun)
            raise
        self._answered(begun)
        return answer

    def _answered(self, begun: float) -> None:
        seconds = time.perf_counter() - begun
        self.upstream += seconds
        self.lane.answered(seconds, self._spent)

    def _failed(self, error: CloudAIError, begun: float) -> None:
        self.upstream += time.perf_counter() - begun
        if error.retry_after is not None:
            error.retry_after = min(error.retry_after, self.policy.max_retry_after)
        self.lane.failed(error)

    def _tenacity(self) -> dict[str, Any]:
        from tenacity import retry_if_exception

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            return self.pause(error) if error else 0.0

        return {"retry": retry_if_exception(self.again), "wait": wait, "reraise": True}


def turn(
    policy: Policy, *, ends: float, timeout: float, backends_left: int, operation: str, lane: Lane, alone: bool = True
) -> Turn:
    """The next backend's turn, with its share of the time that is left until `ends`."""
    now = time.monotonic()
    share = (ends - now) / max(1, backends_left)
    return Turn(
        policy=policy, ends=now + share, timeout=timeout, lane=lane, alone=alone, repeatable=operation not in CREATES
    )


def may_fall_back(error: CloudAIError, operation: str) -> bool:
    """Whether another backend should be asked after this failure."""
    return error.code in FALLBACK and not (operation in CREATES and in_doubt(error))


def in_doubt(error: CloudAIError) -> bool:
    """Whether what the request was to create may be there. An answer of 5xx is no proof that it is not."""
    return error.code in _UNCERTAIN and error.delivery is not Delivery.NOT_SENT


def settle(error: CloudAIError, operation: str, *, key: str) -> CloudAIError:
    """The error to raise: for a creating operation a lost answer is `outcome_unknown`, not a failure."""
    return unknown(error, operation, key=key) if operation in CREATES else error


def unknown(error: CloudAIError, operation: str, *, key: str) -> CloudAIError:
    """`outcome_unknown`, and how to find out, where there is a doubt; any other failure as it is."""
    if in_doubt(error):
        error.code, error.retryable = ErrorCode.OUTCOME_UNKNOWN, False
        at = f" at {error.backend}" if error.backend else ""
        error.message += (
            f"\nIt may have been created{at}: {WHERE[operation].format(key=key)} before you submit it again"
        )
    return error
