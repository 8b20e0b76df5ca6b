"""One backend serving one operation: whether, when and how fast it is asked, and how it has been doing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudai.calls.breaker import Breaker
from cloudai.calls.latencies import Latencies
from cloudai.calls.limiter import Limiter
from cloudai.calls.retry_tokens import FAULT, REFUND, THROTTLED, RetryTokens
from cloudai.errors import CloudAIError, ErrorCode

if TYPE_CHECKING:
    from cloudai.config import Policy

SICK = frozenset(
    {
        ErrorCode.UNAVAILABLE,
        ErrorCode.DEADLINE_EXCEEDED,
        ErrorCode.INTERNAL,
        ErrorCode.UNAUTHENTICATED,
        ErrorCode.PERMISSION_DENIED,
    }
)
"""Failures that speak against the backend. Any other answer shows that it is well."""
OURS = frozenset({ErrorCode.BUDGET_EXCEEDED, ErrorCode.CANCELLED})
"""Failures that say nothing of it: it was not asked, or not waited for."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lane:
    """The state that all calls of one client share. Its parts are thread-safe."""

    backend: str
    operation: str
    tokens: RetryTokens
    breaker: Breaker
    limiter: Limiter
    latencies: Latencies
    policy: Policy

    @property
    def open_now(self) -> bool:
        """Whether a request would be sent now, were one to come."""
        return not self.breaker.remaining

    def answered(self, seconds: float, spent: int) -> None:
        """An answer after `seconds`; `spent`: tokens that its retry took."""
        self.breaker.answered()
        self.limiter.answered()
        self.tokens.give(spent or REFUND)
        self.latencies.add(seconds)

    def failed(self, error: CloudAIError) -> None:
        """Tells each part what it has to know."""
        if error.code is ErrorCode.RATE_LIMITED:
            self.limiter.throttled(error.retry_after)
            self.breaker.answered()
        elif error.code is ErrorCode.QUOTA_EXHAUSTED:
            self.breaker.trip(max(self.policy.quota_cooldown, error.retry_after or 0.0))
        elif error.code in SICK:
            self.breaker.failed()
        elif error.code not in OURS:
            self.breaker.answered()

    def retry_cost(self, error: CloudAIError) -> int:
        """Tokens of a retry after this failure, taken; 0: there are none left."""
        cost = THROTTLED if error.code is ErrorCode.RATE_LIMITED else FAULT
        return cost if self.tokens.take(cost) else 0


class Lanes:
    """All lanes of one client, made as they are asked for."""

    def __init__(self, policy: Policy, rates: Mapping[tuple[str, str], float] | None = None) -> None:
        self._policy = policy
        self._rates = rates or {}
        self._tokens: dict[str, RetryTokens] = {}
        self._lanes: dict[str, dict[str, Lane]] = {}

    def lane(self, backend: str, operation: str) -> Lane:
        """The one of this backend and operation. Two threads that come first at once may make it; one stays."""
        try:
            return self._lanes[operation][backend]
        except KeyError:
            lanes = self._lanes.setdefault(operation, {})
            return lanes.setdefault(backend, self._made(backend, operation))

    def _made(self, backend: str, operation: str) -> Lane:
        policy = self._policy
        return Lane(
            backend=backend,
            operation=operation,
            tokens=self._tokens.setdefault(backend, RetryTokens(policy.retry_tokens)),
            breaker=Breaker(
                failures=policy.breaker_failures,
                cooldown=policy.breaker_cooldown,
                max_cooldown=policy.max_cooldown,
                lease=policy.timeout,
            ),
            limiter=Limiter(
                rate=self._rates.get((backend, operation)), backoff=policy.backoff, max_backoff=policy.max_backoff
            ),
            latencies=Latencies(),
            policy=policy,
        )
