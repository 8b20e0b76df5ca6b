"""Fast transcription: a file in, a transcript out, in one request.

Wire: https://github.com/Azure/azure-rest-api-specs/blob/main/specification/cognitiveservices/data-plane/Speech/
SpeechToText/stable/2025-10-15/speechtotext.json. Times are milliseconds; a phrase has one confidence, a word none.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from cloudai.types import speech as s
from cloudai.types.media import Media
from cloudai.types.results import Notice, Usage
from cloudai.wirejson import JsonNode, dump
from cloudai_azure.multipart import Part, form
from cloudai_azure.settings import TranscribeOptions
from cloudai_azure.staging import ENDINGS
from cloudai_azure.values import from_speech, ignored, milliseconds, to_speech
from cloudai_azure.wire import Answer, Flow, Wire, needed_items, needed_text, needed_whole

API_VERSION = "2025-10-15"
PROFANITY = {
    s.ProfanityMode.KEEP: "None",
    s.ProfanityMode.MASK: "Masked",
    s.ProfanityMode.REMOVE: "Removed",
    s.ProfanityMode.TAG: "Tags",
}
_MOST_SPEAKERS = 35


def transcribe(request: s.TranscribeRequest, options: TranscribeOptions, *, raw: bool) -> Flow[s.TranscribeResult]:
    answer = yield transcribe_wire(request, options)
    result = transcript_of(answer, request, custom=options.model is not None)
    update = {"request_id": answer.request_id, "raw": answer.raw(raw), "warnings": notices(request)}
    return result.model_copy(update=update)


def transcribe_wire(request: s.TranscribeRequest, options: TranscribeOptions) -> Wire:
    """`transcriptions:transcribe`, a form of the file and a definition; a stored object by its address."""
    definition = _definition(request, options)
    parts = list[Part]()
    if request.audio.data is None:
        definition["audioUrl"] = request.audio.uri
    else:
        parts.append(_file(request.audio))
    parts.append(Part(name="definition", content=dump(definition), content_type="application/json"))
    body, content_type = form(parts)
    return Wire(
        service="speech",
        path="/speechtotext/transcriptions:transcribe",
        query={"api-version": API_VERSION},
        body=body,
        content_type=content_type,
    )


def _file(audio: Media) -> Part:
    kind = audio.content_type or "application/octet-stream"
    return Part(name="audio", content=audio.content, content_type=kind, filename=f"audio.{ENDINGS.get(kind, 'bin')}")


def _definition(request: s.TranscribeRequest, options: TranscribeOptions) -> dict[str, object]:
    found: dict[str, object] = {}
    named = locales(request)
    if named:
        found["locales"] = named
    if options.model is not None:
        found["models"] = dict.fromkeys(named or ["en-US"], options.model)
    if request.profanity is not None:
        found["profanityFilterMode"] = PROFANITY[request.profanity]
    if request.diarization:
        most = min(request.max_speakers or request.min_speakers or 0, _MOST_SPEAKERS)
        found["diarization"] = {"enabled": True, **({"maxSpeakers": max(2, most)} if most else {})}
    if request.channels:
        found["channels"] = [0, 1]
    if request.phrases:
        found["phraseList"] = {"phrases": list(request.phrases)}
    return found


def locales(request: s.TranscribeRequest) -> list[str]:
    """One: it is that language. Several: one of them. None: the service finds out among all it knows."""
    tags = (request.language,) if request.language is not None else request.languages
    return list(dict.fromkeys(to_speech(tag) for tag in tags))


def transcript_of(answer: Answer, request: s.TranscribeRequest, *, custom: bool) -> s.TranscribeResult:
    """A segment a phrase."""
    root = answer.json
    phrases = needed_items(root, "phrases")
    speakers = speaker_names(phrase.at("speaker").optional_number() for phrase in phrases)
    segments = tuple(_segment(phrase, speakers) for phrase in phrases)
    duration = milliseconds(root, "durationMilliseconds")
    language = next((segment.language for segment in segments if segment.language), None)
    return s.TranscribeResult(
        text="\n".join(needed_text(each, "text") for each in needed_items(root, "combinedPhrases")),
        language=language or request.language,
        duration=duration,
        segments=segments,
        usage=usage_of(request, Decimal(needed_whole(root, "durationMilliseconds")) / 1000, "fast", custom=custom),
        model="custom" if custom else None,
    )


def speaker_names(numbers: Iterable[float | None]) -> dict[float, str]:
    """`speaker 1`, `speaker 2`, ... in the order they first speak."""
    order = dict.fromkeys(number for number in numbers if number is not None)
    return {number: f"speaker {place}" for place, number in enumerate(order, start=1)}


def _segment(phrase: JsonNode, speakers: dict[float, str]) -> s.TranscriptSegment:
    start, channel = milliseconds(phrase, "offsetMilliseconds"), phrase.at("channel").optional_number()
    speaker = speakers.get(phrase.number("speaker")) if phrase.at("speaker") else None
    locale = phrase.text("locale")
    place = None if channel is None else int(channel)
    return s.TranscriptSegment(
        text=needed_text(phrase, "text"),
        start=start,
        end=(needed_whole(phrase, "offsetMilliseconds") + needed_whole(phrase, "durationMilliseconds")) / 1000,
        confidence=phrase.ratio("confidence"),
        speaker=speaker,
        channel=place,
        language=from_speech(locale) if locale else None,
        words=tuple(_word(each, speaker, place) for each in phrase.items("words")),
    )


def _word(node: JsonNode, speaker: str | None, channel: int | None) -> s.TranscriptWord:
    return s.TranscriptWord(
        text=needed_text(node, "text"),
        start=milliseconds(node, "offsetMilliseconds"),
        end=(needed_whole(node, "offsetMilliseconds") + needed_whole(node, "durationMilliseconds")) / 1000,
        speaker=speaker,
        channel=channel,
    )


def usage_of(request: s.TranscribeRequest, seconds: Decimal, variant: str, *, custom: bool) -> tuple[Usage, ...]:
    """Seconds of audio, of what the price book calls `fast` or `batch`."""
    asked = {
        "custom_language_model": custom,
        "custom_vocabulary": bool(request.phrases),
        "diarization": request.diarization,
        "language_id": request.language is None,
        "multi_channel": request.channels,
        "profanity_filter": request.profanity is not None,
        "word_timestamps": request.word_timestamps,
    }
    if custom:
        variant = {"fast": "custom-fast", "batch": "custom"}[variant]
    features = tuple(name for name, wanted in asked.items() if wanted)
    return (Usage(meter="speech.transcribe", unit="second", quantity=seconds, variant=variant, features=features),)


def notices(request: s.TranscribeRequest) -> tuple[Notice, ...]:
    found = list[Notice]()
    if request.alternatives > 1:
        found.append(ignored("alternatives", "fast transcription gives one reading"))
    if not request.punctuation:
        found.append(ignored("punctuation=False", "fast transcription always punctuates"))
    if request.grammar is not None:
        found.append(ignored("grammar", "the service takes none; use phrases as hints"))
    return tuple(found)
