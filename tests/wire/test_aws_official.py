"""boto3's own client beside the driver's: the same input is the same request, the same bytes are the same answer.

The driver asks through boto3's clients, with a transport of its own under them. `Stubber` is botocore's check of both.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore import xform_name
from botocore.stub import Stubber

sys.path.insert(0, str(Path(__file__).parent))

from aws_answers import aws
from aws_client import opened
from aws_exchanges import exchanged, plain
from aws_server import Received, StrictServer

from cloudai import Client

CHANGING = {"authorization", "x-amz-date", "amz-sdk-invocation-id", "user-agent", "content-length", "accept-encoding"}


@pytest.fixture(scope="module")
def exchanges() -> list[tuple[str, str, Any, Any]]:
    return exchanged()


@pytest.fixture(scope="module")
def server() -> Iterator[StrictServer]:
    with aws() as strict:
        yield strict


@pytest.fixture(scope="module")
def client(server: StrictServer) -> Iterator[Client]:
    with opened(server) as one:
        yield one


def test_everything_that_is_asked_is_here(exchanges: list[tuple[str, str, Any, Any]]) -> None:
    assert {name for _, name, _, _ in exchanges} == {
        "DetectLabels", "DetectFaces", "DetectText", "DetectModerationLabels",
        "DetectDocumentText", "AnalyzeDocument", "StartDocumentTextDetection", "GetDocumentTextDetection",
        "StartDocumentAnalysis", "GetDocumentAnalysis",
        "SynthesizeSpeech", "DescribeVoices", "StartSpeechSynthesisTask", "GetSpeechSynthesisTask",
        "StartTranscriptionJob", "GetTranscriptionJob", "DeleteTranscriptionJob",
        "TranslateText", "TranslateDocument", "ListLanguages", "DetectDominantLanguage", "BatchDetectDominantLanguage",
    }  # fmt: skip


def test_botocores_stubber_takes_every_request_and_answer(exchanges: list[tuple[str, str, Any, Any]]) -> None:
    """It holds the expected request and the canned answer to the description, and the call to the expected request."""
    with aws() as nobody:
        clients = {service: plain(nobody, service, checks=True) for service in {each[0] for each in exchanges}}
        for service, name, request, answer in exchanges:
            with Stubber(clients[service]) as stub:
                stub.add_response(xform_name(name), answer, request)
                got = getattr(clients[service], xform_name(name))(**request)
            assert {key: value for key, value in got.items() if key != "ResponseMetadata"} == answer
        assert nobody.requests == 0


def test_boto3_sends_the_same_and_reads_the_same(
    exchanges: list[tuple[str, str, Any, Any]], server: StrictServer, client: Client
) -> None:
    ours = client.driver("aws").client
    theirs = {service: plain(server, service) for service in {each[0] for each in exchanges}}
    for service, name, request, answer in exchanges:
        server.answers[name] = lambda _, answer=answer: answer
        read = [_read(getattr(each, xform_name(name))(**request)) for each in (theirs[service], ours(service))]
        assert read[0] == read[1], name
        official, mine = (_sent(each) for each in server.received[-2:])
        assert official == mine, name


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("put_object", {"Bucket": "bucket", "Key": "a b/\u00fc+.wav", "Body": b"sound" * 1000}),
        ("get_object", {"Bucket": "bucket", "Key": "a b/\u00fc+.wav"}),
        ("get_object", {"Bucket": "bucket", "Key": "a b/\u00fc+.wav", "Range": "bytes=0-9"}),
        ("delete_object", {"Bucket": "bucket", "Key": "a b/\u00fc+.wav"}),
    ],
)
def test_objects_too(server: StrictServer, client: Client, method: str, params: dict[str, Any]) -> None:
    server.objects["bucket", "a b/\u00fc+.wav"] = b"sound" * 1000
    read = [_read(getattr(each, method)(**params)) for each in (plain(server, "s3"), client.driver("aws").client("s3"))]
    assert read[0] == read[1]
    official, mine = (_sent(each) for each in server.received[-2:])
    assert official == mine


def _read(reply: Any) -> Any:
    """What was understood, with streams read and without the transport's own."""
    found = {key: value for key, value in reply.items() if key != "ResponseMetadata"}
    return {key: value.read() if hasattr(value, "read") else value for key, value in found.items()}


def _sent(received: Received) -> Any:
    headers = {name.lower(): value for name, value in received.headers.items() if name.lower() not in CHANGING}
    return received.operation, received.params, headers
