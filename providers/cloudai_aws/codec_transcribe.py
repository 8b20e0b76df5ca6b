"""Transcribe: requests as parameters, the transcript's JSON as a result. Pure functions, no I/O.

The transcript: https://docs.aws.amazon.com/transcribe/latest/dg/how-input.html, with speakers and channels:
https://docs.aws.amazon.com/transcribe/latest/dg/diarization-output-batch.html (read 2026-11-21). Numbers stand in
strings there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from typing import Any

from cloudai.errors import ErrorCode, InvalidInput, ServiceError
from cloudai.types import speech as s
from cloudai.types.media import Media
from cloudai.types.results import Notice, Usage
from cloudai_aws.codec_languages import from_aws, to_aws
from cloudai_aws.reply import Params, Reply, ignored
from cloudai_aws.settings import TranscribeOptions

SERVICE = "transcribe"
MEDIA_FORMATS: Mapping[str, str] = {
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/mp4": "mp4",
    "audio/x-m4a": "m4a",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/flac": "flac",
    "audio/x-flac": "flac",
    "audio/ogg": "ogg",
    "audio/opus": "ogg",
    "audio/amr": "amr",
    "audio/webm": "webm",
    "video/mp4": "mp4",
    "video/webm": "webm",
}
"""By content, never by name; an object that was passed by address is left to Transcribe."""
_RATE_IS_SURE = frozenset({"wav", "flac"})
"""Transcribe refuses a rate that is not the one it finds; a compressed file's header may say another (Opus: 48000)."""
_STATES: Mapping[str, s.JobState] = {
    "QUEUED": s.JobState.QUEUED,
    "IN_PROGRESS": s.JobState.RUNNING,
    "COMPLETED": s.JobState.SUCCEEDED,
    "FAILED": s.JobState.FAILED,
}
_PROFANITY = {s.ProfanityMode.MASK: "mask", s.ProfanityMode.REMOVE: "remove", s.ProfanityMode.TAG: "tag"}
_MOST_SPEAKERS = 30
_SPEAKERS = 10
"""Looked for at most, when nobody says how many."""


# --- the request ---------------------------------------------------------------------------------


def encode_job(
    request: s.TranscribeRequest, options: TranscribeOptions, *, name: str, uri: str
) -> tuple[Params, tuple[Notice, ...]]:
    """`StartTranscriptionJob` for audio in S3."""
    notices = list[Notice]()
    params: Params = {"TranscriptionJobName": name, "Media": {"MediaFileUri": uri}, **_language(request)}
    params |= _format(request.audio)
    settings = _settings(request, options, notices)
    if settings:
        params["Settings"] = settings
    if options.language_model is not None:
        params["ModelSettings"] = {"LanguageModelName": options.language_model}
    if options.redact_pii:
        types = {} if "ALL" in options.redact_pii else {"PiiEntityTypes": list(options.redact_pii)}
        params["ContentRedaction"] = {"RedactionType": "PII", "RedactionOutput": "redacted", **types}
    if options.output_bucket is not None:
        params |= {"OutputBucketName": options.output_bucket, "OutputKey": output_key(name)}
    return params, (*notices, *_notices(request, options))


def output_key(name: str) -> str:
    """Where a transcript is written in a bucket of the user's own."""
    return f"cloudai/{name}.json"


def media_suffix(audio: Media) -> str:
    """For the name of a staged object."""
    found = MEDIA_FORMATS.get(audio.content_type or "")
    if found is None:
        raise InvalidInput(
            f"Transcribe takes {', '.join(sorted(set(MEDIA_FORMATS.values())))}, not {audio.content_type}"
        )
    return found


def _format(audio: Media) -> Params:
    if audio.data is None:
        return {}
    kind, rate = media_suffix(audio), audio.audio.sample_rate if audio.audio else None
    if kind not in _RATE_IS_SURE or rate is None or not 8000 <= rate <= 48000:
        return {"MediaFormat": kind}
    return {"MediaFormat": kind, "MediaSampleRateHertz": rate}


def _language(request: s.TranscribeRequest) -> Params:
    if request.language is not None:
        return {"LanguageCode": to_aws(request.language, SERVICE)}
    if len(request.languages) == 1:
        return {"LanguageCode": to_aws(request.languages[0], SERVICE)}
    params: Params = {"IdentifyLanguage": True}
    if request.languages:
        params["LanguageOptions"] = list(dict.fromkeys(to_aws(tag, SERVICE) for tag in request.languages))
    return params


def _settings(request: s.TranscribeRequest, options: TranscribeOptions, notices: list[Notice]) -> Params:
    settings: Params = {}
    if request.diarization:
        wanted = request.max_speakers or _SPEAKERS
        settings |= {"ShowSpeakerLabels": True, "MaxSpeakerLabels": min(_MOST_SPEAKERS, max(2, wanted))}
        if wanted > _MOST_SPEAKERS:
            notices.append(ignored(f"Transcribe tells at most {_MOST_SPEAKERS} speakers apart"))
    if request.channels:
        settings["ChannelIdentification"] = True
    if request.alternatives > 1:
        settings |= {"ShowAlternatives": True, "MaxAlternatives": min(10, request.alternatives)}
    if options.vocabulary is not None:
        settings["VocabularyName"] = options.vocabulary
    method = _PROFANITY.get(request.profanity) if request.profanity else None
    if options.vocabulary_filter is not None:
        settings |= {"VocabularyFilterName": options.vocabulary_filter, "VocabularyFilterMethod": method or "mask"}
    elif method is not None:
        notices.append(ignored("Transcribe has no list of profane words: give options aws.vocabulary_filter"))
    return settings


def _notices(request: s.TranscribeRequest, options: TranscribeOptions) -> Iterable[Notice]:
    if request.phrases and options.vocabulary is None:
        yield ignored("Transcribe takes words to expect as a vocabulary made before: give options aws.vocabulary")
    if request.grammar is not None:
        yield ignored("Transcribe takes no grammar")
    if request.min_speakers is not None:
        yield ignored("Transcribe takes the most speakers, not the fewest")
    if not request.punctuation:
        yield ignored("Transcribe always writes punctuation")


def features_of(request: s.TranscribeRequest, options: TranscribeOptions) -> tuple[str, ...]:
    """What changes the price."""
    asked = {"pii_redaction": bool(options.redact_pii), "custom_language_model": options.language_model is not None}
    return tuple(name for name, given in asked.items() if given)


def seconds_used(duration: float | None, features: Sequence[str]) -> tuple[Usage, ...]:
    """Seconds of audio; nothing is claimed when the length is not known."""
    if duration is None:
        return ()
    quantity = Decimal(str(duration))
    return (Usage(meter="speech.transcribe", unit="second", quantity=quantity, features=tuple(features)),)


# --- the answer ----------------------------------------------------------------------------------


def decode_status(reply: Reply) -> s.JobStatus:
    job = reply["TranscriptionJob"]
    state = _STATES.get(job["TranscriptionJobStatus"], s.JobState.RUNNING)
    return s.JobStatus(state=state, message=job.get("FailureReason"))


def transcript_address(reply: Reply) -> str:
    """Where the transcript is. A redacted one has its own place."""
    found = reply["TranscriptionJob"].get("Transcript", {})
    uri = found.get("TranscriptFileUri") or found.get("RedactedTranscriptFileUri")
    if not uri:
        raise ServiceError("the job has no transcript", code=ErrorCode.INTERNAL)
    return str(uri)


def decode_transcript(body: bytes, reply: Reply, duration: float | None, features: Sequence[str]) -> s.TranscribeResult:
    """The transcript's file, with what the job says of the language."""
    try:
        results: Mapping[str, Any] = json.loads(body)["results"]
    except (ValueError, KeyError, TypeError) as error:
        raise ServiceError("the transcript is not what Transcribe writes", code=ErrorCode.INTERNAL) from error
    job = reply["TranscriptionJob"]
    code = job.get("LanguageCode") or results.get("language_code")
    score = job.get("IdentifiedLanguageScore")
    return s.TranscribeResult(
        text=" ".join(each["transcript"] for each in results.get("transcripts", ())),
        language=None if code is None else from_aws(code, SERVICE),
        language_confidence=None if score is None else min(1.0, max(0.0, score)),
        duration=duration,
        segments=_segments(results),
        usage=seconds_used(duration, features),
    )


def _segments(results: Mapping[str, Any]) -> tuple[s.TranscriptSegment, ...]:
    """Runs of one speaker on one channel; each with the other readings of its time, where there are any."""
    items = _items(results)
    speakers = _speakers(items)
    found = [
        _segment(list(run), speakers)
        for _, run in groupby(items, key=lambda item: (item.get("channel_label"), item.get("speaker_label")))
    ]
    found = [segment for segment in found if segment.text]
    found.sort(key=lambda segment: segment.start or 0.0)
    return _with_alternatives(found, results.get("segments", ()))


def _items(results: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """With channels, those of each channel in turn: the common list mixes the channels by time."""
    channels = results.get("channel_labels", {}).get("channels", ())
    if not channels:
        return _labelled(_with_speakers(results))
    apart = [[{**item, "channel_label": channel["channel_label"]} for item in channel["items"]] for channel in channels]
    return [item for channel in apart for item in _labelled(channel)]


def _with_speakers(results: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Older transcripts name the speaker of a word by its start alone, in a list beside the words."""
    runs = results.get("speaker_labels", {}).get("segments", ())
    beside = {each["start_time"]: each["speaker_label"] for run in runs for each in run.get("items", ())}
    items: list[Mapping[str, Any]] = list(results.get("items", ()))
    return [
        {**item, "speaker_label": beside[item["start_time"]]}
        if "speaker_label" not in item and item.get("start_time") in beside
        else item
        for item in items
    ]


def _labelled(items: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Punctuation has no speaker of its own: it is the last one's."""
    found = list[Mapping[str, Any]]()
    speaker = None
    for item in items:
        speaker = item.get("speaker_label", speaker)
        found.append({**item, "speaker_label": speaker} if speaker is not None else item)
    return found


def _speakers(items: Sequence[Mapping[str, Any]]) -> Mapping[str, str]:
    """`spk_1` -> `speaker 1`, in the order they first speak."""
    timed = [item for item in items if "start_time" in item and "speaker_label" in item]
    timed.sort(key=lambda item: float(item["start_time"]))
    labels = dict.fromkeys(item["speaker_label"] for item in timed)
    return {label: f"speaker {number}" for number, label in enumerate(labels, start=1)}


def _segment(items: Sequence[Mapping[str, Any]], speakers: Mapping[str, str]) -> s.TranscriptSegment:
    label, channel = items[0].get("speaker_label"), items[0].get("channel_label")
    number = None if channel is None else int(channel.rpartition("_")[2])
    words = tuple(_word(item, speakers.get(label or ""), number) for item in items if item["type"] == "pronunciation")
    scores = [word.confidence for word in words if word.confidence is not None]
    return s.TranscriptSegment(
        text=_joined(items),
        start=words[0].start if words else None,
        end=words[-1].end if words else None,
        confidence=sum(scores) / len(scores) if scores else None,
        speaker=speakers.get(label or ""),
        channel=number,
        language=from_aws(items[0]["language_code"], SERVICE) if "language_code" in items[0] else None,
        words=words,
    )


def _word(item: Mapping[str, Any], speaker: str | None, channel: int | None) -> s.TranscriptWord:
    best = item["alternatives"][0]
    return s.TranscriptWord(
        text=best["content"],
        start=_number(item.get("start_time")),
        end=_number(item.get("end_time")),
        confidence=_number(best.get("confidence")),
        speaker=speaker,
        channel=channel,
    )


def _joined(items: Iterable[Mapping[str, Any]]) -> str:
    """Words with spaces between, punctuation without one before."""
    text = ""
    for item in items:
        content = item["alternatives"][0]["content"] if item.get("alternatives") else ""
        text += content if item["type"] == "punctuation" or not text else f" {content}"
    return text


def _with_alternatives(
    found: Sequence[s.TranscriptSegment], readings: Iterable[Mapping[str, Any]]
) -> tuple[s.TranscriptSegment, ...]:
    """`segments` of the file holds whole readings by time, best first: they belong to the segment they start in."""
    others: dict[int, list[s.TranscriptAlternative]] = {}
    for reading in readings:
        start = _number(reading.get("start_time"))
        index = next(
            (i for i in reversed(range(len(found))) if start is not None and (found[i].start or 0) <= start), 0
        )
        for each in reading.get("alternatives", ())[1:]:
            others.setdefault(index, []).append(s.TranscriptAlternative(text=each.get("transcript", "").strip()))
    return tuple(
        segment.model_copy(update={"alternatives": tuple(others[index])}) if index in others else segment
        for index, segment in enumerate(found)
    )


def _number(text: str | float | None) -> float | None:
    """`"4.87"`; a confidence of `"0.0"` on what was not heard stays 0."""
    return None if text is None else float(text)
