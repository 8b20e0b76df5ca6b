"""Synthesised audio of several requests made into one recording, without decoding a sample.

Samples (WAV, PCM, mu-law, A-law) are put one after the other under one header. MP3 is a row of frames that stand by
themselves; tags and the frame that tells the length of one part are left out, the rest is not touched, and each join
has the encoder's own few hundredths of a second of silence. Ogg can only be chained, which many players stop at or
time wrongly (RFC 3533, 4), and FLAC tells its length once for the whole stream: these are refused before sending.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from cloudai.calls.sniff import Damaged, riff_chunks
from cloudai.errors import ErrorCode, ServiceError
from cloudai.types.speech import AudioFormat

if TYPE_CHECKING:
    from cloudai.types.speech import SynthesizeResult

JOINED: Final = frozenset({AudioFormat.WAV, AudioFormat.PCM, AudioFormat.MULAW, AudioFormat.ALAW, AudioFormat.MP3})
_SAMPLE_BYTES: Final = {AudioFormat.PCM: 2, AudioFormat.MULAW: 1, AudioFormat.ALAW: 1}

_RATES: Final = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KBITS: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_KBITS_LOW: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
"""Layer III, MPEG 1 and MPEG 2 with 2.5: ISO/IEC 11172-3, 2.4.2.3 and 13818-3, 2.4.2.3."""


def joined_audio(answers: Sequence[SynthesizeResult]) -> tuple[bytes, Sequence[float | None]]:
    """The recording, and how many seconds of it each answer is (`None`: not known).

    Raises `ServiceError` for parts that don't fit together.
    """
    try:
        wanted = answers[0].format
        if wanted is AudioFormat.WAV:
            return _wav([answer.audio for answer in answers])
        if wanted is AudioFormat.MP3:
            return _mp3([answer.audio for answer in answers])
        return b"".join(answer.audio for answer in answers), [_seconds(answer) for answer in answers]
    except (Damaged, struct.error, IndexError) as error:
        raise ServiceError(f"the parts of the audio can't be joined: {error}", code=ErrorCode.INTERNAL) from error


def _seconds(answer: SynthesizeResult) -> float | None:
    if answer.sample_rate is None:
        return None
    return len(answer.audio) / (answer.sample_rate * answer.channels * _SAMPLE_BYTES[answer.format])


def _wav(files: Sequence[bytes]) -> tuple[bytes, Sequence[float | None]]:
    read = [_samples(data) for data in files]
    form = read[0][0]
    if any(each != form for each, _ in read):
        raise Damaged("they have different sample rates or encodings")
    per_second = struct.unpack_from("<I", form, 8)[0]
    samples = b"".join(sound for _, sound in read)
    body = b"WAVE" + _chunk(b"fmt ", form) + _chunk(b"data", samples)
    return b"RIFF" + struct.pack("<I", len(body)) + body, [len(sound) / per_second for _, sound in read]


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _samples(data: bytes) -> tuple[bytes, bytes]:
    """The format and the samples."""
    form: bytes | None = None
    for name, at, size in riff_chunks(data):
        if name == b"fmt ":
            form = data[at : at + size]
        elif name == b"data" and form is not None:
            return form, data[at : at + size]
    raise Damaged("one holds no samples")


def _mp3(files: Sequence[bytes]) -> tuple[bytes, Sequence[float | None]]:
    frames = [list(_frames(data)) for data in files]
    kinds = {(frame[1] & 0xFE, frame[2] & 0x0C, frame[3] >> 6 == 3) for each in frames for frame in each}
    if len(kinds) != 1 or not all(frames):
        raise Damaged("they have different sample rates or channels, or no sound")
    version, rate = _version_and_rate(frames[0][0])
    samples = 1152 if version == 3 else 576
    return b"".join(b"".join(each) for each in frames), [len(each) * samples / rate for each in frames]


def _frames(data: bytes) -> Iterator[bytes]:
    """The whole frames with sound in them."""
    at, end = 0, len(data)
    if data[:3] == b"ID3":
        at = 10 + (data[6] << 21 | data[7] << 14 | data[8] << 7 | data[9]) + 10 * bool(data[5] & 0x10)
    if data[-128:-125] == b"TAG":
        end -= 128
    first = True
    while at + 4 <= end:
        length = _length(data, at)
        frame = data[at : at + length]
        if at + length > end:
            return  # cut off: no player plays it
        if not (first and _tells_length(frame)):
            yield frame
        at, first = at + length, False


def _version_and_rate(frame: bytes) -> tuple[int, int]:
    version = frame[1] >> 3 & 3
    return version, _RATES[version][frame[2] >> 2 & 3]


def _length(data: bytes, at: int) -> int:
    """Bytes of the frame that starts here."""
    one, two = data[at + 1], data[at + 2]
    version, bitrate = one >> 3 & 3, two >> 4
    if data[at] != 0xFF or one & 0xE6 != 0xE2 or version == 1 or bitrate in (0, 15) or two >> 2 & 3 == 3:
        raise Damaged(f"there is no MP3 frame at byte {at:,}")
    kbits = (_KBITS if version == 3 else _KBITS_LOW)[bitrate]
    rate = _RATES[version][two >> 2 & 3]
    return (144 if version == 3 else 72) * kbits * 1000 // rate + (two >> 1 & 1)


def _tells_length(frame: bytes) -> bool:
    """Whether it is the frame of Xing, LAME (`Info`) or Fraunhofer (`VBRI`) that only describes the rest."""
    mono, mpeg1 = frame[3] >> 6 == 3, frame[1] >> 3 & 3 == 3
    at = 4 + ((17 if mono else 32) if mpeg1 else (9 if mono else 17))
    return frame[at : at + 4] in (b"Xing", b"Info") or frame[36:40] == b"VBRI"
