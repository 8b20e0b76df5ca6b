"""Training on this machine: a job becomes a folder and a supervised process that outlives the one that submitted it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

from cloudai.errors import CloudAIError, ErrorCode, Unsupported
from cloudai.training.machines import cost_of_seconds, refuse_above
from cloudai.training.package import Prepared, is_remote, masked, prepare, processes_per_machine
from cloudai.training.register import state_folder
from cloudai.training.runner import variable
from cloudai.types.custom import LogPage, RunRef, RunStatus, TrainingJob, TrainingPlan, TrainResult
from cloudai.types.results import Money, Notice
from cloudai.types.speech import JobState
from cloudai_local.run_folder import ENDED, Order, RunFolder, State, replace_file, utc
from cloudai_local.this_machine import MACHINE, gpus_wanted, must_have_gpus

if TYPE_CHECKING:
    from cloudai.driver import Call
    from cloudai_local.settings import LocalSettings

OPERATION = "custom.train"
PAGE = 1 << 20
MAKING = ".making-"
"""Begins the name of a folder that is not a run yet; the process that makes it follows."""


class LocalTraining:
    """The runs of one backend: those below its `runs` folder."""

    def __init__(self, settings: LocalSettings, *, backend: str) -> None:
        self._backend = backend
        self._hourly = None if settings.hourly_price is None else Money(amount=settings.hourly_price)
        self._runs = settings.runs or default_runs()

    def train(self, request: TrainingJob, call: Call) -> TrainResult:
        """Finds the run of the same job, or makes it; one whose supervisor was killed goes on."""
        prepared = prepare(request)
        plan = self._plan(prepared)
        refuse_above(request, self._limit_cost(request))
        folder = RunFolder(self._runs / prepared.name)
        found = folder.path.exists()
        if not found:
            found = not self._make(folder, prepared)
        if folder.state().state not in ENDED:
            _start(folder)
        state = folder.now().state
        return TrainResult(
            run=self._ref(folder), state=JobState(state), plan=plan, found=found, warnings=plan.warnings, model=MACHINE
        )

    def plan_training(self, request: TrainingJob, call: Call) -> TrainingPlan:
        """What would be started. Nothing is."""
        return self._plan(prepare(request))

    def run_status(self, run: RunRef, call: Call) -> RunStatus:
        folder = self._folder(run)
        now = folder.now()
        return RunStatus(
            state=JobState(now.state),
            message=now.message,
            started=now.started,
            ended=now.ended,
            billed_seconds=_seconds(now),
            restarts=now.restarts,
            artefact=str(folder.model) if now.state == JobState.SUCCEEDED else None,
            exit_code=now.exit_code,
        )

    def run_logs(self, run: RunRef, cursor: str | None, call: Call) -> LogPage:
        """The cursor is a place in the log file; a line that is still being written comes when it is whole."""
        folder = self._folder(run)
        at = int(cursor or 0)
        ended = folder.state().state in ENDED
        try:
            with folder.log.open("rb") as file:
                file.seek(at)
                data = file.read(PAGE)
        except FileNotFoundError:
            return LogPage(next=cursor)
        if (not ended and len(data) < PAGE) or (len(data) == PAGE and b"\n" in data):
            data = data[: data.rfind(b"\n") + 1]
        return LogPage(lines=tuple(data.decode("utf-8", "replace").splitlines()), next=str(at + len(data)))

    def cancel_run(self, run: RunRef, call: Call) -> None:
        """Returns when its processes are gone, or after the attempt's time."""
        folder = self._folder(run)
        if folder.state().state in ENDED:
            return
        (folder.path / "cancel").touch()
        ends = time.monotonic() + min(call.timeout, 30.0)
        while folder.supervised():
            if time.monotonic() > ends:
                return
            time.sleep(0.05)
        _end_unsupervised(folder)

    def fetch_run(self, run: RunRef, folder: Path, call: Call) -> None:
        source = self._folder(run)
        if source.now().state != JobState.SUCCEEDED:
            raise CloudAIError(
                f"run {run.name} has no model: its state is {source.now().state}",
                code=ErrorCode.CONFLICT,
                operation=OPERATION,
            )
        shutil.copytree(source.model, folder, dirs_exist_ok=True)

    def list_runs(self, call: Call) -> Sequence[RunRef]:
        found = [RunFolder(path.parent) for path in self._runs.glob("*/run.json")]
        shown = [folder for folder in found if not folder.path.name.startswith(".")]
        refs = [self._ref(folder) for folder in shown]
        return tuple(sorted(refs, key=lambda ref: ref.submitted or "", reverse=True))

    # --- making one ---------------------------------------------------------------------------------------

    def _plan(self, prepared: Prepared) -> TrainingPlan:
        job = prepared.job
        _possible(job)
        warnings = _warnings(job)
        return TrainingPlan(
            backend=self._backend,
            provider="local",
            name=prepared.name,
            instance=MACHINE,
            accelerator=job.accelerator,
            spot=job.spot,
            hourly=self._hourly,
            at_limit=self._limit_cost(job),
            requests=({"call": "start", "body": _shown(self._order(prepared))},),
            uploads=tuple((path, str(self._runs / prepared.name / "source" / path)) for path in prepared.package.files),
            warnings=warnings,
        )

    def _limit_cost(self, job: TrainingJob) -> Money | None:
        return cost_of_seconds(self._hourly, job.max_seconds)

    def _make(self, folder: RunFolder, prepared: Prepared) -> bool:
        """The folder appears under its name as a whole, or not at all; `False`: somebody else's is there."""
        self._runs.mkdir(parents=True, exist_ok=True)
        sweep_out(self._runs)
        staging = Path(mkdtemp(prefix=f"{MAKING}{os.getpid()}-", dir=self._runs))  # for this user only
        try:
            prepared.package.unpack(staging / "source")
            (staging / "job.json").write_text(prepared.job.model_dump_json(indent=2), encoding="utf-8")
            (staging / "hashes.json").write_text(json.dumps(prepared.hashes, indent=2), encoding="utf-8")
            for name in ("model", "checkpoints"):
                (staging / name).mkdir()
            replace_file(staging / "run.json", json.dumps(asdict(self._order(prepared))))
            try:
                staging.rename(folder.path)
            except OSError:
                if not folder.path.exists():
                    raise
                return False
            return True
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _order(self, prepared: Prepared) -> Order:
        job, folder = prepared.job, self._runs / prepared.name
        return Order(
            name=prepared.name,
            python=sys.executable,
            requirements=job.requirements,
            environments=str(self._runs / ".environments"),
            environment=_contract(job, folder) | dict(job.environment),
            max_seconds=float(job.max_seconds),
            spot=job.spot,
            submitted=utc(),
        )

    def _ref(self, folder: RunFolder) -> RunRef:
        try:
            submitted = folder.order().submitted
        except (ValueError, TypeError):
            submitted = None  # its run.json is damaged: all runs are listed, this one too
        details = () if self._hourly is None else (("hourly", f"{self._hourly.amount:f}"),)
        return RunRef(
            backend=self._backend, id=str(folder.path), name=folder.path.name, submitted=submitted, details=details
        )

    def _folder(self, run: RunRef) -> RunFolder:
        """By its name: a handle names a run of this backend, never a path."""
        folder = RunFolder(self._runs / Path(run.name).name)
        if not (folder.path / "run.json").exists():
            raise CloudAIError(f"no run {run.name} on this machine", code=ErrorCode.NOT_FOUND, operation=OPERATION)
        return folder


def default_runs() -> Path:
    """`runs` in the user's state folder, or in that of `CLOUDAI_STATE`."""
    return state_folder() / "runs"


def sweep_out(root: Path) -> None:
    """Removes what processes that were killed half way have left."""
    for left in root.glob(f"{MAKING}*"):
        maker = left.name[len(MAKING) :].partition("-")[0]
        try:
            os.kill(int(maker), 0)
        except ProcessLookupError:
            shutil.rmtree(left, ignore_errors=True)
        except PermissionError:
            continue


def _possible(job: TrainingJob) -> None:
    if job.image is not None:
        raise Unsupported("local runs scripts, not containers: leave image out", operation=OPERATION)
    for channel, address in job.inputs.items():
        if is_remote(address):
            raise Unsupported(
                f"input {channel}: local reads folders of this machine: download {address} first", operation=OPERATION
            )
    must_have_gpus(job.accelerator, operation=OPERATION)
    if job.nodes > 1 and job.framework != "pytorch":
        raise Unsupported(
            'local starts several processes with torch only: say framework = "pytorch"', operation=OPERATION
        )


def _warnings(job: TrainingJob) -> tuple[Notice, ...]:
    found = []
    if job.accelerator.instance is not None:
        found.append(("option_ignored", f"instance {job.accelerator.instance}: local runs on this machine"))
    for name in ("checkpoint", "output"):
        if getattr(job, name) is not None:
            found.append(("option_ignored", f"{name}: local keeps it in the run's folder; see `cloudai runs fetch`"))
    return tuple(Notice(code=code, message=message) for code, message in found)


def _contract(job: TrainingJob, folder: Path) -> dict[str, str]:
    """What the runner reads. Several nodes are as many processes of this machine."""
    inputs = {f"CLOUDAI_INPUT_{variable(channel)}": str(Path(path).absolute()) for channel, path in job.inputs.items()}
    return {
        **inputs,
        "CLOUDAI_MODEL_DIR": str(folder / "model"),
        "CLOUDAI_CHECKPOINT_DIR": str(folder / "checkpoints"),
        "CLOUDAI_HPARAMS": json.dumps(dict(job.hyperparameters), sort_keys=True),
        "CLOUDAI_PROCESSES": str(processes_per_machine(job) * job.nodes),
        "CLOUDAI_GPUS": str(gpus_wanted(job.accelerator)),
        "CLOUDAI_INSTALL": "0",
        "MASTER_ADDR": "127.0.0.1",
    }


def _shown(order: Order) -> dict[str, Any]:
    return {**asdict(order), "environment": masked(order.environment)}


def _start(folder: RunFolder) -> None:
    """Starts the supervisor, and waits until the run is its own: two of them never both run it."""
    start_process("cloudai_local.supervisor", folder.path)


def start_process(module: str, folder: Path) -> None:
    """Starts what looks after a folder, and waits until it has said that the folder is its own, or another's."""
    log_file = folder / "supervisor.log"
    with log_file.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(folder)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, cwd=folder,
            start_new_session=True,
        )  # fmt: skip
    assert process.stdout is not None
    with process.stdout:
        word = process.stdout.readline()
    _forget(process)
    if word not in (b"ready\n", b"taken\n"):
        said = log_file.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        raise CloudAIError(f"its process did not start: {(said or ['no reason'])[-1]}")


def _forget(process: subprocess.Popen[bytes]) -> None:
    """It goes on by itself; a thread collects it should it end before this process does."""
    import threading

    threading.Thread(target=process.wait, daemon=True, name="cloudai-run").start()


def _end_unsupervised(folder: RunFolder) -> None:
    """One whose supervisor is gone, or was never there: its processes are ended from here."""
    with folder.supervising() as mine:
        state = folder.state()
        if mine and state.state not in ENDED:
            folder.kill_all(state.group)
            ended = State(**{**asdict(state), "state": "cancelled", "message": "cancelled", "ended": utc()})
            folder.write(ended)


def _seconds(state: State) -> float | None:
    """As far as it is known: of a running one, since its start."""
    if state.ended is not None or state.started is None:
        return round(state.seconds, 3) if state.started is not None else None
    import calendar

    begun = calendar.timegm(time.strptime(state.started, "%Y-%m-%dT%H:%M:%SZ"))
    return max(0.0, time.time() - begun)
