"""Azure's forms of single values as cloudai's: boxes and polygons in pixels, ticks and durations, language codes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cloudai.errors import InvalidInput
from cloudai.languages import UNDETERMINED, language_of, normalise, without_region
from cloudai.types.geometry import Box, Point, Polygon, Region
from cloudai.types.media import Media
from cloudai.types.results import Notice
from cloudai.wirejson import JsonNode, Malformed
from cloudai_azure.wire import needed_number

# --- places ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Frame:
    """What Azure's lengths are counted on: pixels of a picture, inches of a PDF page."""

    width: float
    height: float

    def point(self, x: float, y: float) -> Point:
        """Fractions of width and height."""
        return Point(x=x / self.width, y=y / self.height)

    def box(self, x: float, y: float, w: float, h: float) -> Box:
        """The same of a rectangle."""
        return Box(x=x / self.width, y=y / self.height, w=w / self.width, h=h / self.height)


def frame_of(metadata: JsonNode) -> Frame:
    """`metadata.width` and `metadata.height` of Image Analysis. Raises `Malformed` for none, or zero."""
    frame = Frame(width=needed_number(metadata, "width"), height=needed_number(metadata, "height"))
    if frame.width <= 0 or frame.height <= 0:
        metadata.fail("no size")
    return frame


def upright(media: Media) -> Frame | None:
    """The size of a picture as it is seen; `None` for one that was not fetched. Face does not tell the size."""
    if media.image is None:
        return None
    width, height = media.image.width, media.image.height
    return Frame(width=height, height=width) if media.image.orientation >= 5 else Frame(width=width, height=height)


def rectangle(node: JsonNode, frame: Frame, names: Sequence[str] = ("x", "y", "w", "h")) -> Box:
    """A rectangle of `x y w h` or of other names. Raises `Malformed` where one is left out."""
    x, y, w, h = (needed_number(node, name) for name in names)
    return frame.box(x, y, w, h)


def corners(nodes: Sequence[JsonNode], frame: Frame) -> Region | None:
    """`[{"x", "y"}, ...]`, as Image Analysis gives polygons."""
    if not nodes:
        return None
    points = tuple(frame.point(needed_number(each, "x"), needed_number(each, "y")) for each in nodes)
    return Region.of(Polygon(points=points))


def flat_corners(node: JsonNode, name: str, frame: Frame | None) -> Region | None:
    """`[x1, y1, x2, y2, ...]`, as Document Intelligence gives them."""
    found = [each.optional_number() or 0.0 for each in node.items(name)]
    if len(found) < 6 or frame is None:
        return None
    points = tuple(frame.point(x, y) for x, y in zip(found[::2], found[1::2], strict=False))
    return Region.of(Polygon(points=points))


# --- times -----------------------------------------------------------------------------------------

TICKS: Final = 10_000_000
"""Of 100 nanoseconds in a second."""
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


def ticks(node: JsonNode, name: str) -> float | None:
    """A member in ticks of 100 ns (`700000.0`), in seconds; `None` where it is left out."""
    found = node.at(name).optional_number()
    return None if found is None else found / TICKS


def milliseconds(node: JsonNode, name: str) -> float:
    """A member in milliseconds, in seconds."""
    return needed_number(node, name) / 1000


def iso_duration(word: str) -> float:
    """`PT1H2M3.5S` in seconds. Raises `Malformed`."""
    found = _DURATION.fullmatch(word)
    if found is None or word in ("P", "PT"):
        raise Malformed(f"{word[:40]!r} is no duration, such as PT1.59S")
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


# --- languages -------------------------------------------------------------------------------------

_TRANSLATOR: Mapping[str, str] = {
    "zh": "zh-Hans",
    "zh-Hans-CN": "zh-Hans",
    "zh-Hans-SG": "zh-Hans",
    "zh-Hant-TW": "zh-Hant",
    "zh-Hant-HK": "zh-Hant",
    "pt-BR": "pt",
    "pt-PT": "pt-pt",
    "fr-CA": "fr-ca",
    "fa-AF": "prs",
    "sr": "sr-Cyrl",
    "sr-RS": "sr-Cyrl",
    "mn": "mn-Cyrl",
    "tlh": "tlh-Latn",
    "ckb": "ku",
    "hmn": "mww",
    "yue-Hant": "yue",
    "yue-HK": "yue",
    "yue-Hant-HK": "yue",
}
"""Ours -> Translator's. https://learn.microsoft.com/azure/ai-services/translator/language-support (2026-11-21)."""

_FROM_TRANSLATOR: Mapping[str, str] = {"prs": "fa-AF", "mn-Cyrl": "mn", "tlh-Latn": "tlh", "ku": "ckb"}

_SPEECH: Mapping[str, str] = {
    "zh": "zh-CN",
    "zh-Hans": "zh-CN",
    "zh-Hans-CN": "zh-CN",
    "zh-Hant": "zh-TW",
    "zh-Hant-TW": "zh-TW",
    "zh-Hant-HK": "zh-HK",
    "yue": "zh-HK",
    "yue-HK": "zh-HK",
    "yue-Hant": "zh-HK",
    "yue-Hant-HK": "zh-HK",
    "wuu": "wuu-CN",
    "sr": "sr-RS",
}
"""Ours -> Speech's locales. https://learn.microsoft.com/azure/ai-services/speech-service/language-support."""

_FROM_SPEECH: Mapping[str, str] = {"zh-HK": "yue-HK"}
"""Speech's Chinese of Hong Kong is Cantonese."""


def to_translator(tag: str) -> str:
    """`zh-TW` -> `zh-Hant`, `pt-BR` -> `pt`, `sr` -> `sr-Cyrl`, `en-GB` -> `en`: a region where it means something.

    Raises `InvalidInput` for what is no language tag.
    """
    known = normalise(tag)
    return _TRANSLATOR.get(known) or _TRANSLATOR.get(without_region(known)) or without_region(known)


def from_translator(code: str) -> str:
    """The same back: `pt-pt` -> `pt-PT`, `zh-Hant` as it is; `und` for a code that nobody knows."""
    if code in _FROM_TRANSLATOR:
        return _FROM_TRANSLATOR[code]
    try:
        known = normalise(code)
    except InvalidInput:
        return UNDETERMINED
    return without_region(known) if language_of(known) == "zh" else known


def to_speech(tag: str) -> str:
    """`en` -> `en-US`, `zh-Hant` -> `zh-TW`, `nb` -> `nb-NO`: Speech wants a region and no script."""
    from langcodes import Language

    known = normalise(tag)
    if known in _SPEECH:
        return _SPEECH[known]
    if known.count("-") and len(known.rpartition("-")[2]) in (2, 3):
        return known
    region = Language.get(known).maximize().territory
    return f"{known}-{region}" if region else known


def from_speech(locale: str) -> str | None:
    """The same back: `zh-HK` -> `yue-HK`, `zh-CN` -> `zh-Hans-CN`; `None` for a locale that is no BCP 47
    (`zh-CN-shandong` loses what is behind the region)."""
    if locale in _FROM_SPEECH:
        return _FROM_SPEECH[locale]
    for candidate in (locale, "-".join(locale.split("-")[:2])):
        try:
            return normalise(candidate)
        except InvalidInput:
            continue
    return None


# --- names -----------------------------------------------------------------------------------------


def plain(name: str) -> str:
    """A label's name as cloudai writes it: lower case, single spaces."""
    return " ".join(name.lower().split())


def ignored(what: str, why: str) -> Notice:
    """Something that was asked for and that Azure does not take."""
    return Notice(code="option_ignored", message=f"{what} is not honoured: {why}")
