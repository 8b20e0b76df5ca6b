"""Azure as the fault server speaks it: Image Analysis 4.0, Translator, fast transcription, text to speech.

Answers are in the forms of Azure's own descriptions, which tests/faults holds them to.
"""

from __future__ import annotations

import email
import email.policy
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final
from urllib.parse import parse_qs
from xml.etree import ElementTree

from cloudai.testing.faults.wire import Asked, Refusal, Reply, Wanted, seconds_of, silence, wave_file

_CORNERS: Final = [{"x": 12, "y": 4}, {"x": 36, "y": 4}, {"x": 36, "y": 12}, {"x": 12, "y": 12}]
_WORD: Final = {"text": "Hello", "confidence": 0.99, "boundingPolygon": _CORNERS}
_LINE: Final = {"text": "Hello", "boundingPolygon": _CORNERS, "words": [_WORD]}
_PARTS: Final[Mapping[str, tuple[str, object]]] = {
    "tags": ("tagsResult", {"values": [{"name": "car", "confidence": 0.98}]}),
    "read": ("readResult", {"blocks": [{"lines": [_LINE]}]}),
    "caption": ("captionResult", {"text": "a car", "confidence": 0.83}),
}
_OPERATIONS: Final[Mapping[str, str]] = {
    "tags": "vision.detect_labels",
    "read": "vision.read_text",
    "caption": "vision.caption",
}
_CODES: Final[Mapping[int, str]] = {
    400: "BadRequest",
    401: "401",
    403: "403",
    404: "404",
    429: "429",
    500: "InternalServerError",
    503: "ServiceUnavailable",
}
_HAN: Final = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_IMAGES, _TRANSLATE = "/computervision/imageanalysis:analyze", "/translate"
_TRANSCRIBE, _SPEAK = "/speechtotext/transcriptions:transcribe", "/cognitiveservices/v1"


class AzureWire:
    """One resource in `eastus`, asked with a key."""

    provider = "azure"

    def settings(self, url: str) -> Mapping[str, object]:
        """With a key of nobody."""
        return {"provider": "azure", "endpoint_url": url, "region": "eastus", "api_key": "fault-server-key"}

    def read(self, asked: Asked) -> Wanted:
        call = f"{asked.method} {asked.path}"
        if asked.path == _IMAGES:
            parts = parse_qs(asked.query).get("features", [""])[0].split(",")
            return Wanted(call, _OPERATIONS.get(parts[0], ""), "image", Decimal(len(parts)))
        if asked.path == _TRANSLATE:
            return Wanted(call, "translation.translate", "character", Decimal(_characters(asked)), "standard")
        if asked.path == _SPEAK:
            text = "".join(_ssml(asked.body).itertext())
            billed = len(text) + len(_HAN.findall(text))
            return Wanted(call, "speech.synthesize", "character", Decimal(billed), "neural")
        if asked.path == _TRANSCRIBE:
            return Wanted(call, "speech.transcribe", "second", seconds_of(_form(asked).get("audio", b"")), "fast")
        return Wanted(call)

    def answer(self, asked: Asked, wanted: Wanted) -> Reply:
        if asked.path == _IMAGES:
            parts = parse_qs(asked.query).get("features", [""])[0].split(",")
            size = {"width": 48, "height": 16}
            found = dict(_PARTS[name] for name in parts if name in _PARTS)
            return _json({"modelVersion": "2023-10-01", "metadata": size, **found})
        if asked.path == _TRANSLATE:
            return _translated(asked, wanted)
        if asked.path == _SPEAK:
            form = asked.headers.get("x-microsoft-outputformat", "")
            sound = wave_file(24_000) if form.startswith("riff") else silence(24_000)
            return Reply(content_type="audio/x-wav", headers={"x-requestid": str(uuid.uuid4())}, body=sound)
        if asked.path == _TRANSCRIBE:
            return _transcribed(asked, wanted)
        return self.refuse(asked, wanted, Refusal(status=404, code="404", message="Resource not found"))

    def refuse(self, asked: Asked, wanted: Wanted, refusal: Refusal) -> Reply:
        """Azure's own form of waiting is a header in milliseconds."""
        code = refusal.code or _CODES.get(refusal.status, "InternalServerError")
        wait = {} if refusal.wait is None else {"retry-after-ms": str(round(refusal.wait * 1000))}
        body = {"error": {"code": code, "message": refusal.message}}
        return _json(body, status=refusal.status, headers=wait)


def _json(body: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    named = {"apim-request-id": str(uuid.uuid4()), **(headers or {})}
    return Reply(status=status, headers=named, body=json.dumps(body).encode())


def _texts(asked: Asked) -> Sequence[Mapping[str, object]]:
    """Version 3 has a list, the current one an object with `inputs`."""
    try:
        body = json.loads(asked.body)
    except ValueError:
        return ()
    found = body.get("inputs") if isinstance(body, dict) else body
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else ()


def _targets(item: Mapping[str, object]) -> Sequence[str]:
    found = item.get("targets")
    return [str(each.get("language")) for each in found] if isinstance(found, list) else ()


def _characters(asked: Asked) -> int:
    """Code points of the source, for each target."""
    return sum(len(str(item.get("text", item.get("Text", "")))) * max(1, len(_targets(item))) for item in _texts(asked))


def _translated(asked: Asked, wanted: Wanted) -> Reply:
    headers, query = {"x-metered-usage": str(wanted.quantity)}, parse_qs(asked.query)
    detected = {"detectedLanguage": {"language": "en", "score": 0.9}}
    if query.get("api-version") == ["3.0"]:
        more, to = ({} if "from" in query else detected), query.get("to", ["en"])[0]
        found = [{**more, "translations": [{"to": to, "text": f"[{to}] {_text(item)}"}]} for item in _texts(asked)]
        return _json(found, headers=headers)
    items = [
        {
            **({} if "language" in item else detected),
            "translations": [
                {"language": to, "text": f"[{to}] {_text(item)}", "sourceCharacters": len(_text(item))}
                for to in _targets(item)
            ],
        }
        for item in _texts(asked)
    ]
    return _json({"value": items}, headers=headers)


def _text(item: Mapping[str, object]) -> str:
    return str(item.get("text", item.get("Text", "")))


def _transcribed(asked: Asked, wanted: Wanted) -> Reply:
    length = int(wanted.quantity * 1000)
    phrase = {
        "offsetMilliseconds": 0,
        "durationMilliseconds": length,
        "text": "Hello.",
        "locale": "en-US",
        "confidence": 0.9,
    }
    found = {"durationMilliseconds": length, "combinedPhrases": [{"text": "Hello."}], "phrases": [phrase]}
    return _json(found)


def _ssml(body: bytes) -> ElementTree.Element:
    try:
        return ElementTree.fromstring(body)  # noqa: S314  # our own driver's, on the loopback
    except ElementTree.ParseError:
        return ElementTree.Element("speak")


def _form(asked: Asked) -> Mapping[str, bytes]:
    """The parts of a multipart form by their names."""
    head = f"Content-Type: {asked.headers.get('content-type', '')}\r\n\r\n".encode()
    message = email.message_from_bytes(head + asked.body, policy=email.policy.HTTP)
    parts = message.iter_parts() if message.is_multipart() else ()
    found: dict[str, bytes] = {}
    for part in parts:
        content = part.get_payload(decode=True)
        name = part.get_param("name", header="content-disposition")
        if isinstance(content, bytes) and isinstance(name, str):
            found[name] = content
    return found
