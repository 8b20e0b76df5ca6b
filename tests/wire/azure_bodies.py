"""Bodies of requests, read and held to the description: JSON, images, forms, SSML."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from email import policy
from email.parser import BytesParser
from typing import Any
from xml.etree import ElementTree

import azure_schema
from azure_routes import Route, Wrong

_OUTPUT = (
    r"(riff|raw)-(8khz|16khz|22050hz|24khz|44100hz|48khz)-16bit-mono-pcm|(riff|raw)-8khz-8bit-mono-(mulaw|alaw)|"
    r"audio-16khz-(32|64|128)kbitrate-mono-mp3|audio-24khz-(48|96|160)kbitrate-mono-mp3|"
    r"audio-48khz-(96|192)kbitrate-mono-mp3|(ogg|webm)-(16|24|48)khz-16bit-mono-opus"
)


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
    return replace(received, json=value)


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
        return replace(received, files=files)
    definition = json.loads(files.get("definition", b"null"))
    if found := azure_schema.problems("transcribe.request", definition):
        raise Wrong("; ".join(found))
    if bool(files.get("audio")) == ("audioUrl" in definition):
        raise Wrong("transcribe: one of audio and audioUrl")
    return replace(received, files=files, json=definition)


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
