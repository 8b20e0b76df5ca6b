"""A model behind a managed online endpoint of Azure ML: made once, asked in the protocol, removed with all of it."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "serving"))

from azure_storage import CONTAINER
from azureml_custom_server import WORKSPACE, Answered, MlServer
from served import scale
from test_azure_custom_training import opened

from cloudai.delivery import marked
from cloudai.driver import Call, Deploy, Endpoints, Predict
from cloudai.errors import CloudAIError, Delivery, ErrorCode, InvalidInput, Unsupported
from cloudai.serving.engine import Engine
from cloudai.serving.protocol import Decoder, Encoder
from cloudai.types.custom import Accelerator, DeployRequest, DeployResult, PredictRequest
from cloudai.types.speech import JobState
from cloudai.types.tensor import Tensor
from cloudai_azure.driver import AzureDriver
from cloudai_azure.errors import AzureError
from cloudai_local.onnx.serving import OnnxFolders

CALL = Call(timeout=30.0)
ENDPOINT = "onlineEndpoints/twice"


def wanted(folder: Path, factor: float = 2.0, **more: Any) -> DeployRequest:
    model = scale(folder / f"scale{factor}", factor)
    machine = Accelerator(instance="Standard_NC4as_T4_v3")
    return DeployRequest.model_validate({"model": str(model), "name": "twice", "accelerator": machine, **more})


def triton(folder: Path) -> Any:
    """The endpoint's side of the protocol, by the engine and the codec of `cloudai serve`."""
    source = OnnxFolders(folder, device="cpu", threads=1)
    engine: Engine = source.load(next(iter(source.scan())))
    decoder, encoder = Decoder(engine, max_json=1 << 20), Encoder(engine)

    def serve(path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes, Mapping[str, str]]:
        assert path == "/v2/models/twice/infer"
        length = headers.get("inference-header-content-length")
        try:
            request = decoder.decode(body, length.encode() if length else None)
        except InvalidInput as error:
            return 400, json.dumps({"error": error.message}).encode(), {}
        made, content = encoder.encode(request, engine.run(request.outputs, request.feed))
        asked = headers.get("azureml-model-deployment", "blue")
        return (
            200,
            content,
            {k.decode(): v.decode() for k, v in made if k != b"content-length"} | {"azureml-model-deployment": asked},
        )

    return serve


def nothing_left(server: MlServer) -> bool:
    """But the model's container: Azure ML keeps it, empty, without cost."""
    return set(server.resources) <= {"models/cloudai-twice"}


def test_the_driver_is_what_the_contract_asks(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, _):
        assert isinstance(driver, Endpoints)
        assert {Deploy, Predict} <= set(type(driver).__mro__)


def test_a_model_is_uploaded_and_deployed_as_planned(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        request = wanted(tmp_path, min_replicas=2, max_replicas=3, tags={"team": "a"}, image="mine/triton:1")
        plan = driver.plan_deployment(request, CALL)
        assert server.requests == []
        result = driver.deploy(request, CALL)
        sent = [(path, body) for verb, path, body in server.requests if verb == "PUT"]
        assert [each["call"] for each in plan.requests] == [f"PUT {WORKSPACE}/{path}" for path, _ in sent[:4]]
        assert [each["body"] for each in plan.requests] == [body for _, body in sent[:4]]
        assert sent[4][1]["properties"]["traffic"] == {f"v{plan.version}": 100}
        base = f"{CONTAINER}/cloudai/models/twice/{plan.version}/"
        repository = {name.removeprefix(base) for name in server.blobs.blobs}
        assert {"twice/config.pbtxt", "twice/1/model.onnx", "twice/model.toml"} == repository
        assert (result.state, result.version) == (JobState.SUCCEEDED, plan.version)
        assert [notice.code for notice in result.warnings] == ["autoscale"]
        assert result.endpoint is not None
        status = driver.endpoint_status(result.endpoint, CALL)
        assert status.state is JobState.SUCCEEDED
        (version,) = status.versions
        assert (version.version, version.traffic, version.replicas) == (plan.version, 100, 2)
        assert status.hourly == plan.hourly
        assert status.hourly is not None


@pytest.mark.parametrize("looks", [0, 2])
def test_the_same_deployment_again_makes_nothing(tmp_path: Path, looks: int) -> None:
    with opened(tmp_path) as (driver, server):
        server.looks = looks
        driver.deploy(wanted(tmp_path), CALL)
        again = driver.deploy(wanted(tmp_path), CALL)
        assert again.state is JobState.SUCCEEDED
        assert len(server.sent("PUT", "onlineEndpoints/deployments")) == 1
        assert len(server.sent("PUT", "models/versions")) == 1


def test_machines_that_come_later_get_their_traffic_from_the_same_deployment_again(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        server.slow_machines = True
        first = driver.deploy(wanted(tmp_path), CALL)
        assert first.state is JobState.RUNNING
        assert first.endpoint is not None
        status = driver.endpoint_status(first.endpoint, CALL)
        assert (status.state, status.versions[0].traffic) == (JobState.RUNNING, 0)
        server.resources[f"{ENDPOINT}/deployments/v{first.version}"]["properties"]["provisioningState"] = "Succeeded"
        driver.deploy(wanted(tmp_path), CALL)
        assert driver.endpoint_status(first.endpoint, CALL).versions[0].traffic == 100


def two(driver: AzureDriver, folder: Path) -> tuple[DeployResult, DeployResult]:
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
        server.looks = 1
        first, _ = two(driver, tmp_path)
        assert first.endpoint is not None
        server.blobs.blobs[f"{CONTAINER}/theirs"] = b"x"
        assert [status.ref for status in driver.list_endpoints(CALL)] == [first.endpoint]
        driver.delete_endpoint(first.endpoint, CALL)
        assert nothing_left(server)
        assert list(server.blobs.blobs) == [f"{CONTAINER}/theirs"]
        driver.delete_endpoint(first.endpoint, CALL)
        assert list(driver.list_endpoints(CALL)) == []


STEPS = ("PUT onlineEndpoints", "PUT models/versions", "PUT onlineEndpoints/deployments")


@pytest.mark.parametrize("step", STEPS)
def test_a_refusal_takes_back_what_was_made(tmp_path: Path, step: str) -> None:
    with opened(tmp_path) as (driver, server):
        server.refuse[step] = Answered(403, "AuthorizationFailed", "not you")
        with pytest.raises(AzureError) as caught:
            driver.deploy(wanted(tmp_path), CALL)
        assert caught.value.fault.code is ErrorCode.PERMISSION_DENIED
        assert nothing_left(server)
        assert not server.blobs.blobs


def test_what_can_not_be_taken_back_is_named(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        server.refuse["PUT onlineEndpoints/deployments"] = Answered(400, "BadArgument", "no such machine")
        server.refuse["DELETE onlineEndpoints"] = Answered(403, "AuthorizationFailed", "not you")
        with pytest.raises(AzureError, match=f"no such machine.*left behind: {ENDPOINT}"):
            driver.deploy(wanted(tmp_path), CALL)
        assert ENDPOINT in server.resources


@pytest.mark.parametrize("lost", ["lose", "drop"])
@pytest.mark.parametrize("step", STEPS)
def test_after_a_lost_answer_the_same_deployment_finishes_it(tmp_path: Path, step: str, lost: str) -> None:
    with opened(tmp_path) as (driver, server):
        getattr(server, lost).append(step)
        with pytest.raises(AzureError) as caught:
            driver.deploy(wanted(tmp_path), CALL)
        assert caught.value.fault.code is ErrorCode.OUTCOME_UNKNOWN
        assert "deploy the same again" in (caught.value.fault.message or "")
        result = driver.deploy(wanted(tmp_path), CALL)
        assert result.state is JobState.SUCCEEDED
        assert len([key for key in server.resources if "/deployments/" in key or "/versions/" in key]) == 2


def test_an_operation_that_fails_is_told_and_taken_back(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        operation = server.operation

        def failing() -> Any:
            made = operation()
            server.operation = operation  # type: ignore[method-assign]
            server.operations["op-0"]["error"] = {"code": "QuotaExceeded", "message": "no endpoints left"}
            return made

        server.operation = failing  # type: ignore[method-assign]
        with pytest.raises(AzureError, match="no endpoints left"):
            driver.deploy(wanted(tmp_path), CALL)
        assert nothing_left(server)


def test_an_endpoint_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        driver.deploy(wanted(tmp_path), CALL)
        server.resources[ENDPOINT]["tags"] = {}
        with pytest.raises(CloudAIError) as caught:
            driver.deploy(wanted(tmp_path), CALL)
        assert caught.value.code is ErrorCode.CONFLICT
        assert ENDPOINT in server.resources


def test_tensors_go_out_and_come_back_as_they_are(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        request = wanted(tmp_path)
        driver.deploy(request, CALL)
        server.serve = triton(Path(request.model))
        array = np.array([[1.0, np.nan, np.inf, -0.0]], np.float32)
        result = driver.predict(PredictRequest(model="twice", tensors={"x": Tensor(array)}), CALL)
        np.testing.assert_array_equal(result.outputs["y"].array, array * 2)
        one = driver.predict(PredictRequest(model="twice", version="three", tensors={"x": Tensor(array)}), CALL)
        assert one.version == "vthree"


def test_what_the_container_refuses_is_the_callers_mistake(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        request = wanted(tmp_path)
        driver.deploy(request, CALL)
        server.serve = triton(Path(request.model))
        with pytest.raises(AzureError) as caught:
            driver.predict(PredictRequest(model="twice", tensors={"z": Tensor(np.zeros((1, 4)))}), CALL)
        assert caught.value.fault.code is ErrorCode.INVALID_INPUT
        assert "the model takes the inputs" in (caught.value.fault.message or "")


def test_an_endpoint_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, _), pytest.raises(AzureError) as caught:
        driver.predict(PredictRequest(model="twice", tensors={"x": Tensor(np.zeros((1, 4), np.float32))}), CALL)
    assert caught.value.fault.code is ErrorCode.NOT_FOUND


@pytest.mark.parametrize(
    "change",
    [
        {"serverless": True},
        {"min_replicas": 0},
        {"traffic": {"a": 50}},
        {"model": "azureml://datastores/x/paths/m"},
        {"name": "ab"},
        {"name": "a" * 33},
        {"version": "1/2"},
        {"version": "a" * 31},
    ],
)
def test_what_azure_ml_has_not_is_said_before_anything_is_sent(tmp_path: Path, change: Any) -> None:
    with opened(tmp_path) as (driver, server):
        with pytest.raises((Unsupported, InvalidInput)):
            driver.deploy(wanted(tmp_path, **change), CALL)
        assert server.requests == []


def test_the_shortest_version_has_a_name_that_azure_takes(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        assert driver.deploy(wanted(tmp_path, version="1"), CALL).state is JobState.SUCCEEDED
        assert f"{ENDPOINT}/deployments/v-1" in server.resources


def test_versions_whose_names_would_be_the_same_are_a_conflict(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        driver.deploy(wanted(tmp_path, version="1.0"), CALL)
        before = dict(server.resources)
        with pytest.raises(CloudAIError) as caught:
            driver.deploy(wanted(tmp_path, 3.0, version="1-0"), CALL)
        assert caught.value.code is ErrorCode.CONFLICT
        assert set(server.resources) == set(before)


def test_a_second_version_that_is_refused_its_traffic_is_taken_back_alone(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        driver.deploy(wanted(tmp_path, version="one"), CALL)
        before, blobs = set(server.resources), set(server.blobs.blobs)
        traffic = {"two": 50, "none": 50}
        with pytest.raises(AzureError, match="traffic"):
            driver.deploy(wanted(tmp_path, 3.0, version="two", traffic=traffic), CALL)
        assert (set(server.resources), set(server.blobs.blobs)) == (before, blobs)


@pytest.mark.parametrize("step", ["GET onlineEndpoints", "GET "])
def test_what_is_lost_before_anything_is_made_was_not_sent(tmp_path: Path, step: str) -> None:
    with opened(tmp_path) as (driver, server):
        server.drop.append(step)
        with pytest.raises(Exception, match=r"disconnected|reset|closed|EOF|peer") as caught:
            driver.deploy(wanted(tmp_path), CALL)
        assert marked(caught.value) is Delivery.NOT_SENT
        assert server.resources == {}


@pytest.mark.parametrize(
    "step", ["DELETE onlineEndpoints/deployments", "DELETE models/versions", "DELETE onlineEndpoints"]
)
def test_as_long_as_something_is_left_the_endpoint_is_listed(tmp_path: Path, step: str) -> None:
    with opened(tmp_path) as (driver, server):
        first, _ = two(driver, tmp_path)
        assert first.endpoint is not None
        server.refuse[step] = Answered(503, "ServiceUnavailable", "not now")
        with pytest.raises(AzureError, match="not now"):
            driver.delete_endpoint(first.endpoint, CALL)
        assert [status.ref for status in driver.list_endpoints(CALL)] == [first.endpoint]
        driver.delete_endpoint(first.endpoint, CALL)
        assert nothing_left(server)
        assert not server.blobs.blobs


@pytest.mark.parametrize("printed", ["loading\nCUDA error: no device\n\n", ""])
def test_a_version_that_failed_is_named_with_what_its_container_said_last(tmp_path: Path, printed: str) -> None:
    with opened(tmp_path) as (driver, server):
        made = driver.deploy(wanted(tmp_path, version="one"), CALL)
        assert made.endpoint is not None
        path = f"{ENDPOINT}/deployments/vone"
        server.resources[path]["properties"]["provisioningState"] = "Failed"
        server.printed[path] = printed
        status = driver.endpoint_status(made.endpoint, CALL)
        assert status.state is JobState.FAILED
        assert status.message == "version one failed" + (": CUDA error: no device" if printed else "")
