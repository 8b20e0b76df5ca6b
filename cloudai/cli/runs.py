"""`cloudai runs`: training runs, whichever process submitted them: list, show, logs, wait, cancel, fetch, diff."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from cloudai.cli.questions import FAILED, matching, only, questions
from cloudai.cli.terminal import Grid, Shown, note, show, warn
from cloudai.errors import CloudAIError, InvalidInput

if TYPE_CHECKING:
    from cloudai.calls.runs import TrainingRun
    from cloudai.client import Client
    from cloudai.training.record import RunRecord
    from cloudai.training.register import Entry
    from cloudai.training.tracking import Tracking
    from cloudai.types.custom import RunRef, RunStatus, TrainingJob


def configure(parser: argparse.ArgumentParser) -> None:
    """One subcommand per question."""
    words = {
        "list": "the runs that cloudai submitted, newest first",
        "show": "one run: state, cost, metrics",
        "logs": "what it printed",
        "wait": "until it has ended; exit code 1: not well",
        "cancel": "stop it",
        "fetch": "download its model",
        "diff": "what differs between two runs: source, data, parameters, packages, model",
    }
    subs = questions(parser, words, of="RUN", named_by="its name, the start of it, or its ref in JSON")
    subs["diff"].add_argument("other", metavar="OTHER", help="the run that it is compared with")
    subs["logs"].add_argument("-f", "--follow", action="store_true", help="until it has ended")


def run(args: argparse.Namespace) -> int:
    """Asks the backends; what this machine submitted is in the register."""
    from cloudai.cli.calls import open_client

    with open_client(args.config, args.backend) as client:
        verbs = {"list": _list, "show": _show, "logs": _logs, "wait": _wait, "cancel": _cancel, "fetch": _fetch}
        return {**verbs, "diff": _diff}[args.verb](client, args)


def _list(client: Client, args: argparse.Namespace) -> int:
    from cloudai.training.register import SUBMITTED, Register

    entries = [entry for entry in Register.of_runs().entries() if args.backend in (None, entry.backend)]
    entries = [entry for entry in entries if entry.backend in client.backends]
    known = {(ref.backend, ref.name): ref for ref in client.custom.runs(backend=args.backend)}
    known |= {(entry.backend, entry.name): entry.ref for entry in entries if entry.ref is not None}
    rows = [_row(client, ref) for ref in sorted(known.values(), key=lambda ref: ref.submitted or "", reverse=True)]
    rows += [
        (entry.name, entry.backend, "unknown", entry.created, "it was about to be submitted: submit it again")
        for entry in entries
        if entry.state != SUBMITTED and (entry.backend, entry.name) not in known
    ]
    heads = ("run", "backend", "state", "submitted", "cost")
    if args.json:
        show([json.dumps([dict(zip(heads, row, strict=True)) for row in rows], indent=2)])
    else:
        show([Grid(heads, tuple(rows), empty="no runs")])
    return 0


def _row(client: Client, ref: RunRef) -> tuple[str, str, str, str, str]:
    try:
        handle = client.custom.run(ref)
        status = handle.status()
    except CloudAIError as error:
        return ref.name, ref.backend, f"unknown ({error.code})", ref.submitted or "-", "unknown"
    cost = handle.cost(status)
    return ref.name, ref.backend, str(status.state), ref.submitted or "-", str(cost) if cost is not None else "unknown"


def _show(client: Client, args: argparse.Namespace) -> int:
    handle = _handle(client, args.name, args.backend)
    status = handle.status()
    show([as_json(handle, status)] if args.json else _shown(handle, status))
    return 0


def as_json(handle: TrainingRun, status: RunStatus) -> str:
    """`{"run", "status", "cost", "metrics"}` of a run."""
    cost = handle.cost(status)
    whole = {
        "run": handle.ref.model_dump(mode="json"),
        "status": status.model_dump(mode="json"),
        "cost": None if cost is None else cost.model_dump(mode="json"),
        "metrics": [json.loads(metric.model_dump_json()) for metric in handle.metrics()],
    }
    return json.dumps(whole, indent=2, allow_nan=False)


def _shown(handle: TrainingRun, status: RunStatus) -> Iterable[Shown]:
    cost = handle.cost(status)
    facts = {
        "run": handle.ref.name,
        "backend": handle.ref.backend,
        "id": handle.ref.id,
        "state": str(status.state),
        "why": status.message,
        "started": status.started,
        "ended": status.ended,
        "billed": None if status.billed_seconds is None else f"{status.billed_seconds:.1f} s",
        "restarts": str(status.restarts),
        "cost": str(cost) if cost is not None else "unknown",
        "artefact": status.artefact,
    }
    yield Grid(("", ""), tuple((name, text) for name, text in facts.items() if text))
    latest = {metric.name: metric for metric in handle.metrics()}
    rows = tuple((m.name, f"{m.value:g}", "-" if m.step is None else str(m.step)) for m in latest.values())
    yield Grid(("metric", "last value", "step"), rows, empty="no metrics")


def _logs(client: Client, args: argparse.Namespace) -> int:
    for line in printed(_handle(client, args.name, args.backend).logs(follow=args.follow, interval=args.interval)):
        show([line])
    return 0


def printed(lines: Iterable[str]) -> Iterator[str]:
    """A log without the lines in which the runner tells cloudai of packages and files."""
    return (line for line in lines if not line.startswith(('{"cloudai_environment"', '{"cloudai_outcome"')))


def _wait(client: Client, args: argparse.Namespace) -> int:
    from cloudai.types.speech import JobState

    handle = _handle(client, args.name, args.backend)
    status = handle.wait(timeout=args.timeout, interval=args.interval)
    show(_shown(handle, status))
    return 0 if status.state is JobState.SUCCEEDED else FAILED


def _cancel(client: Client, args: argparse.Namespace) -> int:
    handle = _handle(client, args.name, args.backend)
    handle.cancel()
    note(f"{handle.ref.name}: {handle.status().state}")
    return 0


def _fetch(client: Client, args: argparse.Namespace) -> int:
    folder = _handle(client, args.name, args.backend).fetch(args.folder)
    show([Grid(("file", "bytes"), tuple((str(p.relative_to(folder)), str(p.stat().st_size)) for p in _files(folder)))])
    return 0


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _diff(client: Client, args: argparse.Namespace) -> int:
    from cloudai.training.record import differences

    one, other = (_record(client, name, args.backend) for name in (args.name, args.other))
    found = differences(one, other)
    for record in (one, other):
        if record.from_log:
            note(f"{record.name} was submitted elsewhere: its data, environment and machine are not compared")
    rows = tuple((d.part, d.name, d.before, d.after) for d in found)
    heads = ("part", "name", one.name, other.name)
    if args.json:
        show([json.dumps([dict(zip(("part", "name", "before", "after"), row, strict=True)) for row in rows], indent=2)])
    else:
        show([Grid(heads, rows, empty="nothing differs: source, data, parameters, packages and model are the same")])
    return 0


def _record(client: Client, name: str, backend: str | None) -> RunRecord:
    from cloudai.training.record import record_in, record_of

    handle = _handle(client, name, backend)
    entry = _entry(handle.ref)
    if entry is not None and entry.job is not None:
        return record_of(handle.ref.name, entry.job, entry.hashes, handle.logs())
    found = record_in(handle.ref.name, handle.logs())
    if found is None:
        raise InvalidInput(
            f"{handle.ref.name} was not submitted from this machine, and its log does not say what it was made of: "
            "has it started?"
        )
    return found


def _entry(ref: RunRef) -> Entry[TrainingJob, RunRef] | None:
    from cloudai.training.register import Register

    return next((e for e in Register.of_runs().entries() if (e.backend, e.name) == (ref.backend, ref.name)), None)


def _handle(client: Client, name: str, backend: str | None) -> TrainingRun:
    """By its ref in JSON, or the start of its name: in the register, then at the backends."""
    from cloudai.training.register import Register

    if name.lstrip().startswith("{"):
        return client.custom.run(_ref(name))
    own = [entry.ref for entry in Register.of_runs().entries() if entry.ref is not None]
    known = [ref for ref in own if backend in (None, ref.backend) and ref.backend in client.backends]
    found = matching(name, known) or matching(name, client.custom.runs(backend=backend))
    return client.custom.run(only(name, found, what="run", command="runs"))


def _ref(text: str) -> RunRef:
    from cloudai.types.custom import RunRef

    try:
        return RunRef.model_validate_json(text)
    except ValueError as error:
        raise InvalidInput("this is no run's ref in JSON") from error


def tracked(handle: TrainingRun, job: TrainingJob, status: RunStatus, tracking: Tracking | None) -> None:
    """Tells MLflow of a run that has ended, where that is configured. What fails there is told, and fails nothing."""
    from tempfile import TemporaryDirectory

    from cloudai.training.tracking import track, tracking_of
    from cloudai.types.speech import JobState

    chosen = tracking_of(tracking)
    if chosen is None or status.state not in (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED):
        return
    entry = _entry(handle.ref)
    with TemporaryDirectory() as folder:
        try:
            model = handle.fetch(folder) if status.state is JobState.SUCCEEDED else None
            run_id = track(
                chosen, job, handle.ref, status, metrics=handle.metrics(),
                hashes=entry.hashes if entry is not None else None, cost=handle.cost(status), model=model,
            )  # fmt: skip
        except Exception as error:  # noqa: BLE001  # a tracker that is away takes no run with it
            warn(f"not tracked: {error}")
        else:
            note(f"tracked in {chosen.uri} as {run_id}")
