"""The machines of Vertex AI by the price book: for jobs, endpoints and batch predictions. Nothing is sent.

Cards that are attached to a machine (`n1-standard-8` and `T4`) have no price in the book: what they cost is not known.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cloudai.training.machines import ChosenMachine, choose_machine, machine_for
from cloudai.types.custom import Accelerator
from cloudai.types.results import Money, Notice
from cloudai.wirejson import JsonNode
from cloudai_gcp import vertex_bodies as bodies

if TYPE_CHECKING:
    from cloudai.types.custom import TrainingJob

HOSTING: Final = "custom.deploy"
"""Of the book. Batch predictions cost the same node hours: https://cloud.google.com/vertex-ai/pricing gives one table
for "batch prediction, online prediction and online explanation" (read 2026-11-21)."""


def for_job(job: TrainingJob, location: str) -> ChosenMachine:
    """Of a training job."""
    return _honest(choose_machine("gcp", location, job), job.accelerator)


def for_hosting(accelerator: Accelerator, location: str, *, copies: int, seconds: int = 3600) -> ChosenMachine:
    """Of an endpoint's replicas, or of a batch prediction that runs for `seconds`."""
    chosen = machine_for("gcp", location, accelerator, copies=max(1, copies), seconds=seconds, operation=HOSTING)
    return _honest(chosen, accelerator)


def of_spec(spec: JsonNode, location: str, *, copies: int) -> Money | None:
    """What an hour of machines costs that stand, by their `MachineSpec`; `None`: unknown."""
    machine, card = spec.text("machineType"), spec.text("acceleratorType")
    if not machine:
        return None
    names = {kind: name for name, kind in bodies.ACCELERATORS.items()}
    named = Accelerator(name=names.get(card, card or "none"), instance=machine)
    return for_hosting(named, location, copies=copies).hourly


def _honest(chosen: ChosenMachine, accelerator: Accelerator) -> ChosenMachine:
    brings, _ = bodies.card_of(chosen.instance, accelerator.model_copy(update={"name": "none"}))
    if accelerator.name.lower() == "none" or brings is not None:
        return chosen
    said = Notice(code="price_unknown", message=f"{accelerator.name} attached to {chosen.instance}: no price known")
    return replace(chosen, hourly=None, at_limit=None, notices=(*chosen.notices, said))
