"""One tensor of a request or an answer: JSON numbers or little-endian bytes, held to its datatype, never cast.

A JSON number stands for a value of the declared datatype: `1` is a sound `FP32`, `1.5` is no `INT32`, `300` no `UINT8`,
`true` no number. Bytes have the length that shape and datatype give. `BYTES` are UTF-8 texts, each behind its length in
four bytes: https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from cloudai.errors import InvalidInput

if TYPE_CHECKING:
    import numpy.typing as npt

    from cloudai.serving.engine import Port

    Array: TypeAlias = npt.NDArray[Any]

_LENGTH = struct.Struct("<I")
_LITTLE = np.dtype("<i4") == np.dtype("=i4")
_KINDS: dict[str, tuple[frozenset[type], str]] = {
    "b": (frozenset({bool}), "true and false"),
    "u": (frozenset({int}), "whole numbers"),
    "i": (frozenset({int}), "whole numbers"),
    "f": (frozenset({float, int}), "numbers"),
    "O": (frozenset({str}), "texts"),
}
"""numpy's kind -> what JSON may have for it."""
_LETTERS = {
    "b1": "?", "u1": "B", "u2": "H", "u4": "I", "u8": "Q", "i1": "b", "i2": "h", "i4": "i", "i8": "q",
    "f2": "e", "f4": "f", "f8": "d",
}  # fmt: skip
"""numpy's kind and size -> `struct`'s letter."""

_WORDS: dict[type, str] = {
    float: "number with a fraction (or out of range)",
    int: "number",
    bool: "true or false",
    str: "text",
    list: "list",
    dict: "object",
}


def from_json(port: Port, shape: Sequence[int], data: object) -> Array:
    """Nested or flat row-major lists. Raises `InvalidInput` where length, kind or range differ."""
    if not isinstance(data, list):
        raise InvalidInput(f"input {port.name}: data is no list")
    flat = _flattened(port, shape, data) if data and isinstance(data[0], list) else data
    count = math.prod(shape)
    if len(flat) != count:
        raise InvalidInput(f"input {port.name}: shape {list(shape)} has {count} elements, data has {len(flat)}")
    kinds, words = _KINDS[port.dtype.kind]
    if not kinds.issuperset(map(type, flat)):
        other = next(kind for kind in map(type, flat) if kind not in kinds)
        word = _WORDS.get(other, "null")
        raise InvalidInput(f"input {port.name} is {port.datatype}: {words}, and data has a {word}")
    if port.dtype.kind == "O":
        return np.array(flat, dtype=object).reshape(shape)
    return _packed(port, shape, flat)


def _packed(port: Port, shape: Sequence[int], flat: list[Any]) -> Array:
    """`struct` refuses what is out of a type's range, in less time than an array is made and then looked through."""
    array = np.empty(shape, port.dtype)
    try:
        struct.pack_into(f"={len(flat)}{_LETTERS[port.dtype.str[1:]]}", array.data, 0, *flat)
    except (struct.error, OverflowError):
        raise InvalidInput(
            f"input {port.name}: data has a number that {port.datatype} can't hold; it goes from {_range(port)}"
        ) from None
    return array


def _range(port: Port) -> str:
    limits = np.finfo(port.dtype) if port.dtype.kind == "f" else np.iinfo(port.dtype)
    return f"{limits.min} to {limits.max}"


def _flattened(port: Port, shape: Sequence[int], data: list[Any]) -> list[Any]:
    """Lists within lists, each as long as the shape says."""
    level = data
    if len(level) != shape[0] if shape else True:
        raise _ragged(port, shape)
    for length in shape[1:]:
        if not all(isinstance(part, list) and len(part) == length for part in level):
            raise _ragged(port, shape)
        level = list(chain.from_iterable(level))
    return level


def _ragged(port: Port, shape: Sequence[int]) -> InvalidInput:
    return InvalidInput(f"input {port.name}: the lists in data don't have the shape {list(shape)}")


def from_bytes(port: Port, shape: Sequence[int], body: bytes | memoryview, start: int, size: int) -> Array:
    """`size` bytes of `body` from `start`, without a copy where memory allows. Raises `InvalidInput`."""
    if port.dtype.kind == "O":
        return _texts(port, shape, bytes(body[start : start + size]))
    count = math.prod(shape)
    if size != count * port.dtype.itemsize:
        raise InvalidInput(
            f"input {port.name}: {port.datatype}{list(shape)} is {count * port.dtype.itemsize:,} bytes, "
            f"binary_data_size is {size:,}"
        )
    if port.dtype.kind == "b" and any(byte > 1 for byte in set(body[start : start + size])):
        raise InvalidInput(f"input {port.name}: a BOOL is a byte of 0 or 1")
    array: Array = np.ndarray(shape, port.dtype, body, start)
    if not _LITTLE:
        array = array.byteswap()
    return array if array.flags.aligned else array.copy()


def _texts(port: Port, shape: Sequence[int], data: bytes) -> Array:
    texts: list[str] = []
    at = 0
    try:
        while at < len(data):
            (length,) = _LENGTH.unpack_from(data, at)
            at += 4 + length
            if at > len(data):
                raise InvalidInput(f"input {port.name}: an element of BYTES ends behind the tensor's end")
            texts.append(data[at - length : at].decode("utf-8"))
    except struct.error:
        raise InvalidInput(f"input {port.name}: BYTES end within a length") from None
    except UnicodeDecodeError:
        raise InvalidInput(f"input {port.name}: element {len(texts)} of BYTES is no UTF-8 text") from None
    if len(texts) != math.prod(shape):
        raise InvalidInput(f"input {port.name}: shape {list(shape)} has {math.prod(shape)} elements, not {len(texts)}")
    return np.array(texts, dtype=object).reshape(shape)


def to_bytes(array: Array) -> bytes:
    """Little-endian, row-major; texts behind their lengths."""
    if array.dtype.kind not in "OUS":
        return (array if _LITTLE else array.byteswap()).tobytes()
    texts = [_encoded(value) for value in array.reshape(-1).tolist()]
    return b"".join(part for text in texts for part in (_LENGTH.pack(len(text)), text))


def _encoded(value: str | bytes) -> bytes:
    return value if isinstance(value, bytes) else value.encode("utf-8")


def to_json(array: Array) -> Array | list[Any] | None:
    """What goes into `data`: the flat array where the JSON writer takes it, else a list.

    `None` when it has a value that JSON has no number for (NaN, infinity).
    """
    flat = np.ascontiguousarray(array).reshape(-1)
    kind = flat.dtype.kind
    if kind == "f" and not np.isfinite(flat).all():
        return None
    if kind in "OUS":
        return [value.decode("utf-8", "replace") if isinstance(value, bytes) else value for value in flat.tolist()]
    return flat
