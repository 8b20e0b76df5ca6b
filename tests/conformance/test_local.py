"""The local provider passes the kit with every engine that CI installs, and with small models made here."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from cloudai import Client
from cloudai.testing import DriverConformance, Harness
from cloudai.testing.samples import SAMPLES, Sample
from cloudai.types.custom import BatchPredictRequest, DeployRequest, TrainingJob

pytestmark = [pytest.mark.program("espeak-ng"), pytest.mark.program("apertium")]

GRAMMAR = "#JSGF V1.0; grammar answers; public <answer> = yes | no | hello world;"
CLASSIFY = """\
task = "classify"
labels = ["bright", "dark"]
[input]
size = [8, 8]
[output]
activation = "softmax"
"""
DETECT = """\
task = "detect"
labels = ["thing"]
[input]
size = [8, 8]
[detect]
boxes = "boxes"
scores = "scores"
normalized = true
"""


def save(folder: Path, manifest: str, graph: onnx.GraphProto) -> None:
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text(manifest, encoding="utf-8")
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, folder / "model.onnx")


def image_input() -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 8, 8])


def classifier() -> onnx.GraphProto:
    """Mean brightness, and one minus it."""
    weights = np.array([[4, -4], [4, -4], [4, -4]], np.float32)
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
    ]
    output = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])
    return helper.make_graph(nodes, "c", [image_input()], [output], [numpy_helper.from_array(weights, "weights")])


def detector() -> onnx.GraphProto:
    """One box, whatever the picture shows: the input only passes through."""
    constants = {
        "box": np.array([[[0.25, 0.25, 0.75, 0.75]]], np.float32),
        "score": np.array([[[0.9]]], np.float32),
        "zero": np.array(0, np.float32),
    }
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("ReduceSum", ["nothing"], ["none"], keepdims=0),
        helper.make_node("Add", ["box", "none"], ["boxes"]),
        helper.make_node("Add", ["score", "none"], ["scores"]),
    ]
    outputs = [
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, 1, 4]),
        helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 1, 1]),
    ]
    initializers = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    return helper.make_graph(nodes, "d", [image_input()], outputs, initializers)


def speech() -> bytes:
    """`hello world`, spoken by espeak-ng."""
    command = ["espeak-ng", "-v", "en-us", "-s", "130", "--stdout", "hello world"]
    return subprocess.run(command, capture_output=True, check=True).stdout


SOURCE: list[str] = []


def training_job() -> TrainingJob:
    """A script that writes a model of one byte."""
    return TrainingJob(name="conformance", script="train.py", source=SOURCE[-1])


MODELS: list[Path] = []


def deployment() -> DeployRequest:
    """A model folder behind `cloudai serve`."""
    return DeployRequest(model=str(MODELS[-1] / "brightness"), name="conformance")


def batch() -> BatchPredictRequest:
    """Two lines for a model folder."""
    rows = MODELS[-1].parent / "rows"
    return BatchPredictRequest(
        model=str(MODELS[-1] / "brightness"), inputs=str(rows), output=str(rows.parent / "answers")
    )


class LocalHarness(Harness):
    provider = "local"
    values: ClassVar[Mapping[str, Any]] = {}
    samples: ClassVar[Mapping[str, Sample]] = {
        "custom.predict": Sample(
            service="custom",
            verb="predict",
            first="brightness",
            arguments={"tensors": {"image": np.ones((1, 3, 8, 8), np.float32)}},
        ),
        "custom.train": Sample(service="custom", verb="train", first=training_job),
        "custom.deploy": Sample(service="custom", verb="deploy", first=deployment),
        "custom.batch_predict": Sample(service="custom", verb="batch_predict", first=batch),
        "speech.transcribe": Sample(
            service="speech",
            verb="transcribe",
            first=speech,
            arguments={"language": "en-US", "grammar": GRAMMAR},
        ),
    }


def write_rows(folder: Path) -> None:
    """Two requests, for white and for black."""
    folder.mkdir()
    lines = [
        {"inputs": [{"name": "image", "datatype": "FP32", "shape": [1, 3, 8, 8], "data": [value] * 192}]}
        for value in (1.0, 0.0)
    ]
    (folder / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture(autouse=True, scope="module")
def _models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("models")
    save(folder / "brightness", CLASSIFY, classifier())
    save(folder / "things", DETECT, detector())
    source = tmp_path_factory.mktemp("source")
    script = "from cloudai.training import model_dir\n(model_dir() / 'm').write_text('1')\n"
    (source / "train.py").write_text(script, encoding="utf-8")
    SOURCE.append(str(source))
    write_rows(folder.parent / "rows")
    MODELS.append(folder)
    places = {name: str(tmp_path_factory.mktemp(name)) for name in ("runs", "endpoints", "batches")}
    LocalHarness.values = {"models": str(folder), **places}
    yield
    with Client(LocalHarness().config()) as client:
        for one in client.custom.endpoints():
            client.custom.endpoint(one.ref).delete()


class TestLocal(DriverConformance):
    harness = LocalHarness()

    def test_the_kits_own_sound_without_a_model_or_grammar_is_refused_with_what_to_do(self) -> None:
        from cloudai import CloudAIError

        with Client(self.harness.config()) as client, pytest.raises(CloudAIError, match=r"(?i)grammar"):
            SAMPLES["speech.transcribe"](client)
