"""What creates something that costs (a training job, an endpoint, a batch job) is asked for once, whatever happens.

Counted at a socket before strict servers of SageMaker, Vertex AI and Azure ML, with retries allowed, for each step that
creates something and each way in which it can go wrong. What a batch job is made of beforehand costs nothing while no
job runs, and has a name of its content: there a second try is allowed, and makes no second of it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "serving"))

import aws_answers
import test_azure_custom_training as azure
import test_gcp_custom_training as gcp
from aws_hosting import HostingService
from aws_sagemaker import ROLE, TrainingService
from aws_server import StrictServer, serving
from aws_transform import TransformService
from azureml_batch_server import BatchServer, batch_server
from azureml_batches import inputs
from fault_proxy import FaultProxy, Mishap, before
from served import scale
from test_azure_auth import entra
from vertex_custom_server import VertexServer, vertex_server

from cloudai import Client
from cloudai.calls.batches import BatchRun
from cloudai.config import BackendConfig, Config, Origin, Policy, Route
from cloudai.errors import CloudAIError, Delivery, ErrorCode
from cloudai.types.custom import Accelerator, BatchPredictRequest, DeployRequest, DeployResult, TrainingJob, TrainResult

HERE = Origin(place="test")
MACHINES = {"aws": "ml.m5.xlarge", "gcp": "n1-standard-4", "azure": "Standard_NC4as_T4_v3"}
CREATES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("aws", "train"): ("CreateTrainingJob",),
    ("aws", "deploy"): ("CreateModel", "CreateEndpointConfig", r"CreateEndpoint$"),
    ("aws", "batch"): ("CreateTransformJob",),
    ("gcp", "train"): ("POST .*/customJobs ",),
    ("gcp", "deploy"): ("POST .*/endpoints ", "POST .*/models:upload ", "POST .*:deployModel "),
    ("gcp", "batch"): ("POST .*/batchPredictionJobs ",),
    ("azure", "train"): ("PUT .*/jobs/",),
    ("azure", "deploy"): (
        "PUT .*/onlineEndpoints/[^/]+ ",
        "PUT .*/models/.*/versions/",
        "PUT .*/onlineEndpoints/.*/deployments/",
    ),
    ("azure", "batch"): ("POST /batch-.*/jobs ",),
}
PARTS = [
    ("aws", "CreateModel"),
    ("azure", "PUT .*/batchEndpoints/[^/]+ "),
    ("azure", "PUT .*/models/.*/versions/"),
    ("azure", "PUT .*/codes/.*/versions/"),
    ("azure", "PUT .*/environments/.*/versions/"),
    ("azure", "PUT .*/computes/"),
    ("azure", "PUT .*/batchEndpoints/.*/deployments/"),
]
"""Of a batch job, before it is submitted."""
LOOKS: Mapping[tuple[str, str], str] = {
    ("aws", "train"): "DescribeTrainingJob",
    ("aws", "deploy"): "DescribeEndpoint$",
    ("aws", "batch"): "DescribeTransformJob",
    ("gcp", "train"): "GET .*/customJobs ",
    ("gcp", "deploy"): "GET .*/endpoints",
    ("gcp", "batch"): "GET .*/batchPredictionJobs ",
    ("azure", "train"): "GET .*/jobs/",
    ("azure", "deploy"): "GET .*/onlineEndpoints/",
    ("azure", "batch"): "GET .*/batchEndpoints/",
}
"""What is looked at before anything is created."""
LOST: Mapping[str, Mishap] = {
    "reset before it was done": Mishap(how="reset", done=False),
    "reset before the head": Mishap(how="reset"),
    "reset after the head": Mishap(how="cut"),
    "no answer in time": Mishap(how="hang"),
    "truncated": Mishap(how="short"),
}
REFUSED: Mapping[str, Mishap] = {"429": Mishap(how="429"), "503": Mishap(how="503")}
STEPS = [(provider, verb, step) for (provider, verb), steps in CREATES.items() for step in steps]
Server = StrictServer | VertexServer | BatchServer
Asked = TrainingJob | DeployRequest | BatchPredictRequest


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A client and what is behind it."""

    client: Client
    proxy: FaultProxy
    server: Server


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """A client, the proxy before its server, and what is there."""

    client: Client
    proxy: FaultProxy
    counted: Callable[[], dict[str, int]]
    request: Asked

    def submit(self, deadline: float = 60.0) -> TrainResult | DeployResult | BatchRun:
        if isinstance(self.request, TrainingJob):
            return self.client.custom.train(self.request, deadline=deadline)
        if isinstance(self.request, BatchPredictRequest):
            return self.client.custom.submit_batch(self.request, deadline=deadline)
        return self.client.custom.deploy(self.request, deadline=deadline)


def values(provider: str, stack: ExitStack, folder: Path) -> tuple[dict[str, Any], str, Server]:
    """The backend's settings without the address of the proxy, the server's address, the server."""
    if provider == "aws":
        strict = stack.enter_context(serving())
        return aws_answers.settings(strict, sagemaker_role_arn=ROLE), strict.url, strict
    if provider == "gcp":
        vertex = stack.enter_context(vertex_server())
        known = gcp.settings(vertex, folder)
        return known.model_dump(mode="json", exclude_none=True), vertex.url, vertex
    login, ml = stack.enter_context(entra(folder)), stack.enter_context(batch_server(folder))
    return azure.values(login, ml, folder), ml.url, ml


def counting(server: Server) -> Callable[[], dict[str, int]]:
    """How many jobs, models and deployments there are."""
    if isinstance(server, StrictServer):
        server.forget()
        training, hosting = TrainingService(server).answer(), HostingService(server)
        search = server.answers["Search"]
        transform = TransformService(hosting.answer()).answer()
        server.answers["Search"] = search
        return lambda: {
            "jobs": len(training.jobs) + len(transform.jobs),
            "models": len(hosting.models),
            "deployed": len(hosting.endpoints),
        }
    return lambda: made(server)


def made(server: VertexServer | BatchServer) -> dict[str, int]:
    if isinstance(server, VertexServer):
        deployed = [each for endpoint in server.endpoints.values() for each in endpoint.get("deployedModels", [])]
        jobs = len(server.jobs) + len(server.batches)
        return {"jobs": jobs, "models": len(server.models), "deployed": len(deployed)}
    keys = list(server.resources)
    return {
        "jobs": len([key for key in keys if key.startswith("jobs/")]),
        "models": len([key for key in keys if key.startswith("models/") and "/versions/" in key]),
        "deployed": len([key for key in keys if "/deployments/" in key]),
    }


def asked(verb: str, provider: str, folder: Path) -> Asked:
    machine = Accelerator(instance=MACHINES[provider])
    if verb == "train":
        return azure.job(folder, accelerator=machine, inputs={"train": str(folder / "data")}, framework="pytorch")
    model = str(scale(folder / "twice", 2.0))
    if verb == "batch":
        output = str(folder / "out")
        return BatchPredictRequest(model=model, inputs=str(inputs(folder)), output=output, accelerator=machine)
    return DeployRequest(model=model, name="twice", accelerator=machine)


@pytest.fixture(scope="module")
def amazon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """One for all tests: botocore takes a second to read SageMaker's description."""
    with opened("aws", tmp_path_factory.mktemp("aws")) as made:
        yield made


@contextmanager
def cloud(provider: str, verb: str, folder: Path, amazon: Opened) -> Iterator[Cloud]:
    with ExitStack() as stack:
        made = amazon if provider == "aws" else stack.enter_context(opened(provider, folder))
        made.proxy.play("(?!)", Mishap(how="reset"))
        counted = counting(made.server)
        yield Cloud(client=made.client, proxy=made.proxy, counted=counted, request=asked(verb, provider, folder))


@contextmanager
def opened(provider: str, folder: Path) -> Iterator[Opened]:
    with ExitStack() as stack:
        known, url, server = values(provider, stack, folder)
        proxy = stack.enter_context(before(url))
        known["ml_endpoint" if provider == "azure" else "endpoint_url"] = proxy.url
        known.pop("provider")
        config = Config(
            source=None,
            backends={"it": BackendConfig(name="it", provider=provider, values=known, origin=HERE)},
            routes=(Route(pattern="custom.*", backends=("it",), origin=HERE),),
            policy=Policy(max_attempts=3, backoff=0.001, max_backoff=0.002),
        )
        with Client(config) as client:
            yield Opened(client=client, proxy=proxy, server=server)


def one_of_each(provider: str, verb: str) -> dict[str, int]:
    """What a submission leaves."""
    kept = {"aws": 1, "gcp": 0, "azure": 1}[provider]
    return {
        "train": {"jobs": 1, "models": 0, "deployed": 0},
        "deploy": {"jobs": 0, "models": 1, "deployed": 1},
        "batch": {"jobs": 1, "models": kept, "deployed": int(provider == "azure")},
    }[verb]


def left_of(provider: str, step: str) -> dict[str, int]:
    """What a refused submission leaves: SageMaker's model of a batch job, which costs nothing."""
    kept = (provider, step) == ("aws", "CreateTransformJob")
    return {"jobs": 0, "models": int(kept), "deployed": 0}


@pytest.mark.parametrize("mishap", LOST)
@pytest.mark.parametrize(("provider", "verb", "step"), STEPS)
def test_a_creation_whose_answer_is_lost_is_asked_for_once(
    provider: str, verb: str, step: str, mishap: str, tmp_path: Path, amazon: Opened
) -> None:
    with cloud(provider, verb, tmp_path, amazon) as there:
        there.proxy.play(step, LOST[mishap])
        try:
            there.submit(deadline=6.0 if LOST[mishap].how == "hang" else 60.0)
        except CloudAIError as error:
            assert (error.code, error.delivery) == (ErrorCode.OUTCOME_UNKNOWN, Delivery.UNKNOWN)  # noqa: PT017
            assert not error.retryable  # noqa: PT017
        else:
            assert LOST[mishap].done
        assert there.proxy.count(step) == 1
        assert all(count <= one_of_each(provider, verb)[kind] for kind, count in there.counted().items())
        there.submit()
        assert there.counted() == one_of_each(provider, verb)


@pytest.mark.parametrize("mishap", REFUSED)
@pytest.mark.parametrize(("provider", "verb", "step"), STEPS)
def test_a_creation_that_is_refused_is_asked_for_once(
    provider: str, verb: str, step: str, mishap: str, tmp_path: Path, amazon: Opened
) -> None:
    with cloud(provider, verb, tmp_path, amazon) as there:
        there.proxy.play(step, REFUSED[mishap])
        with pytest.raises(CloudAIError) as caught:
            there.submit()
        expected = ErrorCode.RATE_LIMITED if mishap == "429" else ErrorCode.OUTCOME_UNKNOWN
        assert (caught.value.code, caught.value.delivery) == (expected, Delivery.REFUSED)
        assert there.proxy.count(step) == 1
        assert there.counted() == left_of(provider, step)
        there.submit()
        assert there.counted() == one_of_each(provider, verb)


@pytest.mark.parametrize("mishap", [Mishap(how="reset", done=False), Mishap(how="short"), Mishap(how="503")])
@pytest.mark.parametrize(("provider", "verb"), LOOKS)
def test_what_fails_before_the_first_creation_was_not_sent(
    provider: str, verb: str, mishap: Mishap, tmp_path: Path, amazon: Opened
) -> None:
    with cloud(provider, verb, tmp_path, amazon) as there:
        there.proxy.play(LOOKS[provider, verb], mishap, times=100)
        with pytest.raises(CloudAIError) as caught:
            there.submit()
        assert caught.value.delivery is Delivery.NOT_SENT
        assert caught.value.code is not ErrorCode.OUTCOME_UNKNOWN
        assert sum(there.proxy.count(step) for step in CREATES[provider, verb]) == 0
        there.proxy.play("(?!)", mishap)
        there.submit()
        assert there.counted() == one_of_each(provider, verb)


@pytest.mark.parametrize(("provider", "verb"), LOOKS)
def test_a_look_that_fails_once_is_repeated_and_the_creation_is_one(
    provider: str, verb: str, tmp_path: Path, amazon: Opened
) -> None:
    with cloud(provider, verb, tmp_path, amazon) as there:
        there.proxy.play(LOOKS[provider, verb], Mishap(how="reset", done=False))
        there.submit()
        counts = [there.proxy.count(step) for step in CREATES[provider, verb]]
        updates = (provider, verb) == ("azure", "deploy")  # the traffic goes into the endpoint that stands, by PUT too
        assert counts == [1 + updates, *[1] * (len(counts) - 1)]
        assert there.counted() == one_of_each(provider, verb)


@pytest.mark.parametrize("mishap", LOST)
@pytest.mark.parametrize(("provider", "part"), PARTS)
def test_a_part_of_a_batch_job_is_made_once_and_the_job_submitted_once(
    provider: str, part: str, mishap: str, tmp_path: Path, amazon: Opened
) -> None:
    (job,) = CREATES[provider, "batch"]
    with cloud(provider, "batch", tmp_path, amazon) as there:
        there.proxy.play(part, LOST[mishap])
        try:
            there.submit(deadline=6.0 if LOST[mishap].how == "hang" else 60.0)
        except CloudAIError as error:
            assert error.delivery is Delivery.NOT_SENT  # noqa: PT017
            assert there.proxy.count(job) == 0
            there.submit()
        assert there.proxy.count(job) == 1
        assert there.counted() == one_of_each(provider, "batch")


@pytest.mark.parametrize("mishap", REFUSED)
@pytest.mark.parametrize(("provider", "part"), PARTS)
def test_a_part_of_a_batch_job_that_is_refused_submits_no_job_and_leaves_nothing(
    provider: str, part: str, mishap: str, tmp_path: Path, amazon: Opened
) -> None:
    (job,) = CREATES[provider, "batch"]
    with cloud(provider, "batch", tmp_path, amazon) as there:
        there.proxy.play(part, REFUSED[mishap], times=100)
        with pytest.raises(CloudAIError) as caught:
            there.submit()
        assert caught.value.delivery is Delivery.NOT_SENT
        assert there.proxy.count(job) == 0
        assert there.counted() == {"jobs": 0, "models": 0, "deployed": 0}
        there.proxy.play("(?!)", REFUSED[mishap])
        there.submit()
        assert there.proxy.count(job) == 1
        assert there.counted() == one_of_each(provider, "batch")
