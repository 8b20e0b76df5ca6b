"""Batch transcription: long recordings in Blob storage, as a job that outlives the process.

Wire: https://github.com/Azure/azure-rest-api-specs/blob/main/specification/cognitiveservices/data-plane/Speech/
SpeechToText/stable/2025-10-15/speechtotext.json; the transcript file:
https://learn.microsoft.com/azure/ai-services/speech-service/batch-transcription-get. Its times are ticks of 100 ns
beside ISO 8601 durations. Azure reads the recording from its address; one that is here is staged for it, and deleted
when the job has failed, was cancelled or has given its transcript. Cancelling deletes the job.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal

from cloudai.errors import ErrorCode, InvalidInput, TooLarge
from cloudai.types import speech as s
from cloudai.types.results import Notice
from cloudai.wirejson import JsonNode, Malformed, dump
from cloudai_azure.codec_speech import API_VERSION, PROFANITY, locales, speaker_names, usage_of
from cloudai_azure.errors import failure, fault_of
from cloudai_azure.settings import TranscribeOptions
from cloudai_azure.staging import ENDINGS, GRACE, Staging
from cloudai_azure.values import TICKS, from_speech, ignored, iso_duration, ticks
from cloudai_azure.waiting import until
from cloudai_azure.wire import Answer, Flow, Wire, needed, needed_items, needed_text

_ID = re.compile(r"/transcriptions/([A-Za-z0-9-]+)(?:\?|$)")
_STATES = {
    "NotStarted": s.JobState.QUEUED,
    "Running": s.JobState.RUNNING,
    "Succeeded": s.JobState.SUCCEEDED,
    "Failed": s.JobState.FAILED,
}
_MOST_CANDIDATES = 10
MOST_DIARIZED = 14_400.0
"""Seconds of a file whose speakers are told apart: https://learn.microsoft.com/azure/ai-services/
speech-service/speech-services-quotas-and-limits (2026-01-30)."""
_UNCERTAIN = (ErrorCode.UNAVAILABLE, ErrorCode.DEADLINE_EXCEEDED, ErrorCode.INTERNAL)


def transcribe(
    request: s.TranscribeRequest, options: TranscribeOptions, staging: Staging, *, key: str, raw: bool
) -> Flow[s.TranscribeResult]:
    """A job that is waited for within the call's seconds. Nothing is left behind, however it ends."""
    job = yield from submit(request, options, staging, backend="", key=key)
    try:
        yield from until(lambda: _look(job), ended=_ended, every=options.poll_interval)
        return (yield from _transcript(job, raw))
    finally:
        yield from _taken_back(job.id)
        yield from staging.remove(_staged(job))


def submit(
    request: s.TranscribeRequest, options: TranscribeOptions, staging: Staging, *, backend: str, key: str
) -> Flow[s.JobRef]:
    """One recording. What the price depends on is kept in the handle, and where the recording was put."""
    _check(request)
    name = f"cloudai-{key}"
    blob, url = None, request.audio.uri or ""
    kind = request.audio.content_type or "application/octet-stream"
    if request.audio.data is not None:
        staging.require("a transcription job of a recording that is here")
        blob = f"{name}.{ENDINGS.get(kind, 'bin')}"
    try:
        if blob is not None:
            url = (yield from staging.put(blob, request.audio.content, kind)).url
        made = yield from _submitted(submit_wire(request, options, url=url, name=name), name)
    except BaseException:
        yield from staging.remove(blob)
        raise
    asked = {
        "diarization": request.diarization,
        "word_timestamps": request.word_timestamps,
        "channels": request.channels,
        "language": request.language or "",
        "custom": options.model is not None,
        "profanity": request.profanity or "",
        "phrases": bool(request.phrases),
        "grammar": request.grammar is not None,
        "staged": blob or "",
    }
    details = tuple((name, str(value)) for name, value in asked.items() if value)
    found = _ID.search(needed_text(made, "self"))
    assert found is not None  # _submitted has looked
    submitted = made.text("createdDateTime") or None
    return s.JobRef(operation="speech.transcribe", backend=backend, id=found[1], submitted=submitted, details=details)


def _check(request: s.TranscribeRequest) -> None:
    """What `job_limits` can't say. Raises `TooLarge`."""
    seconds = request.audio.audio.duration if request.audio.audio is not None else None
    if request.diarization and seconds is not None and seconds > MOST_DIARIZED:
        raise TooLarge(
            f"the recording has {seconds:,.10g} seconds; speakers are told apart in at most {MOST_DIARIZED:,.10g}: "
            "split it, or leave diarization out"
        )


def _submitted(wire: Wire, name: str) -> Flow[JsonNode]:
    """The job's description. Where the answer was lost, the job that may have been made is taken back."""
    try:
        answer = yield wire
        if _ID.search(needed_text(answer.json, "self")) is None:
            raise Malformed("$.self names no transcription")
    except BaseException as error:
        fault = fault_of(error) if isinstance(error, Exception) else None
        if not isinstance(error, Exception) or fault is None or fault.code in _UNCERTAIN:
            yield from _taken_back_by_name(name)
        raise
    return answer.json


def _taken_back_by_name(name: str) -> Flow[None]:
    """Deletes the jobs of a name, which is one call's own. Never raises."""
    query = {"api-version": API_VERSION, "filter": f"displayName eq '{name}'"}
    look = Wire(service="speech", method="GET", path="/speechtotext/transcriptions", query=query, grace=GRACE)
    try:
        answer = yield look
        ids = [found[1] for job in answer.json.items("values") if (found := _ID.search(job.text("self")))]
    except Exception:  # noqa: BLE001  # the caller tells that the outcome is not known
        return
    for each in ids:
        yield from _taken_back(each)


def _taken_back(job: str) -> Flow[None]:
    """Deletes a job with its transcripts. Never raises: Azure deletes it too, when its time to live is over."""
    path = f"/speechtotext/transcriptions/{job}"
    query = {"api-version": API_VERSION}
    try:
        yield Wire(service="speech", method="DELETE", path=path, query=query, grace=GRACE)
    except Exception:  # noqa: BLE001  # tidying up is no reason to fail
        return


def submit_wire(request: s.TranscribeRequest, options: TranscribeOptions, *, url: str, name: str) -> Wire:
    """`transcriptions:submit` of the recording at an address. By `name` a job is found whose answer was lost."""
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
        "contentUrls": [url],
        "displayName": name,
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


def status(job: s.JobRef, staging: Staging) -> Flow[s.JobStatus]:
    """Azure tells no progress."""
    answer = yield from _look(job)
    found = _state(answer)
    if found is s.JobState.FAILED:
        yield from staging.remove(_staged(job))
    error = answer.json.at("properties").at("error")
    message = str(failure(error, request_id=answer.request_id)) if error else None
    return s.JobStatus(state=found, message=message)


def _look(job: s.JobRef) -> Flow[Answer]:
    return (yield _wire(job))


def _state(answer: Answer) -> s.JobState:
    word = needed_text(answer.json, "status")
    if word not in _STATES:
        answer.json.fail("an unknown status")
    return _STATES[word]


def _ended(answer: Answer) -> bool:
    """Raises the error of a job that has failed."""
    found = _state(answer)
    if found is s.JobState.FAILED:
        raise failure(answer.json.at("properties").at("error"), request_id=answer.request_id)
    return found is s.JobState.SUCCEEDED


def _staged(job: s.JobRef) -> str | None:
    return dict(job.details).get("staged")


def cancel(job: s.JobRef, staging: Staging) -> Flow[None]:
    """Deletes the job with its transcripts, and what was staged for it."""
    try:
        yield _wire(job, method="DELETE")
    finally:
        yield from staging.remove(_staged(job))


def result(job: s.JobRef, staging: Staging, *, raw: bool) -> Flow[s.TranscribeResult]:
    """The transcript. The recording that was staged is deleted; the job stays, and can be asked again."""
    found = yield from _transcript(job, raw)
    yield from staging.remove(_staged(job))
    return found


def _transcript(job: s.JobRef, raw: bool) -> Flow[s.TranscribeResult]:
    """From the address that Azure signed for it: it is asked without our credentials."""
    files = yield _wire(job, more="/files")
    for file in needed_items(files.json, "values"):
        if file.text("kind") == "Transcription":
            url = needed_text(needed(file, "links"), "contentUrl")
            answer = yield Wire(service="speech", method="GET", path="", url=url)
            asked = dict(job.details)
            update = {"request_id": files.request_id, "raw": answer.raw(raw), "warnings": notices(asked)}
            return transcript_of(answer.json, asked).model_copy(update=update)
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


def notices(asked: dict[str, str]) -> tuple[Notice, ...]:
    """What was asked for and a batch does not take."""
    found = list[Notice]()
    if "phrases" in asked:
        found.append(ignored("phrases", "a batch takes no list of phrases; fast transcription does"))
    if "grammar" in asked:
        found.append(ignored("grammar", "the service takes none"))
    return tuple(found)
