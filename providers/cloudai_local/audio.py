"""Samples in and out of files: libsndfile (by soundfile) for the formats, soxr for the sample rate.

Both are imported when a call needs them: plain 16-bit WAV and raw samples are written without either.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING

from cloudai.errors import InvalidInput, MissingDependency, TooLarge
from cloudai.types.speech import AudioFormat

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from cloudai.types.media import Media

INSTALL = "pip install 'cloudai[local-speech]'"
MAX_SECONDS = 4 * 3600
"""Of audio that is decoded into memory: 4 hours of one channel at 16 kHz are 920 MB."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sound:
    """Mono, 16-bit little-endian samples."""

    samples: bytes
    rate: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.samples) / 2 / self.rate


@dataclass(frozen=True, kw_only=True, slots=True)
class _Encoding:
    """How libsndfile names a format; `rates` are those it takes, empty: all."""

    container: str
    subtype: str
    rates: tuple[int, ...] = ()
    default_rate: int | None = None


_ENCODINGS = {
    AudioFormat.FLAC: _Encoding(container="FLAC", subtype="PCM_16"),
    AudioFormat.MULAW: _Encoding(container="RAW", subtype="ULAW", default_rate=8000),
    AudioFormat.ALAW: _Encoding(container="RAW", subtype="ALAW", default_rate=8000),
    AudioFormat.OGG_OPUS: _Encoding(
        container="OGG", subtype="OPUS", rates=(8000, 12000, 16000, 24000, 48000), default_rate=24000
    ),
    AudioFormat.MP3: _Encoding(
        container="MP3",
        subtype="MPEG_LAYER_III",
        rates=(8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000),
    ),
}


def encoded(sound: Sound, kind: AudioFormat, rate: int | None) -> tuple[bytes, int]:
    """The file, and its sample rate: the one asked for, else the format's usual, else the sound's own.

    µ-law and A-law have no header and are telephony's 8000 Hz by default. Raises `InvalidInput` for a rate that
    the format does not know, `MissingDependency` where soundfile or soxr is needed and absent.
    """
    how = _ENCODINGS.get(kind)
    wanted = rate or (how.default_rate if how else None) or sound.rate
    if how and how.rates and wanted not in how.rates:
        raise InvalidInput(f"{kind} has no sample rate of {wanted} Hz; it has {', '.join(map(str, how.rates))}")
    sound = resampled(sound, wanted)
    if how is not None:
        return _written(sound, how), wanted
    return (sound.samples if kind is AudioFormat.PCM else _wav(sound)), wanted


def resampled(sound: Sound, rate: int) -> Sound:
    """At another sample rate."""
    if rate == sound.rate:
        return sound
    _require("soxr")
    import numpy as np
    import soxr

    samples = soxr.resample(np.frombuffer(sound.samples, dtype="<i2"), sound.rate, rate)
    return Sound(samples=samples.astype("<i2").tobytes(), rate=rate)


def decoded(media: Media, rate: int) -> npt.NDArray[np.float32]:
    """All channels at `rate`: channels x samples, -1..1.

    WAV (8 to 32 bits, µ-law, A-law), FLAC, OGG (Vorbis, Opus), MP3, AIFF. Raises `InvalidInput` for another format,
    a damaged file or one without samples, `TooLarge` over four hours.
    """
    _require("soundfile", "soxr")
    import numpy as np
    import soundfile
    import soxr

    try:
        with soundfile.SoundFile(io.BytesIO(media.content)) as file:
            _check_length(file.frames / file.samplerate)
            stored, samples = file.samplerate, file.read(dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise InvalidInput(f"libsndfile can't decode this audio ({error.error_string}): convert it to WAV") from error
    if not len(samples):
        raise InvalidInput("the audio has no samples")
    if stored != rate:
        samples = soxr.resample(samples, stored, rate)
    return np.asarray(samples, dtype=np.float32).T


def from_floats(samples: npt.NDArray[np.float32], rate: int) -> Sound:
    """From one channel of -1..1; what is beyond is clipped."""
    import numpy as np

    scaled = np.clip(np.nan_to_num(samples), -1.0, 1.0) * 32767
    return Sound(samples=scaled.round().astype("<i2").tobytes(), rate=rate)


def _check_length(seconds: float) -> None:
    if seconds > MAX_SECONDS:
        raise TooLarge(f"{seconds / 3600:.1f} hours of audio are over the {MAX_SECONDS // 3600} of local recognition")


def _require(*modules: str) -> None:
    absent = [module for module in modules if find_spec(module) is None]
    if absent:
        raise MissingDependency(f"{' and '.join(absent)} not installed", install=INSTALL)


def _written(sound: Sound, how: _Encoding) -> bytes:
    _require("soundfile")
    import numpy as np
    import soundfile

    file = io.BytesIO()
    samples = np.frombuffer(sound.samples, dtype="<i2")
    soundfile.write(file, samples, sound.rate, format=how.container, subtype=how.subtype)
    return file.getvalue()


def _wav(sound: Sound) -> bytes:
    """RIFF WAVE, PCM, one channel of 16 bits (Microsoft, "Multimedia Programming Interface", 1991)."""
    size = len(sound.samples)
    form = struct.pack("<IHHIIHH", 16, 1, 1, sound.rate, 2 * sound.rate, 2, 16)
    return (
        b"RIFF" + struct.pack("<I", 36 + size) + b"WAVEfmt " + form + b"data" + struct.pack("<I", size) + sound.samples
    )
