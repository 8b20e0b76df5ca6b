"""The process of one local batch job: answers its input line by line, and writes down how far it is.

    python -m cloudai_local.batch_process BATCH_FOLDER

It outlives whoever submitted the job. Of two processes of one job the second ends at once: the first has the lock. It
says `ready` on standard output when the job is its own, `taken` when it is another's. A file of results grows beside
its place and moves there when it is complete; a process that goes on begins behind the last whole line of it.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cloudai.errors import CloudAIError
from cloudai.serving.batch_results import FAILURES, PART, error_in, inside
from cloudai_local import run_folder as folders
from cloudai_local.batch_folder import BatchFolder, BatchOrder, BatchState
from cloudai_local.batch_lines import Line, LineModel, count, lines_of, sources
from cloudai_local.supervisor import say

if TYPE_CHECKING:
    from cloudai.serving.processing import Processing

LOOK = 0.2
"""Seconds between looks at the wish to stop and the limits, and between two states that are written."""


class Stopped(Exception):
    """The job ends before all lines are answered: the state, and why."""

    def __init__(self, state: str, why: str) -> None:
        super().__init__(why)
        self.state = state


def main(argv: list[str]) -> int:
    """Works until the job has ended."""
    batch = BatchFolder(Path(argv[0]))
    with batch.held.supervising() as mine:
        before = batch.state()
        if not mine or before.state in folders.ENDED:
            say("taken")
            return 0
        begun = replace(before, state=folders.RUNNING, message=None, started=before.started or folders.utc())
        batch.write(begun)
        say("ready")
        work = Work(batch, batch.order(), begun)
        ended = work.done()
        batch.write(replace(ended, ended=folders.utc()))
        for name in ("model", "manifest"):
            shutil.rmtree(batch.path / name, ignore_errors=True)
    return 0


class Work:
    """One process's part of a job."""

    def __init__(self, batch: BatchFolder, order: BatchOrder, state: BatchState) -> None:
        self._batch, self._order = batch, order
        self._before = state.seconds
        self._begun = self._looked = time.monotonic()
        self._state = state

    def done(self) -> BatchState:
        """The last state, whatever it is."""
        try:
            self._all()
        except Stopped as stop:
            return self._ended(stop.state, str(stop))
        except CloudAIError as error:
            return self._ended(folders.FAILED, error.message)
        except Exception as error:  # noqa: BLE001  # the border of the process: nobody else would tell
            return self._ended(folders.FAILED, f"{type(error).__name__}: {error}")
        if self._state.done and self._state.failed == self._state.done:
            first = self._state.failures[0]
            return self._ended(folders.FAILED, f"all {self._state.done} lines failed: {first[2]}")
        return self._ended(folders.SUCCEEDED, None)

    def _ended(self, state: str, message: str | None) -> BatchState:
        for name, _ in sources(self._order):
            with suppress(OSError):  # why it ended is told, not what could not be tidied up
                self._part(name).unlink(missing_ok=True)
        return replace(self._timed(), state=state, message=message)

    def _timed(self) -> BatchState:
        return replace(self._state, seconds=self._before + time.monotonic() - self._begun)

    def _all(self) -> None:
        changed = [file.name for file in self._order.files if file.changed()]
        if changed:
            raise Stopped(folders.FAILED, f"{changed[0]} was changed or taken away since the job was submitted")
        already = self._state.written
        self._state = replace(self._state, total=count(self._order), done=0, failed=0, failures=(), written=())
        self._look(0.0)
        model = open_model(self._batch.path, self._order)
        for name, paths in sources(self._order):
            target = inside(Path(self._order.output), name)
            if name in already and target.is_file():
                self._recount(name, target)
            else:
                self._file(model, name, paths, target)
            self._state = replace(self._state, written=(*self._state.written, name))
            self._look(0.0)

    # --- one file of results ---------------------------------------------------------------------------------

    def _file(self, model: LineModel, name: str, paths: Sequence[Path], target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = self._part(name)
        with part.open("a+b") as results:
            number = self._recount(name, part, truncate=results)
            for group in _groups(lines_of(self._order, paths, skip=number), self._order.batch_size):
                answers = model.answers(group)
                results.write(b"".join(answer + b"\n" for answer in answers))
                for answer in answers:
                    number += 1
                    self._counted(name, number, answer)
                self._look()
            results.flush()
            os.fsync(results.fileno())
        part.replace(target)

    def _part(self, name: str) -> Path:
        """Where a file of results grows: no other job's has this name."""
        target = inside(Path(self._order.output), name)
        return target.with_name(f".{target.name}.{self._order.name}{PART}")

    def _recount(self, name: str, path: Path, *, truncate: BinaryIO | None = None) -> int:
        """The whole lines that are there already. `truncate`: what is behind the last of them is cut off."""
        number, end = 0, 0
        with path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                number, end = number + 1, end + len(line)
                self._counted(name, number, line)
        if truncate is not None:
            truncate.truncate(end)
        return number

    def _counted(self, name: str, number: int, answer: bytes) -> None:
        error = error_in(answer)
        state = self._state
        failures = state.failures
        if error is not None and len(failures) < FAILURES:
            failures = (*failures, (name, number, error[:500]))
        self._state = replace(state, done=state.done + 1, failed=state.failed + (error is not None), failures=failures)
        most = self._order.max_failed
        if most is not None and self._state.failed > most:
            raise Stopped(
                folders.FAILED,
                f"more than {most} line{'s' * (most != 1)} failed; the last: {name}, line {number}: {error}",
            )

    def _look(self, interval: float = LOOK) -> None:
        """Now and then: whether to stop, and the state for others to read."""
        now = time.monotonic()
        if now - self._looked < interval:
            return
        self._looked = now
        if (self._batch.path / "cancel").exists():
            raise Stopped(folders.CANCELLED, "cancelled")
        state = self._timed()
        if state.seconds > self._order.max_seconds:
            raise Stopped(folders.FAILED, f"stopped: it ran longer than its limit of {self._order.max_seconds:g} s")
        self._batch.write(state)


def _groups(lines: Iterator[Line], size: int) -> Iterator[list[Line]]:
    while group := list(islice(lines, size)):
        yield group


def open_model(folder: Path, order: BatchOrder) -> LineModel:
    """The copy of the model. Raises `InvalidInput` for one that is none, `MissingDependency` without its device."""
    from cloudai.errors import InvalidInput
    from cloudai_local.onnx.serving import OnnxFolders

    source = OnnxFolders(folder / "model", device=order.device, threads=order.threads)
    keys = list(source.scan())
    if len(keys) != 1:
        raise InvalidInput(f"the folder has {len(keys)} models: name the folder of one")
    return LineModel(source.load(keys[0]), _processing(folder) if order.images else None)


def _processing(folder: Path) -> Processing:
    from cloudai.serving.processing import processing_of

    own = folder / "manifest"
    return processing_of(own if own.is_dir() else folder / "model")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
