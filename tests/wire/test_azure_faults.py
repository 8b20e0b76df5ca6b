"""What Azure and the network can do wrong: the right code, one request for each attempt, no secret in a message."""

from __future__ import annotations

import json
import sys
import tomllib
import traceback
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from azure_answers import azure, settings
from azure_client import ask, config, opened
from azure_server import KEY, AzureServer, Broken, Failure

import cloudai_azure
from cloudai.errors import CloudAIError, ErrorCode
from cloudai.http import WireReply
from cloudai.testing.samples import picture, tone
from cloudai_azure.errors import error_of

both = pytest.mark.parametrize("kind", ["sync", "async"])


def error(code: Any, message: str = "no", **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, **more}}


def failed(kind: str, server: AzureServer, **policy: Any) -> CloudAIError:
    with pytest.raises(CloudAIError) as caught:
        ask(kind, config(settings(server), **policy), "vision", "detect_labels", picture())
    return caught.value


CASES: list[tuple[Failure, ErrorCode, bool]] = [
    (Failure(status=400, body=error("InvalidRequest")), ErrorCode.INVALID_INPUT, False),
    (
        Failure(status=400, body=error("InvalidRequest", innererror={"code": "InvalidImageSize", "message": "big"})),
        ErrorCode.TOO_LARGE,
        False,
    ),
    (
        Failure(status=400, body=error("InvalidArgument", innererror={"code": "NotSupportedLanguage", "message": "x"})),
        ErrorCode.UNSUPPORTED,
        False,
    ),
    (Failure(status=400, body=error("InvalidRequest", innererror={"code": "Unheard"})), ErrorCode.INVALID_INPUT, False),
    (Failure(status=401, body=error("401")), ErrorCode.UNAUTHENTICATED, False),
    (Failure(status=401, body={"statusCode": 401, "message": "Access denied"}), ErrorCode.UNAUTHENTICATED, False),
    (Failure(status=403, body=error("403")), ErrorCode.PERMISSION_DENIED, False),
    (Failure(status=403, body=error("QuotaExceeded")), ErrorCode.QUOTA_EXHAUSTED, False),
    (Failure(status=403, body=error(403001)), ErrorCode.QUOTA_EXHAUSTED, False),
    (Failure(status=400, body=error(400036)), ErrorCode.UNSUPPORTED, False),
    (Failure(status=400, body=error(400077)), ErrorCode.TOO_LARGE, False),
    (Failure(status=400, body=error(400999)), ErrorCode.INVALID_INPUT, False),
    (Failure(status=404, body=error("404")), ErrorCode.NOT_FOUND, False),
    (Failure(status=409, body=error("Conflict")), ErrorCode.CONFLICT, False),
    (Failure(status=413, body=b""), ErrorCode.TOO_LARGE, False),
    (Failure(status=415, body=error("UnsupportedMediaType")), ErrorCode.INVALID_INPUT, False),
    (Failure(status=429, body=error("429")), ErrorCode.RATE_LIMITED, True),
    (Failure(status=429, body=error("TooManyRequests")), ErrorCode.RATE_LIMITED, True),
    (Failure(status=400, body={"code": "InvalidLocale", "message": "no"}), ErrorCode.UNSUPPORTED, False),
    (
        Failure(status=400, body={"code": "InvalidRequest", "message": "no", "innerError": {"code": "AudioTooLong"}}),
        ErrorCode.TOO_LARGE,
        False,
    ),
    (Failure(status=500, body=error("InternalServerError")), ErrorCode.INTERNAL, False),
    (Failure(status=502, body=b"<html>Bad gateway</html>"), ErrorCode.UNAVAILABLE, True),
    (Failure(status=503, body=error("ServiceUnavailable")), ErrorCode.UNAVAILABLE, True),
    (Failure(status=504, body=b""), ErrorCode.DEADLINE_EXCEEDED, True),
    (Failure(status=599, body=b""), ErrorCode.UNAVAILABLE, True),
    (Failure(status=302, body=b"", headers={"Location": "http://127.0.0.1:1/"}), ErrorCode.INTERNAL, False),
]


@both
@pytest.mark.parametrize(("fault", "code", "retryable"), CASES, ids=[f"{c[0].status}-{n}" for n, c in enumerate(CASES)])
def test_an_error_has_our_code(kind: str, fault: Failure, code: ErrorCode, retryable: bool) -> None:
    with azure() as server:
        server.troubles.append(fault)
        caught = failed(kind, server)
        assert len(server.requests) == 1
    assert (caught.code, caught.retryable) == (code, retryable)
    assert caught.request_id is not None


def test_the_innermost_message_is_told() -> None:
    inner = {"code": "InvalidImageSize", "message": "Image size is too large."}
    body = json.dumps(error("InvalidRequest", "Bad.", innererror=inner)).encode()
    assert str(error_of(WireReply(status=400, body=body), ())) == "Image size is too large. (InvalidImageSize)"


@both
def test_every_attempt_is_one_request_and_no_more(kind: str) -> None:
    with azure() as server:
        server.troubles.extend([Failure(status=503, body=error("ServiceUnavailable"))] * 9)
        caught = failed(kind, server, max_attempts=3)
        assert len(server.requests) == caught.attempts == 3


@both
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "0"}, 0),
        ({"Retry-After": "7"}, 7),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"x-ms-retry-after-ms": "250", "Retry-After": "1"}, 0.25),
        ({"retry-after-ms": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_told(kind: str, headers: dict[str, str], seconds: float | None) -> None:
    with azure() as server:
        server.troubles.append(Failure(status=429, body=error("429"), headers=headers))
        assert failed(kind, server).retry_after == seconds


@both
def test_after_the_wait_that_azure_asks_for_the_answer_comes(kind: str) -> None:
    with azure() as server:
        server.troubles.append(Failure(status=429, body=error("429"), headers={"Retry-After": "0"}))
        result = ask(kind, config(settings(server), max_attempts=2), "vision", "detect_labels", picture())
        assert len(server.requests) == 2
    assert result.attempts == 2


@both
@pytest.mark.parametrize(
    ("broken", "codes"),
    [
        (Broken(kind="reset"), {ErrorCode.UNAVAILABLE}),
        (Broken(kind="cut"), {ErrorCode.UNAVAILABLE}),
        (Broken(kind="hang", seconds=3), {ErrorCode.DEADLINE_EXCEEDED}),
        (Broken(kind="drip", seconds=3), {ErrorCode.DEADLINE_EXCEEDED}),
        (Broken(kind="truncated"), {ErrorCode.INTERNAL}),
        (Broken(kind="html"), {ErrorCode.INTERNAL}),
        (Broken(kind="empty"), {ErrorCode.INTERNAL}),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_what_is_no_answer(kind: str, broken: Broken, codes: set[ErrorCode]) -> None:
    with azure() as server:
        server.troubles.append(broken)
        caught = failed(kind, server, timeout=1.0 if ErrorCode.DEADLINE_EXCEEDED in codes else 20.0)
        assert len(server.requests) == 1
    assert caught.code in codes


# --- what to do about it -----------------------------------------------------------------------------

REFUSED = {"statusCode": 401, "message": "Access denied due to invalid subscription key or wrong API endpoint."}
NOWHERE = {"error": {"code": "404", "message": "Resource not found"}}
ASKED: list[tuple[str, str, tuple[Any, ...], dict[str, Any]]] = [
    ("vision", "detect_labels", (picture(),), {}),
    ("vision", "detect_faces", (picture(),), {}),
    ("vision", "moderate", (picture(),), {}),
    ("vision", "read_document", (picture(),), {}),
    ("vision", "detect_logos", (picture(),), {}),
    ("speech", "transcribe", (tone(),), {"language": "en"}),
    ("speech", "synthesize", ("Hello",), {}),
    ("speech", "voices", (), {}),
    ("translation", "translate", ("Hello",), {"target": "de"}),
    ("translation", "detect_language", ("Hello",), {}),
    ("translation", "languages", (), {}),
    ("translation", "translate_document", (b"Hello\n",), {"target": "de"}),
]
SETTINGS = [
    "vision_endpoint", "face_endpoint", "content_safety_endpoint", "document_endpoint", "vision_endpoint",
    "speech_endpoint", "tts_endpoint", "tts_endpoint", "translator_endpoint", "translator_endpoint",
    "translator_endpoint", "document_translation_endpoint",
]  # fmt: skip


def told(kind: str, fault: Failure, case: int, **more: Any) -> CloudAIError:
    service, verb, args, arguments = ASKED[case]
    with azure() as server:
        server.troubles.append(fault)
        with pytest.raises(CloudAIError) as caught:
            ask(kind, config({**settings(server), **more}), service, verb, *args, **arguments)
    assert "127.0.0.1" in caught.value.message  # whose address it was
    assert KEY not in caught.value.message
    assert caught.value.message.count("\n") == 1
    return caught.value


@both
@pytest.mark.parametrize("case", range(len(ASKED)), ids=[each[1] for each in ASKED])
def test_a_refused_key_says_which_setting_to_look_at(kind: str, case: int) -> None:
    error = told(kind, Failure(status=401, body=REFUSED), case)
    assert error.code is ErrorCode.UNAUTHENTICATED
    assert "api_key (or AZURE_AI_KEY)" in error.message
    assert "region 'eastus'" in error.message


@both
@pytest.mark.parametrize("case", range(len(ASKED)), ids=[each[1] for each in ASKED])
def test_an_address_with_another_kind_of_resource_says_which_setting_to_look_at(kind: str, case: int) -> None:
    error = told(kind, Failure(status=404, body=NOWHERE), case)
    assert error.code is ErrorCode.NOT_FOUND
    assert f"check {SETTINGS[case]} or endpoint_url" in error.message


def test_a_key_that_may_not_is_told_from_one_that_is_wrong() -> None:
    error = told("sync", Failure(status=403, body={"error": {"code": "403", "message": "Public access is off"}}), 0)
    assert error.code is ErrorCode.PERMISSION_DENIED
    assert "network rules" in error.message


def test_a_translator_without_a_region_is_told_to_set_it() -> None:
    error = told("sync", Failure(status=401, body=error_body(401000)), 8, region=None)
    assert "set region" in error.message


def error_body(code: int) -> dict[str, Any]:
    return {"error": {"code": code, "message": "The request is not authorized."}}


def test_a_services_own_not_found_is_no_matter_of_addresses() -> None:
    with opened() as (client, server):
        body = {"error": {"code": "ModelNotFound", "message": "no such model"}}
        server.troubles.append(Failure(status=404, body=body))
        with pytest.raises(CloudAIError, match="no such model") as caught:
            client.vision.read_document(picture())
    assert "endpoint_url" not in caught.value.message


@both
def test_a_host_that_is_not_there_is_named(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    made = config({"region": "eastus", "api_key": KEY, "vision_endpoint": "https://no-such-host.invalid"})
    with pytest.raises(CloudAIError, match=r"no-such-host\.invalid: check .*endpoint_url") as caught:
        ask(kind, made, "vision", "detect_labels", picture())
    assert caught.value.code is ErrorCode.UNAVAILABLE


@both
def test_a_key_that_the_server_echoes_is_nowhere(kind: str) -> None:
    with azure() as server:
        server.troubles.append(Failure(status=401, body=error("401", f"the key {KEY} is not known")))
        caught = failed(kind, server)
    seen = "".join(traceback.format_exception(caught)) + repr(caught) + repr(caught.__cause__) + str(vars(caught))
    assert KEY not in seen
    assert "***" in caught.message


def test_a_key_is_in_no_repr() -> None:
    with opened() as (client, _):
        driver = client.driver("z")
        assert KEY not in repr(driver) + repr(vars(driver))


def test_every_code_of_the_table_is_one_of_ours() -> None:
    path = Path(cloudai_azure.__file__).parent / "errors.toml"
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    for section, entries in table.items():
        for name, ours in entries.items():
            code = int(name) if section == "number" else name
            status = int(name) if section == "status" else 400
            body = b"" if section == "status" else json.dumps(error(code)).encode()
            assert error_of(WireReply(status=status, body=body), ()).fault.code == ErrorCode(ours)


# --- documents ---------------------------------------------------------------------------------------


@both
def test_a_job_that_failed_has_the_reason_and_the_code(kind: str) -> None:
    from azure_answers import Documents

    inner = {"code": "ContentProcessingTimeout", "message": "too slow"}
    result = {"status": "failed", "error": {"code": "InvalidRequest", "message": "no", "innererror": inner}}
    with azure(Documents(result)) as server, pytest.raises(CloudAIError, match="too slow") as caught:
        ask(kind, config(settings(server), max_attempts=1), "vision", "read_document", picture())
    assert caught.value.code is ErrorCode.DEADLINE_EXCEEDED


@both
def test_a_job_that_does_not_end_is_not_submitted_again(kind: str) -> None:
    from azure_answers import Documents

    with azure(Documents(looks=10_000)) as server:
        made = config(settings(server), timeout=2.0, deadline=6.0, max_attempts=3)
        options = {"azure": {"poll_interval": 0.25}}
        server.handlers["document.result"] = _slow(server.handlers["document.result"])
        with pytest.raises(CloudAIError, match="longer timeout") as caught:
            ask(kind, made, "vision", "read_document", picture(), options=options)
        assert server.operations.count("document") == 1
    assert (caught.value.code, caught.value.retryable) == (ErrorCode.DEADLINE_EXCEEDED, False)


def _slow(look: Any) -> Any:
    from azure_server import Reply

    def answer(received: Any) -> Any:
        found = look(received)
        return Reply(body=found.body)

    return answer


def test_a_result_address_elsewhere_is_not_followed() -> None:
    """The reply names a host of its own; the key goes to ours."""
    with opened() as (client, server):
        client.vision.read_document(picture())
        assert server.operations == ["document", "document.result", "document.result"]


def test_a_submission_without_an_address_is_a_wrong_answer() -> None:
    from azure_server import Reply

    with opened() as (client, server):
        server.handlers["document"] = lambda _: Reply(body=None, headers={"Operation-Location": "https://x/elsewhere"})
        with pytest.raises(CloudAIError, match="Operation-Location") as caught:
            client.vision.read_document(picture())
    assert caught.value.code is ErrorCode.INTERNAL


@both
@pytest.mark.parametrize(
    "trouble",
    [Failure(status=503, body=b""), Failure(status=429, body=error("429"), headers={"Retry-After": "0"})],
    ids=["503", "429"],
)
def test_a_look_that_did_not_get_through_is_not_the_jobs_end(kind: str, trouble: Failure) -> None:
    from azure_answers import Documents

    class Troubled(Documents):
        def submit(self, received: Any) -> Any:
            server.troubles.append(trouble)  # for the next request: the first look
            return super().submit(received)

    with azure() as server:
        documents = Troubled()
        server.handlers |= {"document": documents.submit, "document.result": documents.look}
        options = {"azure": {"poll_interval": 0.01}}
        result = ask(kind, config(settings(server)), "vision", "read_document", picture(), options=options)
        assert [request.method for request in server.requests] == ["POST", "GET", "GET", "GET"]
    assert result.text.startswith("Grüße")
