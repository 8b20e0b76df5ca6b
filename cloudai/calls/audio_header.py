"""A recording's length, sample rate, channels and encoding, and whether the file is whole: without decoding a sample.

WAV is read by our own chunk reader, because neither `wave` (no float, no mu-law, no extensible header on Python 3.11)
nor tinytag (no check that the samples are all there) says enough. WebM is not read by tinytag at all. FLAC, MP3, Ogg,
MP4, AIFF and WMA are tinytag's. Content that breaks its format raises `Damaged`, `struct.error` or `IndexError`.
"""

from __future__ import annotations

import re
import struct
from typing import Final

from cloudai.calls.matroska_header import read_matroska
from cloudai.calls.sniff import Damaged, boxes, inside, riff_chunks
from cloudai.types.media import AudioInfo

_STREAMED: Final = frozenset({0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000})
"""What programs that write to a pipe put where the length should be (ffmpeg, sox, espeak-ng): to the file's end."""
_WAV_ENCODINGS: Final = {
    (1, 8): "pcm_u8",
    (1, 16): "pcm_s16le",
    (1, 24): "pcm_s24le",
    (1, 32): "pcm_s32le",
    (3, 32): "pcm_f32le",
    (3, 64): "pcm_f64le",
    (2, 4): "adpcm_ms",
    (6, 8): "alaw",
    (7, 8): "mulaw",
    (17, 4): "adpcm_ima_wav",
}
_SAMPLES: Final = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd")
_AAC_CONFIG = re.compile(rb"esds.{21,40}?\x05(?:\x80\x80\x80)?[\x02-\x40](..)", re.DOTALL)
"""The decoder's configuration (tag 5) in a stream description: ISO 14496-1, 7.2.6.6."""
_OGG_CODECS: Final = {b"OpusHead": "opus", b"\x01vorbis": "vorbis", b"\x7fFLAC": "flac", b"Speex  ": "speex"}
_AAC_RATES: Final = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)
_AMR_FRAMES: Final = {
    "audio/amr": (13, 14, 16, 18, 20, 21, 27, 32, 6),
    "audio/amr-wb": (18, 24, 33, 37, 41, 47, 51, 59, 61, 6),
}
"""Bytes of a 20 ms frame by its mode: RFC 4867, 5.3."""


def read_audio(data: bytes, content_type: str) -> AudioInfo:
    """The header. `duration` is `None` when the file does not say (a WebM or FLAC written to a pipe)."""
    if content_type == "audio/wav":
        return _wav(data)
    if content_type.endswith(("webm", "x-matroska")):
        return read_matroska(data)
    if content_type == "audio/aac":
        return _aac(data)
    if content_type in _AMR_FRAMES:
        return _amr(data, content_type)
    return _tagged(data, content_type)


def _wav(data: bytes) -> AudioInfo:
    form: tuple[int, ...] | None = None
    long_size = 0
    for name, at, size in riff_chunks(data):
        if name == b"ds64":
            long_size = struct.unpack_from("<Q", data, at + 8)[0]
        elif name == b"fmt ":
            form = struct.unpack_from("<HHIIHH", data, at)
            if form[0] == 0xFFFE:  # extensible: the encoding is the first word of the sub-format
                form = (struct.unpack_from("<H", data, at + 24)[0], *form[1:])
        elif name == b"data":
            if form is None:
                raise Damaged("its samples come before their format")
            return _wav_info(form, _wav_length(len(data) - at, size, long_size))
    raise Damaged("it holds no samples")


def _wav_length(there: int, declared: int, long_size: int) -> int:
    if declared in _STREAMED:
        declared = long_size or there
    if declared > there:
        raise Damaged(f"its header promises {declared:,} bytes of sound, {there:,} are there")
    return declared


def _wav_info(form: tuple[int, ...], length: int) -> AudioInfo:
    tag, channels, rate, bytes_per_second, block, bits = form
    if not (channels and rate and block and bytes_per_second):
        raise Damaged(f"{channels} channels at {rate} Hz")
    per_second = rate * block if tag in (1, 3, 6, 7) else bytes_per_second
    return AudioInfo(
        duration=length / per_second,
        sample_rate=rate,
        channels=channels,
        bits=bits or None,
        encoding=_WAV_ENCODINGS.get((tag, bits)),
    )


def _aac(data: bytes) -> AudioInfo:
    """ADTS: every frame says its length and holds 1024 samples a block."""
    rate = _AAC_RATES[data[2] >> 2 & 15]
    channels = (data[2] & 1) << 2 | data[3] >> 6
    offset, blocks = 0, 0
    while offset + 7 <= len(data) and data[offset] == 0xFF and data[offset + 1] & 0xF6 == 0xF0:
        length = (data[offset + 3] & 3) << 11 | data[offset + 4] << 3 | data[offset + 5] >> 5
        if length < 7 or offset + length > len(data):
            raise Damaged("it ends within a frame")
        blocks, offset = blocks + 1 + (data[offset + 6] & 3), offset + length
    return AudioInfo(duration=blocks * 1024 / rate, sample_rate=rate, channels=channels or None, encoding="aac")


def _amr(data: bytes, content_type: str) -> AudioInfo:
    sizes = _AMR_FRAMES[content_type]
    offset, frames = data.index(b"\n") + 1, 0
    while offset < len(data):
        mode = data[offset] >> 3 & 15
        offset, frames = offset + (sizes[mode] if mode < len(sizes) else 1), frames + 1
    if offset > len(data):
        raise Damaged("it ends within a frame")
    wide = content_type == "audio/amr-wb"
    return AudioInfo(
        duration=frames / 50, sample_rate=16000 if wide else 8000, channels=1, encoding="amr_wb" if wide else "amr_nb"
    )


def _tagged(data: bytes, content_type: str) -> AudioInfo:
    import io

    from tinytag import ParseError, TinyTag, UnsupportedFormatError

    if content_type.endswith(("mp4", "quicktime")):
        _check_movie(data)
    try:
        tag = TinyTag.get(file_obj=io.BytesIO(data), tags=False)
    except (ParseError, UnsupportedFormatError) as error:
        raise Damaged("its header cannot be read") from error
    if not tag.samplerate or not tag.channels:
        raise Damaged("no sound track was found")
    return AudioInfo(
        duration=_said(tag.duration, data, content_type),
        sample_rate=int(tag.samplerate),
        channels=_aac_channels(data, content_type) or int(tag.channels),
        bits=tag.bitdepth,
        encoding=_encoding(data, content_type),
    )


def _said(duration: float | None, data: bytes, content_type: str) -> float | None:
    """A zero may mean silence about the length: FLAC and fragmented MP4 written to a pipe have one."""
    if duration:
        return float(duration)
    if content_type == "audio/flac" and _flac_frames(data) < len(data):
        return None
    if content_type.endswith(("mp4", "quicktime")) and any(kind == b"moof" for kind, _, _ in boxes(data)):
        return None
    return 0.0


def _flac_frames(data: bytes) -> int:
    """Where the frames of a FLAC file start: behind the last block of metadata."""
    offset, last = max(0, data.find(b"fLaC")) + 4, False
    while not last:
        last = bool(data[offset] & 0x80)
        offset += 4 + int.from_bytes(data[offset + 1 : offset + 4], "big")
    return offset


def _aac_channels(data: bytes, content_type: str) -> int | None:
    """From the decoder's own description (ISO 14496-3, 1.6.2.1): the count beside it is 2 in most mono files."""
    if not content_type.endswith(("mp4", "quicktime")):
        return None
    for at, stop in inside(data, _SAMPLES):
        if data[at + 12 : at + 16] == b"mp4a" and (found := _AAC_CONFIG.search(data, at, stop)):
            return (found[1][1] >> 3 & 15) or None
    return None


def _check_movie(data: bytes) -> None:
    """A box that runs past the end is a cut file; so is one without its index (`moov`)."""
    if not any(kind == b"moov" for kind, _, _ in boxes(data)):
        raise Damaged("it has no index (moov)")


def _encoding(data: bytes, content_type: str) -> str | None:
    fixed = {"audio/mpeg": "mp3", "audio/flac": "flac", "audio/x-ms-wma": "wma"}.get(content_type)
    if content_type.endswith("ogg"):
        return next((codec for mark, codec in _OGG_CODECS.items() if mark in data[:256]), None)
    if content_type.endswith(("mp4", "quicktime")):
        names = [data[at + 12 : at + 16] for at, _ in inside(data, _SAMPLES)]
        return next((codec for name, codec in ((b"mp4a", "aac"), (b"alac", "alac")) if name in names), None)
    return fixed
