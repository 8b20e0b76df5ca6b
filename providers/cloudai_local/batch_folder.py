"""The folder of one batch job on this machine: what stands in it, and how its state is read and written.

    NAME/
      batch.json      the order: model, input files, where the results go (written before the folder has its name)
      state.json      where it stands (written by the job's process, replaced as a whole)
      model/          a copy of the model folder, until the job has ended
      manifest/       of the folder that says how images are read, where it is another one
      lock            held by the job's process for as long as it lives
      cancel          made by whoever wants it stopped
      supervisor.log  what its process said

Standard library only.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from cloudai_local.run_folder import FAILED, QUEUED, RUNNING, RunFolder, replace_file

INTERRUPTED = "its process was killed: submit the same request again, and it goes on where it was"
UNSTARTED = "its process has not started yet: where that lasts, submit the same request again"


@dataclass(frozen=True, kw_only=True)
class Input:
    """One input file as it was when the job was submitted."""

    name: str
    path: str
    size: int
    modified: int
    """In nanoseconds."""

    @classmethod
    def of(cls, name: str, path: Path) -> Input:
        """As it is now."""
        stat = path.stat()
        return cls(name=name, path=str(path.absolute()), size=stat.st_size, modified=stat.st_mtime_ns)

    def changed(self) -> bool:
        """Whether it is another file since."""
        try:
            return self != Input.of(self.name, Path(self.path))
        except OSError:
            return True


@dataclass(frozen=True, kw_only=True)
class BatchOrder:
    """What the job's process is to do."""

    name: str
    images: bool
    """The input files are images, not requests."""
    files: tuple[Input, ...]
    output: str
    device: str
    threads: int | None
    batch_size: int
    max_seconds: float
    max_failed: int | None
    submitted: str


@dataclass(frozen=True, kw_only=True)
class BatchState:
    """Where a batch job stands."""

    state: str = QUEUED
    message: str | None = None
    started: str | None = None
    ended: str | None = None
    seconds: float = 0.0
    """It ran, all starts together."""
    total: int | None = None
    done: int = 0
    failed: int = 0
    failures: tuple[tuple[str, int, str], ...] = ()
    """File, line, message of the first hundred."""
    written: tuple[str, ...] = ()
    """Result files that are complete."""


@dataclass(frozen=True)
class BatchFolder:
    """One batch job's folder."""

    path: Path
    held: RunFolder = field(init=False, compare=False)
    """Its lock, which says whether its process lives."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "held", RunFolder(self.path))

    def exists(self) -> bool:
        return (self.path / "batch.json").is_file()

    def order(self) -> BatchOrder:
        """Raises `FileNotFoundError` where there is no such job."""
        found = json.loads((self.path / "batch.json").read_text(encoding="utf-8"))
        files = tuple(Input(**one) for one in found.pop("files"))
        return BatchOrder(**found, files=files)

    def write_order(self, order: BatchOrder) -> None:
        replace_file(self.path / "batch.json", json.dumps(asdict(order)))

    def state(self) -> BatchState:
        """As it was last written; `queued` before its process wrote any."""
        try:
            found = json.loads((self.path / "state.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            return BatchState()
        failures = tuple((str(name), int(line), str(message)) for name, line, message in found.pop("failures"))
        return BatchState(**{**found, "failures": failures, "written": tuple(found["written"])})

    def now(self) -> BatchState:
        """Where it really stands: one that says `running` and whose process is gone has failed."""
        alive = self.held.supervised()
        state = self.state()
        if not alive and state.state == RUNNING:
            return replace(state, state=FAILED, message=INTERRUPTED)
        if not alive and state.state == QUEUED:
            return replace(state, message=UNSTARTED)
        return state

    def write(self, state: BatchState) -> None:
        """Replaces the state as a whole."""
        replace_file(self.path / "state.json", json.dumps(asdict(state)))
