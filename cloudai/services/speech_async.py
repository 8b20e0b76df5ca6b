"""`AsyncClient`'s form of `speech.py`, written from it by `tests/repo/async_twins.py`: edit that file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from cloudai.calls.jobs import AsyncTranscriptionJob, submit_async, transcribe_async
from cloudai.calls.run import AsyncRunner, CallOptions, checked
from cloudai.types import speech as s
from cloudai.types.media import MediaLike


class AsyncSpeech:
    """Audio is WAV, MP3, FLAC, OGG or M4A, told by content. Times are seconds, languages BCP 47.

    Raises `InvalidInput` for what is not audio, `TooLarge` over a limit, `Unsupported` when no backend can serve it,
    and `CloudAIError` with the code of what a backend answered. Keyword arguments of a call: see `CallOptions`.
    """

    def __init__(self, run: AsyncRunner) -> None:
        self._run = run

    async def transcribe(
        self,
        audio: MediaLike,
        *,
        language: str | None = None,
        languages: Sequence[str] = (),
        diarization: bool = False,
        min_speakers: int | None = None,
        max_speakers: int | None = None,
        word_timestamps: bool = False,
        channels: bool = False,
        alternatives: int = 1,
        phrases: Sequence[str] = (),
        grammar: str | None = None,
        profanity: s.ProfanityMode | str | None = None,
        punctuation: bool = True,
        **call: Unpack[CallOptions],
    ) -> s.TranscribeResult:
        """Speech to text: segments, words, speakers, channels. `.text` is all of it, `.to_srt()` subtitles.

        What is too long for one request goes as a job where the backend can stage it; it is waited for until the
        deadline, then cancelled: `transcribe_job` has no such end.
        """
        media = await self._run.media("speech.transcribe", audio, call)
        request = checked(
            lambda: s.TranscribeRequest(
                audio=media,
                language=language,
                languages=tuple(languages),
                diarization=diarization,
                min_speakers=min_speakers,
                max_speakers=max_speakers,
                word_timestamps=word_timestamps,
                channels=channels,
                alternatives=alternatives,
                phrases=tuple(phrases),
                grammar=grammar,
                profanity=None if profanity is None else s.ProfanityMode(profanity),
                punctuation=punctuation,
            )
        )
        return await transcribe_async(self._run, request, call)

    async def transcribe_job(
        self,
        audio: MediaLike,
        *,
        language: str | None = None,
        languages: Sequence[str] = (),
        diarization: bool = False,
        min_speakers: int | None = None,
        max_speakers: int | None = None,
        word_timestamps: bool = False,
        channels: bool = False,
        alternatives: int = 1,
        phrases: Sequence[str] = (),
        profanity: s.ProfanityMode | str | None = None,
        punctuation: bool = True,
        **call: Unpack[CallOptions],
    ) -> AsyncTranscriptionJob:
        """Long audio as a job: `job.wait()`, `job.result()`; save `job.ref` to find it again in another process.

        The deadline covers the submission; waiting has its own timeout.
        """
        media = await self._run.media("speech.transcribe", audio, call)
        request = checked(
            lambda: s.TranscribeRequest(
                audio=media,
                language=language,
                languages=tuple(languages),
                diarization=diarization,
                min_speakers=min_speakers,
                max_speakers=max_speakers,
                word_timestamps=word_timestamps,
                channels=channels,
                alternatives=alternatives,
                phrases=tuple(phrases),
                profanity=None if profanity is None else s.ProfanityMode(profanity),
                punctuation=punctuation,
            )
        )
        return await submit_async(self._run, request, call)

    def job(self, ref: s.JobRef | str) -> AsyncTranscriptionJob:
        """A job made earlier, from its `ref` or the ref's JSON."""
        found = s.JobRef.model_validate_json(ref) if isinstance(ref, str) else ref
        return AsyncTranscriptionJob(run=self._run, ref=found)

    async def synthesize(
        self,
        text: str,
        *,
        voice: str | None = None,
        language: str | None = None,
        format: s.AudioFormat | str = s.AudioFormat.WAV,  # noqa: A002  # the field's word
        sample_rate: int | None = None,
        rate: float = 1.0,
        pitch: float = 0.0,
        volume: float = 1.0,
        ssml: bool = False,
        speech_marks: bool = False,
        **call: Unpack[CallOptions],
    ) -> s.SynthesizeResult:
        """Text (or SSML) to audio: `.audio` holds the bytes in `format`."""
        request = checked(
            lambda: s.SynthesizeRequest(
                text=text,
                voice=voice,
                language=language,
                format=s.AudioFormat(format),
                sample_rate=sample_rate,
                rate=rate,
                pitch=pitch,
                volume=volume,
                ssml=ssml,
                speech_marks=speech_marks,
            )
        )
        return await self._run("speech.synthesize", request, call, s.SynthesizeResult)

    async def voices(self, language: str | None = None, **call: Unpack[CallOptions]) -> s.VoicesResult:
        """The voices that `synthesize` can be asked for."""
        request = checked(lambda: s.VoicesRequest(language=language))
        return await self._run("speech.voices", request, call, s.VoicesResult)
