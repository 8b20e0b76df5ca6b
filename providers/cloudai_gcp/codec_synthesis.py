"""Text-to-Speech v1: `text:synthesize` and `voices`. Pure: requests in, results out.

https://cloud.google.com/text-to-speech/docs/reference/rest/v1/text/synthesize
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from cloudai.calls.audio_header import read_audio
from cloudai.calls.sniff import Damaged
from cloudai.errors import InvalidInput
from cloudai.languages import matches
from cloudai.types import speech as s
from cloudai.types.media import AudioInfo
from cloudai.types.results import Notice, Usage
from cloudai.wirejson import JsonNode
from cloudai_gcp.codec_translation import bytes_of
from cloudai_gcp.values import from_google, to_voice
from cloudai_gcp.wire import Answer, Plan, Wire, one

SERVICE: Final = "texttospeech"
ENCODINGS: Mapping[s.AudioFormat, str] = {
    s.AudioFormat.WAV: "LINEAR16",
    s.AudioFormat.MP3: "MP3",
    s.AudioFormat.OGG_OPUS: "OGG_OPUS",
    s.AudioFormat.PCM: "PCM",
    s.AudioFormat.MULAW: "MULAW",
    s.AudioFormat.ALAW: "ALAW",
}
"""LINEAR16, MULAW and ALAW come with a WAV header, PCM without one (`AudioEncoding` in cloud_tts.proto)."""

LOUDEST: Final = 16.0
QUIETEST: Final = -96.0
"""`AudioConfig.volumeGainDb`, in dB."""
RATES: Final = (0.25, 2.0)
"""`AudioConfig.speakingRate`, in the discovery document of 2026-03-20."""
FAMILIES: Mapping[str, str] = {
    "Neural2": "neural2",
    "Standard": "standard",
    "Wavenet": "wavenet",
    "Polyglot": "polyglot",
    "Studio": "studio",
    "Chirp3-HD": "chirp3-hd",
}
"""The word after the language in a voice's name -> the variant that it is billed by."""

_VOICE = re.compile(r"[a-z]{2,3}-[A-Z]{2}-(?P<family>Chirp3-HD|Chirp-HD|[A-Za-z0-9]+)-[A-Za-z0-9-]+")
_MARK = re.compile(r"<mark\b[^>]*>|</mark\s*>")


def synthesize(request: s.SynthesizeRequest, *, raw: bool = False) -> Plan[s.SynthesizeResult]:
    encoding = ENCODINGS.get(request.format)
    if encoding is None:
        raise InvalidInput(f"Text-to-Speech gives no {request.format}: take {', '.join(sorted(ENCODINGS))}")
    language = _language(request)
    body: dict[str, object] = {
        "input": {"ssml" if request.ssml else "text": request.text},
        "voice": {"languageCode": language, **({"name": request.voice} if request.voice else {})},
        "audioConfig": {"audioEncoding": encoding, **_manner(request)},
    }
    family = family_of(request.voice)

    def decode(answer: Answer) -> s.SynthesizeResult:
        content = answer.json.at("audioContent")
        if not content:
            answer.json.fail("no audioContent")
        audio = bytes_of(content)
        heard = _heard(audio, request.format)
        return s.SynthesizeResult(
            audio=_without_header(audio) if request.format in (s.AudioFormat.MULAW, s.AudioFormat.ALAW) else audio,
            format=request.format,
            sample_rate=(heard.sample_rate if heard else None) or request.sample_rate,
            channels=(heard.channels if heard else None) or 1,
            duration=heard.duration if heard else None,
            voice=request.voice,
            language=from_google(language),
            usage=(_usage(request, family),),
            warnings=_notices(request),
            request_id=answer.request_id,
            model=family,
            raw=answer.json.value if raw else None,
        )

    return one(Wire(service=SERVICE, path="/v1/text:synthesize", body=body), decode)


def _language(request: s.SynthesizeRequest) -> str:
    if request.voice is not None and _VOICE.fullmatch(request.voice):
        return "-".join(request.voice.split("-")[:2])
    if request.language is None:
        raise InvalidInput("Text-to-Speech has to be told the language: give language, or one of its voices")
    return to_voice(request.language)


def _manner(request: s.SynthesizeRequest) -> dict[str, object]:
    manner: dict[str, object] = {}
    if request.rate != 1.0:
        slowest, fastest = RATES
        if not slowest <= request.rate <= fastest:
            raise InvalidInput(f"Text-to-Speech takes a rate of {slowest} to {fastest}, not {request.rate:g}")
        manner["speakingRate"] = request.rate
    if request.pitch:
        manner["pitch"] = request.pitch
    if request.volume != 1.0:
        manner["volumeGainDb"] = decibels(request.volume)
    if request.sample_rate is not None:
        manner["sampleRateHertz"] = request.sample_rate
    return manner


def decibels(factor: float) -> float:
    """A factor of the amplitude as gain, within what the service takes."""
    return QUIETEST if factor <= 0 else min(LOUDEST, max(QUIETEST, round(20 * math.log10(factor), 2)))


def family_of(voice: str | None) -> str:
    """What a voice is billed as; `unknown` (without a price) where the service chooses the voice."""
    match = _VOICE.fullmatch(voice or "")
    return FAMILIES.get(match["family"], match["family"].lower()) if match else "unknown"


def _usage(request: s.SynthesizeRequest, family: str) -> Usage:
    """Characters of the request; tags of SSML are counted, marks are not."""
    text = _MARK.sub("", request.text) if request.ssml else request.text
    return Usage(
        meter="speech.synthesize",
        unit="character",
        quantity=Decimal(len(text)),
        features=("ssml",) if request.ssml else (),
        variant=family,
    )


def _notices(request: s.SynthesizeRequest) -> tuple[Notice, ...]:
    notices = []
    if request.speech_marks:
        notices.append(Notice(code="option_ignored", message="Text-to-Speech v1 gives no speech marks"))
    if request.voice is None:
        text = "Google chose the voice and does not say which: the cost is not known; name a voice to know it"
        notices.append(Notice(code="partial", message=text))
    return tuple(notices)


def _heard(audio: bytes, wanted: s.AudioFormat) -> AudioInfo | None:
    kinds = {s.AudioFormat.MP3: "audio/mpeg", s.AudioFormat.OGG_OPUS: "audio/ogg"}
    if wanted is s.AudioFormat.PCM:
        return None
    try:
        return read_audio(audio, kinds.get(wanted, "audio/wav"))
    except (Damaged, ValueError, IndexError, OverflowError):
        return None


def _without_header(audio: bytes) -> bytes:
    """The samples of a RIFF file: portable mu-law and A-law are raw."""
    if audio[:4] != b"RIFF":
        return audio
    at = 12
    while at + 8 <= len(audio):
        size = int.from_bytes(audio[at + 4 : at + 8], "little")
        if audio[at : at + 4] == b"data":
            return audio[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    return audio


# --- voices ------------------------------------------------------------------------------------------

GENDERS: Mapping[str, str] = {"MALE": "male", "FEMALE": "female", "NEUTRAL": "neutral"}


def voices(request: s.VoicesRequest, *, raw: bool = False) -> Plan[s.VoicesResult]:
    """All voices, filtered here: the service's own filter takes no script and no language without a region."""

    def decode(answer: Answer) -> s.VoicesResult:
        found = (_voice(each) for each in answer.json.items("voices"))
        kept = (
            voice
            for voice in found
            if request.language is None or any(matches(request.language, each) for each in voice.languages)
        )
        return s.VoicesResult(voices=tuple(kept), raw=answer.json.value if raw else None)

    return one(Wire(service=SERVICE, method="GET", path="/v1/voices"), decode)


def _voice(node: JsonNode) -> s.Voice:
    name = node.text("name")
    tags = (from_google(each.word()) for each in node.items("languageCodes"))
    family = family_of(name)
    return s.Voice(
        id=name,
        name=name,
        languages=tuple(tag for tag in tags if tag is not None),
        gender=GENDERS.get(node.text("ssmlGender")),
        engine=None if family == "unknown" else family,
        sample_rate=node.integer("naturalSampleRateHertz") or None,
        preview=family == "polyglot",
    )
