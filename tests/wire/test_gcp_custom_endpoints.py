"""A model behind an endpoint of Vertex AI: made once, asked in the Open Inference Protocol, removed with all of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "serving"))

from served import scale
from test_gcp_custom_training import failure, opened
from vertex_custom_server import PARENT, Refused, VertexServer

from cloudai.driver import Call, Deploy, Endpoints, Predict
from cloudai.errors import CloudAIError, ErrorCode, InvalidInput, Unsupported
from cloudai.serving.engine import Engine
from cloudai.serving.protocol import Decoder, Encoder
from cloudai.types.custom import Accelerator, DeployRequest, DeployResult, PredictRequest
from cloudai.types.speech import JobState
from cloudai.types.tensor import Tensor
from cloudai_gcp.driver import GcpDriver
from cloudai_gcp.errors import GoogleError
from cloudai_local.onnx.serving import OnnxFolders

CALL = Call(timeout=30.0)
ENDPOINT = f"{PARENT}/endpoints/cloudai-twice"
MIME = "application/vnd.vertex-ai-triton.binary+json;json-header-size="


def wanted(folder: Path, factor: float = 2.0, **more: Any) -> DeployRequest:
    model = scale(folder / f"scale{factor}", factor)
    known: dict[str, Any] = {"model": str(model), "name": "twice", "accelerator": Accelerator(instance="n1-standard-4")}
    return DeployRequest.model_validate({**known, **more})


def container(folder: Path) -> Any:
    """Triton's side of `:rawPredict`, by the engine and the codec of `cloudai serve`."""
    source = OnnxFolders(folder, device="cpu", threads=1)
    engine: Engine = source.load(next(iter(source.scan())))
    decoder, encoder = Decoder(engine, max_json=1 << 20), Encoder(engine)

    def serve(body: bytes, kind: str) -> tuple[bytes, str]:
        length = kind.removeprefix(MIME).encode() if kind.startswith(MIME) else None
        try:
            request = decoder.decode(body, length)
        except InvalidInput as error:
            return json.dumps({"error": error.message}).encode(), "error:400"
        headers, content = encoder.encode(request, engine.run(request.outputs, request.feed))
        known = dict(headers)
        size = known.get(b"inference-header-content-length")
        return content, "application/json" if size is None else MIME + size.decode()

    return serve


def nothing_left(server: VertexServer) -> bool:
    return not server.endpoints and not server.models and not server.objects


def test_the_driver_is_what_the_contract_asks(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, _):
        assert isinstance(driver, Endpoints)
        assert {Deploy, Predict} <= set(type(driver).__mro__)


def test_a_model_is_uploaded_and_deployed_as_planned(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        request = wanted(tmp_path, min_replicas=2, max_replicas=3, tags={"team": "a"})
        plan = driver.plan_deployment(request, CALL)
        assert server.requests == []
        result = driver.deploy(request, CALL)
        assert [str(each["call"]).partition("?")[0] for each in plan.requests] == [
            f"POST /v1/{PARENT}/endpoints",
            f"POST /v1/{PARENT}/models:upload",
            f"POST /v1/{ENDPOINT}:deployModel",
        ]
        for each, method in zip(plan.requests, ("create", "upload", "deployModel"), strict=True):
            (sent,) = [body for name, body in server.requests if name.endswith(f".{method}")]
            assert each["body"] == sent
        assert {target for _, target in plan.uploads} == set(server.objects)
        (model,) = server.models.values()
        assert model["containerSpec"]["predictRoute"] == "/v2/models/twice/infer"
        repository = {uri.removeprefix(model["artifactUri"] + "/") for uri in server.objects}
        assert {"twice/config.pbtxt", "twice/1/model.onnx", "twice/model.toml"} == repository
        assert result.version == plan.version
        assert [notice.code for notice in result.warnings] == ["container"]
        status = driver.endpoint_status(result.endpoint, CALL)  # type: ignore[arg-type]
        assert status.state is JobState.SUCCEEDED
        (version,) = status.versions
        assert (version.version, version.traffic, version.replicas) == (plan.version, 100, 2)
        assert status.hourly == plan.hourly


@pytest.mark.parametrize("slow", [0, 2])
def test_the_same_deployment_again_makes_nothing(tmp_path: Path, slow: int) -> None:
    with opened(tmp_path) as (driver, server):
        server.slow_operations = slow
        driver.deploy(wanted(tmp_path), CALL)
        again = driver.deploy(wanted(tmp_path), CALL)
        assert again.state is JobState.SUCCEEDED
        assert len(server.asked("endpoints.create")) == 1
        assert len(server.asked("models.upload")) == 1
        assert len(server.asked("endpoints.deployModel")) == 1


def two(driver: GcpDriver, folder: Path) -> tuple[DeployResult, DeployResult]:
    first = driver.deploy(wanted(folder, 2.0), CALL)
    second = driver.deploy(wanted(folder, 3.0, version="three", traffic={first.version: 90, "three": 10}), CALL)
    return first, second


def test_two_versions_share_the_traffic_and_roll_back(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, _):
        first, second = two(driver, tmp_path)
        assert second.endpoint is not None
        status = driver.endpoint_status(second.endpoint, CALL)
        assert {each.version: each.traffic for each in status.versions} == {first.version: 90, "three": 10}
        driver.set_traffic(second.endpoint, {first.version: 100}, CALL)
        status = driver.endpoint_status(second.endpoint, CALL)
        assert {each.version: each.traffic for each in status.versions} == {first.version: 100, "three": 0}
        for traffic in ({first.version: 60}, {"none": 100}):
            with pytest.raises(InvalidInput):
                driver.set_traffic(second.endpoint, traffic, CALL)


def test_deleting_leaves_nothing_and_twice_is_no_error(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        server.slow_operations = 1
        first, _ = two(driver, tmp_path)
        assert first.endpoint is not None
        server.objects["gs://mine/theirs"] = b"x"
        driver.delete_endpoint(first.endpoint, CALL)
        assert (server.endpoints, server.models, list(server.objects)) == ({}, {}, ["gs://mine/theirs"])
        driver.delete_endpoint(first.endpoint, CALL)
        assert list(driver.list_endpoints(CALL)) == []


STEPS = ("endpoints.create", "models.upload", "endpoints.deployModel")


@pytest.mark.parametrize("step", STEPS)
def test_a_refusal_takes_back_what_was_made(tmp_path: Path, step: str) -> None:
    with opened(tmp_path) as (driver, server):
        server.refuse[step] = Refused(403, "PERMISSION_DENIED", "not you")
        with pytest.raises(GoogleError) as caught:
            driver.deploy(wanted(tmp_path), CALL)
        assert failure(driver, caught.value).code is ErrorCode.PERMISSION_DENIED
        assert nothing_left(server)


def test_what_can_not_be_taken_back_is_named(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        server.refuse["endpoints.deployModel"] = Refused(400, "INVALID_ARGUMENT", "no such machine")
        server.refuse["endpoints.delete"] = Refused(403, "PERMISSION_DENIED", "not you")
        with pytest.raises(GoogleError, match=f"no such machine.*left behind: {ENDPOINT}"):
            driver.deploy(wanted(tmp_path), CALL)
        assert list(server.endpoints) == [ENDPOINT]


def test_a_refusal_of_the_second_version_leaves_the_first_alone(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        first = driver.deploy(wanted(tmp_path), CALL)
        server.refuse["endpoints.deployModel"] = Refused(429, "RESOURCE_EXHAUSTED", "no machine")
        with pytest.raises(GoogleError):
            driver.deploy(wanted(tmp_path, 3.0), CALL)
        assert list(server.endpoints) == [ENDPOINT]
        assert [model["labels"]["cloudai-version"] for model in server.models.values()] == [first.version]


@pytest.mark.parametrize("lost", ["lose", "drop"])
@pytest.mark.parametrize("step", STEPS)
def test_after_a_lost_answer_the_same_deployment_finishes_it(tmp_path: Path, step: str, lost: str) -> None:
    with opened(tmp_path) as (driver, server):
        getattr(server, lost).append(step)
        with pytest.raises(GoogleError) as caught:
            driver.deploy(wanted(tmp_path), CALL)
        fault = failure(driver, caught.value)
        assert fault.code is ErrorCode.OUTCOME_UNKNOWN
        assert "cloudai-twice" in fault.message
        driver.deploy(wanted(tmp_path), CALL)
        assert (len(server.endpoints), len(server.models)) == (1, 1)
        (endpoint,) = server.endpoints.values()
        assert len(endpoint["deployedModels"]) == 1


@pytest.mark.parametrize("code", [3, 4, 13, 14])
def test_an_operation_that_fails_is_told_and_taken_back(tmp_path: Path, code: int) -> None:
    with opened(tmp_path) as (driver, server):
        upload = server._models_upload

        def failing(*asked: Any) -> Any:
            operation = upload(*asked)
            server.models.clear()
            return {**operation, "done": True, "error": {"code": code, "message": "Image not found"}}

        server._models_upload = failing  # type: ignore[method-assign]
        with pytest.raises(GoogleError, match="Image not found"):
            driver.deploy(wanted(tmp_path), CALL)
        assert nothing_left(server)


PULL = "Failed to pull the image us-central1-docker.pkg.dev/p/cloudai/tritonserver:25.01-py3: not found"
NEVER = "Model server never became ready. Please validate that your model file or container configuration are valid."


def begun(driver: GcpDriver, server: VertexServer, request: DeployRequest, error: dict[str, Any]) -> DeployResult:
    """A deployment whose machines will not come up: its last operation is slow and ends with `error`."""
    deploy = server._endpoints_deployModel

    def slow(*asked: Any) -> Any:
        server.slow_operations, server.failing = 2, error
        return deploy(*asked)

    server._endpoints_deployModel = slow  # type: ignore[method-assign]
    result = driver.deploy(request, CALL)
    server._endpoints_deployModel = deploy  # type: ignore[method-assign]
    server.slow_operations = 0
    return result


@pytest.mark.parametrize(
    "error",
    [{"code": 3, "message": PULL}, {"code": 4, "message": NEVER}, {"code": 8, "message": "no L4 in us-central1"}],
)
def test_machines_that_do_not_come_up_are_a_failed_endpoint_that_costs_nothing(tmp_path: Path, error: Any) -> None:
    with opened(tmp_path) as (driver, server):
        result = begun(driver, server, wanted(tmp_path), error)
        assert result.endpoint is not None
        assert result.state is JobState.RUNNING
        assert driver.endpoint_status(result.endpoint, CALL).state is JobState.RUNNING
        status = driver.endpoint_status(result.endpoint, CALL)
        assert (status.state, status.message, status.versions) == (JobState.FAILED, error["message"], ())
        assert status.hourly is None
        assert [each.ref for each in driver.list_endpoints(CALL)] == [result.endpoint]
        server.failing = {}
        driver.delete_endpoint(result.endpoint, CALL)
        assert nothing_left(server)


def test_a_second_version_that_does_not_come_up_is_told_beside_the_first(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        first = driver.deploy(wanted(tmp_path), CALL)
        second = begun(driver, server, wanted(tmp_path, 3.0, version="three"), {"code": 3, "message": PULL})
        assert second.endpoint is not None
        assert driver.endpoint_status(second.endpoint, CALL).state is JobState.RUNNING
        status = driver.endpoint_status(second.endpoint, CALL)
        assert (status.state, status.message) == (JobState.SUCCEEDED, f"the latest deployment failed: {PULL}")
        assert [each.version for each in status.versions] == [first.version]
        server.failing = {}
        assert driver.deploy(wanted(tmp_path, 3.0, version="three"), CALL).state is JobState.SUCCEEDED
        assert driver.endpoint_status(second.endpoint, CALL).message is None


def test_a_deployment_under_way_is_waited_for_and_not_made_twice(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        begun(driver, server, wanted(tmp_path), {})
        assert driver.deploy(wanted(tmp_path), CALL).state is JobState.SUCCEEDED
        assert len(server.asked("endpoints.deployModel")) == 1
        (endpoint,) = server.endpoints.values()
        assert len(endpoint["deployedModels"]) == 1


def test_what_a_deployment_lost_sight_of_is_not_taken_back(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        server.slow_operations = 1
        server.refuse["models.operations.get"] = Refused(503, "UNAVAILABLE", "come back")
        with pytest.raises(GoogleError) as caught:
            driver.deploy(wanted(tmp_path), CALL)
        assert failure(driver, caught.value).code is ErrorCode.OUTCOME_UNKNOWN
        assert len(server.models) == 1
        assert driver.deploy(wanted(tmp_path), CALL).endpoint is not None


def test_what_an_hour_costs_is_the_same_before_and_after(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, _):
        for number, machine in enumerate((Accelerator(name="L4", count=1), Accelerator(instance="n1-standard-4"))):
            request = wanted(tmp_path, name=f"n{number}", accelerator=machine, min_replicas=2, max_replicas=4)
            plan = driver.plan_deployment(request, CALL)
            made = driver.deploy(request, CALL)
            assert made.endpoint is not None
            assert made.plan is not None
            status = driver.endpoint_status(made.endpoint, CALL)
            assert plan.hourly == made.plan.hourly == status.hourly
            assert plan.hourly is not None


def test_what_attached_cards_cost_is_not_known_before_or_after(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, _):
        machine = Accelerator(name="T4", count=1, instance="n1-standard-4")
        result = driver.deploy(wanted(tmp_path, accelerator=machine), CALL)
        assert result.plan is not None
        assert result.endpoint is not None
        assert result.plan.hourly is None
        assert "price_unknown" in [notice.code for notice in result.warnings]
        assert driver.endpoint_status(result.endpoint, CALL).hourly is None


def test_tensors_go_out_and_come_back_as_they_are(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        request = wanted(tmp_path)
        driver.deploy(request, CALL)
        server.serve = container(Path(request.model))
        array = np.array([[1.0, np.nan, np.inf, -0.0]], np.float32)
        result = driver.predict(PredictRequest(model="twice", tensors={"x": Tensor(array)}), CALL)
        np.testing.assert_array_equal(result.outputs["y"].array, array * 2)
        assert result.outputs["y"].datatype == "FP32"


def test_what_the_container_refuses_is_the_callers_mistake(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        request = wanted(tmp_path)
        driver.deploy(request, CALL)
        server.serve = container(Path(request.model))
        with pytest.raises(GoogleError) as caught:
            driver.predict(PredictRequest(model="twice", tensors={"z": Tensor(np.zeros((1, 4)))}), CALL)
        fault = failure(driver, caught.value)
        assert fault.code is ErrorCode.INVALID_INPUT
        assert "the model takes the inputs" in fault.message


def test_an_endpoint_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, _), pytest.raises(GoogleError) as caught:
        driver.predict(PredictRequest(model="twice", tensors={"x": Tensor(np.zeros((1, 4), np.float32))}), CALL)
    assert caught.value.fault.code is ErrorCode.NOT_FOUND


@pytest.mark.parametrize(
    "change", [{"serverless": True}, {"min_replicas": 0}, {"traffic": {"a": 50}}, {"model": "gs://b/m"}]
)
def test_what_vertex_has_not_is_said_before_anything_is_sent(tmp_path: Path, change: Any) -> None:
    with opened(tmp_path) as (driver, server):
        with pytest.raises((Unsupported, InvalidInput)):
            driver.deploy(wanted(tmp_path, **change), CALL)
        assert server.requests == []


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, _), pytest.raises(CloudAIError, match=r"model\.toml"):
        driver.deploy(wanted(tmp_path, model=str(tmp_path)), CALL)
