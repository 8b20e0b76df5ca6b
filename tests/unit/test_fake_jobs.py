"""`FakeBackend`'s training runs and batch jobs: what a program's own tests can script."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudai import Client
from cloudai.config import load_config
from cloudai.driver import BatchPrediction, TrainingRuns
from cloudai.errors import CloudAIError, ErrorCode, InvalidInput, ServiceError
from cloudai.serving.batch_results import read_results
from cloudai.testing import FakeBackend
from cloudai.types.custom import (
    BatchFailure,
    BatchPredictRequest,
    BatchPredictResult,
    BatchStatus,
    RunStatus,
    TrainingJob,
)
from cloudai.types.speech import JobState

JOB = TrainingJob(name="digits", script="train.py")
ROW = '{"id": "r", "inputs": [{"name": "x", "datatype": "FP32", "shape": [1], "data": [2.5]}]}\n'


@pytest.fixture
def fake() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def client(fake: FakeBackend) -> Iterator[Client]:
    with fake.client() as opened:
        yield opened


@pytest.fixture
def request_(tmp_path: Path) -> BatchPredictRequest:
    (tmp_path / "rows.jsonl").write_text(ROW + "no request\n")
    return BatchPredictRequest(model="m", inputs=str(tmp_path / "rows.jsonl"), output=str(tmp_path / "out"))


def test_its_driver_has_both_protocols(fake: FakeBackend, client: Client) -> None:
    assert isinstance(client.driver("fake"), TrainingRuns)
    assert isinstance(client.driver("fake"), BatchPrediction)


def test_a_run_goes_through_the_scripted_states(fake: FakeBackend, client: Client) -> None:
    fake.looks(JobState.QUEUED, JobState.RUNNING, RunStatus(state=JobState.FAILED, message="out of memory"))
    ref = client.custom.train(JOB).run
    assert ref is not None
    handle = client.custom.run(ref)
    seen: list[str] = []
    ended = handle.wait(interval=0, progress=lambda status: seen.append(status.state))
    assert seen == ["queued", "running", "failed"]
    assert (ended.message, handle.status().message) == ("out of memory", "out of memory")
    with pytest.raises(CloudAIError) as caught:
        handle.fetch("nowhere")
    assert caught.value.code is ErrorCode.CONFLICT


def test_a_run_without_a_script_succeeds_with_its_lines_and_files(
    fake: FakeBackend, client: Client, tmp_path: Path
) -> None:
    fake.jobs.lines += ["hello", '{"cloudai_metric": {"name": "loss", "value": 0.5, "step": 1}}']
    fake.jobs.files = {"deep/model.onnx": b"graph"}
    plan, result = client.custom.plan_training(JOB), client.custom.train(JOB)
    assert result.run is not None
    assert result.run.name == plan.name
    handle = client.custom.run(result.run)
    assert list(handle.logs()) == fake.jobs.lines
    assert [(metric.name, metric.value) for metric in handle.metrics()] == [("loss", 0.5)]
    assert handle.wait().state is JobState.SUCCEEDED
    assert (handle.fetch(tmp_path) / "deep" / "model.onnx").read_bytes() == b"graph"
    assert client.custom.runs() == (result.run,)
    assert client.custom.train(JOB).found


def test_a_look_can_fail_and_is_made_again(fake: FakeBackend, client: Client, request_: BatchPredictRequest) -> None:
    job = client.custom.submit_batch(request_)
    fake.looks(JobState.RUNNING, ServiceError("busy", code=ErrorCode.UNAVAILABLE, retryable=False), JobState.SUCCEEDED)
    assert job.wait(interval=0).state is JobState.SUCCEEDED


def test_a_batch_job_gives_each_request_back(client: Client, request_: BatchPredictRequest) -> None:
    result = client.custom.batch_predict(request_)
    assert (result.total, result.succeeded, result.failed) == (2, 1, 1)
    assert result.failures == (BatchFailure(file="rows.jsonl", line=2, message="the line is no inference request"),)
    first, second = read_results(str(result.output))
    assert (first.id, first.outputs["x"].array.tolist(), second.error is None) == ("r", [2.5], False)
    assert [ref.name for ref in client.custom.batches()] == [client.custom.plan_batch(request_).name]


def test_a_scripted_status_has_its_counts(fake: FakeBackend, client: Client, request_: BatchPredictRequest) -> None:
    fake.looks(BatchStatus(state=JobState.SUCCEEDED, total=9, succeeded=7, failed=2, output="s3://bucket/out"))
    result = client.custom.batch_predict(request_.model_copy(update={"output": "s3://bucket/out"}))
    assert (result.output, result.total, result.failed) == ("s3://bucket/out", 9, 2)


def test_a_scripted_result_is_what_waiting_gives(
    fake: FakeBackend, client: Client, request_: BatchPredictRequest
) -> None:
    asked = request_.model_copy(update={"output": "s3://bucket/out"})
    ended = BatchPredictResult(state=JobState.SUCCEEDED, output="s3://bucket/out", total=3, succeeded=3, failed=0)
    fake.answer("custom.batch_predict", ended)
    result = client.custom.batch_predict(asked)
    assert (result.state, result.output, result.total) == (JobState.SUCCEEDED, "s3://bucket/out", 3)
    fake.answer("custom.batch_predict", BatchPredictResult(state=JobState.FAILED))
    with pytest.raises(ServiceError, match="failed"):
        client.custom.batch_predict(asked.model_copy(update={"name": "other"}))


def test_a_cancelled_job_stays_cancelled(client: Client, request_: BatchPredictRequest) -> None:
    job = client.custom.submit_batch(request_)
    job.cancel()
    with pytest.raises(ServiceError) as caught:
        job.result()
    assert caught.value.code is ErrorCode.CANCELLED
    assert client.custom.submit_batch(request_).status().state is JobState.CANCELLED


def test_a_submission_can_be_scripted_to_fail(fake: FakeBackend, client: Client, request_: BatchPredictRequest) -> None:
    fake.answer("custom.batch_predict", ServiceError("gone", code=ErrorCode.UNAVAILABLE))
    with pytest.raises(CloudAIError) as caught:
        client.custom.submit_batch(request_)
    assert caught.value.code is ErrorCode.OUTCOME_UNKNOWN
    assert client.custom.batches() == ()
    with pytest.raises(InvalidInput, match="is not there"):
        client.custom.submit_batch(request_.model_copy(update={"inputs": "nowhere"}))


def test_a_handle_is_of_the_backend_that_a_config_file_names(tmp_path: Path, request_: BatchPredictRequest) -> None:
    (tmp_path / "cloudai.toml").write_text('[backends.mine]\nprovider = "fake"\n[routes]\n"*" = "mine"\n')
    with Client(load_config(tmp_path / "cloudai.toml")) as client:
        ref = client.custom.train(JOB).run
        assert ref is not None
        assert (ref.backend, client.custom.run(ref).status().state) == ("mine", JobState.SUCCEEDED)
        assert client.custom.submit_batch(request_).ref.backend == "mine"


def test_async_clients_have_the_same(fake: FakeBackend, request_: BatchPredictRequest) -> None:
    async def ask() -> None:
        async with fake.async_client() as client:
            ref = (await client.custom.train(JOB)).run
            assert ref is not None
            assert (await client.custom.run(ref).wait(interval=0)).state is JobState.SUCCEEDED
            assert (await client.custom.batch_predict(request_)).succeeded == 1

    asyncio.run(ask())
