"""Speech from text, here: espeak-ng where it is installed, and VITS models from the user's folder.

`espeak-ng` speaks a hundred languages, intelligibly and like a machine. `mms-vits` (module `vits`) takes an ONNX
model that reads letters, such as Meta's MMS-TTS; models that need a phonemizer are not taken, because the
phonemizers are GPL.
"""

from __future__ import annotations

import difflib
import math
import shutil
from collections.abc import Iterable, Iterator
from decimal import Decimal

from cloudai.driver import Call
from cloudai.errors import InvalidInput, Unsupported
from cloudai.types.results import Notice, Usage
from cloudai.types.speech import (
    SynthesizeRequest,
    SynthesizeResult,
    Voice,
    VoicesRequest,
    VoicesResult,
)
from cloudai_local import espeak
from cloudai_local.audio import encoded
from cloudai_local.engine import Missing
from cloudai_local.espeak import EspeakVoice
from cloudai_local.espeak_ssml import check_ssml
from cloudai_local.settings import LocalSettings
from cloudai_local.spoken import bcp47, covers, speakable
from cloudai_local.vits import VitsEngine

WORDS_PER_MINUTE = 175
"""espeak-ng's own speed, `rate=1`; it goes from 80 up (https://github.com/espeak-ng/espeak-ng, docs/markdown.md)."""
SLOWEST = 80
DEFAULT_LANGUAGE = "en-US"
"""As the model of pocketsphinx hears it; espeak-ng by itself would speak British English."""


class EspeakEngine:
    """`speech.synthesize` and `speech.voices` by the espeak-ng program."""

    name = "espeak-ng"

    def __init__(self, settings: LocalSettings) -> None:
        self._settings = settings

    def missing(self) -> Missing | None:
        """What to install; looks only."""
        if shutil.which(espeak.PROGRAM) is None:
            return Missing(reason="espeak-ng is not installed", install=espeak.INSTALL)
        return None

    def synthesize(self, request: SynthesizeRequest, call: Call) -> SynthesizeResult:
        """Raises `InvalidInput`, `TooLarge` (over 100,000 characters), `Unsupported` for a language it lacks."""
        text = speakable(request.text)
        if request.ssml:
            check_ssml(text)
        voice_id, voice = _chosen(request)
        notices: list[Notice] = []
        prosody = _prosody(request, notices)
        marked = ("-m",) if request.ssml else ()
        sound = espeak.speak(text, ("-v", voice_id, *prosody, *marked), timeout=call.timeout)
        audio, rate = encoded(sound, request.format, request.sample_rate)
        notices.extend(_unhonoured(request, voice))
        return SynthesizeResult(
            audio=audio,
            format=request.format,
            sample_rate=rate,
            duration=sound.seconds,
            voice=voice_id,
            language=bcp47(voice.language),
            usage=(Usage(meter="speech.synthesize", unit="character", quantity=Decimal(len(request.text))),),
            warnings=tuple(notices),
            model=f"espeak-ng {espeak.version()}",
        )

    def voices(self, request: VoicesRequest, call: Call) -> VoicesResult:
        """Every voice; each also takes a timbre after a plus sign: `en-us+Alicia` (`espeak-ng --voices=variant`)."""
        listed = [_voice(voice) for voice in espeak.voices()]
        if request.language is not None:
            listed = [voice for voice in listed if any(covers(request.language, tag) for tag in voice.languages)]
        return VoicesResult(voices=tuple(listed), model=f"espeak-ng {espeak.version()}")

    def close(self) -> None:
        """Nothing is kept between calls."""


def engines(settings: LocalSettings) -> tuple[VitsEngine | EspeakEngine, ...]:
    """The engines for `speech.synthesize` and `speech.voices`: the user's own models first, where there are some."""
    espeak_engine = EspeakEngine(settings)
    return (VitsEngine(settings, otherwise=espeak_engine), espeak_engine)


# --- voices and languages --------------------------------------------------------------------------


def _voice(voice: EspeakVoice) -> Voice:
    tags = dict.fromkeys(bcp47(code) for code in (voice.language, *(other for other, _ in voice.others)))
    return Voice(
        id=voice.id, name=voice.name, languages=tuple(tags), gender=voice.gender, engine="espeak-ng", sample_rate=22050
    )


def _chosen(request: SynthesizeRequest) -> tuple[str, EspeakVoice]:
    """The voice asked for, or the best for the language."""
    if request.voice is None:
        voice = _for_language(request.language or DEFAULT_LANGUAGE)
        return voice.id, voice
    base, plus, timbre = request.voice.partition("+")
    voice = _by_id(base, espeak.voices(), "voice")
    return voice.id + plus + (_by_id(timbre, espeak.variants(), "timbre").id if plus else ""), voice


def _by_id(wanted: str, known: Iterable[EspeakVoice], what: str) -> EspeakVoice:
    by_id = {voice.id.lower(): voice for voice in known}
    found = by_id.get(wanted.lower())
    if found is None:
        near = difflib.get_close_matches(wanted.lower(), by_id, n=4, cutoff=0.4)
        hint = f"near it are {', '.join(by_id[name].id for name in near)}" if near else "see `speech.voices`"
        raise InvalidInput(f"espeak-ng has no {what} {wanted!r}; {hint}")
    return found


def _for_language(tag: str) -> EspeakVoice:
    """Exact, or named among a voice's further languages; then the same with fewer subtags; then any region."""
    parts = tag.replace("_", "-").lower().split("-")
    for count in range(len(parts), 0, -1):
        code = "-".join(parts[:count])
        ranked = [(rank, voice) for voice in espeak.voices() for rank in _ranks(voice, code)]
        if ranked:
            return min(ranked, key=lambda pair: pair[0])[1]
    regional = [voice for voice in espeak.voices() if covers(parts[0], voice.language)]
    if regional:
        return regional[0]
    known = sorted({voice.language.split("-")[0] for voice in espeak.voices()})
    raise Unsupported(f"espeak-ng does not speak {tag!r}; it speaks {', '.join(known)}")


def _ranks(voice: EspeakVoice, code: str) -> Iterator[int]:
    """How well it speaks a language, low is better: espeak-ng's own priority after an exact match."""
    if voice.language.lower() == code:
        yield 0
    yield from (rank for other, rank in voice.others if other.lower() == code)


# --- rate, pitch, volume ---------------------------------------------------------------------------


def _prosody(request: SynthesizeRequest, notices: list[Notice]) -> tuple[str, ...]:
    """Speed, pitch and amplitude in espeak-ng's numbers; a notice for what is beyond them."""
    speed = round(WORDS_PER_MINUTE * request.rate)
    pitch = _pitch(request.pitch)
    amplitude = round(100 * request.volume)
    beyond = [
        (speed < SLOWEST, f"rate: {SLOWEST / WORDS_PER_MINUTE:.2f} is the slowest"),
        (not 0 <= pitch <= 99, "pitch: about -7 to +9 semitones is all there is"),
        (amplitude > 200, "volume: 2 is the loudest"),
    ]
    notices.extend(Notice(code="option_ignored", message=f"espeak-ng, {said}") for is_so, said in beyond if is_so)
    return (
        "-s", str(max(speed, SLOWEST)), "-p", str(min(max(pitch, 0), 99)), "-a", str(min(amplitude, 200)),
    )  # fmt: skip


def _pitch(semitones: float) -> int:
    """50 is the voice's own. 50 steps double its base, 82 Hz of the 103 Hz that one hears on average (measured)."""
    base = (103 * 2 ** (semitones / 12) - (103 - 82)) / 82
    return round(50 + 50 * math.log2(base)) if base > 0 else -1


def _unhonoured(request: SynthesizeRequest, voice: EspeakVoice) -> Iterator[Notice]:
    if request.speech_marks:
        yield Notice(code="option_ignored", message="speech_marks: the espeak-ng program gives no times")
    if request.voice is not None and request.language is not None:
        tags = [voice.language, *(other for other, _ in voice.others)]
        asked = request.language.split("-")[0].lower()
        if asked not in {tag.split("-")[0].lower() for tag in tags}:
            said = f"language: {request.voice} speaks {bcp47(voice.language)}, not {request.language}"
            yield Notice(code="option_ignored", message=said)
