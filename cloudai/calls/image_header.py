"""An image's size, frames and EXIF orientation, and whether the file is whole: without decoding a pixel.

Pillow decodes (`pixels.py`); it does not read headers here, because opening a hostile file with it is not bounded:
overlapping TIFF tags are copied once each, a WebP canvas is allocated before its size is known, opening warns in the
user's process, above `Image.MAX_IMAGE_PIXELS` it raises before the size can be named, and a truncated JPEG is only
found by decoding all of it. The tests hold every number here equal to Pillow's. Content that breaks its format
raises `Damaged`, `struct.error` or `IndexError`.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Final

from cloudai.calls.sniff import Damaged, boxes, inside, riff_chunks
from cloudai.calls.tiff_header import orientation_of, read_tiff
from cloudai.types.media import ImageInfo

_MAX_BLOCKS: Final = 2_000_000  # of a GIF: 500 MB of data in blocks of the usual 255 bytes
_START_OF_FRAME: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_STANDALONE: Final = frozenset({0x01, *range(0xD0, 0xD8)})


def read_image(data: bytes, content_type: str) -> tuple[ImageInfo, int]:
    """The header, and the pixels of the largest frame (pages of a TIFF may differ)."""
    info, pixels = _READERS[content_type](data)
    if info.width < 1 or info.height < 1:
        raise Damaged(f"its size is {info.width} x {info.height}")
    return info, pixels


def readable(content_type: str) -> bool:
    """Whether there is a reader for this image format."""
    return content_type in _READERS


def _single(width: int, height: int, *, frames: int = 1, orientation: int = 1) -> tuple[ImageInfo, int]:
    return ImageInfo(width=width, height=height, frames=frames, orientation=orientation), width * height


def _jpeg(data: bytes) -> tuple[ImageInfo, int]:
    offset, size, orientation = 2, (0, 0), 1
    while True:
        while data[offset] == 0xFF and data[offset + 1] == 0xFF:
            offset += 1  # fill bytes
        mark, code = data[offset], data[offset + 1]
        if mark != 0xFF or code == 0xD9:
            raise Damaged(f"no segment at byte {offset}")
        if code in _STANDALONE:
            offset += 2
            continue
        length = struct.unpack_from(">H", data, offset + 2)[0]
        segment = data[offset + 4 : offset + 2 + length]
        if code in _START_OF_FRAME:
            size = struct.unpack_from(">HH", segment, 1)
        elif code == 0xE1 and segment.startswith(b"Exif\0\0"):
            orientation = orientation_of(segment[6:])
        offset += 2 + max(2, length)
        if code == 0xDA:
            break
    if data.rfind(b"\xff\xd9", offset) < 0:
        raise Damaged("it ends before its end-of-image marker")
    return _single(size[1], size[0], orientation=orientation)


def _png(data: bytes) -> tuple[ImageInfo, int]:
    """Every chunk's checksum is verified; nothing is inflated."""
    view, offset, frames, orientation, seen = memoryview(data), 8, 1, 1, set[bytes]()
    while b"IEND" not in seen:
        length, name = struct.unpack_from(">I4s", data, offset)
        body = view[offset + 4 : offset + 8 + length]
        if struct.unpack_from(">I", data, offset + 8 + length)[0] != zlib.crc32(body):
            raise Damaged(f"the checksum of its {name.decode('latin-1')!r} chunk at byte {offset} is wrong")
        if name == b"acTL":
            frames = max(1, struct.unpack_from(">I", body, 4)[0])
        elif name == b"eXIf":
            orientation = orientation_of(bytes(body[4:]))
        seen.add(name)
        offset += 12 + length
    if b"IDAT" not in seen or data[12:16] != b"IHDR":
        raise Damaged("it holds no picture")
    width, height = struct.unpack_from(">II", data, 16)
    return _single(width, height, frames=frames, orientation=orientation)


def _gif(data: bytes) -> tuple[ImageInfo, int]:
    width, height, flags = struct.unpack_from("<HHB", data, 6)
    offset, frames, reach = 13 + _colour_table(flags), 0, [width, height]
    for _ in range(_MAX_BLOCKS):
        kind = data[offset]
        if kind == 0x3B:
            break
        if kind == 0x2C:
            left, top, across, down, flags = struct.unpack_from("<HHHHB", data, offset + 1)
            reach = [max(reach[0], left + across), max(reach[1], top + down)]
            frames, offset = frames + 1, offset + 11 + _colour_table(flags)
        elif kind == 0x21:
            offset += 2
        else:
            raise Damaged(f"no block at byte {offset}")
        offset = _after_sub_blocks(data, offset)
    if not frames:
        raise Damaged("it holds no picture")
    return ImageInfo(width=width or reach[0], height=height or reach[1], frames=frames), reach[0] * reach[1]


def _colour_table(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def _after_sub_blocks(data: bytes, offset: int) -> int:
    for _ in range(_MAX_BLOCKS):
        size = data[offset]
        offset += 1 + size
        if not size:
            return offset
    raise Damaged(f"more than {_MAX_BLOCKS:,} blocks")


def _bmp(data: bytes) -> tuple[ImageInfo, int]:
    pixels_at, header = struct.unpack_from("<II", data, 10)
    if header == 12:
        (width, height, _, depth), packed = struct.unpack_from("<HHHH", data, 18), 0
    else:
        width, height, _, depth, packed = struct.unpack_from("<iiHHI", data, 18)
    row = (depth * width + 31) // 32 * 4
    if packed in (0, 3) and width * height and pixels_at + row * abs(height) > len(data) + 3:
        raise Damaged(f"it ends before its {width:,} x {abs(height):,} pixels do")
    return _single(width, abs(height))


def _webp(data: bytes) -> tuple[ImageInfo, int]:
    if 8 + struct.unpack_from("<I", data, 4)[0] > len(data) + 1:
        raise Damaged("it is shorter than its header says")
    size, frames, orientation = (0, 0), 0, 1
    for name, at, length in riff_chunks(data):
        if name == b"ANMF":
            frames += 1
        elif name == b"EXIF":
            orientation = orientation_of(data[at : at + length].removeprefix(b"Exif\0\0"))
        elif size == (0, 0):
            size = _webp_size(data, name, at)
    return _single(*size, frames=max(1, frames), orientation=orientation)


def _webp_size(data: bytes, name: bytes, at: int) -> tuple[int, int]:
    if name == b"VP8X":
        return 1 + int.from_bytes(data[at + 4 : at + 7], "little"), 1 + int.from_bytes(data[at + 7 : at + 10], "little")
    if name == b"VP8L":
        bits = struct.unpack_from("<I", data, at + 1)[0]
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if name == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, at + 6)
        return width & 0x3FFF, height & 0x3FFF
    return 0, 0


def _ico(data: bytes) -> tuple[ImageInfo, int]:
    sizes = [_icon_size(data, 6 + 16 * index) for index in range(struct.unpack_from("<H", data, 4)[0])]
    return _single(*max(sizes, key=lambda size: size[0] * size[1]))


def _icon_size(data: bytes, entry: int) -> tuple[int, int]:
    """A picture in an icon may be a whole PNG with a size of its own."""
    length, at = struct.unpack_from("<II", data, entry + 8)
    if at + length > len(data):
        raise Damaged("it ends before its last picture does")
    if data.startswith(b"\x89PNG", at):
        width, height = struct.unpack_from(">II", data, at + 16)
        return int(width), int(height)
    return data[entry] or 256, data[entry + 1] or 256


def _heif(data: bytes) -> tuple[ImageInfo, int]:
    """HEIC and AVIF: the largest `ispe` is the picture (others are tiles and the thumbnail)."""
    properties = (b"meta", b"iprp", b"ipco")
    sizes = [struct.unpack_from(">II", data, at + 4) for at, _ in inside(data, (*properties, b"ispe"))]
    turns = [data[at] & 3 for at, _ in inside(data, (*properties, b"irot"))]
    if not sizes or not any(kind in (b"mdat", b"idat", b"moov") for kind, _, _ in boxes(data)):
        raise Damaged("it holds no picture")
    width, height = max(sizes, key=lambda size: size[0] * size[1])
    return _single(width, height, orientation=(1, 8, 3, 6)[turns[0]] if turns else 1)


def _jp2(data: bytes) -> tuple[ImageInfo, int]:
    for at, _ in inside(data, (b"jp2h", b"ihdr")):
        height, width = struct.unpack_from(">II", data, at)
        if data.find(b"\xff\xd9", max(at, len(data) - 64)) < 0:
            raise Damaged("it ends before its end-of-codestream marker")
        return _single(width, height)
    raise Damaged("it holds no header")


_READERS: Final[dict[str, Callable[[bytes], tuple[ImageInfo, int]]]] = {
    "image/jpeg": _jpeg,
    "image/png": _png,
    "image/gif": _gif,
    "image/bmp": _bmp,
    "image/tiff": read_tiff,
    "image/webp": _webp,
    "image/x-icon": _ico,
    "image/heic": _heif,
    "image/avif": _heif,
    "image/jp2": _jp2,
}
