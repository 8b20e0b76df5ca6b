"""Submitting with a register: the intent is written first, so that who dies half way starts nothing twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloudai.errors import CloudAIError, Delivery, ErrorCode
from cloudai.training.machines import refuse_above
from cloudai.training.package import prepare
from cloudai.training.register import Register
from cloudai.types.custom import TrainingJob, TrainingPlan, TrainResult

if TYPE_CHECKING:
    from cloudai.client import Client


def submit(client: Client, job: TrainingJob, *, plan: TrainingPlan, register: Register) -> TrainResult:
    """Sends what `plan` shows, to its backend. Killed anywhere, doing it again finds the same run.

    Raises `BudgetExceeded` where it may cost more than `job.max_cost`, before anything is written.
    """
    refuse_above(job, plan.at_limit)
    register.intend(plan.backend, plan.name, job, prepare(job).hashes)
    try:
        result = client.custom.train(job, backend=plan.backend)
    except CloudAIError as error:
        if error.code is not ErrorCode.OUTCOME_UNKNOWN and error.delivery is not Delivery.UNKNOWN:
            register.refused(plan.backend, plan.name)
        raise
    assert result.run is not None
    register.submitted(result.run, plan.name)
    return result
