"""What Google and the network can do wrong: the right code, one request for each attempt, no secret in a message."""

from __future__ import annotations

import sys
import traceback
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from gcp_answers import ANSWERS, settings
from gcp_client import ask, config
from gcp_server import KEY, PROJECT, Broken, Failure, GoogleServer, google

from cloudai.errors import CloudAIError, ErrorCode
from cloudai.http import WireReply
from cloudai.testing.samples import SAMPLES, Sample, picture
from cloudai_gcp.errors import HTTP, LEGACY, NUMBERS, REASONS, STATUS, error_of
from cloudai_gcp.provider import GcpProvider

both = pytest.mark.parametrize("kind", ["sync", "async"])


def detail(kind: str, **members: Any) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/google.rpc.{kind}", **members}


def failed(kind: str, server: GoogleServer, tmp_path: Path, **policy: Any) -> CloudAIError:
    made = config(settings(server, tmp_path), **policy)
    with pytest.raises(CloudAIError) as caught:
        ask(kind, made, "vision", "detect_labels", picture())
    return caught.value


OWN_SAMPLES = {
    "speech.synthesize": Sample(
        service="speech", verb="synthesize", first="Hello.", arguments={"voice": "en-US-Neural2-A"}
    ),
    "translation.translate_document": Sample(
        service="translation", verb="translate_document", first=b"%PDF-1.4\n%%EOF", arguments={"target": "es"}
    ),
}
CASES = [
    (Failure(status=429, code="RESOURCE_EXHAUSTED"), ErrorCode.RATE_LIMITED, True),
    (Failure(status=500, code="INTERNAL"), ErrorCode.INTERNAL, False),
    (Failure(status=503, code="UNAVAILABLE"), ErrorCode.UNAVAILABLE, True),
    (Failure(status=504, code="DEADLINE_EXCEEDED"), ErrorCode.DEADLINE_EXCEEDED, True),
    (Failure(status=401, code="UNAUTHENTICATED"), ErrorCode.UNAUTHENTICATED, False),
    (Failure(status=403, code="PERMISSION_DENIED"), ErrorCode.PERMISSION_DENIED, False),
    (Failure(status=404, code="NOT_FOUND"), ErrorCode.NOT_FOUND, False),
    (Failure(status=400, code="INVALID_ARGUMENT"), ErrorCode.INVALID_INPUT, False),
    (Failure(status=400, code="FAILED_PRECONDITION"), ErrorCode.INVALID_INPUT, False),
    (Failure(status=409, code="ALREADY_EXISTS"), ErrorCode.CONFLICT, False),
    (Failure(status=501, code="UNIMPLEMENTED"), ErrorCode.UNSUPPORTED, False),
    (
        Failure(status=403, code="PERMISSION_DENIED", details=(detail("ErrorInfo", reason="SERVICE_DISABLED"),)),
        ErrorCode.PERMISSION_DENIED,
        False,
    ),
    (
        Failure(status=403, code="PERMISSION_DENIED", details=(detail("ErrorInfo", reason="BILLING_DISABLED"),)),
        ErrorCode.QUOTA_EXHAUSTED,
        False,
    ),
    (
        Failure(status=429, code="RESOURCE_EXHAUSTED", details=(
            detail("ErrorInfo", reason="RATE_LIMIT_EXCEEDED", metadata={"quota_limit": "RequestsPerMinutePerProject"}),
        )),
        ErrorCode.RATE_LIMITED,
        True,
    ),
    (
        Failure(status=429, code="RESOURCE_EXHAUSTED", details=(
            detail("ErrorInfo", reason="RATE_LIMIT_EXCEEDED", metadata={"quota_limit": "CharactersPerDayPerProject"}),
        )),
        ErrorCode.QUOTA_EXHAUSTED,
        False,
    ),
    (
        Failure(status=429, code="RESOURCE_EXHAUSTED", details=(
            detail("QuotaFailure", violations=[{"quotaId": "ProcessRequestsPerDayPerProject"}]),
        )),
        ErrorCode.QUOTA_EXHAUSTED,
        False,
    ),
    (
        Failure(status=403, code="PERMISSION_DENIED", errors=({"reason": "dailyLimitExceeded"},)),
        ErrorCode.QUOTA_EXHAUSTED,
        False,
    ),
]  # fmt: skip


@both
@pytest.mark.parametrize(("fault", "code", "retryable"), CASES, ids=[f"{c[0].code}-{n}" for n, c in enumerate(CASES)])
def test_an_error_has_our_code(kind: str, fault: Failure, code: ErrorCode, retryable: bool, tmp_path: Path) -> None:
    with google(ANSWERS) as server:
        server.faults.append(fault)
        error = failed(kind, server, tmp_path)
        assert (error.code, error.retryable, error.backend, server.arrived) == (code, retryable, "g", 1)


@both
@pytest.mark.parametrize(
    ("broken", "code"),
    [
        ("reset", ErrorCode.UNAVAILABLE),
        ("reset after headers", ErrorCode.UNAVAILABLE),
        ("hang", ErrorCode.DEADLINE_EXCEEDED),
        ("drip", ErrorCode.DEADLINE_EXCEEDED),
        ("truncated", ErrorCode.INTERNAL),
        ("html", ErrorCode.UNAVAILABLE),
        ("no json", ErrorCode.INTERNAL),
    ],
)
def test_what_is_no_answer_has_a_code(kind: str, broken: str, code: ErrorCode, tmp_path: Path) -> None:
    with google(ANSWERS) as server:
        server.faults.append(Broken(kind=broken))
        error = failed(kind, server, tmp_path, timeout=2.0 if code is ErrorCode.DEADLINE_EXCEEDED else 20.0)
        assert (error.code, server.arrived) == (code, 1)


@both
@pytest.mark.parametrize(
    "broken",
    [Broken(kind="reset"), Failure(status=503, code="UNAVAILABLE"), Failure(status=429, code="RESOURCE_EXHAUSTED")],
)
def test_requests_on_the_wire_are_the_attempts(kind: str, broken: Broken | Failure, tmp_path: Path) -> None:
    with google(ANSWERS) as server:
        server.faults.extend([broken] * 5)
        error = failed(kind, server, tmp_path, max_attempts=3)
        assert (server.arrived, error.attempts) == (3, 3)


@both
def test_a_passing_failure_is_cured_by_the_policys_retry(kind: str, tmp_path: Path) -> None:
    with google(ANSWERS) as server:
        server.faults.append(Failure(status=503, code="UNAVAILABLE"))
        made = config(settings(server, tmp_path), max_attempts=2)
        result = ask(kind, made, "vision", "detect_labels", picture())
        assert (result.attempts, server.arrived) == (2, 2)


@pytest.mark.parametrize(
    ("fault", "wait"),
    [
        (Failure(status=429, code="RESOURCE_EXHAUSTED", headers={"Retry-After": "7"}), 7.0),
        (
            Failure(status=503, code="UNAVAILABLE", headers={"Retry-After": "7"}, details=(
                detail("RetryInfo", retryDelay="1.500s"),
            )),
            1.5,
        ),
        (Failure(status=503, code="UNAVAILABLE", headers={"Retry-After": formatdate(0, usegmt=True)}), 0.0),
        (Failure(status=503, code="UNAVAILABLE"), None),
    ],
)  # fmt: skip
@both
def test_what_google_asks_to_wait_is_told(kind: str, fault: Failure, wait: float | None, tmp_path: Path) -> None:
    with google(ANSWERS) as server:
        server.faults.append(fault)
        assert failed(kind, server, tmp_path).retry_after == wait


@both
def test_what_google_asks_to_wait_is_waited(kind: str, tmp_path: Path) -> None:
    busy = Failure(
        status=429,
        code="RESOURCE_EXHAUSTED",
        headers={"Retry-After": "60"},
        details=(detail("RetryInfo", retryDelay="0.3s"),),
    )
    with google(ANSWERS) as server:
        server.faults.append(busy)
        made = config(settings(server, tmp_path), max_attempts=2)
        result = ask(kind, made, "vision", "detect_labels", picture())
        assert (result.attempts, server.arrived) == (2, 2)
        assert result.latency >= 0.3


OPERATIONS = sorted(set(GcpProvider().implements) & set(SAMPLES))


@both
@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Failure(status=429, code="RESOURCE_EXHAUSTED", headers={"Retry-After": "7"}), ErrorCode.RATE_LIMITED),
        (Broken(kind="truncated"), ErrorCode.INTERNAL),
        (Broken(kind="reset after headers"), ErrorCode.UNAVAILABLE),
    ],
    ids=["429", "truncated", "reset"],
)
def test_every_operation_says_what_went_wrong(
    kind: str, operation: str, fault: Failure | Broken, code: ErrorCode, tmp_path: Path
) -> None:
    sample = {**SAMPLES, **OWN_SAMPLES}[operation]
    first = sample.first() if callable(sample.first) else sample.first
    with google(ANSWERS) as server:
        server.faults.append(fault)
        made = config(settings(server, tmp_path))
        given = () if first is None else (first,)
        with pytest.raises(CloudAIError) as caught:
            ask(kind, made, sample.service, sample.verb, *given, **sample.arguments)
        error = caught.value
        assert (error.code, error.operation, server.arrived) == (code, operation, 1)
        assert server.url.removeprefix("http://") in error.message, "the host is named"


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        (
            Failure(status=403, code="PERMISSION_DENIED", details=(
                detail("ErrorInfo", reason="SERVICE_DISABLED", metadata={"service": "vision.googleapis.com"}),
            )),
            "gcloud services enable vision.googleapis.com",
        ),
        (
            Failure(status=403, code="PERMISSION_DENIED", details=(
                detail("ErrorInfo", reason="IAM_PERMISSION_DENIED", metadata={"permission": "cloudtranslate.x"}),
            )),
            "grant the identity cloudtranslate.x",
        ),
        (Failure(status=403, code="PERMISSION_DENIED"), "check the identity's roles"),
        (Failure(status=401, code="UNAUTHENTICATED"), "gcloud auth application-default login"),
        (Failure(status=429, code="RESOURCE_EXHAUSTED"), "under Quotas in the console"),
        (Broken(kind="no json"), "endpoint_url"),
    ],
)  # fmt: skip
def test_an_error_says_what_to_do_on_its_second_line(fault: Failure | Broken, remedy: str, tmp_path: Path) -> None:
    with google(ANSWERS) as server:
        server.faults.append(fault)
        lines = failed("sync", server, tmp_path).message.splitlines()
        assert len(lines) == 2
        assert lines[0].startswith(server.url.removeprefix("http://"))
        assert remedy in lines[1]


@both
def test_a_host_that_is_not_there_is_named(kind: str, tmp_path: Path) -> None:
    with google(ANSWERS) as server:
        values = settings(server, tmp_path)
    with pytest.raises(CloudAIError, match=r"127\.0\.0\.1:\d+: no connection") as caught:
        ask(kind, config(values), "vision", "detect_labels", picture())
    assert caught.value.code is ErrorCode.UNAVAILABLE


def test_the_request_id_of_an_error_is_told(tmp_path: Path) -> None:
    with google(ANSWERS) as server:
        server.faults.append(Failure(details=(detail("RequestInfo", requestId="req-9"),)))
        assert failed("sync", server, tmp_path).request_id == "req-9"


@both
def test_a_key_that_the_server_echoes_is_in_no_error(kind: str) -> None:
    wrong = "AIza-a-wrong-key"
    with google(ANSWERS) as server:
        made = config({"endpoint_url": server.url, "api_key": wrong})
        with pytest.raises(CloudAIError) as caught:
            ask(kind, made, "vision", "detect_labels", picture())
    error = caught.value
    assert error.code is ErrorCode.UNAUTHENTICATED
    assert "***" in error.message
    assert wrong not in "".join(traceback.format_exception(error)) + repr(error) + repr(error.__cause__)


@both
def test_a_token_that_the_server_echoes_is_in_no_error(kind: str, tmp_path: Path) -> None:
    with google(ANSWERS) as server:
        path = server.user_account(tmp_path)
        server.token_life = 3600
        made = config({"endpoint_url": server.url, "credentials_file": str(path), "project": PROJECT})
        server.faults.append(Failure(status=403, code="PERMISSION_DENIED", message="token ya29.issued-1 may not"))
        with pytest.raises(CloudAIError) as caught:
            ask(kind, made, "vision", "detect_labels", picture())
    text = "".join(traceback.format_exception(caught.value))
    assert "ya29" not in text
    assert "token *** may not" in text


def test_a_page_of_a_proxy_is_not_repeated_in_the_message() -> None:
    reply = WireReply(status=502, headers={"content-type": "text/html"}, body=f"<html>{KEY}</html>".encode())
    assert KEY not in str(error_of(reply))
    assert error_of(reply).fault.code is ErrorCode.UNAVAILABLE


def test_each_status_of_google_rpc_has_a_code() -> None:
    from google.rpc import code_pb2

    names = set(code_pb2.Code.keys())
    assert set(STATUS) == names - {"OK"}
    assert {name: code_pb2.Code.Value(name) for name in names} == {name: n for n, name in enumerate(NUMBERS)}


def test_the_tables_hold_codes_only() -> None:
    for table in (STATUS, HTTP, REASONS, LEGACY):
        assert all(isinstance(code, ErrorCode) for code in table.values())


@both
def test_a_malformed_answer_is_an_error_of_the_provider_with_its_place(kind: str, tmp_path: Path) -> None:
    with google(ANSWERS) as server:
        server.lenient = True
        server.answers["vision.v1:vision.images.annotate"] = lambda *_: {"responses": [{"labelAnnotations": "none"}]}
        error = failed(kind, server, tmp_path)
    assert error.code is ErrorCode.INTERNAL
    assert "labelAnnotations" in error.message
