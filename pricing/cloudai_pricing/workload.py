"""A workload: what is to be bought, in the user's units, read from a file or from the quick form of the command line.

    name = "support portal"
    region = "us"
    months = 12

    [[line]]
    name = "call recordings"
    operation = "speech.transcribe"
    volume = "1500 hours/month"
    request = "4 min"
    features = ["diarization"]

Every mistake is a `PlanError` with file, line and the fix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from cloudai_pricing.errors import PlanError
from cloudai_pricing.exact import LARGEST, ONE, ZERO, cut, grouped
from cloudai_pricing.units import factor, plural

if TYPE_CHECKING:
    from cloudai_pricing.exit_settings import ExitSettings

MOST_LINES = 500
MOST_MONTHS = 120


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a compute line runs on: an instance by name, or any that has the accelerators."""

    instance: str | None = None
    accelerator: str | None = None
    count: int = 1
    spot: bool = False


class Text(NamedTuple):
    """What a text consists of, for those who do not count all characters alike: shares of its characters, 0..1."""

    chinese: Decimal = ZERO
    """Hanzi, kanji, hanja."""
    markup: Decimal = ZERO
    """Tags of SSML or HTML."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One thing to buy. Volumes are per month in base units (`factor(unit)` of them make one stated unit)."""

    name: str
    operation: str
    unit: str
    low: Decimal
    likely: Decimal
    high: Decimal
    reading: str
    """How the volume was understood, echoed in the assumptions."""
    growth: Decimal = ZERO
    once: bool = False
    request: Decimal | None = None
    features: tuple[str, ...] = ()
    variant: str | None = None
    variants: Mapping[str, str] = field(default_factory=dict)
    sku: str | None = None
    channels: int = 1
    targets: int = 1
    text: Text | None = None
    region: str | None = None
    needs: tuple[str, ...] = ()
    machine: Machine | None = None

    @cached_property
    def _months(self) -> dict[int, tuple[Decimal, Decimal, Decimal]]:
        """What `in_month` has worked out: each provider asks for it again."""
        return {}

    def in_month(self, month: int) -> tuple[Decimal, Decimal, Decimal]:
        """Base units in month 1, 2, ...: low, likely, high. Growth compounds from the first month on."""
        if month not in self._months:
            self._months[month] = self._grown(month)
        return self._months[month]

    def _grown(self, month: int) -> tuple[Decimal, Decimal, Decimal]:
        if self.once:
            return (self.low, self.likely, self.high) if month == 1 else (ZERO, ZERO, ZERO)
        if not self.growth:
            return (self.low, self.likely, self.high)
        grown = (ONE + self.growth) ** (month - 1)
        low, likely, high = (cut(volume * grown) for volume in (self.low, self.likely, self.high))
        if high > LARGEST:
            bound = f"{grouped(LARGEST)} {plural(self.unit)}"
            raise PlanError(f"{self.name!r} grows past {bound} in month {month}", path=("line", self.name, "growth"))
        return low, likely, high

    def variant_on(self, provider: str) -> str | None:
        """The variant asked of a provider: by its name, or for all."""
        return self.variants.get(provider, self.variant)

    def stated(self, base_units: Decimal) -> Decimal:
        """Base units in the unit that the line is stated in."""
        return cut(base_units / factor(self.unit))


@dataclass(frozen=True, kw_only=True)
class Local:
    """Machines of one's own: USD, months, watts, USD per kWh; `utilisation`: the share of hours that can be worked."""

    hardware: Decimal
    life: Decimal
    power: Decimal
    idle_power: Decimal
    electricity: Decimal
    machines: int
    utilisation: Decimal
    throughput: Mapping[str, Decimal]
    """Name of a line or an operation -> base units that one machine does in an hour."""
    records: tuple[str, ...] = ()
    """What was measured by `cloudai measure`, in words."""

    def pace(self, line: Line) -> Decimal | None:
        """Base units of a line that one machine does in an hour; None: not known."""
        return self.throughput.get(line.name, self.throughput.get(line.operation))


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Lines over a number of months in a region (neutral, or one provider's own; or one per provider)."""

    name: str
    lines: tuple[Line, ...]
    region: str = "us"
    regions: Mapping[str, str] = field(default_factory=dict)
    months: int = 12
    local: Local | None = None
    exit: ExitSettings | None = None
    """What the user said of leaving."""

    def region_on(self, provider: str, line: Line | None = None) -> str:
        """The region asked of a provider, as the user wrote it."""
        if line is not None and line.region is not None:
            return line.region
        return self.regions.get(provider, self.region)
