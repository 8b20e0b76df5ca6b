"""The runs of `cloudai train JOB.toml --sweep SWEEP.toml`: what they would cost, how they go, which is the best."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from cloudai.cli.questions import FAILED
from cloudai.cli.submitting import left_behind
from cloudai.cli.terminal import Grid, Shown, note, show, warn

if TYPE_CHECKING:
    from cloudai.client import Client
    from cloudai.training.sweep import Sweep, Trial
    from cloudai.training.tracking import Tracking
    from cloudai.types.custom import TrainingJob, TrainingPlan


def run_sweep(
    client: Client,
    job: TrainingJob,
    plans: Sequence[TrainingPlan],
    sweep: Sweep,
    tracking: Tracking | None,
    args: argparse.Namespace,
) -> int:
    """Tells of each run as it begins and ends, then ranks them. Exit code 0: all of them ended well."""
    from cloudai.cli.runs import tracked
    from cloudai.training.register import Register
    from cloudai.training.submission import submit
    from cloudai.training.sweep import Searcher, best
    from cloudai.types.speech import JobState

    if args.dry_run:
        show(_dry_sweep(plans, args))
        return 0
    register = Register.of_runs()
    going: dict[str, Trial] = {}

    def told(trial: Trial) -> None:
        if trial.run is not None:
            going[trial.run.ref.name] = trial
        state = trial.skipped or (trial.status.state if trial.status is not None else _begun(trial))
        note(f"{trial.plan.name} {_point(trial, sweep)}: {state}")
        if trial.run is not None and trial.status is not None:
            tracked(trial.run, trial.job, trial.status, tracking)

    searcher = Searcher(
        plan=client.custom.plan_training,
        submit=lambda one: submit(client, one, plan=client.custom.plan_training(one), register=register),
        handle=client.custom.run,
        interval=args.interval,
        told=told,
    )
    with left_behind(_unended(going), "runs cancel"):
        trials = searcher.search(job, sweep)
    show(_trials(trials, sweep, args))
    found = best(trials, sweep)
    if found is not None and not args.json:
        show([f"best: {found.plan.name} {_point(found, sweep)}: {sweep.metric} = {found.value:g}"])
    elif found is None and sweep.metric is not None:
        warn(f"no run ended well with a value of the metric {sweep.metric!r}: does the script log it by this name?")
    ended = [trial.status.state for trial in trials if trial.status is not None]
    return 0 if len(ended) == len(trials) and set(ended) == {JobState.SUCCEEDED} else FAILED


def _unended(going: Mapping[str, Trial]) -> Iterator[str]:
    for name, trial in going.items():
        if trial.status is None or not trial.status.state.final:
            yield name


def _dry_sweep(plans: Sequence[TrainingPlan], args: argparse.Namespace) -> Iterable[Shown]:
    if args.json:
        yield json.dumps([plan.model_dump(mode="json") for plan in plans], indent=2)
        return
    rows = tuple((plan.name, plan.instance, str(plan.at_limit or "unknown")) for plan in plans)
    yield Grid(("run", "instance", "at limit"), rows)
    limits = [plan.at_limit.amount for plan in plans if plan.at_limit is not None]
    known = len(limits) == len(plans)
    yield f"{len(plans)} runs: {f'{sum(limits):f} USD' if known else 'the cost is not known'} at their time limits"


def _begun(trial: Trial) -> str:
    return "found: it was submitted before" if trial.found else "started"


def _trials(trials: tuple[Trial, ...], sweep: Sweep, args: argparse.Namespace) -> Iterable[Shown]:
    rows = tuple(
        (
            trial.plan.name,
            _point(trial, sweep),
            str(trial.status.state) if trial.status is not None else f"skipped: {trial.skipped}",
            "-" if trial.value is None else f"{trial.value:g}",
            "-" if trial.skipped else str(trial.cost) if trial.cost is not None else "unknown",
        )
        for trial in trials
    )
    heads = ("run", "hyperparameters", "state", sweep.metric or "metric", "cost")
    if args.json:
        yield json.dumps([dict(zip(heads, row, strict=True)) for row in rows], indent=2)
    else:
        yield Grid(heads, rows)


def _point(trial: Trial, sweep: Sweep) -> str:
    return ", ".join(f"{name}={trial.job.hyperparameters[name]}" for name in sweep.parameters)
