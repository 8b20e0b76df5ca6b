"""The bad inputs that people really send, through the local backend: each has its code, the CLI says it in words."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import wave
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

from cloudai import Client, CloudAIError, ErrorCode
from cloudai.testing.samples import picture

GRAMMAR = "#JSGF V1.0; grammar g; public <g> = yes | no;"


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with Client(backend="local") as opened:
        yield opened


def jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(picture())).convert("RGB").save(buffer, "JPEG")
    return buffer.getvalue()


def huge_png() -> bytes:
    """20,000 x 10,000 pixels in a few hundred bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 20_000, 10_000, 1, 0, 0, 0, 0)
    rows = zlib.compress(bytes(10))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def wav(*, seconds: float = 0.5, rate: int = 16_000, channels: int = 1, width: int = 2) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate)
        file.writeframes(bytes(int(seconds * rate) * channels * width))
    return buffer.getvalue()


IMAGES: dict[str, tuple[Callable[[], bytes], ErrorCode, str]] = {
    "empty file": (lambda: b"", ErrorCode.INVALID_INPUT, "is empty"),
    "text named .png": (lambda: b"I am no picture.\n", ErrorCode.INVALID_INPUT, "text"),
    "truncated jpeg": (lambda: jpeg()[:-400], ErrorCode.INVALID_INPUT, "truncated or corrupt"),
    "200-megapixel png": (huge_png, ErrorCode.TOO_LARGE, "200,000,000 pixels"),
    "sound": (wav, ErrorCode.INVALID_INPUT, "audio"),
}


@pytest.mark.parametrize("case", IMAGES)
def test_a_bad_image_has_its_code(case: str, client: Client, tmp_path: Path) -> None:
    make, code, words = IMAGES[case]
    path = tmp_path / "input.png"
    path.write_bytes(make())
    with pytest.raises(CloudAIError, match=words) as caught:
        client.vision.read_text(path)
    assert caught.value.code is code


SOUNDS: dict[str, tuple[Callable[[], bytes], ErrorCode, str]] = {
    "0 seconds": (lambda: wav(seconds=0), ErrorCode.INVALID_INPUT, "0 seconds"),
    "cut short": (lambda: wav()[:-2000], ErrorCode.INVALID_INPUT, "truncated or corrupt"),
    "a picture": (picture, ErrorCode.INVALID_INPUT, "image"),
    "empty": (lambda: b"", ErrorCode.INVALID_INPUT, "is empty"),
}


@pytest.mark.parametrize("case", SOUNDS)
def test_a_bad_sound_has_its_code(case: str, client: Client) -> None:
    make, code, words = SOUNDS[case]
    with pytest.raises(CloudAIError, match=words) as caught:
        client.speech.transcribe(make(), grammar=GRAMMAR)
    assert caught.value.code is code


@pytest.mark.parametrize("form", [{"width": 3}, {"rate": 8000}, {"channels": 2}, {"width": 1}])
def test_24_bit_8_khz_stereo_and_8_bit_sound_are_taken(form: dict[str, int], client: Client) -> None:
    result = client.speech.transcribe(wav(**form), grammar=GRAMMAR)
    assert result.duration == pytest.approx(0.5, abs=0.01)


def test_an_mp3_is_taken(client: Client) -> None:
    sample = next((Path(__file__).parent / "media_samples").glob("*.mp3"))
    assert (client.speech.transcribe(sample, grammar=GRAMMAR).duration or 0) > 0


@pytest.mark.program("apertium")
def test_texts_have_their_codes(client: Client) -> None:
    cases = {
        "abc\ud800": (ErrorCode.INVALID_INPUT, "character 3"),
        "word " * 200_000: (ErrorCode.TOO_LARGE, "characters"),
    }
    for text, (code, words) in cases.items():
        with pytest.raises(CloudAIError, match=words) as caught:
            client.speech.synthesize(text)
        assert caught.value.code is code


@pytest.mark.program("apertium")
def test_a_megabyte_of_text_keeps_to_its_deadline(client: Client) -> None:
    megabyte = "The house is green. " * 52_000
    with pytest.raises(CloudAIError) as caught:
        client.translation.translate(megabyte, source="en", target="es", timeout=1.0, deadline=1.0)
    assert caught.value.code is ErrorCode.DEADLINE_EXCEEDED
    assert client.translation.detect_language(megabyte).language == "en"


@pytest.mark.program("apertium")
@pytest.mark.parametrize(("source", "target"), [("en", "xx-nonsense"), ("en", "tlh"), ("not a language", "es")])
def test_an_unknown_language_is_refused(source: str, target: str, client: Client) -> None:
    with pytest.raises(CloudAIError) as caught:
        client.translation.translate("hello", source=source, target=target)
    assert caught.value.code in (ErrorCode.INVALID_INPUT, ErrorCode.UNSUPPORTED)


def test_a_model_that_is_not_there_lists_those_that_are(client: Client) -> None:
    with pytest.raises(CloudAIError, match="no model 'flowers'") as caught:
        client.custom.predict("flowers", tensors={"x": np.zeros((1, 2), np.float32)})
    assert caught.value.code is ErrorCode.NOT_FOUND


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/hostname"])
def test_onnx_data_outside_its_folder_is_refused(location: str, tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(bytes(8))
    folder = tmp_path / "models" / "thief"
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text('task = "tensors"\n', encoding="utf-8")
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2], data_location=TensorProto.EXTERNAL)
    weights.external_data.add(key="location", value=location)
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], "g", ports[:1], ports[1:], [weights])
    (folder / "model.onnx").write_bytes(onnx.helper.make_model(graph, ir_version=9).SerializeToString())
    config = tmp_path / "cloudai.toml"
    config.write_text('[backends.here]\nprovider = "local"\nmodels = "models"\n', encoding="utf-8")
    with Client(config) as mine, pytest.raises(CloudAIError) as caught:
        mine.custom.predict("thief", tensors={"x": np.zeros(2, np.float32)})
    assert caught.value.code is ErrorCode.INVALID_INPUT
    assert "leaves the model's folder" in str(caught.value)


@pytest.mark.parametrize("case", IMAGES)
def test_no_traceback_reaches_who_types_a_command(case: str, tmp_path: Path) -> None:
    path = tmp_path / "input.png"
    path.write_bytes(IMAGES[case][0]())
    command = [sys.executable, "-m", "cloudai", "vision", "read-text", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=dict(os.environ), check=False)
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 3
