"""A batch job on Azure ML: its parts made once, submitted once, worked by the scoring script, fetched, all accounted
for."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "serving"))

from azure_storage import CONTAINER
from azureml_batches import CALL, NAMES, line, opened, parts, submitted, wanted
from azureml_custom_server import WORKSPACE
from served import scale

from cloudai.driver import BatchPredict, BatchPrediction
from cloudai.errors import BudgetExceeded, CloudAIError, ErrorCode, InvalidInput
from cloudai.serving.batch_results import read_results
from cloudai.types.custom import Accelerator, DeployRequest
from cloudai.types.results import Money
from cloudai.types.speech import JobState
from cloudai_azure import ml_batch_bodies as bodies
from cloudai_azure.settings import BatchOptions

# --- the whole way -----------------------------------------------------------------------------------------


def test_the_driver_is_what_the_contract_asks(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, _):
        assert isinstance(driver, BatchPrediction)
        assert BatchPredict in type(driver).__mro__


@pytest.mark.parametrize("mini_batch", [1, 2])
def test_a_folder_goes_in_and_the_same_files_with_the_same_lines_come_out(tmp_path: Path, mini_batch: int) -> None:
    with opened(tmp_path) as (driver, server):
        result, batch = submitted(driver, wanted(tmp_path), options=BatchOptions(mini_batch_files=mini_batch))
        assert (result.state, result.found) == (JobState.QUEUED, False)
        assert driver.batch_status(batch, CALL).state is JobState.QUEUED
        assert server.work(batch.id) == (sorted(bodies.flat(name) for name in NAMES), [])
        status = driver.batch_status(batch, CALL)
        assert (status.state, status.billed_seconds) == (JobState.SUCCEEDED, 600.0)
        assert status.output == result.output
        driver.fetch_batch(batch, tmp_path / "fetched", CALL)
        rows = list(read_results(tmp_path / "fetched"))
        assert sorted({row.file for row in rows}) == sorted(NAMES)
        for row in rows:
            number, position = NAMES.index(row.file), row.line - 1
            assert row.id == f"{row.file}:{position}"
            assert row.outputs["y"].array.tolist() == [[2.0 * number, 2.0 * position, 0.0, 2.0]]
        assert len(rows) == 9


def test_the_plan_is_what_is_sent(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        request = wanted(tmp_path, instances=2, tags={"team": "a"}, max_seconds=7200)
        plan = driver.plan_batch(request, CALL)
        assert server.requests == []
        result, batch = submitted(driver, request)
        sent = [(path, body) for verb, path, body in server.requests if verb == "PUT"]
        calls = [each["call"] for each in plan.requests]
        assert calls == [*(f"PUT {WORKSPACE}/{path}" for path, _ in sent), f"POST the scoring address of {sent[0][0]}"]
        ((headers, job),) = server.submitted
        assert result.plan is not None
        assert [each["body"] for each in result.plan.requests] == [*(body for _, body in sent), job]
        unknown = {"codes"}  # the account is not known before it is asked for
        pairs = zip(plan.requests, result.plan.requests, strict=True)
        assert {call.split("/")[-4] for (one, two), call in zip(pairs, calls, strict=True) if one != two} <= unknown
        assert headers["azureml-model-deployment"] == sent[-1][0].rpartition("/")[2]
        assert sorted(address for _, address in plan.uploads) == sorted(
            f"azureml://datastores/workspaceblobstore/paths/{name.removeprefix(f'{CONTAINER}/')}"
            for name in server.blobs.seen
            if "/batch-jobs/" not in name and "/batch-code/" not in name
        )
        known = sent[-1][1]["properties"]
        assert known["resources"] == {"instanceCount": 2}
        assert known["environmentVariables"]["CLOUDAI_MAX_SECONDS"] == "7200"
        assert known["environmentVariables"]["CLOUDAI_GPU"] == "0"
        (cluster,) = server.sent("PUT", "computes")
        assert cluster["properties"]["properties"]["scaleSettings"]["minNodeCount"] == 0
        assert plan.hourly is not None
        assert plan.at_limit is not None
        assert plan.at_limit.amount == plan.hourly.amount * 2
        assert batch.name == plan.name


def test_the_same_request_finds_the_first_job_and_makes_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        _, first = submitted(driver, wanted(tmp_path))
        server.ended(first.id, "Completed")
        before = len([each for each in server.requests if each[0] == "PUT"])
        again, second = submitted(driver, wanted(tmp_path))
        assert (again.found, again.state, second) == (True, JobState.SUCCEEDED, first)
        assert len([each for each in server.requests if each[0] == "PUT"]) == before
        assert len(server.submitted) == 1


def test_another_job_with_the_same_model_uses_the_same_parts(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        submitted(driver, wanted(tmp_path))
        before = set(server.resources)
        submitted(driver, wanted(tmp_path, name="other"))
        assert {path.split("/")[0] for path in set(server.resources) - before} == {"jobs"}
        submitted(driver, wanted(tmp_path, name="third"), options=BatchOptions(max_retries=0))
        assert len(parts(server, "batchEndpoints")) == 3  # one endpoint, two deployments


def test_batches_are_listed_by_their_notes_newest_first(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, _):
        refs = [submitted(driver, wanted(tmp_path, name=name))[1] for name in ("one", "two", "three")]
        assert list(driver.list_batches(CALL)) == refs[::-1]


def test_a_job_is_cancelled_and_one_that_has_ended_stays(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        _, batch = submitted(driver, wanted(tmp_path))
        driver.cancel_batch(batch, CALL)
        assert driver.batch_status(batch, CALL).state is JobState.CANCELLED
        driver.cancel_batch(batch, CALL)
        with pytest.raises(CloudAIError) as caught:
            driver.fetch_batch(batch, tmp_path / "none", CALL)
        assert caught.value.code is ErrorCode.CONFLICT
        assert server.jobs == [batch.id]


def test_a_job_that_ends_without_results_has_failed(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        _, batch = submitted(driver, wanted(tmp_path))
        server.ended(batch.id, "Completed")
        status = driver.batch_status(batch, CALL)
        assert (status.state, status.output) == (JobState.FAILED, None)
        assert "no results" in (status.message or "")


# --- models and places -------------------------------------------------------------------------------------


def test_the_model_behind_an_endpoint_is_the_one_with_most_of_the_traffic(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        machine = Accelerator(instance="Standard_NC4as_T4_v3")
        for factor, traffic in ((2.0, {}), (3.0, {"a": 20, "b": 80})):
            model = scale(tmp_path / f"scale{factor}", factor)
            version = "a" if factor == 2.0 else "b"
            known = {"model": str(model), "name": "twice", "version": version, "traffic": traffic}
            driver.deploy(DeployRequest.model_validate({**known, "accelerator": machine}), CALL)
        _, batch = submitted(driver, wanted(tmp_path, model="twice"))
        server.work(batch.id)
        driver.fetch_batch(batch, tmp_path / "out-b", CALL)
        assert next(read_results(tmp_path / "out-b")).outputs["y"].array.tolist() == [[0.0, 0.0, 0.0, 3.0]]
        _, batch = submitted(driver, wanted(tmp_path, model="twice", version="a"))
        server.work(batch.id)
        driver.fetch_batch(batch, tmp_path / "out-a", CALL)
        assert next(read_results(tmp_path / "out-a")).outputs["y"].array.tolist() == [[0.0, 0.0, 0.0, 2.0]]
        with pytest.raises(InvalidInput, match="no version c"):
            driver.batch_predict(wanted(tmp_path, model="twice", version="c"), CALL)


def test_a_name_with_another_model_behind_it_is_another_job(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        known = {"modelType": "custom_model", "modelUri": "azureml://datastores/workspaceblobstore/paths/theirs"}
        server.resources["models/theirs"] = {"name": "theirs", "properties": {"latestVersion": "7"}}
        for version in ("7", "8"):
            server.resources[f"models/theirs/versions/{version}"] = {"name": version, "properties": known}
        plan = driver.plan_batch(wanted(tmp_path, model="theirs"), CALL)
        assert "model_by_name" in {notice.code for notice in plan.warnings}
        result, first = submitted(driver, wanted(tmp_path, model="theirs"))
        assert result.warnings == ()
        assert submitted(driver, wanted(tmp_path, model="theirs"))[1] == first
        server.resources["models/theirs"]["properties"]["latestVersion"] = "8"
        result, second = submitted(driver, wanted(tmp_path, model="theirs"))
        assert (result.found, len(server.jobs)) == (False, 2)
        assert second.name != first.name


def test_a_registered_model_is_used_as_it_is(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        graph = (scale(tmp_path / "theirs", 5.0) / "model.onnx").read_bytes()
        server.blobs.blobs[f"{CONTAINER}/theirs/model.onnx"] = graph
        known = {"modelType": "custom_model", "modelUri": "azureml://datastores/workspaceblobstore/paths/theirs"}
        server.resources["models/theirs"] = {"name": "theirs", "properties": {"latestVersion": "7"}}
        server.resources["models/theirs/versions/7"] = {"name": "7", "properties": known}
        _, batch = submitted(driver, wanted(tmp_path, model="theirs"))
        assert server.sent("PUT", "models/versions") == []
        assert server.work(batch.id)[1] == []
        with pytest.raises(CloudAIError) as caught:
            driver.batch_predict(wanted(tmp_path, model="theirs", version="8"), CALL)
        assert caught.value.code is ErrorCode.NOT_FOUND


def test_remote_inputs_and_outputs_stay_where_they_are(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        server.blobs.blobs[f"{CONTAINER}/mine/a.jsonl"] = (line("one", [1.0, 2.0, 3.0, 4.0]) + "\n").encode()
        place = "azureml://datastores/workspaceblobstore/paths"
        request = wanted(tmp_path, inputs=f"{place}/mine/", output=f"{place}/results")
        result, batch = submitted(driver, request)
        assert result.output == f"{place}/results/{batch.name}"
        assert "inputs_by_address" in {notice.code for notice in result.warnings}
        assert not any("/batches/" in name for name in server.blobs.seen)
        server.work(batch.id)
        assert f"{CONTAINER}/results/{batch.name}/a.jsonl" in server.blobs.blobs
        driver.fetch_batch(batch, tmp_path / "fetched", CALL)
        (row,) = read_results(tmp_path / "fetched")
        assert (row.file, row.id) == ("a.jsonl", "one")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"inputs": "s3://bucket/prefix/"}, "Azure ML reads"),
        ({"inputs": ("azureml://datastores/a/paths/b/", "azureml://datastores/a/paths/c/")}, "one address"),
        ({"output": "s3://bucket/prefix"}, "Azure ML writes below"),
        ({"output": "azureml://datastores/other/paths/b"}, "Azure ML writes below"),
        ({"output": "azureml://datastores/workspaceblobstore/paths/../b"}, "Azure ML writes below"),
        ({"model": "s3://bucket/model"}, "no model folder"),
    ],
)
def test_what_azure_ml_has_not_is_said_before_anything_is_sent(tmp_path: Path, change: Any, words: str) -> None:
    with opened(tmp_path) as (driver, server):
        with pytest.raises(InvalidInput, match=words):
            driver.batch_predict(wanted(tmp_path, **change), CALL)
        assert server.requests == []


def test_a_cluster_of_the_users_is_used_and_priced_by_its_own_machines(tmp_path: Path) -> None:
    with opened(tmp_path, ml_compute="theirs") as (driver, server):
        size = {"vmSize": "Standard_NC4as_T4_v3", "scaleSettings": {"minNodeCount": 0, "maxNodeCount": 2}}
        server.resources["computes/theirs"] = {"properties": {"computeType": "AmlCompute", "properties": size}}
        plan = driver.plan_batch(wanted(tmp_path), CALL)
        assert (plan.instance, plan.hourly, plan.at_limit) == ("those of theirs", None, None)
        result, _ = submitted(driver, wanted(tmp_path))
        assert result.plan is not None
        assert result.plan.instance == "Standard_NC4as_T4_v3"
        assert result.plan.hourly is not None
        (deployment,) = server.sent("PUT", "batchEndpoints/deployments")
        assert deployment["properties"]["environmentVariables"]["CLOUDAI_GPU"] == "1"
        assert server.sent("PUT", "computes") == []
        with pytest.raises(InvalidInput, match="2 machines at most"):
            driver.batch_predict(wanted(tmp_path, instances=3), CALL)
        dear = wanted(tmp_path, max_cost=Money(amount=Decimal("0.01")), name="dear")
        with pytest.raises(BudgetExceeded):
            driver.batch_predict(dear, CALL)
        assert len(server.submitted) == 1


def test_a_job_above_its_limit_of_cost_is_not_sent(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        with pytest.raises(BudgetExceeded):
            driver.batch_predict(wanted(tmp_path, max_cost=Money(amount=Decimal("0.01"))), CALL)
        assert server.requests == []


def test_what_the_script_can_not_do_is_a_warning(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, _):
        plan = driver.plan_batch(wanted(tmp_path, batch_size=4, max_failed=1), CALL)
        assert [notice.message.partition(":")[0] for notice in plan.warnings] == ["batch_size", "max_failed"]


def test_a_gpu_job_says_so_to_the_script_and_brings_another_environment(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        submitted(driver, wanted(tmp_path, accelerator=Accelerator(name="T4", count=1)))
        (environment,) = server.sent("PUT", "environments/versions")
        assert "onnxruntime-gpu[cuda,cudnn]" in environment["properties"]["condaFile"]
        (deployment,) = server.sent("PUT", "batchEndpoints/deployments")
        assert deployment["properties"]["environmentVariables"]["CLOUDAI_GPU"] == "1"


@pytest.mark.parametrize(
    ("machine", "cuda"),
    [
        ("Standard_NC4as_T4_v3", True),
        ("standard_nd96asr_v4", True),
        ("Standard_NV36ads_A10_v5", True),
        ("Standard_NC24ads_A100_v4", True),
        ("Standard_NV16as_v4", False),
        ("Standard_ND96isr_MI300X_v5", False),
        ("Standard_NP10s", False),
        ("Standard_F8s_v2", False),
    ],
)
def test_machines_with_cuda_are_known_by_their_family(machine: str, cuda: bool) -> None:
    assert bodies.has_cuda(machine) is cuda


def test_a_container_of_the_users_is_the_environment(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        submitted(driver, wanted(tmp_path, image="mine/onnx:1"))
        (environment,) = server.sent("PUT", "environments/versions")
        assert environment["properties"]["image"] == "mine/onnx:1"
        assert "condaFile" not in environment["properties"]


# --- files that fail ---------------------------------------------------------------------------------------


def test_a_line_that_is_no_request_is_an_error_in_its_place(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        good = line("good", [1.0, 2.0, 3.0, 4.0])
        wrong = json.dumps({"id": "w", "inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP64", "data": [1] * 4}]})
        (tmp_path / "bad").mkdir()
        (tmp_path / "bad" / "a.jsonl").write_text(f"{good}\nno json\n\n{wrong}\n{good}")
        _, batch = submitted(driver, wanted(tmp_path, inputs=str(tmp_path / "bad")))
        server.work(batch.id)
        driver.fetch_batch(batch, tmp_path / "fetched", CALL)
        rows = list(read_results(tmp_path / "fetched"))
        assert [row.error is None for row in rows] == [True, False, False, False, True]
        assert (rows[3].id, "the model takes FP32" in (rows[3].error or "")) == ("w", True)
        assert rows[2].error == "the line is empty"


@pytest.mark.parametrize("gone", ["{}", ".cloudai/{}.3.0.done"])
def test_a_file_that_no_worker_finished_has_an_error_for_each_line(tmp_path: Path, gone: str) -> None:
    with opened(tmp_path) as (driver, server):
        _, batch = submitted(driver, wanted(tmp_path))
        server.work(batch.id)
        output = dict(batch.details)["output"]
        del server.blobs.blobs[f"{CONTAINER}/{output}/{gone.format(bodies.flat(NAMES[1]))}"]
        driver.fetch_batch(batch, tmp_path / "fetched", CALL)
        rows = [row for row in read_results(tmp_path / "fetched") if row.file == NAMES[1]]
        assert [row.id for row in rows] == [f"{NAMES[1]}:{each}" for each in range(3)]
        assert all("no worker finished" in (row.error or "") for row in rows)


def test_results_below_the_summarys_name_are_found_too(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        _, batch = submitted(driver, wanted(tmp_path))
        server.work(batch.id)
        start = f"{CONTAINER}/{dict(batch.details)['output']}/"
        for name in [name for name in server.blobs.blobs if name.startswith(start)]:
            moved = f"{start}predictions.csv/{name.removeprefix(start)}"
            server.blobs.blobs[moved] = server.blobs.blobs.pop(name)
        driver.fetch_batch(batch, tmp_path / "fetched", CALL)
        assert len(list(read_results(tmp_path / "fetched"))) == 9


def test_a_machine_without_the_gpu_that_was_asked_for_fails_the_job_with_that_reason(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        _, batch = submitted(driver, wanted(tmp_path, accelerator=Accelerator(name="T4", count=1)))
        server.work(batch.id)
        status = driver.batch_status(batch, CALL)
        assert status.state is JobState.FAILED
        assert "a GPU was asked for" in (status.message or "")


def test_after_max_seconds_no_file_is_begun(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        _, batch = submitted(driver, wanted(tmp_path))
        done, failed = server.work(batch.id, workers={"CLOUDAI_MAX_SECONDS": "-1"})
        assert (done, len(failed)) == ([], 3)
        assert "max_seconds are over" in (driver.batch_status(batch, CALL).message or "")


def test_two_remote_files_of_one_name_are_an_error_and_not_one_result(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        for number, name in enumerate(("x/a.jsonl", "y/a.jsonl", "y/b.jsonl")):
            row = line(name, [float(number), 0.0, 0.0, 0.0]) + "\n"
            server.blobs.blobs[f"{CONTAINER}/mine/{name}"] = row.encode()
        request = wanted(tmp_path, inputs="azureml://datastores/workspaceblobstore/paths/mine/")
        _, batch = submitted(driver, request)
        done, failed = server.work(batch.id)
        assert done == ["a.jsonl", "b.jsonl"]
        assert "two input files are called a.jsonl" in failed[0]


@pytest.mark.parametrize(
    ("limit", "wrong", "state"),
    [(None, 2, JobState.SUCCEEDED), (2, 2, JobState.SUCCEEDED), (1, 2, JobState.FAILED), (None, 4, JobState.FAILED)],
)
def test_lines_that_fail_are_counted_and_end_a_job_as_failed(
    tmp_path: Path, limit: int | None, wrong: int, state: JobState
) -> None:
    with opened(tmp_path) as (driver, server):
        (tmp_path / "some").mkdir()
        lines = ["no json"] * wrong + [line("good", [1.0, 2.0, 3.0, 4.0])] * (4 - wrong)
        (tmp_path / "some" / "a.jsonl").write_text("".join(f"{each}\n" for each in lines))
        _, batch = submitted(driver, wanted(tmp_path, inputs=str(tmp_path / "some"), max_failed=limit))
        server.work(batch.id)
        status = driver.batch_status(batch, CALL)
        assert (status.state, status.succeeded, status.failed) == (state, 4 - wrong, wrong)
        assert (status.message is None) is (state is JobState.SUCCEEDED)
