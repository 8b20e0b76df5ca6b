"""A model folder as a Triton model repository: what SageMaker, Vertex AI and Azure ML endpoints are given.

    NAME/config.pbtxt     generated from model.toml and from the graph's own inputs and outputs
    NAME/model.toml       as it is: the client's pre- and post-processing
    NAME/labels.txt       one class a line, where model.toml has labels
    NAME/1/model.onnx     with the external data beside it

`config.pbtxt` keeps to Triton's published `model_config.proto` (a test parses it with the compiled schema of NVIDIA's
own client); it was not loaded in Triton here:
https://github.com/triton-inference-server/common/blob/main/protobuf/model_config.proto (read 2026-11-21).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import re
import tarfile
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from cloudai.errors import InvalidInput

if TYPE_CHECKING:
    from cloudai.serving.engine import Engine, ModelSource, Port

Content = bytes | Path
"""A file's bytes, or where they are: weights are not read into memory."""

VERSION_FOLDER = "1"
CONFIG, MANIFEST, LABELS, GRAPH = "config.pbtxt", "model.toml", "labels.txt", "model.onnx"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Package:
    """A model repository with one model. The same folder gives the same bytes."""

    name: str
    """The model's name in the repository, and in the protocol's paths: `/v2/models/NAME/infer`."""
    files: Mapping[str, Content]
    """Path in the repository -> content, sorted."""
    config: str
    """The text of `config.pbtxt`."""

    @cached_property
    def sha256(self) -> str:
        """Of all paths and contents."""
        whole = hashlib.sha256()
        for path, content in self.files.items():
            whole.update(f"{_digest(content)}  {path}\n".encode())
        return whole.hexdigest()

    @property
    def version(self) -> str:
        """The first 12 characters of the SHA-256: what a deployment is called that was given no name."""
        return self.sha256[:12]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(_size(content) for content in self.files.values())

    def open(self, path: str) -> BinaryIO:
        """One file, to be read and closed."""
        content = self.files[path]
        return io.BytesIO(content) if isinstance(content, bytes) else content.open("rb")

    def write_targz(self, target: BinaryIO) -> None:
        """The repository as `model.tar.gz`: sorted, all times 0, nobody's."""
        with (
            gzip.GzipFile(fileobj=target, mode="wb", filename="", mtime=0, compresslevel=6) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
        ):
            for path, content in self.files.items():
                entry = tarfile.TarInfo(path)
                entry.size, entry.mode = _size(content), 0o644
                with self.open(path) as file:
                    archive.addfile(entry, file)

    def targz(self) -> bytes:
        """The same in memory: for models that fit."""
        buffer = io.BytesIO()
        self.write_targz(buffer)
        return buffer.getvalue()


def package_model(folder: str | Path, *, name: str | None = None) -> Package:
    """Loads the model once, as `cloudai serve` does, and packs it. `name`: the folder's own where it is not given.

    Raises `InvalidInput` for a folder that is no model or that Triton can't be told of, `MissingDependency` without
    ONNX Runtime.
    """
    folder = Path(folder)
    named = name or folder.resolve().name
    if not _NAME.fullmatch(named):
        raise InvalidInput(f"{named!r} is no model's name: letters, digits, '.', '_' and '-', at most 128 of them")
    if not (folder / MANIFEST).is_file():
        raise InvalidInput(f"{folder} has no {MANIFEST}: a model is a folder with {GRAPH} and {MANIFEST}")
    engine = _loaded(folder)
    try:
        labels = _labels(folder)
        config = config_of(engine, named, labels_of=_labelled(folder, engine) if labels else None)
    finally:
        engine.close()
    files: dict[str, Content] = {
        f"{named}/{CONFIG}": config.encode(),
        f"{named}/{MANIFEST}": (folder / MANIFEST).read_bytes(),
        **({f"{named}/{LABELS}": "".join(f"{label}\n" for label in labels).encode()} if labels else {}),
        **{f"{named}/{VERSION_FOLDER}/{path}": file for path, file in _weights(folder)},
    }
    return Package(name=named, files=dict(sorted(files.items())), config=config)


def _loaded(folder: Path) -> Engine:
    source = _source(folder)
    keys = list(source.scan())
    if len(keys) != 1:
        raise InvalidInput(f"{folder} has {len(keys)} models: name the folder of one, with {GRAPH} in it")
    return source.load(keys[0])


def _source(folder: Path) -> ModelSource:
    from cloudai.errors import MissingDependency
    from cloudai.registry import Registry
    from cloudai.serving.engine import ServesModels

    provider = Registry.installed().get("local", where="package_model").provider
    assert isinstance(provider, ServesModels)  # cloudai's own
    try:
        return provider.open_models(folder, device="cpu", threads=None)
    except ModuleNotFoundError as error:
        text = "a model is loaded once before it is packed, and ONNX Runtime is not installed"
        raise MissingDependency(text, install="pip install 'cloudai[local-onnx]'") from error


# --- config.pbtxt ----------------------------------------------------------------------------------------


def config_of(engine: Engine, name: str, *, labels_of: str | None = None) -> str:
    """The text of `config.pbtxt`. `labels_of`: the output that `labels.txt` names the classes of.

    Rows are joined only where the graph's first dimension is a batch, and `[serving] max_batch` is above 1.
    Raises `InvalidInput` for an input or output of any shape: Triton wants to know how many dimensions there are.
    """
    ports = (*engine.inputs, *engine.outputs)
    unknown = [port.name for port in ports if not port.shape]
    if unknown:
        raise InvalidInput(f"Triton needs the shape of {', '.join(unknown)}: export the graph with its dimensions")
    batched = engine.rows and engine.policy.max_batch > 1 and all(len(port.wire_shape()) > 1 for port in ports)
    lines = [
        f"name: {_quoted(name)}",
        'backend: "onnxruntime"',
        f"max_batch_size: {engine.policy.max_batch if batched else 0}",
        *(line for port in engine.inputs for line in _port("input", port, batched, None)),
        *(line for port in engine.outputs for line in _port("output", port, batched, labels_of)),
        *(_batching(engine) if batched else ()),
        f"instance_group {{ kind: KIND_AUTO count: {engine.policy.parallel} }}",
        f"default_model_filename: {_quoted(GRAPH)}",
    ]
    return "\n".join(lines) + "\n"


def _port(kind: str, port: Port, batched: bool, labels_of: str | None) -> Iterator[str]:
    dims = port.wire_shape()[1 if batched else 0 :]
    yield f"{kind} {{"
    yield f"  name: {_quoted(port.name)}"
    yield f"  data_type: TYPE_{'STRING' if port.datatype == 'BYTES' else port.datatype}"
    yield f"  dims: [ {', '.join(map(str, dims))} ]"
    if kind == "output" and port.name == labels_of:
        yield f"  label_filename: {_quoted(LABELS)}"
    yield "}"


def _batching(engine: Engine) -> Iterator[str]:
    policy = engine.policy
    yield "dynamic_batching {"
    yield f"  max_queue_delay_microseconds: {round(policy.max_delay * 1_000_000)}"
    yield f"  default_queue_policy {{ max_queue_size: {policy.max_queue} }}"
    yield "}"


def _quoted(text: str) -> str:
    """A string of protobuf's text format: what is not printable ASCII as octal bytes."""
    plain = {ord("\\"): "\\\\", ord('"'): '\\"'}
    return '"' + "".join(plain.get(b) or (chr(b) if 32 <= b < 127 else f"\\{b:03o}") for b in text.encode()) + '"'


# --- files -----------------------------------------------------------------------------------------------


def _labels(folder: Path) -> tuple[str, ...]:
    """The classes in the graph's order; the manifest was checked when the model was loaded."""
    labels = tomllib.loads((folder / MANIFEST).read_text(encoding="utf-8")).get("labels", ())
    if isinstance(labels, str):
        return tuple(line.strip() for line in (folder / labels).read_text(encoding="utf-8-sig").splitlines() if line)
    return tuple(str(each["name"] if isinstance(each, dict) else each).replace("\n", " ") for each in labels)


def _labelled(folder: Path, engine: Engine) -> str | None:
    """The output whose numbers are the classes': that of `classify`. `None`: it is not one of them."""
    manifest = tomllib.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    named = manifest.get("output", {}).get("name")
    first = engine.outputs[0].name if len(engine.outputs) == 1 else None
    return (named or first) if manifest.get("task") == "classify" else None


def _weights(folder: Path) -> Iterator[tuple[str, Path]]:
    """The graph and what lies with it: plain files, nothing hidden, no link."""
    base = folder if (folder / GRAPH).exists() else folder / VERSION_FOLDER
    known = {MANIFEST, LABELS, CONFIG}
    for path in sorted(base.rglob("*")):
        relative = path.relative_to(base)
        hidden = any(part.startswith(".") for part in relative.parts)
        if path.is_file() and not path.is_symlink() and not hidden and relative.as_posix() not in known:
            yield relative.as_posix(), path


def _digest(content: Content) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _size(content: Content) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size
