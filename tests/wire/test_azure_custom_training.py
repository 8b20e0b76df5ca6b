"""A training job on Azure ML: submitted once, watched, stopped, fetched; held to azure-ai-ml's own models, over TLS."""

from __future__ import annotations

import io
import json
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from azure_storage import CONTAINER
from azureml_custom_server import TOKENS, WORKSPACE, Answered, MlServer, ml_server
from azureml_models import faults
from test_azure_auth import Entra, entra

from cloudai.driver import Call, Train, TrainingRuns
from cloudai.errors import BudgetExceeded, CloudAIError, ConfigError, Delivery, ErrorCode, InvalidInput
from cloudai.types.custom import Accelerator, RunRef, TrainingJob
from cloudai.types.results import Money
from cloudai.types.speech import JobState
from cloudai_azure.driver import AzureDriver
from cloudai_azure.errors import AzureError
from cloudai_azure.provider import PROVIDER
from cloudai_azure.settings import AzureSettings

CALL = Call(timeout=30.0)


def values(login: Entra, server: MlServer, folder: Path, **more: Any) -> dict[str, Any]:
    """Settings of a backend with an application's secret."""
    login.tokens = dict(TOKENS)
    both = folder / "both.pem"
    both.write_text(Path(login.ca_file).read_text() + server.ca_file.read_text())
    names = {"ml_subscription": "s-1", "ml_resource_group": "group", "ml_workspace": "work", "region": "eastus"}
    places = {"ml_endpoint": server.url, "blob_endpoint": server.blobs.account_url, "ca_file": str(both)}
    return {**login.values(server), "endpoint_url": None, "provider": "azure", **names, **places, **more}


@contextmanager
def driving(known: dict[str, Any]) -> Iterator[AzureDriver]:
    """A driver with these settings."""
    driver = PROVIDER.open(AzureSettings.model_validate(known), backend="z")
    try:
        yield driver
    finally:
        driver.close()


@contextmanager
def opened(folder: Path, **more: Any) -> Iterator[tuple[AzureDriver, MlServer]]:
    with (
        entra(folder) as login,
        ml_server(folder) as server,
        driving(values(login, server, folder, **more)) as driver,
    ):
        yield driver, server


def job(folder: Path, **more: Any) -> TrainingJob:
    source = folder / "source"
    source.mkdir(exist_ok=True)
    (source / "train.py").write_text("print('hello')\n")
    data = folder / "data"
    (data / "deep").mkdir(parents=True, exist_ok=True)
    for name in ("a.csv", "b b.csv", "deep/c.csv"):
        (data / name).write_text(name)
    known: dict[str, Any] = {
        "name": "Digits",
        "script": "train.py",
        "source": str(source),
        "framework": "sklearn",
        "inputs": {"train-set": str(data), "more": "azureml://datastores/theirs/paths/more"},
        "hyperparameters": {"rate": 0.1, "epochs": 3},
        "environment": {"MODE": "fast", "API_TOKEN": "hush"},
        "accelerator": Accelerator(name="T4", count=1),
        "tags": {"Team": "A b"},
        "max_seconds": 7200,
    }
    return TrainingJob.model_validate({**known, **more})


def blobs(server: MlServer) -> set[str]:
    return {name.removeprefix(f"{CONTAINER}/cloudai/") for name in server.blobs.blobs}


def test_the_driver_is_what_the_contract_asks(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, _):
        assert isinstance(driver, TrainingRuns)
        assert Train in type(driver).__mro__
        assert not any(name.startswith("custom.") for name in driver.unavailable())


def test_without_a_workspace_no_operation_of_azure_ml_is_there() -> None:
    settings = AzureSettings.model_validate({"provider": "azure", "region": "eastus", "ml_workspace": "work"})
    driver = PROVIDER.open(settings, backend="z")
    known = {name for name, why in driver.unavailable().items() if "set ml_subscription" in why}
    driver.close()
    assert known == {name for name in PROVIDER.implements if name.startswith("custom.")}


@pytest.mark.parametrize("credentials", ["AccountKey", "None"])
def test_a_job_is_staged_and_submitted_as_azure_describes_it(tmp_path: Path, credentials: str) -> None:
    with opened(tmp_path) as (driver, server):
        server.credentials = {"credentialsType": credentials}
        result = driver.train(job(tmp_path), CALL)
        assert result.run is not None
        assert (result.state, result.found) == (JobState.QUEUED, False)
        (sent,) = server.sent("PUT", "jobs")
        known = sent["properties"]
        assert known["resources"]["instanceType"].startswith("Standard_NC")
        assert known["queueSettings"] == {"jobTier": "Standard"}
        assert known["limits"]["timeout"] == "PT7200S"
        assert known["environmentId"] == "azureml://registries/azureml/environments/sklearn-1.5/labels/latest"
        variables = known["environmentVariables"]
        assert json.loads(variables["CLOUDAI_HPARAMS"]) == {"rate": 0.1, "epochs": 3}
        assert variables["API_TOKEN"] == "hush"
        assert "--input train_set=${{inputs.in_train_set}}" in known["command"]
        assert known["inputs"]["in_more"]["uri"] == "azureml://datastores/theirs/paths/more"
        run = f"runs/{result.run.name}"
        inputs = {f"{run}/inputs/train-set/{name}" for name in ("a.csv", "b b.csv", "deep/c.csv")}
        (source,) = blobs(server) - inputs
        with tarfile.open(fileobj=io.BytesIO(server.blobs.blobs[f"{CONTAINER}/cloudai/{source}"])) as archive:
            assert {"train.py", "cloudai_runner.py"} <= set(archive.getnames())
        assert known["inputs"]["cloudai_source"]["uri"].endswith(f"/paths/cloudai/{source}")


def test_the_plan_is_what_is_sent_without_the_secrets(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        plan = driver.plan_training(job(tmp_path, image="mine/image:1"), CALL)
        assert server.requests == []
        driver.train(job(tmp_path, image="mine/image:1"), CALL)
        sent = [(path, body) for verb, path, body in server.requests if verb == "PUT"]
    assert [each["call"] for each in plan.requests] == [f"PUT {WORKSPACE}/{path}" for path, _ in sent]
    assert "hush" not in json.dumps([each["body"] for each in plan.requests])
    shown = json.loads(json.dumps([each["body"] for each in plan.requests]).replace('"***"', '"hush"'))
    assert shown == [body for _, body in sent]
    assert plan.hourly is not None
    assert plan.at_limit == Money(amount=(plan.hourly.amount * 2).normalize())


def test_the_same_job_is_found_not_sent_again(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        first = driver.train(job(tmp_path), CALL)
        again = driver.train(job(tmp_path), CALL)
        assert again.found
        assert again.run == first.run
        assert len(server.sent("PUT", "jobs")) == 1


@pytest.mark.parametrize("lost", ["lose", "drop"])
def test_after_a_lost_answer_there_is_one_job_or_nobody_knows(tmp_path: Path, lost: str) -> None:
    with opened(tmp_path) as (driver, server):
        getattr(server, lost).append("PUT jobs")
        if lost == "lose":
            result = driver.train(job(tmp_path), CALL)
            assert result.run is not None
            assert [f"jobs/{result.run.id}"] == list(server.resources)
        else:
            with pytest.raises(AzureError) as caught:
                driver.train(job(tmp_path), CALL)
            fault = driver.classify(caught.value)
            assert fault is not None
            assert (fault.code, fault.delivery) == (ErrorCode.OUTCOME_UNKNOWN, Delivery.UNKNOWN)
            assert "Submit it again" in (fault.message or "")
            driver.train(job(tmp_path), CALL)
        assert len([path for path in server.resources if path.startswith("jobs/")]) == 1


def test_another_submission_that_was_quicker_is_found(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        server.refuse["GET jobs"] = Answered(404, "ResourceNotFound", "not yet")
        first = driver.train(job(tmp_path), CALL)
        server.refuse["GET jobs"] = Answered(404, "ResourceNotFound", "not yet")
        second = driver.train(job(tmp_path), CALL)
        assert (first.found, second.found) == (False, True)
        assert second.run == first.run
        assert f"runs/{first.run.name}/inputs/train-set/a.csv" in blobs(server)  # type: ignore[union-attr]


def test_a_look_that_fails_sends_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        server.drop.append("GET jobs")
        with pytest.raises(Exception, match=r"disconnected|reset|closed|EOF|peer"):
            driver.train(job(tmp_path), CALL)
        assert (server.sent("PUT", "jobs"), blobs(server)) == ([], set())


def test_a_refusal_leaves_no_inputs_behind(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        server.refuse["PUT jobs"] = Answered(400, "UserError", "no quota for Standard_NC4as_T4_v3")
        with pytest.raises(AzureError, match="no quota"):
            driver.train(job(tmp_path), CALL)
        assert [name.partition("/")[0] for name in blobs(server)] == ["sources"]


def test_a_job_of_this_name_that_is_another_is_a_conflict(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        driver.train(job(tmp_path), CALL)
        (made,) = server.resources.values()
        made["properties"]["tags"]["cloudai-job"] = "other"
        with pytest.raises(CloudAIError) as caught:
            driver.train(job(tmp_path), CALL)
        assert caught.value.code is ErrorCode.CONFLICT


def test_a_life_from_queue_to_artefact(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        run = driver.train(job(tmp_path), CALL).run
        assert run is not None
        run = RunRef.model_validate_json(run.model_dump_json())
        made = server.resources[f"jobs/{run.id}"]["properties"]
        assert driver.run_status(run, CALL).state is JobState.QUEUED
        made["status"] = "Running"
        server.runs[run.id] = {"runId": run.id, "startTimeUtc": "2026-11-21T10:00:00.0000000+00:00"}
        assert driver.run_status(run, CALL).state is JobState.RUNNING
        server.runs[run.id]["endTimeUtc"] = "2026-11-21T10:05:00.5000000+00:00"
        made["status"] = "Completed"
        status = driver.run_status(run, CALL)
        assert (status.state, status.billed_seconds) == (JobState.SUCCEEDED, 300.5)
        base = f"{CONTAINER}/cloudai/runs/{run.name}/model"
        for name in ("model.onnx", "model.toml", "deep/labels.txt"):
            server.blobs.blobs[f"{base}/{name}"] = name.encode() * 1000
        driver.fetch_run(run, tmp_path / "got", CALL)
        assert (tmp_path / "got" / "deep" / "labels.txt").read_bytes() == b"deep/labels.txt" * 1000
        assert len([each for each in (tmp_path / "got").rglob("*") if each.is_file()]) == 3


def test_a_failure_says_why_in_azures_words(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        run = driver.train(job(tmp_path), CALL).run
        assert run is not None
        server.resources[f"jobs/{run.id}"]["properties"]["status"] = "Failed"
        server.runs[run.id] = {"error": {"error": {"code": "UserError", "message": "Execution failed: code 65"}}}
        status = driver.run_status(run, CALL)
        assert (status.state, status.message) == (JobState.FAILED, "Execution failed: code 65")
        with pytest.raises(CloudAIError) as caught:
            driver.fetch_run(run, tmp_path / "got", CALL)
        assert caught.value.code is ErrorCode.NOT_FOUND


def test_cancelling_stops_a_job_and_one_that_ended_is_no_error(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        run = driver.train(job(tmp_path), CALL).run
        assert run is not None
        driver.cancel_run(run, CALL)
        server.runs[run.id] = {}
        assert driver.run_status(run, CALL).state is JobState.CANCELLED
        driver.cancel_run(run, CALL)
        with pytest.raises(AzureError) as caught:
            driver.cancel_run(run.model_copy(update={"id": "other"}), CALL)
        assert caught.value.fault.code is ErrorCode.NOT_FOUND


def test_logs_come_once_each_over_files_and_cursors(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        run = driver.train(job(tmp_path), CALL).run
        assert run is not None
        server.logs |= {"0": b"one\ntwo\nthr", "1": b"", "sys": b"theirs\n"}
        names = {
            "user_logs/std_log_process_0.txt": "0",
            "user_logs/std_log_process_1.txt": "1",
            "system_logs/x.txt": "sys",
        }
        server.runs[run.id] = {"logFiles": {name: f"{server.url}/logs/{key}?sig=s" for name, key in names.items()}}
        page = driver.run_logs(run, None, CALL)
        assert page.lines == ("one", "two")
        assert driver.run_logs(run, page.next, CALL).lines == ()
        server.logs["0"] += b"ee\n"
        server.logs["1"] += "zwölf\n".encode()
        page = driver.run_logs(run, page.next, CALL)
        assert page.lines == ("three", "zwölf")
        assert driver.run_logs(run, page.next, CALL).lines == ()
        with pytest.raises(InvalidInput):
            driver.run_logs(run, "[1]", CALL)


def test_runs_are_listed_newest_first_over_pages(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, _):
        runs = [driver.train(job(tmp_path, hyperparameters={"n": n}), CALL).run for n in range(5)]
        assert list(driver.list_runs(CALL)) == runs[::-1]


def test_spot_several_machines_and_a_cluster(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        driver.train(job(tmp_path, spot=True, nodes=3), CALL)
        (sent,) = server.sent("PUT", "jobs")
        known = sent["properties"]
        assert known["queueSettings"] == {"jobTier": "Spot"}
        assert known["resources"]["instanceCount"] == 3
        assert known["distribution"] == {"distributionType": "PyTorch", "processCountPerInstance": 1}
    with opened(tmp_path, ml_compute="gpus") as (driver, server):
        result = driver.train(job(tmp_path), CALL)
        (sent,) = server.sent("PUT", "jobs")
        assert sent["properties"]["computeId"] == f"{WORKSPACE}/computes/gpus"
        assert "queueSettings" not in sent["properties"]
        assert "cluster" in [notice.code for notice in result.warnings]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"inputs": {"x": "s3://b/p"}}, "azureml:// and local"),
        ({"framework": "caffe"}, "no environment"),
        ({"accelerator": Accelerator(name="Z9", count=1)}, "Z9"),
        ({"script": "none.py"}, r"none\.py"),
    ],
)
def test_what_azure_ml_can_not_do_is_said_before_anything_is_sent(tmp_path: Path, change: Any, word: str) -> None:
    with opened(tmp_path) as (driver, server):
        with pytest.raises(InvalidInput, match=word):
            driver.train(job(tmp_path, **change), CALL)
        assert server.requests == []


def test_a_job_above_its_cost_is_not_sent(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        with pytest.raises(BudgetExceeded):
            driver.train(job(tmp_path, max_cost=Money(amount=Decimal("0.01"))), CALL)
        assert server.requests == []


def test_a_workspace_is_needed(tmp_path: Path) -> None:
    with opened(tmp_path, ml_workspace=None) as (driver, _):
        assert "ml_workspace" in driver.unavailable()["custom.train"]
        with pytest.raises(ConfigError, match="ml_workspace"):
            driver.plan_training(job(tmp_path), CALL)


def test_an_artefact_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        run = driver.train(job(tmp_path), CALL).run
        assert run is not None
        server.blobs.blobs[f"{CONTAINER}/cloudai/runs/{run.name}/model/../../evil"] = b"x"
        with pytest.raises(InvalidInput, match="leads out"):
            driver.fetch_run(run, tmp_path / "got", CALL)
        assert not list(tmp_path.rglob("evil"))


def test_the_server_sees_what_the_models_do_not_have(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        driver.train(job(tmp_path), CALL)
        (sent,) = server.sent("PUT", "jobs")

    def changed(**more: Any) -> list[str]:
        return faults("JobBase", {"properties": {**sent["properties"], **more}})

    assert changed() == []
    assert changed(environmentID="x")
    assert changed(limits={"jobLimitsType": "Command", "timeLimit": "PT1S"})
    assert changed(queueSettings={"jobTier": "Cheap"})
    assert changed(inputs={"a": {"jobInputType": "uri_folder", "url": "x"}})
    assert changed(resources={"instanceCount": "1"})


@pytest.mark.parametrize(("status", "word"), [(409, "MissingSubscriptionRegistration"), (400, "UserError")])
def test_a_refusal_that_could_be_a_taken_name_is_looked_up_and_told_as_it_is(
    tmp_path: Path, status: int, word: str
) -> None:
    with opened(tmp_path) as (driver, server):
        server.refuse["PUT jobs"] = Answered(status, word, "register the provider first")
        with pytest.raises(AzureError, match="register the provider") as caught:
            driver.train(job(tmp_path), CALL)
        assert caught.value.fault.delivery is Delivery.REFUSED
        assert [name.partition("/")[0] for name in blobs(server)] == ["sources"]


def test_a_name_that_is_taken_by_the_same_job_is_found_though_azure_calls_it_a_mistake(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        first = driver.train(job(tmp_path), CALL)
        server.refuse["GET jobs"] = Answered(404, "ResourceNotFound", "not yet")
        server.refuse["PUT jobs"] = Answered(400, "UserError", "A job with this name already exists")
        second = driver.train(job(tmp_path), CALL)
        assert (second.found, second.run) == (True, first.run)


class ThenLost(dict[str, Answered]):
    """Refusals, after which the next look at a job is lost."""

    def __init__(self, server: MlServer, known: dict[str, Answered]) -> None:
        super().__init__(known)
        self._server = server

    def pop(self, step: str) -> Answered:  # type: ignore[override]
        self._server.drop.append("GET jobs")
        return super().pop(step)


def test_inputs_stay_where_nobody_knows_who_reads_them(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        server.refuse = ThenLost(server, {"PUT jobs": Answered(409, "Conflict", "it exists")})
        with pytest.raises(AzureError, match="it exists"):
            driver.train(job(tmp_path), CALL)
        assert any(name.startswith("runs/") for name in blobs(server))


def test_quota_and_capacity_are_told_apart(tmp_path: Path) -> None:
    for word, code in (("OutOfQuota", ErrorCode.QUOTA_EXHAUSTED), ("OutOfCapacity", ErrorCode.UNAVAILABLE)):
        with opened(tmp_path) as (driver, server):
            server.refuse["PUT jobs"] = Answered(400, word, "no machines")
            with pytest.raises(AzureError) as caught:
                driver.train(job(tmp_path), CALL)
            assert caught.value.fault.code is code
