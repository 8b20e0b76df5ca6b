"""`speech.transcribe` of English commands, by pocketsphinx under a grammar or a list of phrases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cloudai.driver import Call
from cloudai.errors import Unsupported
from cloudai.types.results import Notice
from cloudai.types.speech import TranscribeRequest, TranscribeResult, TranscriptSegment, TranscriptWord
from cloudai_local import audio, sphinx
from cloudai_local.asr_windows import RATE
from cloudai_local.engine import Missing
from cloudai_local.settings import LocalSettings
from cloudai_local.spoken import bcp47, covers
from cloudai_local.transcribing import GET_A_MODEL, packages, samples_of, unhonoured, usage


class PocketSphinxEngine:
    """`speech.transcribe` of English commands: a JSGF grammar, or a list of phrases, is all that it hears."""

    name = "pocketsphinx"

    def __init__(self, settings: LocalSettings) -> None:
        self._settings = settings

    def missing(self) -> Missing | None:
        """Packages; looks only."""
        return packages("pocketsphinx", "soundfile", "soxr")

    def transcribe(self, request: TranscribeRequest, call: Call) -> TranscribeResult:
        """Raises `Unsupported` for free speech and for other languages than English, `InvalidInput` for a grammar
        that is wrong or has words that are not in its dictionary."""
        if request.grammar is None and not request.phrases:
            said = f"give one, or install a model: {GET_A_MODEL}"
            raise Unsupported(f"pocketsphinx hears only what grammar= or phrases= list, not free speech; {said}")
        if request.language is not None and not covers("en", bcp47(request.language)):
            raise Unsupported(f"pocketsphinx hears English only, not {request.language!r}: {GET_A_MODEL}")
        grammar = request.grammar if request.grammar is not None else sphinx.grammar_of(request.phrases)
        tracks = samples_of(request)
        stretches = [
            (words, number if request.channels else None)
            for number, samples in enumerate(tracks)
            for words in sphinx.hear(audio.from_floats(samples, RATE).samples, grammar)
        ]
        found = [_spoken_segment(words, channel) for words, channel in stretches if words]
        segments = sorted(found, key=lambda segment: (segment.start or 0.0, segment.channel or 0))
        return TranscribeResult(
            text=" ".join(segment.text for segment in segments),
            language="en-US",
            duration=tracks.shape[1] / RATE,
            segments=tuple(segments),
            usage=usage(tracks),
            warnings=(*unhonoured(request), *_vocabulary_notices(request, len(stretches) - len(found))),
            model="pocketsphinx en-us",
        )

    def close(self) -> None:
        """Nothing is kept between calls."""


def _spoken_segment(words: Sequence[sphinx.SpokenWord], channel: int | None) -> TranscriptSegment:
    return TranscriptSegment(
        text=" ".join(word.text for word in words),
        start=words[0].start,
        end=words[-1].end,
        confidence=sum(word.confidence for word in words) / len(words),
        channel=channel,
        language="en-US",
        words=tuple(
            TranscriptWord(text=word.text, start=word.start, end=word.end, confidence=word.confidence, channel=channel)
            for word in words
        ),
    )


def _vocabulary_notices(request: TranscribeRequest, lost: int) -> Iterator[Notice]:
    if request.grammar is None:
        said = "phrases: pocketsphinx can hear nothing but these phrases; whatever else was said is lost or misheard"
        yield Notice(code="partial", message=said)
    elif request.phrases:
        yield Notice(code="option_ignored", message="phrases: the grammar is the whole language")
    if lost:
        said = f"{lost} stretch{'es' if lost > 1 else ''} of speech: no sentence of the grammar, left out"
        said += "; it hears American English, other accents badly"
        yield Notice(code="partial", message=said)
