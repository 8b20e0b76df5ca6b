"""Batch transcription: long recordings in Blob storage, as a job that outlives the process.

Wire: https://github.com/Azure/azure-rest-api-specs/blob/main/specification/cognitiveservices/data-plane/Speech/
SpeechToText/stable/2025-10-15/speechtotext.json; the transcript file:
https://learn.microsoft.com/azure/ai-services/speech-service/batch-transcription-get. Its times are ticks of 100 ns
beside ISO 8601 durations. Azure reads the recording from its address: nothing is staged, so nothing is left behind;
cancelling deletes the job.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from cloudai.errors import InvalidInput
from cloudai.types import speech as s
from cloudai.wirejson import JsonNode, Malformed, dump
from cloudai_azure.codec_speech import API_VERSION, PROFANITY, locales, speaker_names, usage_of
from cloudai_azure.errors import failure
from cloudai_azure.settings import TranscribeOptions
from cloudai_azure.values import TICKS, from_speech, iso_duration, ticks
from cloudai_azure.wire import Flow, Wire, needed, needed_items, needed_text

_ID = re.compile(r"/transcriptions/([A-Za-z0-9-]+)(?:\?|$)")
_STATES = {
    "NotStarted": s.JobState.QUEUED,
    "Running": s.JobState.RUNNING,
    "Succeeded": s.JobState.SUCCEEDED,
    "Failed": s.JobState.FAILED,
}
_MOST_CANDIDATES = 10


def submit(request: s.TranscribeRequest, options: TranscribeOptions, *, backend: str) -> Flow[s.JobRef]:
    """One recording. What the price depends on is kept in the handle."""
    answer = yield submit_wire(request, options)
    found = _ID.search(needed_text(answer.json, "self"))
    if found is None:
        raise Malformed("$.self names no transcription")
    asked = {
        "diarization": request.diarization,
        "word_timestamps": request.word_timestamps,
        "channels": request.channels,
        "language": request.language or "",
        "custom": options.model is not None,
        "profanity": request.profanity or "",
    }
    details = tuple((name, str(value)) for name, value in asked.items() if value)
    submitted = answer.json.text("createdDateTime") or None
    return s.JobRef(operation="speech.transcribe", backend=backend, id=found[1], submitted=submitted, details=details)


def submit_wire(request: s.TranscribeRequest, options: TranscribeOptions) -> Wire:
    """`transcriptions:submit`. Raises `InvalidInput` for bytes: Azure reads batches from an address."""
    if request.audio.uri is None:
        raise InvalidInput("Azure's transcription jobs read the recording from Blob storage: pass its address")
    named = locales(request)
    properties: dict[str, object] = {
        "timeToLiveHours": options.time_to_live_hours,
        "wordLevelTimestampsEnabled": request.word_timestamps,
        "punctuationMode": "DictatedAndAutomatic" if request.punctuation else "None",
        "profanityFilterMode": PROFANITY[request.profanity or s.ProfanityMode.MASK],
    }
    if request.diarization:
        most = request.max_speakers or request.min_speakers
        properties["diarization"] = {"enabled": True, **({"maxSpeakers": max(2, most)} if most else {})}
    if request.channels:
        properties["channels"] = [0, 1]
    if len(named) > 1:
        properties["languageIdentification"] = {"candidateLocales": named[:_MOST_CANDIDATES]}
    body: dict[str, object] = {
        "contentUrls": [request.audio.uri],
        "displayName": "cloudai",
        "locale": named[0] if named else "en-US",
        "properties": properties,
    }
    if options.model is not None:
        body["model"] = {"self": options.model}
    return Wire(
        service="speech",
        path="/speechtotext/transcriptions:submit",
        query={"api-version": API_VERSION},
        body=dump(body),
        content_type="application/json",
    )


def status(job: s.JobRef) -> Flow[s.JobStatus]:
    """Azure tells no progress."""
    answer = yield _wire(job)
    word = needed_text(answer.json, "status")
    if word not in _STATES:
        answer.json.fail("an unknown status")
    error = answer.json.at("properties").at("error")
    message = str(failure(error, request_id=answer.request_id)) if error else None
    return s.JobStatus(state=_STATES[word], message=message)


def cancel(job: s.JobRef) -> Flow[None]:
    """Deletes the job with its transcripts."""
    yield _wire(job, method="DELETE")


def result(job: s.JobRef, *, raw: bool) -> Flow[s.TranscribeResult]:
    """The transcript, from the address that Azure signed for it: it is asked without our credentials."""
    files = yield _wire(job, more="/files")
    for file in needed_items(files.json, "values"):
        if file.text("kind") == "Transcription":
            url = needed_text(needed(file, "links"), "contentUrl")
            answer = yield Wire(service="speech", method="GET", path="", url=url)
            found = transcript_of(answer.json, dict(job.details))
            return found.model_copy(update={"request_id": files.request_id, "raw": answer.raw(raw)})
    raise Malformed("$.values holds no transcript")


def _wire(job: s.JobRef, *, method: str = "GET", more: str = "") -> Wire:
    if not re.fullmatch(r"[A-Za-z0-9-]+", job.id):
        raise InvalidInput("this is no handle of an Azure transcription")
    path = f"/speechtotext/transcriptions/{job.id}{more}"
    return Wire(service="speech", method=method, path=path, query={"api-version": API_VERSION})


def transcript_of(root: JsonNode, asked: dict[str, str]) -> s.TranscribeResult:
    """A segment a phrase, in the order of time: channels come one after the other in the file."""
    phrases = [each for each in needed_items(root, "recognizedPhrases") if each.items("nBest")]
    phrases.sort(key=lambda phrase: (phrase.number("offsetInTicks"), phrase.integer("channel")))
    speakers = speaker_names(phrase.at("speaker").optional_number() for phrase in phrases)
    language = asked.get("language") or None
    segments = tuple(_segment(phrase, speakers, multichannel="channels" in asked) for phrase in phrases)
    length = ticks(root, "durationInTicks")
    duration = iso_duration(needed_text(root, "duration")) if length is None else length
    like = s.TranscribeRequest.model_construct(
        language=language,
        diarization="diarization" in asked,
        channels="channels" in asked,
        word_timestamps="word_timestamps" in asked,
        profanity=s.ProfanityMode(asked["profanity"]) if "profanity" in asked else None,
    )
    exact = Decimal(round(duration * TICKS)) / TICKS
    return s.TranscribeResult(
        text="\n".join(each.text("display") for each in needed_items(root, "combinedRecognizedPhrases")),
        language=next((segment.language for segment in segments if segment.language), None) or language,
        duration=duration,
        segments=segments,
        usage=usage_of(like, exact, "batch", custom="custom" in asked),
    )


def _segment(phrase: JsonNode, speakers: dict[float, str], *, multichannel: bool) -> s.TranscriptSegment:
    readings = phrase.items("nBest")
    best = max(readings, key=lambda reading: reading.number("confidence"))
    others = [each for each in readings if each is not best]
    start, length = _times(phrase)
    speaker = speakers.get(phrase.number("speaker")) if phrase.at("speaker") else None
    channel = phrase.integer("channel") if multichannel else None
    locale = phrase.text("locale")
    return s.TranscriptSegment(
        text=needed_text(best, "display"),
        start=start,
        end=start + length,
        confidence=best.ratio("confidence"),
        speaker=speaker,
        channel=channel,
        language=from_speech(locale) if locale else None,
        words=tuple(_words(best, speaker, channel)),
        alternatives=tuple(
            s.TranscriptAlternative(text=needed_text(each, "display"), confidence=each.ratio("confidence"))
            for each in others
        ),
    )


def _words(reading: JsonNode, speaker: str | None, channel: int | None) -> Sequence[s.TranscriptWord]:
    words = list[s.TranscriptWord]()
    for node in reading.items("words"):
        start, length = _times(node)
        words.append(
            s.TranscriptWord(
                text=needed_text(node, "word"),
                start=start,
                end=start + length,
                confidence=node.ratio("confidence"),
                speaker=speaker,
                channel=channel,
            )
        )
    return words


def _times(node: JsonNode) -> tuple[float, float]:
    """Start and length in seconds: of the ticks, else of the durations."""
    start, length = ticks(node, "offsetInTicks"), ticks(node, "durationInTicks")
    return (
        iso_duration(needed_text(node, "offset")) if start is None else start,
        iso_duration(needed_text(node, "duration")) if length is None else length,
    )
