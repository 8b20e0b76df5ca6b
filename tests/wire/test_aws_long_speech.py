"""Speech that one request of Polly does not take: a task writes it into the bucket, it is fetched, and deleted."""

from __future__ import annotations

import io
import sys
import wave
import zlib
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from aws_answers import MARKS, aws
from aws_client import opened, ready
from aws_jobs import SpeechTasks
from aws_server import Broken, Failure, StrictServer

from cloudai.driver import Call
from cloudai.errors import CloudAIError, ErrorCode, TooLarge
from cloudai.types.speech import AudioFormat, SynthesizeRequest, SynthesizeResult

LONG = "Word. " * 600
"""3,600 characters."""


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with aws() as strict:
        yield strict


@pytest.fixture
def tasks(server: StrictServer) -> SpeechTasks:
    return SpeechTasks(server).answer()


def spoken(server: StrictServer, timeout: float = 20.0, settings: Any = None, **asked: Any) -> SynthesizeResult:
    """Asks the driver."""
    request = SynthesizeRequest(**{"text": LONG, "language": "en-US", **asked})
    with opened(server, **(settings or {})) as client:
        ready(client, "polly", "s3")
        result: SynthesizeResult = client.driver("aws").synthesize(request, Call(timeout=timeout, idempotency_key="k"))
    return result


def test_a_long_text_is_a_task_whose_object_is_fetched_and_deleted(server: StrictServer, tasks: SpeechTasks) -> None:
    result = spoken(server)
    get = "GetSpeechSynthesisTask"
    assert server.operations() == ["StartSpeechSynthesisTask", get, get, get, "GetObject", "DeleteObject"]
    assert server.params("StartSpeechSynthesisTask") == {
        "VoiceId": result.voice,
        "Engine": "neural",
        "OutputFormat": "pcm",
        "SampleRate": "16000",
        "Text": LONG,
        "TextType": "text",
        "LanguageCode": "en-US",
        "OutputS3BucketName": "staging",
        "OutputS3KeyPrefix": f"cloudai/cloudai-k-{zlib.crc32(b'aws'):08x}",
    }
    with wave.open(io.BytesIO(result.audio)) as sound:
        assert (sound.getframerate(), sound.getnframes()) == (16000, 16000)
    assert result.duration == 1.0
    assert [(used.unit, used.quantity, used.variant) for used in result.usage] == [
        ("character", Decimal(len(LONG)), "neural")
    ]
    assert server.objects == {}


def test_three_thousand_characters_are_one_request_and_one_more_is_a_task(server: StrictServer) -> None:
    with opened(server) as client:
        client.speech.synthesize("a" * 3_000)
        assert server.operations() == ["SynthesizeSpeech"]
        result = client.speech.synthesize("a" * 3_001)
    assert server.operations()[1] == "StartSpeechSynthesisTask"
    assert (result.duration, result.attempts) == (1.0, 1)
    assert result.cost is not None
    assert result.cost.amount == Decimal("0.048016")
    assert server.objects == {}


def test_without_a_bucket_a_long_text_is_several_requests_and_a_long_word_none(server: StrictServer) -> None:
    with opened(server, staging_bucket=None) as client:
        result = client.speech.synthesize(LONG)
        sent = [each.params["Text"] for each in server.received]
        assert len(sent) == 2
        assert all(len(text) <= 3_000 for text in sent)
        assert result.duration == 1.0, "two halves of a second"
        before = server.requests
        with pytest.raises(TooLarge, match="max_characters"):
            client.speech.synthesize("a" * 3_001)
        assert server.requests == before


def test_the_marks_are_a_second_task_and_billed_too(server: StrictServer, tasks: SpeechTasks) -> None:
    tasks.marks = MARKS
    result = spoken(server, speech_marks=True, format=AudioFormat.MP3)
    assert [mark.value for mark in result.marks] == ["Hello, world.", "Hello", "k", "world"]
    assert result.usage[0].quantity == 2 * len(LONG)
    assert {asked["OutputFormat"] for asked in tasks.tasks.values()} == {"mp3", "json"}
    assert server.objects == {}


@pytest.mark.parametrize(
    ("ssml", "by_task"),
    [
        ("<speak>" + "a" * 3000 + "</speak>", False),
        ("<speak>" + "a" * 3001 + "</speak>", True),
        ("<speak>" + "<p>a</p>" * 748 + "</speak>", False),
        ("<speak>" + "<p>a</p>" * 749 + "</speak>", True),
        ("<speak>" + "&amp;" * 1000 + "</speak>", False),
    ],
    ids=["3,000 billed", "3,001 billed", "5,999 in all", "6,007 in all", "an entity is one character"],
)
def test_tags_are_not_billed_but_have_a_limit_of_their_own(
    server: StrictServer, tasks: SpeechTasks, ssml: str, by_task: bool
) -> None:
    spoken(server, text=ssml, ssml=True)
    assert ("StartSpeechSynthesisTask" in server.operations()) is by_task


@pytest.mark.parametrize("size", [100_000, 100_001])
def test_a_task_takes_a_hundred_thousand_characters(server: StrictServer, tasks: SpeechTasks, size: int) -> None:
    if size == 100_000:
        spoken(server, text="a" * size)
        return
    with pytest.raises(TooLarge, match="100,000"):
        spoken(server, text="a" * size)
    assert server.requests == 0


@pytest.mark.parametrize("paragraphs", [24_998, 24_999])
def test_and_two_hundred_thousand_with_tags(server: StrictServer, tasks: SpeechTasks, paragraphs: int) -> None:
    ssml = "<speak>" + "<p>a</p>" * paragraphs + "</speak>"
    if len(ssml) <= 200_000:
        spoken(server, text=ssml, ssml=True)
        return
    with pytest.raises(TooLarge, match="200,000"):
        spoken(server, text=ssml, ssml=True)
    assert server.requests == 0


def test_prosody_counts_as_what_is_sent(server: StrictServer, tasks: SpeechTasks) -> None:
    """1,500 ampersands are 7,500 characters once they are SSML."""
    spoken(server, text="&" * 1500, rate=1.5)
    assert "StartSpeechSynthesisTask" in server.operations()


def test_without_a_bucket_it_is_too_large(server: StrictServer) -> None:
    with pytest.raises(TooLarge, match="staging_bucket"):
        spoken(server, settings={"staging_bucket": None})
    assert server.requests == 0


def test_a_failed_task_says_why(server: StrictServer, tasks: SpeechTasks) -> None:
    tasks.states = ["failed"]
    with pytest.raises(CloudAIError, match="the voice is hoarse") as caught:
        spoken(server)
    assert caught.value.code is ErrorCode.INVALID_INPUT
    assert server.objects == {}


def test_a_task_that_takes_too_long_says_what_will_be_left(server: StrictServer, tasks: SpeechTasks) -> None:
    tasks.states = ["inProgress"]
    with pytest.raises(CloudAIError, match=r"will write cloudai/cloudai-k-[0-9a-f]{8}\.task-0\.pcm") as caught:
        spoken(server, timeout=1.5)
    assert (caught.value.code, caught.value.retryable) == (ErrorCode.DEADLINE_EXCEEDED, False)
    assert len(tasks.tasks) == 1


@pytest.mark.parametrize("kind", ["lost", "hang", "truncated", "reset-after-headers"])
def test_a_start_whose_answer_was_lost_is_not_repeated(server: StrictServer, tasks: SpeechTasks, kind: str) -> None:
    server.next_faults.append(Broken(kind=kind, seconds=20.0))
    with pytest.raises(CloudAIError) as caught:
        spoken(server, timeout=1.0 if kind == "hang" else 20.0)
    assert (caught.value.code, caught.value.retryable) == (ErrorCode.OUTCOME_UNKNOWN, False)
    assert server.requests == 1


def test_a_start_that_is_refused_for_the_moment_may_be_repeated(server: StrictServer, tasks: SpeechTasks) -> None:
    from cloudai_aws.faults import fault_of

    server.next_faults.append(Failure(code="ServiceFailureException", status=500))
    with pytest.raises(Exception, match="ServiceFailure") as caught:
        spoken(server)
    fault = fault_of(caught.value)
    assert fault is not None
    assert fault.code is ErrorCode.UNAVAILABLE


@pytest.mark.parametrize("fault", [Failure(code="ThrottlingException"), Broken(kind="reset")], ids=str)
def test_a_look_that_fails_for_the_moment_is_followed_by_the_next(
    server: StrictServer, tasks: SpeechTasks, fault: Failure | Broken
) -> None:
    server.next_faults.extend([None, fault, None])
    assert spoken(server).duration == 1.0
    assert len(tasks.tasks) == 1


@pytest.mark.parametrize("fault", [Failure(code="SlowDown", status=503), Broken(kind="reset")], ids=str)
def test_an_object_that_does_not_come_for_the_moment_is_asked_for_again(
    server: StrictServer, tasks: SpeechTasks, fault: Failure | Broken
) -> None:
    server.next_faults.extend([*[None] * 4, fault])
    assert spoken(server).duration == 1.0
    assert server.operations().count("GetObject") == 1
    assert (len(tasks.tasks), server.objects) == (1, {})
