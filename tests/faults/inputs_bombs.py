"""Files that are small to send and ruinous to open, made by hand: name -> bytes and what they are used as.

Run as a program it opens them all and prints, as JSON, what became of each, how far memory grew, and the processor's
time it took.
"""

from __future__ import annotations

import gzip
import io
import json
import struct
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from cloudai.calls.media import InputGuard, from_bytes
from cloudai.errors import CloudAIError
from cloudai.types.media import MediaKind

IMAGE, AUDIO, DOCUMENT = MediaKind.IMAGE, MediaKind.AUDIO, MediaKind.DOCUMENT


def png(width: int, height: int, *chunks: bytes, data: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    middle = b"".join(chunks) + chunk(b"IDAT", data or zlib.compress(b""))
    return b"\x89PNG\r\n\x1a\n" + header + middle + chunk(b"IEND", b"")


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def zeros(size: int) -> bytes:
    """`size` zeros, deflated."""
    engine = zlib.compressobj(9)
    return b"".join(engine.compress(bytes(1 << 20)) for _ in range(size >> 20)) + engine.flush()


def bmp(width: int, height: int, packed: int = 0) -> bytes:
    info = struct.pack("<IiiHHIIIIII", 40, width, height, 1, 24, packed, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 154, 0, 0, 54) + info + bytes(100)


def tiff(*entries: tuple[int, int, int, int], following: int = 0, tail: bytes = b"") -> bytes:
    body = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + body + struct.pack("<I", following) + tail


def tiff_pages(count: int) -> bytes:
    page = struct.pack("<HHHIIHHII", 2, 256, 4, 1, 9, 257, 4, 1, 9)
    places = [8 + index * (len(page) + 4) for index in range(count)]
    return b"II*\0\x08\0\0\0" + b"".join(page + struct.pack("<I", place) for place in [*places[1:], 0])


def gif(width: int, height: int, *blocks: bytes) -> bytes:
    return b"GIF89a" + struct.pack("<HHBBB", width, height, 0, 0, 0) + b"".join(blocks)


def gif_frame(left: int, width: int) -> bytes:
    return b"\x2c" + struct.pack("<HHHHB", left, left, width, width, 0) + b"\2\1\0\0"


def webp(name: bytes, body: bytes) -> bytes:
    inner = b"WEBP" + name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) & 1)
    return b"RIFF" + struct.pack("<I", len(inner)) + inner


def ico(picture: bytes) -> bytes:
    return struct.pack("<HHHBBBBHHII", 0, 1, 1, 16, 16, 0, 0, 1, 32, len(picture), 22) + picture


def box(name: bytes, body: bytes, size: int | None = None) -> bytes:
    return struct.pack(">I4s", 8 + len(body) if size is None else size, name) + body


def avif(width: int, height: int) -> bytes:
    ispe = box(b"ispe", struct.pack(">III", 0, width, height))
    meta = box(b"meta", bytes(4) + box(b"iprp", box(b"ipco", ispe)))
    return box(b"ftyp", b"avif\0\0\0\0avif") + meta + box(b"mdat", b"x")


def jp2(width: int, height: int) -> bytes:
    header = box(b"jp2h", box(b"ihdr", struct.pack(">IIHBBBB", height, width, 3, 7, 7, 0, 0)))
    return b"\0\0\0\x0cjP  \r\n\x87\n" + box(b"ftyp", b"jp2 \0\0\0\0jp2 ") + header + box(b"jp2c", b"\xff\x4f\xff\xd9")


def jpeg(width: int, height: int) -> bytes:
    frame = b"\xff\xc0\x00\x11\x08" + struct.pack(">HH", height, width) + b"\3\1\x22\0\2\x11\1\3\x11\1"
    return b"\xff\xd8" + frame + b"\xff\xda\x00\x08\1\1\0\0\x3f\0\x00\xff\xd9"


def wav(rate: int, block: int, declared: int, length: int) -> bytes:
    form = struct.pack("<HHIIHH", 1, 1, rate, min(rate * block, 0xFFFFFFFF), block, 8 * block)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", declared) + bytes(length)
    return b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + body


def flac(rate: int, samples: int) -> bytes:
    word = rate << 44 | 15 << 36 | samples
    return b"fLaC\x80\x00\x00\x22" + bytes(10) + struct.pack(">Q", word) + bytes(16) + bytes(500)


def matroska(body: bytes) -> bytes:
    return b"\x1a\x45\xdf\xa3\x87\x42\x82\x84webm" + b"\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff" + body


def mp3(frames: int) -> bytes:
    xing = b"Xing" + struct.pack(">III", 3, frames, 1_000_000)
    return (b"\xff\xfb\x90\xc0" + bytes(17) + xing).ljust(417, b"\0") + b"\xff\xfb\x90\xc0" + bytes(413)


def pdf(stream: bytes) -> bytes:
    return b"%PDF-1.5\n<</Type /ObjStm /Filter /FlateDecode>>\nstream\n" + stream + b"\nendstream\n%%EOF"


def zip_of(entries: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for index in range(entries):
            archive.writestr(f"{index}", b"")
    return file.getvalue()


def ogg(pages: int) -> bytes:
    head = b"\1vorbis" + struct.pack("<IBIIIIBB", 0, 1, 16000, 0, 0, 0, 0xB8, 1)
    first = b"OggS\0\2" + bytes(20) + b"\1" + bytes([len(head)]) + head
    return first + (b"OggS\0\0" + b"\xff" * 7 + b"\x0f" + bytes(12) + b"\0") * pages


def entities() -> bytes:
    """The billion laughs: https://en.wikipedia.org/wiki/Billion_laughs_attack."""
    lines = b"".join(b'<!ENTITY l%d "%s">' % (level, b"&l%d;" % (level - 1) * 10) for level in range(1, 10))
    return b'<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY l0 "ha">%s]><svg>&l9;</svg>' % lines


def aiff(frames: int) -> bytes:
    form = struct.pack(">HIH", 1, frames, 16) + b"\x40\x0b\xfa" + bytes(7)  # 8 kHz as an 80-bit float
    inner = b"AIFFCOMM" + struct.pack(">I", len(form)) + form + b"SSND" + struct.pack(">I", 0xFFFFFFF0) + bytes(100)
    return b"FORM" + struct.pack(">I", len(inner)) + inner


BOMBS: dict[str, tuple[MediaKind, Callable[[], bytes]]] = {
    "png of 200 megapixels": (IMAGE, lambda: png(20_000, 10_000)),
    "png of 4e18 pixels": (IMAGE, lambda: png(2**31 - 1, 2**31 - 1)),
    "png of 440 MB of zeros": (IMAGE, lambda: png(12_000, 12_000, data=zeros(440 << 20))),
    "png of no width": (IMAGE, lambda: png(0, 100)),
    "png chunk of 4 GB": (IMAGE, lambda: png(9, 9)[:33] + b"\xff\xff\xff\xffIDAT" + bytes(99)),
    "bmp of 1e10 pixels": (IMAGE, lambda: bmp(100_000, 100_000)),
    "bmp of 1e10 packed pixels": (IMAGE, lambda: bmp(100_000, 100_000, packed=1)),
    "bmp of the most negative height": (IMAGE, lambda: bmp(60_000, -(2**31))),
    "tiff of 2e19 pixels": (IMAGE, lambda: tiff((256, 4, 1, 2**32 - 1), (257, 4, 1, 2**32 - 1))),
    "tiff whose page follows itself": (IMAGE, lambda: tiff((256, 4, 1, 9), (257, 4, 1, 9), following=8)),
    "tiff of 30,000 pages": (IMAGE, lambda: tiff_pages(30_000)),
    "tiff of 4,000 tags over the same 2 MB": (
        IMAGE,
        lambda: tiff(*((300 + tag, 1, 2_000_000, 50_000) for tag in range(4000)), tail=bytes(3_000_000)),
    ),
    "tiff of 2e9 strips": (IMAGE, lambda: tiff((256, 4, 1, 9), (257, 4, 1, 9), (273, 4, 2**31, 8), (279, 4, 2**31, 8))),
    "tiff of 5 million strips": (
        IMAGE,
        lambda: tiff((256, 4, 1, 9), (257, 4, 1, 9), (273, 3, 5_000_000, 99), tail=bytes(10_000_200)),
    ),
    "bigtiff of 1e19 tags": (IMAGE, lambda: b"II+\0\x08\0\0\0" + struct.pack("<QQ", 16, 2**63) + bytes(100)),
    "gif of 4 gigapixels": (IMAGE, lambda: gif(65_535, 65_535, gif_frame(0, 1), b";")),
    "gif with a frame far outside": (IMAGE, lambda: gif(10, 10, gif_frame(65_000, 500), b";")),
    "gif of 3 million comments": (IMAGE, lambda: gif(10, 10, b"\x21\xfe\0" * 3_000_000, b";")),
    "gif of 3 million parts": (IMAGE, lambda: gif(10, 10, b"\x21\xfe", b"\1x" * 3_000_000, b"\0;")),
    "webp canvas of 3e14 pixels": (IMAGE, lambda: webp(b"VP8X", bytes(4) + b"\xff" * 6)),
    "webp of 268 megapixels": (IMAGE, lambda: webp(b"VP8L", b"\x2f\xff\xff\xff\x0f" + bytes(9))),
    "icon that is a png of 900 megapixels": (IMAGE, lambda: ico(png(30_000, 30_000))),
    "icon of 65,535 pictures": (IMAGE, lambda: b"\0\0\1\0\xff\xff" + bytes(2) + bytes(100)),
    "avif of 1.8e19 pixels": (IMAGE, lambda: avif(2**32 - 1, 2**32 - 1)),
    "jpeg 2000 of 1.8e19 pixels": (IMAGE, lambda: jp2(2**32 - 1, 2**32 - 1)),
    "jpeg of 4.3 gigapixels": (IMAGE, lambda: jpeg(65_500, 65_500)),
    "scan that is a png of 200 megapixels": (DOCUMENT, lambda: png(20_000, 10_000)),
    "wav of 4 GB": (AUDIO, lambda: wav(16_000, 2, 0xFFFFFFF0, 100)),
    "wav of 4e9 Hz and nothing": (AUDIO, lambda: wav(0xFFFFFFFF, 2, 0, 0)),
    "wav of 23 days": (AUDIO, lambda: wav(1, 1, 2_000_000, 2_000_000)),
    "flac of 2,000 years": (AUDIO, lambda: flac(1, 2**36 - 1)),
    "mp3 of 600 days": (AUDIO, lambda: mp3(2**31 - 1)),
    "mp4 box of 9 exabytes": (
        AUDIO,
        lambda: box(b"ftyp", b"M4A \0\0\0\0M4A ") + box(b"moov", struct.pack(">Q", 2**63), size=1),
    ),
    "mp4 of a million empty boxes": (AUDIO, lambda: box(b"ftyp", b"M4A \0\0\0\0M4A ") + box(b"free", b"") * 1_000_000),
    "webm of a million empty elements": (AUDIO, lambda: matroska(b"\xec\x80" * 1_000_000)),
    "webm element of 72 petabytes": (AUDIO, lambda: matroska(b"\x16\x54\xae\x6b\x01\xff\xff\xff\xff\xff\xff\xfe\xae")),
    "ogg of a million empty pages": (AUDIO, lambda: ogg(1_000_000)),
    "tag of 256 MB before nothing": (AUDIO, lambda: b"ID3\4\0\0\x7f\x7f\x7f\x7f" + bytes(100)),
    "archive of 60,000 entries": (DOCUMENT, lambda: zip_of(60_000)),
    "archive whose list lies outside": (
        DOCUMENT,
        lambda: b"PK\3\4" + bytes(40) + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 9, 9, 2**31, 2**31, 0),
    ),
    "pdf that is cut after 256 MB of zeros": (DOCUMENT, lambda: pdf(zeros(256 << 20))[:-5]),
    "svg of entities within entities": (IMAGE, lambda: entities()),
    "svgz of 256 MB": (IMAGE, lambda: gzip.compress(b"<svg>" + bytes(256 << 20))),
    "apng of 2e9 frames": (IMAGE, lambda: png(50_000, 50_000, chunk(b"acTL", struct.pack(">II", 2**31, 0)))),
    "aiff of 4e9 samples": (AUDIO, lambda: aiff(2**32 - 1)),
    "amr of a million frames, cut": (AUDIO, lambda: b"#!AMR\n" + b"\x3c" * 1_000_001),
}
HARMLESS: dict[str, tuple[MediaKind, Callable[[], bytes]]] = {
    "png with 200 MB of text": (
        IMAGE,
        lambda: png(9, 9, chunk(b"zTXt", b"Comment\0\0" + zeros(200 << 20)), data=zlib.compress(bytes(28 * 9))),
    ),
    "pdf with 256 MB of zeros": (DOCUMENT, lambda: pdf(zeros(256 << 20))),
    "pdf of 300,000 broken streams": (DOCUMENT, lambda: b"%PDF-" + b"/ObjStm>>stream\n" * 300_000 + b"%%EOF"),
    "pdf of 300,000 page trees": (DOCUMENT, lambda: b"%PDF-" + b"<</Type/Pages" * 300_000 + b"%%EOF"),
}


def opened(kind: MediaKind, data: bytes) -> str:
    try:
        from_bytes(data, kind, guard=InputGuard())
    except CloudAIError as error:
        return f"{error.code}: {error}"
    return "accepted"


def report() -> Iterator[tuple[str, str, int, float]]:
    """Name, outcome, how many bytes of memory were needed beyond those in use when the file was there, and seconds of
    the processor."""
    for name, (kind, make) in (BOMBS | HARMLESS).items():
        data = make()
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # proc(5): the peak starts anew
        before, start = memory("VmRSS"), time.process_time()
        outcome = opened(kind, data)
        yield name, outcome, memory("VmHWM") - before, time.process_time() - start


def memory(field: str) -> int:
    """In bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(field + ":"))


if __name__ == "__main__":
    json.dump(list(report()), sys.stdout)
