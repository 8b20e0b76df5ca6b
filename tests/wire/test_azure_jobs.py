"""Batch transcription: a handle that survives the process, states, results and what goes wrong."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from azure_answers import Batches, azure, settings
from azure_client import config, opened
from azure_server import Broken, Failure

from cloudai import Client
from cloudai.errors import CloudAIError, ErrorCode, InvalidInput
from cloudai.types.speech import JobRef, JobState

CALL = "https://acme.blob.core.windows.net/calls/call.wav?sig=x"


def test_a_job_is_found_again_by_another_client_and_gives_its_transcript() -> None:
    batches = Batches()
    with azure(batches=batches) as server:
        batches.url = server.url
        with Client(config(settings(server))) as client:
            job = client.speech.transcribe_job(CALL, language="en", diarization=True, word_timestamps=True)
            saved = job.ref.model_dump_json()
        with Client(config(settings(server))) as client:
            again = client.speech.job(saved)
            seen = []
            again.wait(interval=0.01, progress=lambda status: seen.append(status.state))
            result = again.result(interval=0.01)
        submitted = server.requests[0].json
    assert seen[-1] is JobState.SUCCEEDED
    assert JobState.RUNNING in seen
    assert result.text == "Hello world."
    assert result.speakers == ("speaker 1",)
    assert result.usage[0].variant == "batch"
    assert result.usage[0].features == ("diarization", "word_timestamps")
    assert result.cost is not None
    assert submitted["contentUrls"] == [CALL]
    assert submitted["locale"] == "en-US"
    assert submitted["properties"]["diarization"] == {"enabled": True}


def test_a_signed_address_is_asked_without_our_key() -> None:
    """The server refuses a key there; see `AzureServer.answer`."""
    batches = Batches()
    with opened(batches=batches) as (client, server):
        job = client.speech.transcribe_job(CALL, language="en")
        job.result(interval=0.01)
        assert server.operations[-1] == "transcript"


def test_a_transcript_behind_plain_http_elsewhere_is_not_fetched() -> None:
    batches = Batches()
    with opened(batches=batches) as (client, _):
        batches.url = "http://storage.example"
        job = client.speech.transcribe_job(CALL, language="en")
        with pytest.raises(CloudAIError, match="not https"):
            job.result(interval=0.01)


def test_a_failed_job_says_why() -> None:
    with opened(batches=Batches(end="Failed")) as (client, _):
        job = client.speech.transcribe_job(CALL, languages=["en", "de"])
        with pytest.raises(CloudAIError, match="can't be read"):
            job.result(interval=0.01)


def test_cancelling_deletes_the_job() -> None:
    batches = Batches()
    with opened(batches=batches) as (client, server):
        job = client.speech.transcribe_job(CALL)
        job.cancel()
        assert server.operations == ["submit", "delete"]
    assert batches.jobs == {}


@pytest.mark.parametrize("trouble", [Failure(status=503, body=b""), Broken(kind="reset")])
def test_a_submission_of_unknown_outcome_is_never_sent_again(trouble: Any) -> None:
    with opened() as (client, server):
        server.troubles.extend([trouble] * 3)
        with pytest.raises(CloudAIError) as caught:
            client.speech.transcribe_job(CALL)
        assert [request.method for request in server.requests] == ["POST", "GET"]  # the second one looks for the job
    assert caught.value.code is ErrorCode.OUTCOME_UNKNOWN


def test_a_handle_that_is_none_goes_nowhere() -> None:
    ref = JobRef(operation="speech.transcribe", backend="z", id="../models/x")
    with opened() as (client, server):
        with pytest.raises(InvalidInput, match="no handle"):
            client.speech.job(ref).status()
        assert server.requests == []
