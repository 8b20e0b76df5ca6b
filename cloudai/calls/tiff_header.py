"""The directories of a TIFF file, and the orientation in an EXIF block (which is one): read with bounds.

Format: TIFF 6.0 (1992) and BigTIFF. Refused as damaged: directories in a loop, tags whose values together are longer
than the file (they overlap: readers that copy each would need memory without end), strips outside the file.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

from cloudai.calls.sniff import Damaged
from cloudai.types.media import ImageInfo

_MAX_PAGES: Final = 20_000
_MAX_STRIPS: Final = 1_000_000
_WIDTH, _HEIGHT, _ORIENTATION = 256, 257, 274
_PARTS: Final = ((273, 279), (324, 325))  # offsets and byte counts of strips; of tiles
_TYPE_SIZE: Final = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_INTEGERS: Final = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q"}


@dataclass(frozen=True, slots=True)
class _Layout:
    """How this file writes numbers: byte order, and the widths of BigTIFF or of TIFF."""

    order: str
    count: str
    entry: str
    pointer: str


@dataclass(frozen=True, slots=True)
class _Tag:
    code: str | None
    count: int
    at: int


def read_tiff(data: bytes) -> tuple[ImageInfo, int]:
    """Size and orientation of the first page, the number of pages, the pixels of the largest page."""
    layout, offset = _opened(data)
    pages, seen = list[tuple[int, int, int]](), set[int]()
    while offset:
        if offset in seen or len(pages) >= _MAX_PAGES:
            raise Damaged("its pages form a loop" if offset in seen else f"more than {_MAX_PAGES:,} pages")
        seen.add(offset)
        tags, offset = _directory(data, layout, offset)
        _check_parts(data, layout, tags)
        pages.append((_one(data, layout, tags, _WIDTH), _one(data, layout, tags, _HEIGHT), _turn(data, layout, tags)))
    if not pages:
        raise Damaged("it holds no page")
    width, height, orientation = pages[0]
    info = ImageInfo(width=width, height=height, frames=len(pages), orientation=orientation)
    return info, max(across * down for across, down, _ in pages)


def orientation_of(exif: bytes) -> int:
    """EXIF orientation, 1..8; 1 when the block is damaged or silent: a photo is not refused for its notes."""
    try:
        layout, offset = _opened(exif)
        return _turn(exif, layout, _directory(exif, layout, offset, strict=False)[0])
    except (Damaged, struct.error, IndexError):
        return 1


def _opened(data: bytes) -> tuple[_Layout, int]:
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None:
        raise Damaged("no byte order")
    big = struct.unpack_from(order + "H", data, 2)[0] == 43
    layout = _Layout(order, "Q", "HHQ8s", "Q") if big else _Layout(order, "H", "HHI4s", "I")
    return layout, struct.unpack_from(order + layout.pointer, data, 8 if big else 4)[0]


def _directory(data: bytes, layout: _Layout, offset: int, *, strict: bool = True) -> tuple[dict[int, _Tag], int]:
    count = struct.unpack_from(layout.order + layout.count, data, offset)[0]
    entry = struct.Struct(layout.order + layout.entry)
    start, inline = offset + struct.calcsize(layout.count), struct.calcsize(layout.pointer)
    end = start + count * entry.size
    if count > 65_535 or end > len(data):
        raise Damaged(f"the directory at byte {offset} runs past the end")
    tags, total = dict[int, _Tag](), 0
    for at in range(start, end, entry.size):
        tag, kind, values, _ = entry.unpack_from(data, at)
        size = values * _TYPE_SIZE.get(kind, 1)
        place = at + entry.size - inline
        if size > inline:
            place, total = struct.unpack_from(layout.order + layout.pointer, data, place)[0], total + size
        if strict and (total > len(data) or place + size > len(data)):
            raise Damaged(f"tag {tag} lies outside the file")
        tags.setdefault(tag, _Tag(_INTEGERS.get(kind), values, place))
    following = struct.unpack_from(layout.order + layout.pointer, data, end)[0] if end + inline <= len(data) else 0
    return tags, following


def _numbers(data: bytes, layout: _Layout, tag: _Tag | None) -> tuple[int, ...]:
    if tag is None or tag.code is None:
        return ()
    if tag.count > _MAX_STRIPS:
        raise Damaged(f"more than {_MAX_STRIPS:,} strips")
    return struct.unpack_from(f"{layout.order}{tag.count}{tag.code}", data, tag.at)


def _one(data: bytes, layout: _Layout, tags: dict[int, _Tag], tag: int) -> int:
    numbers = _numbers(data, layout, tags.get(tag))
    return numbers[0] if numbers else 0


def _turn(data: bytes, layout: _Layout, tags: dict[int, _Tag]) -> int:
    value = _one(data, layout, tags, _ORIENTATION)
    return value if 1 <= value <= 8 else 1


def _check_parts(data: bytes, layout: _Layout, tags: dict[int, _Tag]) -> None:
    for offsets, sizes in _PARTS:
        starts, lengths = (_numbers(data, layout, tags.get(tag)) for tag in (offsets, sizes))
        if starts and lengths and max(map(sum, zip(starts, lengths, strict=False))) > len(data):
            raise Damaged("it ends before its last strip does")
