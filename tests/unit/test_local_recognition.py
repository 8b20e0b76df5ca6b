"""Speech recognition: a Whisper-shaped ONNX folder made here against a reference loop, and espeak-ng heard by grammar.

The reference is written from OpenAI's description (whisper/audio.py, whisper/decoding.py): its own log-mel spectrogram
and its own greedy loop over bare ONNX Runtime sessions, with nothing of onnx-asr in it.
"""

from __future__ import annotations

import io
import json
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pytest
import soundfile
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from cloudai.driver import Call
from cloudai.errors import ErrorCode, InvalidInput, MissingDependency, ServiceError, TooLarge, Unsupported
from cloudai.types.media import Media, MediaKind
from cloudai.types.speech import TranscribeRequest, TranscribeResult
from cloudai_local.asr_windows import RATE, windows
from cloudai_local.engine import choose
from cloudai_local.recognition import OnnxAsrEngine, PocketSphinxEngine, engines
from cloudai_local.settings import LocalOptions, LocalSettings
from cloudai_local.sphinx import grammar_of

pytestmark = pytest.mark.program("espeak-ng")

CALL = Call(timeout=120)
Floats = npt.NDArray[np.float32]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDAI_CACHE", str(tmp_path / "cache"))


def audio(samples: npt.NDArray[np.generic], rate: int = RATE, saved_as: str = "WAV", subtype: str = "PCM_16") -> Media:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=saved_as, subtype=subtype)
    return Media(kind=MediaKind.AUDIO, data=file.getvalue())


def hear(engine: OnnxAsrEngine | PocketSphinxEngine, source: Media, **wishes: object) -> TranscribeResult:
    return engine.transcribe(TranscribeRequest.model_validate({"audio": source, **wishes}), CALL)


# --- a Whisper-shaped model ------------------------------------------------------------------------

WIDTH, HEADS, FRAMES = 24, 2, 20
SPECIAL = ["<|endoftext|>", "<|startoftranscript|>", "<|en|>", "<|de|>", "<|transcribe|>", "<|notimestamps|>"]
PIECES = [f"Ġ{head}{tail}" for head in "bdfgklmnprst" for tail in ("a", "e", "i", "o", "un", "ark")]
TOKENS = PIECES + SPECIAL
ID = {token: number for number, token in enumerate(TOKENS)}
LONGEST = 40
"""Every utterance ends by then: the position table makes the end ever more likely."""


def weights() -> dict[str, npt.NDArray[np.generic]]:
    random = np.random.default_rng(11)
    table = {
        "mel": random.normal(0, 0.4, (80, WIDTH)),
        "token": random.normal(0, 1, (len(TOKENS), WIDTH)),
        "position": random.normal(0, 1, (448, WIDTH)),
        "out": random.normal(0, 1, (WIDTH, len(TOKENS))),
    }
    for attention in ("self", "cross"):
        for part in ("q", "k", "v"):
            table[f"{attention}_{part}"] = random.normal(0, 0.4, (WIDTH, WIDTH))
    place = random.normal(0, 4, (448, len(TOKENS)))
    place[:, [ID[token] for token in SPECIAL]] = -90
    place[:, ID["<|endoftext|>"]] = -40 + 4 * np.arange(448)
    place[0, [ID["<|en|>"], ID["<|de|>"]]] = 300
    table["place"] = place
    table["causal"] = np.triu(np.full((448, 448), -1e9), 1)
    return {name: values.astype(np.float32) for name, values in table.items()}


def node(operator: str, inputs: str, outputs: str, **attributes: object) -> onnx.NodeProto:
    return helper.make_node(operator, inputs.split(), outputs.split(), **attributes)


def encoder() -> onnx.ModelProto:
    """input_features [b, 80, 3000] -> last_hidden_state [b, 20, 24]: means of 150 frames, one dense layer."""
    nodes = [
        helper.make_node("Transpose", ["input_features"], ["by_frame"], perm=[0, 2, 1]),
        helper.make_node("Reshape", ["by_frame", "blocks"], ["blocked"]),
        helper.make_node("ReduceMean", ["blocked"], ["means"], axes=[2], keepdims=0),
        helper.make_node("MatMul", ["means", "mel"], ["dense"]),
        helper.make_node("Tanh", ["dense"], ["last_hidden_state"]),
    ]
    blocks = numpy_helper.from_array(np.array([0, FRAMES, 3000 // FRAMES, 80]), "blocks")
    return model(
        nodes,
        [("input_features", TensorProto.FLOAT, ["b", 80, 3000])],
        [("last_hidden_state", TensorProto.FLOAT, ["b", FRAMES, WIDTH])],
        {"mel": weights()["mel"]},
        [blocks],
    )


CACHE = [f"0.{whose}.{part}" for whose in ("decoder", "encoder") for part in ("key", "value")]


def decoder() -> onnx.ModelProto:
    """One layer in the form of Optimum's merged decoder: with `use_cache_branch` it takes one token and the past."""
    branches = {"then_branch": branch(cached=True), "else_branch": branch(cached=False)}
    nodes = [
        helper.make_node("If", ["use_cache_branch"], ["logits", *(f"present.{name}" for name in CACHE)], **branches)
    ]
    past: list[str | int] = ["b", HEADS, "past", WIDTH // HEADS]
    more = [
        ("first", np.array([0])),
        ("second", np.array([1])),
        ("heads", np.array([0, 0, HEADS, -1])),
        ("flat", np.array([0, 0, WIDTH])),
    ]
    more.append(("nothing", np.zeros((0, HEADS, 1, WIDTH // HEADS), np.float32)))
    inputs: list[Port] = [
        ("input_ids", TensorProto.INT64, ["b", "n"]),
        ("encoder_hidden_states", TensorProto.FLOAT, ["b", "t", WIDTH]),
        ("use_cache_branch", TensorProto.BOOL, [1]),
        *((f"past_key_values.{name}", TensorProto.FLOAT, past) for name in CACHE),
    ]
    outputs: list[Port] = [
        ("logits", TensorProto.FLOAT, ["b", "n", len(TOKENS)]),
        *((f"present.{name}", TensorProto.FLOAT, past) for name in CACHE),
    ]
    values = {name: value for name, value in weights().items() if name != "mel"}
    return model(nodes, inputs, outputs, values, [numpy_helper.from_array(value, name) for name, value in more])


def branch(*, cached: bool) -> onnx.GraphProto:
    """What is said next after all tokens at once, or after one more with the keys and values of those before."""
    key, value, heard_key, heard_value = (f"past_key_values.{name}" for name in CACHE)
    nodes = [node("Shape", "input_ids", "count", start=1, end=2)]
    if cached:
        nodes += [node("Shape", key, "begin", start=2, end=3), node("Add", "begin count", "end")]
    else:
        nodes += [node("Identity", "first", "begin"), node("Identity", "count", "end")]
    nodes += [
        node("Gather", "token input_ids", "embedded"),
        node("Slice", "position begin end", "positions"),
        node("Add", "embedded positions", "x"),
        *projected("x", "self_q", "q"),
        *projected("x", "self_k", "new_key"),
        *projected("x", "self_v", "new_value"),
    ]
    if cached:
        nodes += [
            node("Concat", f"{key} new_key", "keys", axis=2),
            node("Concat", f"{value} new_value", "values", axis=2),
        ]
        nodes += [node("Identity", heard_key, "sound_keys"), node("Identity", heard_value, "sound_values")]
        present = ("keys", "values", "nothing", "nothing")
    else:
        nodes += [node("Identity", "new_key", "keys"), node("Identity", "new_value", "values")]
        nodes += projected("encoder_hidden_states", "cross_k", "sound_keys")
        nodes += projected("encoder_hidden_states", "cross_v", "sound_values")
        present = ("keys", "values", "sound_keys", "sound_values")
        nodes += [node("Slice", "causal begin end", "rows"), node("Slice", "rows begin end second", "mask")]
    nodes += attended("q keys values", "said", mask="" if cached else "mask")
    nodes += [*projected("x", "cross_q", "asked"), *attended("asked sound_keys sound_values", "heard", mask="")]
    nodes += [
        node("Sum", "x said heard", "mixed"),
        node("Tanh", "mixed", "state"),
        node("MatMul", "state out", "scores"),
        node("Slice", "place begin end", "placed"),
        node("Add", "scores placed", "branch_logits"),
        *(node("Identity", source, f"branch.{name}") for source, name in zip(present, CACHE, strict=True)),
    ]
    outputs = [helper.make_tensor_value_info("branch_logits", TensorProto.FLOAT, None)]
    outputs += [helper.make_tensor_value_info(f"branch.{name}", TensorProto.FLOAT, None) for name in CACHE]
    return helper.make_graph(nodes, "cached" if cached else "whole", [], outputs)


def projected(source: str, weight: str, target: str) -> list[onnx.NodeProto]:
    """[b, n, width] -> [b, heads, n, width / heads]."""
    return [
        node("MatMul", f"{source} {weight}", f"{target}_flat"),
        node("Reshape", f"{target}_flat heads", f"{target}_split"),
        node("Transpose", f"{target}_split", target, perm=[0, 2, 1, 3]),
    ]


def attended(query_keys_values: str, target: str, *, mask: str) -> list[onnx.NodeProto]:
    query, keys, values = query_keys_values.split()
    return [
        node("Transpose", keys, f"{target}_keys", perm=[0, 1, 3, 2]),
        node("MatMul", f"{query} {target}_keys", f"{target}_likeness"),
        node("Sum", f"{target}_likeness {mask}", f"{target}_masked"),
        node("Softmax", f"{target}_masked", f"{target}_shares", axis=-1),
        node("MatMul", f"{target}_shares {values}", f"{target}_heads"),
        node("Transpose", f"{target}_heads", f"{target}_split", perm=[0, 2, 1, 3]),
        node("Reshape", f"{target}_split flat", target),
    ]


Port = tuple[str, int, list[str | int]]


def model(
    nodes: list[onnx.NodeProto],
    inputs: list[Port],
    outputs: list[Port],
    values: dict[str, npt.NDArray[np.generic]],
    more: list[onnx.TensorProto],
) -> onnx.ModelProto:
    tensors = [numpy_helper.from_array(value, name) for name, value in values.items()] + more
    ports = [[helper.make_tensor_value_info(*port) for port in side] for side in (inputs, outputs)]
    graph = helper.make_graph(nodes, "graph", *ports, tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.fixture
def whisper(tmp_path: Path) -> Path:
    folder = tmp_path / "models" / "tiny-whisper"
    (folder / "onnx").mkdir(parents=True)
    (folder / "model.toml").write_text('task = "transcribe"\nfamily = "whisper"\n')
    onnx.save(encoder(), folder / "onnx" / "encoder_model.onnx")
    onnx.save(decoder(), folder / "onnx" / "decoder_model_merged.onnx")
    (folder / "vocab.json").write_text(json.dumps({token: ID[token] for token in PIECES}))
    (folder / "added_tokens.json").write_text(json.dumps({token: ID[token] for token in SPECIAL}))
    (folder / "config.json").write_text('{"model_type": "whisper", "num_mel_bins": 80}')
    return folder


@pytest.fixture
def engine(whisper: Path) -> Iterator[OnnxAsrEngine]:
    found = engines(LocalSettings(provider="local", models=whisper.parent, threads=1))[0]
    assert isinstance(found, OnnxAsrEngine)
    yield found
    found.close()


def log_mel(samples: Floats) -> Floats:
    """whisper/audio.py: 400-point Hann frames each 160 samples of 30 s, Slaney mels, log10 in a range of 8."""
    padded = np.pad(np.pad(samples, (0, 30 * RATE - len(samples))), 200, mode="reflect").astype(np.float64)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    frames = np.stack([padded[at : at + 400] * window for at in range(0, 30 * RATE, 160)])
    power = np.abs(np.fft.rfft(frames)) ** 2
    mels = np.log10(np.maximum(power @ mel_filters(), 1e-10))
    return ((np.maximum(mels, mels.max() - 8) + 4) / 4).T[None].astype(np.float32)


def mel_filters() -> npt.NDArray[np.float64]:
    """80 triangles of equal area, linear to 1000 Hz and logarithmic above (M. Slaney, Auditory Toolbox, 1998)."""
    steps = np.linspace(0, 15 + 27 * np.log(8000 / 1000) / np.log(6.4), 82)
    edges = np.where(steps < 15, steps * 200 / 3, 1000 * np.exp((steps - 15) * np.log(6.4) / 27))
    hertz = np.arange(201)[:, None] * RATE / 400
    rising = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    return np.maximum(0, np.minimum(rising, falling)) * 2 / (edges[2:] - edges[:-2])


def reference(folder: Path, samples: Floats, language: str | None) -> list[str]:
    """Greedy decoding of one window: the tokens that were said."""
    encode, decode = (
        onnxruntime.InferenceSession(folder / "onnx" / f"{name}.onnx", providers=["CPUExecutionProvider"])
        for name in ("encoder_model", "decoder_model_merged")
    )
    (hidden,) = encode.run(None, {"input_features": log_mel(samples)})

    def scores(tokens: list[int]) -> Floats:
        """All tokens at once, each time: nothing is kept from the step before."""
        past = np.zeros((0, HEADS, 0, WIDTH // HEADS), np.float32)
        feed = {"input_ids": np.array([tokens]), "encoder_hidden_states": hidden, "use_cache_branch": np.array([False])}
        return np.asarray(decode.run(["logits"], feed | {f"past_key_values.{name}": past for name in CACHE})[0])[0, -1]

    start = ID["<|startoftranscript|>"]
    spoken = ID[f"<|{language}|>"] if language else max((ID["<|en|>"], ID["<|de|>"]), key=lambda i: scores([start])[i])
    tokens = [start, spoken, ID["<|transcribe|>"], ID["<|notimestamps|>"]]
    said = []
    while (best := int(scores(tokens).argmax())) != ID["<|endoftext|>"]:
        tokens.append(best)
        said.append(TOKENS[best])
    return said


def tune(seconds: float, seed: int) -> Floats:
    """Something to hear: tones that change every fifth of a second, and noise."""
    random = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    pitch = np.repeat(random.uniform(150, 3000, int(seconds * 5) + 1), RATE // 5)[: len(time)]
    return (0.4 * np.sin(2 * np.pi * pitch * time) + random.normal(0, 0.02, len(time))).astype(np.float32)


@pytest.mark.parametrize("language", ["en", "de", None])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_tokens_equal_the_references(engine: OnnxAsrEngine, whisper: Path, language: str | None, seed: int) -> None:
    sound = tune(4, seed)
    result = hear(engine, audio(sound, subtype="FLOAT"), language=language)
    want = reference(whisper, sound, language)
    assert 3 < len(want) < LONGEST
    assert [f"Ġ{word}" for word in result.text.split()] == want
    assert result.language == language
    assert result.duration == pytest.approx(4)


def test_what_is_said_depends_on_the_sound_and_on_the_language(engine: OnnxAsrEngine) -> None:
    said = {
        pair: hear(engine, audio(tune(4, pair[0])), language=pair[1]).text for pair in ((1, "en"), (2, "en"), (1, "de"))
    }
    assert len(set(said.values())) == 3


def test_a_regional_language_is_told_as_its_language(engine: OnnxAsrEngine) -> None:
    sound = audio(tune(4, 1))
    result = hear(engine, sound, language="en-AU")
    assert result.text == hear(engine, sound, language="en").text
    assert result.language == "en-AU"


def test_an_unknown_language_is_unsupported(engine: OnnxAsrEngine) -> None:
    with pytest.raises(Unsupported, match="no language 'xx'"):
        hear(engine, audio(tune(1, 1)), language="xx")


@dataclass(frozen=True, kw_only=True)
class Stored:
    """One way to store the same sound."""

    saved_as: str
    subtype: str
    rate: int = RATE
    channels: int = 1


@pytest.mark.parametrize(
    "how",
    [
        Stored(saved_as="WAV", subtype="PCM_24"),
        Stored(saved_as="WAV", subtype="PCM_U8"),
        Stored(saved_as="WAV", subtype="FLOAT", rate=44_100),
        Stored(saved_as="WAV", subtype="ULAW", rate=8000),
        Stored(saved_as="WAV", subtype="PCM_16", rate=48_000, channels=2),
        Stored(saved_as="FLAC", subtype="PCM_24", rate=96_000),
        Stored(saved_as="MP3", subtype="MPEG_LAYER_III", rate=22_050),
        Stored(saved_as="OGG", subtype="OPUS", rate=24_000),
        Stored(saved_as="OGG", subtype="VORBIS", rate=8000),
    ],
    ids=lambda how: f"{how.subtype}-{how.rate}",
)
def test_every_form_of_audio_is_decoded_to_its_length(engine: OnnxAsrEngine, how: Stored) -> None:
    sound = soxr.resample(tune(2, 5) * 0.7, RATE, how.rate)
    stored = np.repeat(sound[:, None], how.channels, axis=1)
    result = hear(engine, audio(stored, how.rate, how.saved_as, how.subtype), language="en")
    assert result.duration == pytest.approx(2, abs=0.1)
    assert result.text


def test_24_bit_stereo_says_what_16_bit_mono_says(engine: OnnxAsrEngine) -> None:
    sound = tune(3, 6)
    plain = hear(engine, audio(sound, subtype="FLOAT"), language="en").text
    assert hear(engine, audio(np.stack([sound, sound], axis=1), subtype="PCM_24"), language="en").text == plain


def test_channels_are_heard_apart(engine: OnnxAsrEngine) -> None:
    left, right = tune(3, 7), tune(3, 8)
    both = audio(np.stack([left, right], axis=1), subtype="FLOAT")
    result = hear(engine, both, language="en", channels=True)
    assert [segment.channel for segment in result.segments] == [0, 1]
    alone = [hear(engine, audio(sound, subtype="FLOAT"), language="en").text for sound in (left, right)]
    assert [segment.text for segment in result.segments] == alone
    assert hear(engine, both, language="en").segments[0].channel is None


def test_long_audio_is_heard_in_windows_with_their_times(engine: OnnxAsrEngine, whisper: Path) -> None:
    parts = [tune(22, 1), np.zeros(RATE, np.float32), tune(27, 2), np.zeros(40 * RATE, np.float32), tune(5, 3)]
    result = hear(engine, audio(np.concatenate(parts), subtype="FLOAT"), language="en")
    starts = [segment.start or 0 for segment in result.segments]
    ends = [segment.end or 0 for segment in result.segments]
    assert starts[0] == 0
    assert 22 <= ends[0] <= 23, "the first cut is in the pause"
    assert all(end - start <= 30 for start, end in zip(starts, ends, strict=True))
    assert ends[-1] == pytest.approx(95)
    assert result.duration == pytest.approx(95)
    assert result.usage[0].quantity == Decimal(95)
    assert result.text == " ".join(segment.text for segment in result.segments)
    first = np.concatenate(parts)[: round(ends[0] * RATE)]
    assert [f"Ġ{word}" for word in result.segments[0].text.split()] == reference(whisper, first, "en")
    assert "00:00:00,000 --> 00:00:22," in result.to_srt()


def test_silence_says_nothing(engine: OnnxAsrEngine) -> None:
    result = hear(engine, audio(np.zeros(3 * RATE, np.float32)))
    assert (result.text, result.segments, result.duration) == ("", (), 3)


@given(st.lists(st.tuples(st.floats(0.1, 45), st.booleans()), min_size=1, max_size=5), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_windows_are_short_and_leave_out_silence_only(parts: list[tuple[float, bool]], seed: int) -> None:
    pieces = [tune(seconds, seed) if loud else np.zeros(int(seconds * RATE), np.float32) for seconds, loud in parts]
    sound = np.concatenate(pieces)
    found = list(windows(sound))
    covered = np.zeros(len(sound), bool)
    for window in found:
        start = round(window.start * RATE)
        assert 0 < len(window.samples) <= 30 * RATE
        assert not covered[start : start + len(window.samples)].any()
        covered[start : start + len(window.samples)] = True
    assert np.abs(sound[~covered]).max(initial=0) < 1e-4


@pytest.mark.parametrize(
    "wish",
    [
        {"diarization": True}, {"alternatives": 3}, {"profanity": "mask"}, {"phrases": ("Acme",)},
        {"punctuation": False}, {"word_timestamps": True}, {"languages": ("en", "de")},
    ],
)  # fmt: skip
def test_what_it_cannot_do_is_a_notice(engine: OnnxAsrEngine, wish: dict[str, object]) -> None:
    result = hear(engine, audio(tune(2, 1)), **wish)
    assert [(notice.code, notice.message.split(":")[0]) for notice in result.warnings] == [
        ("option_ignored", next(iter(wish)))
    ]


def test_a_deadline_is_kept_between_windows(engine: OnnxAsrEngine) -> None:
    with pytest.raises(ServiceError) as caught:
        engine.transcribe(TranscribeRequest(audio=audio(tune(70, 1)), language="en"), Call(timeout=0.000_001))
    assert caught.value.code is ErrorCode.DEADLINE_EXCEEDED


def test_many_threads_hear_the_same(engine: OnnxAsrEngine) -> None:
    sound = audio(tune(3, 4))
    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(lambda _: hear(engine, sound, language="de").text, range(12)))) == 1


def test_a_result_survives_json(engine: OnnxAsrEngine) -> None:
    result = hear(engine, audio(tune(3, 4)))
    assert TranscribeResult.model_validate_json(result.model_dump_json()) == result


# --- a CTC model with times ------------------------------------------------------------------------

CTC_VOCAB = ["▁go", "▁for", "ward", "▁ten", "<blk>"]
SCRIPT = {2: 0, 5: 1, 7: 2, 12: 3}
"""Frame (of 80 ms) -> token."""


@pytest.fixture
def ctc(tmp_path: Path) -> OnnxAsrEngine:
    """A NeMo-shaped CTC model that says the same whatever it hears: the script, with probability 0.8 a token."""
    folder = tmp_path / "ctc-models" / "tiny-ctc"
    folder.mkdir(parents=True)
    logits = np.full((400, len(CTC_VOCAB)), np.log(0.05), np.float32)
    logits[:, 4] = np.log(0.8)
    for frame, token in SCRIPT.items():
        logits[frame, [token, 4]] = np.log(0.8), np.log(0.05)
    nodes = [
        helper.make_node("Shape", ["audio_signal"], ["steps"], start=2, end=3),
        helper.make_node("Add", ["steps", "seven"], ["more"]),
        helper.make_node("Div", ["more", "eight"], ["frames"]),
        helper.make_node("Slice", ["script", "zero", "frames"], ["cut"]),
        helper.make_node("Unsqueeze", ["cut", "zero"], ["logprobs"]),
    ]
    numbers = [
        numpy_helper.from_array(np.array([value]), name) for name, value in (("seven", 7), ("eight", 8), ("zero", 0))
    ]
    graph = model(
        nodes,
        [("audio_signal", TensorProto.FLOAT, ["b", 80, "t"]), ("length", TensorProto.INT64, ["b"])],
        [("logprobs", TensorProto.FLOAT, ["b", "f", len(CTC_VOCAB)])],
        {"script": logits},
        numbers,
    )
    onnx.save(graph, folder / "model.onnx")
    (folder / "vocab.txt").write_text("".join(f"{token} {number}\n" for number, token in enumerate(CTC_VOCAB)))
    (folder / "model.toml").write_text('task = "transcribe"\nfamily = "nemo-conformer-ctc"\nlanguage = "en"\n')
    found = engines(LocalSettings(provider="local", models=folder.parent))[0]
    assert isinstance(found, OnnxAsrEngine)
    return found


def test_words_have_the_times_and_the_likelihood_of_their_tokens(ctc: OnnxAsrEngine) -> None:
    result = hear(ctc, audio(tune(2, 1)), word_timestamps=True)
    assert result.text == "go forward ten"
    words = result.segments[0].words
    assert [word.text for word in words] == ["go", "forward", "ten"]
    assert [word.start for word in words] == pytest.approx([0.16, 0.40, 0.96])
    assert [word.confidence for word in words] == pytest.approx([0.8, 0.8, 0.8], abs=1e-3)
    assert result.warnings == ()
    assert result.language == "en"


def test_times_count_from_the_start_of_the_audio_not_of_the_window(ctc: OnnxAsrEngine) -> None:
    sound = np.concatenate([tune(26, 1), np.zeros(RATE, np.float32), tune(20, 1)])
    result = hear(ctc, audio(sound))
    for segment in result.segments:
        assert segment.words[0].start == pytest.approx((segment.start or 0) + 0.16)
    assert len(result.segments) == 2


def test_a_broken_folder_does_not_stand_in_the_way_of_a_sound_one(ctc: OnnxAsrEngine, tmp_path: Path) -> None:
    broken = tmp_path / "ctc-models" / "broken"
    broken.mkdir()
    (broken / "model.toml").write_text('task = "transcribe"\nfamily = "wisper"\n')
    assert hear(ctc, audio(tune(1, 1))).model == "tiny-ctc (nemo-conformer-ctc)"
    with pytest.raises(InvalidInput, match=r"broken.*family"):
        hear(ctc, audio(tune(1, 1)), language="de")


def test_a_model_of_another_language_is_not_taken(ctc: OnnxAsrEngine) -> None:
    with pytest.raises(Unsupported, match="no model here hears 'de': tiny-ctc"):
        hear(ctc, audio(tune(1, 1)), language="de")
    assert hear(ctc, audio(tune(1, 1)), language="en-GB").text


# --- model folders that are wrong ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("model.toml", 'task = "transcribe"\nfamily = "wisper"', "family: Input should be 'whisper'"),
        ("model.toml", 'task = "transcribe"', "family: Field required"),
        ("vocab.json", None, "vocab.json' not found"),
        ("added_tokens.json", "{}", "startoftranscript"),
        ("vocab.json", "[[", "can't be loaded"),
        ("onnx/encoder_model.onnx", "", "not an ONNX model|can't be loaded"),
        ("onnx/encoder_model.onnx", "no model at all", "not an ONNX model|can't be loaded"),
        ("onnx/encoder_model.onnx", None, "encoder_model.onnx' not found"),
    ],
)
def test_a_wrong_model_folder_is_invalid_input(
    engine: OnnxAsrEngine, whisper: Path, file: str, content: str | None, message: str
) -> None:
    if content is None:
        (whisper / file).unlink()
    else:
        (whisper / file).write_text(content)
    with pytest.raises(InvalidInput, match=message):
        hear(engine, audio(tune(1, 1)))


def test_external_data_outside_the_folder_is_refused(engine: OnnxAsrEngine, whisper: Path) -> None:
    (whisper.parent / "secret.bin").write_bytes(bytes(80 * WIDTH * 4))
    graph = encoder()
    tensor = graph.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../secret.bin")
    (whisper / "onnx" / "encoder_model.onnx").write_bytes(graph.SerializeToString())
    with pytest.raises(InvalidInput, match="leaves the model's folder"):
        hear(engine, audio(tune(1, 1)))


def test_several_models_are_not_guessed_among(engine: OnnxAsrEngine, whisper: Path) -> None:
    other = whisper.parent / "other"
    other.mkdir()
    (other / "model.toml").write_text('task = "transcribe"\nfamily = "whisper"\n')
    with pytest.raises(InvalidInput, match="several could hear this: other, tiny-whisper"):
        hear(engine, audio(tune(1, 1)))
    call = Call(timeout=60, options=LocalOptions(model="tiny-whisper"))
    assert engine.transcribe(TranscribeRequest(audio=audio(tune(1, 1))), call).model == "tiny-whisper (whisper)"
    (other / "model.toml").write_text('task = "transcribe"\nfamily = "whisper"\nlanguage = "fr"\n')
    assert hear(engine, audio(tune(1, 1)), language="en").model == "tiny-whisper (whisper)"


# --- bad audio -------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"words, not sound", b"RIFF\x00\x00\x00\x00WAVEfmt ", b"ID3\x04" + bytes(400)])
def test_bad_audio_is_invalid_input(engine: OnnxAsrEngine, data: bytes) -> None:
    with pytest.raises(InvalidInput):
        hear(engine, Media(kind=MediaKind.AUDIO, data=data))


def test_a_clip_of_no_seconds_is_invalid_input(engine: OnnxAsrEngine) -> None:
    with pytest.raises(InvalidInput, match="no samples"):
        hear(engine, audio(np.zeros(0, np.float32)))


def test_a_clip_of_one_sample_is_heard(engine: OnnxAsrEngine) -> None:
    assert hear(engine, audio(np.ones(1, np.float32)), language="en").duration == pytest.approx(1 / RATE)


def test_five_hours_are_too_long(engine: OnnxAsrEngine) -> None:
    with pytest.raises(TooLarge, match=r"5\.0 hours"):
        hear(engine, audio(np.zeros(5 * 3600 * 1000, np.int16), 1000))


# --- pocketsphinx under a grammar ------------------------------------------------------------------

GRAMMAR = """#JSGF V1.0;
grammar robot;
public <command> = <answer> | <move>;  // what it understands
<answer> = yes | no;
<move> = (go | turn) (forward | backward | left | right) [<number> meters];
<number> = one | two | three | ten;
"""
COMMANDS = ["yes", "no", "go forward ten meters", "go backward three meters", "turn left", "turn right", "go forward"]


@pytest.fixture
def sphinx() -> PocketSphinxEngine:
    found = engines(LocalSettings(provider="local"))[1]
    assert isinstance(found, PocketSphinxEngine)
    return found


def spoken(text: str, *arguments: str) -> npt.NDArray[np.int16]:
    """By espeak-ng, at its own 22,050 Hz."""
    command = ["espeak-ng", "-v", "en-us", "--stdin", "--stdout", *arguments]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
    return np.frombuffer(done.stdout[44:], dtype="<i2")


@pytest.mark.parametrize("text", COMMANDS)
def test_espeak_is_understood_under_a_grammar(sphinx: PocketSphinxEngine, text: str) -> None:
    result = hear(sphinx, audio(spoken(text), 22_050), grammar=GRAMMAR)
    print(f"said {text!r}, heard {result.text!r}")
    assert result.text == text
    assert result.language == "en-US"
    assert result.warnings == ()
    (segment,) = result.segments
    assert segment.confidence is not None
    assert [word.text for word in segment.words] == text.split()
    assert all(0 <= (word.confidence if word.confidence is not None else -1) <= 1 for word in segment.words)


def test_segments_have_the_times_at_which_they_were_said(sphinx: PocketSphinxEngine) -> None:
    pause = np.zeros(22_050, np.int16)
    first, second = spoken("go backward"), spoken("turn right")
    result = hear(sphinx, audio(np.concatenate([pause, first, pause, second, pause]), 22_050), grammar=GRAMMAR)
    assert [segment.text for segment in result.segments] == ["go backward", "turn right"]
    said_at = (1.0, 2.0 + len(first) / 22_050)
    for segment, start in zip(result.segments, said_at, strict=True):
        assert segment.start == pytest.approx(start, abs=0.4)
        times = [(word.start or 0, word.end or 0) for word in segment.words]
        assert times == sorted(times)
        assert times[-1][1] == segment.end
    assert "go backward" in result.to_vtt()


def test_what_the_grammar_has_no_words_for_is_not_made_up(sphinx: PocketSphinxEngine) -> None:
    result = hear(sphinx, audio(spoken("the weather is nice today in Berlin"), 22_050), grammar=GRAMMAR)
    assert result.text == ""
    (notice,) = result.warnings
    assert "no sentence of the grammar" in notice.message
    assert "American English" in notice.message


def test_phrases_are_a_grammar_and_that_is_said(sphinx: PocketSphinxEngine) -> None:
    result = hear(sphinx, audio(spoken("turn left"), 22_050), phrases=("Turn left!", "turn right", "stop"))
    assert result.text == "turn left"
    assert [notice.code for notice in result.warnings] == ["partial"]


def test_free_speech_is_refused_not_guessed(sphinx: PocketSphinxEngine) -> None:
    with pytest.raises(Unsupported, match=r"not free speech; give one, or install a model: cloudai local models pull"):
        hear(sphinx, audio(spoken("turn left"), 22_050))


def test_other_languages_are_refused(sphinx: PocketSphinxEngine) -> None:
    with pytest.raises(Unsupported, match="English only"):
        hear(sphinx, audio(spoken("yes"), 22_050), grammar=GRAMMAR, language="de")
    assert hear(sphinx, audio(spoken("yes"), 22_050), grammar=GRAMMAR, language="en-GB").text == "yes"


@pytest.mark.parametrize(
    ("grammar", "message"),
    [
        ("yes | no", "not JSGF"),
        ("", "not JSGF"),
        ("#JSGF V1.0; grammar g; public <c> = (yes | no;", "not JSGF"),
        ("#JSGF V1.0; grammar g; public <c> = yes | Kubernetes | qwertz;", "dictionary .*: Kubernetes, qwertz"),
        ("#JSGF V1.0; grammar g; import <etc.passwd>; public <c> = yes;", "may not import"),
        ("x" * 100_001, "100,000"),
    ],
)
def test_a_wrong_grammar_is_invalid_input(sphinx: PocketSphinxEngine, grammar: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        hear(sphinx, audio(spoken("yes"), 22_050), grammar=grammar)


def test_phrases_without_words_are_invalid_input() -> None:
    with pytest.raises(InvalidInput, match="no English words"):
        grammar_of(("yes", "…"))


def test_one_call_does_not_change_the_next(sphinx: PocketSphinxEngine) -> None:
    sound = audio(spoken("go forward ten meters", "-p", "80"), 22_050)
    first = hear(sphinx, sound, grammar=GRAMMAR)
    hear(sphinx, audio((spoken("turn left") // 20).astype(np.int16), 22_050), grammar=GRAMMAR)
    assert hear(sphinx, sound, grammar=GRAMMAR) == first


def test_a_grammar_goes_to_pocketsphinx_unless_the_model_was_named(engine: OnnxAsrEngine) -> None:
    sound = audio(spoken("turn left"), 22_050)
    assert hear(engine, sound, grammar=GRAMMAR).text == "turn left"
    call = Call(timeout=60, options=LocalOptions(engine="onnx-asr"))
    result = engine.transcribe(TranscribeRequest(audio=sound, grammar=GRAMMAR), call)
    assert (result.model or "").startswith("tiny-whisper")
    assert [notice.code for notice in result.warnings] == ["option_ignored"]


def test_without_a_model_the_error_says_what_to_pull() -> None:
    first, second = engines(LocalSettings(provider="local"))
    gap = first.missing()
    assert gap is not None
    assert "cloudai local models pull" in gap.install
    assert choose((first, second), operation="speech.transcribe") is second
    with pytest.raises(MissingDependency, match="cloudai local models pull"):
        choose((first, second), operation="speech.transcribe", wanted="onnx-asr")
