"""Submitting with a register: the intent is written first, so that who dies half way starts nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cloudai.errors import CloudAIError, Delivery, ErrorCode
from cloudai.training.machines import refuse_above
from cloudai.training.package import masked, prepare
from cloudai.training.register import J, R, Register
from cloudai.types.custom import (
    BatchPlan,
    BatchPredictRequest,
    BatchRef,
    RunRef,
    TrainingJob,
    TrainingPlan,
    TrainResult,
)

if TYPE_CHECKING:
    from cloudai.calls.batches import BatchRun
    from cloudai.client import Client


def submit(
    client: Client, job: TrainingJob, *, plan: TrainingPlan, register: Register[TrainingJob, RunRef]
) -> TrainResult:
    """Sends what `plan` shows, to its backend. Killed anywhere, doing it again finds the same run.

    The register keeps no values of variables that are named like secrets. Raises `BudgetExceeded` where it may cost
    more than `job.max_cost`, before anything is written.
    """
    refuse_above(job, plan.at_limit)
    kept = job.model_copy(update={"environment": masked(job.environment)})
    register.intend(plan.backend, plan.name, kept, prepare(job).hashes)
    with _sending(plan, register):
        result = client.custom.train(job, backend=plan.backend)
    assert result.run is not None
    register.submitted(result.run, plan.name)
    return result


def submit_batch(
    client: Client,
    request: BatchPredictRequest,
    *,
    plan: BatchPlan,
    register: Register[BatchPredictRequest, BatchRef],
) -> BatchRun:
    """The same of a batch job."""
    refuse_above(request, plan.at_limit)
    register.intend(plan.backend, plan.name, request, {})
    with _sending(plan, register):
        job = client.custom.submit_batch(request, backend=plan.backend)
    register.submitted(job.ref, plan.name)
    return job


@contextmanager
def _sending(plan: TrainingPlan | BatchPlan, register: Register[J, R]) -> Iterator[None]:
    """Takes the intent back where nothing was made."""
    try:
        yield
    except CloudAIError as error:
        if error.code is not ErrorCode.OUTCOME_UNKNOWN and error.delivery is not Delivery.UNKNOWN:
            register.refused(plan.backend, plan.name)
        raise
