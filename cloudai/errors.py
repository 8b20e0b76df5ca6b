"""Every error that cloudai raises: one base, one enum of codes.

    CloudAIError                 carries code, provider, backend, operation, retryable, retry_after, request_id
    ├── ConfigError              the config file, the environment or a capability file is wrong (invalid_input)
    ├── InvalidInput             the caller's argument is wrong (invalid_input)
    │   └── TooLarge             ... is over a limit that the message names (too_large)
    ├── Unsupported              the backend cannot do this, with the reason (unsupported)
    │   └── MissingDependency    ... until something is installed; the message has the exact line (unsupported)
    ├── BudgetExceeded           nothing was sent: a budget has no room for it (budget_exceeded)
    └── ServiceError             what a backend answered, mapped from its own code (any code)

`__cause__` is the vendor's exception. Codes are mapped from vendor *codes*, never from prose.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal


class ErrorCode(StrEnum):
    """What went wrong, in the same word for every provider."""

    INVALID_INPUT = "invalid_input"
    UNAUTHENTICATED = "unauthenticated"
    PERMISSION_DENIED = "permission_denied"
    NOT_FOUND = "not_found"
    UNSUPPORTED = "unsupported"
    TOO_LARGE = "too_large"
    RATE_LIMITED = "rate_limited"
    QUOTA_EXHAUSTED = "quota_exhausted"
    UNAVAILABLE = "unavailable"
    DEADLINE_EXCEEDED = "deadline_exceeded"
    BUDGET_EXCEEDED = "budget_exceeded"
    CONFLICT = "conflict"
    CANCELLED = "cancelled"
    OUTCOME_UNKNOWN = "outcome_unknown"
    INTERNAL = "internal"


RETRYABLE = frozenset({ErrorCode.RATE_LIMITED, ErrorCode.UNAVAILABLE, ErrorCode.DEADLINE_EXCEEDED})
"""Codes that another attempt at the same backend may cure. (A deadline here is that of one attempt.)"""

FALLBACK = RETRYABLE | {
    ErrorCode.UNAUTHENTICATED,
    ErrorCode.PERMISSION_DENIED,
    ErrorCode.UNSUPPORTED,
    ErrorCode.TOO_LARGE,
    ErrorCode.QUOTA_EXHAUSTED,
    ErrorCode.BUDGET_EXCEEDED,
    ErrorCode.INTERNAL,
}
"""Codes that another *backend* may cure: its credentials, limits, health and price are its own."""


class Delivery(StrEnum):
    """How far a request that failed got: whether it may be sent again, and whether it may be billed."""

    NOT_SENT = "not_sent"
    """No byte of it left: a name that does not resolve, a refused connection."""
    REFUSED = "refused"
    """The backend answered with an error: it did nothing, and bills nothing."""
    UNKNOWN = "unknown"
    """It may have been done: a lost connection, a time-out, an answer that can't be read."""


UNSURE = frozenset(
    {
        ErrorCode.UNAVAILABLE,
        ErrorCode.DEADLINE_EXCEEDED,
        ErrorCode.INTERNAL,
        ErrorCode.CANCELLED,
        ErrorCode.OUTCOME_UNKNOWN,
    }
)
"""Codes after which nobody knows whether the request was done, unless its `delivery` says so."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """What a driver says of a vendor exception: the code, and what the vendor told us about it."""

    code: ErrorCode
    message: str | None = None
    retryable: bool | None = None
    """None: what the code says (`RETRYABLE`)."""
    retry_after: float | None = None
    """Seconds the backend asked to wait."""
    request_id: str | None = None
    delivery: Delivery | None = None
    """None: what the code says (`UNSURE`)."""


class CloudAIError(Exception):
    """The base. `str()` is one or two lines that say what to do."""

    code: ErrorCode = ErrorCode.INTERNAL

    def __init__(
        self,
        message: str,
        *,
        code: ErrorCode | None = None,
        provider: str | None = None,
        backend: str | None = None,
        operation: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
        attempts: int = 0,
        delivery: Delivery | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code if code is not None else type(self).code
        self.provider = provider
        self.backend = backend
        self.operation = operation
        self.retryable = self.code in RETRYABLE if retryable is None else retryable
        self.retry_after = retry_after
        self.request_id = request_id
        self.attempts = attempts
        self.delivery = (
            (Delivery.UNKNOWN if self.code in UNSURE else Delivery.REFUSED) if delivery is None else delivery
        )

    def __str__(self) -> str:
        where = ", ".join(part for part in (self.operation, self.backend) if part)
        return f"{self.message} [{where}: {self.code}]" if where else self.message

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.message!r}, code={self.code.value!r}, backend={self.backend!r})"


class ConfigError(CloudAIError):
    """The config file, an environment variable or a declaration is wrong. The message has file and line."""

    code = ErrorCode.INVALID_INPUT


class InvalidInput(CloudAIError):
    """The caller's argument is wrong; nothing was sent and nothing is billed."""

    code = ErrorCode.INVALID_INPUT


class TooLarge(InvalidInput):
    """The input is over a limit. The message names the limit and whose it is."""

    code = ErrorCode.TOO_LARGE


class Unsupported(CloudAIError):
    """The backend cannot do what was asked. The message has the reason."""

    code = ErrorCode.UNSUPPORTED


class MissingDependency(Unsupported):
    """A package, program or model file is not there. The message has the line that brings it."""

    def __init__(self, message: str, *, install: str, **details: str | None) -> None:
        super().__init__(
            f"{message}\nInstall it with: {install}",
            provider=details.get("provider"),
            backend=details.get("backend"),
            operation=details.get("operation"),
        )
        self.install = install


class BudgetExceeded(CloudAIError):
    """A budget has no room for a call, or its price is not known; nothing was sent. Amounts are in USD."""

    code = ErrorCode.BUDGET_EXCEEDED

    def __init__(
        self,
        message: str,
        *,
        backend: str | None = None,
        provider: str | None = None,
        operation: str | None = None,
        limit: str = "",
        spent: Decimal | None = None,
        reserved: Decimal | None = None,
        amount: Decimal | None = None,
        renews: str = "",
    ) -> None:
        super().__init__(message, backend=backend, provider=provider, operation=operation)
        self.limit = limit
        """Which budget: `monthly budget of tag team-a`."""
        self.spent = spent
        self.reserved = reserved
        self.amount = amount
        """Of the budget."""
        self.renews = renews
        """When it starts anew, ISO 8601."""


class ServiceError(CloudAIError):
    """What a backend answered. `__cause__` is the vendor's own exception."""
