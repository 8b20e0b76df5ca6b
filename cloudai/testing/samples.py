"""One plain call of each operation, for the conformance suite: made here, so that nothing has to be downloaded."""

from __future__ import annotations

import io
import math
import struct
import wave
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from cloudai.calls.pixels import need_pillow


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """`client.SERVICE.VERB(FIRST, **arguments)`; with an async client it returns what to await."""

    service: str
    verb: str
    first: Any = None
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def __call__(self, client: Any, **options: Any) -> Any:
        method = getattr(getattr(client, self.service), self.verb)
        first = self.first() if callable(self.first) else self.first
        positional = () if first is None else (first,)
        return method(*positional, **self.arguments, **options)

    def with_media(self, content: object) -> Sample:
        """The same with another input."""
        return replace(self, first=content)

    def with_text(self, text: str) -> Sample:
        """The same with another text."""
        return replace(self, first=text)


@cache
def picture() -> bytes:
    """A 480 x 160 PNG with the words `Hello World 42`. Raises `MissingDependency` without Pillow."""
    need_pillow()
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", (480, 160), "white")
    ImageDraw.Draw(image).text((30, 50), "Hello World 42", fill="black", font=ImageFont.load_default(size=48))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


@cache
def tone() -> bytes:
    """One second of a 440 Hz tone: 16 kHz, mono, 16 bit."""
    samples = [int(8000 * math.sin(2 * math.pi * 440 * n / 16000)) for n in range(16000)]
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(struct.pack(f"<{len(samples)}h", *samples))
    return buffer.getvalue()


def _vision(verb: str, **arguments: Any) -> Sample:
    return Sample(service="vision", verb=verb, first=picture, arguments=arguments)


SAMPLES: Mapping[str, Sample] = {
    "vision.detect_labels": _vision("detect_labels"),
    "vision.detect_objects": _vision("detect_objects"),
    "vision.detect_faces": _vision("detect_faces"),
    "vision.read_text": _vision("read_text"),
    "vision.read_document": _vision("read_document"),
    "vision.moderate": _vision("moderate"),
    "vision.detect_landmarks": _vision("detect_landmarks"),
    "vision.detect_logos": _vision("detect_logos"),
    "vision.caption": _vision("caption"),
    "speech.transcribe": Sample(service="speech", verb="transcribe", first=tone, arguments={"language": "en-US"}),
    "speech.synthesize": Sample(
        service="speech", verb="synthesize", first="Hello, world.", arguments={"language": "en-US"}
    ),
    "speech.voices": Sample(service="speech", verb="voices"),
    "translation.translate": Sample(
        service="translation", verb="translate", first="Good morning.", arguments={"source": "en", "target": "es"}
    ),
    "translation.detect_language": Sample(
        service="translation", verb="detect_language", first="This sentence is written in English."
    ),
    "translation.languages": Sample(service="translation", verb="languages"),
    "translation.translate_document": Sample(
        service="translation",
        verb="translate_document",
        first=b"Good morning. This is a plain text document.\n",
        arguments={"source": "en", "target": "es"},
    ),
}
"""`custom.*` depends on a model or a job of the provider's own: its harness gives those."""
