"""Price entries: the one form of a price, in the shipped book and in the user's own overlay files.

`build` makes a `Price` of plain data that `entry_check.check` has passed: at once for an overlay, long before for
the compiled book.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Literal, NamedTuple, cast

from cloudai_pricing.exact import ZERO, cut, plain
from cloudai_pricing.units import factor

Kind = Literal["usage", "addon", "training", "hosting", "storage", "egress", "commitment"]
Per = Literal["channel", "target"]
ALWAYS_FREE = frozenset({"always", "always_as_credit"})
"""Free allowances that never end; every other kind is off unless asked for."""


class Tier(NamedTuple):
    """A marginal price per unit up to (and with) the `up_to`-th unit of a month; None: for all that follow."""

    up_to: Decimal | None
    price: Decimal


class Free(NamedTuple):
    """An allowance per month that masks the first units. `pool`: the name under which entries share it."""

    quantity: Decimal
    kind: str
    pool: str | None = None


class Rounding(NamedTuple):
    """Each request is billed as at least `minimum`, in steps of `increment`, both in base units.

    Speech is priced per minute or hour and rounded to the second, which is no decimal part of either.
    """

    increment: Decimal
    minimum: Decimal


class Counts(NamedTuple):
    """How characters are counted for the bill.

    `chinese`: what a Chinese character (hanzi, kanji, hanja) counts as. `markup`: whether the tags of SSML or HTML
    count (None: not known, so they do), but for those named in `uncounted`.
    """

    chinese: Decimal
    markup: bool | None = None
    uncounted: tuple[str, ...] = ()


class Commitment(NamedTuple):
    """A fee per month of 730 hours that includes units; those above it cost `overage` each (None: not to be had)."""

    fee: Decimal
    included: Decimal
    overage: Decimal | None


@dataclass(frozen=True, kw_only=True)
class Price:
    """One SKU in one region from one day on. Prices are USD per `unit`; `where` is the file and line it stands on."""

    provider: str
    service: str
    sku: str
    kind: Kind
    operations: tuple[str, ...]
    region: str
    unit: str
    tiers: tuple[Tier, ...]
    effective_from: str
    as_of: str
    source: str
    confidence: str
    where: str
    features: tuple[str, ...] = ()
    includes: tuple[str, ...] = ()
    """Features that the price covers: asking for them costs nothing more."""
    variant: str | None = None
    default: bool = False
    pool: str | None = None
    free: Free | None = None
    rounding: Rounding | None = None
    counts: Counts | None = None
    """Of prices per character; None: nothing was read about it, each counts as one."""
    commitment: Commitment | None = None
    per: Per | None = None
    note: str | None = None
    instance: str | None = None
    accelerator: str | None = None
    accelerator_count: int = 0
    vcpus: Decimal | None = None
    memory_gb: Decimal | None = None
    spot: bool = False
    own: bool = False
    """From an overlay of the user."""

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        """What identifies a SKU over time; with `effective_from` it is unique."""
        committed = plain(self.commitment.included) if self.commitment else ""
        return (self.provider, self.service, self.sku, self.region, committed)

    @cached_property
    def counter(self) -> tuple[str, str, str]:
        """Entries of one counter add up to one place on their ladders each month."""
        return (self.provider, self.region, self.pool or f"{self.service}/{self.sku}")

    @cached_property
    def free_counter(self) -> tuple[str, str, str]:
        """Entries of one free counter use up one allowance."""
        if self.free is not None and self.free.pool:
            return (self.provider, "", f"free/{self.free.pool}")
        return self.counter

    @cached_property
    def flat(self) -> bool:
        """Every unit costs the same, whatever went before it."""
        return len(self.tiers) == 1 and self.tiers[0].up_to is None and self.free is None and self.commitment is None

    @cached_property
    def first_price(self) -> Decimal:
        """The list price of the first paid unit (the overage where a commitment is bought)."""
        if self.commitment is not None:
            return self.commitment.overage or ZERO
        return next((tier.price for tier in self.tiers if tier.price), ZERO)

    def __str__(self) -> str:
        return f"{self.provider} {self.service} {self.sku!r} in {self.region} ({self.where}, {self.source})"


Row = Mapping[str, object]
"""A price as plain data: checked TOML, or a row of the compiled book."""


def build(row: Row) -> Price:
    """A `Price` of a checked row: numbers as decimal strings, lists as lists. Unknown keys raise `TypeError`."""
    values = {key: value for key, value in row.items() if value is not None and key != "currency"}
    for key in ("operations", "features", "includes"):
        values[key] = tuple(cast("Sequence[str]", values.get(key, ())))
    for key in ("vcpus", "memory_gb"):
        if key in values:
            values[key] = Decimal(str(values[key]))
    values["tiers"] = tuple(
        Tier(up_to=_optional(tier.get("up_to")), price=Decimal(str(tier["price"])))
        for tier in cast("Sequence[Row]", values.get("tiers", ()))
    )
    if "free" in values:
        free = cast("Row", values["free"])
        values["free"] = Free(
            quantity=Decimal(str(free["quantity"])), kind=str(free["kind"]), pool=cast("str | None", free.get("pool"))
        )
    if "rounding" in values:
        rounding = cast("Row", values["rounding"])
        size = factor(str(rounding.get("unit", values["unit"])))
        increment, minimum = (Decimal(str(rounding[key])) * size for key in ("increment", "minimum"))
        values["rounding"] = Rounding(increment=increment, minimum=minimum)
    if "counts" in values:
        counts = cast("Row", values["counts"])
        values["counts"] = Counts(
            chinese=Decimal(str(counts["chinese"])),
            markup=cast("bool | None", counts.get("markup")),
            uncounted=tuple(cast("Sequence[str]", counts.get("uncounted", ()))),
        )
    if "commitment" in values:
        values["commitment"] = _commitment(cast("Row", values["commitment"]))
    return Price(**values)  # type: ignore[arg-type]  # entry_check holds the types


PER_MONTH = {"hour": (730, 1), "day": (730, 24), "month": (1, 1), "year": (1, 12)}
"""How often a fee of each period is due in a month of 730 hours, as a fraction."""


def _commitment(row: Row) -> Commitment:
    times, over = PER_MONTH[str(row.get("per", "month"))]
    fee = Decimal(str(row["fee"]))
    return Commitment(
        fee=fee if times == over else cut(fee * times / over),
        included=Decimal(str(row["included"])),
        overage=_optional(row.get("overage")),
    )


def _optional(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))
