"""What AWS's own API descriptions allow, held against a value: for requests and for the answers of the strict server.

The descriptions are the `service-2.json` files that ship with botocore. botocore's own validator looks at types,
required members and ranges; enums and patterns, at any depth, are looked at here as well.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import botocore.session
from botocore.model import OperationModel, ServiceModel, Shape

SERVICES = (
    "rekognition",
    "textract",
    "transcribe",
    "translate",
    "comprehend",
    "polly",
    "s3",
    "sts",
    "sagemaker",
    "sagemaker-runtime",
    "application-autoscaling",
    "logs",
)

_KINDS: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "blob": (bytes, bytearray),
    "boolean": (bool,),
    "integer": (int,),
    "long": (int,),
    "float": (int, float),
    "double": (int, float),
    "timestamp": (datetime.datetime,),
}

EITHER: Mapping[str, tuple[tuple[str, ...], str]] = {
    "rekognition.Image": (
        ("Bytes", "S3Object"),
        "https://docs.aws.amazon.com/rekognition/latest/APIReference/API_Image.html",
    ),
    "rekognition.S3Object": (
        ("Name",),
        "https://docs.aws.amazon.com/rekognition/latest/APIReference/API_S3Object.html",
    ),
    "textract.Document": (
        ("Bytes", "S3Object"),
        "https://docs.aws.amazon.com/textract/latest/APIReference/API_Document.html",
    ),
    "textract.S3Object": (("Name",), "https://docs.aws.amazon.com/textract/latest/APIReference/API_S3Object.html"),
    "transcribe.Media": (
        ("MediaFileUri",),
        "https://docs.aws.amazon.com/transcribe/latest/APIReference/API_Media.html",
    ),
    "transcribe.StartTranscriptionJobRequest": (
        ("LanguageCode", "IdentifyLanguage", "IdentifyMultipleLanguages"),
        "https://docs.aws.amazon.com/transcribe/latest/APIReference/API_StartTranscriptionJob.html",
    ),
}
"""Exactly one of these members is needed, says the documentation; the descriptions don't."""

TOGETHER: Mapping[str, tuple[tuple[str, str], ...]] = {
    "transcribe.Settings": (
        ("ShowSpeakerLabels", "MaxSpeakerLabels"),
        ("ShowAlternatives", "MaxAlternatives"),
        ("VocabularyFilterName", "VocabularyFilterMethod"),
    ),
}
"""Who gives one has to give the other:
https://docs.aws.amazon.com/transcribe/latest/APIReference/API_Settings.html"""


_ANY_TEXT = r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]"
"""Java's pairs of surrogates: Python's patterns have none."""


@cache
def service(name: str) -> ServiceModel:
    """The description of one service, by botocore's own loader."""
    loader = botocore.session.get_session().get_component("data_loader")
    return ServiceModel(loader.load_service_model(name, "service-2"), name)


@cache
def targets() -> Mapping[str, ServiceModel]:
    """The services that are named in a header, by its prefix."""
    models = (service(name) for name in SERVICES)
    return {model.metadata["targetPrefix"]: model for model in models if "targetPrefix" in model.metadata}


@cache
def routes(name: str) -> tuple[tuple[str, re.Pattern[str], OperationModel], ...]:
    """Method, path and operation of a REST service."""
    model = service(name)
    found = []
    for operation in map(model.operation_model, model.operation_names):
        path = operation.http["requestUri"].partition("?")[0]
        pattern = re.sub(r"\\\{(\w+)(\\\+)?\\\}", lambda m: f"(?P<{m[1]}>{'.+' if m[2] else '[^/]+'})", re.escape(path))
        found.append((operation.http["method"], re.compile(pattern), operation))
    return tuple(found)


def problems(shape: Shape | None, value: Any, path: str = "") -> Iterator[str]:
    """Every way in which `value` is not what the description says."""
    if shape is None:
        if value:
            yield f"{path or 'value'}: nothing is expected here"
        return
    kind = shape.type_name
    if kind == "structure":
        yield from _structure(shape, value, path)
    elif kind == "list":
        yield from _list(shape, value, path)
    elif kind == "map":
        yield from _map(shape, value, path)
    elif not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{path}: {type(value).__name__} where a {kind} is expected"
    else:
        yield from _scalar(shape, value, path)


def _structure(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: {type(value).__name__} where the structure {shape.name} is expected"
        return
    for name in sorted(set(value) - set(shape.members)):
        yield f"{path}.{name}: no member of {shape.name}"
    for name in shape.required_members:
        if name not in value:
            yield f"{path}.{name}: required by {shape.name}"
    for name, member in shape.members.items():
        if name in value:
            yield from problems(member, value[name], f"{path}.{name}")


def documented(service_name: str, shape: Shape | None, value: Any, path: str = "") -> Iterator[str]:
    """What only the documentation says of a request (`EITHER`, `TOGETHER`)."""
    if isinstance(value, dict) and shape is not None and shape.type_name == "structure":
        key = f"{service_name}.{shape.name}"
        names, source = EITHER.get(key, ((), ""))
        if names and sum(1 for name in names if name in value) != 1:
            yield f"{path}: exactly one of {', '.join(names)} is needed ({source})"
        for first, second in TOGETHER.get(key, ()):
            if (first in value) != (second in value):
                yield f"{path}: {first} and {second} go together"
        for name, member in shape.members.items():  # type: ignore[attr-defined]
            yield from documented(service_name, member, value.get(name), f"{path}.{name}")
    elif isinstance(value, list) and shape is not None:
        for index, item in enumerate(value):
            yield from documented(service_name, shape.member, item, f"{path}[{index}]")  # type: ignore[attr-defined]


def _list(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, list | tuple):
        yield f"{path}: {type(value).__name__} where a list is expected"
        return
    yield from _bounds(shape, len(value), path, "items")
    for index, item in enumerate(value):
        yield from problems(shape.member, item, f"{path}[{index}]")


def _map(shape: Any, value: Any, path: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{path}: {type(value).__name__} where a map is expected"
        return
    yield from _bounds(shape, len(value), path, "entries")
    for name, item in value.items():
        yield from problems(shape.key, name, f"{path} key")
        yield from problems(shape.value, item, f"{path}[{name}]")


def _scalar(shape: Shape, value: Any, path: str) -> Iterator[str]:
    enum, pattern = shape.metadata.get("enum"), shape.metadata.get("pattern")
    if enum and value not in enum:
        yield f"{path}: {value!r} is none of {', '.join(enum[:8])} ..."
    if pattern and isinstance(value, str) and not compiled(pattern).fullmatch(value):
        yield f"{path}: {value[:40]!r} does not match {pattern}"
    if shape.type_name in ("string", "blob"):
        yield from _bounds(shape, len(value), path, "characters or bytes")
    elif shape.type_name in ("integer", "long", "float", "double"):
        yield from _bounds(shape, value, path, "")


def _bounds(shape: Shape, size: float, path: str, unit: str) -> Iterator[str]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < least:
        yield f"{path}: {size} {unit}, at least {least}"
    if most is not None and size > most:
        yield f"{path}: {size} {unit}, at most {most}"


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """An AWS pattern (Java's dialect) in Python's: a service matches the whole value."""
    python = pattern.replace(r"[\P{M}\p{M}]", r"[\s\S]").replace(r"\p{ASCII}", r"[\x00-\x7f]")
    python = python.replace(r"\p{L}\p{Z}\p{N}", r"\w\s").replace(r"\p{Print}+", r"[\x20-\x7e]+")
    python = python.replace(r"[\p{Print}]", r"[\x20-\x7e]").replace(r"\z", r"\Z").replace(_ANY_TEXT, r"[^\x00-\x08]")
    return re.compile(python.replace("[^[:ascii:]]", r"[^\x00-\x7f]"), re.ASCII)
