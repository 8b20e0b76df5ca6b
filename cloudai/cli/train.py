"""`cloudai train JOB.toml`: shows what would be sent and what it costs, submits it, and waits for it when asked to."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cloudai.cli.parser import completes_files
from cloudai.cli.questions import FAILED
from cloudai.cli.submitting import ANEW, anew, cost_line, dry, found_line, left_behind, marked
from cloudai.cli.terminal import Grid, Shown, note, show, warn
from cloudai.errors import InvalidInput

if TYPE_CHECKING:
    from cloudai.client import Client
    from cloudai.training.job_file import JobFile
    from cloudai.training.sweep import Sweep, Trial
    from cloudai.types.custom import RunStatus, TrainingJob, TrainingPlan
    from cloudai.types.results import Money


def configure(parser: argparse.ArgumentParser) -> None:
    """Its arguments."""
    parser.epilog = """\
examples:
  cloudai train job.toml --dry-run
  cloudai train job.toml --backend aws --max-cost "5 USD" --wait
  cloudai train job.toml --sweep sweep.toml

exit codes: 0 fine, 1 a run failed or was not started, 2 wrong input, 3 it may cost more than --max-cost"""
    add = parser.add_argument
    completes_files(add("job", metavar="JOB.toml", help="the training job: docs/training.md"))
    add("--backend", metavar="NAME", help="train there, whatever the routes say")
    completes_files(add("--config", metavar="FILE", help="use this cloudai.toml"))
    add("--dry-run", action="store_true", help="print exactly what would be sent, and send nothing")
    add("--max-cost", metavar="AMOUNT", help='refuse what may cost more: "5 USD"; with a sweep of all runs together')
    add("--wait", action="store_true", help="follow the log until the run has ended")
    completes_files(add("--sweep", metavar="SWEEP.toml", help="one run for each set of hyperparameters"))
    add("--again", nargs="?", const=ANEW, metavar="TEXT", help="a new run, although the same job was run before")
    add("--fetch", metavar="FOLDER", help="with --wait: download the model into it")
    add("--interval", type=float, default=5.0, metavar="S", help="seconds between looks (default: 5)")
    add("--json", action="store_true", help="the plan or the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Submits; with `--wait` the exit code says how the run ended."""
    from cloudai.cli.calls import open_client
    from cloudai.training.job_file import money_of, read_job, read_sweep
    from cloudai.training.machines import refuse_above

    file = read_job(Path(args.job))
    sweep = read_sweep(Path(args.sweep)) if args.sweep else file.sweep
    if args.fetch and (sweep is not None or not args.wait):
        raise InvalidInput("--fetch goes with --wait, of one run; of a sweep: cloudai runs fetch RUN FOLDER")
    limit = {} if args.max_cost is None else {"max_cost": money_of(args.max_cost)}
    with open_client(args.config, args.backend) as client:
        if sweep is not None:
            return _sweep(client, file.job, sweep.model_copy(update=limit), file, args)
        job, (plan,) = _planned(client, file.job.model_copy(update=limit), lambda one: (one,), args)
        if args.dry_run:
            show([plan.model_dump_json(indent=2)] if args.json else dry(plan))
            refuse_above(job, plan.at_limit)
            return 0
        return _one(client, job, plan, file, args)


def _planned(
    client: Client, job: TrainingJob, split: Callable[[TrainingJob], Sequence[TrainingJob]], args: argparse.Namespace
) -> tuple[TrainingJob, Sequence[TrainingPlan]]:
    """The job as `--again` marks it, and the plan of each job that it is split into."""
    from cloudai.training.register import Register

    def planned(one: TrainingJob) -> Sequence[TrainingPlan]:
        return [client.custom.plan_training(each) for each in split(one)]

    if args.again == ANEW:
        return anew(job, planned, Register.of_runs(), lambda backend: client.custom.runs(backend=backend))
    job = job if args.again is None else marked(job, args.again)
    return job, planned(job)


def _one(client: Client, job: TrainingJob, plan: TrainingPlan, file: JobFile, args: argparse.Namespace) -> int:
    from cloudai.cli.runs import as_json, printed, tracked
    from cloudai.training.register import Register
    from cloudai.training.submission import submit
    from cloudai.types.speech import JobState

    if not args.json:
        note(cost_line(plan))
    for warning in plan.warnings:
        warn(warning.message)
    result = submit(client, job, plan=plan, register=Register.of_runs())
    assert result.run is not None
    if result.found:
        note(found_line(args.again))
    if not args.wait:
        show(
            [result.model_dump_json(indent=2)] if args.json else [Grid(("", ""), _rows(result.run.name, result.state))]
        )
        return 0
    handle = client.custom.run(result.run)
    with left_behind([handle.ref.name], "runs cancel"):
        for line in printed(handle.logs(follow=True, interval=args.interval)):
            if not args.json:
                show([line])
        status = handle.wait(interval=args.interval)
    cost = handle.cost(status)
    if status.state is JobState.SUCCEEDED and args.fetch:
        handle.fetch(args.fetch)
    tracked(handle, job, status, file.tracking)
    show([as_json(handle, status)] if args.json else _ended(handle.ref.name, status, cost))
    return 0 if status.state is JobState.SUCCEEDED else FAILED


def _rows(name: str, state: object) -> tuple[tuple[str, str], ...]:
    return (("run", name), ("state", str(state)), ("look", f"cloudai runs show {name}"))


def _ended(name: str, status: RunStatus, cost: Money | None) -> Iterable[Shown]:
    rows = [("run", name), ("state", str(status.state)), ("cost", str(cost) if cost is not None else "unknown")]
    rows += [("artefact", status.artefact)] if status.artefact else []
    rows += [("why", status.message)] if status.message else []
    yield Grid(("", ""), tuple(rows))


# --- sweeps ------------------------------------------------------------------------------------------------


def _sweep(client: Client, job: TrainingJob, sweep: Sweep, file: JobFile, args: argparse.Namespace) -> int:
    from cloudai.cli.runs import tracked
    from cloudai.training.register import Register
    from cloudai.training.submission import submit
    from cloudai.training.sweep import Searcher, best, jobs_of
    from cloudai.types.speech import JobState

    job, plans = _planned(client, job, lambda one: jobs_of(one, sweep), args)
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
            tracked(trial.run, trial.job, trial.status, file.tracking)

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
