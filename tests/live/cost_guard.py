"""What a run of the conformance kit on a real account costs, by our own planner, and whether it may start.

The kit calls each operation a known number of times with known samples; what a sample is billed as stands here, per
provider, and is held to the drivers' own usage by test_cost_guard.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from cloudai_pricing import PlanError, estimate
from cloudai_pricing.budget import Budget, parse_budget
from cloudai_pricing.draft import Draft
from cloudai_pricing.model import LineCost
from cloudai_pricing.operations import operations
from cloudai_pricing.workload_file import check

CALLS = 8
"""Of most operations: 1 that most tests look at, 1 raw, 1 async, 4 threads; and 1 more of the kit's first operation,
which is counted for all. A dear one is called once (`Billed.calls`)."""
DEFAULT_BUDGET = "0.50 USD"
ONE_REGION = "us"
"""Assumed where the backend names none."""


class Refused(Exception):
    """The run may not start; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Billed:
    """What one call of the kit's sample is billed as, where that is not one unit of its operation."""

    calls: int = CALLS
    quantity: int = 1
    unit: str | None = None
    meter: str | None = None
    variant: str | None = None


_TEXT: Mapping[str, Billed] = {
    "speech.transcribe": Billed(quantity=1),
    "translation.translate": Billed(quantity=13),
    "translation.detect_language": Billed(quantity=36),
    "translation.translate_document": Billed(quantity=45, unit="character"),
}
KITS: Mapping[str, Mapping[str, Billed]] = {
    "aws": {
        **_TEXT,
        "speech.synthesize": Billed(quantity=13, variant="neural"),
        "vision.detect_landmarks": Billed(meter="vision.detect_labels"),
    },
    "gcp": {
        **_TEXT,
        "speech.synthesize": Billed(quantity=13, variant="neural2"),
        "speech.transcribe": Billed(quantity=1, variant="standard"),
        "translation.translate": Billed(quantity=13, variant="standard"),
        "translation.translate_document": Billed(calls=1, variant="standard"),
        "vision.read_document": Billed(variant="ocr"),
        "vision.read_text": Billed(variant="text"),
    },
    "azure": {
        **_TEXT,
        "speech.synthesize": Billed(quantity=13, variant="neural"),
        "speech.transcribe": Billed(quantity=1, variant="fast"),
        "translation.translate": Billed(quantity=13, variant="standard"),
        "translation.detect_language": Billed(quantity=36, variant="translator"),
        "translation.translate_document": Billed(quantity=45, unit="character", variant="standard"),
        "vision.moderate": Billed(variant="content-safety"),
        "vision.read_document": Billed(variant="read"),
    },
}
"""Provider -> operation -> what the kit's sample of it is billed as."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A run of the kit on one provider. `total` in USD: of the lines that are priced."""

    provider: str
    region: str
    prices_of: str
    lines: tuple[LineCost, ...]

    @property
    def total(self) -> Decimal:
        """A lower bound where a price is unknown."""
        return sum((line.cost.high for line in self.lines if line.cost is not None), Decimal(0))

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Operations whose price is not known, or not wholly."""
        return tuple(line.name for line in self.lines if not line.complete)

    def report(self) -> Iterator[str]:
        """For the terminal, before the first call."""
        yield f"live run on {self.provider} ({self.region}), prices up to {self.prices_of}:"
        for line in self.lines:
            cost = "unknown" if line.cost is None else f"{line.cost.high:.6f} USD"
            calls = billed(self.provider, line.name).calls
            notes = f"  ({'; '.join(line.notes)})" if not line.complete and line.notes else ""
            yield f"  {line.name:34}{calls:>3} calls{cost:>14}{notes}"
        yield f"  {'total':43}{self.total:>10.6f} USD{' at least' if self.unpriced else ''}"


def plan(provider: str, implemented: Iterable[str], *, region: str | None = None) -> Plan:
    """The estimate of the whole kit: every billed operation as often as it is called, no free allowance.

    Raises `Refused`.
    """
    # custom models make machines that cost by the hour: no live run asks for them
    asked = [name for name in implemented if not operations()[name].free and not name.startswith("custom.")]
    lines = [_line(provider, name) for name in asked]
    data = {"name": f"live {provider}", "months": 1, "line": lines}
    try:
        workload = check(Draft(name="live run", data=data))
        found = estimate(workload, providers=(provider,), region=region or ONE_REGION, free_tier="none")
    except PlanError as error:
        raise Refused(f"a live run on {provider} can't be estimated: {error}") from error
    (option,) = found.options
    return Plan(provider=provider, region=option.region, prices_of=found.snapshot_date, lines=option.lines)


def billed(provider: str, operation: str) -> Billed:
    """What the kit's sample of an operation is billed as."""
    return KITS[provider].get(operation, Billed())


def _line(provider: str, operation: str) -> dict[str, object]:
    each = billed(provider, operation)
    unit = each.unit or operations()[operation].unit
    variant = {} if each.variant is None else {"variant": each.variant}
    return {
        "name": operation,
        "operation": each.meter or operation,
        "volume": f"{each.calls * each.quantity} {unit}",
        "request": f"{each.quantity} {unit}",
        **variant,
    }


def limit_of(text: str) -> Budget:
    """`CLOUDAI_LIVE_BUDGET`. Raises `Refused` for what is no sum in USD: a run is not paid by the month."""
    try:
        budget = parse_budget(text)
    except PlanError as error:
        raise Refused(f"CLOUDAI_LIVE_BUDGET: {error}") from error
    if budget.monthly:
        raise Refused(f'CLOUDAI_LIVE_BUDGET: {text!r} is by the month; a run costs a sum, like "{DEFAULT_BUDGET}"')
    return budget


def allow(plans: Iterable[Plan], budget: Budget, *, allow_unpriced: bool) -> None:
    """Raises `Refused` for a run that costs more than its budget, or that nobody can say the cost of."""
    found = tuple(plans)
    total = sum((each.total for each in found), Decimal(0))
    if total > budget.limit:
        fix = "Raise CLOUDAI_LIVE_BUDGET or ask fewer providers"
        raise Refused(f"live run refused: {total:.6f} USD is more than the limit of {budget.limit} USD. {fix}")
    unknown = [f"{each.provider} {name}" for each in found for name in each.unpriced]
    if unknown and not allow_unpriced:
        fix = "CLOUDAI_LIVE_UNPRICED=allow takes the risk"
        raise Refused(f"live run refused: no price is known for {', '.join(unknown)}. {fix}")
