"""Each limit of Azure's that is told before sending: on it and one beyond."""

from __future__ import annotations

import io
import struct
import sys
import wave
import zlib
from pathlib import Path

import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from azure_client import opened
from azure_server import Reply

from cloudai.calls.limits import fit
from cloudai.capabilities import find_capabilities, load_capabilities
from cloudai.errors import InvalidInput, TooLarge
from cloudai.types.media import AudioInfo, ImageInfo, Media, MediaKind


def png(width: int, height: int, size: int | None = None) -> bytes:
    """A PNG of exactly `size` bytes, filled up by a text chunk."""
    buffer = io.BytesIO()
    Image.new("1", (width, height)).save(buffer, "PNG")
    made = buffer.getvalue()
    if size is None:
        return made
    text = b"filler\0" + b"x" * (size - len(made) - 12 - 7)
    chunk = struct.pack(">I", len(text)) + b"tEXt" + text + struct.pack(">I", zlib.crc32(b"tEXt" + text))
    return made[:-12] + chunk + made[-12:]


def recording(seconds: int) -> bytes:
    """Silence, a few samples a second."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(100)
        file.writeframes(b"\x80" * 100 * seconds)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("verb", "most"),
    [
        ("detect_labels", 20_971_519),
        ("read_text", 20_971_519),
        ("detect_faces", 6_291_456),
        ("moderate", 4_194_304),
        ("detect_logos", 4_194_303),
        ("detect_landmarks", 4_194_303),
    ],
)
def test_bytes(verb: str, most: int) -> None:
    with opened() as (client, server):
        getattr(client.vision, verb)(png(100, 100, most))
        assert len(server.requests) == 1
        with pytest.raises(TooLarge, match="max_bytes"):
            getattr(client.vision, verb)(png(100, 100, most + 1))
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("verb", "least", "most"),
    [("detect_labels", 50, 16_000), ("caption", 50, 16_000), ("detect_logos", 50, 16_000), ("moderate", 50, 7_200)],
)
def test_pixels(verb: str, least: int, most: int) -> None:
    with opened() as (client, server):
        for right in ((least, least), (most, least), (least, most)):
            getattr(client.vision, verb)(png(*right))
        assert len(server.requests) == 3
        for small in ((least - 1, least), (least, least - 1)):
            with pytest.raises(InvalidInput, match="no less than 50"):
                getattr(client.vision, verb)(png(*small))
        for large in ((most + 1, least), (least, most + 1)):
            with pytest.raises(TooLarge, match="max_"):
                getattr(client.vision, verb)(png(*large))
        assert len(server.requests) == 3


def test_seconds() -> None:
    with opened() as (client, server):
        client.speech.transcribe(recording(7_199), language="en")
        with pytest.raises(TooLarge, match="max_seconds"):
            client.speech.transcribe(recording(7_200), language="en")
        assert len(server.requests) == 1


def test_pages() -> None:
    def pdf(pages: int) -> Media:
        return Media(kind=MediaKind.DOCUMENT, data=b"%PDF-1.7", content_type="application/pdf", pages=pages)

    with opened() as (client, server):
        client.vision.read_document(pdf(2_000))
        assert server.operations[0] == "document"
        asked = len(server.requests)
        with pytest.raises(TooLarge, match="max_pages"):
            client.vision.read_document(pdf(2_001))
        assert len(server.requests) == asked


@pytest.mark.parametrize(("seconds", "said"), [(599, False), (600, True)])
@pytest.mark.parametrize(("form", "a_second"), [("mulaw", 8_000), ("mp3", 20_000)])
def test_ten_minutes_of_speech_are_all_and_what_was_cut_off_is_said(
    seconds: int, said: bool, form: str, a_second: int
) -> None:
    with opened() as (client, server):
        server.handlers["speak"] = lambda _: Reply(body=bytes(seconds * a_second), headers={"Content-Type": "audio/x"})
        result = client.speech.synthesize("a long text", format=form)
    assert result.duration == seconds
    assert ("truncated" in {notice.code for notice in result.warnings}) == said


OFFICIAL = {
    "vision.detect_labels": {"max_bytes": 20_971_519, "min_width": 50, "max_width": 16_000},
    "vision.detect_objects": {"max_bytes": 20_971_519, "min_height": 50, "max_height": 16_000},
    "vision.read_text": {"max_bytes": 20_971_519, "min_width": 50, "max_width": 16_000},
    "vision.caption": {"max_bytes": 20_971_519, "min_width": 50, "max_width": 16_000},
    "vision.detect_faces": {"max_bytes": 6_291_456},
    "vision.moderate": {"max_bytes": 4_194_304, "min_width": 50, "max_width": 7_200},
    "vision.detect_landmarks": {"max_bytes": 4_194_303, "min_width": 50, "max_width": 16_000},
    "vision.detect_logos": {"max_bytes": 4_194_303, "min_width": 50, "max_width": 16_000},
    "vision.read_document": {"max_bytes": 524_288_000, "max_pages": 2_000},
    "speech.transcribe": {"max_bytes": 314_572_799, "max_seconds": 7_199},
    "speech.transcribe, as a job": {"max_bytes": 1_073_741_824},
    "translation.translate_document": {"max_bytes": 41_943_040},
}
"""Each as its documentation has it, which capabilities.toml names; under 20 MB is one byte less."""


class _Sized(bytes):
    """Bytes that say that they are more than they are: half a gigabyte need not be there to be counted."""

    said: int

    def __len__(self) -> int:
        return self.said


def _input(limit: str, value: int) -> Media:
    data = _Sized(b"x")
    data.said = value if limit == "max_bytes" else 1
    size = dict.fromkeys(("width", "height"), 100)
    if limit.endswith(("width", "height")):
        size[limit.partition("_")[2]] = value
    audio = AudioInfo(duration=value, sample_rate=8_000, channels=1) if limit == "max_seconds" else None
    pages = value if limit == "max_pages" else None
    return Media(kind=MediaKind.IMAGE, data=data, image=ImageInfo(**size), audio=audio, pages=pages)


@pytest.mark.parametrize(
    ("operation", "limit", "value"),
    [(name, limit, value) for name, each in OFFICIAL.items() for limit, value in each.items()],
)
def test_a_declared_limit_is_the_official_one_and_holds_on_both_sides(operation: str, limit: str, value: int) -> None:
    name, _, job = operation.partition(", ")
    declared = load_capabilities(find_capabilities("cloudai_azure")).operation(name)
    assert declared is not None
    limits = declared.job_limits if job else declared.limits
    beyond = value + 1 if limit.startswith("max") else value - 1
    fit(_input(limit, value), limits=limits, content_types=(), whose="z")
    with pytest.raises((TooLarge, InvalidInput), match=limit):
        fit(_input(limit, beyond), limits=limits, content_types=(), whose="z")


def test_every_limit_that_is_declared_has_its_test() -> None:
    """Texts are in `test_azure_requests.py`: 50,000 characters, 1,000 items, 100 to detect."""
    texts = {"translation.translate": {"max_characters", "max_batch"}}
    texts["translation.detect_language"] = {"max_characters", "max_batch"}
    either = {"min_width": "min_height", "max_width": "max_height"}
    for operation in load_capabilities(find_capabilities("cloudai_azure")).operations.values():
        tested = set(OFFICIAL.get(operation.name, ())) | texts.get(operation.name, set())
        tested |= {"max_object_bytes"} | {each for pair in either.items() if tested & set(pair) for each in pair}
        known = set(operation.limits.known) - ({"max_batch"} if operation.name.endswith("document") else set())
        known -= {"requests_per_minute"}  # a rate, not a size: tests/unit/test_quotas.py
        assert known <= tested, operation.name


def test_a_document_to_translate() -> None:
    with opened() as (client, server):
        client.translation.translate_document(b"x" * 10_485_760, target="de")
        with pytest.raises(TooLarge, match="Set staging"):
            client.translation.translate_document(b"x" * 10_485_761, target="de")
        assert len(server.requests) == 1
