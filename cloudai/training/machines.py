"""Which machine a job runs on, and what that costs: the neutral accelerator as a provider's instance type.

Instances and prices come from the price book. What it does not know costs `None`, which is not zero.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Decimal

from cloudai.errors import BudgetExceeded, InvalidInput
from cloudai.types.custom import Accelerator, BatchPredictRequest, TrainingJob
from cloudai.types.results import Money, Notice
from cloudai_pricing.book import Book
from cloudai_pricing.errors import PlanError
from cloudai_pricing.machines import MachineChoice, choose
from cloudai_pricing.selection import Unpriced, catalog_of
from cloudai_pricing.workload import Machine

HOUR = 3600
DEFAULT_REGIONS = {"aws": "us-east-1", "gcp": "us-central1", "azure": "eastus"}
_MICRO = Decimal("0.000001")


@dataclass(frozen=True, kw_only=True, slots=True)
class ChosenMachine:
    """An instance type of a provider. `hourly` is of all `instances` together."""

    instance: str
    instances: int
    hourly: Money | None
    at_limit: Money | None
    """Hourly times `max_seconds`."""
    candidates: tuple[tuple[str, int, Money], ...] = ()
    """Instance, how many, hourly: the chosen one first."""
    notices: tuple[Notice, ...] = ()


def choose_machine(
    provider: str, region: str | None, job: TrainingJob, *, operation: str = "custom.train", book: Book | None = None
) -> ChosenMachine:
    """The cheapest instance in `region` that has what the job asks for; a named one as it is.

    Raises `InvalidInput` for an accelerator that no price of the provider has. `nodes` multiplies what is found.
    """
    place = region or DEFAULT_REGIONS.get(provider, "global")
    return machine_for(
        provider, place, job.accelerator, spot=job.spot, copies=job.nodes, seconds=job.max_seconds,
        operation=operation, book=book,
    )  # fmt: skip


def machine_for(
    provider: str,
    region: str,
    accelerator: Accelerator,
    *,
    spot: bool = False,
    copies: int = 1,
    seconds: int = HOUR,
    operation: str,
    book: Book | None = None,
) -> ChosenMachine:
    """As `choose_machine`, for endpoints and batch jobs too: `custom.deploy`, `custom.batch_predict`."""
    notices: list[Notice] = []
    try:
        found = _found(provider, region, operation, accelerator, spot, book, notices)
    except Unpriced as reason:
        instance, count = _unpriced(provider, operation, accelerator, book, reason)
        said = Notice(code="price_unknown", message=f"{instance}: {reason}"[:300])
        return ChosenMachine(
            instance=instance, instances=count * copies, hourly=None, at_limit=None, notices=(*notices, said)
        )
    except PlanError as error:
        raise InvalidInput(str(error), provider=provider, operation=operation) from error
    return _chosen(found, copies, seconds, notices)


def _found(
    provider: str,
    region: str,
    operation: str,
    accelerator: Accelerator,
    spot: bool,
    book: Book | None,
    notices: list[Notice],
) -> MachineChoice:
    named = None if accelerator.name.lower() == "none" else accelerator.name
    machine = Machine(
        instance=accelerator.instance,
        accelerator=None if accelerator.instance else named,
        count=max(1, accelerator.count) if named and not accelerator.instance else 1,
        spot=spot,
    )
    catalog = catalog_of(book, None)
    if not spot:
        return choose(catalog, provider, region, operation, machine)
    try:
        return choose(catalog, provider, region, operation, machine)
    except Unpriced:
        notices.append(Notice(code="spot_price_unknown", message="no spot price is known: the list price is shown"))
        return choose(catalog, provider, region, operation, replace(machine, spot=False))


def _unpriced(
    provider: str, operation: str, accelerator: Accelerator, book: Book | None, reason: Unpriced
) -> tuple[str, int]:
    """The instance that was named, or the one that fits where prices are known."""
    if accelerator.instance is not None:
        return accelerator.instance, 1
    try:
        found = _found(provider, DEFAULT_REGIONS.get(provider, "global"), operation, accelerator, False, book, [])
    except Unpriced:
        raise InvalidInput(
            f"{provider}: {reason}. Name one: [accelerator] instance = ...", provider=provider, operation=operation
        ) from reason
    return found.candidates[0].sku, found.nodes


def _chosen(found: MachineChoice, copies: int, seconds: int, notices: list[Notice]) -> ChosenMachine:
    shown = tuple(
        (candidate.sku, candidate.nodes * copies, Money(amount=candidate.hourly * copies))
        for candidate in found.candidates
    )
    instance, instances, hourly = shown[0]
    return ChosenMachine(
        instance=instance,
        instances=instances,
        hourly=hourly,
        at_limit=cost_of_seconds(hourly, seconds),
        candidates=shown,
        notices=tuple(notices),
    )


def cost_of_seconds(hourly: Money | None, seconds: float) -> Money | None:
    """What a time costs at an hourly rate, to the millionth."""
    if hourly is None:
        return None
    exact = hourly.amount * Decimal(repr(seconds)) / HOUR
    return Money(amount=exact.quantize(_MICRO, ROUND_HALF_EVEN).normalize() + 0, currency=hourly.currency)


def refuse_above(job: TrainingJob | BatchPredictRequest, at_limit: Money | None) -> None:
    """Raises `BudgetExceeded` where the job may cost more than its `max_cost`, or nobody knows what."""
    most = job.max_cost
    if most is None:
        return
    hint = "lower the time limit, choose another machine, or raise max_cost"
    if at_limit is None:
        raise BudgetExceeded(f"not sent: max_cost is {most}, and what an hour costs is not known")
    if at_limit.currency != most.currency:
        raise BudgetExceeded(f"not sent: max_cost is in {most.currency}, prices are in {at_limit.currency}")
    if at_limit.amount > most.amount:
        raise BudgetExceeded(f"not sent: {job.max_seconds} s cost {at_limit}, and max_cost is {most}: {hint}")
