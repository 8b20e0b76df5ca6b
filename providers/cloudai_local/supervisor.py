"""The process beside each local training run: starts it, holds it to its limits, resumes it, writes how it ended.

    python -m cloudai_local.supervisor RUN_FOLDER

It outlives whoever submitted the run. Of two supervisors of one run the second ends at once: the first has the lock.
It says `ready` on standard output when the run is its own, `taken` when it is another's. Standard library only.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from cloudai_local import run_folder as folders
from cloudai_local.run_folder import Order, RunFolder, State

LOOK = 0.1
"""Seconds between looks at the process, the clock and the wish to stop."""
GRACE = 10.0
"""Seconds a script has after SIGTERM to write its checkpoint."""
MOST_RESTARTS = 20
INSTALL_FAILED = 69
"""As the runner's exit code."""
_PLATFORMS = ("SM_", "AIP_", "AZUREML_", "AZ_BATCH", "CLOUDAI_", "OMPI_")
_LAUNCHERS = frozenset({"RANK", "WORLD_SIZE", "LOCAL_RANK", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT",
                        "CLUSTER_SPEC", "TF_CONFIG"})  # fmt: skip
_INTERRUPTIONS = frozenset({-signal.SIGKILL, -signal.SIGTERM, 128 + signal.SIGKILL, 128 + signal.SIGTERM})
"""Ends that come from outside, as a spot machine's: a spot run goes on from its checkpoint."""


class Unprepared(Exception):
    """The virtual environment could not be made, or was stopped from being made."""

    def __init__(self, state: str, message: str) -> None:
        super().__init__(message)
        self.state = state


def main(argv: list[str]) -> int:
    """Supervises one run until it has ended."""
    run = RunFolder(Path(argv[0]))
    with run.supervising() as mine:
        before = run.state()
        if not mine or before.state in folders.ENDED:
            say("taken")
            return 0
        again = before.state == folders.RUNNING
        if again:
            run.kill_all(before.group)
        state = replace(
            before,
            state=folders.RUNNING,
            message=None,
            started=before.started or folders.utc(),
            restarts=before.restarts + again,
            group=None,
        )
        run.write(state)
        say("ready")
        try:
            ended = supervise(run, run.order(), state)
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            ended = replace(run.state(), state=folders.FAILED, message=f"it could not be run: {error}")
        run.kill_all(None)
        run.write(replace(ended, ended=folders.utc(), group=None))
    return 0


def say(word: str) -> None:
    """To whoever started this process, and then no more: its pipe is closed."""
    with suppress(OSError):
        os.write(1, f"{word}\n".encode())
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 1)
    os.close(null)


def supervise(run: RunFolder, order: Order, state: State) -> State:
    """Starts the run until it ends by itself, is stopped, or was interrupted too often."""
    with run.log.open("ab", buffering=0) as log:
        try:
            python = interpreter(run, order, log.fileno())
        except Unprepared as error:
            return replace(state, state=error.state, message=str(error), exit_code=INSTALL_FAILED)
        while True:
            state = attempt(run, order, state, python, log.fileno())
            if state.state != folders.RUNNING:
                return state
            state = replace(state, restarts=state.restarts + 1)
            log.write(f"cloudai: interrupted; start {state.restarts + 1} goes on from its checkpoint\n".encode())


# --- one start -----------------------------------------------------------------------------------------------


def attempt(run: RunFolder, order: Order, state: State, python: str, log: int) -> State:
    """One start of the runner. Still `running` in the answer: it was interrupted and may go on."""
    if (run.path / "cancel").exists():
        return replace(state, state=folders.CANCELLED, message="cancelled")
    begun = time.monotonic()
    process = subprocess.Popen(
        [python, str(run.path / "source" / "cloudai_runner.py")],
        stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=run.path / "source",
        env={**inherited(), **order.environment, "MASTER_PORT": str(free_port()), folders.VARIABLE: str(run.path)},
        start_new_session=True,
    )  # fmt: skip
    run.write(replace(state, group=process.pid))
    stopped = watch(run, process, begun + order.max_seconds - state.seconds, order)
    code = process.wait()
    state = replace(state, seconds=state.seconds + time.monotonic() - begun, exit_code=code, group=None)
    if stopped is not None:
        return replace(state, state=stopped[0], message=stopped[1])
    if code == 0:
        return replace(state, state=folders.SUCCEEDED, message=None)
    if order.spot and code in _INTERRUPTIONS and state.restarts < MOST_RESTARTS:
        run.kill_all(process.pid)
        return state
    return replace(state, state=folders.FAILED, message=reason(run, code))


def watch(run: RunFolder, process: subprocess.Popen[bytes], ends: float, order: Order) -> tuple[str, str] | None:
    """Until the process has ended; the state and the reason where it was stopped from here."""
    while process.poll() is None:
        if (run.path / "cancel").exists():
            stop(run, process)
            return folders.CANCELLED, "cancelled"
        if time.monotonic() > ends:
            stop(run, process)
            return folders.FAILED, f"stopped: it ran longer than its limit of {order.max_seconds:g} s"
        time.sleep(LOOK)
    return None


def stop(run: RunFolder, process: subprocess.Popen[bytes]) -> None:
    """SIGTERM to the runner, which passes it on; after a grace period SIGKILL to all of them."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    run.kill_all(None)


def reason(run: RunFolder, code: int) -> str:
    """The runner's last word, or what the exit code says."""
    with run.log.open("rb") as file:
        file.seek(max(0, run.log.stat().st_size - 65536))
        lines = file.read().decode("utf-8", "replace").splitlines()
    for line in reversed(lines):
        if line.startswith('{"cloudai_outcome":'):
            with suppress(ValueError):
                return str(json.loads(line)["cloudai_outcome"]["message"] or f"exit code {code}")
    return f"ended by signal {-code}" if code < 0 else f"exit code {code}"


def inherited() -> dict[str, str]:
    """This process's environment without what a platform or launcher around it has set."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(_PLATFORMS) and name not in _LAUNCHERS
    }


def free_port() -> int:
    """A port of this machine that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# --- its virtual environment ---------------------------------------------------------------------------------


def interpreter(run: RunFolder, order: Order, log: int) -> str:
    """The current environment's, or that of a virtual environment with the requirements.

    One environment per interpreter and requirements, for all runs that have the same.
    """
    if order.requirements is None:
        return order.python
    file = run.path / "source" / order.requirements
    key = sha256(f"{order.python}\n{sys.version}\n".encode() + file.read_bytes()).hexdigest()[:16]
    folder = Path(order.environments) / key
    folder.mkdir(parents=True, exist_ok=True)
    python = folder / "venv" / "bin" / "python"
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "complete").exists():
            shutil.rmtree(folder / "venv", ignore_errors=True)
            make_environment(run, order, file, folder / "venv", log)
            (folder / "complete").touch()
    return str(python)


def make_environment(run: RunFolder, order: Order, requirements: Path, folder: Path, log: int) -> None:
    """With uv where it is there, else with venv and pip, within the run's limit."""
    uv, python = shutil.which("uv"), str(folder / "bin" / "python")
    if uv is not None:
        make = [uv, "venv", "--quiet", "--python", order.python, str(folder)]
        install = [uv, "pip", "install", "--python", python, "-r", str(requirements)]
    else:
        make = [order.python, "-m", "venv", str(folder)]
        install = [python, "-m", "pip", "install", "--disable-pip-version-check", "-r", str(requirements)]
    ends = time.monotonic() + order.max_seconds
    for command in (make, install):
        before = run.log.stat().st_size
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=requirements.parent,
            env={**inherited(), **order.environment, folders.VARIABLE: str(run.path)}, start_new_session=True,
        )  # fmt: skip
        stopped = watch(run, process, ends, order)
        if stopped is not None:
            raise Unprepared(*stopped)
        if process.wait():
            lines = run.log.read_bytes()[before:].decode("utf-8", "replace").strip().splitlines()
            said = [line for line in lines if line.startswith("ERROR")] or lines[-2:]
            raise Unprepared(folders.FAILED, f"{requirements.name} could not be installed: {' '.join(said)[:800]}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
