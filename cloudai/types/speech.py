"""Requests and results of `speech.*`. Times are seconds from the start of the audio; languages are BCP 47."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from cloudai.types.media import Media
from cloudai.types.results import Model, Result


class TranscribeRequest(Model):
    """`language=None` asks the provider to find it out (where it can); `languages` are the candidates."""

    audio: Media
    language: str | None = None
    languages: tuple[str, ...] = ()
    diarization: bool = False
    min_speakers: int | None = Field(default=None, ge=1)
    max_speakers: int | None = Field(default=None, ge=1)
    word_timestamps: bool = False
    channels: bool = False
    """Transcribe each channel apart."""
    alternatives: int = Field(default=1, ge=1)
    phrases: tuple[str, ...] = ()
    """Words and names to expect: a hint."""
    grammar: str | None = None
    """A JSGF grammar that is the *whole* language; only limited-vocabulary engines take it."""
    profanity: ProfanityMode | None = None
    punctuation: bool = True


class ProfanityMode(StrEnum):
    """What becomes of profane words."""

    KEEP = "keep"
    MASK = "mask"
    REMOVE = "remove"
    TAG = "tag"


class TranscriptWord(Model):
    text: str
    start: float | None = None
    end: float | None = None
    confidence: float | None = Field(default=None, ge=0, le=1)
    speaker: str | None = None
    channel: int | None = None


class TranscriptAlternative(Model):
    text: str
    confidence: float | None = Field(default=None, ge=0, le=1)


class TranscriptSegment(Model):
    """A stretch of speech by one speaker on one channel (counted from 0)."""

    text: str
    start: float | None = None
    end: float | None = None
    confidence: float | None = Field(default=None, ge=0, le=1)
    speaker: str | None = None
    """Neutral: `speaker 1`, `speaker 2` in the order they first speak."""
    channel: int | None = None
    language: str | None = None
    words: tuple[TranscriptWord, ...] = ()
    alternatives: tuple[TranscriptAlternative, ...] = ()
    """Other readings, best first; the segment's own text is not repeated."""


class TranscribeResult(Result):
    OPERATION: ClassVar[str] = "speech.transcribe"
    text: str = ""
    language: str | None = None
    language_confidence: float | None = Field(default=None, ge=0, le=1)
    duration: float | None = None
    """Length of the audio, seconds."""
    segments: tuple[TranscriptSegment, ...] = ()

    @property
    def speakers(self) -> tuple[str, ...]:
        """Speaker labels in the order they first speak."""
        return tuple(dict.fromkeys(s.speaker for s in self.segments if s.speaker))

    def to_srt(self) -> str:
        """SubRip subtitles, a cue a segment. Raises `ValueError` when the provider gave no times."""
        return "\n".join(
            f"{number}\n{_clock(start, ',')} --> {_clock(end, ',')}\n{text}\n"
            for number, (start, end, text) in enumerate(self._cues(), start=1)
        )

    def to_vtt(self) -> str:
        """WebVTT subtitles, a cue a segment. Raises `ValueError` when the provider gave no times."""
        cues = (f"{_clock(start, '.')} --> {_clock(end, '.')}\n{text}\n" for start, end, text in self._cues())
        return "WEBVTT\n\n" + "\n".join(cues)

    def _cues(self) -> list[tuple[float, float, str]]:
        cues = []
        for segment in self.segments:
            if segment.start is None or segment.end is None:
                raise ValueError("this transcript has no times: subtitles can't be made from it")
            said = f"{segment.speaker}: {segment.text}" if segment.speaker else segment.text
            cues.append((segment.start, segment.end, said))
        return cues


def _clock(seconds: float, mark: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{mark}{milliseconds % 1000:03}"


class AudioFormat(StrEnum):
    """Container and encoding of synthesised audio."""

    WAV = "wav"
    """RIFF WAVE, 16-bit PCM."""
    MP3 = "mp3"
    OGG_OPUS = "ogg_opus"
    FLAC = "flac"
    PCM = "pcm"
    """Raw 16-bit little-endian samples, no header."""
    MULAW = "mulaw"
    ALAW = "alaw"


class SynthesizeRequest(Model):
    """`text` is plain, or SSML when `ssml` is true. `rate` and `volume` are factors of the voice's own."""

    text: str
    ssml: bool = False
    language: str | None = None
    voice: str | None = None
    """The provider's voice id; `None`: its default for the language."""
    format: AudioFormat = AudioFormat.WAV
    sample_rate: int | None = Field(default=None, ge=8000, le=48000)
    rate: float = Field(default=1.0, gt=0, le=4)
    pitch: float = Field(default=0.0, ge=-20, le=20)
    """Semitones."""
    volume: float = Field(default=1.0, ge=0, le=4)
    speech_marks: bool = False


class SpeechMark(Model):
    """`type` is `word`, `sentence`, `viseme` or `bookmark`; `offset` is in code points of the text."""

    type: str
    start: float
    """Seconds."""
    value: str
    offset: int | None = None
    length: int | None = None


class SynthesizeResult(Result):
    OPERATION: ClassVar[str] = "speech.synthesize"
    audio: bytes = Field(default=b"", repr=False)
    format: AudioFormat = AudioFormat.WAV
    sample_rate: int | None = None
    channels: int = 1
    duration: float | None = None
    voice: str | None = None
    language: str | None = None
    marks: tuple[SpeechMark, ...] = ()


class VoicesRequest(Model):
    language: str | None = None
    """Only voices of this language or of its regions."""


class Voice(Model):
    id: str
    name: str
    languages: tuple[str, ...]
    gender: str | None = None
    """`female`, `male`, `neutral` or `None`."""
    engine: str | None = None
    sample_rate: int | None = None
    preview: bool = False


class VoicesResult(Result):
    OPERATION: ClassVar[str] = "speech.voices"
    voices: tuple[Voice, ...] = ()


class JobState(StrEnum):
    """Where a long job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether it has ended, well or not."""
        return self not in (JobState.QUEUED, JobState.RUNNING)


class JobRef(Model):
    """What is needed to find a job again after the process that made it has gone: save its JSON."""

    operation: str
    backend: str
    id: str
    submitted: str | None = None
    """ISO 8601, UTC."""
    details: tuple[tuple[str, str], ...] = ()
    """What the driver needs besides: staging objects, locations."""


class JobStatus(Model):
    state: JobState
    progress: float | None = Field(default=None, ge=0, le=1)
    message: str | None = None
