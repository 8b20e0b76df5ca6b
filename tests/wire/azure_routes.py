"""The operations of Azure that the driver asks: path, query, body and answer of each, with where that is described."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Route:
    """One operation. `query`: parameter -> pattern of its value; those that end in `!` are required."""

    name: str
    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    takes: str = ""
    """A schema's name, `image` (bytes or the JSON of an address), `form`, `ssml`, or nothing."""
    gives: str = ""
    """A schema's name, `audio`, `document`, or nothing."""
    status: int = 200
    source: str = ""


def _version(value: str) -> dict[str, str]:
    return {"api-version!": re.escape(value)}


_TAG = r"[A-Za-z]{2,3}(-[A-Za-z0-9]+)*"
_IMAGE_FEATURE = "(tags|caption|denseCaptions|objects|read|smartCrops|people)"
_FACE_ATTRIBUTE = "(headPose|glasses|occlusion|accessories|blur|exposure|noise|mask|qualityForRecognition)"
_DOCUMENT_FEATURE = "(ocrHighResolution|languages|barcodes|formulas|keyValuePairs|styleFont|queryFields)"
_V32 = (
    "https://github.com/Azure/azure-rest-api-specs/blob/main/specification/cognitiveservices/data-plane/"
    "ComputerVision/stable/v3.2/ComputerVision.json"
)
_SPEECH = (
    "https://github.com/Azure/azure-rest-api-specs/blob/main/specification/cognitiveservices/data-plane/Speech/"
    "SpeechToText/stable/2025-10-15/speechtotext.json"
)
_TTS = "https://learn.microsoft.com/azure/ai-services/speech-service/rest-text-to-speech"

ROUTES = (
    Route(
        name="images",
        method="POST",
        path="/computervision/imageanalysis:analyze",
        query={
            **_version("2023-10-01"),
            "features!": f"{_IMAGE_FEATURE}(,{_IMAGE_FEATURE})*",
            "language": _TAG,
            "gender-neutral-caption": "true|false",
            "model-version": r"latest|\d{4}-\d\d-\d\d",
            "smartcrops-aspect-ratios": r"[0-9.,]+",
        },
        takes="image",
        gives="images.reply",
        source="azure-ai-vision-imageanalysis 1.0.0",
    ),
    Route(
        name="face",
        method="POST",
        path="/face/v1.2/detect",
        query={
            "detectionModel": "detection_0[123]",
            "recognitionModel": "recognition_0[1234]",
            "returnFaceId": "true|false",
            "returnFaceLandmarks": "true|false",
            "returnFaceAttributes": f"{_FACE_ATTRIBUTE}(,{_FACE_ATTRIBUTE})*",
            "returnRecognitionModel": "true|false",
            "faceIdTimeToLive": r"\d+",
        },
        takes="image",
        gives="face.reply",
        source="https://learn.microsoft.com/rest/api/face/face-detection-operations/detect",
    ),
    Route(
        name="safety",
        method="POST",
        path="/contentsafety/image:analyze",
        query=_version("2023-10-01"),
        takes="safety.request",
        gives="safety.reply",
        source="azure-ai-contentsafety 1.0.0",
    ),
    Route(
        name="brands",
        method="POST",
        path="/vision/v3.2/analyze",
        query={"visualFeatures": "Brands", "details": ".*", "language": "en|es|ja|pt|zh", "model-version": ".*"},
        takes="image",
        gives="brands.reply",
        source=_V32,
    ),
    Route(
        name="landmarks",
        method="POST",
        path="/vision/v3.2/models/landmarks/analyze",
        query={"language": "en|es|ja|pt|zh", "model-version": ".*"},
        takes="image",
        gives="landmarks.reply",
        source=_V32,
    ),
    Route(
        name="document",
        method="POST",
        path=r"/documentintelligence/documentModels/[A-Za-z0-9._~-]+:analyze",
        query={
            **_version("2024-11-30"),
            "stringIndexType": "textElements|unicodeCodePoint|utf16CodeUnit",
            "pages": r"\d+(-\d+)?(,\d+(-\d+)?)*",
            "locale": _TAG,
            "features": f"{_DOCUMENT_FEATURE}(,{_DOCUMENT_FEATURE})*",
            "queryFields": r"[\w]+(,[\w]+)*",
            "outputContentFormat": "text|markdown",
            "output": "pdf|figures",
        },
        takes="document.request",
        status=202,
        source="azure-ai-documentintelligence 1.0.2",
    ),
    Route(
        name="document.result",
        method="GET",
        path=r"/documentintelligence/documentModels/[A-Za-z0-9._~-]+/analyzeResults/[A-Za-z0-9-]+",
        query=_version("2024-11-30"),
        gives="document.reply",
        source="azure-ai-documentintelligence 1.0.2",
    ),
    Route(
        name="translate",
        method="POST",
        path="/translate",
        query=_version("2026-06-06"),
        takes="translate.request",
        gives="translate.reply",
        source="azure-ai-translation-text 2.0.0",
    ),
    Route(
        name="translate-3",
        method="POST",
        path="/translate",
        query={
            **_version("3.0"),
            "to!": _TAG,
            "from": _TAG,
            "textType": "Plain|Html",
            "category": r"[\w-]+",
            "profanityAction": "NoAction|Marked|Deleted",
            "profanityMarker": "Asterisk|Tag",
            "includeAlignment": "true|false",
            "includeSentenceLength": "true|false",
            "suggestedFrom": _TAG,
            "fromScript": r"\w+",
            "toScript": r"\w+",
            "allowFallback": "true|false",
        },
        takes="translate-3.request",
        gives="translate-3.reply",
        source="https://github.com/Azure/azure-rest-api-specs/blob/main/specification/translation/data-plane/"
        "TextTranslation/stable/3.0/openapi.json",
    ),
    Route(
        name="detect-3",
        method="POST",
        path="/detect",
        query=_version("3.0"),
        takes="detect-3.request",
        gives="detect-3.reply",
        source="https://learn.microsoft.com/azure/ai-services/translator/text-translation/reference/v3/detect",
    ),
    Route(
        name="detect-language",
        method="POST",
        path="/language/:analyze-text",
        query={**_version("2024-11-01"), "showStats": "true|false"},
        takes="detect-language.request",
        gives="detect-language.reply",
        source="https://learn.microsoft.com/rest/api/language/text-analysis-runtime/analyze-text",
    ),
    Route(
        name="languages",
        method="GET",
        path="/languages",
        query={**_version("2026-06-06"), "scope": "translation|transliteration|models(,.*)?"},
        gives="languages.reply",
        source="azure-ai-translation-text 2.0.0",
    ),
    Route(
        name="languages-3",
        method="GET",
        path="/languages",
        query={**_version("3.0"), "scope": "translation|transliteration|dictionary(,.*)?"},
        gives="languages-3.reply",
    ),
    Route(
        name="translate-document",
        method="POST",
        path="/translator/document:translate",
        query={
            **_version("2026-03-01"),
            "targetLanguage!": _TAG,
            "sourceLanguage": _TAG,
            "category": r"[\w-]+",
            "deploymentName": r"[\w-]+",
            "allowFallback": "true|false",
            "translateTextWithinImage": "true|false",
        },
        takes="form",
        gives="document",
        source="azure-ai-translation-document 2.0.0",
    ),
    Route(
        name="batches",
        method="POST",
        path="/translator/document/batches",
        query=_version("2026-03-01"),
        takes="batches.request",
        status=202,
        source="azure-ai-translation-document 2.0.0",
    ),
    Route(
        name="batch",
        method="GET",
        path=r"/translator/document/batches/[A-Za-z0-9-]+",
        query=_version("2026-03-01"),
        gives="batch.reply",
        source="azure-ai-translation-document 2.0.0",
    ),
    Route(
        name="batch.documents",
        method="GET",
        path=r"/translator/document/batches/[A-Za-z0-9-]+/documents",
        query={**_version("2026-03-01"), "top": r"\d+", "skip": r"\d+"},
        gives="batch.documents.reply",
        source="azure-ai-translation-document 2.0.0",
    ),
    Route(
        name="batch.cancel",
        method="DELETE",
        path=r"/translator/document/batches/[A-Za-z0-9-]+",
        query=_version("2026-03-01"),
        gives="batch.reply",
        source="azure-ai-translation-document 2.0.0",
    ),
    Route(
        name="transcribe",
        method="POST",
        path="/speechtotext/transcriptions:transcribe",
        query=_version("2025-10-15"),
        takes="form",
        gives="transcribe.reply",
        source="azure-ai-transcription 1.0.0",
    ),
    Route(
        name="submit",
        method="POST",
        path="/speechtotext/transcriptions:submit",
        query=_version("2025-10-15"),
        takes="submit.request",
        gives="submit.reply",
        status=201,
        source=_SPEECH,
    ),
    Route(
        name="list",
        method="GET",
        path="/speechtotext/transcriptions",
        query={**_version("2025-10-15"), "skip": r"\d+", "top": r"\d+", "filter": "displayName eq '[^']+'"},
        gives="list.reply",
        source=_SPEECH,
    ),
    Route(
        name="status",
        method="GET",
        path=r"/speechtotext/transcriptions/[A-Za-z0-9-]+",
        query=_version("2025-10-15"),
        gives="status.reply",
        source=_SPEECH,
    ),
    Route(
        name="delete",
        method="DELETE",
        path=r"/speechtotext/transcriptions/[A-Za-z0-9-]+",
        query=_version("2025-10-15"),
        status=204,
        source=_SPEECH,
    ),
    Route(
        name="files",
        method="GET",
        path=r"/speechtotext/transcriptions/[A-Za-z0-9-]+/files",
        query={**_version("2025-10-15"), "skip": r"\d+", "top": r"\d+", "sasLifetimeMinutes": r"\d+"},
        gives="files.reply",
        source=_SPEECH,
    ),
    Route(
        name="transcript",
        method="GET",
        path="/artifacts/.+",
        query={"sig!": ".+"},
        gives="transcript.reply",
        source="https://learn.microsoft.com/azure/ai-services/speech-service/batch-transcription-get",
    ),
    Route(name="speak", method="POST", path="/cognitiveservices/v1", takes="ssml", gives="audio", source=_TTS),
    Route(name="voices", method="GET", path="/cognitiveservices/voices/list", gives="voices.reply", source=_TTS),
)


class Wrong(Exception):
    """A request that the description does not allow: status and a reason."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


def matched(method: str, path: str, query: Mapping[str, str]) -> Route:
    """The operation of a request. Raises `Wrong` when there is none, or its query is not allowed."""
    fitting = [route for route in ROUTES if route.method == method and re.fullmatch(route.path, path)]
    if not fitting:
        raise Wrong(f"{method} {path} is no operation", 404)
    version = [route for route in fitting if _right("api-version", query.get("api-version", ""), route)]
    if not version:
        raise Wrong(f"{path}: wrong api-version {query.get('api-version')!r}")
    _check_query(version[0], query)
    return version[0]


def _pattern(name: str, route: Route) -> str | None:
    return route.query.get(name) or route.query.get(f"{name}!")


def _right(name: str, value: str, route: Route) -> bool:
    pattern = _pattern(name, route)
    return re.fullmatch(pattern, value) is not None if pattern else not value


def _check_query(route: Route, query: Mapping[str, str]) -> None:
    for name, value in query.items():
        if _pattern(name, route) is None:
            raise Wrong(f"{route.name}: unknown parameter {name}")
        if not _right(name, value, route):
            raise Wrong(f"{route.name}: {name}={value!r}")
    for name in route.query:
        if name.endswith("!") and name[:-1] not in query:
            raise Wrong(f"{route.name}: {name[:-1]} is left out")
