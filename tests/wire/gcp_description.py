"""Google's own descriptions, made strict: for the loopback server of the gcp driver's tests.

Discovery documents (in google-api-python-client) for Vision, Translation, Text-to-Speech, Speech v1 and Document AI.
Speech v2 has none: its messages are the protobuf classes of google-cloud-speech, its paths the rules in that package.
Objects are closed, enums and formats are held to. Descriptions say "Required." of some members, in prose or in
`field_behavior`; what else is required stands in `REQUIRED` and `ONE_OF`, each with the page that says so.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import googleapiclient
from google.api import field_behavior_pb2
from google.cloud.speech_v2.services.speech.transports.rest_base import _BaseSpeechRestTransport
from google.cloud.speech_v2.types import cloud_speech
from google.longrunning import operations_pb2
from google.protobuf import json_format
from google.protobuf.empty_pb2 import Empty
from jsonschema import Draft202012Validator

DOCUMENTS = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
NAMES = ("vision.v1", "translate.v3", "translate.v2", "texttospeech.v1", "speech.v1", "documentai.v1")

VISION = "https://cloud.google.com/vision/docs/request"
DOCAI = "https://cloud.google.com/document-ai/docs/send-request"
STT = "https://cloud.google.com/speech-to-text/docs/speech-to-text-requests"
V2 = "https://cloud.google.com/translate/docs/reference/rest/v2/translate"
V3 = "https://cloud.google.com/translate/docs/reference/rest/v3/projects/detectLanguage"

REQUIRED: Mapping[tuple[str, str], tuple[tuple[str, ...], str]] = {
    ("vision.v1", "AnnotateImageRequest"): (("image", "features"), VISION),
    ("vision.v1", "Feature"): (("type",), VISION),
    ("translate.v2", "TranslateTextRequest"): (("q", "target"), V2),
    ("translate.v2", "DetectLanguageRequest"): (
        ("q",),
        "https://cloud.google.com/translate/docs/reference/rest/v2/detect",
    ),
    ("translate.v3", "GcsSource"): (("inputUri",), V3),
    ("documentai.v1", "GoogleCloudDocumentaiV1RawDocument"): (("content", "mimeType"), DOCAI),
    ("documentai.v1", "GoogleCloudDocumentaiV1GcsDocument"): (("gcsUri", "mimeType"), DOCAI),
}
"""Members that the documentation demands and no description marks. Requests only."""

ONE_OF: Mapping[tuple[str, str], tuple[tuple[str, ...], str]] = {
    ("vision.v1", "Image"): (("content", "source"), VISION),
    ("speech.v1", "RecognitionAudio"): (("content", "uri"), STT),
    ("texttospeech.v1", "SynthesisInput"): (
        ("text", "ssml", "markup", "multiSpeakerMarkup"),
        "https://cloud.google.com/text-to-speech/docs/reference/rest/v1/SynthesisInput",
    ),
    ("translate.v3", "DocumentInputConfig"): (("content", "gcsSource"), V3),
    ("translate.v3", "DetectLanguageRequest"): (("content", "documentInputConfig"), V3),
    ("documentai.v1", "GoogleCloudDocumentaiV1ProcessRequest"): (
        ("inlineDocument", "rawDocument", "gcsDocument"),
        DOCAI,
    ),
    ("speech.v2", "RecognizeRequest"): (("content", "uri"), "google/cloud/speech/v2/cloud_speech.proto"),
    ("speech.v2", "RecognitionConfig"): (
        ("autoDecodingConfig", "explicitDecodingConfig"),
        "google/cloud/speech/v2/cloud_speech.proto",
    ),
}
"""Exactly one of these."""

ANSWERS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("translate.v2", "TranslationsResource"): ("translatedText",),
    ("translate.v3", "DetectedLanguage"): ("languageCode",),
    ("translate.v3", "SupportedLanguage"): ("languageCode",),
    ("translate.v2", "LanguagesResource"): ("language",),
    ("vision.v1", "EntityAnnotation"): ("description",),
    ("vision.v1", "LocalizedObjectAnnotation"): ("name", "boundingPoly"),
    ("vision.v1", "FaceAnnotation"): ("boundingPoly",),
    ("texttospeech.v1", "Voice"): ("name", "languageCodes"),
    ("texttospeech.v1", "SynthesizeSpeechResponse"): ("audioContent",),
}
"""Members without which an answer of ours would be no answer; the descriptions demand nothing of answers."""

_PATTERNS = {
    "int64": r"^-?\d{1,19}$",
    "uint64": r"^\d{1,20}$",
    "byte": r"^(?:[A-Za-z0-9+/_-]{4})*(?:[A-Za-z0-9+/_-]{2}(?:==)?|[A-Za-z0-9+/_-]{3}=?)?$",
    "google-duration": r"^-?\d+(\.\d{1,9})?s$",
    "google-datetime": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$",
    "google-fieldmask": r"^[A-Za-z0-9_.,]*$",
}
_INTEGERS = {"int32": (-(2**31), 2**31 - 1), "uint32": (0, 2**32 - 1)}


@dataclass(frozen=True)
class Method:
    """One operation of a service."""

    id: str
    verb: str
    path: re.Pattern[str]
    document: Discovery | SpeechV2
    request: str | None
    response: str
    query: Mapping[str, Any] = field(default_factory=dict)
    wrapped: bool = False
    """Answers stand in `data` (Translation v2)."""

    def faults_of_request(self, body: Any, query: Mapping[str, str]) -> list[str]:
        faults = list(self._query_faults(query))
        if self.request is None:
            return [*faults, *(["a body, where there is none"] if body is not None else [])]
        return [*faults, *self.document.faults(self.request, body, answer=False)]

    def faults_of_answer(self, body: Any) -> list[str]:
        if not self.wrapped:
            return self.document.faults(self.response, body, answer=True)
        if not isinstance(body, dict) or set(body) != {"data"}:
            return ["the answer is not wrapped in data"]
        return self.document.faults(self.response, body["data"], answer=True)

    def _query_faults(self, query: Mapping[str, str]) -> Iterator[str]:
        for name in query:
            if name not in self.query and name not in ("$alt", "alt"):
                yield f"unknown query parameter {name}"


class Discovery:
    """A discovery document as JSON Schemas with closed objects."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.content = json.loads((DOCUMENTS / f"{name}.json").read_text(encoding="utf-8"))
        self._validators: dict[tuple[str, bool], Draft202012Validator] = {}

    def methods(self) -> Iterator[Method]:
        yield from self._methods(self.content)

    def _methods(self, resource: Mapping[str, Any]) -> Iterator[Method]:
        for each in resource.get("methods", {}).values():
            parameters = {**self.content["parameters"], **each.get("parameters", {})}
            yield Method(
                id=f"{self.name}:{each['id']}",
                verb=each["httpMethod"],
                path=self._path(each),
                document=self,
                request=each.get("request", {}).get("$ref"),
                response=each.get("response", {}).get("$ref", ""),
                query={name: known for name, known in parameters.items() if known["location"] == "query"},
                wrapped="dataWrapper" in self.content.get("features", []),
            )
        for inner in resource.get("resources", {}).values():
            yield from self._methods(inner)

    def _path(self, method: Mapping[str, Any]) -> re.Pattern[str]:
        def part(found: re.Match[str]) -> str:
            name = found[1].lstrip("+")
            pattern = method["parameters"][name].get("pattern", "^[^/]+$")
            return f"(?P<{name}>{pattern.strip('^$')})"

        whole = "/" + self.content.get("servicePath", "") + method["path"]
        pieces = re.split(r"(\{\+?\w+\})", whole)
        return re.compile("".join(part(m) if (m := re.fullmatch(r"\{(\+?\w+)\}", p)) else re.escape(p) for p in pieces))

    def faults(self, schema: str, value: Any, *, answer: bool) -> list[str]:
        key = (schema, answer)
        if key not in self._validators:
            definitions = {name: self._object(name, known, answer) for name, known in self.content["schemas"].items()}
            self._validators[key] = Draft202012Validator({"$ref": f"#/$defs/{schema}", "$defs": definitions})
        found = self._validators[key].iter_errors(value)
        return [f"{'/'.join(map(str, each.absolute_path))}: {each.message[:200]}" for each in found]

    def _object(self, name: str, known: Mapping[str, Any], answer: bool) -> dict[str, Any]:
        made = self._schema(known, answer)
        properties = known.get("properties", {})
        required = {key for key, each in properties.items() if each.get("description", "").startswith("Required")}
        if answer:
            made["required"] = list(ANSWERS.get((self.name, name), ()))
        else:
            made["required"] = sorted(required | set(REQUIRED.get((self.name, name), ((), ""))[0]))
            if (self.name, name) in ONE_OF:
                made["oneOf"] = [{"required": [key]} for key in ONE_OF[self.name, name][0]]
        return made

    def _schema(self, known: Mapping[str, Any], answer: bool) -> dict[str, Any]:
        if "$ref" in known:
            return {"$ref": f"#/$defs/{known['$ref']}"}
        kind, form = known.get("type"), known.get("format", "")
        if kind == "object":
            properties = {name: self._schema(each, answer) for name, each in known.get("properties", {}).items()}
            more = self._schema(known["additionalProperties"], answer) if "additionalProperties" in known else False
            return {"type": "object", "properties": properties, "additionalProperties": more}
        if kind == "array":
            return {"type": "array", "items": self._schema(known["items"], answer)}
        if kind == "string" and "enum" in known:
            names = {"enum": known["enum"]}
            numbers = {"type": "integer", "minimum": 0, "maximum": len(known["enum"]) - 1}
            return names if answer else {"anyOf": [names, numbers]}  # official clients send numbers
        if kind == "string":
            return {"type": "string", **({"pattern": _PATTERNS[form]} if form in _PATTERNS else {})}
        if kind == "integer":
            least, most = _INTEGERS[form]
            return {"type": "integer", "minimum": least, "maximum": most}
        return {} if kind == "any" else {"type": kind}


class SpeechV2:
    """Speech-to-Text v2 by its protobuf classes."""

    name = "speech.v2"

    def methods(self) -> Iterator[Method]:
        for name, request, response in (
            ("Recognize", "RecognizeRequest", "RecognizeResponse"),
            ("BatchRecognize", "BatchRecognizeRequest", "Operation"),
        ):
            options = getattr(_BaseSpeechRestTransport, f"_Base{name}")._get_http_options()
            for option in options:
                path = re.sub(r"\{(\w+)=([^}]+)\}", self._part, option["uri"])
                verb = option["method"].upper()
                compiled = re.compile(path)
                yield Method(
                    id=f"speech.v2:{name}", verb=verb, path=compiled, document=self, request=request, response=response
                )

        name = r"/v2/(?P<name>projects/[^/]+/locations/[^/]+/operations/[^/:]+)"
        yield Method(
            id="speech.v2:GetOperation",
            verb="GET",
            path=re.compile(name),
            document=self,
            request=None,
            response="Operation",
        )
        yield Method(
            id="speech.v2:CancelOperation",
            verb="POST",
            path=re.compile(name + ":cancel"),
            document=self,
            request="CancelOperationBody",
            response="Empty",
        )

    @staticmethod
    def _part(found: re.Match[str]) -> str:
        return f"(?P<{found[1]}>{found[2].replace('*', '[^/]+')})"

    def faults(self, schema: str, value: Any, *, answer: bool) -> list[str]:
        message = _OTHERS[schema]() if schema in _OTHERS else _message(schema)
        try:
            json_format.ParseDict(value, message)
        except (json_format.ParseError, TypeError, ValueError, AttributeError) as error:
            return [str(error)[:200]]
        return list(self._walk(message.DESCRIPTOR, value, "", answer))

    def _walk(self, descriptor: Any, value: Mapping[str, Any], path: str, answer: bool) -> Iterator[str]:
        """What `ParseDict` lets pass: names of the proto, invalid base64, enums out of range, missing members."""
        known = {each.json_name: each for each in descriptor.fields}
        required = {name for name, each in known.items() if _is_required(each)} - {"recognizer"}  # it is in the path
        choice = ONE_OF.get((self.name, descriptor.name))
        if not answer and required - set(value):
            yield f"{path}: {sorted(required - set(value))} missing"
        if not answer and choice and len(set(choice[0]) & set(value)) != 1:
            yield f"{path}: not exactly one of {choice[0]}"
        for name, each in value.items():
            if name not in known:
                yield f"{path}.{name} is not its JSON name"
                continue
            field_ = known[name]
            for one in each if field_.is_repeated and isinstance(each, list) else [each]:
                yield from self._member(field_, one, f"{path}.{name}", answer)

    def _member(self, field_: Any, value: Any, path: str, answer: bool) -> Iterator[str]:
        if field_.type == field_.TYPE_BYTES and not re.fullmatch(_PATTERNS["byte"], value):
            yield f"{path}: no base64"
        if field_.enum_type and isinstance(value, int) and value not in field_.enum_type.values_by_number:
            yield f"{path}: {value} is not in the enum"
        kind = field_.message_type
        if kind and isinstance(value, dict) and kind.full_name == "google.protobuf.Any":
            inner = {name: each for name, each in value.items() if name != "@type"}
            yield from self._walk(_message(value["@type"].rpartition(".")[2]).DESCRIPTOR, inner, path, answer)
        elif kind and isinstance(value, dict) and not kind.GetOptions().map_entry:
            yield from self._walk(kind, value, path, answer)


_OTHERS = {"Operation": operations_pb2.Operation, "Empty": Empty, "CancelOperationBody": Empty}
"""Of google.longrunning: https://cloud.google.com/speech-to-text/v2/docs/reference/rest/v2/projects.locations.operations"""


def _message(name: str) -> Any:
    kind = getattr(cloud_speech, name)
    return kind.pb(kind())


def _is_required(each: Any) -> bool:
    return field_behavior_pb2.REQUIRED in each.GetOptions().Extensions[field_behavior_pb2.field_behavior]


@cache
def methods() -> tuple[Method, ...]:
    """All that the server serves; those with the most of their path written out come first."""
    found = [method for name in NAMES for method in Discovery(name).methods()] + list(SpeechV2().methods())
    return tuple(sorted(found, key=lambda method: method.path.pattern.count("[^/]+")))


def find(verb: str, path: str) -> Method | None:
    return next((each for each in methods() if each.verb == verb and each.path.fullmatch(path)), None)


def decoded(text: str) -> bytes:
    """A `bytes` field."""
    return base64.b64decode(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4))
