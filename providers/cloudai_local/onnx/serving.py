"""Model folders as `cloudai serve` takes them: found with their versions, opened, run.

    MODEL_DIR/model.toml                    one model
    MODEL_DIR/NAME/model.toml               several, in the version that each model.toml names
    MODEL_DIR/NAME/VERSION/model.toml       several versions of a model, each a whole folder
    MODEL_DIR/NAME/model.toml with          the layout of a Triton model repository: one manifest
    MODEL_DIR/NAME/VERSION/model.onnx       for all versions

Everything that the driver checks when it opens a folder is checked here too, by the same code.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from cloudai.errors import ErrorCode, InvalidInput
from cloudai.serving.engine import MAX_BATCH, Key, Policy, Port
from cloudai_local.faults import ONNXRUNTIME, fault_of
from cloudai_local.folders import ModelFolder, read_folder
from cloudai_local.onnx import execution
from cloudai_local.onnx.choice import ONNX_TASKS
from cloudai_local.onnx.manifest import read_labels, read_manifest
from cloudai_local.onnx.model import OnnxModel
from cloudai_local.onnx.safety import MODEL
from cloudai_local.settings import LocalSettings

if TYPE_CHECKING:
    import numpy.typing as npt

    from cloudai_local.onnx.session import Port as GraphPort

    Array: TypeAlias = npt.NDArray[Any]

MANIFEST = "model.toml"
_PROVIDERS = {"auto": (), "cpu": (execution.CPU,), "cuda": (execution.CUDA, execution.CPU)}
_MARKED = 10_000
"""Most files of one folder that are looked at for changes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """One version: where its graph is, and where its manifest is."""

    graph: Path
    manifest: Path


class OnnxFolders:
    """A `cloudai.serving.engine.ModelSource`."""

    def __init__(self, folder: Path, *, device: str, threads: int | None) -> None:
        """Raises `InvalidInput` when the folder is not there, `MissingDependency` when the device is not."""
        import onnxruntime

        if not folder.is_dir():
            raise InvalidInput(f"{folder} is no folder", code=ErrorCode.NOT_FOUND)
        self._folder = folder
        self._settings = LocalSettings(provider="local", execution_providers=_PROVIDERS[device], threads=threads)
        execution.wanted(self._settings, onnxruntime.get_available_providers())

    def scan(self) -> Mapping[Key, Hashable]:
        """Name and version -> sizes and times of the files."""
        return {key: _mark(found) for key, found in _find(self._folder)}

    def load(self, key: Key) -> ServedGraph:
        """Raises `InvalidInput` with the file and what is wrong with it."""
        found = dict(_find(self._folder)).get(key)
        if found is None:
            raise InvalidInput(f"{key[0]} {key[1]} is gone from {self._folder}", code=ErrorCode.NOT_FOUND)
        return ServedGraph(key, _model_folder(found, key), self._settings)


class ServedGraph:
    """A `cloudai.serving.engine.Engine` over one open model folder."""

    def __init__(self, key: Key, folder: ModelFolder, settings: LocalSettings) -> None:
        self.name, self.version = key
        model = OnnxModel(folder, settings)
        session = model.session
        serving = model.manifest.serving
        self.platform = "onnxruntime_onnx"
        self.device = model.device
        self.inputs = tuple(map(_port, session.inputs))
        self.outputs = tuple(map(_port, session.outputs))
        named = _same_open_dimension([*session.raw.get_inputs(), *session.raw.get_outputs()])
        fixed = any(port.shape is None or port.shape[:1] != (None,) for port in (*self.inputs, *self.outputs))
        self.rows = not fixed and (named or serving.max_batch is not None or model.manifest.input is not None)
        if serving.max_batch is not None and serving.max_batch > 1 and not self.rows:
            raise InvalidInput(
                f"{folder.path / MANIFEST}: [serving] max_batch = {serving.max_batch}, but not all inputs and outputs "
                f"of the graph have an open first dimension: {', '.join(map(str, (*self.inputs, *self.outputs)))}"
            )
        self.policy = Policy(
            max_batch=serving.max_batch or MAX_BATCH,
            max_delay=serving.max_delay_ms / 1000,
            max_queue=serving.max_queue,
            parallel=serving.parallel,
        )
        self._run = session.run

    def run(self, names: list[str], feed: dict[str, Array]) -> list[Array]:
        """Raises `InvalidInput` where ONNX Runtime says that an argument is."""
        try:
            return self._run(names, feed)
        except Exception as error:
            if type(error).__module__ != ONNXRUNTIME:
                raise
            fault = fault_of(error)
            message = f"{self.name}: onnxruntime: {fault.message if fault else error}"
            if fault and fault.code is ErrorCode.INVALID_INPUT:
                raise InvalidInput(message) from error
            raise RuntimeError(message) from error

    def close(self) -> None:
        """The session goes with the last reference to it."""
        self._run = _closed


def _closed(names: list[str], feed: dict[str, Array]) -> list[Array]:
    raise RuntimeError("this model was closed")


def _port(port: GraphPort) -> Port:
    """A graph's scalar and a graph's unknown shape look alike (`()`): any shape is taken then."""
    return Port(name=port.name, datatype=port.datatype, dtype=port.dtype, shape=port.shape or None)


def _same_open_dimension(nodes: Sequence[Any]) -> bool:
    """Whether the exporter gave the first dimension of all inputs and outputs one name: a batch, it may be taken."""
    firsts = {node.shape[0] if node.shape else None for node in nodes}
    return len(firsts) == 1 and isinstance(firsts.pop(), str)


def _model_folder(found: _Found, key: Key) -> ModelFolder:
    """The manifest's folder where the graph lies beside it, else both in one."""
    folder = read_folder(found.manifest)
    if folder.task not in ONNX_TASKS:
        raise InvalidInput(f"{found.manifest / MANIFEST}: task = {folder.task.value!r} is not served, only ONNX graphs")
    if found.graph == found.manifest:
        return replace(folder, name=key[0])
    labels = [label.model_dump(exclude_unset=True) for label in read_labels(folder, read_manifest(folder))]
    return replace(folder, name=key[0], path=found.graph, manifest={**folder.manifest, "labels": labels})


def _find(root: Path) -> Iterator[tuple[Key, _Found]]:
    """All versions of all models."""
    if (root / MANIFEST).is_file():
        yield from _versions(root.resolve().name, root)
        return
    for folder in _folders(root):
        if not folder.name.startswith("."):
            yield from _versions(folder.name, folder)


def _versions(name: str, folder: Path) -> Iterator[tuple[Key, _Found]]:
    shared = (folder / MANIFEST).is_file()
    if shared and os.path.lexists(folder / MODEL):
        yield (name, _stated_version(folder)), _Found(graph=folder, manifest=folder)
        return
    found = False
    for version in _folders(folder):
        own = (version / MANIFEST).is_file()
        if own or (shared and os.path.lexists(version / MODEL)):
            found = True
            yield (name, version.name), _Found(graph=version, manifest=version if own else folder)
    if shared and not found:  # told as a folder without model.onnx when it is loaded
        yield (name, _stated_version(folder)), _Found(graph=folder, manifest=folder)


def _folders(root: Path) -> list[Path]:
    return sorted(entry for entry in root.iterdir() if entry.is_dir())


def _stated_version(folder: Path) -> str:
    """As `model.toml` has it; a wrong file says so when it is loaded."""
    try:
        return str(read_folder(folder).manifest.get("version", "1"))
    except InvalidInput:
        return "1"


def _mark(found: _Found) -> Hashable:
    """Differs when a file was written, replaced, added or taken away."""
    files: set[Path] = set()
    for folder in {found.graph, found.manifest}:
        files.update(path for path in list(folder.iterdir())[:_MARKED] if path.is_file())
    stats = []
    for path in sorted(files):
        try:
            stat = path.stat()
        except OSError:  # deleted between two looks
            continue
        stats.append((str(path), stat.st_size, stat.st_mtime_ns, stat.st_ino))
    return tuple(stats)
