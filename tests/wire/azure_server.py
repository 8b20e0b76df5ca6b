"""A loopback server that speaks Azure and forgives nothing: for the tests of the azure driver.

Each request is held to the description of its operation (path, query, headers, body; `azure_schema`), each answer to
it before it is sent. What is wrong is noted in `violations`, which `serving` demands to be empty. Keys are checked.
"""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import policy
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree

import azure_schema

KEY = "loopback-key-0123456789abcdef"
TOKEN = "loopback.entra.token"
REGION = "eastus"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An error as Azure sends it: `body` is its JSON, or what a proxy puts in its place."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Broken:
    """Something that is no answer: `reset`, `hang`, `truncated`, `html`, `empty`, `drip`."""

    kind: str
    seconds: float = 30.0


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request as the service understood it."""

    operation: str
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    json: Any = None
    files: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer with more than a body."""

    body: Any
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


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
_OUTPUT = (
    r"(riff|raw)-(8khz|16khz|22050hz|24khz|44100hz|48khz)-16bit-mono-pcm|(riff|raw)-8khz-8bit-mono-(mulaw|alaw)|"
    r"audio-16khz-(32|64|128)kbitrate-mono-mp3|audio-24khz-(48|96|160)kbitrate-mono-mp3|"
    r"audio-48khz-(96|192)kbitrate-mono-mp3|(ogg|webm)-(16|24|48)khz-16bit-mono-opus"
)

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
            "textType": "plain|html",
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


def understood(route: Route, received: Received) -> Received:
    """The request with its body read. Raises `Wrong` for one that the description does not allow."""
    kind = received.headers.get("content-type", "")
    if not route.takes:
        if received.body:
            raise Wrong(f"{route.name} takes no body")
        return received
    if route.takes == "image":
        return _image(received, kind)
    if route.takes == "form":
        return _form(route, received, kind)
    if route.takes == "ssml":
        return _ssml(received, kind)
    return _json(route.takes, received, kind)


def _json(name: str, received: Received, kind: str) -> Received:
    if kind.partition(";")[0] != "application/json":
        raise Wrong(f"{name}: content type {kind!r}", 415)
    try:
        value = json.loads(received.body)
    except ValueError:
        raise Wrong(f"{name}: no JSON") from None
    if found := azure_schema.problems(name, value):
        raise Wrong("; ".join(found))
    return _with(received, json=value)


def _image(received: Received, kind: str) -> Received:
    if kind.startswith("application/json"):
        return _json("image-url.request", received, kind)
    if kind != "application/octet-stream":
        raise Wrong(f"an image is application/octet-stream, not {kind!r}", 415)
    if not received.body:
        raise Wrong("an empty image")
    return received


def _form(route: Route, received: Received, kind: str) -> Received:
    message = BytesParser(policy=policy.HTTP).parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + received.body)
    if not message.is_multipart():
        raise Wrong(f"{route.name} takes multipart/form-data, not {kind!r}", 415)
    files: dict[str, bytes] = {}
    for part in message.iter_parts():  # type: ignore[attr-defined]
        name = part.get_param("name", header="content-disposition")
        files[str(name)] = part.get_payload(decode=True) or b""
        wants_file = name in ("audio", "document", "glossary")
        if wants_file != bool(part.get_filename()):
            raise Wrong(f"{route.name}: part {name}: a file name where none belongs, or none where one does")
    allowed = {"transcribe": {"audio", "definition"}, "translate-document": {"document", "glossary"}}[route.name]
    if not files.keys() <= allowed:
        raise Wrong(f"{route.name}: unknown parts {sorted(files.keys() - allowed)}")
    if route.name == "translate-document":
        if not files.get("document"):
            raise Wrong("no document")
        return _with(received, files=files)
    definition = json.loads(files.get("definition", b"null"))
    if found := azure_schema.problems("transcribe.request", definition):
        raise Wrong("; ".join(found))
    if bool(files.get("audio")) == ("audioUrl" in definition):
        raise Wrong("transcribe: one of audio and audioUrl")
    return _with(received, files=files, json=definition)


def _ssml(received: Received, kind: str) -> Received:
    """https://learn.microsoft.com/azure/ai-services/speech-service/speech-synthesis-markup-structure"""
    if kind != "application/ssml+xml":
        raise Wrong(f"SSML is application/ssml+xml, not {kind!r}", 415)
    if not re.fullmatch(_OUTPUT, received.headers.get("x-microsoft-outputformat", "")):
        raise Wrong(f"no output format {received.headers.get('x-microsoft-outputformat')!r}")
    if not 0 < len(received.headers.get("user-agent", "")) < 255:
        raise Wrong("a User-Agent is required")
    try:
        root = ElementTree.fromstring(received.body)
    except ElementTree.ParseError as error:
        raise Wrong(f"SSML: {error}") from None
    space = "{http://www.w3.org/2001/10/synthesis}"
    language = root.get("{http://www.w3.org/XML/1998/namespace}lang")
    if root.tag != f"{space}speak" or root.get("version") != "1.0" or not language:
        raise Wrong("speak needs its namespace, version 1.0 and xml:lang")
    named = [voice.get("name") for voice in root.findall(f"{space}voice")]
    if not named or not all(named):
        raise Wrong("speak needs a voice with a name")
    return received


def _with(received: Received, **more: Any) -> Received:
    return Received(**{**{name: getattr(received, name) for name in Received.__dataclass_fields__}, **more})


Handler = Callable[[Received], Any]


class AzureServer:
    """Answers by `handlers`; a queue of `troubles` goes before them."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self.handlers = dict(handlers)
        self.troubles: deque[Failure | Broken] = deque()
        self.requests: list[Received] = []
        self.violations: list[str] = []
        self.token: str | None = None
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self.http.daemon_threads = True
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"

    @property
    def operations(self) -> list[str]:
        """What was asked, in order."""
        return [request.operation for request in self.requests]

    def answer(self, received: Received) -> Reply:
        """Raises `Wrong`."""
        if received.path.startswith("/artifacts/"):
            if "authorization" in received.headers or "ocp-apim-subscription-key" in received.headers:
                raise Wrong("credentials sent to an address with a signature of its own")
        elif received.headers.get("ocp-apim-subscription-key") != KEY and (
            received.headers.get("authorization") != f"Bearer {self.token or TOKEN}"
        ):
            raise Wrong("Access denied due to invalid subscription key or wrong API endpoint.", 401)
        route = matched(received.method, received.path, received.query)
        received = understood(route, _with(received, operation=route.name))
        self.requests[-1] = received
        given = self.handlers[route.name](received)
        reply = given if isinstance(given, Reply) else Reply(body=given)
        if "." in route.gives and (found := azure_schema.problems(route.gives, reply.body)):
            self.violations += [f"answer: {each}" for each in found]
        return Reply(body=reply.body, status=reply.status or route.status, headers=reply.headers)

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


def _handler(server: AzureServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1
        disable_nagle_algorithm = True

        def log_message(self, *_: object) -> None:
            """Nothing."""

        def do_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            parts = urlsplit(self.path)
            received = Received(
                operation="?",
                method=self.command,
                path=parts.path,
                query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=body,
            )
            server.requests.append(received)
            if server.troubles:
                self.trouble(server.troubles.popleft())
                return
            try:
                reply = server.answer(received)
            except Wrong as wrong:
                if wrong.status != 401:
                    server.violations.append(f"request: {wrong}")
                self.send(wrong.status, {"error": {"code": str(wrong.status), "message": str(wrong)}}, {})
            else:
                self.send(reply.status or 200, reply.body, reply.headers)

        do_GET = do_POST = do_DELETE = do_any  # noqa: N815

        def trouble(self, trouble: Failure | Broken) -> None:
            if isinstance(trouble, Failure):
                self.send(trouble.status, trouble.body, trouble.headers)
            elif trouble.kind == "reset":
                self.connection.setsockopt(1, 13, b"\x01\x00\x00\x00\x00\x00\x00\x00")  # SO_LINGER 0
                self.close_connection = True
                self.connection.close()
            elif trouble.kind == "hang":
                time.sleep(trouble.seconds)
                self.close_connection = True
            elif trouble.kind == "drip":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
                for _ in range(100):
                    with suppress(OSError):
                        self.wfile.write(b" ")
                        self.wfile.flush()
                    time.sleep(trouble.seconds / 100)
                self.close_connection = True
            else:
                content = {"truncated": b'{"modelVersion": "2023', "html": b"<html>Bad gateway</html>", "empty": b""}
                self.send(200, content[trouble.kind], {"Content-Type": "text/html"})

        def send(self, status: int, body: Any, headers: Mapping[str, str]) -> None:
            content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
            named = {"Content-Type": "application/json", "apim-request-id": str(uuid.uuid4()), **headers}
            with suppress(OSError):
                self.send_response(status)
                for name, value in named.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

    return Handler


@contextmanager
def serving(handlers: Mapping[str, Handler], *, strict: bool = True) -> Iterator[AzureServer]:
    """A server for the block; at its end nothing may have been wrong."""
    server = AzureServer(handlers)
    try:
        yield server
    finally:
        server.close()
    if strict:
        assert server.violations == []
