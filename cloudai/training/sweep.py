"""Hyperparameter sweeps: a grid or a random search over one job, with a limit on how many run and what they cost."""

from __future__ import annotations

import itertools
import json
import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from cloudai.errors import BudgetExceeded, CloudAIError, InvalidInput
from cloudai.types.custom import Metric, RunRef, RunStatus, TrainingJob, TrainingPlan, TrainResult
from cloudai.types.results import Model, Money
from cloudai.types.speech import JobState

if TYPE_CHECKING:
    from cloudai.calls.runs import TrainingRun

Scalar = str | int | float | bool
MOST = 1000
"""Runs of one sweep."""
DRAWS = 20
"""For each run of a random search, at most."""


class Range(Model):
    """Numbers for a random search."""

    min: float
    max: float
    scale: Literal["linear", "log"] = "linear"
    integer: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if not self.min < self.max or (self.scale == "log" and self.min <= 0):
            raise ValueError("min is below max, and above 0 on a log scale")
        return self

    def draw(self, source: random.Random) -> float | int:
        """One value."""
        if self.scale == "log":
            value = math.exp(source.uniform(math.log(self.min), math.log(self.max)))
        else:
            value = source.uniform(self.min, self.max)
        return round(value) if self.integer else float(f"{value:.6g}")


class Sweep(Model):
    """`[sweep]` of a job file."""

    method: Literal["grid", "random"] = "grid"
    parameters: Mapping[str, tuple[Scalar, ...] | Range]
    runs: int = Field(default=20, ge=1, le=MOST)
    """Of a random search."""
    parallel: int = Field(default=1, ge=1)
    seed: int = 0
    max_cost: Money | None = None
    """Of all runs together; the next is only started while it fits."""
    metric: str | None = None
    """The last value of this metric ranks the runs."""
    goal: Literal["max", "min"] = "max"

    @model_validator(mode="after")
    def _fits(self) -> Sweep:
        ranges = [name for name, values in self.parameters.items() if isinstance(values, Range)]
        if self.method == "grid" and ranges:
            raise ValueError(f'a grid takes lists: {ranges[0]} is a range (method = "random")')
        if not self.parameters or not all(isinstance(v, Range) or v for v in self.parameters.values()):
            raise ValueError("parameters name at least one hyperparameter with at least one value")
        return self


def jobs_of(job: TrainingJob, sweep: Sweep) -> tuple[TrainingJob, ...]:
    """The job with each set of hyperparameters, once: the same sweep, the same jobs. Raises `InvalidInput` for more
    than `MOST`."""
    wanted = sweep.runs if sweep.method == "random" else MOST + 1
    found = dict[str, dict[str, Scalar]]()
    for point in _points(sweep):
        found.setdefault(json.dumps(point), point)
        if len(found) == wanted:
            break
    if len(found) > MOST:
        raise InvalidInput(f'the sweep has more than {MOST} runs: take values out, or method = "random"')
    return tuple(job.model_copy(update={"hyperparameters": {**job.hyperparameters, **p}}) for p in found.values())


def _points(sweep: Sweep) -> Iterator[dict[str, Scalar]]:
    """Of a random search enough to find most of a small space, where many are drawn twice."""
    if sweep.method == "grid":
        lists = [values for values in sweep.parameters.values() if not isinstance(values, Range)]
        for values in itertools.product(*lists):
            yield dict(zip(sweep.parameters, values, strict=True))
        return
    source = random.Random(sweep.seed)  # noqa: S311  # a search, not a secret
    for _ in range(DRAWS * sweep.runs):
        yield {
            name: values.draw(source) if isinstance(values, Range) else source.choice(values)
            for name, values in sweep.parameters.items()
        }


@dataclass(kw_only=True)
class Trial:
    """One run of a sweep."""

    job: TrainingJob
    plan: TrainingPlan
    run: TrainingRun | None = None
    found: bool = False
    """It was submitted before this search."""
    status: RunStatus | None = None
    cost: Money | None = None
    value: float | None = None
    """The metric's last value."""
    skipped: str | None = None
    """Why it was not started."""

    @property
    def ref(self) -> RunRef | None:
        return self.run.ref if self.run is not None else None


@dataclass(kw_only=True)
class Searcher:
    """How a sweep asks: `submit` and `plan` are `client.custom.train` and `.plan_training` of one backend."""

    plan: Callable[[TrainingJob], TrainingPlan]
    submit: Callable[[TrainingJob], TrainResult]
    handle: Callable[[RunRef], TrainingRun]
    interval: float = 5.0
    told: Callable[[Trial], None] = field(default=lambda trial: None)
    """Each run that was started, has ended or was skipped."""

    def search(self, job: TrainingJob, sweep: Sweep) -> tuple[Trial, ...]:
        """Runs them all, in order; what runs when this is interrupted goes on, and is found again by the same sweep.

        Raises `BudgetExceeded` where the sweep has a `max_cost` and what a run costs is not known, or is above it.
        """
        trials = tuple(Trial(job=one, plan=self.plan(one)) for one in jobs_of(job, sweep))
        _refuse(trials, sweep)
        waiting, running = list(trials), list[Trial]()
        while waiting or running:
            while waiting and len(running) < sweep.parallel:
                if running and _excess(waiting[0], trials, sweep) is not None:
                    break  # those that run may end below their limits
                self._begin(waiting.pop(0), running, trials, sweep)
            ended = [trial for trial in running if self._ended(trial, sweep)]
            running = [trial for trial in running if trial not in ended]
            if running and not ended:
                time.sleep(self.interval)
        return trials

    def _begin(self, trial: Trial, running: list[Trial], trials: Sequence[Trial], sweep: Sweep) -> None:
        excess = _excess(trial, trials, sweep)
        if excess is not None:
            trial.skipped = f"it could bring the sweep to {excess}, above its {sweep.max_cost}"
            self.told(trial)
            return
        try:
            found = self.submit(trial.job)
        except CloudAIError as error:
            trial.skipped = str(error)
        else:
            assert found.run is not None
            trial.run, trial.found = self.handle(found.run), found.found
            running.append(trial)
        self.told(trial)

    def _ended(self, trial: Trial, sweep: Sweep) -> bool:
        assert trial.run is not None
        try:
            trial.status = trial.run.status()
        except CloudAIError as error:
            if error.retryable:  # a look in vain: the run goes on
                return False
            raise
        if trial.status.state not in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED):
            return False
        trial.cost = trial.run.cost(trial.status)
        if sweep.metric is not None:
            trial.value = last_value(trial.run.metrics(), sweep.metric)
        self.told(trial)
        return True


def _refuse(trials: Sequence[Trial], sweep: Sweep) -> None:
    if sweep.max_cost is None:
        return
    limits = [trial.plan.at_limit for trial in trials]
    known = [limit for limit in limits if limit is not None]
    if len(known) < len(limits):
        raise BudgetExceeded(f"not started: max_cost is {sweep.max_cost}, and what a run costs is not known")
    least = min(known, key=lambda limit: limit.amount)
    if least.currency != sweep.max_cost.currency:
        raise BudgetExceeded(f"not started: max_cost is in {sweep.max_cost.currency}, prices are in {least.currency}")
    if least.amount > sweep.max_cost.amount:
        raise BudgetExceeded(f"not started: one run may cost {least}, and max_cost of the sweep is {sweep.max_cost}")


def _excess(trial: Trial, trials: Sequence[Trial], sweep: Sweep) -> Money | None:
    """What the sweep may come to with this run, where that is above its `max_cost`."""
    if sweep.max_cost is None:
        return None
    bound = _committed(trials) + (trial.plan.at_limit.amount if trial.plan.at_limit else 0)
    return Money(amount=bound) if bound > sweep.max_cost.amount else None


def _committed(trials: Sequence[Trial]) -> Decimal:
    """What has been spent, and what those that run may still cost."""
    begun = [trial for trial in trials if trial.run is not None]
    bounds = [trial.cost or trial.plan.at_limit for trial in begun]
    return sum((bound.amount for bound in bounds if bound is not None), Decimal(0))


def last_value(metrics: Sequence[Metric], name: str) -> float | None:
    """`None` where it was never logged."""
    return next((metric.value for metric in reversed(metrics) if metric.name == name), None)


def best(trials: Sequence[Trial], sweep: Sweep) -> Trial | None:
    """The run that succeeded with the best value."""
    found = [
        trial
        for trial in trials
        if trial.status is not None
        and trial.status.state is JobState.SUCCEEDED
        and trial.value is not None
        and math.isfinite(trial.value)
    ]
    sign = 1 if sweep.goal == "max" else -1
    return max(found, key=lambda trial: sign * (trial.value or 0), default=None)
