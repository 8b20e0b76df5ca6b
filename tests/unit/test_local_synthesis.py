"""Speech by the real espeak-ng program, and by a small VITS-shaped graph that is built here."""

from __future__ import annotations

import io
import json
import os
import time
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from cloudai.driver import Call
from cloudai.errors import ErrorCode, InvalidInput, ServiceError, TooLarge, Unsupported
from cloudai.types.speech import AudioFormat, SynthesizeRequest, SynthesizeResult, VoicesRequest
from cloudai_local import espeak
from cloudai_local.espeak_ssml import check_ssml
from cloudai_local.settings import LocalOptions, LocalSettings
from cloudai_local.spoken import bcp47
from cloudai_local.synthesis import EspeakEngine, engines
from cloudai_local.vits import VitsEngine

pytestmark = pytest.mark.program("espeak-ng")

CALL = Call(timeout=30)
SENTENCE = "The quick brown fox jumps over the lazy dog and runs away."


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDAI_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def engine() -> EspeakEngine:
    return EspeakEngine(LocalSettings(provider="local"))


def say(engine: EspeakEngine | VitsEngine, text: str = SENTENCE, **wishes: object) -> SynthesizeResult:
    return engine.synthesize(SynthesizeRequest.model_validate({"text": text, **wishes}), CALL)


def samples(result: SynthesizeResult) -> npt.NDArray[np.float64]:
    with wave.open(io.BytesIO(result.audio)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float64)


def loudness(result: SynthesizeResult) -> float:
    return float(np.sqrt(np.mean(samples(result) ** 2)))


def pitch_of(result: SynthesizeResult) -> float:
    """Median fundamental frequency in Hz, by autocorrelation of loud frames."""
    found = []
    sound = samples(result)
    for start in range(0, len(sound) - 2048, 512):
        frame = sound[start : start + 2048]
        if np.abs(frame).max() > 3000:
            likeness = np.correlate(frame, frame, "full")[2047:]
            lag = 22050 // 500 + int(np.argmax(likeness[22050 // 500 : 22050 // 40]))
            found.append(22050 / lag)
    return float(np.median(found))


# --- espeak-ng -------------------------------------------------------------------------------------


def test_the_engine_is_there() -> None:
    assert EspeakEngine(LocalSettings(provider="local")).missing() is None


def test_without_the_program_the_install_line_is_said(engine: EspeakEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    gap = engine.missing()
    assert gap is not None
    assert gap.install.startswith("apt install espeak-ng")
    with pytest.raises(Unsupported, match="apt install espeak-ng"):
        say(engine)


def test_speech_is_a_wav_file_of_its_stated_length_and_rate(engine: EspeakEngine) -> None:
    result = say(engine)
    with wave.open(io.BytesIO(result.audio)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, result.sample_rate)
        assert file.getnframes() / file.getframerate() == pytest.approx(result.duration)
    assert 2 < (result.duration or 0) < 6
    assert loudness(result) > 500
    assert result.usage[0].quantity == Decimal(len(SENTENCE))
    assert (result.model or "").startswith("espeak-ng 1.")


def test_twice_the_rate_is_half_as_long(engine: EspeakEngine) -> None:
    normal, fast, slow = (say(engine, rate=rate).duration or 0 for rate in (1.0, 2.0, 0.5))
    assert fast / normal == pytest.approx(0.5, abs=0.08)
    assert slow / normal == pytest.approx(2.0, abs=0.2)


@pytest.mark.parametrize("semitones", [-4, 4, 7])
def test_pitch_moves_by_about_so_many_semitones(engine: EspeakEngine, semitones: int) -> None:
    moved = 12 * np.log2(pitch_of(say(engine, pitch=semitones)) / pitch_of(say(engine)))
    assert moved == pytest.approx(semitones, abs=1.5)


def test_half_the_volume_is_half_the_amplitude(engine: EspeakEngine) -> None:
    assert loudness(say(engine, volume=0.5)) / loudness(say(engine)) == pytest.approx(0.5, abs=0.05)
    assert loudness(say(engine, volume=0)) == 0


@pytest.mark.parametrize("wish", [{"rate": 0.2}, {"pitch": 20}, {"pitch": -20}, {"volume": 4}, {"speech_marks": True}])
def test_what_espeak_cannot_do_is_a_notice(engine: EspeakEngine, wish: dict[str, float]) -> None:
    result = say(engine, **wish)
    assert [notice.code for notice in result.warnings] == ["option_ignored"]
    assert next(iter(wish)) in result.warnings[0].message


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [
        (AudioFormat.WAV, "PCM_16"),
        (AudioFormat.FLAC, "PCM_16"),
        (AudioFormat.OGG_OPUS, "OPUS"),
        (AudioFormat.MP3, "MPEG_LAYER_III"),
    ],
)
@pytest.mark.parametrize("rate", [None, 16000])
def test_every_file_format_is_decoded_to_the_same_length(
    engine: EspeakEngine, kind: AudioFormat, subtype: str, rate: int | None
) -> None:
    result = say(engine, format=kind, sample_rate=rate)
    info = soundfile.info(io.BytesIO(result.audio))
    assert info.subtype == subtype
    assert info.samplerate == result.sample_rate == (rate or (24000 if kind is AudioFormat.OGG_OPUS else 22050))
    assert info.duration == pytest.approx(result.duration, abs=0.15)


@pytest.mark.parametrize(("kind", "width"), [(AudioFormat.PCM, 2), (AudioFormat.MULAW, 1), (AudioFormat.ALAW, 1)])
def test_raw_formats_have_no_header_and_the_stated_length(engine: EspeakEngine, kind: AudioFormat, width: int) -> None:
    result = say(engine, format=kind, sample_rate=8000)
    assert len(result.audio) / width / 8000 == pytest.approx(result.duration, abs=0.001)
    assert not result.audio.startswith(b"RIFF")


def test_telephone_formats_are_8000_hz_unless_asked_otherwise(engine: EspeakEngine) -> None:
    assert say(engine, format=AudioFormat.MULAW).sample_rate == 8000


def test_a_rate_that_the_format_lacks_is_invalid_input(engine: EspeakEngine) -> None:
    with pytest.raises(InvalidInput, match="ogg_opus has no sample rate of 44100 Hz; it has 8000"):
        say(engine, format=AudioFormat.OGG_OPUS, sample_rate=44100)


def test_ssml_is_obeyed(engine: EspeakEngine) -> None:
    plain = say(engine, "one two").duration or 0
    paused = say(engine, "<speak>one <break time='2s'/> two</speak>", ssml=True).duration or 0
    assert paused - plain > 1.5


def test_angle_brackets_in_plain_text_are_no_markup(engine: EspeakEngine) -> None:
    assert (say(engine, "one <break time='9s'/> two").duration or 0) < 9


@pytest.mark.parametrize(
    "text",
    [
        "<speak><audio src='/etc/hostname'/></speak>",
        "<speak>&lt;audio src='/etc/hostname'/&gt;</speak>",
        "<speak>&amp;lt;AUDIO src='/etc/hostname'/&amp;gt;</speak>",
        "<speak><!-- > <audio src='/etc/hostname'/> --></speak>",
        "<speak><![CDATA[<audio src='/etc/hostname'/>]]></speak>",
        "<speak xmlns:x='a'><x:audio src='/etc/hostname'/></speak>",
        "<speak>&#60;audio src='/etc/hostname'/></speak>",
    ],
)
def test_ssml_that_would_play_a_file_of_this_machine_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="files of this machine"):
        check_ssml(text)


@pytest.mark.parametrize(
    "text", ["<speak>one", "one two", "<speak>a & b</speak>", "<!DOCTYPE speak [<!ENTITY a 'b'>]><speak>&a;</speak>"]
)
def test_ssml_that_is_not_well_formed_is_refused(engine: EspeakEngine, text: str) -> None:
    with pytest.raises(InvalidInput):
        say(engine, text, ssml=True)


@pytest.mark.parametrize("text", ["", "   \n", "\x00\x07"])
def test_no_text_is_invalid_input(engine: EspeakEngine, text: str) -> None:
    with pytest.raises(InvalidInput, match="no text"):
        say(engine, text)


def test_lone_surrogates_are_invalid_input(engine: EspeakEngine) -> None:
    with pytest.raises(InvalidInput, match="lone surrogate at 3"):
        say(engine, "one\ud800two")


def test_what_follows_a_nul_is_spoken(engine: EspeakEngine) -> None:
    assert (say(engine, "one\x00two three four").duration or 0) > 1.5 * (say(engine, "one").duration or 0)


def test_a_megabyte_of_text_is_too_large(engine: EspeakEngine) -> None:
    with pytest.raises(TooLarge, match="100,000"):
        say(engine, "word " * 200_000)


def test_a_text_that_begins_with_a_dash_is_text(engine: EspeakEngine) -> None:
    assert (say(engine, "--version").duration or 0) > 0.3


def test_the_deadline_kills_the_program(engine: EspeakEngine) -> None:
    before = time.monotonic()
    with pytest.raises(ServiceError) as caught:
        engine.synthesize(SynthesizeRequest(text="word " * 19_000), Call(timeout=0.05))
    assert caught.value.code is ErrorCode.DEADLINE_EXCEEDED
    assert time.monotonic() - before < 20
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_speech_without_end_is_cut_off(engine: EspeakEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(espeak, "MAX_SECONDS", 2)
    with pytest.raises(TooLarge):
        say(engine, "<speak>one <break time='600s'/> two</speak>", ssml=True)


def test_a_program_that_fails_is_quoted(engine: EspeakEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "espeak-ng"
    broken.write_text(
        "#!/bin/sh\ncase $1 in --v*) exec " + espeak.program() + " $1;; esac\necho no phoneme data >&2; exit 3\n"
    )
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(ServiceError, match="status 3: no phoneme data"):
        say(engine)


@pytest.mark.parametrize(
    ("language", "voice"),
    [
        ("en-US", "en-us"), ("en_us", "en-us"), ("en", "en-gb"), ("en-AU", "en-gb"), ("de-AT", "de"), ("pt-PT", "pt"),
        ("pt-BR", "pt-br"), ("es-MX", "es-419"), ("fr-CA", "fr-fr"), ("zh-CN", "cmn"), ("no", "nb"), (None, "en-us"),
    ],
)  # fmt: skip
def test_a_language_finds_its_voice(engine: EspeakEngine, language: str | None, voice: str) -> None:
    result = say(engine, "a", language=language)
    assert result.voice == voice
    assert result.language == bcp47(next(v.language for v in espeak.voices() if v.id == voice))


def test_a_language_it_does_not_speak_is_unsupported(engine: EspeakEngine) -> None:
    with pytest.raises(Unsupported, match=r"does not speak 'xx'; it speaks .*de.*en"):
        say(engine, language="xx")


def test_an_unknown_voice_is_answered_with_near_ones(engine: EspeakEngine) -> None:
    with pytest.raises(InvalidInput, match="no voice 'en-usa'; near it are en-us"):
        say(engine, voice="en-usa")
    with pytest.raises(InvalidInput, match="no timbre 'Alica'; near it are Alicia"):
        say(engine, voice="en-us+Alica")


@pytest.mark.parametrize("voice", ["../../../etc/passwd", "-w/tmp/x", "en-us+../x", "--load"])
def test_a_voice_that_is_a_path_or_an_option_never_reaches_the_program(engine: EspeakEngine, voice: str) -> None:
    with pytest.raises(InvalidInput):
        say(engine, voice=voice)


def test_a_timbre_changes_the_voice(engine: EspeakEngine) -> None:
    assert pitch_of(say(engine, voice="en-us+Alicia")) > 1.2 * pitch_of(say(engine, voice="en-us"))


def test_a_voice_of_another_language_than_asked_is_a_notice(engine: EspeakEngine) -> None:
    assert say(engine, "a", voice="de", language="de-CH").warnings == ()
    assert [notice.code for notice in say(engine, "a", voice="de", language="fr").warnings] == ["option_ignored"]


def test_every_voice_listed_can_be_spoken_with(engine: EspeakEngine) -> None:
    listed = engine.voices(VoicesRequest(), CALL).voices
    assert len(listed) > 100
    assert len({voice.id for voice in listed}) == len(listed)
    with ThreadPoolExecutor(2) as pool:
        assert all(pool.map(lambda voice: (say(engine, "a", voice=voice.id).duration or 0) > 0, listed[::6]))


def test_voices_of_a_language_include_its_regions_only(engine: EspeakEngine) -> None:
    listed = engine.voices(VoicesRequest(language="pt"), CALL).voices
    assert {"pt", "pt-br"} == {voice.id for voice in listed}
    assert "pt-BR" in next(voice for voice in listed if voice.id == "pt-br").languages
    assert engine.voices(VoicesRequest(language="xx"), CALL).voices == ()


# --- a VITS model from the user's folder -----------------------------------------------------------

VOCAB = {"<pad>": 0, "a": 1, "b": 2, "c": 3, " ": 4, "é": 5}
TABLE = np.random.default_rng(3).uniform(-0.9, 0.9, (len(VOCAB), 160)).astype(np.float32)
"""The graph's whole knowledge: 160 samples for each id."""


def vits_graph() -> onnx.ModelProto:
    """input_ids -> waveform by a table, with the shapes of Optimum's export of `VitsModel`."""
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["frames"], axis=0),
        helper.make_node("Reshape", ["frames", "shape"], ["waveform"]),
        helper.make_node("Shape", ["attention_mask"], ["spectrogram"]),
    ]
    ids, mask = (
        helper.make_tensor_value_info(name, TensorProto.INT64, ["b", "n"]) for name in ("input_ids", "attention_mask")
    )
    graph = helper.make_graph(
        nodes,
        "vits",
        [ids, mask],
        [
            helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["b", "m"]),
            helper.make_tensor_value_info("spectrogram", TensorProto.INT64, [2]),
        ],
        [onnx.numpy_helper.from_array(TABLE, "table"), onnx.numpy_helper.from_array(np.array([1, -1]), "shape")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "models" / "tiny"
    path.mkdir(parents=True)
    (path / "model.toml").write_text('task = "synthesize"\nfamily = "mms-vits"\nlanguage = "es"\nsample_rate = 16000\n')
    (path / "vocab.json").write_text(json.dumps(VOCAB))
    onnx.save(vits_graph(), path / "model.onnx")
    return path


@pytest.fixture
def vits(folder: Path) -> Iterator[VitsEngine]:
    found = engines(LocalSettings(provider="local", models=folder.parent))[0]
    assert isinstance(found, VitsEngine)
    yield found
    found.close()


def expected(ids: list[int]) -> npt.NDArray[np.float32]:
    return np.concatenate([TABLE[identity] for identity in ids])


def test_letters_become_samples_with_blanks_between_them(vits: VitsEngine) -> None:
    result = say(vits, "  Ab-Éc ")
    assert np.abs(samples(result) / 32767 - expected([0, 1, 0, 2, 0, 5, 0, 3, 0])).max() < 1e-4
    assert (result.sample_rate, result.voice, result.language) == (16000, "tiny", "es")
    assert result.duration == pytest.approx(9 * 160 / 16000)


def test_no_blanks_where_the_tokenizer_has_none(vits: VitsEngine, folder: Path) -> None:
    (folder / "tokenizer_config.json").write_text('{"add_blank": false, "tokenizer_class": "VitsTokenizer"}')
    assert np.abs(samples(say(vits, "cab")) / 32767 - expected([3, 1, 2])).max() < 1e-4


def test_the_rate_may_stand_in_config_json(vits: VitsEngine, folder: Path) -> None:
    (folder / "model.toml").write_text('task = "synthesize"\nfamily = "mms-vits"\n')
    with pytest.raises(InvalidInput, match="sample_rate"):
        say(vits, "abc")
    (folder / "config.json").write_text('{"sampling_rate": 22050}')
    assert say(vits, "abc").sample_rate == 22050


def test_what_the_folder_cannot_speak_goes_to_espeak(vits: VitsEngine) -> None:
    assert say(vits, "abc", language="es-MX").voice == "tiny"
    assert say(vits, "abc", language="de").voice == "de"
    assert say(vits, "<speak>abc</speak>", ssml=True).model != "tiny"
    assert say(vits, "abc", voice="en-us").voice == "en-us"


def test_a_named_engine_is_not_left(vits: VitsEngine) -> None:
    call = Call(timeout=9, options=LocalOptions(engine="mms-vits"))
    with pytest.raises(InvalidInput, match="there are: tiny"):
        vits.synthesize(SynthesizeRequest(text="abc", language="de"), call)
    assert [voice.id for voice in vits.voices(VoicesRequest(), call).voices] == ["tiny"]


def test_both_engines_voices_are_listed(vits: VitsEngine) -> None:
    listed = [voice.id for voice in vits.voices(VoicesRequest(language="es"), CALL).voices]
    assert listed[0] == "tiny"
    assert "es-419" in listed


def test_letters_it_does_not_know_are_invalid_input(vits: VitsEngine) -> None:
    with pytest.raises(InvalidInput, match="knows none of these letters; it knows  abcé"):
        say(vits, "ЖЩЮ")


@pytest.mark.parametrize("flag", ["phonemize", "is_uroman"])
def test_a_model_that_needs_a_gpl_phonemizer_is_not_taken(vits: VitsEngine, folder: Path, flag: str) -> None:
    (folder / "tokenizer_config.json").write_text(json.dumps({flag: True}))
    with pytest.raises(Unsupported, match="not letters"):
        say(vits, "abc")


def test_a_model_of_another_shape_is_refused_with_both_shapes(vits: VitsEngine, folder: Path) -> None:
    model = vits_graph()
    model.graph.input[0].name = model.graph.node[0].input[1] = "tokens"
    onnx.save(model, folder / "model.onnx")
    with pytest.raises(InvalidInput, match=r"maps input_ids .* to waveform; this one maps attention_mask, tokens to"):
        say(vits, "abc")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("vocab.json", "[1]", "not a JSON object"),
        ("vocab.json", "{", "not JSON"),
        ("vocab.json", '{"a": "x"}', "vocab.json"),
        ("model.onnx", "", "is empty"),
        ("model.toml", 'task = "synthesize"\nfamily = "mms-vits"\nspeed = 2', "speed"),
    ],
)
def test_a_wrong_file_is_named(vits: VitsEngine, folder: Path, file: str, content: str, message: str) -> None:
    (folder / file).write_text(content)
    with pytest.raises(InvalidInput, match=message):
        say(vits, "abc")


def test_external_data_outside_the_folder_is_refused(vits: VitsEngine, folder: Path) -> None:
    onnx.save(
        vits_graph(), folder / "model.onnx", save_as_external_data=True, location="weights.bin", size_threshold=1024
    )
    assert say(vits, "abc").voice == "tiny"
    vits.close()
    (folder / "weights.bin").rename(folder.parent / "weights.bin")
    (folder / "weights.bin").symlink_to(folder.parent / "weights.bin")
    with pytest.raises(InvalidInput, match="leaves the model's folder"):
        say(vits, "abc")


def test_without_a_folder_vits_is_missing(tmp_path: Path) -> None:
    gap = engines(LocalSettings(provider="local", models=tmp_path))[0].missing()
    assert gap is not None
    assert "cloudai local models add" in gap.install


def test_many_threads_hear_the_same(vits: VitsEngine) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: say(vits, "abc cab").audio, range(16)))) == 1


@given(st.from_regex(r"[A-Za-z]{2,3}([-_][A-Za-z]{4})?([-_][A-Za-z]{2})?(-x-[A-Za-z0-9]{2,8})?", fullmatch=True))
def test_a_tag_is_stable_under_normalising(tag: str) -> None:
    assert bcp47(bcp47(tag)) == bcp47(tag)


def test_an_ill_formed_tag_keeps_what_its_beginning_says() -> None:
    assert bcp47("chr-US-Qaaa-x-west") == "chr-US"
    assert bcp47("zz") == "und"
