"""A classifier of handwritten digits, trained here, written as ONNX, and served from its folder by the local driver.

Data: scikit-learn's copy of the UCI "Optical Recognition of Handwritten Digits" test set, 8 x 8 pixels of 0..16.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from cloudai.calls.media import InputGuard, load
from cloudai.driver import Call
from cloudai.types.custom import PredictRequest, PredictResult
from cloudai.types.media import Media, MediaKind
from cloudai.types.tensor import Tensor
from cloudai.types.vision import DetectLabelsRequest
from cloudai_local.driver import LocalDriver
from cloudai_local.settings import LocalSettings

CALL = Call(timeout=60)
MANIFEST = """
task = "classify"
version = "3"
labels = "labels.txt"
[input]
size = [8, 8]
color = "L"
interpolation = "box"
[output]
activation = "softmax"
top_k = 3
"""


@dataclass(frozen=True, kw_only=True)
class Digits:
    driver: LocalDriver
    pixels: np.ndarray
    truth: list[str]

    def images(self) -> tuple[Media, ...]:
        return tuple(_png(row) for row in self.pixels)

    def tensor(self) -> Tensor:
        return Tensor((self.pixels / 16).reshape(-1, 1, 8, 8).astype(np.float32))


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Digits]:
    data = load_digits()
    order = np.random.default_rng(7).permutation(len(data.target))
    known, asked = order[:1300], order[1300:]
    network = MLPClassifier((128,), tol=1e-3, alpha=0.01, learning_rate_init=0.003, random_state=0)
    network.fit(data.data[known] / 16, data.target[known])
    models = tmp_path_factory.mktemp("models")
    _write(models / "digits", network)
    driver = LocalDriver(LocalSettings(provider="local", models=models), backend="here")
    yield Digits(driver=driver, pixels=data.images[asked], truth=[str(digit) for digit in data.target[asked]])
    driver.close()


def _write(folder: Path, network: MLPClassifier) -> None:
    folder.mkdir()
    weights = [
        numpy_helper.from_array(values.astype(np.float32), f"{kind}{layer}")
        for kind, layers in (("w", network.coefs_), ("b", network.intercepts_))
        for layer, values in enumerate(layers)
    ]
    nodes = [
        helper.make_node("Flatten", ["pixels"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w0", "b0"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("Gemm", ["active", "w1", "b1"], ["logits"]),
    ]
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 1, 8, 8])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 10])
    graph = helper.make_graph(nodes, "digits", [pixels], [logits], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "model.onnx")
    (folder / "model.toml").write_text(MANIFEST)
    (folder / "labels.txt").write_text("".join(f"{digit}\n" for digit in range(10)))


def _png(pixels: np.ndarray) -> Media:
    """Four times as large, in 0..255, as a file."""
    small = Image.fromarray((pixels * 255 / 16).round().astype(np.uint8))
    file = io.BytesIO()
    small.resize((32, 32), Image.Resampling.NEAREST).save(file, "PNG")
    return load(file.getvalue(), MediaKind.IMAGE, guard=InputGuard())


def _right(result: PredictResult, truth: list[str]) -> float:
    named = [prediction.labels[0].name for prediction in result.predictions]
    return float(np.mean([name == digit for name, digit in zip(named, truth, strict=True)]))


def test_held_out_digits_are_read_from_images(digits: Digits) -> None:
    result = digits.driver.predict(PredictRequest(model="digits", images=digits.images()), CALL)
    accuracy = _right(result, digits.truth)
    print(f"\ndigits from {len(digits.truth)} images: {accuracy:.4f} right")
    assert accuracy >= 0.95


def test_held_out_digits_are_read_from_tensors(digits: Digits) -> None:
    result = digits.driver.predict(PredictRequest(model="digits", tensors={"pixels": digits.tensor()}), CALL)
    assert _right(result, digits.truth) >= 0.95
    assert result.outputs["logits"].shape == (len(digits.truth), 10)


def test_images_and_tensors_of_one_digit_give_one_answer(digits: Digits) -> None:
    by_image = digits.driver.predict(PredictRequest(model="digits", images=digits.images()[:20]), CALL)
    tensor = Tensor(digits.tensor().array[:20])
    by_tensor = digits.driver.predict(PredictRequest(model="digits", tensors={"pixels": tensor}), CALL)
    for one, other in zip(by_image.predictions, by_tensor.predictions, strict=True):
        assert one.labels[0].name == other.labels[0].name
        assert one.labels[0].confidence == pytest.approx(other.labels[0].confidence, abs=0.02)  # 8-bit rounding


def test_the_envelope_says_model_version_device_and_usage(digits: Digits) -> None:
    result = digits.driver.predict(PredictRequest(model="digits", images=digits.images()[:2]), CALL)
    assert (result.model, result.version, result.device) == ("digits 3", "3", "cpu")
    assert [(usage.meter, usage.unit, usage.quantity) for usage in result.usage] == [("custom.predict", "request", 1)]
    assert PredictResult.model_validate_json(result.model_dump_json()) == result


def test_the_same_folder_serves_detect_labels(digits: Digits) -> None:
    image = digits.images()[0]
    result = digits.driver.detect_labels(DetectLabelsRequest(image=image, max_results=2), CALL)
    assert len(result.labels) == 2
    assert result.labels[0].name == digits.truth[0]
    assert (result.labels[0].confidence or 0) > (result.labels[1].confidence or 0)
    assert result.model == "digits 3 (cpu)"
    assert [(usage.meter, usage.unit) for usage in result.usage] == [("vision.detect_labels", "image")]


def test_min_confidence_drops_labels(digits: Digits) -> None:
    request = DetectLabelsRequest(image=digits.images()[0], min_confidence=0.5, language="de")
    result = digits.driver.detect_labels(request, CALL)
    assert [label.name for label in result.labels] == [digits.truth[0]]
    assert [notice.code for notice in result.warnings] == ["option_ignored"]
