"""`cloudai train JOB.toml`: shows what would be sent and what it costs, submits it, and waits for it when asked to."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cloudai.cli.parser import completes_files
from cloudai.cli.questions import FAILED
from cloudai.cli.submitting import ANEW, anew, cost_line, dry, found_line, left_behind, marked
from cloudai.cli.terminal import Grid, Shown, note, show, warn
from cloudai.cli.verbs import duration
from cloudai.errors import InvalidInput

if TYPE_CHECKING:
    from cloudai.client import Client
    from cloudai.training.job_file import JobFile
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
    add("--interval", type=duration, default=5.0, metavar="S", help="seconds between looks (default: 5)")
    add("--json", action="store_true", help="the plan or the result as JSON")


def run(args: argparse.Namespace) -> int:
    """Submits; with `--wait` the exit code says how the run ended."""
    from cloudai.cli.calls import open_client
    from cloudai.cli.train_sweep import run_sweep
    from cloudai.training.job_file import money_of, read_job, read_sweep
    from cloudai.training.machines import refuse_above
    from cloudai.training.sweep import jobs_of

    file = read_job(Path(args.job))
    sweep = read_sweep(Path(args.sweep)) if args.sweep else file.sweep
    if args.fetch and (sweep is not None or not args.wait):
        raise InvalidInput("--fetch goes with --wait, of one run; of a sweep: cloudai runs fetch RUN FOLDER")
    limit = {} if args.max_cost is None else {"max_cost": money_of(args.max_cost)}
    with open_client(args.config, args.backend) as client:
        if sweep is not None:
            limited = sweep.model_copy(update=limit)
            job, plans = _planned(client, file.job, lambda one: jobs_of(one, limited), args)
            return run_sweep(client, job, plans, limited, file.tracking, args)
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
