"""A training job on Vertex AI: submitted once, watched, stopped, fetched; all held to Google's descriptions."""

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

from gcp_server import PROJECT
from vertex_custom_server import PARENT, Refused, VertexServer, vertex_server

from cloudai.driver import Call, Train, TrainingRuns
from cloudai.errors import BudgetExceeded, CloudAIError, Delivery, ErrorCode, InvalidInput
from cloudai.types.custom import Accelerator, RunRef, TrainingJob
from cloudai.types.results import Money
from cloudai.types.speech import JobState
from cloudai_gcp.driver import GcpDriver
from cloudai_gcp.errors import GoogleError
from cloudai_gcp.provider import PROVIDER
from cloudai_gcp.settings import GcpSettings

CALL = Call(timeout=30.0)
CUSTOM = "customJobs.create"


def settings(server: VertexServer, folder: Path, **more: Any) -> GcpSettings:
    known = {
        "provider": "gcp",
        "endpoint_url": server.url,
        "project": PROJECT,
        "credentials_file": str(server.account(folder)),
        "vertex_bucket": "mine",
        **more,
    }
    return GcpSettings.model_validate(known)


@contextmanager
def opened(folder: Path, **more: Any) -> Iterator[tuple[GcpDriver, VertexServer]]:
    with vertex_server() as server:
        driver = PROVIDER.open(settings(server, folder, **more), backend="g")
        try:
            yield driver, server
        finally:
            driver.close()


def job(folder: Path, **more: Any) -> TrainingJob:
    source = folder / "source"
    source.mkdir(exist_ok=True)
    (source / "train.py").write_text("print('hello')\n")
    data = folder / "data"
    (data / "deep").mkdir(parents=True, exist_ok=True)
    for name in ("a.csv", "b.csv", "deep/c.csv"):
        (data / name).write_text(name)
    known: dict[str, Any] = {
        "name": "Digits",
        "script": "train.py",
        "source": str(source),
        "framework": "pytorch",
        "inputs": {"train-set": str(data), "more": "gs://theirs/more"},
        "hyperparameters": {"rate": 0.1, "epochs": 3},
        "environment": {"MODE": "fast", "API_TOKEN": "hush"},
        "accelerator": Accelerator(name="L4", count=1),
        "tags": {"Team": "A b"},
        "max_seconds": 7200,
    }
    return TrainingJob.model_validate({**known, **more})


def failure(driver: GcpDriver, error: Exception) -> Any:
    fault = driver.classify(error)
    assert fault is not None
    return fault


def test_the_driver_is_what_the_contract_asks(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, _):
        assert isinstance(driver, TrainingRuns)
        assert Train in type(driver).__mro__


def test_a_job_is_staged_and_submitted_as_google_describes_it(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        result = driver.train(job(tmp_path), CALL)
        assert result.run is not None
        assert result.state is JobState.QUEUED
        assert not result.found
        (sent,) = server.asked(CUSTOM)
        spec = sent["jobSpec"]
        (pool,) = spec["workerPoolSpecs"]
        assert pool["machineSpec"]["machineType"].startswith("g2-standard-")
        assert pool["machineSpec"]["acceleratorCount"] == 1
        assert pool["containerSpec"]["imageUri"] == "us-docker.pkg.dev/vertex-ai/training/pytorch-gpu.2-4.py310:latest"
        assert spec["scheduling"]["timeout"] == "7200s"
        variables = {each["name"]: each["value"] for each in pool["containerSpec"]["env"]}
        assert json.loads(variables["CLOUDAI_HPARAMS"]) == {"rate": 0.1, "epochs": 3}
        assert variables["CLOUDAI_INPUT_MORE"] == "gs://theirs/more"
        assert variables["API_TOKEN"] == "hush"
        below = variables["CLOUDAI_INPUT_TRAIN_SET"]
        assert {uri.removeprefix(f"{below}/") for uri in server.objects if uri.startswith(below)} == {
            "a.csv",
            "b.csv",
            "deep/c.csv",
        }
        source = server.objects["gs://" + variables["CLOUDAI_SOURCE"].removeprefix("/gcs/")]
        with tarfile.open(fileobj=io.BytesIO(source)) as archive:
            assert {"train.py", "cloudai_runner.py"} <= set(archive.getnames())
        assert spec["baseOutputDirectory"]["outputUriPrefix"].endswith(f"/runs/{result.run.name}")
        assert sent["labels"]["team"] == "a-b"


def test_the_plan_is_what_is_sent_without_the_secrets(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        plan = driver.plan_training(job(tmp_path), CALL)
        assert server.requests == []
        driver.train(job(tmp_path), CALL)
        (sent,) = server.asked(CUSTOM)
    (shown,) = plan.requests
    assert shown["call"] == f"POST /v1/{PARENT}/customJobs"
    masked = json.loads(json.dumps(shown["body"]).replace('"***"', '"hush"'))
    assert "hush" not in json.dumps(shown["body"])
    assert masked == sent
    assert plan.hourly is not None
    assert plan.at_limit == Money(amount=(plan.hourly.amount * 2).normalize())
    assert plan.uploads[0][1].startswith("gs://mine/")


def test_the_same_job_is_found_not_sent_again(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        first = driver.train(job(tmp_path), CALL)
        again = driver.train(job(tmp_path), CALL)
        assert again.found
        assert again.run == first.run
        other = driver.train(job(tmp_path, hyperparameters={"rate": 0.2}), CALL)
        assert not other.found
        assert len(server.jobs) == 2


def test_an_answer_that_was_lost_is_found_by_its_label(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        server.lose.append(CUSTOM)
        result = driver.train(job(tmp_path), CALL)
        assert result.run is not None
        assert list(server.jobs) == [result.run.id]
        assert len(server.asked(CUSTOM)) == 1


def test_a_request_that_was_lost_is_an_outcome_nobody_knows(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        server.drop.append(CUSTOM)
        with pytest.raises(GoogleError) as caught:
            driver.train(job(tmp_path), CALL)
        fault = failure(driver, caught.value)
        assert fault.code is ErrorCode.OUTCOME_UNKNOWN
        assert fault.delivery is Delivery.UNKNOWN
        assert fault.retryable is False
        assert "gcloud ai custom-jobs list" in fault.message
        assert len(server.asked(CUSTOM)) == 1
        assert server.jobs == {}


def test_a_search_that_fails_sends_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        server.drop.append("customJobs.list")
        with pytest.raises(GoogleError):
            driver.train(job(tmp_path), CALL)
        assert server.asked(CUSTOM) == []
        assert server.objects == {}


def test_a_refusal_leaves_no_inputs_behind(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        server.refuse[CUSTOM] = Refused(429, "RESOURCE_EXHAUSTED", "no L4 for you")
        with pytest.raises(GoogleError) as caught:
            driver.train(job(tmp_path), CALL)
        assert failure(driver, caught.value).code is ErrorCode.QUOTA_EXHAUSTED
        assert "no L4 for you" in failure(driver, caught.value).message
        assert [uri.split("/vertex/")[1].split("/")[0] for uri in server.objects] == ["sources"]


def test_a_job_of_this_name_that_is_another_is_a_conflict(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        driver.train(job(tmp_path), CALL)
        (made,) = server.jobs.values()
        made["labels"]["cloudai-job"] = "other"
        with pytest.raises(CloudAIError) as caught:
            driver.train(job(tmp_path), CALL)
        assert caught.value.code is ErrorCode.CONFLICT


def test_a_life_from_queue_to_artefact(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        run = driver.train(job(tmp_path), CALL).run
        assert run is not None
        run = RunRef.model_validate_json(run.model_dump_json())
        made = server.jobs[run.id]
        made |= {"state": "JOB_STATE_RUNNING", "startTime": "2026-11-21T10:00:00.123456789Z"}
        assert driver.run_status(run, CALL).state is JobState.RUNNING
        made |= {"state": "JOB_STATE_SUCCEEDED", "endTime": "2026-11-21T10:05:00.123456789Z"}
        status = driver.run_status(run, CALL)
        assert status.state is JobState.SUCCEEDED
        assert status.billed_seconds == 300
        assert status.artefact is not None
        for name in ("model.onnx", "model.toml", "deep/labels.txt"):
            server.objects[f"{status.artefact}/{name}"] = name.encode() * 1000
        driver.fetch_run(run, tmp_path / "got", CALL)
        assert (tmp_path / "got" / "deep" / "labels.txt").read_bytes() == b"deep/labels.txt" * 1000
        assert sorted(p.name for p in (tmp_path / "got").rglob("*") if p.is_file()) == [
            "labels.txt",
            "model.onnx",
            "model.toml",
        ]


def test_a_failure_says_why_in_googles_words(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        run = driver.train(job(tmp_path), CALL).run
        assert run is not None
        server.jobs[run.id] |= {
            "state": "JOB_STATE_FAILED",
            "error": {"code": 3, "message": "The replica workerpool0-0 exited with a non-zero status of 65."},
        }
        status = driver.run_status(run, CALL)
        assert status.state is JobState.FAILED
        assert status.message is not None
        assert "status of 65" in status.message
        with pytest.raises(CloudAIError) as caught:
            driver.fetch_run(run, tmp_path / "got", CALL)
        assert caught.value.code is ErrorCode.NOT_FOUND


def test_cancelling_stops_a_job_and_one_that_ended_is_no_error(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, _):
        run = driver.train(job(tmp_path), CALL).run
        assert run is not None
        driver.cancel_run(run, CALL)
        assert driver.run_status(run, CALL).state is JobState.CANCELLED
        driver.cancel_run(run, CALL)
        with pytest.raises(GoogleError) as caught:
            driver.cancel_run(run.model_copy(update={"id": f"{PARENT}/customJobs/77"}), CALL)
        assert failure(driver, caught.value).code is ErrorCode.NOT_FOUND


def entry(run: RunRef, at: str, text: str, **more: Any) -> dict[str, Any]:
    labels = {"job_id": run.id.rpartition("/")[2]}
    made = {"resource": {"type": "ml_job", "labels": labels}, "timestamp": at, "insertId": text, "logName": "x"}
    return {**made, **(more or {"jsonPayload": {"message": text}})}


def test_logs_come_once_each_over_pages_and_cursors(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        run = driver.train(job(tmp_path), CALL).run
        assert run is not None
        first = "2026-11-21T10:00:00.1Z"
        server.log += [entry(run, first, f"line {n}") for n in range(5)]
        page = driver.run_logs(run, None, CALL)
        assert page.lines == tuple(f"line {n}" for n in range(5))
        assert driver.run_logs(run, page.next, CALL).lines == ()
        server.log.append(entry(run, first, "line 5"))
        server.log.append(entry(run, "2026-11-21T10:00:01Z", "line 6", textPayload="line 6\nand more"))
        page = driver.run_logs(run, page.next, CALL)
        assert page.lines == ("line 5", "line 6", "and more")
        with pytest.raises(InvalidInput):
            driver.run_logs(run, '["\\" OR 1", []]', CALL)


def test_runs_are_listed_newest_first_over_pages(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        runs = [driver.train(job(tmp_path, hyperparameters={"n": n}), CALL).run for n in range(5)]
        server.jobs["strange"] = {"name": "strange", "labels": {}, "displayName": "theirs", "jobSpec": {}}
        assert list(driver.list_runs(CALL)) == runs[::-1]


def test_spot_and_several_machines(tmp_path: Path) -> None:
    with opened(tmp_path, vertex_service_account="me@x") as (driver, server):
        driver.train(job(tmp_path, spot=True, nodes=3, checkpoint="gs://mine/kept"), CALL)
        (sent,) = server.asked(CUSTOM)
        first, rest = sent["jobSpec"]["workerPoolSpecs"]
        assert (first["replicaCount"], rest["replicaCount"]) == ("1", "2")
        assert first["machineSpec"] == rest["machineSpec"]
        assert sent["jobSpec"]["scheduling"]["strategy"] == "SPOT"
        assert sent["jobSpec"]["scheduling"]["restartJobOnWorkerRestart"] is True
        assert sent["jobSpec"]["serviceAccount"] == "me@x"
        assert {"name": "CLOUDAI_CHECKPOINT_DIR", "value": "gs://mine/kept"} in first["containerSpec"]["env"]


def test_a_named_machine_with_attached_cards_has_no_known_price(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        named = Accelerator(name="T4", count=2, instance="n1-standard-8")
        result = driver.train(job(tmp_path, accelerator=named), CALL)
        assert result.plan is not None
        assert result.plan.hourly is None
        assert result.warnings[0].code == "price_unknown"
        (sent,) = server.asked(CUSTOM)
        spec = sent["jobSpec"]["workerPoolSpecs"][0]["machineSpec"]
        assert (spec["machineType"], spec["acceleratorCount"]) == ("n1-standard-8", 2)
        assert spec["acceleratorType"] == "NVIDIA_TESLA_T4"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"inputs": {"x": "s3://b/p"}}, "gs:// and local"),
        ({"framework": "caffe"}, "no container"),
        ({"accelerator": Accelerator(name="Z9", count=1)}, "Z9"),
        ({"script": "none.py"}, "none.py"),
    ],
)
def test_what_vertex_can_not_do_is_said_before_anything_is_sent(tmp_path: Path, change: Any, word: str) -> None:
    with opened(tmp_path) as (driver, server):
        with pytest.raises(InvalidInput, match=word):
            driver.train(job(tmp_path, **change), CALL)
        assert server.requests == []


def test_a_job_above_its_cost_is_not_sent(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        with pytest.raises(BudgetExceeded):
            driver.train(job(tmp_path, max_cost=Money(amount=Decimal("0.01"))), CALL)
        assert server.requests == []


def test_a_region_and_a_bucket_are_needed(tmp_path: Path) -> None:
    with opened(tmp_path, location="eu") as (driver, _), pytest.raises(InvalidInput, match="vertex_location"):
        driver.plan_training(job(tmp_path), CALL)
    with opened(tmp_path, vertex_bucket=None) as (driver, _), pytest.raises(InvalidInput, match="vertex_bucket"):
        driver.plan_training(job(tmp_path), CALL)


def test_an_artefact_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        run = driver.train(job(tmp_path), CALL).run
        assert run is not None
        output = dict(run.details)["output"]
        server.objects[f"{output}/model/../../evil"] = b"x"
        with pytest.raises(InvalidInput, match="leads out"):
            driver.fetch_run(run, tmp_path / "got", CALL)
        assert not list(tmp_path.rglob("evil"))
