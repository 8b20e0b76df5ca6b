"""The bodies of batch jobs, member by member as azure-ai-ml's own client sends them for the same wish."""

from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "serving"))

from azureml_batch_server import TOKEN, BatchServer, batch_server
from azureml_batches import opened, submitted, wanted
from azureml_custom_server import WORKSPACE
from test_azure_ml_sdk import bare, front_door

from cloudai_azure import ml_batch_bodies as bodies
from cloudai_azure.settings import BatchOptions

OPTIONS = BatchOptions(mini_batch_files=4, mini_batch_seconds=90, max_retries=5, max_failed_files=3, workers=2)


class ForJobs:
    """A credential of `https://ml.azure.com`."""

    def get_token(self, *_: str, **__: Any) -> Any:
        from azure.core.credentials import AccessToken

        return AccessToken(TOKEN, 1 << 40)


@pytest.fixture
def theirs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, BatchServer]]:
    """`MLClient` before a server of its own, with the resources that a submission here has made."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    with batch_server(folder) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield front_door(server, folder, monkeypatch), server


@pytest.fixture
def sent(tmp_path: Path, theirs: tuple[Any, BatchServer]) -> dict[str, Any]:
    """Collection -> the body that was sent here, and `job` with the headers of the last request."""
    with opened(tmp_path) as (driver, ours):
        submitted(driver, wanted(tmp_path, instances=3, tags={"team": "a"}), options=OPTIONS)
        kinds = ("batchEndpoints", "batchEndpoints/deployments", "computes", "environments/versions", "models/versions")
        found = {kind: (path, body) for kind in kinds for path, body in made(ours, kind)}
        found |= {"codes/versions": made(ours, "codes/versions")[0], "job": ours.submitted[0]}  # type: ignore[dict-item]
        theirs[1].resources |= {path: node for path, node in ours.resources.items() if not path.startswith("jobs/")}
        theirs[1].blobs.blobs |= ours.blobs.blobs
        return found


def made(server: BatchServer, kind: str) -> list[tuple[str, Any]]:
    paths = [(verb, path, body) for verb, path, body in server.requests if verb == "PUT"]
    return [(path, body) for _, path, body in paths if "/".join(path.split("/")[::2]) == kind]


def test_its_batch_endpoint_is_the_one_that_is_sent_here(sent: dict[str, Any]) -> None:
    from azure.ai.ml import entities

    path, body = sent["batchEndpoints"]
    asked = entities.BatchEndpoint(name=path.split("/")[1], tags=body["tags"])._to_rest_batch_endpoint("eastus")
    rest = asked.as_dict()
    # it writes its own enumeration with another first letter
    assert rest["properties"].pop("authMode").lower() == body["properties"].pop("authMode").lower() == "aadtoken"
    assert bare(bare(rest)) == bare(bare(body))


def test_its_model_deployment_is_the_one_that_is_sent_here(
    sent: dict[str, Any],
) -> None:
    from azure.ai.ml import entities

    path, body = sent["batchEndpoints/deployments"]
    known = body["properties"]
    made_of = entities.ModelBatchDeployment(
        name=path.rpartition("/")[2],
        endpoint_name=path.split("/")[1],
        model=known["model"]["assetId"],
        environment=known["environmentId"],
        compute=known["compute"],
        code_configuration=entities.CodeConfiguration(
            code=known["codeConfiguration"]["codeId"], scoring_script=known["codeConfiguration"]["scoringScript"]
        ),
        resources=entities.ResourceConfiguration(instance_count=3),
        settings=entities.ModelBatchDeploymentSettings(
            mini_batch_size=4,
            max_concurrency_per_instance=2,
            retry_settings=entities.BatchRetrySettings(max_retries=5, timeout=90),
            error_threshold=3,
            output_action="summary_only",
            logging_level="info",
            environment_variables=known["environmentVariables"],
        ),
        tags=body["tags"],
    )
    rest = made_of._to_rest_object(location="eastus").as_dict()
    assert rest["properties"].pop("retrySettings") == {"maxRetries": 5, "timeout": "PT1M30S"}
    assert known.pop("retrySettings") == {"maxRetries": 5, "timeout": "PT90S"}  # the same time
    assert rest["properties"].pop("loggingLevel").lower() == known.pop("loggingLevel").lower()
    assert bare(rest) == bare(body)


def test_its_cluster_is_the_one_that_is_sent_here(theirs: tuple[Any, BatchServer], sent: dict[str, Any]) -> None:
    from azure.ai.ml import entities

    azures, server = theirs
    path, body = sent["computes"]
    size = body["properties"]["properties"]
    azures.compute.begin_create_or_update(
        entities.AmlCompute(
            name=path.split("/")[1],
            size=size["vmSize"],
            min_instances=0,
            max_instances=3,
            idle_time_before_scale_down=120,
            tier="dedicated",
            tags=body["tags"],
            location="eastus",
        )
    ).result()
    ((where, asked),) = made(server, "computes")
    assert where == path
    inner = asked["properties"]["properties"]
    assert inner["scaleSettings"].pop("nodeIdleTimeBeforeScaleDown") == "PT2M"
    assert size["scaleSettings"].pop("nodeIdleTimeBeforeScaleDown") == "PT120S"  # the same time
    more = set(inner) - set(size)
    assert more <= {"enableNodePublicIp", "remoteLoginPortPublicAccess", "subnet", "userAccountCredentials"}
    assert {key: value for key, value in bare(inner).items() if key not in more} == bare(size)
    assert asked["tags"] == body["tags"]


def test_its_environment_and_model_are_those_that_are_sent_here(
    theirs: tuple[Any, BatchServer], sent: dict[str, Any], tmp_path: Path
) -> None:
    from azure.ai.ml import entities

    azures, server = theirs
    path, body = sent["environments/versions"]
    conda = tmp_path / "conda.yml"
    conda.write_text(body["properties"]["condaFile"])
    described = entities.Environment(
        name=path.split("/")[1],
        version="1",
        image=body["properties"]["image"],
        conda_file=conda,
        tags=body["properties"]["tags"],
    )._to_rest_object()
    asked = described.as_dict() if hasattr(described, "as_dict") else described
    assert sorted(asked["properties"].pop("condaFile").split()) == sorted(body["properties"].pop("condaFile").split())
    assert bare({key: asked["properties"][key] for key in body["properties"]}) == bare(body["properties"])
    path, body = sent["models/versions"]
    uri = body["properties"].pop("modelUri")
    azures.models.create_or_update(
        entities.Model(
            name=path.split("/")[1],
            version=path.split("/")[3],
            type="custom_model",
            path=uri,
            tags=body["properties"]["tags"],
        )
    )
    ((where, asked),) = made(server, "models/versions")
    assert where == path
    assert asked["properties"].pop("modelUri").endswith(uri.partition("/paths/")[2])
    assert bare(asked) == bare(body)


def test_its_invocation_is_the_one_that_is_sent_here(theirs: tuple[Any, BatchServer], sent: dict[str, Any]) -> None:
    from azure.ai.ml import Input, Output

    azures, server = theirs
    headers, body = sent["job"]
    known = body["properties"]
    endpoint = sent["batchEndpoints"][0].split("/")[1]
    server.resources[f"batchEndpoints/{endpoint}"]["properties"]["scoringUri"] = f"{server.url}/batch-{endpoint}/jobs"
    azures.batch_endpoints._credentials = ForJobs()
    job = azures.batch_endpoints.invoke(
        endpoint,
        deployment_name=headers["azureml-model-deployment"],
        inputs={"requests": Input(type="uri_folder", path="azureml://datastores/workspaceblobstore/paths/in/")},
        outputs={"score": Output(type="uri_file", path=known["outputData"]["score"]["uri"])},
    )
    ((asked, theirs_body),) = server.submitted
    assert theirs_body["properties"]["inputData"]["requests"].pop("uri").endswith("/paths/in/")
    assert known["inputData"]["requests"].pop("uri").endswith("/input/")
    assert bare(theirs_body) == bare(body)
    ours = {"azureml-model-deployment", "repeatability_request-id", "authorization", "content-type"}
    assert ours <= set(asked)
    assert {name: headers[name] for name in ("azureml-model-deployment", "content-type", "authorization")} == {
        name: asked[name] for name in ("azureml-model-deployment", "content-type", "authorization")
    }
    assert job.name == server.jobs[0]


def test_its_schema_takes_every_setting_of_a_deployment(sent: dict[str, Any]) -> None:
    from azure.ai.ml._restclient.arm_ml_service import models

    _, body = sent["batchEndpoints/deployments"]
    fields = {field._rest_name for field in models.BatchDeploymentProperties._attr_to_rest_field.values()}
    assert set(body["properties"]) <= fields
    _, code = sent["codes/versions"]
    assert set(code["properties"]) <= {
        field._rest_name for field in models.CodeVersionProperties._attr_to_rest_field.values()
    }


@given(model=st.text(min_size=1, max_size=60))
def test_every_models_endpoint_has_a_name_that_azure_takes(model: str) -> None:
    from azure.ai.ml.constants._endpoint import EndpointConfigurations as Rules

    from cloudai.types.custom import BatchPredictRequest

    request = BatchPredictRequest(model=model, inputs="in", output="out")
    name = bodies.endpoint_name(bodies.model_name(request), WORKSPACE)
    assert Rules.MIN_NAME_LENGTH <= len(name) <= Rules.MAX_NAME_LENGTH
    assert re.match(Rules.NAME_REGEX_PATTERN, name)
    assert "--" not in name


@given(name=st.text(min_size=1, max_size=60))
def test_a_flat_name_is_safe_and_leads_back(name: str) -> None:
    if name.isprintable():
        assert bodies.path_of(bodies.flat(name)) == name
        assert re.fullmatch(r"[A-Za-z0-9._=-]+", bodies.flat(name))
