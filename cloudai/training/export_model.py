"""What an export is checked by and described with: the same answers on the same input, and a `model.toml`.

Ships with each job, as all that a script may use: standard library, `numpy`, `onnx` and `onnxruntime`, Python 3.8+.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    Arrays = Mapping[str, NDArray[Any]]

DATATYPES = {
    "tensor(float)": "FP32", "tensor(double)": "FP64", "tensor(float16)": "FP16", "tensor(int64)": "INT64",
    "tensor(int32)": "INT32", "tensor(int16)": "INT16", "tensor(int8)": "INT8", "tensor(uint8)": "UINT8",
    "tensor(bool)": "BOOL", "tensor(string)": "BYTES",
}  # fmt: skip
"""ONNX Runtime's names of types -> the Open Inference Protocol's."""


class ExportError(ValueError):
    """The graph does not answer as the model does, or can't be made. Nothing was written."""


class Exported(NamedTuple):
    """A model folder as `cloudai serve` and the endpoints take it."""

    folder: Path
    max_difference: float
    """The largest absolute difference between the model's answers and the graph's, over all outputs."""
    opset: int
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    sha256: str
    """Of `model.onnx`."""


class Tensor(NamedTuple):
    """One input or output of the graph, as the manifest writes it."""

    name: str
    datatype: str
    shape: tuple[int, ...]


def session_of(data: bytes) -> Any:
    """On the CPU, from memory."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


def signature(values: Sequence[Any]) -> list[Tensor]:
    """Of a session's inputs or outputs; -1 for a length that varies."""
    return [
        Tensor(value.name, DATATYPES[value.type], tuple(n if isinstance(n, int) else -1 for n in value.shape))
        for value in values
    ]


def difference(expected: NDArray[Any], answered: NDArray[Any], name: str) -> float:
    """The largest absolute one; any text that differs is infinitely different. Raises `ExportError` for shapes."""
    import numpy as np

    if expected.shape != answered.shape:
        raise ExportError(f"output {name}: the model answers {expected.shape}, the graph {answered.shape}")
    if expected.dtype.kind in "OUS":
        return 0.0 if (expected.astype(str) == answered.astype(str)).all() else float("inf")
    if not expected.size:
        return 0.0
    one, other = expected.astype(np.float64), answered.astype(np.float64)
    if (np.isnan(one) != np.isnan(other)).any():
        return float("inf")
    return float(np.nanmax(np.abs(one - other))) if not np.isnan(one).all() else 0.0


def manifest(
    *,
    task: str,
    version: str,
    description: str,
    labels: Sequence[str],
    image: Mapping[str, object],
    output: Mapping[str, object],
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
) -> str:
    """The text of `model.toml`: see docs/local-models.md."""
    lines = [f"task = {_toml(task)}", f"version = {_toml(version)}", f"description = {_toml(description)}"]
    if labels:
        lines.append('labels = "labels.txt"')
    for name, table in (("input", image), ("output", output)):
        if table:
            lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in table.items())]
    if task == "tensors":
        for name, tensors in (("input", inputs), ("output", outputs)):
            for tensor in tensors:
                lines += ["", f"[[tensors.{name}]]", f"name = {_toml(tensor.name)}"]
                lines += [f"datatype = {_toml(tensor.datatype)}", f"shape = {_toml(list(tensor.shape))}"]
    return "\n".join(lines) + "\n"


def _toml(value: object) -> str:
    """Text, numbers, truth and lists of them: TOML writes these as JSON does."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)


def as_array(value: Any) -> NDArray[Any]:
    """A numpy array of an array, a list or a torch tensor."""
    import numpy as np

    found: np.ndarray[Any, Any] = np.asarray(value.detach().cpu().numpy() if hasattr(value, "detach") else value)
    return found
