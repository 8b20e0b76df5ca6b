"""Google's official limits: at the limit it is sent, one beyond it is not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from gcp_client import opened, with_key

from cloudai.errors import CloudAIError, ErrorCode
from cloudai.testing.samples import picture


def bigger(size: int) -> bytes:
    """The sample picture with bytes after its end, which no reader looks at."""
    return picture() + b"\0" * (size - len(picture()))


def test_an_image_at_the_limit_of_bytes_is_sent_and_one_beyond_is_not(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        client.vision.read_text(bigger(7_862_000), languages=["en", "de"])
        with pytest.raises(CloudAIError, match="7,862,000") as caught:
            client.vision.detect_labels(bigger(7_862_001))
        assert caught.value.code is ErrorCode.TOO_LARGE
        assert server.arrived == 1


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


def test_a_text_of_30000_code_points_is_sent_and_one_of_30001_is_not(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        client.translation.translate("x" * 30_000, target="de", source="en")
        with pytest.raises(CloudAIError) as caught:
            client.translation.translate("x" * 30_001, target="de", source="en")
        assert caught.value.code is ErrorCode.TOO_LARGE
        assert server.arrived == 1


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


def test_a_minute_is_heard_and_more_is_not(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        client.speech.transcribe(wav(60), language="en-US")
        with pytest.raises(CloudAIError) as caught:
            client.speech.transcribe(wav(60.5), language="en-US")
        assert caught.value.code is ErrorCode.TOO_LARGE
        assert server.arrived == 1


def test_fifteen_pages_may_be_chosen_and_no_more(tmp_path: Path) -> None:
    with opened(tmp_path) as (client, server):
        client.vision.read_document(picture(), pages="1-15")
        with pytest.raises(CloudAIError) as caught:
            client.vision.read_document(picture(), pages="1-16")
        assert caught.value.code is ErrorCode.TOO_LARGE
        with pytest.raises(CloudAIError, match="1-3,7"):
            client.vision.read_document(picture(), pages="last")
        assert server.arrived == 1
