"""Polly: requests as parameters, answers as results. Pure functions, no I/O.

Formats and rates: https://docs.aws.amazon.com/polly/latest/dg/API_SynthesizeSpeech.html; speech marks:
https://docs.aws.amazon.com/polly/latest/dg/output.html (read 2026-11-21).
"""

from __future__ import annotations

import bisect
import io
import json
import math
import re
import wave
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape, unescape

from cloudai.errors import ErrorCode, InvalidInput, ServiceError, TooLarge, Unsupported
from cloudai.languages import language_of, matches, normalise
from cloudai.types import speech as s
from cloudai.types.results import Notice, Usage
from cloudai_aws.codec_languages import from_aws, to_aws, voice_for
from cloudai_aws.reply import Params, Reply, ignored, requests
from cloudai_aws.settings import SynthesizeOptions

SERVICE = "polly"
ENGINES = ("neural", "generative", "long-form", "standard")
"""What is taken of those that a voice has: neural is what the price book plans with."""

SYNC_BILLED, SYNC_TOTAL = 3_000, 6_000
TASK_BILLED, TASK_TOTAL = 100_000, 200_000
"""Characters that are billed, and with the tags of SSML: https://docs.aws.amazon.com/polly/latest/dg/limits.html
(read 2026-11-21)."""
_TAG = re.compile(r"<[^>]*>")

_FORMATS: Mapping[s.AudioFormat, tuple[str, tuple[int, ...]]] = {
    s.AudioFormat.WAV: ("pcm", (16000, 8000)),
    s.AudioFormat.PCM: ("pcm", (16000, 8000)),
    s.AudioFormat.MP3: ("mp3", (24000, 22050, 16000, 8000, 44100, 48000)),
    s.AudioFormat.OGG_OPUS: ("ogg_opus", (48000,)),
    s.AudioFormat.MULAW: ("mulaw", (8000,)),
    s.AudioFormat.ALAW: ("alaw", (8000,)),
}
"""Ours -> Polly's name, and the rates it takes, the default first. WAV is made of PCM here."""
_MARKS = {"word": "word", "sentence": "sentence", "viseme": "viseme", "ssml": "bookmark"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Spoken:
    """What is sent: the text as it goes on the wire, its parameters, and what could not be honoured."""

    params: Params
    text: str
    opening: str
    """What was put before the caller's text."""
    format: s.AudioFormat
    sample_rate: int
    engine: str
    language: str | None
    notices: tuple[Notice, ...]


# --- the request ---------------------------------------------------------------------------------


def default_voice(request: s.SynthesizeRequest) -> tuple[str, str, str]:
    """Voice, engine and language code when no voice is asked for; English when no language is."""
    return voice_for(request.language or "en-US")


def encode_speech(request: s.SynthesizeRequest, options: SynthesizeOptions, voice: str, engine: str) -> Spoken:
    """`SynthesizeSpeech`. Rate, volume and pitch are SSML around the text."""
    if request.format not in _FORMATS:
        raise Unsupported(f"Polly has no {request.format.value}; it has {', '.join(known.value for known in _FORMATS)}")
    name, rates = _FORMATS[request.format]
    rate = request.sample_rate if request.sample_rate in rates else rates[0]
    notices = list[Notice]()
    if request.sample_rate not in (None, rate):
        notices.append(ignored(f"Polly makes {name} at {', '.join(map(str, rates))} Hz: {rate} was taken"))
    opening, closing, more = _prosody(request, engine)
    language = _language(request)
    ssml = request.ssml or bool(opening)
    body = request.text if request.ssml else escape(request.text) if opening else request.text
    params: Params = {
        "VoiceId": voice,
        "Engine": engine,
        "OutputFormat": name,
        "SampleRate": str(rate),
        "Text": opening + body + closing,
        "TextType": "ssml" if ssml else "text",
    }
    if language is not None:
        params["LanguageCode"] = language
    if options.lexicons:
        params["LexiconNames"] = list(options.lexicons)
    return Spoken(
        params=params,
        text=request.text,
        opening=opening,
        format=request.format,
        sample_rate=rate,
        engine=engine,
        language=language,
        notices=(*notices, *more),
    )


def _language(request: s.SynthesizeRequest) -> str | None:
    """For a voice of the caller's own only a language with its region is sent: `en` must not make `en-US` of a voice
    that speaks `en-GB`, which Polly refuses. Needed for bilingual voices alone."""
    if request.language is None:
        return None
    if request.voice is not None and normalise(request.language) == language_of(request.language):
        return None
    return to_aws(request.language, SERVICE)


def _prosody(request: s.SynthesizeRequest, engine: str) -> tuple[str, str, tuple[Notice, ...]]:
    """Only the standard engine changes the pitch; SSML of the caller's own is left alone."""
    asked = {"rate": request.rate != 1.0, "volume": request.volume != 1.0, "pitch": request.pitch != 0.0}
    if not any(asked.values()):
        return "", "", ()
    if request.ssml:
        names = ", ".join(name for name, given in asked.items() if given)
        return "", "", (ignored(f"{names}: say it in the SSML itself, with <prosody>"),)
    attributes, notices = "", tuple[Notice, ...]()
    if asked["rate"]:
        attributes += f' rate="{round(100 * max(0.2, min(2.0, request.rate)))}%"'
    if asked["volume"]:
        attributes += f' volume="{20 * math.log10(request.volume):+.1f}dB"' if request.volume else ' volume="silent"'
    if asked["pitch"] and engine == "standard":
        attributes += f' pitch="{round(100 * (2 ** (request.pitch / 12) - 1)):+d}%"'
    elif asked["pitch"]:
        notices = (ignored(f"Polly's {engine} voices have no pitch"),)
    if not attributes:
        return "", "", notices
    return f"<speak><prosody{attributes}>", "</prosody></speak>", notices


def marks_params(spoken: Spoken) -> Params:
    """The second request, for speech marks: the same words, as JSON."""
    types = ["sentence", "word", "viseme"] + (["ssml"] if spoken.params["TextType"] == "ssml" else [])
    kept = {name: value for name, value in spoken.params.items() if name != "SampleRate"}
    return kept | {"OutputFormat": "json", "SpeechMarkTypes": types}


# --- the answer ----------------------------------------------------------------------------------


def decode_speech(audio: bytes, spoken: Spoken, billed: int, marks: bytes | None) -> s.SynthesizeResult:
    """`billed` is the sum of `RequestCharacters` of all requests."""
    pcm = spoken.params["OutputFormat"] == "pcm"
    width = 2 if pcm else 1
    raw = pcm or spoken.params["OutputFormat"] in ("mulaw", "alaw")
    usage = Usage(meter="speech.synthesize", unit="character", quantity=Decimal(billed), variant=spoken.engine)
    return s.SynthesizeResult(
        audio=_wave(audio, spoken.sample_rate) if spoken.format is s.AudioFormat.WAV else audio,
        format=spoken.format,
        sample_rate=spoken.sample_rate,
        duration=len(audio) / width / spoken.sample_rate if raw else None,
        voice=spoken.params["VoiceId"],
        language=None if spoken.language is None else from_aws(spoken.language, SERVICE),
        marks=tuple(decode_marks(marks, spoken)) if marks is not None else (),
        model=spoken.engine,
        usage=(usage,),
        warnings=spoken.notices,
    )


def check_stream(reply: Reply) -> None:
    """Raises `ServiceError` when what came is no sound and no speech marks: a proxy's page is not audio."""
    found = str(reply.get("ContentType", ""))
    if not found.startswith(("audio/", "application/x-json-stream")):
        raise ServiceError(
            f"Polly answered {found or 'something without a type'}, not audio", code=ErrorCode.UNAVAILABLE
        )


def billed_characters(reply: Reply, spoken: Spoken) -> int:
    """As Polly counted them; tags are not billed."""
    return int(reply.get("RequestCharacters", len(spoken.text)))


def _wave(samples: bytes, rate: int) -> bytes:
    """Polly's PCM is 16 bit, little-endian, mono."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples[: len(samples) // 2 * 2])
    return buffer.getvalue()


def decode_marks(lines: bytes, spoken: Spoken) -> Iterator[s.SpeechMark]:
    """A JSON object a line: milliseconds, and offsets in bytes of what was sent."""
    position = _code_points(spoken)
    for line in lines.splitlines():
        if not line.strip():
            continue
        mark = json.loads(line)
        start = position(mark["start"]) if "start" in mark else None
        end = position(mark["end"]) if "end" in mark else None
        yield s.SpeechMark(
            type=_MARKS.get(mark["type"], str(mark["type"])),
            start=mark["time"] / 1000,
            value=str(mark["value"]),
            offset=start,
            length=None if start is None or end is None else max(0, end - start),
        )


class _code_points:  # noqa: N801  # used as a function
    """Byte offset of what was sent -> code point of the caller's text."""

    def __init__(self, spoken: Spoken) -> None:
        written = (escape(letter) if spoken.opening else letter for letter in spoken.text)
        self._ends = list(accumulate(len(each.encode()) for each in written))
        self._before = len(spoken.opening.encode())

    def __call__(self, offset: int) -> int:
        return bisect.bisect_right(self._ends, max(0, offset - self._before))


# --- long texts ----------------------------------------------------------------------------------


def by_task(spoken: Spoken, *, staging: bool) -> bool:
    """Whether the text is too long for one request. Raises `TooLarge` when a task does not take it either, and
    without a bucket for it to write into."""
    sent = str(spoken.params["Text"])
    billed = len(unescape(_TAG.sub("", sent)) if spoken.params["TextType"] == "ssml" else sent)
    if billed <= SYNC_BILLED and len(sent) <= SYNC_TOTAL:
        return False
    size = f"the text has {billed:,} characters ({len(sent):,} with tags)"
    if billed > TASK_BILLED or len(sent) > TASK_TOTAL:
        raise TooLarge(f"{size}; Polly takes {TASK_BILLED:,} ({TASK_TOTAL:,}) as a task. Split it.")
    if not staging:
        raise TooLarge(
            f"{size}; Polly takes {SYNC_BILLED:,} ({SYNC_TOTAL:,}) in one request. Split it, or set staging_bucket "
            "in the backend for a task"
        )
    return True


def task_key(reply: Reply, bucket: str) -> str:
    """Where a task writes: `OutputUri` is `https://s3.REGION.amazonaws.com/BUCKET/KEY`."""
    path = unquote(urlsplit(str(reply["SynthesisTask"].get("OutputUri", ""))).path)
    key = path.removeprefix("/").removeprefix(f"{bucket}/")
    if not key:
        raise ServiceError("Polly does not say where it writes", code=ErrorCode.INTERNAL)
    return key


def ended(reply: Reply) -> Reply | None:
    """`None` while the task runs."""
    return reply if reply["SynthesisTask"].get("TaskStatus") in ("completed", "failed") else None


def check_task(reply: Reply) -> None:
    """Raises `ServiceError` for a task that failed, with Polly's reason."""
    task = reply["SynthesisTask"]
    if task["TaskStatus"] == "failed":
        reason = task.get("TaskStatusReason") or "the task failed"
        raise ServiceError(f"Polly: {reason}", code=ErrorCode.INVALID_INPUT, retryable=False)


def billed_of_task(reply: Reply, spoken: Spoken) -> int:
    """As Polly counted them."""
    return int(reply["SynthesisTask"].get("RequestCharacters", len(spoken.text)))


# --- voices --------------------------------------------------------------------------------------


def best_engine(supported: Sequence[str]) -> str:
    """The engine to take of those a voice has."""
    return next((engine for engine in ENGINES if engine in supported), "standard")


def engines_by_voice(replies: Sequence[Reply]) -> Mapping[str, str]:
    """Voice id -> the engine to take."""
    found = [each for reply in replies for each in reply.get("Voices", ())]
    return {each["Id"]: best_engine(each.get("SupportedEngines", ())) for each in found}


def decode_voices(replies: Sequence[Reply], request: s.VoicesRequest) -> s.VoicesResult:
    """All pages; of a language when one is asked for."""
    found = [_voice(each) for reply in replies for each in reply.get("Voices", ())]
    if request.language is not None:
        found = [voice for voice in found if _speaks(voice, request.language)]
    return s.VoicesResult(voices=tuple(found), usage=requests("speech.voices", len(replies)))


def _voice(found: Reply) -> s.Voice:
    codes = [found["LanguageCode"], *found.get("AdditionalLanguageCodes", ())]
    gender = found.get("Gender")
    return s.Voice(
        id=found["Id"],
        name=found.get("Name", found["Id"]),
        languages=tuple(dict.fromkeys(from_aws(code, SERVICE) for code in codes)),
        gender=gender.lower() if gender else None,
        engine=best_engine(found.get("SupportedEngines", ())),
    )


def _speaks(voice: s.Voice, wanted: str) -> bool:
    if normalise(wanted) == language_of(wanted):
        return any(language_of(tag) == language_of(wanted) for tag in voice.languages)
    return any(matches(wanted, tag) for tag in voice.languages)


def check_voice(engine: str | None, voice: str) -> str:
    """Raises `InvalidInput` for a voice that Polly does not list."""
    if engine is None:
        raise InvalidInput(f"Polly has no voice {voice!r}: see client.speech.voices()")
    return engine
