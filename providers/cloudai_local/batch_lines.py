"""The lines of a batch job: requests read from files or made of images, and answered by a model of this machine.

Memory is bounded by `MAX_LINE` bytes for each of the requests that are run together.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from cloudai.errors import CloudAIError, InvalidInput
from cloudai.serving.batch_results import error_line
from cloudai.serving.joining import Feed, run_together
from cloudai.serving.protocol import Decoder, Encoder, InferRequest

if TYPE_CHECKING:
    from cloudai.serving.engine import Engine
    from cloudai.serving.joining import Outcome
    from cloudai.serving.processing import Processing
    from cloudai_local.batch_folder import BatchOrder

MAX_LINE = 100 * 1024 * 1024
"""Bytes of one request."""
_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """An image that is to become a request."""

    name: str
    path: Path


Line: TypeAlias = "bytes | Image | None"
"""A request as JSON, an image, or nothing: a line that is longer than a request may be."""


def sources(order: BatchOrder) -> Iterator[tuple[str, tuple[Path, ...]]]:
    """Result file -> what it is made of: one file of requests, or all images."""
    from cloudai.serving.batches import IMAGES

    if order.images:
        yield IMAGES, tuple(Path(file.path) for file in order.files)
        return
    for file in order.files:
        yield file.name, (Path(file.path),)


def count(order: BatchOrder) -> int:
    """Lines of all input files."""
    if order.images:
        return len(order.files)
    return sum(_count(Path(file.path)) for file in order.files)


def _count(path: Path) -> int:
    lines, last = 0, b"\n"
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            lines += chunk.count(b"\n")
            last = chunk[-1:]
    return lines + (last != b"\n")


def lines_of(order: BatchOrder, paths: Sequence[Path], *, skip: int) -> Iterator[Line]:
    """From the line after `skip`."""
    if order.images:
        for file in order.files[skip:]:
            yield Image(name=file.name, path=Path(file.path))
        return
    with paths[0].open("rb") as opened:
        for number, line in enumerate(_read(opened)):
            if number >= skip:
                yield line


def _read(file: BinaryIO) -> Iterator[bytes | None]:
    while line := file.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE and not line.endswith(b"\n"):
            while (rest := file.readline(_CHUNK)) and not rest.endswith(b"\n"):
                pass
            yield None
        else:
            yield line


class _Sound(Feed):
    """A request that the model takes, and which of the lines it is."""

    __slots__ = ("at", "request")

    def __init__(self, at: int, request: InferRequest, joins: bool) -> None:
        super().__init__(request.outputs, request.feed, joins=joins)
        self.at = at
        self.request = request


class LineModel:
    """Answers lines, several in one run where the model can."""

    def __init__(self, engine: Engine, processing: Processing | None) -> None:
        self._engine = engine
        self._processing = processing
        self._decoder = Decoder(engine, max_json=MAX_LINE)
        self._encoder = Encoder(engine)
        self._names = [port.name for port in engine.outputs]

    def answers(self, lines: Sequence[Line]) -> list[bytes]:
        """One line of results for each, without the line's end: a response, or an error."""
        requests = [self._request(line) for line in lines]
        made = [found if isinstance(found, bytes) else b"" for found in requests]
        rows = self._engine.rows
        sound = [_Sound(at, found, rows) for at, found in enumerate(requests) if isinstance(found, InferRequest)]
        for group in self._groups(sound):
            for item, outcome in zip(group, run_together(self._engine, group), strict=True):
                made[item.at] = self._line(item.request, outcome)
        return made

    def _groups(self, sound: list[_Sound]) -> Iterator[list[_Sound]]:
        """Neighbours that fit into one run."""
        group: list[_Sound] = []
        for item in sound:
            rows = sum(each.rows for each in group) + item.rows
            if group and (not group[0].fits(item) or rows > self._engine.policy.max_batch):
                yield group
                group = []
            group.append(item)
        if group:
            yield group

    def _request(self, line: Line) -> InferRequest | bytes:
        """The request, or the error's line."""
        if isinstance(line, Image):
            return self._of_image(line)
        if line is None:
            return error_line(f"the line is longer than {MAX_LINE >> 20} MiB")
        if not line.strip():
            return error_line("the line is empty")
        try:
            found = self._decoder.decode(line, None)
        except InvalidInput as error:
            return error_line(error.message, line)
        return replace(found, binary=[False] * len(found.outputs))  # a line is JSON and nothing else

    def _of_image(self, image: Image) -> InferRequest | bytes:
        from cloudai.calls.media import InputGuard, load
        from cloudai.types.media import MediaKind

        assert self._processing is not None  # images come with a manifest
        try:
            tensors, _ = self._processing.before((load(image.path, MediaKind.IMAGE, guard=InputGuard()),))
        except CloudAIError as error:
            return error_line(error.message, json.dumps({"id": image.name}))
        feed = {name: tensor.array for name, tensor in tensors.items()}
        return InferRequest(
            id=image.name, feed=feed, outputs=self._names, binary=[False] * len(self._names), timeout=None
        )

    def _line(self, request: InferRequest, outcome: Outcome) -> bytes:
        named = json.dumps({"id": request.id}) if request.id is not None else None
        if isinstance(outcome, Exception):
            return error_line(_words(outcome), named)
        try:
            _, body = self._encoder.encode(request, outcome)
        except InvalidInput as error:
            return error_line(error.message, named)
        return body


def _words(error: Exception) -> str:
    return error.message if isinstance(error, CloudAIError) else str(error) or type(error).__name__
