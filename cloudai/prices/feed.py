"""What every price feed is read into: a ladder of prices for one meter in one region, in the feed's own units."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal

from cloudai_pricing.entries import Tier

Provider = Literal["aws", "azure", "gcp"]
Step = Callable[[], None]
"""Called once per document that was read: the progress bar."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What to refresh and where from."""

    providers: tuple[str, ...]
    services: tuple[str, ...] = ()
    """Words of service names; none: all that are mapped."""
    regions: frozenset[str] | None = None
    """None: every region that the planner knows."""
    bases: Mapping[str, str] = field(default_factory=dict)
    """Provider -> another address of its feed."""
    google_api_key: str | None = field(default=None, repr=False)
    trusted: bool = False
    """Take a feed's price also where it is dated before the one that is there."""
    aws_api: Literal["bulk", "query"] = "bulk"
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True, kw_only=True, slots=True)
class FeedPrice:
    """One meter in one region, as a feed has it. Tiers are marginal, in units of `unit`, the first from 0."""

    provider: Provider
    product: str
    """AWS service code, Google service name, Azure product name."""
    meter: str
    """AWS usage type without its region prefix, Google SKU id, Azure meter name."""
    region: str
    """The provider's own name; `global` where the feed has none."""
    unit: str
    tiers: tuple[Tier, ...]
    effective_from: str
    """The ISO day from which the provider says the price is in force."""
    as_of: str
    """The ISO day of the feed: that it was published on, else read on."""
    source: str
    id: str
    """The provider's own id of the row, for messages."""
    description: str = ""

    def __str__(self) -> str:
        what = f"{self.meter} ({self.description})" if self.description else self.meter
        return f"{self.provider} {self.product} / {what} in {self.region} [{self.id}]"


def ladder(starts: dict[Decimal, Decimal]) -> tuple[Tier, ...]:
    """Tiers of `start -> price`, where each tier ends where the next starts and the last is open.

    Raises `ValueError` where nothing starts at 0: what the first units cost is then not known.
    """
    order = sorted(starts)
    if not order or order[0] != 0:
        raise ValueError("no tier starts at 0")
    ends: list[Decimal | None] = [*order[1:], None]
    return tuple(Tier(up_to=end, price=starts[start]) for start, end in zip(order, ends, strict=True))
