"""Batch predictions on Vertex AI: submitted once, worked through by the job's own container, back in their order."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "serving"))

from gcp_server import PROJECT
from served import scale
from test_gcp_custom_endpoints import wanted
from test_gcp_custom_training import failure, opened
from vertex_batch_work import work
from vertex_custom_server import PARENT, Refused, VertexServer

from cloudai.driver import BatchPredict, BatchPrediction, Call
from cloudai.errors import BudgetExceeded, CloudAIError, Delivery, ErrorCode, InvalidInput
from cloudai.serving.batch_results import read_results
from cloudai.types.custom import Accelerator, BatchPredictRequest, BatchRef
from cloudai.types.results import Money
from cloudai.types.speech import JobState
from cloudai_gcp.driver import GcpDriver
from cloudai_gcp.errors import GoogleError

CALL = Call(timeout=30.0)
CREATE = "batchPredictionJobs.create"
MACHINE = Accelerator(instance="n1-standard-4")


def line(*values: float, **more: Any) -> str:
    tensor = {"name": "x", "shape": [1, len(values)], "datatype": "FP32", "data": list(values)}
    return json.dumps({**more, "inputs": [tensor]})


def wanting(folder: Path, **more: Any) -> BatchPredictRequest:
    given = folder / "given"
    (given / "deep").mkdir(parents=True, exist_ok=True)
    (given / "a.jsonl").write_text("".join(line(n, 1, 2, 3, id=f"a{n}") + "\n" for n in range(7)))
    (given / "deep" / "b [1].jsonl").write_text("\n".join([line(1, 2, 3, 4, id="good"), "", "{no json", line(1, 2)]))
    known: dict[str, Any] = {
        "model": str(scale(folder / "twice", 2.0)),
        "inputs": str(given),
        "output": str(folder / "out"),
        "accelerator": MACHINE,
    }
    return BatchPredictRequest.model_validate({**known, **more})


def submitted(driver: GcpDriver, request: BatchPredictRequest) -> BatchRef:
    batch = driver.batch_predict(request, CALL).batch
    assert batch is not None
    return BatchRef.model_validate_json(batch.model_dump_json())


def staged(server: VertexServer) -> set[str]:
    """Objects of batches, below the job's own name."""
    return {uri.split("/batches/")[1].partition("/")[2] for uri in server.objects if "/batches/" in uri}


def test_the_driver_is_what_the_contract_asks(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, _):
        assert isinstance(driver, BatchPrediction)
        assert BatchPredict in type(driver).__mro__


def test_the_plan_is_what_is_sent_and_all_of_the_request_is_in_it(tmp_path: Path) -> None:
    with opened(tmp_path, vertex_service_account="me@x") as (driver, server):
        request = wanting(tmp_path, instances=3, batch_size=5, tags={"Team": "A b"})
        plan = driver.plan_batch(request, CALL)
        assert server.requests == []
        result = driver.batch_predict(request, CALL)
        (sent,) = server.asked(CREATE)
    (shown,) = plan.requests
    assert shown == {"call": f"POST /v1/{PARENT}/batchPredictionJobs", "body": sent}
    base = f"gs://mine/cloudai/vertex/batches/{plan.name}"
    command = sent["unmanagedContainerModel"]["containerSpec"].pop("command")
    assert command[:2] == ["python3", "-c"]
    assert "$(" not in command[2]
    assert sent == {
        "displayName": plan.name,
        "labels": {"team": "a-b", "cloudai-submission": plan.name, "cloudai-job": sent["labels"]["cloudai-job"]},
        "unmanagedContainerModel": {
            "artifactUri": f"{base}/model",
            "containerSpec": {
                "imageUri": f"us-central1-docker.pkg.dev/{PROJECT}/cloudai/tritonserver:25.01-py3",
                "ports": [{"containerPort": 8080}],
                "predictRoute": "/predict",
                "healthRoute": "/health",
            },
        },
        "inputConfig": {"instancesFormat": "jsonl", "gcsSource": {"uris": [f"{base}/input/*.jsonl"]}},
        "instanceConfig": {"instanceType": "object", "keyField": "key"},
        "outputConfig": {"predictionsFormat": "jsonl", "gcsDestination": {"outputUriPrefix": f"{base}/output"}},
        "dedicatedResources": {
            "machineSpec": {"machineType": "n1-standard-4"},
            "startingReplicaCount": 3,
            "maxReplicaCount": 3,
        },
        "manualBatchTuningParameters": {"batchSize": 5},
        "serviceAccount": "me@x",
    }
    assert plan.hourly is not None
    assert plan.at_limit == Money(amount=(plan.hourly.amount * 24).normalize())
    assert result.plan == plan
    assert {target for _, target in plan.uploads} | {f"{base}/files.json"} == set(server.objects)
    assert not result.found
    assert [notice.code for notice in result.warnings] == ["container"]


@pytest.mark.parametrize("batch_size", [1, 4])
def test_results_come_back_line_by_line_whatever_vertex_does_with_their_order(tmp_path: Path, batch_size: int) -> None:
    with opened(tmp_path) as (driver, server):
        batch = submitted(driver, wanting(tmp_path, batch_size=batch_size))
        work(server, batch.id, tmp_path)
        status = driver.batch_status(batch, CALL)
        driver.fetch_batch(batch, tmp_path / "out", CALL)
    assert (status.state, status.billed_seconds) == (JobState.SUCCEEDED, 600)
    assert (status.total, status.succeeded, status.failed) == (None, None, None)
    assert status.hourly is not None
    rows = list(read_results(tmp_path / "out"))
    assert [(row.file, row.line) for row in rows] == [
        *(("a.jsonl", n) for n in range(1, 8)),
        *(("deep/b [1].jsonl", n) for n in range(1, 5)),
    ]
    for number, row in enumerate(rows[:7]):
        assert row.id == f"a{number}"
        np.testing.assert_array_equal(row.outputs["y"].array, np.array([[2 * number, 2, 4, 6]], np.float32))
    good, empty, broken, short = rows[7:]
    assert good.id == "good"
    assert empty.error == "Vertex AI gave no answer to this line"
    assert broken.error is not None
    assert "JSON" in broken.error
    assert short.error is not None
    assert "FP32[1, 2]" in short.error


def test_numbers_are_those_of_the_request_though_vertex_has_doubles_only(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        request = wanting(tmp_path)
        (tmp_path / "given" / "a.jsonl").write_text(line(16777217, 0.1, -0.0, 1e38, id="x") + "\n")
        batch = submitted(driver, request)
        work(server, batch.id, tmp_path)
        driver.fetch_batch(batch, tmp_path / "out", CALL)
    row = next(iter(read_results(tmp_path / "out")))
    array = np.array([[16777217, 0.1, -0.0, 1e38]], np.float32) * np.float32(2)
    assert row.outputs["y"].array.tobytes() == array.tobytes()


def test_the_same_request_is_found_not_sent_again(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        first = driver.batch_predict(wanting(tmp_path), CALL)
        again = driver.batch_predict(wanting(tmp_path), CALL)
        assert again.found
        assert again.batch == first.batch
        (tmp_path / "given" / "a.jsonl").write_text(line(1, 1, 1, 1))
        request = wanting(tmp_path, inputs=str(tmp_path / "given" / "a.jsonl"))
        assert not driver.batch_predict(request, CALL).found
        assert len(server.batches) == 2


def test_an_answer_that_was_lost_is_found_by_its_label(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        server.lose.append(CREATE)
        batch = submitted(driver, wanting(tmp_path))
        assert list(server.batches) == [batch.id]
        assert len(server.asked(CREATE)) == 1


def test_a_request_that_was_lost_is_an_outcome_nobody_knows(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        server.drop.append(CREATE)
        with pytest.raises(GoogleError) as caught:
            driver.batch_predict(wanting(tmp_path), CALL)
        fault = failure(driver, caught.value)
        assert (fault.code, fault.delivery) == (ErrorCode.OUTCOME_UNKNOWN, Delivery.UNKNOWN)
        assert "gcloud ai batch-prediction-jobs list" in fault.message
        assert "input/000000.jsonl" in staged(server)  # the job may be there and read it


@pytest.mark.parametrize("step", [CREATE, "storage.POST"])
def test_a_refusal_leaves_nothing_behind(tmp_path: Path, step: str) -> None:
    with opened(tmp_path) as (driver, server):
        server.refuse[step] = Refused(429, "RESOURCE_EXHAUSTED", "custom_model_serving_cpus is used up")
        with pytest.raises(GoogleError, match="custom_model_serving_cpus"):
            driver.batch_predict(wanting(tmp_path), CALL)
        assert (server.batches, server.objects) == ({}, {})


def put(server: VertexServer, files: Mapping[str, str]) -> None:
    server.objects |= {f"gs://theirs/{name}": content.encode() for name, content in files.items()}


def test_inputs_and_outputs_may_be_in_cloud_storage(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        put(
            server, {"in/a.jsonl": line(1, 2, 3, 4), "in/x/b.json": line(4, 3, 2, 1), "in/c.txt": "", "inner.jsonl": ""}
        )
        request = wanting(tmp_path, inputs="gs://theirs/in", output="gs://theirs/out")
        plan = driver.plan_batch(request, CALL)
        batch = submitted(driver, request)
        assert batch.name == plan.name
        put(server, {"in/a.jsonl": line(1, 2, 3, 4) + "\n"})
        assert driver.plan_batch(request, CALL).name != plan.name
        work(server, batch.id, tmp_path)
        where = driver.batch_status(batch, CALL).output
        assert where is not None
        assert where.startswith("gs://theirs/out/prediction-")
        driver.fetch_batch(batch, tmp_path / "out", CALL)
    rows = {row.file: row.outputs["y"].array.tolist() for row in read_results(tmp_path / "out")}
    assert rows == {"a.jsonl": [[2, 4, 6, 8]], "x/b.json": [[8, 6, 4, 2]]}


@pytest.mark.parametrize(
    ("inputs", "word"),
    [
        ("gs://theirs/none", "holds no files"),
        (("gs://theirs/in/a.jsonl", "gs://theirs/x/a.jsonl"), "two input files"),
        ("gs://theirs/empty.jsonl", "no request"),
        ("s3://b/in", "gs:// and local"),
    ],
)
def test_inputs_that_are_none_are_said_and_nothing_stays(tmp_path: Path, inputs: Any, word: str) -> None:
    with opened(tmp_path) as (driver, server):
        put(server, {"in/a.jsonl": line(1, 2, 3, 4), "x/a.jsonl": line(1, 2, 3, 4), "empty.jsonl": "\n"})
        with pytest.raises(InvalidInput, match=word):
            driver.batch_predict(wanting(tmp_path, inputs=inputs), CALL)
        assert staged(server) == set()
        assert server.asked(CREATE) == []


def test_a_line_that_is_no_text_is_said_before_a_job_is_made(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        request = wanting(tmp_path)
        (tmp_path / "given" / "a.jsonl").write_bytes(b"{}\n\xff\xfe\n")
        with pytest.raises(InvalidInput, match=r"a\.jsonl, line 2: no UTF-8"):
            driver.batch_predict(request, CALL)
        assert server.asked(CREATE) == []


def test_a_deployed_model_is_asked_by_its_endpoints_name(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        first = driver.deploy(wanted(tmp_path, 2.0), CALL)
        driver.deploy(wanted(tmp_path, 3.0, version="three", traffic={first.version: 90, "three": 10}), CALL)
        for version, factor in ((None, 2), ("three", 3)):
            request = wanting(tmp_path, model="twice", version=version, name=f"f{factor}")
            plan = driver.plan_batch(request, CALL)
            batch = submitted(driver, request)
            assert (batch.name, plan.requests[0]["body"]) == (plan.name, server.asked(CREATE)[-1])
            work(server, batch.id, tmp_path)
            driver.fetch_batch(batch, tmp_path / f"out{factor}", CALL)
            row = next(iter(read_results(tmp_path / f"out{factor}")))
            assert row.outputs["y"].array.tolist() == [[0, factor, 2 * factor, 3 * factor]]
        with pytest.raises(InvalidInput, match="no version 'four'"):
            driver.batch_predict(wanting(tmp_path, model="twice", version="four"), CALL)
        with pytest.raises(InvalidInput, match="no endpoint and no model"):
            driver.batch_predict(wanting(tmp_path, model="other"), CALL)


def test_a_registered_model_of_cloudais_is_taken_and_another_is_not(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        driver.deploy(wanted(tmp_path), CALL)
        (name,) = server.models
        submitted(driver, wanting(tmp_path, model=name.rpartition("/")[2]))
        (sent,) = server.asked(CREATE)
        assert sent["unmanagedContainerModel"]["artifactUri"] == server.models[name]["artifactUri"]
        server.models[name]["labels"] = {}
        with pytest.raises(InvalidInput, match="cloudai deployed"):
            driver.batch_predict(wanting(tmp_path, model=name), CALL)


def test_a_packaged_model_in_cloud_storage_is_taken_as_it_is(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        server.objects["gs://theirs/repository/m/config.pbtxt"] = b""
        submitted(driver, wanting(tmp_path, model="gs://theirs/repository/", image="eu.pkg.dev/mine/triton:1"))
        (sent,) = server.asked(CREATE)
        model = sent["unmanagedContainerModel"]
        assert (model["artifactUri"], model["containerSpec"]["imageUri"]) == (
            "gs://theirs/repository",
            "eu.pkg.dev/mine/triton:1",
        )


def test_a_batch_that_has_not_succeeded_has_no_results(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        batch = submitted(driver, wanting(tmp_path))
        for state in ("JOB_STATE_RUNNING", "JOB_STATE_FAILED"):
            server.batches[batch.id]["state"] = state
            with pytest.raises(CloudAIError) as caught:
                driver.fetch_batch(batch, tmp_path / "out", CALL)
            assert caught.value.code is ErrorCode.CONFLICT


@pytest.mark.parametrize(
    "said", ["Failed to pull image us-docker.pkg.dev/x: not found", "Model server never became ready on any replica"]
)
def test_why_a_batch_failed_is_told_in_googles_words(tmp_path: Path, said: str) -> None:
    with opened(tmp_path) as (driver, server):
        batch = submitted(driver, wanting(tmp_path))
        server.batches[batch.id] |= {"state": "JOB_STATE_FAILED", "error": {"code": 3, "message": said}}
        status = driver.batch_status(batch, CALL)
        assert (status.state, status.message) == (JobState.FAILED, said)


def test_what_vertex_could_not_ask_is_an_error_of_its_line(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        batch = submitted(driver, wanting(tmp_path))
        where = "gs://mine/o/prediction-x"
        told = {"error": {"code": 13, "message": "the replica was lost"}}
        lines = [json.dumps({"key": "0:2", **told}), json.dumps({"instance": {}, **told}), "no json"]
        server.objects[f"{where}/errors_0001.jsonl"] = "\n".join(lines).encode()
        prediction = {"key": "0:1", "prediction": '{"outputs": []}'}
        server.objects[f"{where}/predictions_0001.jsonl"] = json.dumps(prediction).encode()
        server.batches[batch.id] |= {"state": "JOB_STATE_SUCCEEDED", "outputInfo": {"gcsOutputDirectory": where}}
        driver.fetch_batch(batch, tmp_path / "out", CALL)
    first, second, third = list(read_results(tmp_path / "out"))[:3]
    assert first.error is None
    assert second.error == "the replica was lost"
    assert third.error == "Vertex AI gave no answer to this line"


def test_cancelling_stops_a_batch_and_one_that_ended_is_no_error(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, _):
        batch = submitted(driver, wanting(tmp_path))
        driver.cancel_batch(batch, CALL)
        assert driver.batch_status(batch, CALL).state is JobState.CANCELLED
        driver.cancel_batch(batch, CALL)
        with pytest.raises(GoogleError) as caught:
            driver.cancel_batch(batch.model_copy(update={"id": f"{PARENT}/batchPredictionJobs/77"}), CALL)
        assert caught.value.fault.code is ErrorCode.NOT_FOUND


def test_batches_are_listed_newest_first_over_pages(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        made = [submitted(driver, wanting(tmp_path, name=f"n{number}")) for number in range(3)]
        strange = {"name": "strange", "labels": {}, "displayName": "theirs", "unmanagedContainerModel": {}}
        server.batches["strange"] = {**server.batches[made[0].id], **strange}
        assert list(driver.list_batches(CALL)) == made[::-1]


def test_a_batch_above_its_cost_is_not_sent(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, server):
        with pytest.raises(BudgetExceeded):
            driver.batch_predict(wanting(tmp_path, max_cost=Money(amount=Decimal("0.01"))), CALL)
        assert server.requests == []
        plan = driver.plan_batch(wanting(tmp_path, max_seconds=60, max_failed=3), CALL)
        ignored = [notice.message for notice in plan.warnings if notice.code == "option_ignored"]
        assert [message.partition(":")[0] for message in ignored] == ["max_seconds", "max_failed"]


def test_cards_that_are_attached_have_no_known_price(tmp_path: Path) -> None:
    with opened(tmp_path) as (driver, _):
        named = Accelerator(name="T4", count=1, instance="n1-standard-4")
        plan = driver.plan_batch(wanting(tmp_path, accelerator=named), CALL)
        assert (plan.hourly, plan.at_limit) == (None, None)
        assert "price_unknown" in [notice.code for notice in plan.warnings]
