"""The local driver on a CUDA device: taken when it is there, its answers those of the CPU, bound inputs and outputs.

Left out (by the marker) where ONNX Runtime has no CUDA.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from cloudai.driver import Call
from cloudai.errors import Unsupported
from cloudai.types.custom import PredictRequest, PredictResult
from cloudai.types.tensor import Tensor
from cloudai_local.driver import LocalDriver
from cloudai_local.settings import LocalSettings

pytestmark = pytest.mark.gpu

CALL = Call(timeout=60)


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A perceptron with random weights, 64 -> 256 -> 10."""
    random = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(random.normal(size=(64, 256)).astype(np.float32), "w0"),
        numpy_helper.from_array(random.normal(size=(256, 10)).astype(np.float32), "w1"),
    ]
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["active"]),
        helper.make_node("MatMul", ["active", "w1"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 64])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 10])
    hidden = helper.make_tensor_value_info("active", TensorProto.FLOAT, ["n", 256])
    model = helper.make_model(
        helper.make_graph(nodes, "mlp", [x], [y, hidden], weights),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    (tmp_path / "mlp").mkdir()
    onnx.save(model, tmp_path / "mlp" / "model.onnx")
    (tmp_path / "mlp" / "model.toml").write_text('task = "tensors"\n')
    return tmp_path


def driver(models: Path, **settings: object) -> LocalDriver:
    return LocalDriver(LocalSettings.model_validate({"provider": "local", "models": models, **settings}), backend="x")


def predict(here: LocalDriver, values: np.ndarray, *outputs: str) -> PredictResult:
    return here.predict(PredictRequest(model="mlp", tensors={"x": Tensor(values)}, outputs=outputs), CALL)


def batch(rows: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, 64)).astype(np.float32)


def test_cuda_is_taken_without_being_asked_for(models: Path) -> None:
    result = predict(driver(models), batch(2))
    assert (result.device, result.warnings) == ("cuda:0", ())


def test_cuda_and_cpu_agree(models: Path) -> None:
    on_cpu = driver(models, execution_providers=["CPUExecutionProvider"])
    values = batch(33)
    for name in ("y", "active"):
        gpu, cpu = (predict(here, values).outputs[name].array for here in (driver(models), on_cpu))
        assert isinstance(gpu, np.ndarray)
        np.testing.assert_allclose(gpu, cpu, rtol=2e-2, atol=2e-1)  # TF32 has ten bits of mantissa
    assert predict(on_cpu, values).device == "cpu"


def test_only_the_outputs_asked_for_are_brought_back(models: Path) -> None:
    assert list(predict(driver(models), batch(1), "active").outputs) == ["active"]


def test_a_tensor_that_is_not_contiguous_is_copied_right(models: Path) -> None:
    here, wide = driver(models), batch(8)
    turned = np.asfortranarray(wide)
    np.testing.assert_array_equal(predict(here, turned).outputs["y"].array, predict(here, wide).outputs["y"].array)


def test_threads_get_their_own_answers(models: Path) -> None:
    here = driver(models)
    alone = [predict(here, batch(4, seed)).outputs["y"].array for seed in range(16)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda seed: predict(here, batch(4, seed)).outputs["y"].array, range(16)))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def test_provider_options_are_passed_on(models: Path) -> None:
    here = driver(
        models,
        execution_providers=["CUDAExecutionProvider"],
        provider_options={"CUDAExecutionProvider": {"gpu_mem_limit": "1073741824"}},
    )
    predict(here, batch(1))
    session = here.client["model:mlp"]
    assert isinstance(session, onnxruntime.InferenceSession)
    assert session.get_provider_options()["CUDAExecutionProvider"]["gpu_mem_limit"] == "1073741824"


def test_a_device_that_is_not_there_is_an_error_when_it_was_configured(models: Path) -> None:
    here = driver(
        models,
        execution_providers=["CUDAExecutionProvider"],
        provider_options={"CUDAExecutionProvider": {"device_id": "77"}},
    )
    with pytest.raises(Unsupported, match="CUDAExecutionProvider did not load"):
        predict(here, batch(1))
