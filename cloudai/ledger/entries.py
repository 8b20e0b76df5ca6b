"""What is written into a ledger: attempts (money), calls (what `cloudai stats` is made of). Never payloads or secrets.

Money is in whole micro-USD, rounded up: a ledger never says less than was spent. Instants are microseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from enum import IntEnum, StrEnum

MICRO = 1_000_000


def micro(amount: Decimal) -> int:
    """Whole micro-USD of an amount in USD, rounded up."""
    return int((amount * MICRO).to_integral_value(rounding=ROUND_CEILING))


def dollars(amount: int) -> Decimal:
    """USD of micro-USD, exactly."""
    return Decimal(amount).scaleb(-6)


class State(IntEnum):
    """What is known of an attempt's cost."""

    RESERVED = 0
    """On its way: its bound is held."""
    SETTLED = 1
    """Its cost is known."""
    RELEASED = 2
    """It was not billed."""
    UNKNOWN = 3
    """Nobody knows whether it was billed: it counts as spent at its bound until somebody says better."""


class Outcome(StrEnum):
    """How an attempt ended, for its money."""

    ANSWERED = "answered"
    """Billed; without a known cost it counts at its bound."""
    UNBILLED = "unbilled"
    """The provider refused it, or it never left: the bound is released."""
    UNKNOWN = "unknown"
    """It may have been billed: a lost connection, a timeout. Counts as spent at its bound."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One request about to be sent. `call_id` is the same for all attempts of one call."""

    operation: str
    backend: str
    provider: str
    region: str | None = None
    bound: int | None
    """The most it can cost, in micro-USD; `None`: no price is known."""
    tag: str | None = None
    """The user's project."""
    call_id: str = ""
    attempt: int = 1


class Said(StrEnum):
    """Codes of the notices that a reservation carries."""

    THRESHOLD = "budget_threshold"
    OVER = "budget_exceeded"
    UNPRICED = "budget_unpriced"
    UNBOOKED = "ledger_unavailable"


@dataclass(frozen=True, kw_only=True, slots=True)
class BudgetNotice:
    """Something to tell beside the result: a threshold passed, a budget exceeded, a ledger that can't be written."""

    code: Said
    message: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Reservation:
    """A bound that is held for one attempt. Settle it once; a second time changes nothing."""

    id: int | None
    """In the ledger; `None`: it was not booked (no ledger, or one that can't be written)."""
    attempt: Attempt
    at: int
    notices: tuple[BudgetNotice, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class CallRecord:
    """One finished call: figures and codes only. Latencies are in microseconds; `None`: not known, or not asked for."""

    operation: str
    outcome: str
    """`ok`, or the code of its error."""
    call_id: str = ""
    backend: str = ""
    """The one that answered, or that was asked last."""
    provider: str = ""
    region: str | None = None
    model: str | None = None
    attempts: int = 1
    latency: int = 0
    queue: int | None = None
    """Waiting for a limiter or between attempts."""
    overhead: int | None = None
    """Inside cloudai."""
    upstream: int | None = None
    """From sending to the answer."""
    cost: int | None = None
    """Micro-USD."""
    usage: Sequence[Used] = ()
    cached: bool = False
    tag: str | None = None
    top_label: str | None = None
    confidence: float | None = None
    """Of the top label, 0..1."""
    language: str | None = None
    input_bytes: int | None = None
    at: int = 0
    """0: now."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Used:
    """Units of one meter, as a result's `Usage` has them."""

    meter: str
    unit: str
    quantity: Decimal
    sku: str = ""
    """The entry of the price book that it was priced by; several that are billed together: `a + b`. Empty: none."""
