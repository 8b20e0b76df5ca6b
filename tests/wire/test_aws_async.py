"""The async driver: as many calls at once as the backend has connections; what is given up leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from aws_answers import ANALYSIS, LABELS, Jobs, aws, pages_of_text, transcribing
from aws_client import config
from aws_jobs import DocumentJobs
from aws_pages import pdf
from aws_server import Failure, StrictServer

from cloudai import AsyncClient
from cloudai.errors import CloudAIError, ErrorCode
from cloudai.testing.samples import picture, tone

MANY = 64


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with aws() as strict:
        yield strict


class Gate:
    """Answers labels when as many requests as expected are there, or after a while; counts the most at once."""

    def __init__(self, server: StrictServer, expected: int) -> None:
        self.expected, self.now, self.most = expected, 0, 0
        self.here = threading.Condition()
        server.answers["DetectLabels"] = self.answer

    def answer(self, _: Any) -> Any:
        with self.here:
            self.now += 1
            self.most = max(self.most, self.now)
            self.here.notify_all()
            self.here.wait_for(lambda: self.most >= self.expected, timeout=120.0)
            self.now -= 1
        return LABELS


def ask_many(server: StrictServer, count: int, **settings: Any) -> None:
    async def ask() -> None:
        async with AsyncClient(config(server, timeout=240.0, **settings)) as client:
            await asyncio.gather(*[client.vision.detect_labels(picture()) for _ in range(count)])

    asyncio.run(ask())


def test_sixty_four_calls_are_in_flight_at_once(server: StrictServer) -> None:
    gate = Gate(server, MANY)
    ask_many(server, MANY)
    assert gate.most == MANY
    assert server.requests == MANY


def test_no_more_calls_than_connections_are_in_flight(server: StrictServer) -> None:
    gate = Gate(server, 8)
    ask_many(server, 24, connections=8)
    assert gate.most == 8


def test_nothing_waits_behind_jobs(server: StrictServer) -> None:
    """Two documents take all connections for as long as Textract reads them; a picture is looked at meanwhile."""
    jobs = DocumentJobs(server, pages_of_text(3), ANALYSIS["Blocks"]).answer()
    jobs.states = ["IN_PROGRESS"]

    async def ask() -> None:
        async with AsyncClient(config(server, timeout=60.0, connections=2)) as client:
            documents = [asyncio.create_task(client.vision.read_document(pdf(3))) for _ in range(2)]
            await _until(lambda: len(jobs.looks) == 2)
            assert (await client.vision.detect_labels(picture())).labels
            jobs.states = ["SUCCEEDED"]
            assert [len(each.pages) for each in await asyncio.gather(*documents)] == [3, 3]

    asyncio.run(ask())


def test_calls_have_the_callers_context(server: StrictServer) -> None:
    """For tracing: what the task has set is seen by what the call does."""
    seen = list[str]()
    trace = contextvars.ContextVar("trace", default="none")

    async def ask() -> None:
        async with AsyncClient(config(server)) as client:
            boto = client.driver("aws").client("rekognition")
            boto.meta.events.register("before-sign", lambda **_: seen.append(trace.get()))
            trace.set("ours")
            await client.vision.detect_labels(picture())

    asyncio.run(ask())
    assert seen == ["ours"]


@pytest.mark.parametrize("way", ["the task", "a timeout of its own", "the client"])
def test_a_document_that_is_given_up_leaves_nothing(server: StrictServer, way: str) -> None:
    jobs = DocumentJobs(server, pages_of_text(3), ANALYSIS["Blocks"]).answer()
    jobs.states = ["IN_PROGRESS"]

    async def ask() -> None:
        client = AsyncClient(config(server, timeout=60.0))
        asked = asyncio.create_task(client.vision.read_document(pdf(3)))
        await _until(lambda: "GetDocumentTextDetection" in server.operations())
        assert len(server.objects) == 1
        if way == "the task":
            asked.cancel()
        elif way == "a timeout of its own":
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(asked, 0.01)
        await client.close()
        with pytest.raises((asyncio.CancelledError, CloudAIError)) as caught:
            await asked
        if way == "the client":
            assert isinstance(caught.value, CloudAIError)
            assert caught.value.code is ErrorCode.CANCELLED

    asyncio.run(ask())
    assert server.objects == {}


def test_a_transcription_that_is_given_up_leaves_neither_job_nor_audio(server: StrictServer) -> None:
    jobs = transcribing(server, Jobs(server))
    jobs.states = ["IN_PROGRESS"]

    async def ask() -> None:
        async with AsyncClient(config(server, timeout=60.0)) as client:
            asked = asyncio.create_task(client.speech.transcribe(tone(), language="en-US"))
            await _until(lambda: "GetTranscriptionJob" in server.operations())
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked

    asyncio.run(ask())
    assert (server.objects, jobs.jobs) == ({}, {})


def test_a_job_is_submitted_found_again_and_fetched(server: StrictServer) -> None:
    jobs = transcribing(server, Jobs(server))

    async def ask() -> str:
        async with AsyncClient(config(server)) as client:
            job = await client.speech.transcribe_job(tone(), language="en-US")
            saved = job.ref.model_dump_json()
        async with AsyncClient(config(server)) as client:
            result = await client.speech.job(saved).result(timeout=60.0, interval=0.01)
        return result.text

    assert asyncio.run(ask()) == "Hello world."
    assert server.objects == {}, "the staged audio was left behind"
    assert len(jobs.jobs) == 1, "the job stays, and can be asked again"


def test_a_job_is_cancelled_with_its_audio(server: StrictServer) -> None:
    jobs = transcribing(server, Jobs(server))

    async def ask() -> None:
        async with AsyncClient(config(server)) as client:
            job = await client.speech.transcribe_job(tone(), language="en-US")
            await job.cancel()

    asyncio.run(ask())
    assert (server.objects, jobs.jobs) == ({}, {})


def test_errors_have_their_code_and_attempts_are_counted_at_the_socket(server: StrictServer) -> None:
    server.answers["DetectLabels"] = lambda _: Failure(code="ThrottlingException")

    async def ask() -> CloudAIError:
        async with AsyncClient(config(server, attempts=3)) as client:
            with pytest.raises(CloudAIError) as caught:
                await client.vision.detect_labels(picture())
            return caught.value

    error = asyncio.run(ask())
    assert (error.code, error.attempts, server.requests) == (ErrorCode.RATE_LIMITED, 3, 3)


def test_the_async_driver_has_every_method_of_the_plain_one() -> None:
    from cloudai_aws.async_driver import AsyncAwsDriver
    from cloudai_aws.driver import AwsDriver

    public = {name for name in dir(AwsDriver) if not name.startswith("_")} - {"ask"}
    assert public <= {name for name in dir(AsyncAwsDriver) if not name.startswith("_")}


async def _until(there: Any) -> None:
    ends = time.monotonic() + 60
    while not there() and time.monotonic() < ends:
        await asyncio.sleep(0.01)
    assert there()
