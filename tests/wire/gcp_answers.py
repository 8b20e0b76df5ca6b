"""Answers of Google Cloud for the tests: in the forms that its documentation shows, zero members left out."""

from __future__ import annotations

import base64
import io
import math
import struct
import wave
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gcp_server import PROJECT, GoogleServer, Handler

LABELS = [
    {"mid": "/m/01c8br", "description": "Street", "score": 0.872, "topicality": 0.872},
    {"mid": "/m/0btp2", "description": "Motor  Vehicle", "score": 0.951, "topicality": 0.9},
]
OBJECTS = [
    {
        "mid": "/m/01g317",
        "name": "Person",
        "score": 0.9,
        "boundingPoly": {
            "normalizedVertices": [{}, {"x": 0.5}, {"x": 0.5, "y": 0.25}, {"y": 0.25}],
        },
    }
]
FACES = [
    {
        "boundingPoly": {"vertices": [{}, {"x": 48}, {"x": 48, "y": 32}, {"y": 32}]},
        "fdBoundingPoly": {"vertices": [{"x": 1, "y": 1}, {"x": 9, "y": 1}, {"x": 9, "y": 9}, {"x": 1, "y": 9}]},
        "landmarks": [
            {"type": "LEFT_EYE", "position": {"x": 12, "y": 16, "z": -0.001}},
            {"type": "MOUTH_LEFT", "position": {"x": 14.4, "y": 24, "z": 1.5}},
            {"type": "LEFT_OF_RIGHT_EYEBROW", "position": {"x": 30, "y": 8}},
        ],
        "rollAngle": -1.25,
        "panAngle": 12.5,
        "tiltAngle": -3,
        "detectionConfidence": 0.98,
        "landmarkingConfidence": 0.6,
        "joyLikelihood": "UNKNOWN",
        "headwearLikelihood": "VERY_LIKELY",
        "blurredLikelihood": "VERY_UNLIKELY",
        "underExposedLikelihood": "UNKNOWN",
    }
]
SAFE = {
    "adult": "VERY_UNLIKELY",
    "spoof": "POSSIBLE",
    "medical": "UNLIKELY",
    "violence": "LIKELY",
    "racy": "UNKNOWN",
}
LANDMARKS = [
    {
        "mid": "/m/014lft",
        "description": "Saint Basil's Cathedral",
        "score": 0.7840959,
        "boundingPoly": {
            "vertices": [{"x": 48, "y": 16}, {"x": 240, "y": 16}, {"x": 240, "y": 80}, {"x": 48, "y": 80}]
        },
        "locations": [{"latLng": {"latitude": 55.752912, "longitude": 37.622315883636475}}],
    }
]
LOGOS = [
    {
        "mid": "/m/045c7b",
        "description": "Google",
        "score": 0.35,
        "boundingPoly": {"vertices": [{"x": 240}, {"x": 480}, {"x": 480, "y": 160}, {"x": 240, "y": 160}]},
    }
]


def symbols(text: str, ending: str = "") -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = [{"text": letter, "confidence": 0.99} for letter in text]
    if ending:
        made[-1]["property"] = {"detectedBreak": {"type": ending}}
    return made


def word(text: str, ending: str = "", *, left: int = 0, top: int = 0, language: str = "en") -> dict[str, Any]:
    right, bottom = left + 12 * len(text), top + 16
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return {
        "property": {"detectedLanguages": [{"languageCode": language, "confidence": 1}]},
        "boundingBox": {"vertices": [{**({"x": x} if x else {}), **({"y": y} if y else {})} for x, y in corners]},
        "symbols": symbols(text, ending),
        "confidence": 0.95,
    }


def full_text(width: int = 480, height: int = 160) -> dict[str, Any]:
    words = [
        word("Hello", "SPACE"),
        word("World", "EOL_SURE_SPACE", left=72),
        word("for", "HYPHEN", top=32),
        word("ever", "LINE_BREAK", top=64, language="iw"),
    ]
    box = {"vertices": [{}, {"x": 200}, {"x": 200, "y": 90}, {"y": 90}]}
    paragraph = {"boundingBox": box, "words": words, "confidence": 0.97}
    block = {"boundingBox": box, "paragraphs": [paragraph], "blockType": "TEXT", "confidence": 0.97}
    languages = {
        "detectedLanguages": [{"languageCode": "iw", "confidence": 0.2}, {"languageCode": "en", "confidence": 0.8}]
    }
    page = {"property": languages, "width": width, "height": height, "blocks": [block], "confidence": 0.97}
    return {"pages": [page], "text": "Hello World\nfor-\never\n"}


def _image(request: Mapping[str, Any]) -> dict[str, Any]:
    known: Mapping[str, tuple[str, Any]] = {
        "LABEL_DETECTION": ("labelAnnotations", LABELS),
        "OBJECT_LOCALIZATION": ("localizedObjectAnnotations", OBJECTS),
        "FACE_DETECTION": ("faceAnnotations", FACES),
        "TEXT_DETECTION": ("fullTextAnnotation", full_text()),
        "DOCUMENT_TEXT_DETECTION": ("fullTextAnnotation", full_text()),
        "SAFE_SEARCH_DETECTION": ("safeSearchAnnotation", SAFE),
        "LANDMARK_DETECTION": ("landmarkAnnotations", LANDMARKS),
        "LOGO_DETECTION": ("logoAnnotations", LOGOS),
    }
    by_number = {4: "LABEL_DETECTION", 1: "FACE_DETECTION", 5: "TEXT_DETECTION", 11: "DOCUMENT_TEXT_DETECTION"}
    kinds = [by_number.get(each["type"], each["type"]) for each in request["features"]]
    return dict(known[kind] for kind in kinds)


def annotate(body: Any, _: Mapping[str, str]) -> Any:
    return {"responses": [_image(each) for each in body["requests"]]}


def translate(body: Any, _: Mapping[str, str]) -> Any:
    detected = {} if "sourceLanguageCode" in body else {"detectedLanguageCode": "iw"}
    plain = [{"translatedText": f"<{text}>", **detected} for text in body["contents"]]
    if "glossaryConfig" not in body:
        return {"translations": plain}
    terms = [{**each, "translatedText": each["translatedText"].upper()} for each in plain]
    return {"translations": plain, "glossaryTranslations": terms}


def translate_v2(body: Any, _: Mapping[str, str]) -> Any:
    detected = {} if "source" in body else {"detectedSourceLanguage": "zh-CN"}
    return {"data": {"translations": [{"translatedText": f"<{text}>", **detected} for text in body["q"]]}}


def detect(body: Any, _: Mapping[str, str]) -> Any:
    return (
        {"languages": [{"languageCode": "zh-TW", "confidence": 1}]}
        if "漢" in body["content"]
        else {"languages": [{"languageCode": "en", "confidence": 0.875}]}
    )


def detect_v2(body: Any, _: Mapping[str, str]) -> Any:
    return {"data": {"detections": [[{"language": "en", "confidence": 0.9, "isReliable": False}] for _ in body["q"]]}}


def languages(_: Any, __: Mapping[str, str]) -> Any:
    known = (
        ("iw", "Hebrew"),
        ("he", "Hebrew"),
        ("zh-CN", "Chinese (Simplified)"),
        ("zh-TW", "Chinese (Traditional)"),
        ("no", "Norwegian"),
        ("tl", "Filipino"),
        ("pt-PT", "Portuguese (Portugal)"),
        ("sr-Latn", "Serbian"),
    )
    both = {"supportSource": True, "supportTarget": True}
    return {"languages": [{"languageCode": code, "displayName": name, **both} for code, name in known]}


def languages_v2(_: Any, __: Mapping[str, str]) -> Any:
    return {"data": {"languages": [{"language": "iw", "name": "Hebrew"}, {"language": "zh-TW", "name": "Chinese"}]}}


def document_of(body: Any, _: Mapping[str, str]) -> Any:
    made = {
        "byteStreamOutputs": [base64.b64encode(b"%PDF-1.7 translated").decode()],
        "mimeType": body["documentInputConfig"].get("mimeType", "application/pdf"),
        **({} if "sourceLanguageCode" in body else {"detectedLanguageCode": "en"}),
    }
    return {"documentTranslation": made, **({"glossaryDocumentTranslation": made} if "glossaryConfig" in body else {})}


def spoken(rate: int = 24_000) -> bytes:
    """A quarter of a second of WAV."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(n / 8))) for n in range(rate // 4)))
    return buffer.getvalue()


def synthesize(body: Any, _: Mapping[str, str]) -> Any:
    return {"audioContent": base64.b64encode(spoken(body["audioConfig"].get("sampleRateHertz", 24_000))).decode()}


def voices(_: Any, __: Mapping[str, str]) -> Any:
    known = (
        ("en-US-Neural2-A", "en-US", "MALE"),
        ("cmn-TW-Wavenet-B", "cmn-TW", "FEMALE"),
        ("de-DE-Chirp3-HD-Charon", "de-DE", "MALE"),
        ("nb-NO-Standard-A", "nb-NO", "SSML_VOICE_GENDER_UNSPECIFIED"),
    )
    return {
        "voices": [
            {"languageCodes": [code], "name": name, "ssmlGender": gender, "naturalSampleRateHertz": 24000}
            for name, code, gender in known
        ]
    }


def recognize(body: Any, _: Mapping[str, str]) -> Any:
    """Speech v2: durations as strings, zero offsets left out."""
    features = body["config"].get("features", {})
    words: list[dict[str, Any]] = [
        {"endOffset": "0.400s", "word": "hello", "confidence": 0.9},
        {"startOffset": "0.400s", "endOffset": "1s", "word": "there", "confidence": 0.8},
    ]
    if "diarizationConfig" in features:
        words[0]["speakerLabel"], words[1]["speakerLabel"] = "7", "2"
    if not features.get("enableWordTimeOffsets"):
        words = [{"word": each["word"], "confidence": each["confidence"]} for each in words]
    best = {"transcript": "hello there", "confidence": 0.93, "words": words}
    result = {
        "alternatives": [best, {"transcript": "hello bear", "confidence": 0}],
        "resultEndOffset": "1s",
        "languageCode": "en-us",
    }
    if features.get("multiChannelMode"):
        result["channelTag"] = 1
    return {"results": [result], "metadata": {"requestId": "r-1", "totalBilledDuration": "1s"}}


def recognize_v1(body: Any, _: Mapping[str, str]) -> Any:
    words = [
        {"startTime": "0s", "endTime": "0.400s", "word": "hello"},
        {"startTime": "0.400s", "endTime": "1s", "word": "there"},
    ]
    best = {"transcript": "hello there", "confidence": 0.5, "words": words}
    first = {"alternatives": [best], "languageCode": "en-us", "resultEndTime": "1s"}
    results: list[dict[str, Any]] = [first]
    if "diarizationConfig" in body["config"]:
        spoke = [{**each, "speakerTag": tag} for each, tag in zip(words, (2, 1), strict=True)]
        results.append({"alternatives": [{"words": spoke}], "languageCode": "en-us"})
    return {"results": results, "totalBilledTime": "1s", "requestId": "41"}


DOCUMENT = "Invoice 7\nName: Ada\nQty Price\n2 5\n"


def _layout(text: str, left: float = 0.0, top: float = 0.0) -> dict[str, Any]:
    start = DOCUMENT.index(text)
    corners = [(left, top), (left + 0.5, top), (left + 0.5, top + 0.1), (left, top + 0.1)]
    poly = [{**({"x": x} if x else {}), **({"y": y} if y else {})} for x, y in corners]
    segment = {**({"startIndex": str(start)} if start else {}), "endIndex": str(start + len(text))}
    return {"textAnchor": {"textSegments": [segment]}, "confidence": 0.9, "boundingPoly": {"normalizedVertices": poly}}


def _row(*texts: str) -> dict[str, Any]:
    return {"cells": [{"layout": _layout(text), "rowSpan": 1, "colSpan": 1} for text in texts]}


def _said(text: str, kind: str = "paragraph", page: int = 1, **more: Any) -> dict[str, Any]:
    span = {"pageStart": page, "pageEnd": page}
    return {"blockId": text, "textBlock": {"text": text, "type": kind, **more}, "pageSpan": span}


def layout() -> dict[str, Any]:
    """A heading with what stands under it, a list, a table on the second page."""
    cells = [{"blocks": [_said(text, page=2)]} for text in ("Qty", "Price")]
    span = {"pageStart": 2, "pageEnd": 2}
    listed = {"listEntries": [{"blocks": [_said("first")]}, {"blocks": [_said("second")]}], "type": "unordered"}
    corners = [{}, {"x": 0.5}, {"x": 0.5, "y": 0.1}, {"y": 0.1}]
    return {
        "blocks": [
            {
                **_said("Report", "heading-1", blocks=[_said("It is\nlong.")]),
                "boundingBox": {"normalizedVertices": corners},
            },
            {"blockId": "list", "listBlock": listed, "pageSpan": {"pageStart": 1, "pageEnd": 1}},
            {
                "blockId": "table",
                "tableBlock": {
                    "caption": "Orders",
                    "headerRows": [{"cells": cells}],
                    "bodyRows": [{"cells": [{"blocks": [_said("2", page=2)], "colSpan": 2, "rowSpan": 1}]}],
                },
                "pageSpan": span,
            },
        ]
    }


def process(_: Any, path: Mapping[str, str]) -> Any:
    if "layout" in path["name"]:
        return {"document": {"documentLayout": layout(), "mimeType": "application/pdf"}}
    forms = "form" in path["name"]
    page: dict[str, Any] = {
        "pageNumber": 1,
        "dimension": {"width": 1000, "height": 500, "unit": "pixels"},
        "detectedLanguages": [{"languageCode": "en", "confidence": 1}],
        "paragraphs": [{"layout": _layout("Invoice 7\n")}, {"layout": _layout("Name: Ada\n", 0.1, 0.2)}],
        "lines": [{"layout": _layout(text)} for text in ("Invoice 7\n", "Name: Ada\n", "Qty Price\n", "2 5\n")],
        "tokens": [{"layout": _layout(text)} for text in ("Invoice ", "7\n", "Name: ", "Ada\n")],
    }
    if forms:
        page["formFields"] = [{"fieldName": _layout("Name: "), "fieldValue": _layout("Ada\n", 0.5)}]
        page["tables"] = [
            {
                "layout": _layout("Qty Price\n2 5\n"),
                "headerRows": [_row("Qty ", "Price\n")],
                "bodyRows": [_row("2 ", "5\n")],
            }
        ]
    return {"document": {"text": DOCUMENT, "mimeType": "application/pdf", "pages": [page]}}


ANSWERS: Mapping[str, Handler] = {
    "vision.v1:vision.images.annotate": annotate,
    "vision.v1:vision.projects.locations.images.annotate": annotate,
    "translate.v3:translate.projects.locations.translateText": translate,
    "translate.v3:translate.projects.locations.detectLanguage": detect,
    "translate.v3:translate.projects.locations.getSupportedLanguages": languages,
    "translate.v3:translate.projects.locations.translateDocument": document_of,
    "translate.v2:language.translations.translate": translate_v2,
    "translate.v2:language.detections.detect": detect_v2,
    "translate.v2:language.languages.list": languages_v2,
    "texttospeech.v1:texttospeech.text.synthesize": synthesize,
    "texttospeech.v1:texttospeech.voices.list": voices,
    "speech.v1:speech.speech.recognize": recognize_v1,
    "speech.v2:Recognize": recognize,
    "documentai.v1:documentai.projects.locations.processors.process": process,
}


def settings(server: GoogleServer, folder: Path, **more: Any) -> dict[str, Any]:
    """`[backends.NAME]` for this server, with a service account."""
    return {
        "endpoint_url": server.url,
        "credentials_file": str(server.service_account(folder)),
        "project": PROJECT,
        "processor": "ocr1",
        "layout_processor": "layout1",
        "form_processor": f"projects/{PROJECT}/locations/eu/processors/form1",
        **more,
    }
