"""The scoring script of a batch deployment on Azure ML: uploaded as it is, and run there, not here.

Azure ML calls `init()` once in each worker process and `run(mini_batch)` with paths of input files, as often as there
are mini-batches: https://learn.microsoft.com/azure/machine-learning/how-to-batch-scoring-script (read 2026-11-21).
It needs numpy and ONNX Runtime, and nothing of cloudai.

`AZUREML_MODEL_DIR` holds one `model.onnx` somewhere below. Each line of an input file is one inference request of the
Open Inference Protocol v2 as JSON; the response is the same line of a file of the same name in
`AZUREML_BI_OUTPUT_PATH`, or `{"error": "..."}` there. A finished file is noted beside it, with its lines and those that
failed: `.cloudai/NAME.LINES.FAILED.done`. A mini-batch that is tried again writes its files again.

    CLOUDAI_MODEL_NAME    `model_name` of the responses
    CLOUDAI_MAX_SECONDS   mini-batches that come later than that after the start are refused
    CLOUDAI_GPU           "1": on CUDA or not at all
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import onnxruntime

NAMES: Final[Mapping[str, str]] = {
    "tensor(bool)": "BOOL",
    "tensor(uint8)": "UINT8",
    "tensor(uint16)": "UINT16",
    "tensor(uint32)": "UINT32",
    "tensor(uint64)": "UINT64",
    "tensor(int8)": "INT8",
    "tensor(int16)": "INT16",
    "tensor(int32)": "INT32",
    "tensor(int64)": "INT64",
    "tensor(float16)": "FP16",
    "tensor(float)": "FP32",
    "tensor(double)": "FP64",
    "tensor(string)": "BYTES",
}
"""ONNX Runtime's element types -> the protocol's."""
NUMPY: Final[Mapping[str, str]] = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
    "BYTES": "object",
}
REFUSED: Final = ("shared_memory_region", "classification", "sequence_id", "binary_data_size")
"""Parameters that would change the answer, and that a line of JSON or this script has not."""
SEEN: Final = ".cloudai"
"""Folder of the output for notes: on each file's content, as two files of one name are an error and not one result, and
on each file that is finished."""


class Mistake(Exception):
    """What is wrong with one request."""


class Model:
    """The graph, with its ports as the protocol names them."""

    def __init__(self, path: Path, name: str, *, cuda: bool) -> None:
        available = onnxruntime.get_available_providers()
        if cuda:
            if "CUDAExecutionProvider" not in available:
                raise RuntimeError(f"a GPU was asked for, and ONNX Runtime has {', '.join(available)} here")
            if hasattr(onnxruntime, "preload_dlls"):
                onnxruntime.preload_dlls()
        providers = ["CUDAExecutionProvider"] if cuda else ["CPUExecutionProvider"]
        self._session: Any = onnxruntime.InferenceSession(str(path), providers=providers)
        if cuda and "CUDAExecutionProvider" not in self._session.get_providers():
            raise RuntimeError("a GPU was asked for, and CUDA does not start on this machine")
        self._name = name
        self._inputs = {port.name: port for port in self._session.get_inputs()}
        self._outputs = {port.name: port for port in self._session.get_outputs()}

    def answered(self, line: bytes) -> tuple[bytes, bool]:
        """The result of one line, and whether it is a response."""
        asked: object = None
        try:
            asked = _parsed(line)
            return json.dumps(self._response(asked), allow_nan=False).encode(), True
        except Exception as error:  # noqa: BLE001  # one line's trouble is that line's answer
            told = {"id": asked["id"]} if isinstance(asked, dict) and isinstance(asked.get("id"), str) else {}
            return json.dumps({**told, "error": _words(error)}).encode(), False

    def _response(self, asked: dict[str, Any]) -> dict[str, Any]:
        _plain(asked, "the request")
        feed, wanted = self._feed(asked.get("inputs")), self._wanted(asked.get("outputs"))
        arrays = self._session.run(wanted, feed)
        outputs = [_output(self._outputs[name], array) for name, array in zip(wanted, arrays, strict=True)]
        named = {"id": asked["id"]} if asked.get("id") is not None else {}
        return {"model_name": self._name, **named, "outputs": outputs}

    def _feed(self, inputs: object) -> dict[str, Any]:
        if not isinstance(inputs, list) or not all(isinstance(each, dict) for each in inputs):
            raise Mistake("inputs is no list of tensors")
        names = [str(each.get("name")) for each in inputs]
        if sorted(names) != sorted(self._inputs):
            raise Mistake(f"the model takes the inputs {', '.join(self._inputs)}; given were: {', '.join(names)[:200]}")
        return {str(each["name"]): _input(self._inputs[str(each["name"])], each) for each in inputs}

    def _wanted(self, outputs: object) -> list[str]:
        if not outputs:
            return list(self._outputs)
        names = [str(each.get("name")) if isinstance(each, dict) else "?" for each in _list(outputs, "outputs")]
        for name in names:
            if name not in self._outputs or names.count(name) > 1:
                raise Mistake(f"no output {name[:100]!r}, or twice; the model has {', '.join(self._outputs)}")
        for each in _list(outputs, "outputs"):
            _plain(each, "an output")
        return names


def _parsed(line: bytes) -> dict[str, Any]:
    if not line.strip():
        raise Mistake("the line is empty")
    try:
        asked = json.loads(line)
    except ValueError as error:
        raise Mistake(f"the line is no JSON: {error}") from None
    if not isinstance(asked, dict):
        raise Mistake("the line is no JSON object")
    if not isinstance(asked.get("id") or "", str):
        raise Mistake("id is no text")
    return asked


def _plain(item: Mapping[str, Any], what: str) -> None:
    """Raises for parameters that would have to be heeded."""
    parameters = item.get("parameters")
    if parameters is None:
        return
    if not isinstance(parameters, dict):
        raise Mistake(f"the parameters of {what} are no object")
    for name in REFUSED:
        if parameters.get(name):
            raise Mistake(f"{name} of {what}: a batch job has no such thing")


def _list(value: object, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise Mistake(f"{what} is no list")
    return value


def _input(port: Any, given: Mapping[str, Any]) -> Any:
    """Exactly the port's type and shape: nothing is cast."""
    _plain(given, f"input {port.name}")
    datatype, shape = NAMES.get(port.type), _list(given.get("shape"), f"input {port.name}: shape")
    fits = len(shape) == len(port.shape) and all(
        type(length) is int and length >= 0 and (not isinstance(known, int) or known == length)
        for length, known in zip(shape, port.shape, strict=False)
    )
    if given.get("datatype") != datatype or not fits:
        raise Mistake(
            f"input {port.name}: the model takes {datatype}{port.shape}, given was {given.get('datatype')}{shape}"
        )
    values = _flat(_list(given.get("data"), f"input {port.name}: data"))
    kind = NUMPY[str(datatype)]
    good = {"b": (bool,), "f": (int, float), "O": (str,)}.get(np.dtype(kind).kind, (int,))
    if not all(type(each) in good for each in values):
        raise Mistake(f"input {port.name}: data has values that are no {datatype}")
    try:
        with np.errstate(over="ignore"):
            array = np.array(values, dtype=kind).reshape(shape)
    except (ValueError, OverflowError) as error:
        raise Mistake(f"input {port.name}: {error}") from None
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise Mistake(f"input {port.name}: data has a number that {datatype} can't hold")
    return array


def _flat(values: list[Any]) -> list[Any]:
    """Row-major, nested or not."""
    while any(isinstance(each, list) for each in values):
        if not all(isinstance(each, list) for each in values):
            raise Mistake("data mixes values and lists")
        values = [inner for each in values for inner in each]
    return values


def _output(port: Any, array: Any) -> dict[str, Any]:
    datatype = NAMES.get(port.type)
    if datatype is None:
        raise Mistake(f"output {port.name} is {port.type}, which the protocol has no name for")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise Mistake(f"output {port.name} has a NaN or an infinity, which JSON has no number for")
    return {"name": port.name, "shape": list(array.shape), "datatype": datatype, "data": array.ravel().tolist()}


def _words(error: Exception) -> str:
    return (str(error) if isinstance(error, Mistake) else f"{type(error).__name__}: {error}")[:500]


# --- what Azure ML calls -----------------------------------------------------------------------------------


class _Worker:
    """What one process keeps between mini-batches."""

    model: Model
    output: Path
    ends: float


def init() -> None:
    """Loads the model. Raises for a folder without exactly one."""
    folder = Path(os.environ["AZUREML_MODEL_DIR"])
    found = sorted(folder.rglob("model.onnx"))
    if len(found) != 1:
        raise RuntimeError(f"{folder} has {len(found)} files model.onnx below it, not one")
    name = os.environ.get("CLOUDAI_MODEL_NAME", "model")
    _Worker.model = Model(found[0], name, cuda=os.environ.get("CLOUDAI_GPU") == "1")
    _Worker.output = Path(os.environ["AZUREML_BI_OUTPUT_PATH"])
    _Worker.ends = time.monotonic() + float(os.environ.get("CLOUDAI_MAX_SECONDS", "inf"))


def run(mini_batch: list[str]) -> list[str]:
    """Scores these files. Their names come back: one element is one file that succeeded."""
    if time.monotonic() > _Worker.ends:
        raise TimeoutError("max_seconds are over: this file was not scored")
    return [_scored(Path(path)) for path in mini_batch]


def _scored(path: Path) -> str:
    """Written here first: the output is mounted storage, which takes whole files."""
    _noted(path)
    lines, failed = 0, 0
    with TemporaryDirectory(prefix="cloudai-batch-") as place:
        part = Path(place) / "results"
        with path.open("rb") as requests, part.open("wb") as target:
            for line in requests:
                answer, sound = _Worker.model.answered(line)
                target.write(answer + b"\n")
                lines, failed = lines + 1, failed + (not sound)
        shutil.copyfile(part, _Worker.output / path.name)
    (_Worker.output / SEEN / f"{path.name}.{lines}.{failed}.done").write_bytes(b"")
    return path.name


def _noted(path: Path) -> None:
    """Raises for another file of the same name; the same file again is a second try."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    noted = _Worker.output / SEEN / f"{path.name}.sha256"
    noted.parent.mkdir(parents=True, exist_ok=True)
    try:
        with noted.open("x") as note:
            note.write(digest)
    except FileExistsError:
        if noted.read_text() not in (digest, ""):
            raise RuntimeError(f"two input files are called {path.name}: their results would be one file") from None
