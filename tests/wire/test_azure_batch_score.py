"""The scoring script that ships for Azure ML's batch deployments: in the documented environment, and held to the local
backend's own answers to the same lines."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

sys.path.insert(0, str(Path(__file__).parent.parent / "serving"))

from served import echo, save, scale

from cloudai_azure import ml_batch_bodies as bodies
from cloudai_local.batch_lines import LineModel
from cloudai_local.onnx.serving import OnnxFolders

EXECUTOR = """
import importlib.util, json, sys
for name in ("cloudai", "cloudai_azure", "cloudai_pricing", "azure"):
    sys.modules[name] = None
spec = importlib.util.spec_from_file_location("score", sys.argv[1])
score = importlib.util.module_from_spec(spec)
spec.loader.exec_module(score)
score.init()
print(json.dumps([score.run(batch) for batch in json.loads(sys.argv[2])]))
"""
KINDS = {
    "bool": TensorProto.BOOL,
    "u8": TensorProto.UINT8,
    "i8": TensorProto.INT8,
    "i32": TensorProto.INT32,
    "i64": TensorProto.INT64,
    "f16": TensorProto.FLOAT16,
    "f32": TensorProto.FLOAT,
    "f64": TensorProto.DOUBLE,
    "text": TensorProto.STRING,
}


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """As it is uploaded."""
    path = tmp_path / bodies.SCRIPT
    path.write_bytes(bodies.script())
    return path


def loaded() -> ModuleType:
    spec = importlib.util.spec_from_loader("score", loader=None)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    exec(compile(bodies.script(), bodies.SCRIPT, "exec"), module.__dict__)
    return module


def executed(
    script: Path, batches: list[list[str]], model: Path, output: Path, **more: str
) -> subprocess.CompletedProcess[str]:
    output.mkdir(exist_ok=True)
    environment = {"AZUREML_MODEL_DIR": str(model), "AZUREML_BI_OUTPUT_PATH": str(output), **more}
    asked = [sys.executable, "-I", "-c", EXECUTOR, str(script), json.dumps(batches)]
    return subprocess.run(asked, env=environment, capture_output=True, text=True)


def tensor(name: str, datatype: str, values: Any) -> dict[str, Any]:
    array = np.array(values, dtype=object)
    return {"name": name, "shape": list(array.shape), "datatype": datatype, "data": array.ravel().tolist()}


def test_it_runs_in_the_documented_environment_with_nothing_of_cloudai(tmp_path: Path, script: Path) -> None:
    scale(tmp_path / "models" / "7" / "twice" / "1", 2.0)
    lines = [{"id": str(each), "inputs": [tensor("x", "FP32", [[each, 0, 0, 1]])]} for each in range(100)]
    (tmp_path / "in").mkdir()
    files = [str(tmp_path / "in" / name) for name in ("a.jsonl", "b.jsonl", "c.jsonl")]
    for number, file in enumerate(files):
        Path(file).write_text("".join(json.dumps(each) + "\n" for each in lines[number:]))
    run = executed(script, [files[:2], files[2:]], tmp_path / "models", tmp_path / "out", CLOUDAI_MODEL_NAME="twice")
    assert json.loads(run.stdout) == [["a.jsonl", "b.jsonl"], ["c.jsonl"]], run.stderr
    for number, name in enumerate(("a.jsonl", "b.jsonl", "c.jsonl")):
        answers = [json.loads(each) for each in (tmp_path / "out" / name).read_text().splitlines()]
        assert [each["id"] for each in answers] == [str(each) for each in range(number, 100)]
        assert answers[0]["outputs"] == [tensor("y", "FP32", [[2.0 * number, 0.0, 0.0, 2.0]])]
        assert answers[0]["model_name"] == "twice"


def test_a_mini_batch_that_is_tried_again_writes_the_same(tmp_path: Path, script: Path) -> None:
    scale(tmp_path / "model", 2.0)
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps({"inputs": [tensor("x", "FP32", [[1, 2, 3, 4]])]}))
    run = executed(script, [[str(file)], [str(file)]], tmp_path / "model", tmp_path / "out")
    assert json.loads(run.stdout) == [["a.jsonl"], ["a.jsonl"]]
    assert len((tmp_path / "out" / "a.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize("count", [0, 2])
def test_a_folder_without_exactly_one_graph_is_refused(tmp_path: Path, script: Path, count: int) -> None:
    (tmp_path / "models").mkdir()
    for number in range(count):
        scale(tmp_path / "models" / str(number), 2.0)
    run = executed(script, [], tmp_path / "models", tmp_path / "out")
    assert run.returncode == 1
    assert f"has {count} files model.onnx" in run.stderr


# --- against the local backend -----------------------------------------------------------------------------


class Both:
    """The same graph behind the script and behind the local backend."""

    def __init__(self, folder: Path) -> None:
        source = OnnxFolders(folder, device="cpu", threads=1)
        engine = source.load(next(iter(source.scan())))
        self.local = LineModel(engine, None)
        self.script = loaded().Model(folder / "model.onnx", engine.name, cuda=False)

    def answers(self, line: bytes) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
        (ours,) = self.local.answers([line])
        theirs, sound = self.script.answered(line)
        answer = json.loads(theirs)
        assert sound is ("error" not in answer)
        return answer, json.loads(ours)


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Both:
    return Both(echo(tmp_path_factory.mktemp("echo") / "echo", KINDS))


def good() -> dict[str, Any]:
    return {
        "id": "one",
        "inputs": [
            tensor("in_bool", "BOOL", [[True, False]]),
            tensor("in_u8", "UINT8", [[0, 255]]),
            tensor("in_i8", "INT8", [[-128, 127]]),
            tensor("in_i32", "INT32", [[-(2**31), 2**31 - 1]]),
            tensor("in_i64", "INT64", [[-(2**63), 2**63 - 1]]),
            tensor("in_f16", "FP16", [[0.5, -1]]),
            tensor("in_f32", "FP32", [[0.1, 1e30]]),
            tensor("in_f64", "FP64", [[0.1, 1e300]]),
            tensor("in_text", "BYTES", [["héllo", ""]]),
        ],
    }


def outputs(answer: Mapping[str, Any]) -> list[tuple[str, str, list[int], list[Any]]]:
    found = sorted(answer["outputs"], key=lambda each: str(each["name"]))
    return [(each["name"], each["datatype"], each["shape"], each["data"]) for each in found]


def test_every_datatype_comes_back_as_from_the_local_backend(both: Both) -> None:
    theirs, ours = both.answers(json.dumps(good()).encode())
    assert "error" not in ours
    for mine, other in zip(outputs(theirs), outputs(ours), strict=True):
        assert mine[:3] == other[:3]
        kind = float if mine[1].startswith("FP") else None
        assert np.allclose(mine[3], other[3], rtol=1e-6) if kind else mine[3] == other[3], mine[0]
    assert (theirs["id"], theirs["model_name"]) == (ours["id"], ours["model_name"])


def wrong() -> list[Any]:
    """Lines that a model of nine inputs does not take."""
    found: list[Any] = ["", "  ", "no json", "[]", "1", json.dumps({"inputs": []}), json.dumps({"inputs": None}), "{}"]
    for change in (
        {"datatype": "FP64"},
        {"shape": [2, 1, 1]},
        {"shape": [3, 3]},
        {"data": [1]},
        {"data": None},
        {"name": "z"},
    ):
        body = good()
        body["inputs"][6] |= change
        found.append(json.dumps(body))
    for place, data in (
        (0, [1, 0]),
        (1, [256, 0]),
        (1, [-1, 0]),
        (3, [1.5, 0]),
        (3, ["1", 0]),
        (8, [1, 2]),
        (6, [None, 1]),
        (6, [1e300, 0]),
        (5, [70000, 0]),
        (4, [2**63, 0]),
        (7, [True, 0]),
    ):
        body = good()
        body["inputs"][place]["data"] = data
        found.append(json.dumps(body))
    found.append(json.dumps({**good(), "outputs": [{"name": "nobody"}]}))
    found.append(json.dumps({**good(), "outputs": [{"name": "out_u8"}, {"name": "out_u8"}]}))
    found.append(json.dumps({**good(), "id": 5}))
    found.append(json.dumps({**good(), "parameters": {"sequence_id": 1}}))
    found.append(json.dumps({**good(), "parameters": 5}))
    found.append(json.dumps({**good(), "outputs": [{"name": "out_u8", "parameters": {"classification": 3}}]}))
    found.append(json.dumps(good()).replace("1e+300", "NaN"))
    return found


@pytest.mark.parametrize("line", wrong())
def test_what_the_local_backend_refuses_is_refused(both: Both, line: str) -> None:
    theirs, ours = both.answers(line.encode())
    assert "error" in ours
    assert "error" in theirs
    assert "outputs" not in theirs
    assert theirs.get("id") == ours.get("id")


def test_outputs_that_are_asked_for_come_alone_and_in_that_order(both: Both) -> None:
    asked = {**good(), "outputs": [{"name": "out_text"}, {"name": "out_u8"}]}
    theirs, ours = both.answers(json.dumps(asked).encode())
    assert [each["name"] for each in theirs["outputs"]] == [each["name"] for each in ours["outputs"]]


def test_nested_data_is_row_major(both: Both) -> None:
    asked = good()
    asked["inputs"][3] |= {"shape": [2, 1], "data": [[1], [2]]}
    theirs, ours = both.answers(json.dumps(asked).encode())
    assert [each["data"] for each in theirs["outputs"] if each["name"] == "out_i32"] == [[1, 2]]
    assert [each["data"] for each in ours["outputs"] if each["name"] == "out_i32"] == [[1, 2]]


NAMES = st.sampled_from(["inputs", "outputs", "id", "name", "shape", "datatype", "data"])
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@given(line=st.recursive(VALUES, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner)))
def test_any_line_has_an_answer_that_is_json(both: Both, line: Any) -> None:
    answer = json.loads(both.script.answered(json.dumps(line).encode())[0])
    assert set(answer) <= {"id", "error"}


def test_a_nan_of_the_model_is_an_error_in_both(tmp_path: Path) -> None:
    port = helper.make_tensor_value_info
    save(
        tmp_path / "log",
        [helper.make_node("Log", ["x"], ["y"])],
        [port("x", TensorProto.FLOAT, ["n"])],
        [port("y", TensorProto.FLOAT, ["n"])],
    )
    (tmp_path / "log" / "model.toml").write_text('task = "tensors"\n')
    theirs, ours = Both(tmp_path / "log").answers(json.dumps({"inputs": [tensor("x", "FP32", [-1.0])]}).encode())
    assert "error" in ours
    assert "error" in theirs


def test_a_gpu_that_is_not_there_is_an_error_and_not_a_cpu(tmp_path: Path) -> None:
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        with pytest.raises(RuntimeError, match="a GPU was asked for"):
            loaded().Model(scale(tmp_path / "m", 2.0) / "model.onnx", "m", cuda=True)
