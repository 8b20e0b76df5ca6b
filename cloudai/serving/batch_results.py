"""The results of a batch job on this machine: the same files as its input, line N the response to line N.

For drivers, which put a platform's own output into this form (`Results`), and for users, who read it (`read_results`).
A line is a response of the Open Inference Protocol v2 as JSON, or `{"error": "..."}`; both may have the request's `id`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any, BinaryIO, Final

from cloudai.errors import InvalidInput
from cloudai.types.custom import BatchFailure

if TYPE_CHECKING:
    from cloudai.serving.processing import Processing
    from cloudai.types.custom import Prediction
    from cloudai.types.tensor import Tensor

FAILURES: Final = 100
"""So many are told with a result; all of them are in the files."""
PART: Final = ".part"
_INPUTS: Final = re.compile(rb'"inputs"\s*:')
"""The key of a request that no response and no error has."""


@dataclass(frozen=True, kw_only=True)
class BatchRow:
    """One line of the results."""

    file: str
    line: int
    """From 1, as in the input file."""
    id: str | None
    """Of the request; of an image its name."""
    outputs: Mapping[str, Tensor]
    """Empty for a line that failed."""
    error: str | None
    predictions: tuple[Prediction, ...] = ()
    """What the manifest makes of the outputs, where one was given."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Of all lines of some results."""

    total: int
    failed: int
    failures: tuple[BatchFailure, ...]

    @property
    def succeeded(self) -> int:
        """Lines with a response."""
        return self.total - self.failed


@contextmanager
def result_file(folder: Path, name: str) -> Iterator[BinaryIO]:
    """A file of results that appears under its name as a whole, or not at all. `name`: the input file's, with slashes.

    Raises `InvalidInput` for a name that leads out of the folder.
    """
    target = inside(folder, name)
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f".{target.name}{PART}")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


@contextmanager
def arriving(folder: Path) -> Iterator[Path]:
    """An empty folder within `folder`, whose files move to the same place in `folder` when all of them are there.

    Raises `InvalidInput` where one would replace a file of requests: the inputs have the names of the results.
    """
    folder.mkdir(parents=True, exist_ok=True)
    waiting = Path(mkdtemp(prefix=".arriving-", dir=folder))
    try:
        yield waiting
        for name in result_names(waiting):
            if _holds_requests(folder / name):
                raise InvalidInput(
                    f"{folder / name} holds requests, which the results would replace: name another folder"
                )
        for name in result_names(waiting):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (waiting / name).replace(target)
    finally:
        shutil.rmtree(waiting, ignore_errors=True)


def _holds_requests(file: Path) -> bool:
    """By the beginning of its first line."""
    if not file.is_file():
        return False
    with file.open("rb") as opened:
        return _INPUTS.search(opened.readline(1 << 20)) is not None


def inside(folder: Path, name: str) -> Path:
    """`folder/name`. Raises `InvalidInput` for a name that leads out of it."""
    target = Path(os.path.normpath(folder / name))
    if not target.is_relative_to(os.path.normpath(folder)) or target == folder:
        raise InvalidInput(f"a result file is called {name!r}, which is not below its folder")
    return target


def error_line(message: str, request: bytes | str | None = None) -> bytes:
    """The result of a line that failed, without the line's end. `request`: the line, for its `id`."""
    named = _id_of(request)
    return json.dumps({**({} if named is None else {"id": named}), "error": message}).encode()


def _id_of(request: bytes | str | None) -> str | None:
    try:
        found = json.loads(request) if request else None
    except (ValueError, RecursionError):
        return None
    named = found.get("id") if isinstance(found, dict) else None
    return named if isinstance(named, str) else None


# --- reading ---------------------------------------------------------------------------------------------


def read_results(
    folder: str | Path, *, manifest: str | Path | None = None, images: str | Path | None = None
) -> Iterator[BatchRow]:
    """All lines of all result files, in order. `manifest`: a model folder whose `model.toml` says what they mean.

    `images`: the folder of the images that were the input. With it boxes are fractions of each image, without it of
    what the graph was given. Raises `InvalidInput` for a folder that is not there and for a file that holds something
    else.
    """
    from cloudai.serving.processing import processing_of

    processing = processing_of(manifest) if manifest is not None else None
    for name, number, line in _lines(Path(folder)):
        row = _row(name, number, line)
        if processing is not None and row.error is None:
            place = _place(processing, Path(images), row.id) if images is not None else None
            row = replace(row, predictions=processing.after(row.outputs, place))
        yield row


def _place(processing: Processing, images: Path, name: str | None) -> Any:
    """Where an image lies in the graph's input."""
    from cloudai.calls.media import InputGuard, load
    from cloudai.types.media import MediaKind

    if name is None:
        raise InvalidInput("a line of the results has no id: it is of no image")
    _, place = processing.before((load(inside(images, name), MediaKind.IMAGE, guard=InputGuard()),))
    return place


def count_results(folder: str | Path) -> Counts:
    """How many lines there are and how many failed; the files are read line by line."""
    total, failed, failures = 0, 0, list[BatchFailure]()
    for name, number, line in _lines(Path(folder)):
        total += 1
        if (error := error_in(line)) is not None:
            failed += 1
            if failed <= FAILURES:
                failures.append(BatchFailure(file=name, line=number, message=error[:500]))
    return Counts(total=total, failed=failed, failures=tuple(failures))


def result_names(folder: Path) -> tuple[str, ...]:
    """The result files below a folder, sorted."""
    found = (path for path in folder.rglob("*") if path.is_file())
    names = (path.relative_to(folder).as_posix() for path in found)
    return tuple(sorted(name for name in names if not any(part.startswith(".") for part in name.split("/"))))


def _lines(folder: Path) -> Iterator[tuple[str, int, bytes]]:
    if not folder.is_dir():
        raise InvalidInput(f"{folder} is no folder of results")
    for name in result_names(folder):
        with (folder / name).open("rb") as file:
            for number, line in enumerate(file, start=1):
                yield name, number, line


def error_in(line: bytes) -> str | None:
    """The words of a line that failed; `None`: it is a response."""
    from cloudai.serving.client import error_of

    return error_of(line) if b'"error"' in line else None


def _row(name: str, number: int, line: bytes) -> BatchRow:
    from cloudai.serving.client import decode
    from cloudai.wirejson import Malformed

    error = error_in(line)
    if error is not None:
        return BatchRow(file=name, line=number, id=_id_of(line), outputs={}, error=error)
    try:
        outputs = decode(line.rstrip(b"\r\n")).outputs
    except Malformed as malformed:
        raise InvalidInput(f"{name}, line {number}: no response of the protocol: {malformed}") from malformed
    return BatchRow(file=name, line=number, id=_id_of(line), outputs=outputs, error=None)
