"""How many pages a document has, and whether the file is whole: as far as that is known without rendering it."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from itertools import islice
from typing import Final

from cloudai.calls.sniff import Damaged, zip_directory

_TAIL: Final = 64 << 10
_MAX_INFLATED: Final = 16 << 20
_MAX_STREAMS: Final = 10_000
_MAX_NODES: Final = 20_000
_STEP: Final = 64 << 10
_NEAR: Final = 8 << 10
"""How far in a dictionary two of its entries may be from each other (a page tree names all its children)."""
_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_TREE = re.compile(rb"/Type\s*/Pages(?![A-Za-z])")
_COUNT = re.compile(rb"/Count\s+(\d{1,7})(?!\d|\s+\d+\s+R)")
_OBJECT_STREAM = re.compile(rb"/ObjStm[^>]{0,400}>>\s{0,8}stream\r?\n")


def read_document(data: bytes, content_type: str) -> int | None:
    """The number of pages; `None` when it is not known."""
    if content_type == "application/pdf":
        return _pdf(data)
    if content_type.startswith("application/vnd.openxmlformats") and not zip_directory(data):
        raise Damaged("its archive has no end")
    return None


def _pdf(data: bytes) -> int | None:
    """What the root of the page tree counts; `None` unless the pages found are as many.

    Both may be within compressed object streams (PDF 1.5): those are inflated, 16 MiB in all.
    """
    tail = data[-_TAIL:]
    if b"%%EOF" not in tail and b"startxref" not in tail:
        raise Damaged("it ends before its end-of-file marker")
    bodies = [data, *_object_streams(data)]
    pages = sum(len(_PAGE.findall(body)) for body in bodies)
    counts = [count for body in bodies for count in _counts(body)]
    return pages if counts and pages == max(counts) else None


def _counts(body: bytes) -> Iterator[int]:
    """`/Count` beside each `/Type /Pages`, within the same dictionary."""
    for found in islice(_TREE.finditer(body), _MAX_NODES):
        first = body.rfind(b"<<", max(0, found.start() - _NEAR), found.start())
        end = body.find(b">>", found.end(), found.end() + _NEAR)
        if min(first, end) >= 0 and (count := _COUNT.search(body, first, end)):
            yield int(count[1])


def _object_streams(data: bytes) -> Iterator[bytes]:
    left = _MAX_INFLATED
    for found in islice(_OBJECT_STREAM.finditer(data), _MAX_STREAMS):
        body = _inflated(memoryview(data)[found.end() :], left)
        left -= len(body)
        yield body
        if left <= 0:
            return


def _inflated(view: memoryview, most: int) -> bytes:
    """In small steps: what follows the stream in the file is not copied."""
    engine, body = zlib.decompressobj(), bytearray()
    try:
        for at in range(0, len(view), _STEP):
            body += engine.decompress(view[at : at + _STEP], most - len(body))
            if engine.eof or len(body) >= most:
                break
    except zlib.error:
        return b""
    return bytes(body)
