"""Google's forms of single values as cloudai's: durations, likelihoods, language codes, polygons."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from cloudai.errors import InvalidInput
from cloudai.languages import language_of, normalise, without_region
from cloudai.types.geometry import Point, Polygon, Region
from cloudai.types.media import Media
from cloudai.wirejson import JsonNode, Malformed

# --- durations -------------------------------------------------------------------------------------

_DURATION = re.compile(r"(-?\d+(?:\.\d{1,9})?)s")


def seconds(node: JsonNode) -> float | None:
    """`google-duration`, `"1.500s"`, in seconds; `None` where it is left out. Raises `Malformed`."""
    if not node:
        return None
    match = _DURATION.fullmatch(node.word())
    if match is None:
        raise Malformed(f"{node.path} is no duration, such as 1.500s")
    return float(match[1])


def exact_seconds(node: JsonNode) -> Decimal | None:
    """The same, exactly: what is billed."""
    return None if seconds(node) is None else Decimal(node.word()[:-1])


# --- likelihoods -----------------------------------------------------------------------------------

LIKELIHOODS: Final = ("VERY_UNLIKELY", "UNLIKELY", "POSSIBLE", "LIKELY", "VERY_LIKELY")


def likelihood(word: str) -> float | None:
    """The step of `Likelihood` in fifths: 0.2 for VERY_UNLIKELY to 1.0; `None` for UNKNOWN. Raises `Malformed`."""
    if word in ("", "UNKNOWN"):
        return None
    if word not in LIKELIHOODS:
        raise Malformed(f"{word[:40]!r} is no Likelihood")
    return (LIKELIHOODS.index(word) + 1) / 5


# --- languages -------------------------------------------------------------------------------------

_TRANSLATE: Mapping[str, str] = {
    "zh": "zh-CN",
    "zh-Hans": "zh-CN",
    "zh-Hans-CN": "zh-CN",
    "zh-Hans-SG": "zh-CN",
    "zh-Hant": "zh-TW",
    "zh-Hant-TW": "zh-TW",
    "zh-Hant-HK": "zh-TW",
    "nb": "no",
    "fil": "tl",
    "pt-BR": "pt",
}
"""Ours -> Google Translate's. https://cloud.google.com/translate/docs/languages (read 2026-11-21)."""

_SPEECH: Mapping[str, str] = {
    "zh": "cmn-Hans-CN",
    "zh-Hans": "cmn-Hans-CN",
    "zh-Hans-CN": "cmn-Hans-CN",
    "zh-Hant": "cmn-Hant-TW",
    "zh-Hant-TW": "cmn-Hant-TW",
    "yue": "yue-Hant-HK",
    "yue-Hant": "yue-Hant-HK",
    "yue-HK": "yue-Hant-HK",
    "he": "iw-IL",
    "he-IL": "iw-IL",
    "nb": "no-NO",
    "nb-NO": "no-NO",
    "pa": "pa-Guru-IN",
    "pa-IN": "pa-Guru-IN",
    "pa-Guru": "pa-Guru-IN",
    "pa-Guru-IN": "pa-Guru-IN",
}
"""Ours -> Speech-to-Text's. https://cloud.google.com/speech-to-text/v2/docs/speech-to-text-supported-languages."""

_VOICES: Mapping[str, str] = {
    "zh": "cmn-CN",
    "zh-Hans": "cmn-CN",
    "zh-Hans-CN": "cmn-CN",
    "zh-Hant": "cmn-TW",
    "zh-Hant-TW": "cmn-TW",
    "yue": "yue-HK",
}
"""Ours -> Text-to-Speech's: no script tags. https://cloud.google.com/text-to-speech/docs/voices."""

_VISION: Mapping[str, str] = {"he": "iw", "nb": "no", "fil": "tl"}
"""Ours -> Vision's hints. https://cloud.google.com/vision/docs/languages."""


def to_translate(tag: str) -> str:
    """`zh-Hant` -> `zh-TW`, `nb` -> `no`, `pt-BR` -> `pt` (Google's `pt` is Brazil's)."""
    known = normalise(tag)
    return _TRANSLATE.get(known, known)


def to_speech(tag: str) -> str:
    """`en` -> `en-US`, `zh` -> `cmn-Hans-CN`, `he` -> `iw-IL`: Speech-to-Text wants a region."""
    known = normalise(tag)
    return _SPEECH.get(known) or _with_region(known)


def to_voice(tag: str) -> str:
    """`en` -> `en-US`, `zh-Hant-TW` -> `cmn-TW`: a region and no script."""
    known = normalise(tag)
    return _VOICES.get(known) or _with_region(known)


def to_vision(tag: str) -> str:
    """`he` -> `iw`."""
    known = normalise(tag)
    return _VISION.get(known, known)


def _with_region(tag: str) -> str:
    """`sr-Latn` -> `sr-RS`, `de` -> `de-DE`: the likely region, and no script."""
    from langcodes import Language

    found = Language.get(tag)
    region = found.territory or found.maximize().territory
    return f"{found.language}-{region}" if found.language and region else tag


def from_google(code: str) -> str | None:
    """A service's code as BCP 47: `iw` -> `he`, `cmn-Hans-CN` -> `zh-Hans-CN`; `None` for one that nobody knows."""
    try:
        return normalise(code)
    except InvalidInput:
        return None


def from_translate(code: str) -> str:
    """The same for Translation, whose regions of Chinese are scripts: `zh-TW` -> `zh-Hant`; `und` when unknown."""
    known = from_google(code)
    if known is None:
        return "und"
    return without_region(known) if language_of(known) == "zh" else known


# --- places ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """The picture that Google's pixels are counted on, and how it is turned upright (EXIF orientation)."""

    width: float
    height: float
    orientation: int = 1

    def point(self, x: float, y: float) -> Point:
        """Fractions of the upright picture."""
        u, v = x / self.width, y / self.height
        u, v = _UPRIGHT[self.orientation](u, v)
        return Point(x=u, y=v)


_UPRIGHT = {
    1: lambda u, v: (u, v),
    2: lambda u, v: (1 - u, v),
    3: lambda u, v: (1 - u, 1 - v),
    4: lambda u, v: (u, 1 - v),
    5: lambda u, v: (v, u),
    6: lambda u, v: (1 - v, u),
    7: lambda u, v: (1 - v, 1 - u),
    8: lambda u, v: (v, 1 - u),
}
"""EXIF 2.32, tag 274: where a point of the stored picture is on the upright one."""

UNIT = Frame(width=1, height=1)
"""For vertices that are fractions already."""


def upright(media: Media) -> Frame | None:
    """The frame of a picture as it is seen; `None` for one that was not fetched."""
    if media.image is None:
        return None
    width, height = media.image.width, media.image.height
    return Frame(width=height, height=width) if media.image.orientation >= 5 else Frame(width=width, height=height)


def polygon(node: JsonNode, frame: Frame | None) -> Polygon | None:
    """A `BoundingPoly`: fractions where it has them, else pixels of `frame`. Members that are zero are left out."""
    normalised = node.items("normalizedVertices")
    if normalised:
        return Polygon(points=tuple(UNIT.point(each.number("x"), each.number("y")) for each in normalised))
    vertices = node.items("vertices")
    if not vertices or frame is None:
        return None
    return Polygon(points=tuple(frame.point(each.number("x"), each.number("y")) for each in vertices))


def region(node: JsonNode, frame: Frame | None) -> Region | None:
    """The same with the upright box around it."""
    outline = polygon(node, frame)
    return None if outline is None else Region.of(outline)


def moment(text: str) -> datetime:
    """`google-datetime`, up to nanoseconds. Raises `Malformed`."""
    try:
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text))
    except ValueError:
        raise Malformed(f"{text[:40]!r} is no time") from None
