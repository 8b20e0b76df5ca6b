"""What `submit` and `train` say of a job before it is sent, and of one that is only looked at."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

from cloudai.cli.terminal import Grid, Shown, warn

if TYPE_CHECKING:
    from cloudai.types.custom import BatchPlan, TrainingPlan


def cost_line(plan: TrainingPlan | BatchPlan) -> str:
    """Where it runs, and what that costs."""
    rate = f"{plan.hourly} an hour, {plan.at_limit} at the time limit" if plan.hourly else "its cost is not known"
    spot = ", spot" if getattr(plan, "spot", False) else ""
    return f"{plan.name} on {plan.backend}: {plan.instances} x {plan.instance}{spot}, {rate}"


def dry(plan: TrainingPlan | BatchPlan) -> Iterable[Shown]:
    """Exactly what would be sent."""
    yield cost_line(plan)
    yield Grid(("upload", "to"), plan.uploads, empty="nothing is uploaded")
    for request in plan.requests:
        yield json.dumps(dict(request), indent=2, sort_keys=True, ensure_ascii=False)
    for notice in plan.warnings:
        warn(notice.message)
