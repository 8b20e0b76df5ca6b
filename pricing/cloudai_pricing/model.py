"""An estimate as typed data: what every output form is made from. Money is USD, quantities in the units named."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from cloudai_pricing.exact import ZERO

if TYPE_CHECKING:
    from cloudai_pricing.exit_option import OptionExit
    from cloudai_pricing.risk import Risk


@dataclass(frozen=True, kw_only=True)
class Range:
    """A cost in three cases; where the inputs have no range the three are equal."""

    low: Decimal
    likely: Decimal
    high: Decimal

    def __add__(self, other: Range) -> Range:
        return Range(low=self.low + other.low, likely=self.likely + other.likely, high=self.high + other.high)

    @property
    def certain(self) -> bool:
        """The three cases are one."""
        return self.low == self.likely == self.high


NOTHING = Range(low=ZERO, likely=ZERO, high=ZERO)


class Slice(NamedTuple):
    """Units billed at one price over all months. `start`, `end`: the tier's bounds (None: no end), in `unit`."""

    sku: str
    service: str
    region: str
    start: Decimal
    end: Decimal | None
    quantity: Decimal
    unit: str
    unit_price: Decimal
    list_unit_price: Decimal
    """Before a discount of the user's overlay."""
    cost: Decimal
    source: str
    as_of: str
    confidence: str
    overridden: bool
    free: bool = False


class Candidate(NamedTuple):
    """An instance that satisfies a compute line; `hourly` is for all its nodes."""

    sku: str
    nodes: int
    hourly: Decimal
    chosen: bool


class Crossing(NamedTuple):
    """From `month` on the next unit costs `after`, before it `before` (None: no known price).

    `at`: the edge that was passed, billed units a month, upwards where `rising`; None: an allowance began or ended,
    and the prices are of the first unit.
    """

    month: int
    sku: str
    unit: str
    at: Decimal | None
    rising: bool
    before: Decimal | None
    after: Decimal | None


@dataclass(frozen=True, kw_only=True)
class LineCost:
    """One line on one provider, over all months. `cost` None: nothing of it is priced; not complete: a lower bound.

    `marginal_unit_price` is what the next billed unit costs in the last month (None: unknown), `next_tier_at` the
    billed units in a month at which that changes (None: never), `effective_unit_price` cost over billed units.
    """

    name: str
    operation: str
    complete: bool
    quantity: Decimal
    unit: str
    billed_quantity: Decimal
    billed_unit: str
    free_quantity: Decimal
    cost: Range | None
    by_month: tuple[Range, ...]
    effective_unit_price: Decimal | None
    marginal_unit_price: Decimal | None
    next_tier_at: Decimal | None
    slices: tuple[Slice, ...]
    notes: tuple[str, ...]
    offered: bool = True
    """False: the provider is known not to have the operation (then nothing is unknown about its price)."""
    candidates: tuple[Candidate, ...] = ()
    lacks: tuple[str, ...] = ()
    """Features that the line needs and the provider has not: it is no part of the mix there."""
    to_next_tier: Decimal | None = None
    """Billed units of a month that are left up to `next_tier_at`, from where the last month ends."""
    crossings: tuple[Crossing, ...] = ()
    """Months in which the price of the next unit changes, by growth or because an allowance ends."""


@dataclass(frozen=True, kw_only=True)
class Option:
    """The whole workload on one provider."""

    provider: str
    region: str
    complete: bool
    month: Range
    by_month: tuple[Range, ...]
    total: Range
    lines: tuple[LineCost, ...]
    exit: OptionExit | None = None
    """What it would cost to leave it again; None: not asked for, or nothing of it is called by code."""

    @property
    def dearest_month(self) -> Decimal:
        """The likely cost of the dearest month."""
        return max((month.likely for month in self.by_month), default=ZERO)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Where the mix puts a line; `provider` None: nobody prices it."""

    name: str
    provider: str | None
    region: str | None
    cost: Range | None
    line: LineCost | None = None


@dataclass(frozen=True, kw_only=True)
class Mix:
    """The assignment of lines to providers with the least total, pools and free allowances counted."""

    complete: bool
    month: Range
    by_month: tuple[Range, ...]
    total: Range
    choices: tuple[Choice, ...]

    @property
    def dearest_month(self) -> Decimal:
        """The likely cost of the dearest month."""
        return max((month.likely for month in self.by_month), default=ZERO)


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """The answer: every option, the mix, and what was assumed."""

    name: str
    currency: str
    months: int
    snapshot_id: str
    snapshot_date: str
    assumptions: tuple[str, ...]
    options: tuple[Option, ...]
    mix: Mix | None
    risk: Risk | None = None
    """What ranges do to the totals, where draws were asked for."""

    @property
    def complete(self) -> bool:
        """No number in it is a lower bound for want of a price."""
        unknown = any(not line.complete and line.offered for option in self.options for line in option.lines)
        answer = self.mix if self.mix is not None else (self.options[0] if len(self.options) == 1 else None)
        return not unknown and (answer is None or answer.complete) and bool(self.options)
