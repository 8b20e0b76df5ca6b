"""The caller's side of the Open Inference Protocol v2: tensors to a request's body, an answer's body to tensors.

Pure: no connection is made here. Whoever sends (SageMaker's InvokeEndpoint, Vertex AI's `:rawPredict`, an Azure ML
scoring address, `cloudai serve`) puts `content` into its request with what `headers` says, or with its own way to tell
where the JSON ends.

JSON, or JSON with raw little-endian tensors behind it, Triton's binary tensor extension (both read 2026-11-21):
https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cloudai.errors import InvalidInput
from cloudai.types.tensor import DATATYPES
from cloudai.wirejson import JsonNode, Malformed, dump

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cloudai.types.tensor import Tensor

JSON = "application/json"
BINARY = "application/octet-stream"
HEADER_LENGTH = "Inference-Header-Content-Length"

_NUMPY = {protocol: numpy for numpy, protocol in DATATYPES.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class InferBody:
    """A request, ready to be sent."""

    content: bytes
    json_bytes: int | None
    """The JSON's length, where raw tensors come behind it; `None`: all of it is JSON."""

    def headers(self) -> dict[str, str]:
        """As Triton, KServe and `cloudai serve` read them."""
        if self.json_bytes is None:
            return {"Content-Type": JSON}
        return {"Content-Type": BINARY, HEADER_LENGTH: str(self.json_bytes)}


@dataclass(frozen=True, kw_only=True, slots=True)
class InferAnswer:
    """What a model answered."""

    outputs: Mapping[str, Tensor]
    model: str | None
    version: str | None


def infer_path(model: str, version: str | None = None) -> str:
    """`/v2/models/NAME[/versions/VERSION]/infer`, percent-encoded."""
    versioned = f"/versions/{quote(version, safe='')}" if version is not None else ""
    return f"/v2/models/{quote(model, safe='')}{versioned}/infer"


# --- the request -----------------------------------------------------------------------------------------


def encode(tensors: Mapping[str, Tensor], *, outputs: Sequence[str] = (), binary: bool = True) -> InferBody:
    """A request for these outputs, or for all. `binary`: raw tensors both ways, else JSON numbers both ways.

    Raises `InvalidInput` without tensors, for a numpy type that the protocol has no name for, and for a NaN or an
    infinity that was to be a JSON number.
    """
    if not tensors:
        raise InvalidInput("give tensors: name -> numpy array")
    raw: list[bytes] = []
    body: dict[str, object] = {"inputs": [_input(name, each, raw, binary) for name, each in tensors.items()]}
    if outputs:
        body["outputs"] = [{"name": name, "parameters": {"binary_data": binary}} for name in outputs]
    if binary:
        body["parameters"] = {"binary_data_output": True}
    text = dump(body)
    return InferBody(content=b"".join((text, *raw)), json_bytes=len(text) if binary else None)


def _input(name: str, tensor: Tensor, raw: list[bytes], binary: bool) -> dict[str, object]:
    array = _sound(name, tensor)
    head: dict[str, object] = {"name": name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
    if binary:
        from cloudai.serving import tensors

        raw.append(tensors.to_bytes(array))
        return {**head, "parameters": {"binary_data_size": len(raw[-1])}}
    return {**head, "data": _numbers(name, array)}


def _sound(name: str, tensor: Tensor) -> NDArray[Any]:
    """The array in this machine's byte order, of a type that the protocol has."""
    array = tensor.array
    if array.dtype.kind == "O" and all(isinstance(value, str | bytes) for value in array.reshape(-1).tolist()):
        return array
    if array.dtype.kind in "SU":
        return array
    if array.dtype.name not in DATATYPES:
        raise InvalidInput(f"input {name}: numpy's {array.dtype} has no name in the protocol; convert it first")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _numbers(name: str, array: NDArray[Any]) -> list[Any]:
    from cloudai.serving import tensors

    found = tensors.to_json(array)
    if found is None:
        raise InvalidInput(f"input {name} has a NaN or an infinity, which JSON can't say: send it as binary data")
    return found if isinstance(found, list) else found.tolist()


# --- the answer ------------------------------------------------------------------------------------------


def decode(content: bytes, json_bytes: int | None = None) -> InferAnswer:
    """Tensors of an answer's body; `json_bytes` as the answer's header says, `None` when all is JSON.

    The arrays are the caller's own, and may be written to. Raises `Malformed` for what is no such answer.
    """
    split = len(content) if json_bytes is None else json_bytes
    if not 0 < split <= len(content):
        raise Malformed(f"the JSON is said to be {split:,} bytes long, the answer is {len(content):,}")
    node = JsonNode.parse(content[:split])
    outputs: dict[str, Tensor] = {}
    for item in node.items("outputs"):
        tensor, split = _output(item, content, split)
        outputs[item.text("name")] = tensor
    if split != len(content):
        raise Malformed(f"{len(content) - split:,} bytes behind the JSON belong to no output")
    return InferAnswer(
        outputs=outputs, model=node.text("model_name") or None, version=node.text("model_version") or None
    )


def length_of(header: str | None) -> int | None:
    """The value of `Inference-Header-Content-Length`; `None`: it was not sent. Raises `Malformed`."""
    if header is None:
        return None
    if not header.isascii() or not header.isdigit():
        raise Malformed(f"{HEADER_LENGTH} is no number")
    return int(header)


def error_of(content: bytes) -> str | None:
    """The words of the protocol's error object; `None`: it is none."""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return None
    words = found.get("error") if isinstance(found, dict) else None
    return words if isinstance(words, str) else None


def _output(item: JsonNode, content: bytes, start: int) -> tuple[Tensor, int]:
    """One tensor, and where the next one's bytes begin."""
    import numpy as np

    from cloudai.serving import tensors
    from cloudai.serving.engine import Port
    from cloudai.types.tensor import Tensor

    datatype = item.text("datatype")
    if datatype != "BYTES" and datatype not in _NUMPY:
        item.fail(f"the datatype {datatype[:20]!r} is not known")
    dtype: np.dtype[Any] = np.dtype(object if datatype == "BYTES" else _NUMPY[datatype])
    port = Port(name=item.text("name"), datatype=datatype, dtype=dtype, shape=None)
    shape, size = _shape(item), item.at("parameters").at("binary_data_size").value
    try:
        if size is None:
            return Tensor(tensors.from_json(port, shape, item.at("data").value)), start
        if type(size) is not int or not 0 <= size <= len(content) - start:
            item.fail("binary_data_size is not within the answer")
        return Tensor(tensors.from_bytes(port, shape, content, start, size).copy()), start + size
    except InvalidInput as error:
        raise Malformed(f"{item.path}: {error.message.replace('input ', 'output ', 1)}") from error


def _shape(item: JsonNode) -> tuple[int, ...]:
    lengths = [each.value for each in item.items("shape")]
    if any(type(length) is not int or length < 0 for length in lengths) or math.prod(lengths) >= 2**40:
        item.fail("shape is no list of lengths")
    return tuple(lengths)
