"""What Azure reads from Blob storage alone: put there, read by it, and gone however the call ends."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
import wave
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from azure_answers import Batches, azure, settings
from azure_client import ask, config
from azure_server import AzureServer, Broken, Failure
from azure_storage import ACCOUNT_KEY, HANG, RESET, Storage, storing

from cloudai import AsyncClient, Client
from cloudai.driver import Call
from cloudai.errors import CloudAIError, ConfigError, ErrorCode, TooLarge, Unsupported
from cloudai.testing.samples import tone
from cloudai.types.media import Media, MediaKind
from cloudai.types.speech import JobState, TranscribeRequest
from cloudai_azure.driver import AzureDriver
from cloudai_azure.settings import AzureSettings

both = pytest.mark.parametrize("kind", ["sync", "async"])
FAST = {"azure": {"poll_interval": 0.01}}


def long_recording(seconds: int = 7_200) -> bytes:
    """Silence, a few samples a second."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(100)
        file.writeframes(b"\x80" * 100 * seconds)
    return buffer.getvalue()


LONG = long_recording()


class Stage:
    """Azure, an account, and a backend's settings for both."""

    def __init__(self, server: AzureServer, storage: Storage, batches: Batches, values: Mapping[str, Any]) -> None:
        self.server, self.storage, self.batches, self.values = server, storage, batches, dict(values)

    def transcribe(self, kind: str, audio: bytes = LONG, **arguments: Any) -> Any:
        made = config(self.values, **{"timeout": 20.0, "deadline": 20.0, **arguments.pop("policy", {})})
        return ask(kind, made, "speech", "transcribe", audio, options=FAST, **arguments)


@contextmanager
def staged(*, end: str = "Succeeded", **more: Any) -> Iterator[Stage]:
    """At the block's end nothing may be left: no blob, no job."""
    batches = Batches(end=end, reads=True)
    with storing() as storage, azure(batches=batches) as server:
        batches.url = server.url
        values = settings(server, staging=storage.url, staging_account_key=ACCOUNT_KEY, **more)
        yield Stage(server, storage, batches, values)
        assert storage.blobs == {}
        assert len(storage.seen) <= 1


@both
def test_a_recording_beyond_fast_transcription_goes_as_a_batch_and_leaves_nothing(kind: str) -> None:
    with staged() as stage:
        result = stage.transcribe(kind, language="en", diarization=True, phrases=["Contoso"])
        assert stage.batches.heard == [LONG]  # Azure has read it from the address that it was given
        assert stage.server.operations == ["submit", "status", "status", "status", "files", "transcript"]
        assert stage.storage.methods == ["PUT", "GET", "DELETE"]
        assert next(iter(stage.storage.types.values())) == "audio/wav"
    assert result.text == "Hello world."
    assert result.usage[0].variant == "batch"
    assert ["phrases" in notice.message for notice in result.warnings] == [True]


def test_a_short_recording_is_not_staged() -> None:
    with staged() as stage:
        assert stage.transcribe("sync", tone(), language="en").usage[0].variant == "fast"
        assert stage.storage.requests == []


def test_without_staging_a_long_recording_is_refused_with_what_to_do() -> None:
    with azure() as server:
        with pytest.raises(TooLarge, match="max_seconds"):
            ask("sync", config(settings(server)), "speech", "transcribe", LONG, language="en")
        assert server.requests == []


@both
def test_a_stored_recording_of_unknown_length_becomes_a_batch_when_azure_finds_it_too_long(kind: str) -> None:
    address = "https://acme.blob.core.windows.net/calls/call.wav?sig=x"
    too_long = Failure(status=400, body={"code": "InvalidRequest", "innerError": {"code": "AudioTooLong"}})
    batches = Batches()
    with azure(batches=batches) as server:
        batches.url = server.url
        server.troubles.append(too_long)
        result = ask(kind, config(settings(server)), "speech", "transcribe", address, language="en", options=FAST)
        assert server.operations == ["?", "submit", "status", "status", "status", "files", "transcript", "delete"]
        assert server.requests[1].json["contentUrls"] == [address]
    assert result.usage[0].variant == "batch"


# --- however it ends ---------------------------------------------------------------------------------


@both
def test_a_job_that_fails_leaves_nothing(kind: str) -> None:
    with staged(end="Failed") as stage:
        with pytest.raises(CloudAIError, match="can't be read"):
            stage.transcribe(kind, language="en")
        assert stage.batches.jobs == {}
        assert stage.storage.methods[-1] == "DELETE"


@both
@pytest.mark.parametrize("audio_seconds", [7_200])
def test_a_job_that_does_not_end_in_time_leaves_nothing(kind: str, audio_seconds: int) -> None:
    with staged(end="Running") as stage:
        with pytest.raises(CloudAIError) as caught:
            stage.transcribe(kind, language="en", policy={"timeout": 2.0, "deadline": 2.0})
        assert stage.batches.jobs == {}
        assert stage.storage.methods[-1] == "DELETE"
    assert caught.value.code is ErrorCode.DEADLINE_EXCEEDED


def test_a_call_that_is_cancelled_leaves_nothing() -> None:
    async def cancelled(values: Mapping[str, Any]) -> None:
        async with AsyncClient(config(values, timeout=20.0)) as client:
            call = asyncio.create_task(client.speech.transcribe(LONG, language="en", options=FAST))
            while "status" not in stage.server.operations:
                await asyncio.sleep(0.01)
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    with staged(end="Running") as stage:
        asyncio.run(cancelled(stage.values))
        assert stage.batches.jobs == {}
        assert stage.server.operations[-1] == "delete"


@both
@pytest.mark.parametrize(
    ("trouble", "code"),
    [
        (Failure(status=400, body={"code": "InvalidRequest", "message": "no"}), ErrorCode.INVALID_INPUT),
        (Failure(status=503, body=b""), ErrorCode.OUTCOME_UNKNOWN),
        (Broken(kind="reset"), ErrorCode.OUTCOME_UNKNOWN),
        (Broken(kind="truncated"), ErrorCode.OUTCOME_UNKNOWN),
    ],
    ids=["400", "503", "reset", "truncated"],
)
def test_a_submission_that_fails_leaves_nothing(kind: str, trouble: Any, code: ErrorCode) -> None:
    with staged() as stage:
        stage.server.troubles.append(trouble)
        with pytest.raises(CloudAIError) as caught:
            stage.transcribe(kind, language="en")
        assert stage.server.operations == ["?"] + (["list"] if code is not ErrorCode.INVALID_INPUT else [])
    assert caught.value.code is code


def test_a_job_whose_answer_was_lost_is_found_by_its_name_and_taken_back() -> None:
    with staged() as stage:
        submit = stage.server.handlers["submit"]

        def lost(received: Any) -> Any:
            submit(received)
            return {"wrong": True}

        stage.server.handlers["submit"] = lost
        with pytest.raises(CloudAIError):
            stage.transcribe("sync", language="en")
        assert stage.server.operations == ["submit", "list", "delete"]
        assert stage.batches.jobs == {}
        stage.server.violations.clear()  # of the answer that was made wrong


@both
@pytest.mark.parametrize("status", [403, 503])
def test_an_upload_that_fails_says_where_and_submits_nothing(kind: str, status: int) -> None:
    with staged() as stage:
        stage.storage.troubles["PUT"] = [status] * 3  # nothing is submitted before it: it may be tried again
        with pytest.raises(CloudAIError) as caught:
            stage.transcribe(kind, language="en")
        assert stage.server.requests == []
    assert caught.value.code is (ErrorCode.PERMISSION_DENIED if status == 403 else ErrorCode.UNAVAILABLE)
    assert ACCOUNT_KEY not in str(caught.value)
    if status == 403:
        assert "127.0.0.1" in caught.value.message
        assert "staging_account_key" in caught.value.message


@both
@pytest.mark.parametrize("trouble", [RESET, HANG], ids=["reset", "hang"])
def test_an_upload_that_breaks_off_is_over_in_time_and_leaves_nothing(kind: str, trouble: int) -> None:
    with staged() as stage:
        stage.storage.troubles["PUT"] = [trouble]
        with pytest.raises(CloudAIError):
            stage.transcribe(kind, language="en", policy={"timeout": 2.0, "deadline": 2.0} if trouble == HANG else {})
        assert stage.server.requests == []
        assert stage.storage.methods == ["PUT", "DELETE"]


def test_a_blob_that_can_not_be_deleted_is_no_failure_but_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    batches = Batches(reads=True)
    with storing() as storage, azure(batches=batches) as server, caplog.at_level(logging.WARNING):
        batches.url = server.url
        storage.troubles["DELETE"] = [403]
        values = settings(server, staging=storage.url, staging_account_key=ACCOUNT_KEY)
        result = ask("sync", config(values), "speech", "transcribe", LONG, language="en", options=FAST)
        assert len(storage.blobs) == 1
    assert result.text == "Hello world."
    assert "was not deleted: permission_denied" in caplog.text
    assert "sig=" not in caplog.text


# --- jobs that are asked for -------------------------------------------------------------------------


def test_a_job_of_a_local_recording_is_found_again_and_its_blob_goes_with_the_result() -> None:
    with staged() as stage:
        with Client(config(stage.values)) as client:
            saved = client.speech.transcribe_job(tone(), language="en").ref.model_dump_json()
        assert len(stage.storage.blobs) == 1
        assert ACCOUNT_KEY not in saved
        assert "sig=" not in saved
        with Client(config(stage.values)) as client:
            assert client.speech.job(saved).result(interval=0.01).text == "Hello world."
        assert stage.batches.heard == [tone()]


def test_jobs_of_an_event_loop_are_staged_and_tidied_up_the_same_way() -> None:
    async def both_ways() -> str:
        async with AsyncClient(config(stage.values)) as client:
            await (await client.speech.transcribe_job(tone(), language="en")).cancel()
            assert stage.storage.blobs == {}
            stage.storage.seen.clear()
            job = await client.speech.transcribe_job(tone(), language="en")
            found = await client.speech.job(job.ref.model_dump_json()).result(interval=0.01)
            return str(found.text)

    with staged() as stage:
        assert asyncio.run(both_ways()) == "Hello world."
        assert stage.batches.heard == [tone(), tone()]


def test_cancelling_a_job_deletes_its_blob() -> None:
    with staged() as stage, Client(config(stage.values)) as client:
        client.speech.transcribe_job(tone(), language="en").cancel()
        assert stage.server.operations == ["submit", "delete"]


def test_a_failed_jobs_blob_goes_when_that_is_seen() -> None:
    with staged(end="Failed") as stage, Client(config(stage.values)) as client:
        job = client.speech.transcribe_job(tone(), language="en")
        assert job.wait(interval=0.01).state is JobState.FAILED


def test_a_long_recording_can_be_asked_for_as_a_job() -> None:
    with staged() as stage, Client(config(stage.values)) as client:
        assert client.speech.transcribe_job(LONG, language="en").result(interval=0.01).text == "Hello world."


def test_a_job_of_a_local_recording_without_staging_is_refused() -> None:
    with azure() as server, Client(config(settings(server))) as client:
        with pytest.raises(Unsupported, match="set staging"):
            client.speech.transcribe_job(tone())
        assert server.requests == []


def test_speakers_are_told_apart_in_four_hours_at_most() -> None:
    with staged() as stage:
        with pytest.raises(TooLarge, match="14,400"):
            stage.transcribe("sync", long_recording(14_401), language="en", diarization=True)
        assert stage.storage.requests == []
        stage.transcribe("sync", long_recording(14_400), language="en", diarization=True)


def test_backends_that_share_a_container_do_not_share_blobs() -> None:
    """A hedged call is at two of them at once, with one key; the first to end deletes what it has staged."""
    with staged() as stage:
        made = AzureSettings.model_validate(stage.values)
        for backend in ("one", "two"):
            driver = AzureDriver(made, backend=backend)
            request = TranscribeRequest(audio=Media(kind=MediaKind.AUDIO, data=tone(), content_type="audio/wav"))
            for _ in range(2):
                job = driver.submit_transcription(request, Call(timeout=5.0, idempotency_key="one-call"))
            driver.close()
        assert len(stage.storage.blobs) == 2
        stage.storage.blobs.clear()
        stage.storage.seen.clear()
    assert dict(job.details)["staged"].startswith("cloudai-one-call-")


# --- settings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"staging": "https://acme.blob.core.windows.net"}, "address of a container"),
        ({"staging": "http://acme.blob.core.windows.net/c"}, "staging = http://acme.*plain http"),
        ({"staging": "https://acme.blob.core.windows.net/c?sv=2021&sig=not-for-a-log"}, "staging_sas_token"),
        ({"staging_account_key": ACCOUNT_KEY}, "need staging"),
        (
            {"staging": "https://a.blob.core.windows.net/c", "staging_account_key": ACCOUNT_KEY,
             "staging_sas_token": "sv=1&sig=not-for-a-log"},
            "keep one",
        ),
        ({"staging": "https://a.blob.core.windows.net/c", "staging_account_key": "not-for-a-log!"}, "base64"),
    ],
)  # fmt: skip
def test_a_staging_that_can_not_be_is_refused_when_the_client_opens(values: dict[str, str], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason) as caught:
        Client(config({"region": "eastus", "api_key": "k", **values}))
    assert "not-for-a-log" not in str(caught.value)
    assert ACCOUNT_KEY not in str(caught.value)
