"""`cloudai batches`: batch jobs, whichever process submitted them: submit, list, show, wait, fetch, cancel."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from cloudai.cli.custom import BATCH, batch_request, counted
from cloudai.cli.questions import FAILED, matching, only, questions
from cloudai.cli.submitting import ANEW, anew, cost_line, dry, found_line, left_behind, marked
from cloudai.cli.terminal import Grid, Shown, note, show, warn
from cloudai.errors import CloudAIError

if TYPE_CHECKING:
    from cloudai.calls.batches import BatchRun
    from cloudai.client import Client
    from cloudai.types.custom import BatchPlan, BatchPredictRequest, BatchRef, BatchStatus


def configure(parser: argparse.ArgumentParser) -> None:
    """One subcommand per question."""
    parser.epilog = """\
examples:
  cloudai batches submit ./digits ./rows ./answers --backend here --wait
  cloudai batches submit digits s3://bucket/rows/ s3://bucket/answers/ --backend aws --instance ml.g5.xlarge --dry-run
  cloudai batches fetch digits-0123456789 ./answers

exit codes: 0 fine, 1 the job failed, 2 wrong input, 3 it may cost more than --max-cost"""
    words = {
        "submit": "a model over a folder, files or an object-store prefix, as one job",
        "list": "the batch jobs that cloudai submitted, newest first",
        "show": "one job: state, lines, cost",
        "wait": "until it has ended; exit code 1: not well",
        "fetch": "put its results into a folder: the input's files, line for line",
        "cancel": "stop it",
    }
    named_by = "its name, the start of it, or its ref in JSON"
    _configure_submission(questions(parser, words, of="JOB", named_by=named_by)["submit"])


def _configure_submission(parser: argparse.ArgumentParser) -> None:
    for flag in BATCH:
        flag.add(parser)
    parser.add_argument("--dry-run", action="store_true", help="print exactly what would be sent, and send nothing")
    parser.add_argument("--max-cost", metavar="AMOUNT", help='refuse what may cost more: "5 USD"')
    parser.add_argument("--wait", action="store_true", help="until it has ended, with its results in RESULTS")
    parser.add_argument("--again", nargs="?", const=ANEW, metavar="TEXT", help="a new job of the same request")


def run(args: argparse.Namespace) -> int:
    """Asks the backends."""
    from cloudai.cli.calls import open_client

    verbs = {"submit": _submit, "list": _list, "show": _show, "wait": _wait, "fetch": _fetch, "cancel": _cancel}
    with open_client(args.config, args.backend) as client:
        return verbs[args.verb](client, args)


# --- submitting ------------------------------------------------------------------------------------------


def _submit(client: Client, args: argparse.Namespace) -> int:
    from cloudai.training.machines import refuse_above
    from cloudai.training.register import Register
    from cloudai.training.submission import submit_batch

    request, plan = _planned(client, _request(args), args.again)
    if args.dry_run:
        show([plan.model_dump_json(indent=2)] if args.json else dry(plan))
        refuse_above(request, plan.at_limit)
        return 0
    if not args.json:
        note(cost_line(plan))
    for notice in plan.warnings:
        warn(notice.message)
    job = submit_batch(client, request, plan=plan, register=Register.of_batches())
    if job.submission is not None and job.submission.found:
        note(found_line(args.again))
    if not args.wait:
        status = job.status()
        show([job.ref.model_dump_json()] if args.json else _shown(job.ref, status))
        return 0
    with left_behind([job.ref.name], "batches cancel"):
        status = job.wait(interval=args.interval)
    if not _well(status):
        show([_as_json(job.ref, status)] if args.json else _shown(job.ref, status))
        return FAILED
    result = job.result(interval=args.interval)
    told = status.model_copy(
        update={name: getattr(result, name) for name in ("output", "total", "succeeded", "failed", "failures")}
    )
    show([_as_json(job.ref, told)] if args.json else _shown(job.ref, told))
    return 0


def _request(args: argparse.Namespace) -> BatchPredictRequest:
    from cloudai.training.job_file import money_of

    request = batch_request({flag.field: getattr(args, flag.field) for flag in BATCH if hasattr(args, flag.field)})
    return request if args.max_cost is None else request.model_copy(update={"max_cost": money_of(args.max_cost)})


def _planned(client: Client, request: BatchPredictRequest, again: str | None) -> tuple[BatchPredictRequest, BatchPlan]:
    """The request as `--again` marks it, and its plan."""
    from cloudai.training.register import Register

    def planned(one: BatchPredictRequest) -> Sequence[BatchPlan]:
        return (client.custom.plan_batch(one),)

    if again == ANEW:
        registered = Register.of_batches()
        request, plans = anew(request, planned, registered, lambda backend: client.custom.batches(backend=backend))
        return request, plans[0]
    request = request if again is None else marked(request, again)
    return request, planned(request)[0]


# --- looking ---------------------------------------------------------------------------------------------


def _list(client: Client, args: argparse.Namespace) -> int:
    heads = ("job", "backend", "state", "submitted", "lines", "cost")
    rows = tuple(_row(client, ref) for ref in client.custom.batches(backend=args.backend))
    if args.json:
        show([json.dumps([dict(zip(heads, row, strict=True)) for row in rows], indent=2)])
    else:
        show([Grid(heads, rows, empty="no batch jobs")])
    return 0


def _row(client: Client, ref: BatchRef) -> tuple[str, ...]:
    try:
        status = client.custom.batch(ref).status()
    except CloudAIError as error:
        return ref.name, ref.backend, f"unknown ({error.code})", ref.submitted or "-", "-", "unknown"
    cost = "unknown" if status.cost is None else str(status.cost)
    return ref.name, ref.backend, str(status.state), ref.submitted or "-", counted(status) or "-", cost


def _show(client: Client, args: argparse.Namespace) -> int:
    job = _handle(client, args.name, args.backend)
    status = job.status()
    show([_as_json(job.ref, status)] if args.json else _shown(job.ref, status))
    return 0


def _as_json(ref: BatchRef, status: BatchStatus) -> str:
    return json.dumps({"batch": ref.model_dump(mode="json"), "status": status.model_dump(mode="json")}, indent=2)


def _shown(ref: BatchRef, status: BatchStatus) -> Iterable[Shown]:
    facts = {
        "job": ref.name,
        "backend": ref.backend,
        "id": ref.id,
        "state": str(status.state),
        "why": status.message,
        "lines": counted(status),
        "started": status.started,
        "ended": status.ended,
        "billed": None if status.billed_seconds is None else f"{status.billed_seconds:.1f} s",
        "cost": "unknown" if status.cost is None else str(status.cost),
        "output": status.output,
    }
    yield Grid(("", ""), tuple((name, text) for name, text in facts.items() if text))
    failures = tuple((one.file, str(one.line), one.message) for one in status.failures)
    if failures:
        yield Grid(("file", "line", "why it failed"), failures)


def _wait(client: Client, args: argparse.Namespace) -> int:
    job = _handle(client, args.name, args.backend)
    status = job.wait(timeout=args.timeout, interval=args.interval)
    show(_shown(job.ref, status))
    return 0 if _well(status) else FAILED


def _fetch(client: Client, args: argparse.Namespace) -> int:
    from cloudai.serving.batch_results import count_results

    folder = _handle(client, args.name, args.backend).fetch(args.folder)
    counts = count_results(folder)
    show([Grid(("", ""), (("output", str(folder)), ("lines", f"{counts.succeeded} of {counts.total}")))])
    return 0


def _cancel(client: Client, args: argparse.Namespace) -> int:
    job = _handle(client, args.name, args.backend)
    job.cancel()
    note(f"{job.ref.name}: {job.status().state}")
    return 0


def _well(status: BatchStatus) -> bool:
    from cloudai.types.speech import JobState

    return status.state is JobState.SUCCEEDED


def _handle(client: Client, name: str, backend: str | None) -> BatchRun:
    """By its ref, or by the start of its name, which is looked for at the backends."""
    if name.lstrip().startswith("{"):
        return client.custom.batch(name)
    found = matching(name, client.custom.batches(backend=backend))
    return client.custom.batch(only(name, found, what="batch job", command="batches"))
