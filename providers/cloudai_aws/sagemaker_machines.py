"""SageMaker's instance types for a neutral accelerator: the cheapest of the price book that the service takes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from cloudai.errors import InvalidInput
from cloudai.training.machines import HOUR, ChosenMachine, cost_of_seconds, machine_for
from cloudai.types.custom import Accelerator
from cloudai.types.results import Notice

HOME = "us-east-1"
"""Where prices are known when they are known at all."""
ARM = (".c6g", ".c7g", ".c8g", ".m6g", ".m7g", ".m8g", ".r6g", ".r7g", ".r8g", ".t4g")
"""Families that AWS's own containers are not built for, unless their tag says so."""


def machine(
    region: str,
    accelerator: Accelerator,
    *,
    operation: str,
    allowed: Collection[str],
    spot: bool = False,
    copies: int = 1,
    seconds: int = HOUR,
) -> ChosenMachine:
    """`allowed`: the types of botocore's description. A type that the job names goes as it is: it may be newer.

    Raises `InvalidInput` for an accelerator that no instance has.
    """
    chosen = machine_for(
        "aws", region, accelerator, spot=spot, copies=copies, seconds=seconds, operation=operation
    )  # fmt: skip
    if accelerator.instance is not None or fits(chosen.instance, allowed):
        return chosen
    candidates, known = chosen.candidates, True
    if not candidates:
        known = False
        candidates = machine_for("aws", HOME, accelerator, copies=copies, operation=operation).candidates
    for instance, instances, hourly in candidates:
        if fits(instance, allowed):
            priced = hourly if known else None
            return replace(
                chosen,
                instance=instance,
                instances=instances,
                hourly=priced,
                at_limit=cost_of_seconds(priced, seconds),
                notices=tuple(_about(note, chosen.instance, instance) for note in chosen.notices),
            )
    raise InvalidInput(f"SageMaker takes no instance with {accelerator.name}: name one, instance = ml....")


def fits(instance: str, allowed: Collection[str]) -> bool:
    """Whether SageMaker takes the type, and containers of x86 run on it."""
    return instance in allowed and not any(family in instance for family in ARM)


def batch_machine(
    region: str, accelerator: Accelerator, *, allowed: Collection[str], copies: int, seconds: int
) -> ChosenMachine:
    """For batch transform, whose prices are known of few types: else an endpoint's machine, at an unknown price."""
    try:
        return machine(
            region, accelerator, operation="custom.batch_predict", allowed=allowed, copies=copies, seconds=seconds
        )
    except InvalidInput:
        found = machine(region, accelerator, operation="custom.deploy", allowed=allowed, copies=copies)
    said = Notice(code="price_unknown", message=f"{found.instance}: no price for batch transform is known")
    return replace(found, hourly=None, at_limit=None, notices=(said,))


def _about(note: Notice, before: str, now: str) -> Notice:
    return note.model_copy(update={"message": note.message.replace(before, now)})
