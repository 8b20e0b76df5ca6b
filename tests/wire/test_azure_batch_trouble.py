"""A batch job on Azure ML when something goes wrong: answers that are lost, refusals, parts of somebody else's."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "serving"))

from azureml_batch_server import BatchServer
from azureml_batches import CALL, opened, parts, submitted, wanted
from azureml_custom_server import Answered

from cloudai.delivery import marked
from cloudai.errors import CloudAIError, Delivery, ErrorCode
from cloudai.serving.batch_results import read_results
from cloudai.types.results import Money
from cloudai_azure.errors import AzureError


@pytest.mark.parametrize("forgetful", [True, False])
def test_a_lost_answer_is_looked_up_by_the_folder_that_the_job_writes_to(tmp_path: Path, forgetful: bool) -> None:
    with opened(tmp_path) as (driver, server):
        server.forgetful = forgetful
        server.trouble = ["lose"]
        result, batch = submitted(driver, wanted(tmp_path))
        assert (result.found, server.jobs) == (False, [batch.id])
        again, _ = submitted(driver, wanted(tmp_path))
        assert (again.found, server.jobs) == (True, [batch.id])


@pytest.mark.parametrize("trouble", ["drop", "500", "504"])
def test_a_job_that_is_not_found_after_a_lost_answer_is_outcome_unknown(tmp_path: Path, trouble: str) -> None:
    with opened(tmp_path) as (driver, server):
        server.trouble = [trouble]
        with pytest.raises(AzureError) as caught:
            driver.batch_predict(wanted(tmp_path), CALL)
        assert caught.value.fault.code is ErrorCode.OUTCOME_UNKNOWN
        assert caught.value.fault.delivery is Delivery.UNKNOWN
        assert "Submit it again" in (caught.value.fault.message or "")
        assert list(driver.list_batches(CALL)) == []
        result, batch = submitted(driver, wanted(tmp_path))
        assert (result.found, server.jobs) == (False, [batch.id])


def test_a_job_that_shows_up_late_is_found_by_the_next_submission(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        server.forgetful = True
        server.trouble = ["lose"]
        page, server.page = server.page, lambda *_: {"value": []}  # type: ignore[method-assign]
        with pytest.raises(AzureError) as caught:
            driver.batch_predict(wanted(tmp_path), CALL)
        assert caught.value.fault.code is ErrorCode.OUTCOME_UNKNOWN
        server.page = page  # type: ignore[method-assign]
        result, batch = submitted(driver, wanted(tmp_path))
        assert (result.found, server.jobs) == (True, [batch.id])


STEPS = (
    "PUT batchEndpoints",
    "PUT models/versions",
    "PUT codes/versions",
    "PUT environments/versions",
    "PUT computes",
    "PUT batchEndpoints/deployments",
)


def left(server: BatchServer) -> set[str]:
    """But what Azure ML keeps, without cost: a model's empty container, versions of code and environments."""
    return {path for path in server.resources if path.split("/")[0] not in ("codes", "environments")} - {
        "models/cloudai-batch-twice-it"
    }


@pytest.mark.parametrize("step", STEPS)
def test_a_refusal_takes_back_what_was_made(tmp_path: Path, step: str) -> None:
    with opened(tmp_path) as (driver, server):
        server.refuse[step] = Answered(403, "AuthorizationFailed", "not you")
        with pytest.raises(AzureError) as caught:
            driver.batch_predict(wanted(tmp_path), CALL)
        assert caught.value.fault.code is ErrorCode.PERMISSION_DENIED
        assert left(server) == set()
        assert [name for name in server.blobs.blobs if "/batch-code/" not in name] == []


def test_a_refused_job_takes_back_what_was_made(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        server.trouble = ["400"]
        with pytest.raises(AzureError) as caught:
            driver.batch_predict(wanted(tmp_path), CALL)
        assert caught.value.fault.code is ErrorCode.INVALID_INPUT
        assert left(server) == set()
        assert list(driver.list_batches(CALL)) == []


def test_what_can_not_be_taken_back_is_named_and_listed(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        server.refuse["PUT batchEndpoints/deployments"] = Answered(400, "BadArgument", "no such machine")
        server.refuse["DELETE batchEndpoints"] = Answered(403, "AuthorizationFailed", "not you")
        with pytest.raises(AzureError, match=r"no such machine.*left behind: batchEndpoints/twice-it-"):
            driver.batch_predict(wanted(tmp_path), CALL)
        (status,) = driver.list_endpoints(CALL)
        assert status.hourly == Money(amount=Decimal(0))
        assert driver.endpoint_status(status.ref, CALL) == status
        driver.delete_endpoint(status.ref, CALL)
        assert parts(server, "batchEndpoints") == []


def test_an_endpoint_that_another_submission_uses_stays(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        _, batch = submitted(driver, wanted(tmp_path))
        server.trouble = ["400"]
        with pytest.raises(AzureError):
            driver.batch_predict(wanted(tmp_path, name="second", max_seconds=60), CALL)
        assert len(parts(server, "batchEndpoints")) == 2
        assert server.work(batch.id)[1] == []


@pytest.mark.parametrize("lost", ["lose", "drop"])
@pytest.mark.parametrize("step", STEPS)
def test_after_a_lost_answer_the_same_submission_finishes_it(tmp_path: Path, step: str, lost: str) -> None:
    with opened(tmp_path) as (driver, server):
        getattr(server, lost).append(step)
        with pytest.raises((httpx.TransportError, AzureError)) as caught:
            driver.batch_predict(wanted(tmp_path), CALL)
        assert marked(caught.value) is Delivery.NOT_SENT  # of the job: the core may try again
        assert server.submitted == []
        submitted(driver, wanted(tmp_path))
        assert len(server.jobs) == 1
        assert len(parts(server, "batchEndpoints")) == 2


def test_a_part_that_somebody_else_is_making_is_waited_for(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        server.trouble = ["drop"]
        with pytest.raises(AzureError):
            driver.batch_predict(wanted(tmp_path), CALL)
        (endpoint, deployment) = parts(server, "batchEndpoints")
        for path in (endpoint, deployment):
            server.resources[path]["properties"]["provisioningState"] = "Updating"
        one, asked = server.one, list[str]()

        def ready(path: str) -> Any:
            asked.append(path)
            if asked.count(path) > 1 and path in (endpoint, deployment):
                server.resources[path]["properties"]["provisioningState"] = "Succeeded"
            return one(path)

        server.one = ready  # type: ignore[method-assign]
        submitted(driver, wanted(tmp_path))
        assert len(server.jobs) == 1


def test_a_part_that_failed_is_made_again(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        submitted(driver, wanted(tmp_path))
        deployment = parts(server, "batchEndpoints")[1]
        server.resources[deployment]["properties"]["provisioningState"] = "Failed"
        submitted(driver, wanted(tmp_path, name="second"))
        assert server.resources[deployment]["properties"]["provisioningState"] == "Succeeded"


@pytest.mark.parametrize("kind", ["batchEndpoints", "computes"])
def test_what_somebody_else_made_is_left_alone(tmp_path: Path, kind: str) -> None:
    with opened(tmp_path) as (driver, server):
        submitted(driver, wanted(tmp_path))
        path = parts(server, kind)[0]
        server.resources[path]["tags"] = {}
        with pytest.raises(CloudAIError) as caught:
            driver.batch_predict(wanted(tmp_path, name="second"), CALL)
        assert caught.value.code is ErrorCode.CONFLICT
        assert path in server.resources


def test_deleting_a_batch_endpoint_leaves_its_jobs_and_results(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        _, batch = submitted(driver, wanted(tmp_path))
        server.work(batch.id)
        (status,) = driver.list_endpoints(CALL)
        driver.delete_endpoint(status.ref, CALL)
        assert not any("/batch-models/" in name for name in server.blobs.blobs)
        assert [path for path in left(server) if not path.startswith(("jobs/", "computes/"))] == []
        driver.fetch_batch(batch, tmp_path / "fetched", CALL)
        assert len(list(read_results(tmp_path / "fetched"))) == 9
