"""azure-ai-ml behind the Azure ML drivers: imported late, one request a call, the bodies that `MLClient` makes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from azure_storage import CONTAINER
from azureml_custom_server import TOKENS, WORKSPACE, Answered, MlServer, ml_server
from test_azure_auth import entra
from test_azure_custom_endpoints import wanted
from test_azure_custom_training import CALL, job, opened, values

from cloudai.errors import Delivery, ErrorCode, InvalidInput
from cloudai.http import OutOfTime, WireReply, WireRequest
from cloudai.wirejson import JsonNode, Malformed
from cloudai_azure import ml_bodies as bodies
from cloudai_azure.errors import AzureError
from cloudai_azure.ml_client import API, MlClient
from cloudai_azure.ml_sdk import GROUPS, Management
from cloudai_azure.settings import AzureSettings

CHILD = """
import json, sys
from cloudai.driver import Call
from cloudai.types.custom import TrainingJob
from cloudai_azure.provider import PROVIDER
values, request, hidden = json.load(sys.stdin)
if hidden:
    sys.modules["azure.ai.ml"] = None
driver = PROVIDER.open(PROVIDER.settings.model_validate(values), backend="b")
asked = TrainingJob.model_validate(request)
driver.plan_training(asked, Call(timeout=30.0))
loaded = sorted(name for name in sys.modules if name.startswith(("azure.", "opentelemetry", "marshmallow")))
try:
    driver.train(asked, Call(timeout=30.0))
    told = None
except Exception as error:
    told = [type(error).__name__, str(error)]
driver.close()
print(json.dumps([[name for name in loaded if sys.modules[name]], told]))
"""


def in_a_process(folder: Path, *, hidden: bool) -> tuple[list[str], list[str] | None, list[str]]:
    """What was imported before the first request, how it ended, and the requests."""
    with entra(folder) as login, ml_server(folder) as server:
        asked = json.loads(job(folder).model_dump_json())
        given = json.dumps([values(login, server, folder), asked, hidden])
        run = subprocess.run(
            [sys.executable, "-W", "error", "-c", CHILD], input=given, capture_output=True, text=True, check=True
        )
        loaded, told = json.loads(run.stdout)
        assert run.stderr == ""
        return loaded, told, [path for _, path, _ in server.requests]


def test_the_package_is_imported_by_the_first_request_and_says_nothing(tmp_path: Path) -> None:
    loaded, told, requests = in_a_process(tmp_path, hidden=False)
    assert (loaded, told) == ([], None)
    assert requests


def test_without_the_package_the_plan_stands_and_the_error_says_what_to_install(tmp_path: Path) -> None:
    loaded, told, requests = in_a_process(tmp_path, hidden=True)
    assert loaded == []
    assert told is not None
    assert told[0] == "MissingDependency"
    assert "pip install 'cloudai[azure-train]'" in told[1]
    assert requests == []


def management(send: Any) -> Management:
    return Management(subscription="s", group="g", workspace="w", address="https://a", version=API, send=send)


def test_the_package_has_all_that_is_called() -> None:
    made = management(None)
    for collection in GROUPS:
        group, _ = made._group(collection.replace("/", "/x/"))
        methods = set(dir(group))
        assert "get" in methods
        if collection not in ("", "datastores", "models"):
            assert "list" in methods
            assert methods & {"begin_delete", "delete"}
            assert methods & {"begin_create_or_update", "create_or_update"}
    made.close()


@pytest.mark.parametrize("status", [302, 401, 408, 409, 429, 500, 503])
def test_a_call_is_one_request_whatever_the_answer(tmp_path: Path, status: int) -> None:
    with opened(tmp_path) as (driver, server):
        run = driver.train(job(tmp_path), CALL).run
        assert run is not None
        before = len(server.requests)
        server.refuse["GET jobs"] = Answered(status, "MissingSubscriptionRegistration", "no")
        with pytest.raises(AzureError):
            driver.run_status(run, CALL)
        assert len(server.requests) == before + 1


def client(server: MlServer, folder: Path, login: Any) -> MlClient:
    return MlClient(AzureSettings.model_validate(values(login, server, folder)))


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[tuple[MlClient, MlServer]]:
    with entra(tmp_path) as login, ml_server(tmp_path) as server:
        made = client(server, tmp_path, login)
        try:
            yield made, server
        finally:
            made.close()


def test_a_token_goes_to_no_address_that_an_answer_names_elsewhere(workspace: tuple[MlClient, MlServer]) -> None:
    known, server = workspace
    elsewhere = server.url.replace("localhost", "127.0.0.1")
    reply = WireReply(status=201, headers={"azure-asyncoperation": f"{elsewhere}/operations/op-0"})
    with pytest.raises(Malformed, match="another address"):
        known.finished(reply, ends=time.monotonic() + 30)
    page = server.page
    server.page = lambda *asked: {**page(*asked), "nextLink": f"{elsewhere}{WORKSPACE}/jobs"}  # type: ignore[method-assign]
    with pytest.raises(Malformed, match="another address"):
        list(known.listed("jobs", {}, timeout=30))
    assert len(server.requests) == 1


def test_without_time_nothing_is_sent(workspace: tuple[MlClient, MlServer]) -> None:
    known, server = workspace
    with pytest.raises(OutOfTime):
        known.get("jobs/a", timeout=0)
    with pytest.raises(OutOfTime):
        list(known.listed("jobs", {}, timeout=0))
    assert server.requests == []


def test_many_threads_share_one_client(workspace: tuple[MlClient, MlServer]) -> None:
    known, server = workspace
    found: list[JsonNode | None] = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(known.there(f"jobs/j{n}", timeout=30)))  # type: ignore[misc]
        for n in range(16)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == [None] * 16
    assert sorted(path for _, path, _ in server.requests) == sorted(f"jobs/j{n}" for n in range(16))


WORDS = ("value", "nextLink", "properties", "jobType", "tags", "name", "systemData", "createdAt", "status", "identity")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=4),
    max_leaves=8,
)


@given(answer=JSON.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=20))
@pytest.mark.parametrize("verb", ["get", "create_or_update", "cancel", "listed"])
def test_any_success_is_read_or_malformed(verb: str, answer: bytes) -> None:
    sent: list[WireRequest] = []

    def send(request: WireRequest, timeout: float) -> WireReply:
        sent.append(request)
        return WireReply(status=200, body=answer if len(sent) == 1 else b'{"value": []}')

    made, ends = management(send), time.monotonic() + 30
    try:
        if verb == "listed":
            assert all(isinstance(each, JsonNode) for each in made.listed("jobs", {"tag": "a"}, ends=ends))
        else:
            body = {} if verb == "create_or_update" else None
            assert made.ask(verb, "jobs/a", ends=ends, body=body).body == answer
    except Malformed:
        pass
    assert sent


def test_an_answer_that_can_not_be_read_is_looked_up(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        server.garble.append("PUT jobs")
        result = driver.train(job(tmp_path), CALL)
        assert result.run is not None
        assert [f"jobs/{result.run.id}"] == list(server.resources)
        server.garble += ["PUT jobs", "GET jobs"]
        with pytest.raises(AzureError) as caught:
            driver.train(job(tmp_path, hyperparameters={}), CALL)
        assert (caught.value.fault.code, caught.value.fault.delivery) == (ErrorCode.OUTCOME_UNKNOWN, Delivery.UNKNOWN)


# --- what azure-ai-ml's own front door sends ---------------------------------------------------------------


class Token:
    """A credential that has a token."""

    def get_token(self, *scopes: str, **_: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken(TOKENS["https://management.azure.com/.default"], 1 << 40)


@pytest.fixture
def front(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, MlServer]]:
    """`MLClient` of the loopback workspace."""
    folder = tmp_path / "front"
    folder.mkdir()
    with ml_server(folder) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield front_door(server, folder, monkeypatch), server


def front_door(server: MlServer, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    from azure.ai.ml import MLClient

    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(server.ca_file))
    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "AzureCloud")  # MLClient sets it for the whole process
    monkeypatch.chdir(folder)  # where no git repository is: it puts what it finds there into a job
    server.any_version = True
    names = ("azure_portal", "resource_manager", "active_directory", "aml_resource_id", "registry_discovery_endpoint")
    cloud = {**dict.fromkeys(names, f"{server.url}/"), "storage_endpoint": "core.local"}
    where = {"cloud": f"loop-{id(server)}", "cloud_metadata": cloud}
    return MLClient(Token(), "s-1", "group", "work", enable_telemetry=False, show_progress=False, **where)


def bare(body: Any) -> Any:
    """Without members that say nothing: empty, false, none."""
    if isinstance(body, Mapping):
        return {key: bare(value) for key, value in body.items() if value not in (None, False, {}, [])}
    return [bare(each) for each in body] if isinstance(body, list) else body


def test_its_command_makes_the_job_that_is_sent_here(front: tuple[Any, MlServer], tmp_path: Path) -> None:
    from azure.ai.ml import Input, Output, command

    azures, server = front
    with opened(tmp_path) as (driver, ours):
        driver.train(job(tmp_path, spot=True, nodes=2), CALL)
        (sent,) = ours.sent("PUT", "jobs")
    known = sent["properties"]
    modes = {"Download": "download", "ReadOnlyMount": "ro_mount", "ReadWriteMount": "rw_mount"}
    made = command(
        name="theirs",
        display_name=known["displayName"],
        experiment_name=known["experimentName"],
        command=known["command"],
        environment=known["environmentId"],
        environment_variables=known["environmentVariables"],
        inputs={
            name: Input(type=each["jobInputType"], path=each["uri"], mode=modes[each["mode"]])
            for name, each in known["inputs"].items()
        },
        outputs={
            name: Output(type=each["jobOutputType"], path=each["uri"], mode=modes[each["mode"]])
            for name, each in known["outputs"].items()
        },
        instance_type=known["resources"]["instanceType"],
        instance_count=2,
        distribution={"type": "pytorch", "process_count_per_instance": 1},
        job_tier="spot",
        timeout=7200,
        tags=known["tags"],
    )
    azures.jobs.create_or_update(made)
    (theirs,) = server.sent("PUT", "jobs")
    assert theirs["properties"].pop("limits") == {"jobLimitsType": "Command", "timeout": "PT2H"}
    assert known.pop("limits") == {"jobLimitsType": "Command", "timeout": "PT7200S"}  # the same time
    assert bare(theirs) == bare(sent)


def test_it_reads_the_job_that_is_sent_here(front: tuple[Any, MlServer], tmp_path: Path) -> None:
    azures, server = front
    with opened(tmp_path) as (driver, ours):
        run = driver.train(job(tmp_path), CALL).run
        assert run is not None
        server.resources = ours.resources
    found = azures.jobs.get(run.id)
    assert found.name == run.name
    assert found.tags["cloudai-submission"] == run.name
    assert found.resources.instance_type.startswith("Standard_NC")
    assert found.outputs["model"].path.endswith("/model")
    assert found.queue_settings.job_tier.lower() == "standard"


def test_its_entities_make_the_endpoint_that_is_sent_here(front: tuple[Any, MlServer], tmp_path: Path) -> None:
    from azure.ai.ml import entities

    azures, server = front
    request = wanted(tmp_path, min_replicas=2, tags={"team": "a"}, image="mine/triton:1")
    machine = "Standard_NC4as_T4_v3"
    path, image = bodies.image_environment("mine/triton:1")
    name = path.split("/")[1]
    azures.environments.create_or_update(
        entities.Environment(name=name, version="1", image="mine/triton:1", tags={"cloudai": "image"})
    )
    assert [bare(each) for each in server.sent("PUT", "environments/versions")] == [bare(image)]

    server.blobs.blobs[f"{CONTAINER}/m/x"] = b"1"
    model = bodies.model_body(request, "1", "azureml://datastores/workspaceblobstore/paths/m")
    tags = {"tags": model["properties"]["tags"]}  # type: ignore[index]
    azures.models.create_or_update(
        entities.Model(name="m", version="1", type="triton_model", path=model["properties"]["modelUri"], **tags)  # type: ignore[index]
    )
    (sent,) = server.sent("PUT", "models/versions")
    long = f"azureml://{WORKSPACE[1:].lower()}".replace("/providers/microsoft.machinelearningservices", "")
    assert sent["properties"].pop("modelUri") == f"{long}/datastores/workspaceblobstore/paths/m"
    model["properties"].pop("modelUri")  # type: ignore[attr-defined]
    assert bare(sent) == bare(model)

    endpoint = bodies.endpoint_body(request, "eastus")
    tags = {"tags": endpoint["tags"]}
    azures.online_endpoints.begin_create_or_update(
        entities.ManagedOnlineEndpoint(name="twice", auth_mode="key", **tags)
    ).result()
    deployment = bodies.deployment_body(
        request, "1", "eastus", machine, f"{WORKSPACE}/models/m/versions/1", f"{WORKSPACE}/{path}"
    )
    azures.online_deployments.begin_create_or_update(
        entities.ManagedOnlineDeployment(
            name="v-1",
            endpoint_name="twice",
            model=f"{WORKSPACE}/models/m/versions/1",
            environment=f"{WORKSPACE}/{path}",
            instance_type=machine,
            instance_count=2,
            scale_settings=entities.DefaultScaleSettings(),
            tags=deployment["tags"],
        )
    ).result()
    (sent,) = server.sent("PUT", "onlineEndpoints/deployments")
    assert deployment["sku"].pop("tier") == "Standard"  # type: ignore[attr-defined]
    assert bare(sent) == bare(deployment)
    azures.online_endpoints.begin_create_or_update(
        entities.ManagedOnlineEndpoint(name="twice", auth_mode="key", traffic={"v-1": 100}, **tags)
    ).result()
    moved = bodies.endpoint_body(request, "eastus", traffic={"v-1": 100})
    assert [bare(each) for each in server.sent("PUT", "onlineEndpoints")] == [bare(endpoint), bare(moved)]


@given(version=st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,29}", fullmatch=True))
def test_every_version_has_a_name_that_azure_takes(version: str) -> None:
    from azure.ai.ml.constants._endpoint import EndpointConfigurations as Rules

    name = bodies.deployment_name(version)
    assert Rules.MIN_NAME_LENGTH <= len(name) <= Rules.MAX_NAME_LENGTH
    assert re.match(Rules.NAME_REGEX_PATTERN, name)


@given(version=st.text(max_size=40).filter(lambda each: not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,29}", each)))
def test_any_other_version_is_refused(version: str) -> None:
    with pytest.raises(InvalidInput, match="a version has"):
        bodies.deployment_name(version)
