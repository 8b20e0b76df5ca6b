"""When AWS, or the way to it, fails: the right code, as many requests as attempts, no hang, nothing left behind."""

from __future__ import annotations

import asyncio
import datetime
import logging
import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from aws_answers import Jobs, aws, transcribing
from aws_client import config, ready
from aws_server import ACCESS_KEY, SECRET_KEY, Broken, Failure, StrictServer

from cloudai import AsyncClient, Client
from cloudai.errors import CloudAIError, ConfigError, ErrorCode
from cloudai.testing.samples import picture, tone


@pytest.fixture
def server() -> Iterator[StrictServer]:
    with aws() as strict:
        yield strict


def failing(server: StrictServer, fault: Failure | Broken, *, attempts: int = 1, timeout: float = 20.0) -> CloudAIError:
    """Labels a picture while every request meets `fault`."""
    server.next_faults.extend([fault] * 20)
    with Client(config(server, attempts=attempts, timeout=timeout)) as client:
        ready(client, "rekognition")
        with pytest.raises(CloudAIError) as caught:
            client.vision.detect_labels(picture())
    return caught.value


@pytest.mark.parametrize(
    ("code", "status", "expected"),
    [
        ("ThrottlingException", 400, ErrorCode.RATE_LIMITED),
        ("ProvisionedThroughputExceededException", 400, ErrorCode.RATE_LIMITED),
        ("AccessDeniedException", 400, ErrorCode.PERMISSION_DENIED),
        ("UnrecognizedClientException", 403, ErrorCode.UNAUTHENTICATED),
        ("ExpiredTokenException", 400, ErrorCode.UNAUTHENTICATED),
        ("InvalidSignatureException", 403, ErrorCode.UNAUTHENTICATED),
        ("InvalidImageFormatException", 400, ErrorCode.INVALID_INPUT),
        ("ImageTooLargeException", 400, ErrorCode.TOO_LARGE),
        ("InvalidS3ObjectException", 400, ErrorCode.NOT_FOUND),
        ("InternalServerError", 500, ErrorCode.UNAVAILABLE),
        ("ServiceUnavailableException", 503, ErrorCode.UNAVAILABLE),
        ("SomethingNewException", 429, ErrorCode.RATE_LIMITED),
        ("SomethingNewException", 418, ErrorCode.INVALID_INPUT),
        ("SomethingNewException", 507, ErrorCode.UNAVAILABLE),
        ("com.amazonaws.rekognition#ThrottlingException", 400, ErrorCode.RATE_LIMITED),
    ],
)
def test_an_error_has_our_code_by_theirs(server: StrictServer, code: str, status: int, expected: ErrorCode) -> None:
    error = failing(server, Failure(code=code, status=status))
    assert error.code is expected
    assert error.request_id
    assert server.requests == 1


ASKED = {
    "rekognition": ("DetectLabels", "DetectFaces", "DetectText", "DetectModerationLabels"),
    "textract": (
        "DetectDocumentText",
        "AnalyzeDocument",
        "StartDocumentTextDetection",
        "StartDocumentAnalysis",
        "GetDocumentTextDetection",
        "GetDocumentAnalysis",
    ),
    "transcribe": ("StartTranscriptionJob", "GetTranscriptionJob", "DeleteTranscriptionJob"),
    "translate": ("TranslateText", "TranslateDocument", "ListLanguages"),
    "comprehend": ("DetectDominantLanguage", "BatchDetectDominantLanguage"),
    "polly": ("SynthesizeSpeech", "DescribeVoices", "StartSpeechSynthesisTask", "GetSpeechSynthesisTask"),
    "sagemaker": (
        "CreateTrainingJob",
        "DescribeTrainingJob",
        "StopTrainingJob",
        "Search",
        "CreateModel",
        "DeleteModel",
        "CreateEndpointConfig",
        "CreateEndpoint",
        "UpdateEndpoint",
        "UpdateEndpointWeightsAndCapacities",
        "DeleteEndpoint",
        "CreateTransformJob",
        "DescribeTransformJob",
        "StopTransformJob",
        "ListTransformJobs",
    ),
    "sagemaker-runtime": ("InvokeEndpoint",),
    "application-autoscaling": ("RegisterScalableTarget", "PutScalingPolicy", "DeregisterScalableTarget"),
    "logs": ("DescribeLogStreams", "GetLogEvents"),
}


@pytest.mark.parametrize("service", ASKED)
def test_every_error_that_the_descriptions_name_has_a_code_of_ours(service: str) -> None:
    import aws_model

    from cloudai_aws.faults import _table

    for operation in ASKED[service]:
        for shape in aws_model.service(service).operation_model(operation).error_shapes:
            assert shape.error_code in _table("codes"), f"{operation}: {shape.error_code}"


@pytest.mark.parametrize("fault", [Failure(code="InternalServerError", status=500), Broken(kind="reset")])
@pytest.mark.parametrize("attempts", [1, 3])
def test_requests_on_the_wire_are_the_attempts_configured(
    server: StrictServer, fault: Failure | Broken, attempts: int
) -> None:
    error = failing(server, fault, attempts=attempts)
    assert (error.code, error.attempts, server.requests) == (ErrorCode.UNAVAILABLE, attempts, attempts)


def test_what_may_not_be_repeated_is_sent_once(server: StrictServer) -> None:
    failing(server, Failure(code="AccessDeniedException"), attempts=3)
    assert server.requests == 1


@pytest.mark.parametrize(("header", "value"), [("x-amz-retry-after", "1500"), ("Retry-After", "2")])
def test_how_long_to_wait_is_taken_from_their_header(server: StrictServer, header: str, value: str) -> None:
    """AWS's own is in milliseconds, that of HTTP in seconds."""
    error = failing(server, Failure(code="ThrottlingException", status=429, headers={header: value}))
    assert error.retry_after == {"1500": 1.5, "2": 2.0}[value]
    assert error.retryable


def test_after_a_throttling_the_answer_comes(server: StrictServer) -> None:
    server.next_faults.append(Failure(code="ThrottlingException", headers={"x-amz-retry-after": "10"}))
    with Client(config(server, attempts=2)) as client:
        assert client.vision.detect_labels(picture()).attempts == 2
    assert server.requests == 2


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("reset", ErrorCode.UNAVAILABLE),
        ("reset-after-headers", ErrorCode.UNAVAILABLE),
        ("truncated", ErrorCode.UNAVAILABLE),
        ("html", ErrorCode.UNAVAILABLE),
        ("html-200", ErrorCode.UNAVAILABLE),
        ("empty", ErrorCode.UNAVAILABLE),
        ("hang", ErrorCode.DEADLINE_EXCEEDED),
        ("drip", ErrorCode.DEADLINE_EXCEEDED),
    ],
)
def test_what_is_no_answer_ends_the_attempt_in_time(server: StrictServer, kind: str, expected: ErrorCode) -> None:
    """Who waits until the server gives up, after 20 seconds, sees a lost connection instead of a passed deadline."""
    error = failing(server, Broken(kind=kind, seconds=20.0), timeout=1.0)
    assert error.code is expected
    assert server.requests == 1


def test_nobody_there_is_unavailable() -> None:
    with aws() as gone:
        address = config(gone)
    with Client(address) as client, pytest.raises(CloudAIError) as caught:
        client.vision.detect_labels(picture())
    assert caught.value.code is ErrorCode.UNAVAILABLE


def test_a_wrong_secret_is_unauthenticated(monkeypatch: pytest.MonkeyPatch) -> None:
    with aws(strict=False) as server:
        with Client(config(server, secret_access_key="wrong")) as client, pytest.raises(CloudAIError):
            client.vision.detect_labels(picture())
        assert any("signature" in violation for violation in server.violations)


def test_no_credentials_at_all_are_said_without_a_request(
    server: StrictServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    chained = config(server, access_key_id=None, secret_access_key=None)
    with Client(chained) as client, pytest.raises(CloudAIError) as caught:
        client.vision.detect_labels(picture())
    assert caught.value.code is ErrorCode.UNAUTHENTICATED
    assert server.requests == 0


def test_a_secret_that_the_server_echoes_is_nowhere(server: StrictServer, caplog: pytest.LogCaptureFixture) -> None:
    echo = Failure(code="AccessDeniedException", message=f"you said {SECRET_KEY} and token-of-the-test")
    server.next_faults.append(echo)
    caplog.set_level(logging.DEBUG, logger="cloudai")
    with Client(config(server, session_token="token-of-the-test")) as client:
        with pytest.raises(CloudAIError) as caught:
            client.vision.detect_labels(picture())
        shown = "".join(traceback.format_exception(caught.value)) + repr(client.driver("aws")) + caplog.text
    assert SECRET_KEY not in shown
    assert "token-of-the-test" not in shown


def role(server: StrictServer, *, seconds: float) -> None:
    """STS gives out the role's own keys, which end after that time."""
    later = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    server.secrets["ASIAROLEOFTHETEST"] = "role/secret"
    server.answers["AssumeRole"] = lambda _: {
        "Credentials": {
            "AccessKeyId": "ASIAROLEOFTHETEST",
            "SecretAccessKey": "role/secret",
            "SessionToken": "role-token",
            "Expiration": later,
        }
    }


ROLE = "arn:aws:iam::123456789012:role/reader"


def test_the_role_is_assumed_once_and_signs_what_follows(server: StrictServer) -> None:
    role(server, seconds=3600)
    with Client(config(server, role_arn=ROLE, role_external_id="agreed")) as client:
        client.vision.detect_labels(picture())
        client.vision.moderate(picture())
    assert server.operations() == ["AssumeRole", "DetectLabels", "DetectModerationLabels"]
    assert server.params("AssumeRole") == {"RoleArn": ROLE, "RoleSessionName": "cloudai", "ExternalId": "agreed"}
    assert ACCESS_KEY in server.received[0].headers["Authorization"]
    assert "ASIAROLEOFTHETEST" in server.received[1].headers["Authorization"]
    assert server.received[1].headers["X-Amz-Security-Token"] == "role-token"


def test_a_role_is_renewed_before_it_ends(server: StrictServer) -> None:
    """botocore renews what has less than ten minutes left; by then it still signs."""
    role(server, seconds=300)
    with Client(config(server, role_arn=ROLE)) as client:
        client.vision.detect_labels(picture())
        client.vision.detect_labels(picture())
    assert server.operations() == ["AssumeRole", "DetectLabels", "AssumeRole", "DetectLabels"]


def test_many_threads_assume_the_role_once(server: StrictServer) -> None:
    role(server, seconds=3600)
    with Client(config(server, role_arn=ROLE)) as client, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: client.vision.detect_labels(picture()), range(16)))
    assert server.operations().count("AssumeRole") == 1
    assert server.operations().count("DetectLabels") == 16


def test_a_role_that_is_refused_has_the_code_of_the_refusal(server: StrictServer) -> None:
    server.answers["AssumeRole"] = lambda _: Failure(code="AccessDenied", status=403)
    with Client(config(server, role_arn=ROLE)) as client, pytest.raises(CloudAIError) as caught:
        client.vision.detect_labels(picture())
    assert caught.value.code is ErrorCode.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"endpoint_url": "http://10.0.0.1:8080"}, "https"),
        ({"endpoint_url": "http://example.com"}, "https"),
        ({"endpoint_url": "ftp://127.0.0.1"}, "https"),
        ({"secret_access_key": None}, "go together"),
        ({"profile": "mine"}, "not both"),
        ({"role_external_id": "agreed"}, "role_arn"),
        ({"api_key": "k"}, "access_key_id"),
    ],
)
def test_a_setting_that_can_not_be_is_refused_when_the_client_opens(
    server: StrictServer, values: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        Client(config(server, **values))


# --- transcription: nothing stays ----------------------------------------------------------------


def left(server: StrictServer, jobs: Jobs) -> tuple[int, int]:
    """Staged objects and jobs that are still there."""
    return len(server.objects), len(jobs.jobs)


def transcribing_fails(server: StrictServer, timeout: float = 20.0) -> CloudAIError:
    with Client(config(server, timeout=timeout)) as client:
        ready(client, "s3", "transcribe")
        with pytest.raises(CloudAIError) as caught:
            client.speech.transcribe(tone(), language="en-US")
    return caught.value


def test_a_failed_job_says_why_and_leaves_nothing(server: StrictServer) -> None:
    jobs = transcribing(server, Jobs(server))
    jobs.states = ["IN_PROGRESS", "FAILED"]
    error = transcribing_fails(server)
    assert error.code is ErrorCode.INVALID_INPUT
    assert "The media format is wrong" in error.message
    assert left(server, jobs) == (0, 0)


def test_a_job_that_takes_too_long_is_deleted_and_not_begun_again(server: StrictServer) -> None:
    jobs = transcribing(server, Jobs(server))
    jobs.states = ["IN_PROGRESS"]
    with Client(config(server, attempts=3, timeout=2.0)) as client:
        ready(client, "s3", "transcribe")
        with pytest.raises(CloudAIError) as caught:
            client.speech.transcribe(tone(), language="en-US")
    assert caught.value.code is ErrorCode.DEADLINE_EXCEEDED
    assert "transcribe_job" in caught.value.message
    assert left(server, jobs) == (0, 0)
    assert server.operations().count("StartTranscriptionJob") == 1


def test_a_look_that_is_throttled_is_followed_by_the_next(server: StrictServer) -> None:
    jobs = transcribing(server, Jobs(server))
    looked, refused = jobs.get, iter([True, True])
    server.answers["GetTranscriptionJob"] = lambda params: (
        Failure(code="LimitExceededException") if next(refused, False) else looked(params)
    )
    with Client(config(server)) as client:
        assert client.speech.transcribe(tone(), language="en-US").attempts == 1
    assert server.operations().count("StartTranscriptionJob") == 1
    assert left(server, jobs) == (0, 0)


@pytest.mark.parametrize(
    "fault",
    [
        Failure(code="InternalError", status=500),
        Failure(code="SlowDown", status=503),
        Broken(kind="reset"),
        Broken(kind="reset-after-headers"),
        Broken(kind="html"),
    ],
    ids=str,
)
def test_a_transcript_that_does_not_come_for_the_moment_is_asked_for_again(
    server: StrictServer, fault: Failure | Broken
) -> None:
    """Not transcribed again: that would be billed twice. Before it: the upload, the start, three looks and one more."""
    jobs = transcribing(server, Jobs(server))
    server.next_faults.extend([*[None] * 6, fault])
    with Client(config(server)) as client:
        result = client.speech.transcribe(tone(), language="en-US")
    assert (result.text, result.attempts) == ("Hello world.", 1)
    assert server.operations().count("StartTranscriptionJob") == 1
    assert left(server, jobs) == (0, 0)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (Failure(code="AccessDenied", status=403), ErrorCode.PERMISSION_DENIED),
        (Broken(kind="truncated"), ErrorCode.INTERNAL),
        (Broken(kind="html-200"), ErrorCode.INTERNAL),
        (Broken(kind="hang", seconds=20.0), ErrorCode.DEADLINE_EXCEEDED),
        (Broken(kind="drip", seconds=20.0), ErrorCode.DEADLINE_EXCEEDED),
    ],
    ids=str,
)
def test_a_transcript_that_does_not_come_at_all_leaves_nothing(
    server: StrictServer, fault: Failure | Broken, expected: ErrorCode
) -> None:
    jobs = transcribing(server, Jobs(server))
    server.next_faults.extend([*[None] * 6, fault])
    assert transcribing_fails(server, timeout=3.0).code is expected
    assert left(server, jobs) == (0, 0)


def test_a_start_that_is_refused_leaves_no_staged_audio(server: StrictServer) -> None:
    jobs = transcribing(server, Jobs(server))
    server.answers["StartTranscriptionJob"] = lambda _: Failure(code="LimitExceededException")
    assert transcribing_fails(server).code is ErrorCode.RATE_LIMITED
    assert left(server, jobs) == (0, 0)


def test_a_transcript_that_is_none_leaves_nothing(server: StrictServer) -> None:
    jobs = transcribing(server, Jobs(server, transcript={"results": []}))
    jobs.publish = lambda name: f"{server.url}/nothing/here"  # type: ignore[method-assign]
    server.public["/nothing/here"] = b"<html>"
    assert transcribing_fails(server).code is ErrorCode.INTERNAL
    assert left(server, jobs) == (0, 0)


def test_a_second_attempt_finds_the_job_of_the_first(server: StrictServer) -> None:
    """The answer to the first start is lost: the name is taken, and it is ours."""
    jobs = transcribing(server, Jobs(server))
    started = jobs.start
    lost = iter([True, False])

    def start(params: dict[str, Any]) -> Any:
        answer = started(params)
        if next(lost):
            return Failure(code="ConflictException", message="its answer was lost, and it was sent again")
        return answer

    server.answers["StartTranscriptionJob"] = start
    with Client(config(server)) as client:
        assert client.speech.transcribe(tone(), language="en-US").text == "Hello world."
    assert left(server, jobs) == (0, 0)


@pytest.mark.parametrize("which", ["the upload", "the start"])
def test_what_was_made_though_its_answer_was_lost_is_taken_back(server: StrictServer, which: str) -> None:
    jobs = transcribing(server, Jobs(server))
    server.next_faults.extend([Broken(kind="lost")] if which == "the upload" else [None, Broken(kind="lost")])
    assert transcribing_fails(server).code is ErrorCode.UNAVAILABLE
    second = "StartTranscriptionJob" if which == "the start" else "DeleteTranscriptionJob"
    assert server.operations()[:2] == ["PutObject", second]
    assert left(server, jobs) == (0, 0)


def test_what_can_not_be_asked_is_refused_before_the_upload(server: StrictServer) -> None:
    with Client(config(server)) as client, pytest.raises(CloudAIError) as caught:
        client.speech.transcribe(tone(), language="tlh")
    assert caught.value.code is ErrorCode.UNSUPPORTED
    assert server.requests == 0


def test_without_a_bucket_audio_has_to_be_in_s3(server: StrictServer) -> None:
    transcribing(server, Jobs(server))
    with Client(config(server, staging_bucket=None)) as client, pytest.raises(CloudAIError) as caught:
        client.speech.transcribe(tone(), language="en-US")
    assert caught.value.code is ErrorCode.UNSUPPORTED
    assert "staging_bucket" in caught.value.message
    assert "StartTranscriptionJob" not in server.operations()


def test_the_async_client_has_the_same_codes(server: StrictServer) -> None:
    server.next_faults.append(Failure(code="ThrottlingException"))

    async def ask() -> None:
        async with AsyncClient(config(server)) as client:
            await client.vision.detect_labels(picture())

    with pytest.raises(CloudAIError) as caught:
        asyncio.run(ask())
    assert caught.value.code is ErrorCode.RATE_LIMITED
    assert server.requests == 1
