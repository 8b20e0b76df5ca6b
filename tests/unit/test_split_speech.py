"""Long texts are spoken in several requests: the audio is one recording, the marks point at the same words."""

from __future__ import annotations

import io
import struct
import wave
from collections.abc import Sequence
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudai.calls.audio_header import read_audio
from cloudai.calls.split import Parts, parts
from cloudai.capabilities import Limits
from cloudai.errors import CloudAIError, ErrorCode, TooLarge
from cloudai.types.results import Usage
from cloudai.types.speech import AudioFormat, SpeechMark, SynthesizeRequest, SynthesizeResult

RATE = 8_000


def speak(text: str, limit: int, **more: Any) -> Parts[SynthesizeRequest]:
    declared: Any = SimpleNamespace(limits=Limits(max_characters=limit))
    return parts("speech.synthesize", SynthesizeRequest(text=text, **more), declared, whose="g")


def wav(samples: bytes, rate: int = RATE) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples)
    return buffer.getvalue()


def words(text: str) -> tuple[SpeechMark, ...]:
    """A mark for each word: a tenth of a second a character."""
    found, at = [], 0
    for word in text.split():
        at = text.index(word, at)
        found.append(SpeechMark(type="word", start=at / 10, value=word, offset=at, length=len(word)))
        at += len(word)
    return tuple(found)


def spoken(requests: Sequence[SynthesizeRequest], **more: Any) -> list[SynthesizeResult]:
    """As a backend would that takes a tenth of a second for each character."""
    return [
        SynthesizeResult(
            audio=wav(bytes([number + 1]) * 2 * (RATE // 10) * len(request.text)),
            format=AudioFormat.WAV,
            sample_rate=RATE,
            marks=words(request.text),
            usage=(Usage(meter="speech.synthesize", unit="character", quantity=Decimal(len(request.text))),),
            **more,
        )
        for number, request in enumerate(requests)
    ]


def test_wav_is_one_recording_under_one_header() -> None:
    made = speak("hello! Hi!\n\nBye!", 6)
    assert [request.text for request in made.requests] == ["hello!", "Hi!", "Bye!"]
    joined = made.joined(spoken(made.requests))
    with wave.open(io.BytesIO(joined.audio)) as file:
        samples = file.readframes(file.getnframes())
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
    assert samples == b"".join(bytes([n + 1]) * 1600 * size for n, size in enumerate((6, 3, 4)))
    assert joined.duration == pytest.approx(1.3)
    assert read_audio(joined.audio, "audio/wav").duration == pytest.approx(1.3)
    assert joined.usage[0].quantity == 13
    assert joined.warnings[0].code == "split"


sentence = st.lists(st.sampled_from(["hallo", "wie", "😀😀", "geht's", "你好"]), min_size=1, max_size=4).map(" ".join)


@given(
    text=st.lists(st.tuples(sentence, st.sampled_from(["! ", "?\n\n", "! \n"])).map("".join), min_size=1).map("".join)
)
def test_joined_marks_point_at_the_same_words_and_never_go_back(text: str) -> None:
    made = speak(text, 30)
    joined = made.joined(spoken(made.requests))
    assert [mark.value for mark in joined.marks] == text.split()
    for mark in joined.marks:
        assert mark.offset is not None
        assert mark.length is not None
        assert text[mark.offset : mark.offset + mark.length] == mark.value
    starts = [mark.start for mark in joined.marks]
    assert starts == sorted(starts)
    if len(made.requests) > 1:
        assert joined.duration is not None
        assert starts[-1] <= joined.duration


def test_parts_at_different_sample_rates_are_refused() -> None:
    made = speak("hello! Hi!", 6)
    one, two = spoken(made.requests)
    with pytest.raises(CloudAIError, match="different sample rates") as caught:
        made.joined([one, two.model_copy(update={"audio": wav(b"\0\0", 16_000)})])
    assert caught.value.code is ErrorCode.INTERNAL


@pytest.mark.parametrize(("kind", "width"), [("pcm", 2), ("mulaw", 1), ("alaw", 1)])
def test_raw_samples_are_put_one_after_the_other(kind: str, width: int) -> None:
    made = speak("hello! Hi!", 6, format=AudioFormat(kind))
    answers = [
        each.model_copy(update={"audio": bytes([n]) * RATE * width, "format": AudioFormat(kind)})
        for n, each in enumerate(spoken(made.requests))
    ]
    joined = made.joined(answers)
    assert joined.audio == bytes(RATE * width) + b"\x01" * RATE * width
    assert (joined.duration, joined.marks[-1].start) == (2.0, 1.0)


def test_marks_at_unknown_times_are_left_out() -> None:
    made = speak("hello! Hi!", 6, format=AudioFormat.PCM)
    unknown = {"format": AudioFormat.PCM, "sample_rate": None}
    joined = made.joined([each.model_copy(update=unknown) for each in spoken(made.requests)])
    assert (joined.duration, [mark.value for mark in joined.marks]) == (None, ["hello!"])


# --- MP3 -----------------------------------------------------------------------------------------------

MONO_24K = b"\xff\xf3\x64\xc0"
"""MPEG 2 layer III, 48 kbit/s, 24 kHz, one channel: frames of 144 bytes, 576 samples."""


def frame(fill: int) -> bytes:
    return MONO_24K + bytes([fill]) * 140


def describing(name: bytes) -> bytes:
    """The first frame of an encoder that writes the length of the whole there."""
    return MONO_24K + bytes(9) + name + bytes(140 - 13)


def mp3(fill: int, frames: int, *, info: bytes = b"Info") -> bytes:
    tag = b"ID3\x04\x00\x00" + bytes([0, 0, 0, 20]) + bytes(20)
    return tag + describing(info) + frame(fill) * frames + b"TAG" + bytes(125)


def test_mp3_frames_are_joined_without_tags_and_lengths() -> None:
    made = speak("hello! Hi!", 6, format=AudioFormat.MP3)
    answers = [
        each.model_copy(update={"audio": mp3(n + 1, 50), "format": AudioFormat.MP3})
        for n, each in enumerate(spoken(made.requests))
    ]
    joined = made.joined(answers)
    assert joined.audio == frame(1) * 50 + frame(2) * 50
    assert joined.duration == pytest.approx(100 * 576 / 24_000)
    assert joined.marks[-1].start == pytest.approx(50 * 576 / 24_000)
    heard = read_audio(joined.audio, "audio/mpeg")
    assert heard.sample_rate == 24_000
    assert heard.duration == pytest.approx(joined.duration, rel=0.02)


@pytest.mark.parametrize("end", [b"", frame(2)[:100], b"\xff"])
def test_an_mp3_that_is_cut_off_is_joined_up_to_its_last_whole_frame(end: bytes) -> None:
    made = speak("hello! Hi!", 6, format=AudioFormat.MP3)
    answers = [
        each.model_copy(update={"audio": frame(1) * 3 + end, "format": AudioFormat.MP3})
        for each in spoken(made.requests)
    ]
    assert made.joined(answers).audio == frame(1) * 6


@pytest.mark.parametrize(
    "wrong", [b"", b"no frames", b"\xff\xf3\x64\xc0" + bytes(200), b"\xff\xfb\x90\x00" + bytes(413)]
)
def test_what_is_no_mp3_or_another_kind_is_refused(wrong: bytes) -> None:
    made = speak("hello! Hi!", 6, format=AudioFormat.MP3)
    one, two = (each.model_copy(update={"format": AudioFormat.MP3}) for each in spoken(made.requests))
    with pytest.raises(CloudAIError, match="can't be joined") as caught:
        made.joined([one.model_copy(update={"audio": mp3(1, 2)}), two.model_copy(update={"audio": wrong})])
    assert caught.value.code is ErrorCode.INTERNAL


# --- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ogg_opus", "flac"])
def test_a_format_that_cannot_be_joined_is_refused_with_those_that_can(kind: str) -> None:
    speak("hello! Hi!", 10, format=AudioFormat(kind))
    with pytest.raises(TooLarge, match=f"{kind} can't be joined .*: alaw, mp3, mulaw, pcm, wav can") as caught:
        speak("hello! Hi!", 9, format=AudioFormat(kind))
    assert "max_characters" in caught.value.message


def test_ssml_is_not_cut() -> None:
    with pytest.raises(TooLarge, match="the SSML has 29 characters"):
        speak("<speak>hello! Hi!</speak>    ", 9, ssml=True)


def test_the_header_of_a_recording_from_a_pipe_is_read_to_the_files_end() -> None:
    made = speak("hello! Hi!", 6)
    piped = [each.audio[:40] + struct.pack("<I", 0xFFFFFFFF) + each.audio[44:] for each in spoken(made.requests)]
    answers = [each.model_copy(update={"audio": data}) for each, data in zip(spoken(made.requests), piped, strict=True)]
    assert made.joined(answers).duration == pytest.approx(0.9)
