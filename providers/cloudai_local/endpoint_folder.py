"""The folder of one endpoint on this machine: what stands in it, and how it is known whether its server lives.

    NAME/
      endpoint.json          what is wanted: device, versions, traffic (replaced as a whole)
      models/NAME/VERSION/   a copy of each version's model folder
      server.json            the process that serves (written by itself, before it is `cloudai serve`)
      log.txt                what it said, its address included
      lock                   held by it for as long as it lives: its successor by exec has it too

Standard library only: the server's process imports it first.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from cloudai_local.run_folder import replace_file

VARIABLE = "CLOUDAI_ENDPOINT_FOLDER"
"""In the environment of an endpoint's process: by it one is found that nobody wrote down."""
_ADDRESS = re.compile(r"^serving on (http://\S+)$", re.MULTILINE)


class Damaged(OSError):
    """The file of an endpoint can't be read; it can be deleted."""


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version: its share of the traffic in percent, and its package's hash."""

    traffic: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What an endpoint should be."""

    name: str
    created: str
    device: str = "cpu"
    versions: dict[str, Version] = field(default_factory=dict)

    def with_traffic(self, traffic: dict[str, int]) -> Wanted:
        """The same versions, otherwise shared."""
        return replace(
            self,
            versions={name: replace(one, traffic=traffic.get(name, 0)) for name, one in self.versions.items()},
        )


@dataclass(frozen=True)
class EndpointFolder:
    """One endpoint's folder."""

    path: Path

    @property
    def models(self) -> Path:
        """What is served."""
        return self.path / "models"

    def version(self, name: str) -> Path:
        return self.models / self.path.name / name

    def exists(self) -> bool:
        return (self.path / "endpoint.json").is_file()

    def wanted(self) -> Wanted:
        """Raises `FileNotFoundError` where there is no such endpoint, `Damaged` where its file says nothing."""
        text = (self.path / "endpoint.json").read_text(encoding="utf-8", errors="replace")
        try:
            found = json.loads(text)
            versions = {name: Version(**one) for name, one in found.pop("versions").items()}
            return Wanted(**found, versions=versions)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            name = self.path.name
            words = f"{self.path / 'endpoint.json'} is damaged: `cloudai endpoints delete {name}`, then deploy it again"
            raise Damaged(words) from error

    def write(self, wanted: Wanted) -> None:
        replace_file(self.path / "endpoint.json", json.dumps(asdict(wanted)))

    # --- its process ---------------------------------------------------------------------------------

    def alive(self) -> bool:
        """Whether a server lives: it holds the lock."""
        try:
            with (self.path / "lock").open("r+") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except OSError:
                    return True
                return False
        except FileNotFoundError:
            return False

    def address(self) -> str | None:
        """Where it listens, once it does."""
        with suppress(FileNotFoundError):
            found = _ADDRESS.findall(self.log())
            return str(found[-1]) if found else None
        return None

    def log(self) -> str:
        try:
            return (self.path / "log.txt").read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""

    def last_words(self) -> str:
        """The last line of the log that says something."""
        lines = [line for line in self.log().splitlines() if line.strip()]
        return lines[-1].strip() if lines else "it said nothing"

    def process(self) -> int | None:
        """As the process wrote it down itself."""
        try:
            return int(json.loads((self.path / "server.json").read_text(encoding="utf-8"))["pid"])
        except (FileNotFoundError, ValueError, KeyError):
            return None

    def stop(self, *, marked: Path | None = None, seconds: float = 10.0) -> None:
        """Ends its server: asked first, then killed. `marked`: also every process that was started for that folder."""
        ends = time.monotonic() + seconds
        while found := self._living(marked):
            number = signal.SIGTERM if time.monotonic() < ends else signal.SIGKILL
            for process in found - {0}:
                with suppress(ProcessLookupError, PermissionError):
                    os.kill(process, number)
            time.sleep(0.02)

    def _living(self, marked: Path | None) -> set[int]:
        """Processes of its server; 0 for one that has not written itself down yet."""
        found = set(processes_of(marked)) if marked is not None else set[int]()
        return found | {self.process() or 0} if self.alive() else found


def processes_of(folder: Path) -> list[int]:
    """Every process that was started for an endpoint's folder, by its environment. Empty where there is no /proc."""
    mark = f"{VARIABLE}={folder}".encode()
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


@contextmanager
def changing(root: Path, name: str) -> Iterator[None]:
    """One change of an endpoint at a time, of all processes; the lock of one that is killed is gone with it."""
    locks = root / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / name).open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
