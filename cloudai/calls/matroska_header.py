"""The length, sample rate, channels and codec of the first sound track in a WebM or Matroska file.

Element ids and forms: RFC 8794 (EBML) and RFC 9559 (Matroska). Only what stands before the first frames is read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from cloudai.calls.sniff import Damaged
from cloudai.types.media import AudioInfo

_SEGMENT, _INFO, _TRACKS, _CLUSTER = 0x18538067, 0x1549A966, 0x1654AE6B, 0x1F43B675
_SCALE, _DURATION = 0x2AD7B1, 0x4489
_TRACK, _KIND, _CODEC, _AUDIO, _RATE, _CHANNELS, _BITS = 0xAE, 0x83, 0x86, 0xE1, 0xB5, 0x9F, 0x6264
_SOUND: Final = 2
_CODECS: Final = {"A_OPUS": "opus", "A_VORBIS": "vorbis", "A_AAC": "aac", "A_FLAC": "flac", "A_MPEG/L3": "mp3"}
_MAX_ELEMENTS: Final = 10_000


def read_matroska(data: bytes) -> AudioInfo:
    """`duration` is `None` when the file does not say: browsers record without it."""
    segment = next((span for ident, *span in _elements(data, 0, len(data)) if ident == _SEGMENT), None)
    if segment is None:
        raise Damaged("it has no segment")
    duration: float | None = None
    sound: AudioInfo | None = None
    for ident, first, stop in _elements(data, *segment):
        if ident == _CLUSTER:
            break
        if ident == _INFO:
            duration = _duration(data, first, stop)
        elif ident == _TRACKS:
            tracks = (_sound(data, *span) for kind, *span in _elements(data, first, stop) if kind == _TRACK)
            sound = next((track for track in tracks if track), None)
    if sound is None:
        raise Damaged("no sound track was found")
    return AudioInfo(
        duration=duration,
        sample_rate=sound.sample_rate,
        channels=sound.channels,
        bits=sound.bits,
        encoding=sound.encoding,
    )


def _duration(data: bytes, first: int, stop: int) -> float | None:
    found = {ident: data[at:end] for ident, at, end in _elements(data, first, stop)}
    ticks = _real(found.get(_DURATION, b""))
    scale = int.from_bytes(found.get(_SCALE, b""), "big") or 1_000_000
    return None if ticks is None else ticks * scale / 1e9


def _sound(data: bytes, first: int, stop: int) -> AudioInfo | None:
    found = {ident: (at, end) for ident, at, end in _elements(data, first, stop)}
    if _KIND not in found or int.from_bytes(data[slice(*found[_KIND])], "big") != _SOUND:
        return None
    audio = {ident: data[at:end] for ident, at, end in _elements(data, *found.get(_AUDIO, (stop, stop)))}
    codec = data[slice(*found.get(_CODEC, (0, 0)))].decode("latin-1").rstrip("\0")
    return AudioInfo(
        duration=None,
        sample_rate=int(_real(audio.get(_RATE, b"")) or 8000),  # the default of RFC 9559, 5.1.4.1.29.1
        channels=int.from_bytes(audio.get(_CHANNELS, b"\1"), "big"),
        bits=int.from_bytes(audio.get(_BITS, b""), "big") or None,
        encoding=_CODECS.get(codec),
    )


def _real(data: bytes) -> float | None:
    form = {4: ">f", 8: ">d"}.get(len(data))
    return struct.unpack(form, data)[0] if form else None


def _elements(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Id, first and last+1 byte of the payload. A size of all ones means: up to the end."""
    for _ in range(_MAX_ELEMENTS):
        if start >= end:
            return
        ident, start, _ = _number(data, start, keep_mark=True)
        size, start, unknown = _number(data, start, keep_mark=False)
        stop = end if unknown else start + size
        yield ident, start, min(stop, end)
        start = stop
    raise Damaged(f"more than {_MAX_ELEMENTS:,} elements")


def _number(data: bytes, at: int, *, keep_mark: bool) -> tuple[int, int, bool]:
    """A number whose leading zero bits say how many bytes it has."""
    width = 9 - data[at].bit_length()
    if width > 8:
        raise Damaged(f"no element at byte {at}")
    value = int.from_bytes(data[at : at + width], "big")
    mask = (1 << 7 * width) - 1
    return value if keep_mark else value & mask, at + width, value & mask == mask
