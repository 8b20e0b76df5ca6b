"""What a scan of a code base says: plain typed data, for the findings, the exit bill and the report.

Nothing here computes. `Find` is one place in one file; everything else is made of finds and of declared facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import Literal

FindKind = Literal[
    "client", "operation", "parameter", "option", "result_field", "exception", "resource_id", "dependency", "iac"
]
Level = Literal[1, 2, 3, 4]

LEVELS: Mapping[int, str] = {1: "same semantics", 2: "adapter", 3: "work-around", 4: "none"}
"""How an operation is had at a target: as it is; with converted values; by other means, in part; not at all."""

NEUTRAL = "cloudai"
"""The provider of calls that go through our own interface."""
OTHER = "other"
"""The operation of calls that cloudai has no name for; `UsedOperation.topic` tells them apart."""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Find:
    """One thing of a vendor at one place. `file` is relative to the scanned folder, with `/`; lines count from 1."""

    file: str
    line: int
    provider: str
    service: str
    operation: str
    """Of our vocabulary; `other`: it has none for it; empty: belongs to no single operation."""
    kind: FindKind
    name: str
    """The vendor's own word: method, keyword, key, class, package, string."""
    topic: str = ""
    """For `other`: what it is about, as `text.sentiment`; the vendor's method where that is not known."""
    site: str = ""
    """The call it belongs to, `file:line`; empty: none."""
    cell: int | None = None
    """Of a notebook, counted from 1."""
    feature: str = ""
    """The feature of the operation that it asks for: `diarization`."""
    model: str = ""
    """The kind of custom model that it names, in the words of the provider's declaration."""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Place:
    """A line of a file, from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """How an operation or feature is had at one target, and why that is said."""

    target: str
    level: Level
    reasons: tuple[str, ...]
    api: str = ""
    """The target's own operation."""
    source: str = ""
    as_of: str = ""
    """When the source was read, ISO date to the day, month or year."""
    retires: date | None = None
    """The target's own end, where one is announced."""

    @property
    def word(self) -> str:
        """`same semantics`, `adapter`, `work-around` or `none`."""
        return LEVELS[self.level]


@dataclass(frozen=True, kw_only=True, slots=True)
class UsedFeature:
    """A feature that some calls of an operation ask for."""

    name: str
    places: tuple[Place, ...]
    fits: Mapping[str, Fit]


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One call site. `levels` counts its own features and options, target by target."""

    place: Place
    name: str
    options: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    levels: Mapping[str, Level]


@dataclass(frozen=True, kw_only=True, slots=True)
class UsedOperation:
    """All calls of one operation through one service (k of the exit bill)."""

    provider: str
    service: str
    operation: str
    topic: str = ""
    methods: tuple[str, ...]
    calls: tuple[Call, ...]
    coupled_lines: int
    """L_k: lines of code and configuration that name something of the vendor's for this operation."""
    parameters: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    result_fields: tuple[str, ...] = ()
    features: tuple[UsedFeature, ...] = ()
    fits: Mapping[str, Fit]
    """By target, without the operation's own provider: the worst of the operation, its features and its options."""

    @property
    def neutral(self) -> bool:
        """Whether the calls go through cloudai."""
        return self.provider == NEUTRAL

    @property
    def label(self) -> str:
        """The operation's name, or for `other` what it is about."""
        return self.topic or self.operation if self.operation == OTHER else self.operation


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class CoupledLine:
    """A line that would be touched by leaving. A line counts once per operation; shared ones have none."""

    file: str
    line: int
    provider: str
    service: str
    operation: str = ""
    topic: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PortableShare:
    """F_1 to F_4 towards one target: shares of the call sites that are not there already; None: there are none."""

    target: str
    calls: int
    levels: tuple[Fraction, Fraction, Fraction, Fraction] | None

    @property
    def portable(self) -> Fraction | None:
        """The headline: F_1 + F_2."""
        return None if self.levels is None else self.levels[0] + self.levels[1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Retirement:
    """An announced change that concerns something in use."""

    provider: str
    service: str
    feature: str
    event: str
    ends: str
    """ISO date to the day, month or year; empty: none was named."""
    ends_on: date | None
    """The day that is planned with: the last day before it is known to have ended; None: no date."""
    days: int | None
    """From the scan's `as_of`; negative: past."""
    in_range: bool
    """Whether it ends within the horizon, or has ended."""
    closed_to_new: str = ""
    replacement: str = ""
    operations: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    source: str = ""
    as_of: str = ""
    notes: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class UsedModel:
    """A custom model that the code uses, and whether it can leave."""

    provider: str
    service: str
    model_kind: str
    name: str
    """Its id where the code has one, else empty."""
    exportable: Literal["yes", "data-only", "no", "unknown"]
    formats: tuple[str, ...] = ()
    conditions: str = ""
    keeps: str = ""
    """What the customer has in any case."""
    places: tuple[Place, ...] = ()
    source: str = ""
    as_of: str = ""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class Skipped:
    """A file that was not read, or not wholly."""

    file: str
    reason: str
    line: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Scan:
    """What one scan found. Everything is sorted: the same files give the same scan."""

    root: str
    as_of: date
    horizon_months: int
    targets: tuple[str, ...]
    files: int
    """Files that were read."""
    finds: tuple[Find, ...] = ()
    operations: tuple[UsedOperation, ...] = ()
    coupling: tuple[CoupledLine, ...] = ()
    shares: Mapping[str, PortableShare] = field(default_factory=dict)
    """By target."""
    retirements: tuple[Retirement, ...] = ()
    models: tuple[UsedModel, ...] = ()
    skipped: tuple[Skipped, ...] = ()

    @property
    def providers(self) -> tuple[str, ...]:
        """Vendors in use, without cloudai, sorted."""
        return tuple(sorted({find.provider for find in self.finds} - {NEUTRAL}))

    @property
    def neutral_share(self) -> Fraction | None:
        """The share of call sites that go through cloudai without `options=`; None: there is no call."""
        calls = [(used.neutral, call) for used in self.operations for call in used.calls]
        plain = sum(1 for neutral, call in calls if neutral and not call.options)
        return Fraction(plain, len(calls)) if calls else None

    def shared_lines(self, provider: str) -> int:
        """Coupled lines of a provider that belong to no single operation: clients, imports, packages, exceptions."""
        return sum(1 for line in self.coupling if line.provider == provider and not line.operation)
