"""Text to speech over REST, and the list of voices. There is no machine-readable description of either: they are held
to their documentation, https://learn.microsoft.com/azure/ai-services/speech-service/rest-text-to-speech (2026-11-21)
and https://learn.microsoft.com/azure/ai-services/speech-service/speech-synthesis-markup-voice.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from decimal import Decimal
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

from cloudai.errors import InvalidInput, Unsupported
from cloudai.languages import best_match, language_of, matches, normalise
from cloudai.types import speech as s
from cloudai.types.results import Notice, Usage
from cloudai.wirejson import JsonNode
from cloudai_azure.settings import SynthesizeOptions
from cloudai_azure.values import from_speech, ignored, to_speech
from cloudai_azure.wire import Answer, Flow, Wire, needed_text

_RATES = {8000: "8khz", 16000: "16khz", 22050: "22050hz", 24000: "24khz", 44100: "44100hz", 48000: "48khz"}
_MP3 = {16000: "audio-16khz-128kbitrate-mono-mp3", 24000: "audio-24khz-160kbitrate-mono-mp3",
        48000: "audio-48khz-192kbitrate-mono-mp3"}  # fmt: skip
_OPUS = {16000: "ogg-16khz-16bit-mono-opus", 24000: "ogg-24khz-16bit-mono-opus", 48000: "ogg-48khz-16bit-mono-opus"}
FORMATS: Mapping[s.AudioFormat, Mapping[int, str]] = {
    s.AudioFormat.WAV: {rate: f"riff-{name}-16bit-mono-pcm" for rate, name in _RATES.items()},
    s.AudioFormat.PCM: {rate: f"raw-{name}-16bit-mono-pcm" for rate, name in _RATES.items()},
    s.AudioFormat.MP3: _MP3,
    s.AudioFormat.OGG_OPUS: _OPUS,
    s.AudioFormat.MULAW: {8000: "raw-8khz-8bit-mono-mulaw"},
    s.AudioFormat.ALAW: {8000: "raw-8khz-8bit-mono-alaw"},
}
"""X-Microsoft-OutputFormat by format and sample rate."""

DEFAULTS: Mapping[str, str] = {
    "ar-EG": "ar-EG-SalmaNeural",
    "de-DE": "de-DE-KatjaNeural",
    "en-GB": "en-GB-SoniaNeural",
    "en-US": "en-US-JennyNeural",
    "es-ES": "es-ES-ElviraNeural",
    "es-MX": "es-MX-DaliaNeural",
    "fr-FR": "fr-FR-DeniseNeural",
    "hi-IN": "hi-IN-SwaraNeural",
    "it-IT": "it-IT-ElsaNeural",
    "ja-JP": "ja-JP-NanamiNeural",
    "ko-KR": "ko-KR-SunHiNeural",
    "pt-BR": "pt-BR-FranciscaNeural",
    "ru-RU": "ru-RU-SvetlanaNeural",
    "sv-SE": "sv-SE-SofieNeural",
    "tr-TR": "tr-TR-EmelNeural",
    "zh-CN": "zh-CN-XiaoxiaoNeural",
}
"""https://learn.microsoft.com/azure/ai-services/speech-service/language-support?tabs=tts (read 2026-11-21)."""

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ROOT = re.compile(r"\s*(?:<\?xml[^>]*\?>)?\s*<speak\b([^>]*)>(.*)</speak>\s*", re.DOTALL)
_FREE_TAGS = re.compile(r"</?(?:speak|voice)\b[^>]*>|<\?xml[^>]*\?>")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
_SLOWEST, _FASTEST = 0.5, 2.0
MOST_SECONDS = 599.9
"""Of audio that nothing was cut off: one answer has ten minutes at most. How long a text is spoken is not known before.
https://learn.microsoft.com/azure/ai-services/speech-service/speech-services-quotas-and-limits (2026-01-30)."""
_SPEAK = 'version="1.0" xmlns="http://www.w3.org/2001/10/synthesis" xmlns:mstts="https://www.w3.org/2001/mstts"'


def synthesize(
    request: s.SynthesizeRequest, options: SynthesizeOptions, voices: MutableMapping[str, str]
) -> Flow[s.SynthesizeResult]:
    """Azure has no default voice: common languages have one of ours, for others the list is asked for the first one.

    `voices` remembers those.
    """
    rate, output = output_format(request, options)
    language = request.language or _language_of(request.voice, "en-US")
    voice = request.voice or DEFAULTS.get(to_speech(language)) or voices.get(language)
    if voice is None and not (request.ssml and "<voice" in request.text):
        answer = yield voices_wire()
        voice = voices[language] = default_voice(answer, language)
    ssml = ssml_of(request, voice, language)
    answer = yield Wire(
        service="tts",
        path="/cognitiveservices/v1",
        headers={"X-Microsoft-OutputFormat": output, "User-Agent": "cloudai"},
        body=ssml.encode(),
        content_type="application/ssml+xml",
    )
    duration = _duration(answer.body, output)
    return s.SynthesizeResult(
        audio=answer.body,
        format=request.format,
        sample_rate=rate,
        duration=duration,
        voice=voice,
        language=_language_of(voice, language),
        usage=(_usage(ssml, voice, request),),
        warnings=_notices(request, duration),
        request_id=answer.request_id,
        model=voice,
    )


def output_format(request: s.SynthesizeRequest, options: SynthesizeOptions) -> tuple[int | None, str]:
    """The sample rate and Azure's name. Raises `Unsupported` for a format or rate that Azure does not have."""
    if options.output_format is not None:
        return request.sample_rate, options.output_format
    rates = FORMATS.get(request.format)
    if rates is None:
        known = ", ".join(sorted(each.value for each in FORMATS))
        raise Unsupported(f"Azure's text to speech gives no {request.format.value} over REST: {known}")
    rate = request.sample_rate or (24000 if 24000 in rates else min(rates))
    if rate not in rates:
        known = ", ".join(str(each) for each in rates)
        raise Unsupported(f"Azure has no {request.format.value} of {rate} Hz: {known}")
    return rate, rates[rate]


def ssml_of(request: s.SynthesizeRequest, voice: str | None, language: str) -> str:
    """Text as text: nothing in it is markup. SSML as it is, with a voice around it when it names none."""
    if request.ssml:
        return _checked_ssml(request.text, voice, language)
    if (wrong := _NOT_XML.search(request.text)) is not None:
        raise InvalidInput(f"character {wrong.start()} of the text (U+{ord(wrong[0]):04X}) can't be spoken")
    return _spoken(_with_prosody(escape(request.text), request), voice, language)


def _spoken(content: str, voice: str | None, language: str, more: str = "") -> str:
    named = f"<voice name={quoteattr(voice)}>{content}</voice>" if voice else content
    return f"<speak {_SPEAK} xml:lang={quoteattr(to_speech(language))}{more}>{named}</speak>"


def _with_prosody(content: str, request: s.SynthesizeRequest) -> str:
    asked = dict[str, str]()
    if request.rate != 1:
        asked["rate"] = f"{(_rate(request) - 1) * 100:+.0f}%"
    if request.pitch:
        asked["pitch"] = f"{request.pitch:+g}st"
    if request.volume != 1:
        asked["volume"] = f"{(request.volume - 1) * 100:+.0f}%"
    if not asked:
        return content
    attributes = " ".join(f'{name}="{value}"' for name, value in asked.items())
    return f"<prosody {attributes}>{content}</prosody>"


def _rate(request: s.SynthesizeRequest) -> float:
    return min(_FASTEST, max(_SLOWEST, request.rate))


def _checked_ssml(text: str, voice: str | None, language: str) -> str:
    """Well-formed, without a DTD. Raises `InvalidInput`."""
    if "<!" in text:
        raise InvalidInput("SSML may hold no <!DOCTYPE>, entity or comment")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314  # without a DTD there is nothing to expand
    except ElementTree.ParseError as error:
        raise InvalidInput(f"the SSML is not well-formed: {error}") from error
    whole = _ROOT.fullmatch(text)
    if root.tag.rpartition("}")[2] != "speak" or whole is None:
        raise InvalidInput("SSML is a <speak> element with something in it")
    if "<voice" in text:
        return text
    kept = re.sub(r'\s(?:version|xmlns|xmlns:mstts|xml:lang)\s*=\s*("[^"]*"|\'[^\']*\')', "", f" {whole[1]}").rstrip()
    return _spoken(whole[2], voice, language, kept and f" {kept.strip()}")


def variant_of_voice(voice: str | None) -> str:
    """The SKU that a voice is billed by."""
    return "hd" if voice and ":dragonhd" in voice.lower() else "neural"


def _usage(ssml: str, voice: str | None, request: s.SynthesizeRequest) -> Usage:
    """Code points, Chinese ones twice; markup counts too, but for `speak` and `voice`."""
    billed = billed_characters(_FREE_TAGS.sub("", ssml) if request.ssml else request.text)
    variant = variant_of_voice(voice)
    features = ("ssml",) if request.ssml else ()
    return Usage(
        meter="speech.synthesize", unit="character", quantity=Decimal(billed), variant=variant, features=features
    )


def billed_characters(text: str) -> int:
    """Hanzi, kanji and hanja count as two."""
    return len(text) + len(_HAN.findall(text))


def _duration(audio: bytes, output: str) -> float | None:
    """Seconds, from the size and the name of the format; `None`: compressed by no constant rate."""
    if (mp3 := re.fullmatch(r"audio-\w+-(\d+)kbitrate-mono-mp3", output)) is not None:
        return len(audio) * 8 / (int(mp3[1]) * 1_000)
    found = re.fullmatch(r"(riff|raw)-(\w+)-(8|16)bit-mono-\w+", output)
    rate = {name: rate for rate, name in _RATES.items()}.get(found[2]) if found is not None else None
    if found is None or rate is None:
        return None
    head = 44 if found[1] == "riff" else 0
    return max(0, len(audio) - head) * 8 / int(found[3]) / rate


def _language_of(voice: str | None, language: str) -> str:
    """The voice's own, which its name begins with."""
    found = from_speech("-".join((voice or "").split("-")[:2])) if voice else None
    return found or normalise(language)


def _notices(request: s.SynthesizeRequest, duration: float | None) -> tuple[Notice, ...]:
    notices = list[Notice]()
    if duration is not None and duration >= MOST_SECONDS:
        notices.append(Notice(code="truncated", message="Azure ends the audio at ten minutes: give the text in parts"))
    if request.speech_marks:
        notices.append(ignored("speech_marks", "they are events of the Speech SDK, not of the REST call"))
    if not request.ssml and _rate(request) != request.rate:
        notices.append(ignored(f"rate {request.rate:g}", f"Azure speaks at {_SLOWEST:g} to {_FASTEST:g} of its pace"))
    if request.ssml and (request.rate != 1 or request.pitch or request.volume != 1):
        notices.append(ignored("rate, pitch, volume", "with SSML they are said in its prosody elements"))
    return tuple(notices)


# --- voices ------------------------------------------------------------------------------------------


def voices(request: s.VoicesRequest, *, raw: bool) -> Flow[s.VoicesResult]:
    answer = yield voices_wire()
    every = [_voice(node) for node in answer.items]
    wanted = request.language
    kept = every if wanted is None else [voice for voice in every if any(matches(wanted, x) for x in voice.languages)]
    return s.VoicesResult(voices=tuple(kept), request_id=answer.request_id, raw=answer.raw(raw))


def voices_wire() -> Wire:
    return Wire(service="tts", method="GET", path="/cognitiveservices/voices/list")


def _voice(node: JsonNode) -> s.Voice:
    name = needed_text(node, "ShortName")
    locales = [needed_text(node, "Locale"), *(each.word() for each in node.items("SecondaryLocaleList"))]
    tags = dict.fromkeys(tag for locale in locales if (tag := from_speech(locale)) is not None)
    kind, gender = node.text("VoiceType"), node.text("Gender").lower()
    return s.Voice(
        id=name,
        name=node.text("DisplayName", name),
        languages=tuple(tags),
        gender=gender if gender in ("female", "male", "neutral") else None,
        engine=kind.lower() or None,
        sample_rate=node.integer("SampleRateHertz") or None,
        preview=node.text("Status", "GA") != "GA",
    )


def default_voice(answer: Answer, language: str) -> str:
    """The first one that is no preview, of the language itself. Raises `Unsupported` for a language without one."""
    every = [voice for voice in (_voice(node) for node in answer.items) if voice.languages]
    ready = [voice for voice in every if not voice.preview] or every
    own = {voice.languages[0]: voice.id for voice in reversed(ready)}
    chosen = best_match(language, own)
    if chosen is None:
        raise Unsupported(f"Azure lists no voice for {language_of(language)!r}: see client.speech.voices()")
    return own[chosen]
