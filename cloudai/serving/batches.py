"""What a batch job is made of: its input files as JSON lines, and its name, which is the same for the same request.

For the providers' drivers: `prepare_batch(request)` reads what is on this machine once, and `with prepared.lines() as
files` gives the files to upload; images are made into requests there, as their manifest says.

A line is one inference request of the Open Inference Protocol v2 as JSON (tensors as `data`, not as bytes):
https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md (read 2026-11-21).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from cloudai.errors import InvalidInput
from cloudai.training.package import AGAIN, Listed, Lister, digest, is_remote, listing, named_by
from cloudai.types.custom import BatchPredictRequest

if TYPE_CHECKING:
    from cloudai.serving.processing import Processing

IMAGES: Final = "images.jsonl"
"""The one file of requests that a folder of images becomes."""
SUFFIXES: Final = (".jsonl", ".ndjson", ".json")
_ELSEWHERE: Final = {"inputs", "model", "manifest", "output", "max_cost", "tags"}
"""Fields that are known by what they name, or that change nothing."""
_NO_NAME = re.compile(r"[^a-zA-Z0-9]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class InputFile:
    """One local file of requests. `name` is its path below the input folder, with slashes: the results have it too."""

    name: str
    path: Path


@dataclass(frozen=True, kw_only=True)
class PreparedBatch:
    """A request, read: what is uploaded, and what it is known by."""

    request: BatchPredictRequest
    name: str
    """`{request.name, or the model's}-{10 hex digits}`: letters, digits and hyphens, at most 63 of them."""
    digest: str
    """SHA-256 of all that the job is: the ten digits are its first."""
    given: tuple[InputFile, ...]
    """The local files as they are: requests, or images. Empty for remote inputs."""

    @property
    def remote(self) -> tuple[str, ...]:
        """The addresses of inputs that are in an object store already."""
        return tuple(place for place in self.request.places if is_remote(place))

    @contextmanager
    def lines(self) -> Iterator[tuple[InputFile, ...]]:
        """The local files of requests, to upload; those that were made of images are there only within `with`."""
        if self.request.content == "requests":
            yield self.given
            return
        with TemporaryDirectory(prefix="cloudai-batch-") as folder:
            made = Path(folder) / IMAGES
            _write_images(self.request, self.given, made)
            yield (InputFile(name=IMAGES, path=made),)


def prepare_batch(
    request: BatchPredictRequest, *, lister: Lister | None = None, model: str | None = None
) -> PreparedBatch:
    """Reads the local inputs, and a local model's files. `lister` gives the objects of remote ones; `model`, for an
    endpoint or a registered model, which one stands behind its name now.

    Raises `InvalidInput` for inputs that are not there, that are no JSON lines or images, or that mix local and remote,
    and for an `output` that is a file or whose results would replace inputs.
    """
    listed = _listed(request, lister)
    given = () if is_remote(request.places[0]) else tuple(_files(request))
    if not is_remote(request.output):
        _must_take(Path(request.output), given)
    parts: dict[str, object] = {
        "inputs": [[place, *(_facts(one) for one in files)] for place, files in listed.items()],
        "model": _folder_facts(request.model) or (request.model, model),
        "manifest": _folder_facts(request.manifest or ""),
        "output": request.output if is_remote(request.output) else str(Path(request.output).absolute()),
        "request": json.loads(request.model_dump_json(exclude=_ELSEWHERE)),
        "again": request.tags.get(AGAIN, ""),
    }
    whole = digest((name, json.dumps(part, sort_keys=True)) for name, part in parts.items())
    return PreparedBatch(request=request, name=named_by(stem_of(request), whole), digest=whole, given=given)


def is_folder(model: str) -> bool:
    """Whether a request's model is a model folder of this machine."""
    return not is_remote(model) and (Path(model) / "model.toml").is_file()


def _listed(request: BatchPredictRequest, lister: Lister | None) -> dict[str, tuple[Listed, ...]]:
    """Place -> files; a local place is known by its files, wherever it is."""
    places = request.places
    if not places:
        raise InvalidInput("inputs names no folder, no prefix and no file")
    if len({is_remote(place) for place in places}) > 1:
        raise InvalidInput("inputs are local or in an object store, not both")
    if request.content == "images" and is_remote(places[0]):
        raise InvalidInput('content = "images": images are read on this machine, so inputs are local')
    found = [(place, listing(f"input {place}", place, lister)) for place in places]
    return {place if is_remote(place) else str(number): files for number, (place, files) in enumerate(found)}


def _must_take(output: Path, given: tuple[InputFile, ...]) -> None:
    there = next(place for place in (output.absolute(), *output.absolute().parents) if place.exists())
    if not there.is_dir():
        raise InvalidInput(f"output = {output}: {there} is a file: name a folder")
    for file in given:
        target = output / file.name
        if target.exists() and target.samefile(file.path):
            raise InvalidInput(
                f"output = {output}: the results would replace the input {file.name}: name another folder"
            )


def _facts(one: Listed) -> tuple[str, int, str]:
    return one.name, one.size, one.hash


def _folder_facts(model: str) -> list[tuple[str, int, str]]:
    return [_facts(one) for one in listing("model", model)] if model and is_folder(model) else []


def stem_of(request: BatchPredictRequest) -> str:
    """What the job's name begins with: letters, digits and hyphens, a letter first."""
    named = request.name or _NO_NAME.sub("-", request.model.rstrip("/").rsplit("/", 1)[-1]).strip("-")
    return named if named[:1].isalpha() else f"batch-{named}".rstrip("-")


def _files(request: BatchPredictRequest) -> Iterator[InputFile]:
    """Of all places, in order. Raises `InvalidInput` for two of one name."""
    seen = set[str]()
    for place in request.places:
        for file in _below(Path(place)):
            _must_fit(request, file)
            if file.name in seen:
                raise InvalidInput(f"two input files are called {file.name}: the results would be one")
            seen.add(file.name)
            yield file
    if not seen:
        raise InvalidInput(f"{', '.join(request.places)} holds no files")


def _below(place: Path) -> Iterator[InputFile]:
    if place.is_file():
        yield InputFile(name=place.name, path=place)
        return
    for path in sorted(path for path in place.rglob("*") if path.is_file()):
        name = path.relative_to(place).as_posix()
        if not any(part.startswith(".") for part in name.split("/")):
            yield InputFile(name=name, path=path)


def _must_fit(request: BatchPredictRequest, file: InputFile) -> None:
    if request.content == "requests" and file.path.suffix.lower() not in SUFFIXES:
        raise InvalidInput(
            f"{file.name} is no {', '.join(SUFFIXES)}: input files have one inference request a line "
            '(content = "images" reads images)'
        )


# --- images ----------------------------------------------------------------------------------------------


def _write_images(request: BatchPredictRequest, images: tuple[InputFile, ...], target: Path) -> None:
    from cloudai.serving.processing import processing_of

    manifest = request.manifest or (request.model if is_folder(request.model) else None)
    if manifest is None:
        raise InvalidInput('content = "images": name the model folder whose manifest says how to read them: manifest')
    processing = processing_of(manifest)
    with target.open("wb") as file:
        for image in images:
            file.write(line_of_image(image, processing) + b"\n")


def line_of_image(image: InputFile, processing: Processing) -> bytes:
    """One image as a request with its name as `id`. Raises `InvalidInput` for what is no image."""
    from cloudai.calls.media import InputGuard, load
    from cloudai.serving.client import encode
    from cloudai.types.media import MediaKind

    try:
        tensors, _ = processing.before((load(image.path, MediaKind.IMAGE, guard=InputGuard()),))
    except InvalidInput as error:
        raise InvalidInput(f"{image.name}: {error.message}") from error
    body = json.loads(encode(tensors, binary=False).content)
    return json.dumps({"id": image.name, **body}, separators=(",", ":")).encode()
