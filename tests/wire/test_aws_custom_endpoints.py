"""`custom.deploy` and `custom.predict` on SageMaker, against a strict control plane."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))

from aws_answers import settings
from aws_hosting import HostingService
from aws_sagemaker import ROLE
from aws_server import Broken, Failure, StrictServer, serving
from botocore.exceptions import BotoCoreError
from served import scale
from urllib3.exceptions import HTTPError

from cloudai.driver import Call
from cloudai.errors import CloudAIError, ConfigError, ErrorCode, InvalidInput, ServiceError, TooLarge
from cloudai.settings import OptionsModel
from cloudai.types.custom import Accelerator, DeployRequest, EndpointRef, PredictRequest
from cloudai.types.speech import JobState
from cloudai.types.tensor import Tensor
from cloudai_aws.driver import AwsDriver
from cloudai_aws.settings import AwsSettings, DeployOptions


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A backend, the service behind it, and a model folder."""

    server: StrictServer
    service: HostingService
    driver: AwsDriver
    folder: Path

    def request(self, **more: Any) -> DeployRequest:
        return DeployRequest(**{"model": str(self.folder / "twice"), "name": "digits", **more})

    def deploy(self, **more: Any) -> EndpointRef:
        options = more.pop("options", None)
        ref = self.driver.deploy(self.request(**more), call(options=options)).endpoint
        assert ref is not None
        return ref

    def ready(self, **more: Any) -> EndpointRef:
        """Deployed, and looked at until it answers."""
        ref = self.deploy(**more)
        assert self.driver.endpoint_status(ref, call()).state in (JobState.QUEUED, JobState.RUNNING)
        assert self.driver.endpoint_status(ref, call()).state is JobState.SUCCEEDED
        return ref

    def traffic(self, ref: EndpointRef) -> dict[str, int]:
        return {each.version: each.traffic for each in self.driver.endpoint_status(ref, call()).versions}


def call(seconds: float = 5.0, options: OptionsModel | None = None, key: str = "") -> Call:
    return Call(timeout=seconds, options=options, idempotency_key=key)


@pytest.fixture(scope="module")
def opened() -> Iterator[tuple[StrictServer, AwsDriver]]:
    with serving() as server:
        made = AwsDriver(AwsSettings.model_validate(settings(server, sagemaker_role_arn=ROLE)), backend="aws")
        yield server, made
        made.close()


@pytest.fixture
def desk(opened: tuple[StrictServer, AwsDriver], tmp_path: Path) -> Iterator[Desk]:
    server, made = opened
    scale(tmp_path / "twice", 2.0)
    scale(tmp_path / "thrice", 3.0)
    server.forget()
    yield Desk(server=server, service=HostingService(server).answer(), driver=made, folder=tmp_path)
    assert server.violations == []


# --- deploying ---------------------------------------------------------------------------------------


def test_a_model_is_packaged_staged_and_put_behind_an_endpoint(desk: Desk) -> None:
    result = desk.driver.deploy(desk.request(), call())
    assert result.state is JobState.QUEUED
    model = desk.server.params("CreateModel")
    assert model["ModelName"] == f"digits-{result.version}"
    assert model["ExecutionRoleArn"] == ROLE
    container = model["PrimaryContainer"]
    assert "sagemaker-tritonserver" in container["Image"]
    assert container["Environment"] == {"SAGEMAKER_TRITON_DEFAULT_MODEL_NAME": "digits"}
    bucket, key = container["ModelDataUrl"].removeprefix("s3://").split("/", 1)
    import io
    import tarfile

    with tarfile.open(fileobj=io.BytesIO(desk.server.objects[bucket, key])) as archive:
        assert "digits/1/model.onnx" in archive.getnames()
    (variant,) = desk.server.params("CreateEndpointConfig")["ProductionVariants"]
    assert variant["VariantName"] == result.version
    assert variant["InitialInstanceCount"] == 1
    assert desk.server.params("CreateEndpoint")["EndpointName"] == "digits"


def test_the_plan_is_what_is_sent_with_its_cost_and_sends_nothing(desk: Desk) -> None:
    plan = desk.driver.plan_deployment(desk.request(), call())
    assert desk.server.requests == 0
    assert plan.hourly is not None
    desk.deploy()
    for step in plan.requests:
        assert step["body"] == desk.server.params(str(step["call"]))


def test_cost_per_hour_is_shown_while_it_stands(desk: Desk) -> None:
    plan = desk.driver.plan_deployment(desk.request(min_replicas=2), call())
    ref = desk.ready(min_replicas=2)
    status = desk.driver.endpoint_status(ref, call())
    assert status.hourly == plan.hourly
    assert [(each.traffic, each.replicas) for each in status.versions] == [(100, 2)]


def test_a_serverless_endpoint_has_memory_and_no_machine(desk: Desk) -> None:
    ref = desk.ready(serverless=True, options=DeployOptions(memory_mb=4096, max_concurrency=9))
    (variant,) = desk.server.params("CreateEndpointConfig")["ProductionVariants"]
    assert variant["ServerlessConfig"] == {"MemorySizeInMB": 4096, "MaxConcurrency": 9}
    assert "InstanceType" not in variant
    hourly = desk.driver.endpoint_status(ref, call()).hourly
    assert hourly is not None
    assert hourly.amount == 0
    with pytest.raises(InvalidInput, match="no GPU"):
        desk.deploy(serverless=True, accelerator=Accelerator(name="T4", count=1))


def test_a_gpu_becomes_an_instance(desk: Desk) -> None:
    desk.deploy(accelerator=Accelerator(name="T4", count=1))
    (variant,) = desk.server.params("CreateEndpointConfig")["ProductionVariants"]
    assert variant["InstanceType"] == "ml.g4dn.xlarge"


def test_scaling_is_set_as_soon_as_the_endpoint_answers(desk: Desk) -> None:
    ref = desk.deploy(max_replicas=4, options=DeployOptions(target_invocations=120))
    assert desk.service.targets == {}
    desk.driver.endpoint_status(ref, call())
    desk.driver.endpoint_status(EndpointRef.model_validate_json(ref.model_dump_json()), call())
    (target,) = desk.service.targets.values()
    assert (target["MinCapacity"], target["MaxCapacity"]) == (1, 4)
    (policy,) = desk.service.policies.values()
    assert policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 120


def test_the_same_model_again_changes_nothing(desk: Desk) -> None:
    desk.ready()
    before = desk.service.left
    desk.deploy()
    assert desk.service.left == before
    assert desk.server.operations().count("CreateModel") == 1
    assert "UpdateEndpoint" not in desk.server.operations()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"model": "nowhere"}, "nowhere"),
        ({"version": "1.0"}, "letters, digits and hyphens"),
        ({"traffic": {"a": 50}}, "adds up to 100"),
        ({"version": "b", "traffic": {"a": 100}}, "no version b"),
        ({"accelerator": Accelerator(name="Abacus", count=1)}, "Abacus"),
    ],
)
def test_what_can_not_be_deployed_is_refused_and_nothing_is_sent(desk: Desk, more: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        desk.deploy(**more)
    assert desk.server.requests == 0


def test_a_corrupt_graph_is_refused_and_nothing_is_sent(desk: Desk) -> None:
    (desk.folder / "twice" / "model.onnx").write_bytes(b"\x08\x07no graph")
    with pytest.raises(InvalidInput, match=r"model\.onnx|twice"):
        desk.deploy()
    assert desk.server.requests == 0


def test_without_a_role_the_setting_is_named(desk: Desk) -> None:
    made = AwsDriver(AwsSettings.model_validate(settings(desk.server)), backend="aws")
    with pytest.raises(ConfigError, match="sagemaker_role_arn"):
        made.deploy(desk.request(), call())
    made.close()


# --- versions and traffic ----------------------------------------------------------------------------


def test_two_versions_share_the_traffic_and_one_is_taken_back(desk: Desk) -> None:
    ref = desk.ready(version="a")
    desk.deploy(version="b", model=str(desk.folder / "thrice"), traffic={"a": 90, "b": 10})
    assert desk.traffic(ref) == {"a": 90, "b": 10}
    desk.driver.set_traffic(ref, {"a": 50, "b": 50}, call())
    assert desk.traffic(ref) == {"a": 50, "b": 50}
    desk.driver.set_traffic(ref, {"a": 100}, call())
    assert desk.traffic(ref) == {"a": 100, "b": 0}
    assert "UpdateEndpoint" in desk.server.operations()


def test_a_version_that_was_replaced_comes_back_by_its_traffic(desk: Desk) -> None:
    ref = desk.ready(version="a")
    desk.deploy(version="b", model=str(desk.folder / "thrice"))
    assert desk.traffic(ref) == {"b": 100}
    desk.driver.set_traffic(ref, {"a": 100}, call())
    assert desk.traffic(ref) == {"a": 100}
    with pytest.raises(InvalidInput, match="no version c"):
        desk.driver.set_traffic(ref, {"c": 100}, call())


def test_percents_add_up_whatever_the_weights_are() -> None:
    from cloudai_aws.sagemaker_hosting import percents

    numbers = random.Random(7)
    for _ in range(500):
        weights = [numbers.choice([0.0, 1.0, numbers.random() * 10]) for _ in range(numbers.randint(1, 6))]
        assert sum(percents(weights)) == (100 if sum(weights) else 0)


# --- listing and deleting ----------------------------------------------------------------------------


def test_deleting_leaves_nothing_of_ours_and_all_of_others(desk: Desk) -> None:
    ref = desk.ready(version="a", max_replicas=3)
    desk.deploy(version="b", model=str(desk.folder / "thrice"))
    stranger = {**desk.service.models["digits-a"], "Tags": []}
    desk.service.models["digits-stranger"] = stranger
    desk.driver.delete_endpoint(ref, call())
    assert desk.service.left == {"digits-stranger"}
    assert desk.server.objects == {}
    desk.driver.delete_endpoint(ref, call())


def test_endpoints_are_listed_with_what_was_left_half_made(desk: Desk) -> None:
    desk.ready()
    desk.deploy(name="other")
    desk.service.endpoints.pop("other")
    found = {each.ref.name: each for each in desk.driver.list_endpoints(call())}
    assert found["digits"].state is JobState.SUCCEEDED
    assert found["other"].state is JobState.FAILED
    assert "half made" in str(found["other"].message)
    desk.driver.delete_endpoint(found["other"].ref, call())
    assert not [name for name in desk.service.left if name.startswith("other")]


def test_an_endpoint_that_failed_says_why(desk: Desk) -> None:
    ref = desk.deploy()
    desk.service.endpoints["digits"]["status"] = "Failed"
    status = desk.driver.endpoint_status(ref, call())
    assert (status.state, status.message) == (JobState.FAILED, "the container did not answer its health check")


def test_an_endpoint_that_is_gone_is_not_found(desk: Desk) -> None:
    ref = EndpointRef(backend="aws", id="gone", name="gone")
    for ask in (desk.driver.endpoint_status, lambda ref, c: desk.driver.set_traffic(ref, {"a": 100}, c)):
        with pytest.raises(ServiceError) as caught:
            ask(ref, call())
        assert caught.value.code is ErrorCode.NOT_FOUND


# --- when the wire fails -----------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"])
def test_a_refusal_half_way_leaves_nothing(desk: Desk, operation: str) -> None:
    desk.server.answers[operation] = lambda _: Failure(code="ResourceLimitExceeded", message="no more of these")
    with pytest.raises(Exception, match="no more of these") as caught:
        desk.deploy()
    fault = desk.driver.classify(caught.value)
    assert fault is not None
    assert fault.code is ErrorCode.QUOTA_EXHAUSTED
    assert desk.service.left == set()


def test_a_refused_second_version_leaves_the_first_as_it_was(desk: Desk) -> None:
    ref = desk.ready(version="a")
    before = desk.service.left
    desk.server.answers["UpdateEndpoint"] = lambda _: Failure(code="ResourceLimitExceeded", message="no more")
    with pytest.raises(Exception, match="no more"):
        desk.deploy(version="b", traffic={"a": 50, "b": 50})
    assert desk.service.left == before
    assert desk.traffic(ref) == {"a": 100}


@pytest.mark.parametrize("at", range(12))
def test_an_answer_lost_anywhere_leaks_nothing(desk: Desk, at: int) -> None:
    """Lost once at each request in turn; deployed again it is one endpoint, and deleting it leaves nothing."""
    desk.server.next_faults.extend([*[None] * at, Broken(kind="lost")])
    with suppress(CloudAIError, BotoCoreError, HTTPError):
        desk.deploy()
    desk.server.next_faults.clear()
    ref = desk.deploy()
    assert len(desk.service.endpoints) == len(desk.service.models) == len(desk.service.configs) == 1
    desk.driver.delete_endpoint(ref, call())
    assert desk.service.left == set()


@pytest.mark.parametrize("at", range(8))
def test_a_process_that_ends_half_way_leaves_what_the_list_shows(desk: Desk, at: int) -> None:
    """As after kill -9: from some request on, nothing is sent and nothing is tidied up."""

    class Killed(BaseException):
        """Not an exception that anything catches."""

    sent = 0
    wire = desk.driver.client.wire  # type: ignore[attr-defined]
    exchange = wire._exchange

    def dying(*arguments: Any, **named: Any) -> Any:
        nonlocal sent
        sent += 1
        if sent > at:
            raise Killed
        return exchange(*arguments, **named)

    wire._exchange = dying
    try:
        with pytest.raises(Killed):
            desk.deploy()
    finally:
        wire._exchange = exchange
    listed = {each.ref.name for each in desk.driver.list_endpoints(call())}
    assert listed == ({"digits"} if desk.service.left else set())
    desk.driver.delete_endpoint(EndpointRef(backend="aws", id="digits", name="digits"), call())
    assert desk.service.left == set()


# --- predictions -------------------------------------------------------------------------------------


def test_tensors_go_as_bytes_and_come_back_by_name(desk: Desk) -> None:
    desk.ready(version="a")
    tensors = {"x": Tensor(np.arange(8, dtype=np.float32).reshape(2, 4)), "n": Tensor(np.array([[3]], np.int64))}
    result = desk.driver.predict(PredictRequest(model="digits", tensors=tensors), call())
    assert result.outputs["x2"].array.tolist() == [[0, 2, 4, 6], [8, 10, 12, 14]]
    assert result.outputs["n2"].array.tolist() == [[6]]
    assert result.version == "a"
    sent = desk.server.params("InvokeEndpoint")
    assert sent["ContentType"].startswith("application/vnd.sagemaker-triton.binary+json;json-header-size=")


def test_a_version_is_named_as_a_variant(desk: Desk) -> None:
    desk.ready(version="a")
    tensors = {"x": Tensor(np.zeros((1, 4), np.float32))}
    result = desk.driver.predict(PredictRequest(model="digits", version="b", tensors=tensors), call())
    assert desk.service.chosen == ["b"]
    assert result.version == "b"


def test_an_unknown_endpoint_and_tensors_that_do_not_fit_are_the_callers(desk: Desk) -> None:
    desk.ready()
    tensors = {"x": Tensor(np.zeros((1, 4), np.float32))}
    with pytest.raises(Exception, match="not found") as caught:
        desk.driver.predict(PredictRequest(model="nobody", tensors=tensors), call())
    fault = desk.driver.classify(caught.value)
    assert fault is not None
    assert fault.code is ErrorCode.INVALID_INPUT
    with pytest.raises(InvalidInput, match="tensors"):
        desk.driver.predict(PredictRequest(model="digits"), call())
    large = {"x": Tensor(np.zeros(2_000_000, np.float32))}
    with pytest.raises(TooLarge, match="6,291,456"):
        desk.driver.predict(PredictRequest(model="digits", tensors=large), call())


def test_an_answer_that_is_not_of_the_protocol_is_told(desk: Desk) -> None:
    desk.ready()
    desk.server.answers["InvokeEndpoint"] = lambda _: {"Body": b"<html>", "ContentType": "text/html"}
    tensors = {"x": Tensor(np.zeros((1, 4), np.float32))}
    with pytest.raises(ServiceError, match="Open Inference Protocol"):
        desk.driver.predict(PredictRequest(model="digits", tensors=tensors), call())


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, ErrorCode.INVALID_INPUT),
        (404, ErrorCode.NOT_FOUND),
        (503, ErrorCode.UNAVAILABLE),
        (500, ErrorCode.INTERNAL),
    ],
)
def test_what_the_model_says_of_a_request_has_a_code_by_its_status(desk: Desk, status: int, code: ErrorCode) -> None:
    desk.ready()
    said = {"OriginalStatusCode": status, "OriginalMessage": '{"error": "unexpected shape for input x"}'}
    failure = Failure(code="ModelError", status=424, members=said)
    desk.server.answers["InvokeEndpoint"] = lambda _: failure
    tensors = {"x": Tensor(np.zeros((1, 5), np.float32))}
    with pytest.raises(CloudAIError, match="unexpected shape for input x") as caught:
        desk.driver.predict(PredictRequest(model="digits", tensors=tensors), call())
    assert caught.value.code is code
