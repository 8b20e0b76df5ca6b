"""The folder of one training run on this machine: what stands in it, and how its state is read and written.

    NAME/
      run.json        the order: what the supervisor starts (written before the folder has its name)
      job.json        the job as it was submitted
      state.json      where it stands (written by the supervisor, replaced as a whole)
      source/ model/ checkpoints/ log.txt
      lock            held by the supervisor for as long as it lives
      cancel          made by whoever wants it stopped

Standard library only: the supervisor's process imports it too.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

VARIABLE = "CLOUDAI_RUN_FOLDER"
"""In the environment of every process of a run: by it they are found again."""
QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED = "queued", "running", "succeeded", "failed", "cancelled"
ENDED = frozenset({SUCCEEDED, FAILED, CANCELLED})
INTERRUPTED = "its supervisor was killed: submit the same job again, and it goes on from its checkpoint"


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the supervisor is to do."""

    name: str
    python: str
    """The interpreter: of the current environment, or the one a virtual environment is made from."""
    requirements: str | None
    """Relative to `source/`; with it the run has a virtual environment of its own."""
    environments: str
    """The folder of those virtual environments."""
    environment: dict[str, str]
    max_seconds: float
    spot: bool
    submitted: str


@dataclass(frozen=True, kw_only=True)
class State:
    """Where a run stands."""

    state: str = QUEUED
    message: str | None = None
    started: str | None = None
    ended: str | None = None
    seconds: float = 0.0
    """It ran, all starts together."""
    restarts: int = 0
    exit_code: int | None = None
    group: int | None = None
    """The process group that runs."""


@dataclass(frozen=True)
class RunFolder:
    """One run's folder."""

    path: Path

    @property
    def log(self) -> Path:
        return self.path / "log.txt"

    @property
    def model(self) -> Path:
        return self.path / "model"

    def order(self) -> Order:
        """Raises `FileNotFoundError` where there is no such run."""
        return Order(**json.loads((self.path / "run.json").read_text(encoding="utf-8")))

    def state(self) -> State:
        """As it was last written; `queued` before the supervisor wrote any, failed where it says nothing."""
        try:
            return State(**json.loads((self.path / "state.json").read_text(encoding="utf-8")))
        except FileNotFoundError:
            return State()
        except (ValueError, TypeError):
            return State(state=FAILED, message=f"{self.path / 'state.json'} is damaged: submit it with --again")

    def now(self) -> State:
        """Where it really stands: one that says `running` and whose supervisor is gone has failed."""
        alive = self.supervised()
        state = self.state()
        if alive or state.state != RUNNING:
            return state
        return replace(state, state=FAILED, message=INTERRUPTED)

    def write(self, state: State) -> None:
        """Replaces the state as a whole."""
        replace_file(self.path / "state.json", json.dumps(asdict(state)))

    def supervised(self) -> bool:
        """Whether a supervisor lives."""
        with (self.path / "lock").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return True
            return False

    @contextmanager
    def supervising(self) -> Iterator[bool]:
        """Holds the lock; `False` when another supervisor has it."""
        with (self.path / "lock").open("a") as file:
            for _ in range(20):  # whoever only looks holds it for a moment
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    time.sleep(0.02)
                else:
                    yield True
                    return
            yield False

    def processes(self) -> list[int]:
        """Every process of the run, also one that left its group. Empty where there is no /proc."""
        mark = f"{VARIABLE}={self.path}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
        return found

    def kill_all(self, group: int | None) -> None:
        """Ends whatever is left of the run."""
        if group is not None and (not Path("/proc/self").exists() or group in self.processes()):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(group, signal.SIGKILL)
        for process in self.processes():
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)


def replace_file(path: Path, text: str) -> None:
    """Writes a file so that others see the old or the new one, and it is there after a power cut."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def utc(seconds: float | None = None) -> str:
    """ISO 8601, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
