"""Answers of a made-up Azure, in Azure's own forms, and the settings of a backend that asks it."""

from __future__ import annotations

import urllib.request
import uuid
from contextlib import AbstractContextManager
from typing import Any

import azure_server
from azure_bodies import Received
from azure_server import KEY, REGION, AzureServer, Reply

WIDTH, HEIGHT = 480, 160


def _polygon(x: int, y: int, w: int, h: int) -> list[dict[str, int]]:
    return [{"x": x, "y": y}, {"x": x + w, "y": y}, {"x": x + w, "y": y + h}, {"x": x, "y": y + h}]


def _box(x: int, y: int, w: int, h: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": w, "h": h}


IMAGE_PARTS: dict[str, tuple[str, Any]] = {
    "tags": (
        "tagsResult",
        {"values": [{"name": "text", "confidence": 0.98}, {"name": "Handwritten  Sign", "confidence": 0.75}]},
    ),
    "caption": ("captionResult", {"text": "a sign with words on it", "confidence": 0.83}),
    "denseCaptions": (
        "denseCaptionsResult",
        {
            "values": [
                {"text": "a sign with words on it", "confidence": 0.83, "boundingBox": _box(0, 0, WIDTH, HEIGHT)},
                {"text": "a black word", "confidence": 0.61, "boundingBox": _box(24, 40, 120, 80)},
            ]
        },
    ),
    "objects": (
        "objectsResult",
        {"values": [{"boundingBox": _box(48, 16, 240, 80), "tags": [{"name": "Sign", "confidence": 0.71}]}]},
    ),
    "read": (
        "readResult",
        {
            "blocks": [
                {
                    "lines": [
                        {
                            "text": "Hello World",
                            "boundingPolygon": _polygon(24, 40, 240, 40),
                            "words": [
                                {"text": "Hello", "confidence": 0.99, "boundingPolygon": _polygon(24, 40, 96, 40)},
                                {"text": "World", "confidence": 0.42, "boundingPolygon": _polygon(144, 40, 120, 40)},
                            ],
                        }
                    ]
                }
            ]
        },
    ),
}


def images(received: Received) -> dict[str, Any]:
    wanted = received.query["features"].split(",")
    parts = dict(IMAGE_PARTS[name] for name in wanted)
    return {"modelVersion": "2023-10-01", "metadata": {"width": WIDTH, "height": HEIGHT}, **parts}


_POINTS = {
    "pupilLeft": (190.9, 39.8), "pupilRight": (248.5, 38.2), "noseTip": (221.7, 77.2), "mouthLeft": (196.0, 112.1),
    "mouthRight": (243.6, 111.9), "eyebrowLeftOuter": (169.7, 13.0), "eyebrowLeftInner": (206.0, 11.1),
    "eyeLeftOuter": (179.8, 39.2), "eyeLeftTop": (189.6, 34.2), "eyeLeftBottom": (189.6, 42.9),
    "eyeLeftInner": (197.8, 40.6), "eyebrowRightInner": (231.4, 10.4), "eyebrowRightOuter": (265.6, 10.4),
    "eyeRightInner": (241.2, 40.4), "eyeRightTop": (249.4, 33.5), "eyeRightBottom": (250.2, 42.4),
    "eyeRightOuter": (258.7, 38.4), "noseRootLeft": (211.3, 42.4), "noseRootRight": (227.0, 41.7),
    "noseLeftAlarTop": (206.2, 64.4), "noseRightAlarTop": (233.6, 64.4), "noseLeftAlarOutTip": (199.6, 82.2),
    "noseRightAlarOutTip": (241.0, 81.4), "upperLipTop": (222.0, 102.4), "upperLipBottom": (222.0, 106.0),
    "underLipTop": (222.0, 112.0), "underLipBottom": (222.0, 119.0),
}  # fmt: skip
_ATTRIBUTES: dict[str, Any] = {
    "headPose": {"pitch": -6.6, "roll": 2.7, "yaw": -30.9},
    "glasses": "readingGlasses",
    "occlusion": {"foreheadOccluded": False, "eyeOccluded": True, "mouthOccluded": False},
    "accessories": [{"type": "headwear", "confidence": 0.8}],
    "blur": {"blurLevel": "low", "value": 0.1},
    "exposure": {"exposureLevel": "goodExposure", "value": 0.58},
    "noise": {"noiseLevel": "low", "value": 0.08},
    "mask": {"noseAndMouthCovered": True, "type": "faceMask"},
    "qualityForRecognition": "high",
}


def face(received: Received) -> list[dict[str, Any]]:
    found: dict[str, Any] = {"faceRectangle": {"top": 3, "left": 148, "width": 144, "height": 138}}
    if received.query.get("returnFaceLandmarks") == "true":
        found["faceLandmarks"] = {name: {"x": x, "y": y} for name, (x, y) in _POINTS.items()}
    if wanted := received.query.get("returnFaceAttributes"):
        found["faceAttributes"] = {name: _ATTRIBUTES[name] for name in wanted.split(",")}
    small = {"faceRectangle": {"top": 10, "left": 20, "width": 40, "height": 40}}
    return [small, found]


SEVERITIES = {"Hate": 0, "SelfHarm": 2, "Sexual": 4, "Violence": 6}


def safety(received: Received) -> dict[str, Any]:
    wanted = received.json.get("categories") or list(SEVERITIES)
    return {"categoriesAnalysis": [{"category": name, "severity": SEVERITIES[name]} for name in wanted]}


_METADATA = {"width": WIDTH, "height": HEIGHT, "format": "Png"}


def brands(_: Received) -> dict[str, Any]:
    brand = {"name": "Contoso", "confidence": 0.72, "rectangle": _box(48, 16, 96, 32)}
    return {"brands": [brand], "requestId": "r", "metadata": _METADATA, "modelVersion": "2021-05-01"}


def landmarks(_: Received) -> dict[str, Any]:
    found = [{"name": "Eiffel Tower", "confidence": 0.97}]
    return {"result": {"landmarks": found}, "requestId": "r", "metadata": _METADATA, "modelVersion": "2021-05-01"}


class Documents:
    """A job that is looked at twice before it has ended."""

    def __init__(self, result: dict[str, Any] | None = None, *, looks: int = 2) -> None:
        self.result = result
        self.looks = looks
        self.seen: dict[str, int] = {}
        self.asked: dict[str, Received] = {}

    def submit(self, received: Received) -> Reply:
        job = str(uuid.uuid4())
        self.asked[job] = received
        where = (
            f"https://westus2.api.cognitive.microsoft.com{received.path.removesuffix(':analyze')}/analyzeResults/{job}"
        )
        headers = {"Operation-Location": f"{where}?api-version=2024-11-30", "Retry-After": "0"}
        return Reply(body=None, headers=headers)

    def look(self, received: Received) -> Reply:
        job = received.path.rpartition("/")[2]
        self.seen[job] = self.seen.get(job, 0) + 1
        times = {"createdDateTime": "2026-11-21T08:00:00Z", "lastUpdatedDateTime": "2026-11-21T08:00:01Z"}
        if self.seen[job] < self.looks:
            return Reply(body={"status": "running", **times}, headers={"Retry-After": "0"})
        if self.result is not None:
            return Reply(body={**self.result, **times})
        model = received.path.split("/")[3]
        return Reply(body={"status": "succeeded", **times, "analyzeResult": document(model, self.asked[job])})


def document(model: str, received: Received) -> dict[str, Any]:
    """A page of 8.5 x 11 inches with a line, and what the model and the features add."""
    spot = [{"pageNumber": 1, "polygon": [0.85, 1.1, 4.25, 1.1, 4.25, 2.2, 0.85, 2.2]}]
    word = {"polygon": [0.85, 1.1, 2.55, 1.1, 2.55, 2.2, 0.85, 2.2], "confidence": 0.99}
    content = "Grüße 🌍 Total: 42"
    page = {
        "pageNumber": 1,
        "angle": 0.5,
        "width": 8.5,
        "height": 11,
        "unit": "inch",
        "spans": [{"offset": 0, "length": 17}],
        "words": [
            {"content": "Grüße", **word, "span": {"offset": 0, "length": 5}},
            {"content": "🌍", **word, "span": {"offset": 6, "length": 1}},
            {"content": "Total:", **word, "span": {"offset": 8, "length": 6}},
            {"content": "42", **word, "span": {"offset": 15, "length": 2}},
        ],
        "lines": [
            {"content": "Grüße 🌍", "polygon": spot[0]["polygon"], "spans": [{"offset": 0, "length": 7}]},
            {"content": "Total: 42", "polygon": spot[0]["polygon"], "spans": [{"offset": 8, "length": 9}]},
        ],
    }
    found: dict[str, Any] = {
        "apiVersion": "2024-11-30",
        "modelId": model,
        "stringIndexType": received.query.get("stringIndexType", "textElements"),
        "contentFormat": "text",
        "content": content,
        "pages": [page],
        "styles": [{"isHandwritten": True, "spans": [{"offset": 15, "length": 2}], "confidence": 0.9}],
        "paragraphs": [
            {"role": "title", "content": "Grüße 🌍", "boundingRegions": spot, "spans": [{"offset": 0, "length": 7}]}
        ],
    }
    if model == "prebuilt-layout":
        span = [{"offset": 15, "length": 2}]
        cells = [
            {"kind": "columnHeader", "rowIndex": 0, "columnIndex": 0, "content": "Total:", "spans": span},
            {"rowIndex": 0, "columnIndex": 1, "content": "42", "boundingRegions": spot, "spans": span},
        ]
        found["tables"] = [{"rowCount": 1, "columnCount": 2, "cells": cells, "boundingRegions": spot, "spans": span}]
    features = received.query.get("features", "").split(",")
    if "keyValuePairs" in features:
        span = [{"offset": 8, "length": 6}]
        found["keyValuePairs"] = [
            {
                "key": {"content": "Total:", "boundingRegions": spot, "spans": span},
                "value": {"content": "42", "boundingRegions": spot, "spans": [{"offset": 15, "length": 2}]},
                "confidence": 0.8,
            }
        ]
    if "queryFields" in features:
        name = received.query["queryFields"].split(",")[0]
        field = {"type": "string", "valueString": "42", "content": "42", "boundingRegions": spot, "confidence": 0.7}
        found["documents"] = [
            {"docType": "layout", "spans": [{"offset": 0, "length": 17}], "fields": {name: field}, "confidence": 1}
        ]
    return found


def translate(received: Received) -> Reply:
    items, total = [], 0
    for item in received.json["inputs"]:
        translations = [
            {"language": target["language"], "text": f"[{target['language']}] {item['text']}", "sourceCharacters": 1}
            for target in item["targets"]
        ]
        detected = {} if "language" in item else {"detectedLanguage": {"language": "zh-Hans", "score": 0.91}}
        items.append({**detected, "translations": translations})
        total += len(item["text"]) * len(item["targets"])
    return Reply(body={"value": items}, headers={"x-metered-usage": str(total)})


def translate_3(received: Received) -> Reply:
    detected = {} if "from" in received.query else {"detectedLanguage": {"language": "pt-pt", "score": 0.9}}
    to = received.query["to"]
    items = [{**detected, "translations": [{"to": to, "text": f"[{to}] {item['text']}"}]} for item in received.json]
    return Reply(body=items, headers={"X-Metered-Usage": str(sum(len(item["text"]) for item in received.json))})


def detect_3(received: Received) -> list[dict[str, Any]]:
    guess = {"isTranslationSupported": True, "isTransliterationSupported": False}
    others = [{"language": "nb", "score": 0.2, **guess}]
    return [{"language": "en", "score": 0.95, **guess, "alternatives": others} for _ in received.json]


def detect_by_language(received: Received) -> dict[str, Any]:
    """The last document first: order is told by the ids."""
    found = [
        {
            "id": each["id"],
            "warnings": [],
            "detectedLanguage": {"name": "x", "iso6391Name": each["text"] or "(Unknown)", "confidenceScore": 0.9},
        }
        for each in reversed(received.json["analysisInput"]["documents"])
    ]
    results = {"documents": found, "errors": [], "modelVersion": "2023-12-01"}
    return {"kind": "LanguageDetectionResults", "results": results}


NAMES = {
    "en": "English", "de": "German", "es": "Spanish", "zh-Hans": "Chinese Simplified", "zh-Hant": "Chinese Traditional",
    "pt": "Portuguese (Brazil)", "pt-pt": "Portuguese (Portugal)", "sr-Latn": "Serbian (Latin)",
    "sr-Cyrl": "Serbian (Cyrillic)", "nb": "Norwegian", "fil": "Filipino", "he": "Hebrew", "prs": "Dari",
    "mn-Cyrl": "Mongolian (Cyrillic)", "tlh-Latn": "Klingon (Latin)", "fr-ca": "French (Canada)", "ku": "Kurdish",
}  # fmt: skip


def languages(_: Received) -> dict[str, Any]:
    each = {"nativeName": "n", "dir": "ltr", "models": ["general"]}
    return {"translation": {code: {"name": name, **each} for code, name in NAMES.items()}}


def languages_3(_: Received) -> dict[str, Any]:
    each = {"nativeName": "n", "dir": "ltr"}
    return {"translation": {code: {"name": name, **each} for code, name in NAMES.items()}}


def translate_document(received: Received) -> Reply:
    content = b"[" + received.query["targetLanguage"].encode() + b"] " + received.files["document"]
    return Reply(body=content, headers={"Content-Type": "application/octet-stream"})


def transcribe(received: Received) -> dict[str, Any]:
    locale = (received.json.get("locales") or ["en-US"])[0]
    words = [
        {"text": "Hello", "offsetMilliseconds": 40, "durationMilliseconds": 320},
        {"text": "world.", "offsetMilliseconds": 360, "durationMilliseconds": 440},
    ]
    phrases = [
        {"speaker": 7, "offsetMilliseconds": 40, "durationMilliseconds": 760, "text": "Hello world.", "words": words},
        {"speaker": 3, "offsetMilliseconds": 800, "durationMilliseconds": 200, "text": "Hi."},
    ]
    if "diarization" not in received.json:
        for phrase in phrases:
            del phrase["speaker"]
    return {
        "durationMilliseconds": 1000,
        "combinedPhrases": [{"text": "Hello world. Hi."}],
        "phrases": [{**phrase, "locale": locale, "confidence": 0.87} for phrase in phrases],
    }


class Batches:
    """Jobs of batch transcription: queued, running, then `end`."""

    def __init__(self, *, end: str = "Succeeded", reads: bool = False) -> None:
        self.end = end
        self.reads = reads
        """Whether the recordings are read from their addresses, as Azure does."""
        self.url = ""
        self.jobs: dict[str, list[str]] = {}
        self.asked: dict[str, Any] = {}
        self.heard: list[bytes] = []

    def submit(self, received: Received) -> dict[str, Any]:
        job = str(uuid.uuid4())
        if self.reads:
            self.heard += [_read(address) for address in received.json["contentUrls"]]
        self.jobs[job] = ["NotStarted", "Running", self.end]
        self.asked[job] = received.json
        return self._job(job, "NotStarted")

    def _job(self, job: str, status: str) -> dict[str, Any]:
        asked = self.asked[job]
        properties = dict(asked["properties"])
        if status == "Failed":
            properties["error"] = {"code": "InvalidAudioFormat", "message": "The audio can't be read."}
        here = f"https://{REGION}.api.cognitive.microsoft.com/speechtotext/transcriptions/{job}"
        return {
            "self": f"{here}?api-version=2025-10-15",
            "displayName": asked["displayName"],
            "locale": asked["locale"],
            "createdDateTime": "2026-11-21T08:00:00Z",
            "lastActionDateTime": "2026-11-21T08:00:00Z",
            "status": status,
            "links": {"files": f"{here}/files?api-version=2025-10-15"},
            "properties": properties,
        }

    def list(self, received: Received) -> dict[str, Any]:
        name = received.query["filter"].split("'")[1]
        return {"values": [self._job(job, "Running") for job in self.jobs if self.asked[job]["displayName"] == name]}

    def status(self, received: Received) -> dict[str, Any]:
        job = received.path.rpartition("/")[2]
        states = self.jobs[job]
        return self._job(job, states.pop(0) if len(states) > 1 else states[0])

    def delete(self, received: Received) -> None:
        del self.jobs[received.path.rpartition("/")[2]]

    def files(self, received: Received) -> dict[str, Any]:
        job = received.path.split("/")[3]
        shared = {"self": "https://x/files/1", "properties": {"size": 200}, "createdDateTime": "2026-11-21T08:00:00Z"}
        return {
            "values": [
                {
                    **shared,
                    "name": "report.json",
                    "kind": "TranscriptionReport",
                    "links": {"contentUrl": f"{self.url}/artifacts/{job}/report.json?sig=a"},
                },
                {
                    **shared,
                    "name": "call.wav.json",
                    "kind": "Transcription",
                    "links": {"contentUrl": f"{self.url}/artifacts/{job}/call.wav.json?sig=s%2Bg%3D"},
                },
            ]
        }

    def transcript(self, received: Received) -> dict[str, Any]:
        assert received.query["sig"] == "s+g="
        return TRANSCRIPT


def _read(address: str) -> bytes:
    """As Azure does, with what is in the address and no more."""
    with urllib.request.urlopen(address, timeout=10) as reply:
        found: bytes = reply.read()
    return found


def _write(address: str, content: bytes) -> None:
    request = urllib.request.Request(address, data=content, headers={"x-ms-blob-type": "BlockBlob"}, method="PUT")
    with urllib.request.urlopen(request, timeout=10):
        pass


class Translations:
    """Jobs of document translation: not started, running, then `end`; the translation is written at its address."""

    def __init__(
        self, *, end: str = "Succeeded", error: dict[str, Any] | None = None, source: bytes | None = None
    ) -> None:
        self.end = end
        self.source = source
        """What is translated, where it is not read from its address."""
        self.error = error
        self.jobs: dict[str, list[str]] = {}
        self.asked: dict[str, Any] = {}
        self.cancelled: list[str] = []

    def submit(self, received: Received) -> Reply:
        job = str(uuid.uuid4())
        self.jobs[job] = ["NotStarted", "Running", self.end]
        self.asked[job] = received.json["inputs"][0]
        where = f"https://acme.cognitiveservices.azure.com/translator/document/batches/{job}?api-version=2026-03-01"
        return Reply(body=None, headers={"Operation-Location": where})

    def look(self, received: Received) -> Reply:
        job = received.path.rpartition("/")[2]
        states = self.jobs[job]
        state = states.pop(0) if len(states) > 1 else states[0]
        if state == "Succeeded":
            asked = self.asked[job]
            target = asked["targets"][0]
            source = _read(asked["source"]["sourceUrl"]) if self.source is None else self.source
            _write(target["targetUrl"], f"[{target['language']}] ".encode() + source)
        return Reply(body=self._job(job, state), headers={"Retry-After": "0"})

    def documents(self, received: Received) -> dict[str, Any]:
        times = {"createdDateTimeUtc": "2026-11-21T08:00:00Z", "lastActionDateTimeUtc": "2026-11-21T08:00:01Z"}
        error = self.error or {"code": "InvalidRequest", "message": "no"}
        found = {"sourcePath": "https://x/y", "status": "Failed", "to": "de", "progress": 0.0, "id": "1", **times}
        return {"value": [{**found, "error": error}]}

    def cancel(self, received: Received) -> dict[str, Any]:
        job = received.path.rpartition("/")[2]
        self.cancelled.append(job)
        return self._job(job, "Cancelling")

    def _job(self, job: str, status: str) -> dict[str, Any]:
        times = {"createdDateTimeUtc": "2026-11-21T08:00:00Z", "lastActionDateTimeUtc": "2026-11-21T08:00:01Z"}
        done = int(status == "Succeeded")
        counts = {"total": 1, "failed": 1 - done, "success": done, "inProgress": 0, "notYetStarted": 0, "cancelled": 0}
        return {"id": job, "status": status, **times, "summary": {**counts, "totalCharacterCharged": 21 * done}}


TRANSCRIPT: dict[str, Any] = {
    "source": "https://acme.blob.core.windows.net/calls/call.wav",
    "timestamp": "2026-11-21T09:30:21Z",
    "durationInTicks": 41200000,
    "duration": "PT4.12S",
    "combinedRecognizedPhrases": [
        {"channel": 0, "lexical": "hello world", "itn": "hello world", "maskedITN": "hello world",
         "display": "Hello world."},
    ],
    "recognizedPhrases": [
        {
            "recognitionStatus": "Success",
            "channel": 0,
            "speaker": 2,
            "offset": "PT0.07S",
            "duration": "PT1.59S",
            "offsetInTicks": 700000.0,
            "durationInTicks": 15900000.0,
            "nBest": [
                {
                    "confidence": 0.898652852,
                    "lexical": "hello world",
                    "display": "Hello world.",
                    "words": [
                        {"word": "hello", "offset": "PT0.09S", "duration": "PT0.48S", "offsetInTicks": 900000.0,
                         "durationInTicks": 4800000.0, "confidence": 0.987572},
                    ],
                },
                {"confidence": 0.5, "lexical": "yellow world", "display": "Yellow world."},
            ],
        },
        {"recognitionStatus": "Failure", "channel": 0, "offset": "PT3S", "duration": "PT1S", "nBest": []},
    ],
}  # fmt: skip


def speak(received: Received) -> Reply:
    """Half a second of silence at 24 kHz, with a header when it is RIFF."""
    head = b"RIFF" + b"\0" * 40 if received.headers["x-microsoft-outputformat"].startswith("riff") else b""
    return Reply(body=head + b"\0\0" * 12_000, headers={"Content-Type": "audio/x-wav"})


def _voice(locale: str, name: str, gender: str, *more: str, status: str = "GA") -> dict[str, Any]:
    return {
        "Name": f"Microsoft Server Speech Text to Speech Voice ({locale}, {name})",
        "DisplayName": name.removesuffix("Neural"),
        "LocalName": name,
        "ShortName": f"{locale}-{name}",
        "Gender": gender,
        "Locale": locale,
        "LocaleName": locale,
        "SampleRateHertz": "24000",
        "VoiceType": "Neural",
        "Status": status,
        "WordsPerMinute": "142",
        **({"SecondaryLocaleList": list(more)} if more else {}),
    }


def voices(_: Received) -> list[dict[str, Any]]:
    return [
        _voice("en-US", "JennyNeural", "Female"),
        _voice("en-US", "AvaMultilingualNeural", "Female", "de-DE", "zh-CN"),
        _voice("nb-NO", "NewNeural", "Male", status="Preview"),
        _voice("nb-NO", "PernilleNeural", "Female"),
        _voice("zh-HK", "HiuMaanNeural", "Female"),
        _voice("zh-CN-shandong", "YunxiangNeural", "Male"),
        _voice("sr-Latn-RS", "NicholasNeural", "Male"),
    ]


def handlers(
    documents: Documents | None = None, batches: Batches | None = None, translations: Translations | None = None
) -> dict[str, Any]:
    """By the names of the routes."""
    documents, batches, translations = documents or Documents(), batches or Batches(), translations or Translations()
    return {
        "images": images, "face": face, "safety": safety, "brands": brands, "landmarks": landmarks,
        "document": documents.submit, "document.result": documents.look, "translate": translate,
        "translate-3": translate_3, "detect-3": detect_3, "detect-language": detect_by_language,
        "languages": languages, "languages-3": languages_3,
        "translate-document": translate_document, "transcribe": transcribe, "submit": batches.submit,
        "status": batches.status, "delete": batches.delete, "files": batches.files, "transcript": batches.transcript,
        "list": batches.list, "batches": translations.submit, "batch": translations.look,
        "batch.documents": translations.documents, "batch.cancel": translations.cancel,
        "speak": speak, "voices": voices,
    }  # fmt: skip


def azure(
    documents: Documents | None = None,
    batches: Batches | None = None,
    translations: Translations | None = None,
    *,
    strict: bool = True,
) -> AbstractContextManager[AzureServer]:
    """The whole of it, for a block."""
    return azure_server.serving(handlers(documents, batches, translations), strict=strict)


def settings(server: AzureServer, **more: Any) -> dict[str, Any]:
    """`[backends.NAME]` of a backend that asks this server."""
    return {"provider": "azure", "endpoint_url": server.url, "api_key": KEY, "region": REGION, **more}
