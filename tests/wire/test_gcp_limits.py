"""Google's official limits: at the limit it is sent, one beyond it is not."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from gcp_answers import ANSWERS, settings
from gcp_client import config, opened, with_key
from gcp_server import google

from cloudai import Client
from cloudai.capabilities import builtin_capabilities
from cloudai.errors import CloudAIError, ErrorCode
from cloudai.testing.samples import picture
from cloudai_gcp.provider import GcpProvider


def bigger(size: int) -> bytes:
    """The sample picture with bytes after its end, which no reader looks at."""
    return picture() + b"\0" * (size - len(picture()))


def test_images_that_are_too_much_for_one_request_are_several(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        client.vision.analyze_batch([bigger(3_000_000)] * 3, operations=["vision.detect_labels"])
        assert [len(got.body["requests"]) for got in server.received] == [2, 1]


@pytest.mark.parametrize(("images", "requests"), [(16, 1), (17, 2), (33, 3)])
def test_sixteen_images_are_one_request(images: int, requests: int, tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        client.vision.analyze_batch([picture()] * images, operations=["vision.moderate"])
        assert server.arrived == requests


@pytest.mark.parametrize(("texts", "requests"), [(1_024, 1), (1_025, 2)])
def test_1024_texts_are_one_request(texts: int, requests: int, tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        given = [f"t{n}" for n in range(texts)]
        result = client.translation.translate(given, target="de", source="en")
        assert server.arrived == requests
        assert [each.text for each in result.translations] == [f"<{text}>" for text in given]


@pytest.mark.parametrize(("sizes", "requests"), [((15_000, 15_000), 1), ((15_000, 15_001), 2)])
def test_30000_code_points_are_one_request(sizes: tuple[int, ...], requests: int, tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        client.translation.translate(["😀" * size for size in sizes], target="de", source="en")
        assert server.arrived == requests


@pytest.mark.parametrize(("texts", "requests"), [(128, 1), (129, 2)])
def test_version_2_takes_128_texts(texts: int, requests: int) -> None:
    with with_key() as (client, server):
        result = client.translation.translate(["a"] * texts, target="de", source="en")
        assert (server.arrived, len(result.translations)) == (requests, texts)


def test_5000_bytes_of_text_are_spoken_and_5001_are_not(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        client.speech.synthesize("é" * 2_500, voice="fr-FR-Neural2-A")
        with pytest.raises(CloudAIError) as caught:
            client.speech.synthesize("é" * 2_500 + "e", voice="fr-FR-Neural2-A")
        assert caught.value.code is ErrorCode.TOO_LARGE
        assert server.arrived == 1


def wav(seconds: float) -> bytes:
    import io
    import wave

    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(bytes(2 * int(8_000 * seconds)))
    return buffer.getvalue()


def test_fifteen_pages_may_be_chosen_and_no_more(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        client.vision.read_document(picture(), pages="1-15")
        with pytest.raises(CloudAIError) as caught:
            client.vision.read_document(picture(), pages="1-16")
        assert caught.value.code is ErrorCode.TOO_LARGE
        with pytest.raises(CloudAIError, match="1-3,7"):
            client.vision.read_document(picture(), pages="last")
        assert server.arrived == 1


# --- every declared limit ---------------------------------------------------------------------------------


def pdf(pages: int, size: int = 0) -> bytes:
    """A PDF of empty pages, at least `size` bytes."""
    kids = b" ".join(b"%d 0 R" % (number + 3) for number in range(pages))
    tree = b"2 0 obj<</Type/Pages/Kids[%b]/Count %d>>endobj\n" % (kids, pages)
    leaves = b"".join(b"%d 0 obj<</Type/Page/Parent 2 0 R>>endobj\n" % (number + 3) for number in range(pages))
    body = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n" + tree + leaves
    end = b"trailer<</Root 1 0 R>>\n%%EOF"
    return body + b"%" * max(0, size - len(body) - len(end) - 1) + b"\n" + end


def dense_wav(size: int) -> bytes:
    """Under a minute of 44.1 kHz stereo, `size` bytes with its header."""
    import io
    import wave

    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44_100)
        file.writeframes(bytes(size - 44))
    return buffer.getvalue()


IMAGES = (
    "detect_labels",
    "detect_objects",
    "detect_faces",
    "read_text",
    "moderate",
    "detect_landmarks",
    "detect_logos",
)
AT: dict[tuple[str, str], tuple[str, str, Any, dict[str, Any]]] = {
    **{
        (f"vision.{verb}", "max_bytes"): ("vision", verb, lambda more: bigger(7_862_000 + more), {})
        for verb in IMAGES
    },
    ("vision.read_document", "max_bytes"): ("vision", "read_document", lambda more: pdf(1, 41_943_040 + more), {}),
    ("vision.read_document", "max_pages"): ("vision", "read_document", lambda more: pdf(15 + more), {}),
    ("speech.transcribe", "max_bytes"): (
        "speech", "transcribe", lambda more: dense_wav(10_485_760 + 4 * more), {"language": "en-US"},
    ),
    ("speech.transcribe", "max_seconds"): (
        "speech", "transcribe", lambda more: wav(60 + more / 10), {"language": "en-US"},
    ),
    ("speech.synthesize", "max_text_bytes"): (
        "speech", "synthesize", lambda more: "e" * (5_000 + more), {"voice": "fr-FR-Neural2-A"},
    ),
    ("translation.translate", "max_characters"): (
        "translation", "translate", lambda more: "x" * (30_000 + more), {"target": "de", "source": "en"},
    ),
    ("translation.translate_document", "max_bytes"): (
        "translation", "translate_document", lambda more: pdf(1, 20_971_520 + more), {"target": "de"},
    ),
    ("translation.translate_document", "max_pages"): (
        "translation", "translate_document", lambda more: pdf(300 + more), {"target": "de"},
    ),
}  # fmt: skip
"""(operation, limit) -> the call, with an input at the limit and more."""
ELSEWHERE = {
    "max_object_bytes": "the service's own: an object by its address is not read here",
    "max_batch": "test_sixteen_images_are_one_request, test_1024_texts_are_one_request and test_gcp_split.py",
    "detect_language": "test_one_text_a_request_is_asked_for_its_language: the beginning is sent",
}


def test_no_declared_limit_is_without_its_border_test() -> None:
    declared = {
        (name, limit)
        for name, operation in builtin_capabilities()["gcp"].operations.items()
        for limit in operation.limits.known
        if name in GcpProvider().implements and limit not in (*ELSEWHERE, "requests_per_minute")
    }
    assert declared - {("translation.detect_language", "max_characters")} == set(AT)


@pytest.mark.parametrize("at", AT, ids=".".join)
def test_at_a_limit_it_is_sent_and_beyond_it_is_not(at: tuple[str, str], tmp_path: Path) -> None:
    service, verb, made, arguments = AT[at]
    with (
        google(ANSWERS) as server,
        Client(config(settings(server, tmp_path), timeout=120.0, deadline=240.0)) as client,  # 56 MB of JSON
    ):
        call = getattr(getattr(client, service), verb)
        call(made(0), **arguments)
        assert server.arrived == 1
        over = made(1)
        with pytest.raises(CloudAIError, match=at[1]) as caught:
            call(over, **arguments)
        assert (caught.value.code, server.arrived) == (ErrorCode.TOO_LARGE, 1)
        assert "https://" in caught.value.message, "where the limit is written"
