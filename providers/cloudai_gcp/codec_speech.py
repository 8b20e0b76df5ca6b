"""Speech-to-Text v2 `recognize`, and v1 where an API key is all there is. Pure: requests in, results out.

https://cloud.google.com/speech-to-text/v2/docs/reference/rest/v2/projects.locations.recognizers/recognize
https://cloud.google.com/speech-to-text/docs/reference/rest/v1/speech/recognize
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from typing import Final

from cloudai.errors import InvalidInput, Unsupported
from cloudai.types import speech as s
from cloudai.types.media import Media
from cloudai.types.results import Notice, Usage
from cloudai.wirejson import JsonNode
from cloudai_gcp.transcripts import Answered, segments_of
from cloudai_gcp.values import exact_seconds, from_google, to_speech
from cloudai_gcp.wire import Answer, JsonObject, Plan, Target, Wire, one

MODEL: Final = "long"
"""https://cloud.google.com/speech-to-text/v2/docs/transcription-model"""
PHRASES: Final = 1_200
"""In one inline set: https://cloud.google.com/speech-to-text/docs/quotas"""

ENCODINGS: Mapping[str, str] = {
    "pcm_s16le": "LINEAR16",
    "mulaw": "MULAW",
    "alaw": "ALAW",
    "flac": "FLAC",
    "mp3": "MP3",
    "opus": "OGG_OPUS",
    "amr_nb": "AMR",
    "amr_wb": "AMR_WB",
}
"""`AudioInfo.encoding` -> v1 `AudioEncoding`."""


WAV: Final = frozenset({"pcm_s16le", "mulaw", "alaw"})


def transcribe(
    request: s.TranscribeRequest, target: Target, *, model: str | None = None, raw: bool = False
) -> Plan[s.TranscribeResult]:
    """One request of at most 60 s; the limits were checked before."""
    if request.grammar is not None:
        raise Unsupported("Speech-to-Text takes no grammar: give phrases")
    check_samples(request.audio)
    if target.by_key:
        wire, variant = _v1(request, model), "v1"
    else:
        wire, variant = _v2(request, target, model or MODEL), variant_of(model or MODEL)
    notices = ignored(request)

    def decode(answer: Answer) -> s.TranscribeResult:
        metadata = answer.json if target.by_key else answer.json.at("metadata")
        billed = exact_seconds(metadata.at("totalBilledTime" if target.by_key else "totalBilledDuration"))
        made = transcript(answer.json, request, by_key=target.by_key, variant=variant, billed=billed)
        return made.model_copy(
            update={
                "warnings": notices,
                "request_id": _request_id(metadata.at("requestId").value) or answer.request_id,
                "model": model or (None if target.by_key else MODEL),
                "raw": answer.json.value if raw else None,
            }
        )

    return one(wire, decode)


def transcript(
    node: JsonNode, request: s.TranscribeRequest, *, by_key: bool, variant: str, billed: Decimal | None
) -> s.TranscribeResult:
    """`results` of v1 or v2, of a request or of a job."""
    found = segments_of(node, request, by_key=by_key)
    return s.TranscribeResult(
        text=found.text,
        language=_language(request, found),
        duration=request.audio.audio.duration if request.audio.audio else None,
        segments=found.segments,
        usage=(usage_of(request, variant, billed),),
    )


def variant_of(model: str) -> str:
    """The SKU that a v2 model is billed by."""
    known = {"medical_dictation": "medical-dictation", "medical_conversation": "medical-conversation"}
    return known.get(model, "standard")


def usage_of(request: s.TranscribeRequest, variant: str, billed: Decimal | None) -> Usage:
    """Seconds, each channel's rounded up: what Google says it bills, else what its rule says."""
    audio = request.audio.audio
    length = audio.duration if audio else None
    if billed is None and length is not None:
        channels = (audio.channels or 1) if audio and request.channels else 1
        billed = Decimal(str(length)).to_integral_value(ROUND_CEILING) * channels
    asked = {
        "custom_vocabulary": bool(request.phrases),
        "diarization": request.diarization,
        "language_id": bool(request.languages),
        "multi_channel": request.channels,
        "profanity_filter": request.profanity is s.ProfanityMode.MASK,
        "word_timestamps": request.word_timestamps,
    }
    return Usage(
        meter="speech.transcribe",
        unit="second" if billed is not None else "file",
        quantity=billed if billed is not None else Decimal(1),
        features=tuple(name for name, wanted in asked.items() if wanted),
        variant=variant,
    )


def _request_id(value: object) -> str | None:
    return str(value) if value else None


def _language(request: s.TranscribeRequest, found: Answered) -> str | None:
    if found.language is not None:
        return found.language
    return from_google(request.language) if request.language else None


# --- v2 ----------------------------------------------------------------------------------------------


def _v2(request: s.TranscribeRequest, target: Target, model: str) -> Wire:
    location = target.location or "global"
    path = f"/v2/projects/{target.project}/locations/{location}/recognizers/{target.recognizer}:recognize"
    host = "speech" if location == "global" else f"{location}-speech"
    audio = request.audio
    source: JsonObject = {"uri": audio.uri} if audio.data is None else {"content": base64_of(audio)}
    return Wire(service=host, path=path, body={"config": config_v2(request, model), **source})


def config_v2(request: s.TranscribeRequest, model: str) -> JsonObject:
    """`RecognitionConfig`: the container is detected by the service, from its header."""
    config: dict[str, object] = {"autoDecodingConfig": {}, "model": model, "languageCodes": codes_v2(request, model)}
    features: dict[str, object] = {"enableWordConfidence": True}
    if request.punctuation:
        features["enableAutomaticPunctuation"] = True
    if request.word_timestamps or request.diarization:
        features["enableWordTimeOffsets"] = True
    if request.profanity is s.ProfanityMode.MASK:
        features["profanityFilter"] = True
    if request.channels:
        features["multiChannelMode"] = "SEPARATE_RECOGNITION_PER_CHANNEL"
    if request.alternatives > 1:
        features["maxAlternatives"] = min(30, request.alternatives)
    if request.diarization:
        features["diarizationConfig"] = _speakers(request)
    config["features"] = features
    if request.phrases:
        phrases = [{"value": phrase} for phrase in _phrases(request)]
        config["adaptation"] = {"phraseSets": [{"inlinePhraseSet": {"phrases": phrases}}]}
    return config


def codes_v2(request: s.TranscribeRequest, model: str) -> list[str]:
    """The language, or the candidates; the Chirp models find it out by themselves."""
    tags = ([request.language] if request.language else []) + list(request.languages)
    if tags:
        return list(dict.fromkeys(to_speech(tag) for tag in tags))
    if model.startswith("chirp"):
        return ["auto"]
    raise InvalidInput(
        f"Speech-to-Text's model {model!r} has to be told the language, or languages to choose from; "
        "the Chirp models find it out: options={'gcp': {'model': 'chirp_2'}}"
    )


def _speakers(request: s.TranscribeRequest) -> JsonObject:
    bounds = (("minSpeakerCount", request.min_speakers), ("maxSpeakerCount", request.max_speakers))
    return {name: value for name, value in bounds if value is not None}


def _phrases(request: s.TranscribeRequest) -> tuple[str, ...]:
    if len(request.phrases) > PHRASES:
        raise InvalidInput(f"{len(request.phrases):,} phrases were given; Speech-to-Text takes {PHRASES:,} at once")
    return request.phrases


# --- v1 ----------------------------------------------------------------------------------------------


def _v1(request: s.TranscribeRequest, model: str | None) -> Wire:
    tags = ([request.language] if request.language else []) + list(request.languages)
    if not tags:
        raise InvalidInput("Speech-to-Text v1 has to be told the language: give language or languages")
    first, *others = dict.fromkeys(to_speech(tag) for tag in tags)
    config: dict[str, object] = {**decoding_v1(request), "languageCode": first, "enableWordConfidence": True}
    if len(others) > 3:
        raise InvalidInput(f"{1 + len(others)} languages were given; Speech-to-Text v1 takes 4")
    optional: Mapping[str, object] = {
        "alternativeLanguageCodes": others,
        "model": model,
        "maxAlternatives": min(30, request.alternatives) if request.alternatives > 1 else None,
        "profanityFilter": request.profanity is s.ProfanityMode.MASK,
        "enableAutomaticPunctuation": request.punctuation,
        "enableWordTimeOffsets": request.word_timestamps or request.diarization,
        "diarizationConfig": {"enableSpeakerDiarization": True, **_speakers(request)} if request.diarization else None,
        "speechContexts": [{"phrases": list(_phrases(request))}] if request.phrases else None,
    }
    config.update({name: value for name, value in optional.items() if value})
    audio = request.audio
    source: JsonObject = {"uri": audio.uri} if audio.data is None else {"content": base64_of(audio)}
    return Wire(service="speech", path="/v1/speech:recognize", body={"config": config, "audio": source})


def decoding_v1(request: s.TranscribeRequest) -> JsonObject:
    """Encoding and rate as the header says; the headers of WAV and FLAC are read by the service itself."""
    info = request.audio.audio
    config: dict[str, object] = {}
    if request.channels and info is not None and (info.channels or 1) > 1:
        config = {"audioChannelCount": info.channels, "enableSeparateRecognitionPerChannel": True}
    if request.audio.content_type in ("audio/wav", "audio/flac") or info is None:
        return config
    encoding = ENCODINGS.get(info.encoding or "")
    if request.audio.content_type == "audio/webm" and encoding == "OGG_OPUS":
        encoding = "WEBM_OPUS"
    if encoding is None:
        raise InvalidInput(
            f"Speech-to-Text v1 takes no {info.encoding or request.audio.content_type}: pass WAV or FLAC, or use "
            "credentials instead of a key (v2 takes it)"
        )
    config["encoding"] = encoding
    if info.sample_rate:
        config["sampleRateHertz"] = info.sample_rate
    return config


def check_samples(audio: Media) -> None:
    """A RIFF file of 16-bit PCM, mu-law or A-law (`AutoDetectDecodingConfig` in cloud_speech.proto): header read."""
    encoding = audio.audio.encoding if audio.audio else None
    if audio.content_type == "audio/wav" and encoding is not None and encoding not in WAV:
        raise InvalidInput(f"Speech-to-Text takes WAV files of 16-bit PCM, mu-law or A-law, not {encoding}: convert it")


def base64_of(media: Media) -> str:
    """The content, for a `bytes` field."""
    return base64.b64encode(media.content).decode("ascii")


def ignored(request: s.TranscribeRequest) -> tuple[Notice, ...]:
    notices: list[str] = []
    if request.profanity in (s.ProfanityMode.REMOVE, s.ProfanityMode.TAG):
        notices.append("Speech-to-Text masks profane words or keeps them, no more")
    if request.diarization and (request.min_speakers or request.max_speakers):
        notices.append("Speech-to-Text finds the number of speakers by itself; the bounds are not used")
    return tuple(Notice(code="option_ignored", message=text) for text in notices)
