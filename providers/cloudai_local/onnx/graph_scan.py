"""What a serialised ONNX model refers to outside itself, read without the `onnx` package and without building it.

A walk over the protocol buffer's fields (https://protobuf.dev/programming-guides/encoding/), into exactly those
messages that can hold a tensor. Everything else is stepped over by its length, so that weights are never copied.
Whatever another parser might read differently is refused: groups, overlong varints, lengths past the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cloudai.errors import InvalidInput

MESSAGES: Mapping[str, Mapping[int, str]] = {
    "ModelProto": {7: "GraphProto", 20: "TrainingInfoProto", 25: "FunctionProto"},
    "TrainingInfoProto": {1: "GraphProto", 2: "GraphProto"},
    "GraphProto": {1: "NodeProto", 5: "TensorProto", 15: "SparseTensorProto"},
    "FunctionProto": {7: "NodeProto", 11: "AttributeProto"},
    "NodeProto": {5: "AttributeProto"},
    "AttributeProto": {
        5: "TensorProto", 6: "GraphProto", 10: "TensorProto", 11: "GraphProto",
        22: "SparseTensorProto", 23: "SparseTensorProto",
    },
    "SparseTensorProto": {1: "TensorProto", 2: "TensorProto"},
    "TensorProto": {13: "StringStringEntryProto"},
}  # fmt: skip
"""Message -> field number -> message, on every way from a model to a tensor's `external_data`.

https://github.com/onnx/onnx/blob/v1.20.0/onnx/onnx.proto; a test holds it against the installed `onnx`.
"""

_OP_TYPE = 4
_KEY, _VALUE = 1, 2
_MAX_DEPTH = 100
"""Protocol buffers' own limit on nesting."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphScan:
    """`locations` are the files that tensors are stored in, as written; `operators` the types of all nodes."""

    locations: frozenset[bytes]
    operators: frozenset[bytes]


def scan(model: bytes) -> GraphScan:
    """Raises `InvalidInput` when the bytes are no well-formed ONNX model."""
    locations: set[bytes] = set()
    operators: set[bytes] = set()
    graphs = 0
    pending = [("ModelProto", 0, len(model), 0)]
    while pending:
        message, start, end, depth = pending.pop()
        if depth > _MAX_DEPTH:
            raise InvalidInput(f"the model nests deeper than {_MAX_DEPTH} levels")
        if message == "StringStringEntryProto":
            locations |= _entry_locations(model, start, end)
            continue
        graphs += message == "GraphProto"
        inner = MESSAGES[message]
        for number, wire, first, last in _fields(model, start, end):
            if wire == _BYTES and number in inner:
                pending.append((inner[number], first, last, depth + 1))
            elif wire == _BYTES and number == _OP_TYPE and message == "NodeProto":
                operators.add(model[first:last])
    if not graphs:
        raise InvalidInput("it holds no graph")
    return GraphScan(locations=frozenset(locations), operators=frozenset(operators))


def _entry_locations(model: bytes, start: int, end: int) -> set[bytes]:
    """All values of an entry that any of its keys calls a location: which one counts is the parser's choice."""
    strings: dict[int, set[bytes]] = {_KEY: set(), _VALUE: set()}
    for number, wire, first, last in _fields(model, start, end):
        if wire == _BYTES and number in strings:
            strings[number].add(model[first:last])
    return (strings[_VALUE] or {b""}) if b"location" in strings[_KEY] else set()


def _fields(model: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Number, wire type, and where the payload lies, of each field between `start` and `end`."""
    at = start
    while at < end:
        tag, at = _varint(model, at, end, longest=5)
        number, wire = tag >> 3, tag & 7
        if not number or tag >> 32:
            raise InvalidInput(f"damaged: no field can have the tag {tag} at byte {at}")
        size = 0
        if wire == _VARINT:
            _, after = _varint(model, at, end, longest=10)
            size = after - at
        elif wire == _BYTES:
            size, at = _varint(model, at, end, longest=5)
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
        else:
            raise InvalidInput(f"damaged: ONNX has no fields of wire type {wire} (byte {at})")
        if size > end - at:
            raise InvalidInput(f"truncated: {size} bytes are announced at byte {at}, {end - at} are left")
        yield number, wire, at, at + size
        at += size


def _varint(model: bytes, at: int, end: int, *, longest: int) -> tuple[int, int]:
    """A base-128 number and the place after it."""
    value = 0
    for index in range(longest):
        if at + index >= end:
            raise InvalidInput(f"truncated: it ends within a number at byte {at}")
        byte = model[at + index]
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, at + index + 1
    raise InvalidInput(f"damaged: a number at byte {at} has more than {longest} bytes")
