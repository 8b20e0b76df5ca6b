"""What each provider offers: `capabilities.toml` read into typed, frozen data.

For the client's start-up check, `cloudai operations`, the planner's `needs` and the tables in README and
docs/capabilities.md; provider authors write the file, its form is in docs/capabilities.md.
Reading it imports no provider package and nothing outside the standard library and `cloudai_pricing`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from cloudai.errors import ConfigError

SCHEMA = "cloudai.capabilities/1"
FILE_NAME = "capabilities.toml"
BUILTIN = ("aws", "gcp", "azure", "local")

Support = Literal["yes", "partial", "preview", "gated", "retiring", "no"]
Exportable = Literal["yes", "data-only", "no"]

SUPPORT: Mapping[str, str] = {
    "yes": "offered",
    "partial": "offered, with a part missing",
    "preview": "offered without the vendor's usual promises",
    "gated": "offered to customers whom the vendor has approved",
    "retiring": "offered until a date that the vendor has announced",
    "no": "not offered",
}
MODES = ("sync", "job", "stream")
SOURCES = ("bytes", "url", "s3", "gs", "azure-blob", "text")
EVIDENCE: Mapping[str, str] = {
    "A": "read at the source",
    "A-absence": "looked for at the source and not found",
    "B": "read elsewhere, with the source named there",
    "C": "weak: not verified",
}
EXPORTABLE = ("yes", "data-only", "no")
EVENTS: Mapping[str, str] = {
    "deprecated": "deprecated",
    "retired": "retired",
    "removed": "removed",
    "end_of_support": "end of support",
    "maintenance": "maintenance only",
    "closed_to_new": "closed to new customers",
    "dropped_in_new_version": "dropped in a new version",
    "rolling_expiry": "expires by age",
    "unclear": "unclear",
    "none_found": "no notice found",
}

SEMANTICS: Mapping[str, Mapping[str, str]] = {
    "confidence": {
        "none": "no confidence",
        "ratio": "0..1",
        "percent": "0..100",
        "likelihood": "five words, from very unlikely to very likely",
        "severity": "whole steps of severity, not a probability",
    },
    "box": {
        "none": "no positions",
        "ratio": "fractions of width and height",
        "pixel": "pixels",
        "page": "pixels of an image, inches of a PDF page",
    },
    "time": {
        "none": "no times",
        "seconds": "seconds, a number",
        "seconds-text": "seconds, decimal digits in a string",
        "duration": "seconds with a unit, `1.500s`",
        "milliseconds": "whole milliseconds",
        "ticks": "units of 100 ns",
    },
    "language": {
        "none": "no language codes",
        "bcp-47": "BCP 47 tags",
        "iso-639": "ISO 639-1 codes without a region",
        "vendor": "the vendor's own list: BCP 47 with exceptions",
    },
}
"""The forms in which vendors answer. All of them leave a driver converted (cloudai.types has one form of each)."""

FEATURES: Mapping[str, tuple[str, ...]] = {
    "vision.detect_faces": ("landmarks", "pose", "attributes"),
    "vision.read_text": ("word_confidence", "polygons"),
    "vision.read_document": (
        "tables", "forms", "queries", "signatures", "layout", "word_confidence", "polygons"
    ),
    "vision.caption": ("dense",),
    "speech.transcribe": (
        "job", "diarization", "word_timestamps", "word_confidence", "custom_vocabulary", "custom_language_model",
        "language_id", "profanity_filter", "pii_redaction", "subtitles", "multi_channel",
    ),
    "speech.synthesize": ("ssml", "lexicons", "speech_marks_visemes", "long_batch_synthesis", "custom_voice"),
    "translation.translate": (
        "html", "batch", "glossary", "formality", "profanity_masking", "custom_model", "transliteration", "dictionary"
    ),
    "custom.train": (
        "byo_container", "prebuilt_framework", "hyperparameter_tuning", "spot", "distributed", "automl"
    ),
    "custom.deploy": ("serverless_scale_to_zero", "async", "multi_model", "ab_traffic_split", "autoscale"),
}  # fmt: skip
"""The features of operations, by one name for all providers."""


class CapabilityError(ConfigError):
    """A `capabilities.toml` is missing or wrong. The message has file, line and key."""

    def __init__(self, file: str, key: str, message: str, *, line: int | None = None) -> None:
        place = file if line is None else f"{file}:{line}"
        super().__init__(f"{place}: {key}: {message}" if key else f"{place}: {message}")
        self.file = file
        self.key = key
        self.line = line


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What can be checked before anything is sent. `None`: not known, or there is none."""

    max_bytes: int | None = None
    """Of content sent in the request."""
    max_object_bytes: int | None = None
    """Of an object named by its address."""
    min_width: int | None = None
    min_height: int | None = None
    max_width: int | None = None
    max_height: int | None = None
    max_pixels: int | None = None
    max_characters: int | None = None
    """Code points of one request."""
    max_text_bytes: int | None = None
    """UTF-8 bytes of one request's text."""
    max_seconds: int | None = None
    max_pages: int | None = None
    max_batch: int | None = None
    """Items of one request."""
    requests_per_minute: int | None = None
    """The quota that a new account has by default; `[rates]` holds calls to it with `"quota"`. Where it differs by
    region, kind of voice or model, the lowest that a usual call meets."""
    source: str = ""
    as_of: str = ""
    quota_source: str = ""
    """Of `requests_per_minute`; empty: the same as of the others."""
    quota_as_of: str = ""

    @property
    def known(self) -> Mapping[str, int]:
        """The limits there are, by name."""
        values = {name: getattr(self, name) for name in LIMITS}
        return {name: value for name, value in values.items() if value is not None}


LIMITS = tuple(entry.name for entry in fields(Limits) if entry.type == "int | None")


@dataclass(frozen=True, kw_only=True, slots=True)
class Semantics:
    """The vendor's own form of an answer; the words are those of `SEMANTICS`."""

    confidence: str = "none"
    box: str = "none"
    time: str = "none"
    language: str = "none"


@dataclass(frozen=True, kw_only=True, slots=True)
class Feature:
    """One feature of an operation. `reason` is empty only where support is `yes`."""

    name: str
    support: Support
    reason: str = ""
    api: str = ""
    notes: str = ""
    source: str = ""
    as_of: str = ""
    evidence: str = "A"


@dataclass(frozen=True, kw_only=True, slots=True)
class Operation:
    """What one provider says of one operation. `limits` hold for a plain call, `job_limits` for a long job."""

    name: str
    support: Support
    reason: str = ""
    service: str = ""
    api: str = ""
    meter: str = ""
    mode: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    """What the API itself takes; the client fetches the rest where a driver can't be given an address."""
    content_types: tuple[str, ...] = ()
    """Empty: not known, or not a file."""
    semantics: Semantics = field(default_factory=Semantics)
    notes: str = ""
    source: str = ""
    as_of: str = ""
    """ISO date, to the day, month or year."""
    evidence: str = "A"
    """`A` read at the source, `A-absence` looked for there and not found, `B` read elsewhere, `C` not verified."""
    retires: date | None = None
    replacement: str = ""
    limits: Limits = field(default_factory=Limits)
    job_limits: Limits = field(default_factory=Limits)
    features: Mapping[str, Feature] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelExport:
    """Whether a model trained there can leave; `keeps` is what the customer has in any case."""

    service: str
    model_kind: str
    exportable: Exportable
    formats: tuple[str, ...] = ()
    conditions: str = ""
    keeps: str = ""
    source: str
    as_of: str
    evidence: str = "A"
    notes: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lifecycle:
    """An announced change of a service. Dates are ISO, to the day, month or year; empty: none known."""

    service: str
    feature: str
    event: str
    announced: str = ""
    closed_to_new: str = ""
    ends: str = ""
    replacement: str = ""
    operations: tuple[str, ...] = ()
    """Those it concerns, of our vocabulary."""
    source: str
    as_of: str
    evidence: str = "A"
    notes: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """Where `cloudai doctor` looks: names of environment variables, and files (`~` allowed)."""

    env: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Capabilities:
    """One provider's declaration."""

    provider: str
    title: str
    auth: str = ""
    credentials: Credentials = field(default_factory=Credentials)
    extra: str | None = None
    """`pip install 'cloudai[EXTRA]'` brings it; `None`: its own distribution does."""
    operations: Mapping[str, Operation]
    model_exports: tuple[ModelExport, ...] = ()
    lifecycle: tuple[Lifecycle, ...] = ()

    def operation(self, name: str) -> Operation | None:
        """`None`: not declared, which is to be taken as not offered."""
        return self.operations.get(name)


def load_capabilities(path: Path) -> Capabilities:
    """One file. Raises `CapabilityError` for what is missing, unknown or contradicts itself."""
    from cloudai.capability_file import read

    return read(path)


def find_capabilities(package: str) -> Path:
    """`capabilities.toml` beside the package's `__init__.py`, found without importing the package."""
    top, *rest = package.split(".")
    try:
        spec = find_spec(top)
    except (ImportError, ValueError):
        spec = None
    places = (spec.submodule_search_locations if spec is not None else None) or ()
    for place in places:
        path = Path(place, *rest, FILE_NAME)
        if path.is_file():
            return path
    if spec is None:
        raise CapabilityError(package, "", "this package is not installed")
    raise CapabilityError(package, "", f"has no {FILE_NAME} beside its __init__.py; see docs/capabilities.md")


@cache
def builtin_capabilities() -> Mapping[str, Capabilities]:
    """aws, gcp, azure and local, in this order; read once."""
    return {name: load_capabilities(find_capabilities(f"cloudai_{name}")) for name in BUILTIN}


def as_planner_data(caps: Mapping[str, Capabilities]) -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    """Provider -> operation -> feature -> support, for `cloudai_pricing`; the operation itself is feature `""`."""
    return {
        provider: {
            name: {"": operation.support, **{f.name: f.support for f in operation.features.values()}}
            for name, operation in declared.operations.items()
        }
        for provider, declared in caps.items()
    }
