"""One infer request and its answer: JSON, or JSON with raw tensors behind it, against the model's own ports."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

from cloudai.errors import InvalidInput, TooLarge
from cloudai.serving import tensors

if TYPE_CHECKING:
    from cloudai.serving.engine import Array, Engine, Port

Header: TypeAlias = tuple[bytes, bytes]

JSON = b"application/json"
BINARY = b"application/octet-stream"
HEADER_LENGTH = b"inference-header-content-length"
SHORT = 1024
"""Bytes of JSON before raw tensors. Up to here what was read is remembered: a client that sends tensors of one shape
sends the same JSON each time, and reading it takes longer than all else that is done with a small request."""
REMEMBERED = 64
_UNSUPPORTED = {
    "shared_memory_region": "shared memory",
    "classification": "the classification extension",
    "sequence_id": "sequences: models here keep no state",
}
"""Parameters of Triton's extensions that would change the answer: refused, never ignored."""


class NotJson(InvalidInput):
    """An output that JSON can't carry: the client has to ask for bytes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class InferRequest:
    """One request, checked: every input has the model's name, datatype and shape."""

    id: str | None
    feed: dict[str, Array]
    outputs: list[str]
    binary: Sequence[bool]
    """Per output: as bytes behind the JSON."""
    timeout: float | None
    """Seconds that it may wait; `None`: as long as it takes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Given:
    """One input as the JSON announces it, checked; its values are not."""

    port: Port
    shape: tuple[int, ...]
    size: int | None
    """Bytes behind the JSON; `None`: the values are `data`."""
    data: object


@dataclass(frozen=True, kw_only=True, slots=True)
class _Head:
    """What the JSON of a request says, checked."""

    id: str | None
    inputs: Sequence[_Given]
    outputs: list[str]
    binary: Sequence[bool]
    timeout: float | None


class Decoder:
    """Reads requests for one model; made once, at load."""

    def __init__(self, engine: Engine, *, max_json: int) -> None:
        self._inputs: dict[str, Port] = {port.name: port for port in engine.inputs}
        self._names = [port.name for port in engine.outputs]
        self._all_json = [False] * len(self._names)
        self._all_binary = [True] * len(self._names)
        self._known = frozenset(self._names)
        self._takes = ", ".join(map(str, engine.inputs))
        self._gives = ", ".join(map(str, engine.outputs))
        self._max_json = max_json
        self._head_again = lru_cache(REMEMBERED)(self._head)

    def decode(self, body: bytes | memoryview, header_length: bytes | None) -> InferRequest:
        """Raises `InvalidInput` for anything that is not a sound request for this model."""
        split = len(body) if header_length is None else _header_length(header_length, len(body))
        if split > self._max_json:
            raise TooLarge(f"{split:,} bytes of JSON; the limit is {self._max_json:,}: send tensors as binary data")
        if split < len(body) and split <= SHORT:  # the same for all tensors of a shape
            head = self._head_again(bytes(body[:split]))
        else:
            head = self._head(body if split == len(body) else memoryview(body)[:split])
        return InferRequest(
            id=head.id,
            feed=_feed(head.inputs, body, split),
            outputs=head.outputs,
            binary=head.binary,
            timeout=head.timeout,
        )

    def _head(self, text: bytes | memoryview) -> _Head:
        request = _parsed(text)
        parameters = _parameters(request, "the request")
        inputs = self._given(request.get("inputs"))
        outputs, binary = self._outputs(request.get("outputs"), _flag(parameters, "binary_data_output", False))
        name = request.get("id")
        if name is not None and not isinstance(name, str):
            raise InvalidInput("id is no text")
        return _Head(id=name, inputs=inputs, outputs=outputs, binary=binary, timeout=_timeout(parameters))

    def _given(self, inputs: object) -> Sequence[_Given]:
        if not isinstance(inputs, list):
            raise InvalidInput(f"inputs is no list; the model takes {self._takes}")
        found: dict[str, _Given] = {}
        for item in inputs:
            name = item.get("name") if isinstance(item, dict) else None
            port = self._inputs.get(name) if isinstance(name, str) else None
            if port is None or port.name in found:
                raise self._wrong_inputs(inputs)
            found[port.name] = _given(port, item)
        if len(found) != len(self._inputs):
            raise self._wrong_inputs(inputs)
        return tuple(found.values())

    def _wrong_inputs(self, inputs: Sequence[object]) -> InvalidInput:
        names = [str(item.get("name"))[:100] if isinstance(item, dict) else "?" for item in inputs[:20]]
        return InvalidInput(f"the model takes the inputs {self._takes}; given were: {', '.join(names) or 'none'}")

    def _outputs(self, wanted: object, binary: bool) -> tuple[list[str], Sequence[bool]]:
        if not wanted:
            return self._names, self._all_binary if binary else self._all_json
        if not isinstance(wanted, list) or not all(isinstance(item, dict) for item in wanted):
            raise InvalidInput("outputs is no list of objects with a name")
        names = [item.get("name") for item in wanted]
        for name in names:
            if not isinstance(name, str) or name not in self._known or names.count(name) > 1:
                raise InvalidInput(f"no output {str(name)[:100]!r}, or twice; the model has {self._gives}")
        return names, [_flag(_parameters(item, "an output"), "binary_data", binary) for item in wanted]


def _flag(parameters: Mapping[str, object], name: str, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise InvalidInput(f"{name} is true or false")
    return value


def _given(port: Port, item: Mapping[str, object]) -> _Given:
    datatype, shape = item.get("datatype"), _shape(port, item.get("shape"))
    if datatype != port.datatype or not port.takes(shape):
        raise InvalidInput(f"input {port.name}: the model takes {port}, given was {str(datatype)[:20]}{list(shape)}")
    size = _parameters(item, f"input {port.name}").get("binary_data_size")
    if size is None and "data" not in item:
        raise InvalidInput(f"input {port.name} has neither data nor binary_data_size")
    if size is not None and (type(size) is not int or size < 0 or "data" in item):
        raise InvalidInput(f"input {port.name}: binary_data_size is a number of bytes, without data")
    return _Given(port=port, shape=shape, size=size, data=item.get("data"))


def _feed(inputs: Sequence[_Given], body: bytes | memoryview, start: int) -> dict[str, Array]:
    """The values, from the JSON or from the bytes that begin at `start`."""
    feed: dict[str, Array] = {}
    for given in inputs:
        port, size = given.port, given.size
        if size is None:
            feed[port.name] = tensors.from_json(port, given.shape, given.data)
            continue
        if start + size > len(body):
            raise InvalidInput(
                f"input {port.name}: binary_data_size is {size:,}, but only {len(body) - start:,} bytes are left"
            )
        feed[port.name] = tensors.from_bytes(port, given.shape, body, start, size)
        start += size
    if start != len(body):
        raise InvalidInput(f"{len(body) - start:,} bytes after the JSON belong to no input's binary_data_size")
    return feed


def _shape(port: Port, shape: object) -> tuple[int, ...]:
    if not isinstance(shape, list) or len(shape) > 64:
        raise InvalidInput(f"input {port.name}: shape is no list of lengths")
    for length in shape:
        if type(length) is not int or not 0 <= length < 2**40:
            raise InvalidInput(f"input {port.name}: shape {shape} is no list of lengths")
    if math.prod(filter(None, shape)) >= 2**48:  # numpy can't make such an array, be it without elements
        raise InvalidInput(f"input {port.name}: shape {shape} is larger than any memory")
    return tuple(shape)


def _parameters(item: Mapping[str, object], what: str) -> Mapping[str, object]:
    parameters = item.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise InvalidInput(f"the parameters of {what} are no object")
    for name, words in _UNSUPPORTED.items():
        if parameters.get(name):
            raise InvalidInput(f"{name}: this server has no {words}")
    return parameters


def _timeout(parameters: Mapping[str, object]) -> float | None:
    """Triton's `timeout` is in microseconds."""
    value = parameters.get("timeout")
    if value is None:
        return None
    if type(value) is not int or value < 0:
        raise InvalidInput("timeout is a number of microseconds")
    return value / 1e6 or None


def _header_length(value: bytes, total: int) -> int:
    if not value.isdigit() or not 0 < int(value) <= total:
        word = value[:20].decode("latin-1")
        raise InvalidInput(f"Inference-Header-Content-Length: {word!r} is not between 1 and the body's {total:,} bytes")
    return int(value)


def _parsed(text: bytes | memoryview) -> dict[str, Any]:
    try:
        request = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(
            f"the request is not JSON: {error}. (NaN and Infinity are not JSON: send them as binary data. "
            "A request with binary data needs the header Inference-Header-Content-Length.)"
        ) from None
    if not isinstance(request, dict):
        raise InvalidInput("the request is no JSON object")
    return request


class Encoder:
    """Writes answers of one model; made once, at load."""

    def __init__(self, engine: Engine) -> None:
        self._ports = {port.name: port for port in engine.outputs}
        self._head: dict[str, object] = {"model_name": engine.name, "model_version": engine.version}

    def encode(self, request: InferRequest, arrays: Iterable[Array]) -> tuple[list[Header], bytes]:
        """Headers and body. Raises `NotJson` for a NaN or an infinity that was to be a JSON number."""
        raw: list[bytes] = []
        answer = self._head if request.id is None else {**self._head, "id": request.id}
        outputs = [
            self._output(name, array, raw if binary else None)
            for name, array, binary in zip(request.outputs, arrays, request.binary, strict=True)
        ]
        text = orjson.dumps({**answer, "outputs": outputs}, option=orjson.OPT_SERIALIZE_NUMPY)
        if not raw:
            return [(b"content-type", JSON), (b"content-length", b"%d" % len(text))], text
        body = b"".join((text, *raw))
        return [
            (b"content-type", BINARY),
            (HEADER_LENGTH, b"%d" % len(text)),
            (b"content-length", b"%d" % len(body)),
        ], body

    def _output(self, name: str, array: Array, raw: list[bytes] | None) -> dict[str, object]:
        head: dict[str, object] = {"name": name, "datatype": self._ports[name].datatype, "shape": array.shape}
        if raw is not None:
            raw.append(tensors.to_bytes(array))
            return {**head, "parameters": {"binary_data_size": len(raw[-1])}}
        data = tensors.to_json(array)
        if data is None:
            raise NotJson(f"output {name} has a NaN or an infinity, which JSON can't say: ask for binary_data")
        return {**head, "data": data}


def error_body(message: str) -> bytes:
    """The protocol's error object."""
    return orjson.dumps({"error": message})
