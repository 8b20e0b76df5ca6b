"""Every limit that `capabilities.toml` declares of AWS, read from there: on it it is sent, one beyond it is not.

What is not there for the taking is below: limits of one request that the driver keeps by packing, and those of objects
in S3, which nobody looks at before AWS does.
"""

from __future__ import annotations

import io
import sys
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from aws_answers import aws
from aws_client import opened
from aws_pages import pdf, png
from aws_server import Failure, StrictServer

from cloudai import Client
from cloudai.errors import CloudAIError, ErrorCode, InvalidInput, TooLarge
from cloudai.registry import Registry
from cloudai_aws.provider import IMPLEMENTS

DECLARED = {
    (operation, name): value
    for operation in sorted(IMPLEMENTS)
    if (found := Registry.installed().get("aws").capabilities.operation(operation)) is not None
    for name, value in found.limits.known.items()
    if name != "requests_per_minute"  # a rate, not a size: tests/unit/test_quotas.py
}
ELSEWHERE = {
    ("vision.read_document", "max_bytes"): "test_aws_documents: half a gigabyte is not sent in a test",
    ("vision.read_document", "max_object_bytes"): "below: an object is AWS's to measure",
    ("speech.transcribe", "max_object_bytes"): "below",
    ("translation.translate", "max_batch"): "below: a list is as many requests",
    ("translation.translate_document", "max_batch"): "the interface takes one document",
    ("translation.detect_language", "max_text_bytes"): "below: the beginning of a text tells its language",
    ("custom.predict", "max_bytes"): "below: tensors",
    **{(operation, "max_object_bytes"): "below" for operation, name in DECLARED if name == "max_object_bytes"},
}
CHECKED = sorted(set(DECLARED) - set(ELSEWHERE))


def recording(seconds: int) -> bytes:
    """Silence, a hundred samples a second."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(100)
        file.writeframes(b"\x80" * 100 * seconds)
    return buffer.getvalue()


INPUTS: dict[str, Callable[[str, int], Any]] = {
    "max_bytes": lambda operation, size: b"a" * size if operation.startswith("translation") else png(size),
    "min_width": lambda _, width: png(0, width=width, height=200),
    "min_height": lambda _, height: png(0, width=200, height=height),
    "max_width": lambda _, width: png(0, width=width, height=100),
    "max_height": lambda _, height: png(0, width=100, height=height),
    "max_pages": lambda _, pages: pdf(pages),
    "max_characters": lambda _, count: "a" * count,
    "max_text_bytes": lambda _, size: "\u00e9" * (size // 2) + "e" * (size % 2),
    "max_seconds": lambda _, seconds: recording(seconds),
}
MORE: dict[str, dict[str, Any]] = {
    "translation.translate": {"source": "fr", "target": "en"},
    "translation.translate_document": {"source": "en", "target": "es"},
    "speech.synthesize": {"language": "en-US"},
    "speech.transcribe": {"language": "en-US"},
}


@pytest.fixture(scope="module")
def server() -> Iterator[StrictServer]:
    with aws() as strict:
        yield strict


@pytest.fixture(scope="module")
def client(server: StrictServer) -> Iterator[Client]:
    with opened(server, timeout=20.0) as one:
        yield one


@pytest.fixture(scope="module")
def bucketless(server: StrictServer) -> Iterator[Client]:
    with opened(server, timeout=20.0, staging_bucket=None) as one:
        yield one


@pytest.mark.parametrize(("operation", "name"), CHECKED)
def test_on_the_limit_it_is_sent_and_one_beyond_it_is_not(
    server: StrictServer, client: Client, bucketless: Client, operation: str, name: str
) -> None:
    area, _, verb = operation.partition(".")
    ask = getattr(getattr(bucketless if operation == "speech.synthesize" else client, area), verb)
    limit, make = DECLARED[operation, name], INPUTS[name]
    before = server.requests
    ask(make(operation, limit), **MORE.get(operation, {}))
    assert server.requests > before
    before = server.requests
    beyond = limit - 1 if name.startswith("min_") else limit + 1
    with pytest.raises((TooLarge, InvalidInput), match=name):
        ask(make(operation, beyond), **MORE.get(operation, {}))
    assert server.requests == before


def test_a_list_is_one_request_for_each_text(server: StrictServer, client: Client) -> None:
    assert DECLARED["translation.translate", "max_batch"] == 1
    before = len(server.received)
    result = client.translation.translate(["one", "two", "three"], source="en", target="de")
    assert [each.params["Text"] for each in server.received[before:]] == ["one", "two", "three"]
    assert [each.text for each in result.translations] == ["[de] one", "[de] two", "[de] three"]


@pytest.mark.parametrize(("count", "sizes"), [(25, [25]), (26, [25, 1]), (51, [25, 25, 1])])
def test_twenty_five_texts_are_one_request_of_comprehend(
    server: StrictServer, client: Client, count: int, sizes: list[int]
) -> None:
    before = len(server.received)
    client.translation.detect_language([f"text {number}" for number in range(count)])
    assert [len(each.params["TextList"]) for each in server.received[before:]] == sizes


@pytest.mark.parametrize(("size", "batched"), [(5_000, True), (5_001, False)])
def test_a_text_of_five_thousand_bytes_goes_with_others(
    server: StrictServer, client: Client, size: int, *, batched: bool
) -> None:
    before = len(server.received)
    client.translation.detect_language(["e" * size, "short", "shorter"])
    alone = [each for each in server.received[before:] if each.operation == "DetectDominantLanguage"]
    assert (alone == []) is batched


@pytest.mark.parametrize("more", [0, 1])
def test_the_beginning_of_a_text_tells_its_language(server: StrictServer, client: Client, more: int) -> None:
    limit = DECLARED["translation.detect_language", "max_text_bytes"]
    result = client.translation.detect_language("\u00e9 " * (limit // 3) + "e" * (limit % 3 + more))
    assert len(server.received[-1].params["Text"].encode()) <= limit
    assert [each.code for each in result.warnings] == ["truncated"] * more


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda c: c.vision.detect_labels("s3://bucket/a.png"), "ImageTooLargeException"),
        (lambda c: c.vision.read_document("s3://bucket/a.pdf"), "DocumentTooLargeException"),
        (lambda c: c.speech.transcribe("s3://bucket/a.wav", language="en-US"), "BadRequestException"),
    ],
)
def test_what_aws_says_of_an_object_that_is_too_large(
    server: StrictServer, client: Client, ask: Callable[[Client], object], code: str
) -> None:
    """Transcribe has no code of its own for it."""
    server.next_faults.append(Failure(code=code))
    with pytest.raises(CloudAIError) as caught:
        ask(client)
    assert caught.value.code is (ErrorCode.INVALID_INPUT if code == "BadRequestException" else ErrorCode.TOO_LARGE)


def test_tensors_fill_a_request_to_the_byte_and_no_further() -> None:
    from cloudai.types.custom import PredictRequest
    from cloudai.types.tensor import Tensor
    from cloudai_aws.sagemaker_inference import encoded

    def sent(count: int) -> int:
        request = PredictRequest(model="m", tensors={"x": Tensor(np.zeros(count, dtype=np.uint8))})
        return len(encoded(request)["Body"])

    limit = DECLARED["custom.predict", "max_bytes"]
    most = limit - (sent(limit - 1000) - (limit - 1000))
    assert sent(most) == limit
    with pytest.raises(TooLarge, match=f"{limit:,} in one request"):
        sent(most + 1)


def test_no_declared_limit_is_left_out() -> None:
    assert {name for _, name in CHECKED} <= set(INPUTS)
    assert set(ELSEWHERE) <= set(DECLARED)
