"""Google Cloud as the fault server speaks it: Vision, Translation (v2, v3), Text-to-Speech and Speech-to-Text (v1, v2).

Answers are in the forms of Google's discovery documents, which tests/faults holds them to.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from typing import Final

from cloudai.testing.faults.wire import Asked, Refusal, Reply, Wanted, seconds_of, wave_file

_CORNERS: Final = {"vertices": [{"x": 12, "y": 4}, {"x": 36, "y": 4}, {"x": 36, "y": 12}, {"x": 12, "y": 12}]}
_WORD: Final = {
    "boundingBox": _CORNERS,
    "symbols": [{"text": letter, "confidence": 0.99} for letter in "Hello"],
    "confidence": 0.99,
}
_PARAGRAPH: Final = {"boundingBox": _CORNERS, "words": [_WORD], "confidence": 0.99}
_BLOCK: Final = {"boundingBox": _CORNERS, "paragraphs": [_PARAGRAPH], "blockType": "TEXT", "confidence": 0.99}
_PAGE: Final = {"width": 48, "height": 16, "blocks": [_BLOCK], "confidence": 0.99}
_IMAGE: Final[Mapping[str, Mapping[str, object]]] = {
    "LABEL_DETECTION": {"labelAnnotations": [{"mid": "/m/0k4j", "description": "Car", "score": 0.98}]},
    "TEXT_DETECTION": {"fullTextAnnotation": {"pages": [_PAGE], "text": "Hello\n"}},
    "DOCUMENT_TEXT_DETECTION": {"fullTextAnnotation": {"pages": [_PAGE], "text": "Hello\n"}},
}
_METERS: Final[Mapping[str, tuple[str, str | None]]] = {
    "LABEL_DETECTION": ("vision.detect_labels", None),
    "TEXT_DETECTION": ("vision.read_text", "text"),
    "DOCUMENT_TEXT_DETECTION": ("vision.read_text", "dense"),
}
_STATUS: Final[Mapping[int, str]] = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_ENDS: Final[Sequence[tuple[str, str]]] = (
    ("/images:annotate", "annotate"),
    ("/language/translate/v2", "translate v2"),
    (":translateText", "translate v3"),
    ("/text:synthesize", "synthesize"),
    ("/speech:recognize", "recognize v1"),
    (":recognize", "recognize v2"),
    ("/token", "token"),
)
_OPERATIONS: Final[Mapping[str, str]] = {
    "translate v2": "translation.translate",
    "translate v3": "translation.translate",
    "synthesize": "speech.synthesize",
    "recognize v1": "speech.transcribe",
    "recognize v2": "speech.transcribe",
}


class GcpWire:
    """One project, asked with an API key; the paths that need a token are answered as well."""

    provider = "gcp"

    def settings(self, url: str) -> Mapping[str, object]:
        """With a key of nobody."""
        return {"provider": "gcp", "endpoint_url": url, "region": "us-central1", "api_key": "AIzaFaultServer"}

    def read(self, asked: Asked) -> Wanted:
        kind = next((kind for end, kind in _ENDS if asked.path.endswith(end)), "")
        call = f"{asked.method} {asked.path}"
        if kind == "annotate":
            return _image(call, asked)
        if kind not in _OPERATIONS:
            return Wanted(call)
        return _measured(call, kind, asked)

    def answer(self, asked: Asked, wanted: Wanted) -> Reply:
        kind = next((kind for end, kind in _ENDS if asked.path.endswith(end)), "")
        if kind == "token":
            token = {"access_token": "ya29.fault-server", "expires_in": 3600, "token_type": "Bearer"}
            return _json(token)
        if kind == "annotate":
            body = _object(asked.body)
            return _json({"responses": [_annotated(each) for each in _list(body, "requests")]})
        if kind == "translate v2":
            return _json({"data": {"translations": _translated(asked, "q", "source", "detectedSourceLanguage")}})
        if kind == "translate v3":
            texts = _translated(asked, "contents", "sourceLanguageCode", "detectedLanguageCode")
            return _json({"translations": texts})
        if kind == "synthesize":
            rate = _object(_object(asked.body).get("audioConfig")).get("sampleRateHertz") or 24_000
            return _json({"audioContent": _spoken(int(str(rate)))})
        if kind in ("recognize v1", "recognize v2"):
            return _json(_recognised(kind, wanted))
        return self.refuse(asked, wanted, Refusal(status=404, code=None, message="no such method"))

    def refuse(self, asked: Asked, wanted: Wanted, refusal: Refusal) -> Reply:
        """https://cloud.google.com/apis/design/errors; Google's own form of waiting is `RetryInfo`."""
        code = refusal.code or _STATUS.get(refusal.status, "UNKNOWN")
        error: dict[str, object] = {"code": refusal.status, "message": refusal.message, "status": code}
        if refusal.wait is not None:
            info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{refusal.wait:.3f}s"}
            error["details"] = [info]
        return Reply(status=refusal.status, body=json.dumps({"error": error}).encode())


def _image(call: str, asked: Asked) -> Wanted:
    """The first feature of the first image names the operation; every image of every feature is a unit."""
    head = asked.body if len(asked.body) < 4096 else b""
    requests = _list(_object(head or asked.body), "requests")
    kinds = [str(_object(each).get("type")) for request in requests for each in _list(request, "features")]
    operation, variant = _METERS.get(kinds[0] if kinds else "", ("", None))
    return Wanted(call, operation, "image", Decimal(len(kinds)), variant)


def _measured(call: str, kind: str, asked: Asked) -> Wanted:
    body, operation = _object(asked.body), _OPERATIONS[kind]
    if operation == "translation.translate":
        texts = _list(body, "q" if kind == "translate v2" else "contents")
        return Wanted(call, operation, "character", Decimal(sum(len(str(text)) for text in texts)), "standard")
    if operation == "speech.synthesize":
        given, voice = _object(body.get("input")), str(_object(body.get("voice")).get("name") or "")
        text = str(given.get("text") or given.get("ssml") or "")
        return Wanted(call, operation, "character", Decimal(len(text)), _family(voice))
    sound = _object(body.get("audio")).get("content") if kind == "recognize v1" else body.get("content")
    length = seconds_of(base64.b64decode(str(sound or "")))
    variant = "v1" if kind == "recognize v1" else "v2"
    return Wanted(call, operation, "second", length, variant)


def _family(voice: str) -> str:
    """`en-US-Neural2-A` is billed as `neural2`."""
    parts = voice.split("-")
    return parts[2].lower() if len(parts) > 2 else "unknown"


def _annotated(request: object) -> Mapping[str, object]:
    found: dict[str, object] = {}
    for feature in _list(request, "features"):
        found |= _IMAGE.get(str(_object(feature).get("type")), {})
    return found


def _translated(asked: Asked, texts: str, source: str, detected: str) -> list[Mapping[str, object]]:
    body = _object(asked.body)
    more = {} if source in body else {detected: "en"}
    return [{"translatedText": f"<{text}>", **more} for text in _list(body, texts)]


def _recognised(kind: str, wanted: Wanted) -> Mapping[str, object]:
    best = {"transcript": "hello", "confidence": 0.93}
    result = {"alternatives": [best], "languageCode": "en-us"}
    billed = f"{int(wanted.quantity) + (wanted.quantity % 1 > 0)}s"
    if kind == "recognize v1":
        return {"results": [{**result, "resultEndTime": "0.500s"}], "totalBilledTime": billed, "requestId": "41"}
    return {
        "results": [{**result, "resultEndOffset": "0.500s"}],
        "metadata": {"requestId": "r-1", "totalBilledDuration": billed},
    }


@cache
def _spoken(rate: int) -> str:
    return base64.b64encode(wave_file(rate)).decode()


def _json(body: Mapping[str, object]) -> Reply:
    return Reply(content_type="application/json; charset=UTF-8", body=json.dumps(body).encode())


def _object(value: object) -> Mapping[str, object]:
    if isinstance(value, bytes):
        try:
            value = json.loads(value or b"{}")
        except ValueError:
            return {}
    return value if isinstance(value, dict) else {}


def _list(value: object, name: str) -> Sequence[object]:
    found = _object(value).get(name)
    return found if isinstance(found, list) else ()
