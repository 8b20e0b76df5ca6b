"""What every result carries: who answered, what it used, what it cost, and what could not be honoured."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue


class Model(BaseModel):
    """Base of all requests and results: frozen, keyword-only, strict about unknown fields, JSON round trip.

    `model_dump_json()` and `model_validate_json()` are inverse to each other.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        defer_build=True,
        protected_namespaces=(),
        ser_json_bytes="base64",
        val_json_bytes="base64",
    )


class Money(Model):
    """An exact amount. Unknown is `None` in the place of a `Money`, never zero."""

    amount: Decimal
    currency: str = "USD"

    def __str__(self) -> str:
        return f"{self.amount:f} {self.currency}"


class Usage(Model):
    """Billable units of one meter, as the provider counts them."""

    meter: str
    """The operation, or the add-on feature, that is metered: `vision.detect_labels`."""
    unit: str
    """`image`, `page`, `second`, `character`, `request`, ..."""
    quantity: Decimal
    features: tuple[str, ...] = ()
    """Features that change the price: `tables`, `pii_redaction`."""
    variant: str | None = None
    """Which of several SKUs of the operation: `neural`, `standard`; `None`: the default one."""


class PriceRef(Model):
    """Which row of the price book a cost came from."""

    sku: str
    service: str
    region: str
    source: str
    """URL of the page or feed."""
    as_of: str
    """ISO date on which it was read there."""
    confidence: str


class Notice(Model):
    """Something that was asked for and could not be honoured, or that will change: read it, nothing failed."""

    code: str
    """Stable: `option_ignored`, `retiring`, `preview`, `gated`, `partial`, `truncated`, `resized`, `fallback`,
    `redacted`, `split`, `billed_before`."""
    message: str


class Result(Model):
    """The envelope of every answer.

    A driver fills the payload, `usage`, `warnings`, `request_id`, `model` and, when asked, `raw`;
    the client fills the rest. `latency` is in seconds, for the whole call with its retries.
    """

    OPERATION: ClassVar[str]

    operation: str = ""
    provider: str = ""
    backend: str = ""
    region: str | None = None
    usage: tuple[Usage, ...] = ()
    cost: Money | None = None
    """List price of this call before volume tiers and free allowances. `None`: unknown."""
    price_ref: tuple[PriceRef, ...] = ()
    cached: bool = False
    """Taken from the route's cache: nothing was sent, and it cost nothing."""
    latency: float = 0.0
    attempts: int = 1
    request_id: str | None = None
    model: str | None = None
    """The model, engine or version that answered, in the provider's words."""
    warnings: tuple[Notice, ...] = ()
    raw: JsonValue = None
    """The provider's own answer, when the call asked for `raw=True`."""

    def filled(self, **fields: Any) -> Self:
        """The same with some fields set, as `model_copy(update=...)` makes it, in a third of its time.

        Nothing is validated: for those who make results, on the path of every call.
        """
        made = object.__new__(type(self))
        object.__setattr__(made, "__dict__", {**self.__dict__, **fields})
        object.__setattr__(made, "__pydantic_fields_set__", self.__pydantic_fields_set__ | fields.keys())
        object.__setattr__(made, "__pydantic_extra__", None)
        object.__setattr__(made, "__pydantic_private__", None)
        return made


class Attributes(Model):
    """Vendor attributes that have no neutral meaning: kept, never interpreted."""

    values: Mapping[str, JsonValue] = Field(default_factory=dict)
