"""Long audio at Google: submitted once, found again from its handle, read from the operation itself."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from gcp_answers import ANSWERS, recognize, settings
from gcp_client import config, opened, with_key
from gcp_server import PROJECT, Broken, google

from cloudai import Client
from cloudai.errors import CloudAIError, ErrorCode
from cloudai.testing.samples import tone
from cloudai.types.speech import JobRef, JobState

URI = "gs://bucket/call.wav"
NAME = f"projects/{PROJECT}/locations/eu/operations/op-1"
TYPE = "type.googleapis.com/google.cloud.speech.v2."


def operation(percent: int = 0, **more: Any) -> dict[str, Any]:
    metadata = {"@type": TYPE + "OperationMetadata", **({"progressPercent": percent} if percent else {})}
    return {"name": NAME, "metadata": metadata, **more}


def finished(**file: Any) -> dict[str, Any]:
    results = recognize({"config": {"features": {"diarizationConfig": {}, "enableWordTimeOffsets": True}}}, {})[
        "results"
    ]
    made = file or {"inlineResult": {"transcript": {"results": results}}, "metadata": {"totalBilledDuration": "90s"}}
    response = {"@type": TYPE + "BatchRecognizeResponse", "results": {URI: made}, "totalBilledDuration": "90s"}
    return operation(100, done=True, response=response)


def handlers(*states: Any) -> dict[str, Any]:
    left = list(states)
    return {
        **ANSWERS,
        "speech.v2:BatchRecognize": lambda *_: operation(),
        "speech.v2:GetOperation": lambda *_: left.pop(0) if len(left) > 1 else left[0],
        "speech.v2:CancelOperation": lambda *_: {},
    }


def test_a_job_runs_to_its_end_and_is_found_again_by_another_process(tmp_path: Path) -> None:
    with google(handlers(operation(), operation(40), finished())) as server:
        made = config(settings(server, tmp_path, location="eu"))
        with Client(made) as client:
            saved = client.speech.transcribe_job(URI, language="en", diarization=True).ref.model_dump_json()
        with Client(made) as client:
            job = client.speech.job(JobRef.model_validate_json(saved))
            seen: list[tuple[JobState, float | None]] = []
            job.wait(interval=0.01, progress=lambda status: seen.append((status.state, status.progress)))
            result = job.result(interval=0.01)
        assert server.received[0].body == {
            "config": {
                "autoDecodingConfig": {},
                "model": "long",
                "languageCodes": ["en-US"],
                "features": {
                    "enableWordConfidence": True,
                    "enableAutomaticPunctuation": True,
                    "enableWordTimeOffsets": True,
                    "diarizationConfig": {},
                },
            },
            "files": [{"uri": URI}],
            "recognitionOutputConfig": {"inlineResponseConfig": {}},
        }
    assert seen == [(JobState.QUEUED, 0.0), (JobState.RUNNING, 0.4), (JobState.SUCCEEDED, 1.0)]
    assert [(each.speaker, each.text) for each in result.segments] == [("speaker 1", "hello"), ("speaker 2", "there")]
    assert (result.usage[0].quantity, result.usage[0].features) == (90, ("diarization",))
    assert result.cost is not None
    assert result.cost.amount == Decimal("0.024")


def test_dynamic_batching_is_cheaper(tmp_path: Path) -> None:
    with google(handlers(finished())) as server, Client(config(settings(server, tmp_path))) as client:
        job = client.speech.transcribe_job(URI, language="en", options={"gcp": {"dynamic_batching": True}})
        result = job.result(interval=0.01)
        assert server.received[0].body["processingStrategy"] == "DYNAMIC_BATCHING"
    assert result.cost is not None
    assert result.cost.amount == Decimal("0.0045")


def test_a_job_can_be_cancelled(tmp_path: Path) -> None:
    gone = operation(10, done=True, error={"code": 1, "message": "cancelled"})
    with google(handlers(gone)) as server, Client(config(settings(server, tmp_path))) as client:
        job = client.speech.transcribe_job(URI, language="en")
        job.cancel()
        assert job.status().state is JobState.CANCELLED
        with pytest.raises(CloudAIError) as caught:
            job.result(interval=0.01)
        assert caught.value.code is ErrorCode.CANCELLED
        assert [got.method for got in server.received[:2]] == ["speech.v2:BatchRecognize", "speech.v2:CancelOperation"]


def test_a_job_that_failed_says_why(tmp_path: Path) -> None:
    failed = operation(done=True, error={"code": 5, "message": "no such object"})
    with google(handlers(failed)) as server, Client(config(settings(server, tmp_path))) as client:
        job = client.speech.transcribe_job(URI, language="en")
        with pytest.raises(CloudAIError, match="no such object"):
            job.result(interval=0.01)


def test_a_file_that_could_not_be_read_is_its_own_error(tmp_path: Path) -> None:
    wrong = finished(error={"code": 7, "message": "no access"})
    with google(handlers(wrong)) as server, Client(config(settings(server, tmp_path))) as client:
        with pytest.raises(CloudAIError, match="no access") as caught:
            client.speech.transcribe_job(URI, language="en").result(interval=0.01)
        assert caught.value.code is ErrorCode.PERMISSION_DENIED


@pytest.mark.parametrize("fault", ["reset", "reset after headers", "hang"])
def test_a_lost_answer_is_never_a_second_job(fault: str, tmp_path: Path) -> None:
    with google(handlers(finished())) as server:
        server.faults.append(Broken(kind=fault))
        made = config(settings(server, tmp_path), deadline=3.0 if fault == "hang" else 30.0, max_attempts=3)
        with Client(made) as client, pytest.raises(CloudAIError, match="may have been created") as caught:
            client.speech.transcribe_job(URI, language="en")
        assert (caught.value.code, server.arrived) == (ErrorCode.OUTCOME_UNKNOWN, 1)


def test_audio_that_is_not_in_cloud_storage_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        with pytest.raises(CloudAIError, match="gs://"):
            client.speech.transcribe_job(tone(), language="en")
        assert server.arrived == 0


def test_a_key_has_no_jobs() -> None:
    with with_key() as (client, server):
        with pytest.raises(CloudAIError, match="credentials") as caught:
            client.speech.transcribe_job(URI, language="en")
        assert (caught.value.code, server.arrived) == (ErrorCode.UNSUPPORTED, 0)


def test_a_handle_of_another_provider_is_refused(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, _):
        job = client.speech.job(JobRef(operation="speech.transcribe", backend="g", id="../../v1/other"))
        with pytest.raises(CloudAIError, match="no job of Google"):
            job.status()
