"""Audio that is not in Cloud Storage is put there for a job, and nothing of it is left, however the job ends."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from gcp_answers import ANSWERS, recognize, settings
from gcp_client import ask, config, with_key
from gcp_server import PROJECT, Broken, Failure, GoogleServer, google
from test_gcp_limits import wav

from cloudai import AsyncClient, Client
from cloudai.config import Config
from cloudai.errors import CloudAIError, ErrorCode
from cloudai.types.speech import JobState

NAME = f"projects/{PROJECT}/locations/global/operations/op-1"
TYPE = "type.googleapis.com/google.cloud.speech.v2."
both = pytest.mark.parametrize("kind", ["sync", "async"])


@dataclass
class Jobs:
    """Google's side: what was staged when the job began, and how it goes on."""

    ending: Mapping[str, Any] = field(default_factory=dict)
    looks: int = 1
    """Until it has ended."""
    uri: str = ""
    cancelled: bool = False
    heard: bytes = b""

    def submit(self, body: Any, server: GoogleServer) -> Any:
        self.uri = body["files"][0]["uri"]
        self.heard = server.objects.get(self.uri, b"")
        return self.operation()

    def operation(self, **more: Any) -> dict[str, Any]:
        return {"name": NAME, "metadata": {"@type": TYPE + "OperationMetadata"}, **more}

    def look(self) -> Any:
        if self.cancelled:
            return self.operation(done=True, error={"code": 1, "message": "cancelled"})
        if self.looks:
            self.looks -= 1
            return self.operation()
        if "code" in self.ending:
            return self.operation(done=True, error=self.ending)
        results = recognize({"config": {"features": {}}}, {})["results"]
        made = self.ending or {
            "inlineResult": {"transcript": {"results": results}},
            "metadata": {"totalBilledDuration": "61s"},
        }
        response = {"@type": TYPE + "BatchRecognizeResponse", "results": {self.uri: made}}
        return self.operation(done=True, response=response)

    def cancel(self) -> Any:
        self.cancelled = True
        return {}


@contextmanager
def staging(tmp_path: Path, jobs: Jobs, **policy: Any) -> Iterator[tuple[Config, GoogleServer]]:
    with google(ANSWERS) as server:
        server.answers |= {
            "speech.v2:BatchRecognize": lambda body, _: jobs.submit(body, server),
            "speech.v2:GetOperation": lambda *_: jobs.look(),
            "speech.v2:CancelOperation": lambda *_: jobs.cancel(),
        }
        yield config(settings(server, tmp_path, staging_bucket="mine"), **policy), server


def transcribed(kind: str, made: Config, audio: bytes, **arguments: Any) -> Any:
    """The result of a job."""
    if kind == "sync":
        with Client(made) as client:
            return client.speech.transcribe_job(audio, language="en", **arguments).result(interval=0.01)

    async def once() -> Any:
        async with AsyncClient(made) as client:
            job = await client.speech.transcribe_job(audio, language="en", **arguments)
            return await job.result(interval=0.01)

    return asyncio.run(once())


@both
def test_audio_is_put_into_the_bucket_and_deleted_after_the_result(kind: str, tmp_path: Path) -> None:
    jobs, audio = Jobs(), wav(61)
    with staging(tmp_path, jobs) as (made, server):
        result = transcribed(kind, made, audio)
        assert jobs.heard == audio
        assert jobs.uri.startswith("gs://mine/cloudai/cloudai-")
        assert server.objects == {}
    assert (result.text, result.usage[0].quantity) == ("hello there", 61)
    assert result.cost is not None
    assert round(result.cost.amount, 12) == round(Decimal("0.016") * 61 / 60, 12)


@both
def test_audio_too_long_for_a_request_goes_as_a_job_by_itself(kind: str, tmp_path: Path) -> None:
    jobs = Jobs()
    with staging(tmp_path, jobs) as (made, server):
        result = ask(kind, made, "speech", "transcribe", wav(61), language="en")
        assert server.received[0].method == "speech.v2:BatchRecognize"
        assert (result.text, server.objects) == ("hello there", {})


def test_a_minute_is_still_one_request(tmp_path: Path) -> None:
    with staging(tmp_path, Jobs()) as (made, server), Client(made) as client:
        client.speech.transcribe(wav(60), language="en")
        assert [got.method for got in server.received] == ["speech.v2:Recognize"]


@both
def test_a_job_that_outlasts_the_deadline_is_cancelled(kind: str, tmp_path: Path) -> None:
    jobs = Jobs(looks=10_000)
    with staging(tmp_path, jobs, deadline=3.0) as (made, server):
        with pytest.raises(CloudAIError) as caught:
            ask(kind, made, "speech", "transcribe", wav(61), language="en")
        assert caught.value.code is ErrorCode.DEADLINE_EXCEEDED
        assert (jobs.cancelled, server.objects) == (True, {})


@both
@pytest.mark.parametrize(
    "ending",
    [{"code": 13, "message": "the job failed"}, {"error": {"code": 3, "message": "the job failed: bad audio"}}],
    ids=["operation", "file"],
)
def test_nothing_is_left_of_a_job_that_failed(kind: str, ending: Mapping[str, Any], tmp_path: Path) -> None:
    with staging(tmp_path, Jobs(ending=ending)) as (made, server):
        with pytest.raises(CloudAIError, match="the job failed"):
            transcribed(kind, made, wav(61))
        assert server.objects == {}


@both
@pytest.mark.parametrize(
    "fault",
    [
        Failure(status=400),
        Failure(status=403, code="PERMISSION_DENIED"),
        Failure(status=503, code="UNAVAILABLE"),
        Broken(kind="reset"),
        Broken(kind="reset after headers"),
        Broken(kind="hang", seconds=20.0),
        Broken(kind="truncated"),
        Broken(kind="html"),
    ],
    ids=lambda fault: getattr(fault, "kind", None) or str(fault.status),
)
def test_nothing_is_left_of_a_job_that_was_not_made(kind: str, fault: Failure | Broken, tmp_path: Path) -> None:
    hangs = isinstance(fault, Broken) and fault.kind == "hang"
    with staging(tmp_path, Jobs(), deadline=3.0 if hangs else 30.0) as (made, server):
        server.faults.append(fault)
        with pytest.raises(CloudAIError):
            transcribed(kind, made, wav(61))
        assert server.objects == {}
        assert len([got for got in server.received if got.method == "speech.v2:BatchRecognize"]) == 1


@both
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Failure(status=403, code="PERMISSION_DENIED"), ErrorCode.PERMISSION_DENIED),
        (Failure(status=404, code="NOT_FOUND", message="The specified bucket does not exist."), ErrorCode.NOT_FOUND),
    ],
)
def test_no_job_is_made_where_the_audio_was_not_put(kind: str, fault: Failure, code: ErrorCode, tmp_path: Path) -> None:
    with staging(tmp_path, Jobs()) as (made, server):
        server.storage_faults.append(fault)
        with pytest.raises(CloudAIError) as caught:
            transcribed(kind, made, wav(61))
        assert (caught.value.code, server.received, server.objects) == (code, [], {})


@both
def test_an_upload_that_was_lost_is_made_again_as_nothing_was_submitted(kind: str, tmp_path: Path) -> None:
    with staging(tmp_path, Jobs(), max_attempts=2) as (made, server):
        server.storage_faults.append(Broken(kind="reset"))
        assert transcribed(kind, made, wav(61)).text == "hello there"
        assert len([got for got in server.received if got.method == "speech.v2:BatchRecognize"]) == 1
        assert server.objects == {}


@both
def test_a_look_that_failed_is_not_the_end_of_the_job(kind: str, tmp_path: Path) -> None:
    jobs = Jobs()
    with staging(tmp_path, jobs, max_attempts=1) as (made, server):
        down: list[Any] = [Failure(status=503, code="UNAVAILABLE"), Broken(kind="reset")] * 2
        server.answers["speech.v2:GetOperation"] = lambda *_: down.pop() if down else jobs.look()
        assert transcribed(kind, made, wav(61)).text == "hello there"
        assert server.objects == {}


@both
@pytest.mark.parametrize(
    ("fault", "looks"),
    [
        (Failure(status=503, code="UNAVAILABLE"), 5),
        (Failure(status=403, code="PERMISSION_DENIED"), 1),
        (Failure(status=404, code="NOT_FOUND"), 1),
    ],
)
def test_looks_that_go_on_failing_end_the_waiting(kind: str, fault: Failure, looks: int, tmp_path: Path) -> None:
    with staging(tmp_path, Jobs(), max_attempts=1) as (made, server):
        server.answers["speech.v2:GetOperation"] = lambda *_: fault
        with pytest.raises(CloudAIError):
            transcribed(kind, made, wav(61))
        assert [got.method for got in server.received].count("speech.v2:GetOperation") == looks


@both
def test_what_a_job_could_not_honour_is_said_with_its_result(kind: str, tmp_path: Path) -> None:
    with staging(tmp_path, Jobs()) as (made, _):
        result = transcribed(kind, made, wav(61), profanity="remove", min_speakers=2, diarization=True)
    assert {notice.code for notice in result.warnings} == {"option_ignored"}


@both
def test_a_job_can_be_cancelled_and_found_again(kind: str, tmp_path: Path) -> None:
    jobs = Jobs(looks=10_000)
    with staging(tmp_path, jobs) as (made, server):
        if kind == "sync":
            with Client(made) as client:
                saved = client.speech.transcribe_job(wav(61), language="en").ref.model_dump_json()
            with Client(made) as client:
                job = client.speech.job(saved)
                assert job.status().state is JobState.QUEUED
                job.cancel()
                assert job.wait(interval=0.01).state is JobState.CANCELLED
        else:

            async def once() -> None:
                async with AsyncClient(made) as client:
                    saved = (await client.speech.transcribe_job(wav(61), language="en")).ref.model_dump_json()
                seen: list[JobState] = []
                async with AsyncClient(made) as client:
                    job = client.speech.job(saved)
                    assert (await job.status()).state is JobState.QUEUED
                    with pytest.raises(CloudAIError, match="it goes on"):
                        await job.wait(timeout=0.05, interval=0.02)
                    await job.cancel()
                    await job.wait(interval=0.01, progress=lambda status: seen.append(status.state))
                assert seen == [JobState.CANCELLED]

            asyncio.run(once())
        assert (jobs.cancelled, server.objects) == (True, {})


def test_what_can_not_be_deleted_is_logged_by_its_name_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    jobs = Jobs()
    with staging(tmp_path, jobs) as (made, server):
        with Client(made) as client:
            job = client.speech.transcribe_job(wav(61), language="en")
            server.storage_faults.extend([Failure(status=403, code="PERMISSION_DENIED")] * 2)
            assert job.result(interval=0.01).text == "hello there"
        assert len(server.objects) == 1
    (record,) = caplog.records
    assert "was not deleted: HTTP 403" in record.message
    assert "mine" not in record.message


def test_without_a_bucket_long_audio_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with google(ANSWERS) as server, Client(config(settings(server, tmp_path))) as client:
        with pytest.raises(CloudAIError, match="max_seconds") as caught:
            client.speech.transcribe(wav(61), language="en")
        assert caught.value.code is ErrorCode.TOO_LARGE
        with pytest.raises(CloudAIError, match="set staging_bucket") as caught:
            client.speech.transcribe_job(wav(61), language="en")
        assert (caught.value.code, server.arrived) == (ErrorCode.INVALID_INPUT, 0)


def test_a_key_stages_nothing() -> None:
    with with_key(staging_bucket="mine") as (client, server):
        with pytest.raises(CloudAIError, match="credentials"):
            client.speech.transcribe_job(wav(61), language="en")
        assert server.arrived == 0
