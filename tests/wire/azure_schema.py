"""What Azure's own descriptions allow, as closed JSON Schemas: for the strict server of the azure driver's tests.

Most come from the model classes of the official Python packages, which are generated from Azure's TypeSpec: names,
types, enums and which members are required. What has no package (Computer Vision 3.2, Translator 3.0, batch
transcription, voices) is a table below, each with the address of its description or documentation.
"""

from __future__ import annotations

import datetime
import enum
import sys
import types
import typing
from functools import cache
from typing import Any

from azure.ai.contentsafety import models as safety
from azure.ai.documentintelligence import models as document
from azure.ai.transcription import models as transcription
from azure.ai.translation.document import models as documents
from azure.ai.translation.text import models as translation
from azure.ai.vision.face import models as face
from azure.ai.vision.imageanalysis import models as images
from jsonschema import Draft202012Validator

Schema = dict[str, Any]


class _Builder:
    """A schema of one model class and all it refers to."""

    def __init__(self, root: type) -> None:
        self.module = sys.modules[root.__module__]
        self.package = sys.modules[root.__module__.rpartition(".")[0]]
        self.defs: dict[str, Schema] = {}
        self.root = self.of(root)

    def of(self, kind: Any) -> Schema:
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin in (typing.Union, types.UnionType):
            return self.union([each for each in arguments if each is not type(None)])
        if origin is list:
            return {"type": "array", "items": self.of(arguments[0])}
        if origin is dict:
            return {"type": "object", "additionalProperties": self.of(arguments[1])}
        if isinstance(kind, typing.ForwardRef):
            kind = kind.__forward_arg__
        if isinstance(kind, str):
            return self.of(eval(kind, {**vars(self.module), "_models": self.package}))
        if isinstance(kind, type) and issubclass(kind, enum.Enum):
            return {"type": "string", "enum": [each.value for each in kind]}
        if isinstance(kind, type) and any(base.__name__ == "Model" for base in kind.__mro__):
            return self.model(kind)
        simple = {str: "string", bool: "boolean", int: "integer", float: "number", bytes: "string"}
        simple |= {datetime.datetime: "string", datetime.date: "string", datetime.time: "string"}
        return {"type": simple[kind]} if kind in simple else {}

    def union(self, kinds: list[Any]) -> Schema:
        """`str | Enum` is an enum that Azure may add to: here the known words only, so that a wrong one is seen."""
        schemas = [self.of(kind) for kind in kinds]
        known = [schema for schema in schemas if "enum" in schema]
        return known[0] if known else schemas[0] if len(schemas) == 1 else {"anyOf": schemas}

    def model(self, kind: type) -> Schema:
        name = kind.__name__
        if name not in self.defs:
            self.defs[name] = {}
            kind.__new__(kind)  # resolves its fields
            annotations: dict[str, Any] = {}
            for base in reversed(kind.__mro__):
                annotations |= getattr(base, "__annotations__", {})
            fields = kind._attr_to_rest_field  # type: ignore[attr-defined]
            members = {field._rest_name: self.of(annotations[attribute]) for attribute, field in fields.items()}
            required = [
                field._rest_name
                for attribute, field in fields.items()
                if "Optional" not in str(annotations[attribute]) and "None" not in str(annotations[attribute])
            ]
            self.defs[name] = _closed(members, required)
        return {"$ref": f"#/$defs/{name}"}


def _closed(members: dict[str, Schema], required: list[str]) -> Schema:
    return {"type": "object", "properties": members, "required": required, "additionalProperties": False}


def _of(root: type) -> Schema:
    builder = _Builder(root)
    return {**builder.root, "$defs": builder.defs}


def _list(items: Schema) -> Schema:
    defs = items.pop("$defs", {})
    return {"type": "array", "items": items, "$defs": defs}


def _o(required: str = "", **members: Schema) -> Schema:
    return _closed(members, required.split())


TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer"}
FLAG: Schema = {"type": "boolean"}
RATIO: Schema = {"type": "number", "minimum": 0, "maximum": 1}


def _array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _words(*words: str) -> Schema:
    return {"type": "string", "enum": list(words)}


# https://github.com/Azure/azure-rest-api-specs/blob/main/specification/cognitiveservices/data-plane/ComputerVision/
# stable/v3.2/ComputerVision.json (ImageAnalysis, DetectedBrand, DomainModelResults); nothing is marked as required
# there: what the documentation's examples always have is, here.
_METADATA = _o("width height", width=WHOLE, height=WHOLE, format=TEXT)
_RECTANGLE = _o("x y w h", x=WHOLE, y=WHOLE, w=WHOLE, h=WHOLE)
BRANDS = _o(
    "brands requestId metadata",
    brands=_array(_o("name confidence rectangle", name=TEXT, confidence=RATIO, rectangle=_RECTANGLE)),
    requestId=TEXT,
    metadata=_METADATA,
    modelVersion=TEXT,
)
LANDMARKS = _o(
    "result requestId metadata",
    result=_o("landmarks", landmarks=_array(_o("name confidence", name=TEXT, confidence=RATIO))),
    requestId=TEXT,
    metadata=_METADATA,
    modelVersion=TEXT,
)

# https://github.com/Azure/azure-rest-api-specs/blob/main/specification/translation/data-plane/TextTranslation/stable/
# 3.0/openapi.json (InputTextItem, TranslatedTextItem, GetSupportedLanguagesResult)
TEXTS_3 = {**_array(_o("text", text=TEXT)), "minItems": 1, "maxItems": 1000}
_DETECTED = _o("language score", language=TEXT, score=NUMBER)
TRANSLATED_3 = _array(
    _o(
        "translations",
        detectedLanguage=_DETECTED,
        translations=_array(
            _o("to text", to=TEXT, text=TEXT, transliteration={}, alignment={}, sentLen={}),
        ),
        sourceText=_o("text", text=TEXT),
    )
)
# https://learn.microsoft.com/azure/ai-services/translator/text-translation/reference/v3/detect (read 2026-11-21)
_GUESS = {
    "language": TEXT,
    "score": RATIO,
    "isTranslationSupported": FLAG,
    "isTransliterationSupported": FLAG,
}
DETECTED_3 = _array(
    _closed({**_GUESS, "alternatives": _array(_closed(_GUESS, list(_GUESS)))}, list(_GUESS)),
)
DETECT_TEXTS_3 = {**TEXTS_3, "maxItems": 100}
_LANGUAGE_3 = _o("name nativeName dir", name=TEXT, nativeName=TEXT, dir=_words("ltr", "rtl"))
LANGUAGES_3 = _o("translation", translation={"type": "object", "additionalProperties": _LANGUAGE_3})

# https://learn.microsoft.com/rest/api/language/text-analysis-runtime/analyze-text (2024-11-01: LanguageDetection)
DETECT_LANGUAGE = _o(
    "kind analysisInput",
    kind=_words("LanguageDetection"),
    analysisInput=_o(
        "documents",
        documents={
            **_array(_o("id text", id=TEXT, text={"type": "string", "maxLength": 5120}, countryHint=TEXT)),
            "minItems": 1,
            "maxItems": 1000,
        },
    ),
    parameters=_o(loggingOptOut=FLAG, modelVersion=TEXT),
)
_LANGUAGE_FOUND = _o("name iso6391Name confidenceScore", name=TEXT, iso6391Name=TEXT, confidenceScore=RATIO)
LANGUAGE_DETECTED = _o(
    "kind results",
    kind=_words("LanguageDetectionResults"),
    results=_o(
        "documents errors modelVersion",
        documents=_array(
            _o("id warnings detectedLanguage", id=TEXT, warnings=_array({}), detectedLanguage=_LANGUAGE_FOUND)
        ),
        errors=_array(
            _o("id error", id=TEXT, error=_closed({"code": TEXT, "message": TEXT, "innererror": {}}, ["code"]))
        ),
        modelVersion=TEXT,
    ),
)

# https://github.com/Azure/azure-rest-api-specs/blob/main/specification/cognitiveservices/data-plane/Speech/
# SpeechToText/stable/2025-10-15/speechtotext.json (Transcription, TranscriptionProperties, PaginatedFiles)
_BATCH_PROPERTIES = {
    "wordLevelTimestampsEnabled": FLAG,
    "displayFormWordLevelTimestampsEnabled": FLAG,
    "channels": _array(WHOLE),
    "punctuationMode": _words("None", "Dictated", "Automatic", "DictatedAndAutomatic"),
    "profanityFilterMode": _words("None", "Removed", "Tags", "Masked"),
    "timeToLiveHours": {"type": "integer", "minimum": 6, "maximum": 744},
    "diarization": _o("enabled", enabled=FLAG, maxSpeakers={"type": "integer", "minimum": 2, "maximum": 35}),
    "languageIdentification": _o(
        "candidateLocales",
        mode=_words("Continuous", "Single"),
        candidateLocales={**_array(TEXT), "minItems": 2, "maxItems": 10},
        speechModelMapping={"type": "object"},
    ),
    "destinationContainerUrl": TEXT,
}
_MODEL = _o("self", self=TEXT)
SUBMIT = _o(
    "displayName locale properties contentUrls",
    displayName=TEXT,
    description=TEXT,
    locale=TEXT,
    contentUrls={**_array(TEXT), "minItems": 1, "maxItems": 1000},
    model=_MODEL,
    properties=_closed(_BATCH_PROPERTIES, ["timeToLiveHours"]),
)
_BATCH_ERROR = _o("code message", code=TEXT, message=TEXT)
JOB = _o(
    "self displayName locale createdDateTime lastActionDateTime status links properties",
    self=TEXT,
    displayName=TEXT,
    locale=TEXT,
    createdDateTime=TEXT,
    lastActionDateTime=TEXT,
    status=_words("NotStarted", "Running", "Succeeded", "Failed"),
    links=_o("files", files=TEXT),
    model=_MODEL,
    properties=_closed({**_BATCH_PROPERTIES, "durationMilliseconds": WHOLE, "error": _BATCH_ERROR}, []),
)
JOBS = _closed({"values": _array(JOB), "@nextLink": TEXT}, ["values"])
FILES = _closed(
    {
        "values": _array(
            _o(
                "self name kind links properties createdDateTime",
                self=TEXT,
                name=TEXT,
                kind=_words("Transcription", "TranscriptionReport"),
                links=_o("contentUrl", contentUrl=TEXT),
                properties=_o("size", size=WHOLE),
                createdDateTime=TEXT,
            )
        ),
        "@nextLink": TEXT,
    },
    ["values"],
)
# https://learn.microsoft.com/azure/ai-services/speech-service/batch-transcription-get (read 2026-11-21)
_TIMES = {"offset": TEXT, "duration": TEXT, "offsetInTicks": NUMBER, "durationInTicks": NUMBER}
_SPOKEN_WORD = _closed({"word": TEXT, "confidence": RATIO, **_TIMES}, ["word", "offset", "duration"])
_READING = _o(
    "confidence lexical display",
    confidence=RATIO,
    lexical=TEXT,
    itn=TEXT,
    maskedITN=TEXT,
    display=TEXT,
    words=_array(_SPOKEN_WORD),
)
_PHRASE = _closed(
    {
        "recognitionStatus": TEXT,
        "channel": WHOLE,
        "speaker": WHOLE,
        "locale": TEXT,
        **_TIMES,
        "nBest": _array(_READING),
    },
    ["recognitionStatus", "channel", "offset", "duration"],
)
TRANSCRIPT = _o(
    "source timestamp durationInTicks duration combinedRecognizedPhrases recognizedPhrases",
    source=TEXT,
    timestamp=TEXT,
    durationInTicks=NUMBER,
    duration=TEXT,
    combinedRecognizedPhrases=_array(
        _o("channel display", channel=WHOLE, lexical=TEXT, itn=TEXT, maskedITN=TEXT, display=TEXT)
    ),
    recognizedPhrases=_array(_PHRASE),
)
# https://learn.microsoft.com/azure/ai-services/speech-service/rest-text-to-speech#get-a-list-of-voices
VOICES = _array(
    _o(
        "Name DisplayName LocalName ShortName Gender Locale SampleRateHertz VoiceType Status",
        Name=TEXT,
        DisplayName=TEXT,
        LocalName=TEXT,
        ShortName=TEXT,
        Gender=_words("Female", "Male", "Neutral"),
        Locale=TEXT,
        LocaleName=TEXT,
        SecondaryLocaleList=_array(TEXT),
        SampleRateHertz={"type": "string", "pattern": "^[0-9]+$"},
        VoiceType=_words("Neural", "NeuralHD", "Standard"),
        Status=_words("GA", "Preview", "Deprecated"),
        WordsPerMinute={"type": "string"},
        StyleList=_array(TEXT),
        RolePlayList=_array(TEXT),
        VoiceTag={"type": "object"},
        ExtendedPropertyMap={"type": "object"},
    )
)
IMAGE_URL = _o("url", url=TEXT)


def _document_reply() -> Schema:
    """https://learn.microsoft.com/rest/api/aiservices/document-models/get-analyze-result (AnalyzeOperation): the
    package reads only what is inside."""
    result = _of(document.AnalyzeResult)
    error = _of(document.DocumentIntelligenceError)
    members = {
        "status": _words("notStarted", "running", "failed", "succeeded", "canceled", "skipped"),
        "createdDateTime": TEXT,
        "lastUpdatedDateTime": TEXT,
        "error": {"$ref": error["$ref"]},
        "analyzeResult": {"$ref": result["$ref"]},
    }
    whole = _closed(members, ["status", "createdDateTime", "lastUpdatedDateTime"])
    return {**whole, "$defs": {**result["$defs"], **error["$defs"]}}


def _listed(kind: type) -> Schema:
    """A page of a list: https://learn.microsoft.com/azure/ai-services/translator/document-translation/latest/rest-api/
    get-status-for-all-documents."""
    found = _of(kind)
    whole = _closed({"value": _array({"$ref": found["$ref"]}), "nextLink": TEXT}, ["value"])
    return {**whole, "$defs": found["$defs"]}


_MODELS: dict[str, Any] = {
    "images.reply": lambda: _of(images.ImageAnalysisResult),
    "face.reply": lambda: _list(_of(face.FaceDetectionResult)),
    "safety.request": lambda: _of(safety.AnalyzeImageOptions),
    "safety.reply": lambda: _of(safety.AnalyzeImageResult),
    "document.request": lambda: _of(document.AnalyzeDocumentRequest),
    "document.reply": _document_reply,
    "translate.request": lambda: _of(sys.modules[translation.__name__ + "._models"].TranslateBody),
    "translate.reply": lambda: _of(sys.modules[translation.__name__ + "._models"].TranslationResult),
    "languages.reply": lambda: _of(translation.GetSupportedLanguagesResult),
    "batches.request": lambda: _of(documents.StartTranslationDetails),
    "batch.reply": lambda: _of(documents.TranslationStatus),
    "batch.documents.reply": lambda: _listed(documents.DocumentStatus),
    "transcribe.request": lambda: _of(transcription.TranscriptionOptions),
    "transcribe.reply": lambda: _of(transcription.TranscriptionResult),
}
_TABLES: dict[str, Schema] = {
    "image-url.request": IMAGE_URL,
    "brands.reply": BRANDS,
    "landmarks.reply": LANDMARKS,
    "translate-3.request": TEXTS_3,
    "translate-3.reply": TRANSLATED_3,
    "detect-3.request": DETECT_TEXTS_3,
    "detect-3.reply": DETECTED_3,
    "languages-3.reply": LANGUAGES_3,
    "detect-language.request": DETECT_LANGUAGE,
    "detect-language.reply": LANGUAGE_DETECTED,
    "submit.request": SUBMIT,
    "submit.reply": JOB,
    "status.reply": JOB,
    "list.reply": JOBS,
    "files.reply": FILES,
    "transcript.reply": TRANSCRIPT,
    "voices.reply": VOICES,
}


@cache
def schema(name: str) -> Schema:
    """A closed schema by its name, `translate.request`."""
    found: Schema = _MODELS[name]() if name in _MODELS else _TABLES[name]
    return found


@cache
def validator(name: str) -> Draft202012Validator:
    """Compiled once."""
    return Draft202012Validator(schema(name))


def problems(name: str, value: object) -> list[str]:
    """What is wrong with a body, a line each; empty: nothing."""
    found = validator(name).iter_errors(value)
    return [f"{name} {each.json_path}: {each.message[:200]}" for each in found]
