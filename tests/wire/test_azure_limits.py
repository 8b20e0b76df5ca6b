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

from cloudai.errors import InvalidInput, TooLarge


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


def test_a_document_to_translate() -> None:
    with opened() as (client, server):
        client.translation.translate_document(b"x" * 10_485_760, target="de")
        with pytest.raises(TooLarge, match="Set staging"):
            client.translation.translate_document(b"x" * 10_485_761, target="de")
        assert len(server.requests) == 1
