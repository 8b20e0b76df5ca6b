"""The fault server's answers are the providers': held to the official descriptions, decoded by our drivers, billed as
the client says it was billed."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "wire"))

import aws_model
import aws_server
import azure_routes
import azure_schema
import gcp_description

from cloudai import Client
from cloudai.errors import CloudAIError, ErrorCode
from cloudai.testing import faults
from cloudai.testing.faults import FaultServer, Status
from cloudai.testing.faults.wire import Asked, Reply
from cloudai.testing.samples import picture, tone
from cloudai.types.results import Result

Calls = dict[str, Callable[[Client], Result]]
PROVIDERS = ("aws", "gcp", "azure", "plain")
CALLS: Calls = {
    "vision.detect_labels": lambda client: client.vision.detect_labels(picture()),
    "vision.read_text": lambda client: client.vision.read_text(picture()),
    "translation.translate": lambda client: client.translation.translate("hello there", source="en", target="de"),
    "speech.synthesize": lambda client: client.speech.synthesize("Hello there.", language="en-US"),
    "speech.transcribe": lambda client: client.speech.transcribe(tone(), language="en-US"),
}


@pytest.mark.parametrize("operation", CALLS)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_each_operation_is_answered_counted_and_billed_as_the_client_says(provider: str, operation: str) -> None:
    with faults.serve(provider) as server, server.client() as client:
        result = CALLS[operation](client)
    assert result.operation == operation
    assert server.count(operation) >= 1
    assert (server.bill.requests, server.bill.lines[0].operation) == (1, operation)
    assert server.bill.cost == (result.cost.amount if result.cost else None)


def test_named_voices_of_google_have_their_price() -> None:
    with faults.serve("gcp") as server, server.client() as client:
        result = client.speech.synthesize("Hello.", language="en-US", voice="en-US-Neural2-A")
    assert result.cost is not None
    assert server.bill.cost == result.cost.amount


@pytest.mark.parametrize("operation", CALLS)
def test_amazons_descriptions_allow_the_answers(operation: str) -> None:
    for server, asked, reply in answered("aws", operation):
        shape: Any
        target = asked.headers.get("x-amz-target")
        if target is None:
            if asked.path != "/v1/speech":
                continue  # S3, and the transcript that Transcribe puts at an address of its own
            shape = aws_model.service("polly").operation_model("SynthesizeSpeech").output_shape
            assert int(reply.headers["x-amzn-RequestCharacters"]) == server.requests[0].quantity
            assert shape.serialization["payload"] == "AudioStream"
            continue
        prefix, _, name = target.rpartition(".")
        shape = aws_model.targets()[prefix].operation_model(name).output_shape
        if shape is not None:
            assert [*aws_model.problems(shape, aws_server.from_wire(shape, json.loads(reply.body)))] == []


@pytest.mark.parametrize("operation", CALLS)
def test_googles_descriptions_allow_the_answers(operation: str) -> None:
    for _, asked, reply in answered("gcp", operation):
        method = gcp_description.find(asked.method, unquote(asked.path))
        assert method is not None
        assert method.faults_of_answer(json.loads(reply.body)) == []


@pytest.mark.parametrize("operation", CALLS)
def test_azures_descriptions_allow_the_answers(operation: str) -> None:
    for _, asked, reply in answered("azure", operation):
        route = azure_routes.matched(asked.method, asked.path, dict(parse_qsl(asked.query, keep_blank_values=True)))
        if "." in route.gives:
            assert azure_schema.problems(route.gives, json.loads(reply.body)) == []
        else:
            assert (route.gives, reply.content_type) == ("audio", "audio/x-wav")


def answered(provider: str, operation: str) -> Iterator[tuple[FaultServer, Asked, Reply]]:
    with faults.serve(provider, keep=True) as server, server.client() as client:
        CALLS[operation](client)
        for arrival in server.requests:
            assert arrival.asked is not None
            yield server, arrival.asked, server.wire.answer(arrival.asked, server.wire.read(arrival.asked))


FAULTS: Sequence[tuple[int, ErrorCode]] = (
    (400, ErrorCode.INVALID_INPUT),
    (401, ErrorCode.UNAUTHENTICATED),
    (403, ErrorCode.PERMISSION_DENIED),
    (404, ErrorCode.NOT_FOUND),
    (429, ErrorCode.RATE_LIMITED),
    (503, ErrorCode.UNAVAILABLE),
)


@pytest.mark.parametrize(("status", "code"), FAULTS)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_status_without_a_code_has_the_usual_meaning(provider: str, status: int, code: ErrorCode) -> None:
    with faults.serve(provider, Status(status)) as server:
        with server.client(server.config(max_attempts=1)) as client, pytest.raises(CloudAIError) as caught:
            client.vision.detect_labels(picture())
        assert (caught.value.code, server.count()) == (code, 1)
        assert "scripted fault" in str(caught.value)


@pytest.mark.parametrize(
    ("provider", "code", "meaning"),
    [
        ("aws", "ProvisionedThroughputExceededException", ErrorCode.RATE_LIMITED),
        ("gcp", "DEADLINE_EXCEEDED", ErrorCode.DEADLINE_EXCEEDED),
        ("azure", "InvalidImageSize", ErrorCode.TOO_LARGE),
        ("plain", "quota_exhausted", ErrorCode.QUOTA_EXHAUSTED),
    ],
)
def test_a_vendors_own_code_goes_before_its_status(provider: str, code: str, meaning: ErrorCode) -> None:
    with (
        faults.serve(provider, Status(400, code=code)) as server,
        server.client(server.config(max_attempts=1)) as client,
        pytest.raises(CloudAIError) as caught,
    ):
        client.vision.detect_labels(picture())
    assert caught.value.code is meaning
