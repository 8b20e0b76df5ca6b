"""The body of a request: within its limit, in time, unpacked within the limit too."""

from __future__ import annotations

import asyncio
import zlib
from typing import TYPE_CHECKING

import numpy as np

from cloudai.errors import ErrorCode, InvalidInput, ServiceError, TooLarge, Unsupported

if TYPE_CHECKING:
    from starlette.types import Receive

_WINDOWS = {b"gzip": 31, b"deflate": 15}
"""zlib's `wbits` of an encoding. https://docs.python.org/3/library/zlib.html"""

_ALIGNMENT = 16
"""Bytes: no number is wider, and memory from malloc is no less aligned."""


async def read_body(receive: Receive, *, limit: int, seconds: float, align: int = 0) -> bytes | memoryview:
    """Raises `TooLarge`, after the rest was received and dropped, so that the client is there to read the answer;
    `ServiceError` (cancelled) or `TimeoutError` when it does not come.

    Behind the first `align` bytes (the JSON before raw tensors) lies memory that numbers can be read from in place.
    """
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        return _within(message["body"], limit)
    parts: list[bytes] = []
    size = 0
    async with asyncio.timeout(seconds):
        while message["type"] == "http.request":
            size += len(message["body"])
            if size <= limit:
                parts.append(message["body"])
            else:
                parts.clear()
            if not message.get("more_body", False):
                break
            message = await receive()
    if message["type"] != "http.request":
        raise ServiceError("the client went away", code=ErrorCode.CANCELLED)
    if size > limit:
        raise _over(size, limit)
    return _joined(parts, size, align)


def _joined(parts: list[bytes], size: int, align: int) -> memoryview:
    """One copy, into memory that is not cleared first."""
    space = -align % _ALIGNMENT
    whole = np.empty(space + size, np.uint8).data[space:]
    at = 0
    for part in parts:
        whole[at : at + len(part)] = part
        at += len(part)
    return whole


def _within(body: bytes, limit: int) -> bytes:
    if len(body) > limit:
        raise _over(len(body), limit)
    return body


def _over(size: int, limit: int) -> TooLarge:
    return TooLarge(f"the request has {size:,} bytes; the limit is {limit:,}")


def unpacked(body: bytes | memoryview, encoding: bytes, *, limit: int) -> bytes | memoryview:
    """What `Content-Encoding` has packed. Raises `TooLarge` as soon as it unpacks to more than `limit` bytes."""
    if encoding == b"identity":
        return body
    if encoding not in _WINDOWS:
        raise Unsupported(f"Content-Encoding {encoding[:40].decode('latin-1')!r}: gzip and deflate are read here")
    reader = zlib.decompressobj(_WINDOWS[encoding])
    try:
        plain = reader.decompress(body, limit + 1)
    except zlib.error as error:
        raise InvalidInput(f"the body is no {encoding.decode()}: {error}") from None
    if len(plain) > limit:
        raise TooLarge(f"the request unpacks to more than {limit:,} bytes, the limit")
    if not reader.eof:
        raise InvalidInput(f"the body ends within its {encoding.decode()}")
    return plain
