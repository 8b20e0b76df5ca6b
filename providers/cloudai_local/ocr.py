"""Text in photos, scans and PDF files by RapidOCR: PP-OCR on ONNX Runtime, its weights in its own wheel.

Latin-script languages, Chinese and Japanese. No tables, no forms, no handwriting model. Lines come in reading
order, grouped into blocks (`ocr_layout`); positions are fractions of the upright image; `Page.angle` says how far
the text on it is turned.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from importlib.util import find_spec

from pydantic import JsonValue

from cloudai.driver import Call
from cloudai.errors import ErrorCode, ServiceError, Unsupported
from cloudai.types.geometry import Polygon, Region
from cloudai.types.results import Notice, Usage
from cloudai.types.vision import (
    Block,
    DocumentFeature,
    Line,
    Page,
    ReadDocumentRequest,
    ReadDocumentResult,
    ReadTextRequest,
    ReadTextResult,
    TextDirection,
    Word,
)
from cloudai_local import ocr_layout
from cloudai_local.engine import Missing
from cloudai_local.ocr_layout import Quad
from cloudai_local.ocr_rapid import INSTALL, FoundLine, RapidReader, page_angle, stands
from cloudai_local.pages import PageImage, first_page, pages_of
from cloudai_local.settings import LocalSettings

DEFAULT_CONFIDENCE = 0.5
"""Lines below are dropped unless `min_confidence` says otherwise: RapidOCR's own `text_score`."""
SCENE_SIDE = 2000
"""A photo is read at this many pixels on its longer side: RapidOCR's own `max_side_len`."""
DENSE_SIDE = 3200
"""A dense page is read at: A4 at 270 dots per inch."""

_CODES = """af az bs ca cs cy da de en es et eu fi fil fr ga gl hr hu id is it ja ku la lb lt lv mi ms mt
            nb nl nn no oc pl pt qu rm ro sk sl sq sv sw tl tr uz vi zh"""
LANGUAGES = frozenset(_CODES.split())
"""What PP-OCRv6 reads, as BCP 47 (RapidOCR 3.10, default_models.yaml, `ppocrv6_langs`; and Serbian in Latin script)."""

ELSEWHERE = "RapidOCR finds lines and words only; route it to aws, gcp or azure"


class RapidOcr:
    """`vision.read_text` and `vision.read_document`."""

    name = "rapidocr"

    def __init__(self, settings: LocalSettings) -> None:
        self._reader = RapidReader(settings)

    def missing(self) -> Missing | None:
        """What to install; looks only."""
        absent = [module for module in ("rapidocr", "onnxruntime", "cv2") if find_spec(module) is None]
        return Missing(reason=f"{', '.join(absent)} not installed", install=INSTALL) if absent else None

    def read_text(self, request: ReadTextRequest, call: Call) -> ReadTextResult:
        """The first frame of an image. Lines under `min_confidence` (0.5 when not given) are dropped."""
        image, frames = first_page(request.image)
        least = DEFAULT_CONFIDENCE if request.min_confidence is None else request.min_confidence
        lines = self._reader.read(image.pixels, max_side=DENSE_SIDE if request.dense else SCENE_SIDE)
        notices = list(_language_notices(request.languages))
        if frames > 1:
            message = f"only the first of {frames} frames was read; read_document reads all"
            notices.append(Notice(code="truncated", message=message))
        return ReadTextResult(
            pages=(_page(image, [line for line in lines if line.confidence >= least]),),
            usage=(Usage(meter="vision.read_text", unit="image", quantity=Decimal(1)),),
            warnings=tuple(notices),
            model=self._reader.model(),
            raw=_raw(lines) if call.raw else None,
        )

    def read_document(self, request: ReadDocumentRequest, call: Call) -> ReadDocumentResult:
        """Frames of an image or pages of a PDF, one after the other; `call.timeout` is looked at between pages."""
        notices = (*_feature_notices(request), *_language_notices(request.languages))
        deadline = time.monotonic() + call.timeout
        pages: list[Page] = []
        found: list[FoundLine] = []
        for image in pages_of(request.document, request.pages):
            if pages and time.monotonic() > deadline:
                raise ServiceError(
                    f"read {len(pages)} pages in {call.timeout:g} s; ask for fewer (pages=) or give more time",
                    code=ErrorCode.DEADLINE_EXCEEDED,
                )
            lines = self._reader.read(image.pixels, max_side=DENSE_SIDE)
            pages.append(_page(image, [line for line in lines if line.confidence >= DEFAULT_CONFIDENCE]))
            found.extend(lines)
        return ReadDocumentResult(
            pages=tuple(pages),
            usage=(Usage(meter="vision.read_document", unit="page", quantity=Decimal(len(pages))),),
            warnings=notices,
            model=self._reader.model(),
            raw=_raw(found) if call.raw else None,
        )

    def close(self) -> None:
        """Let the sessions go."""
        self._reader.close()


def engines(settings: LocalSettings) -> tuple[RapidOcr, ...]:
    """The engines for `vision.read_text` and `vision.read_document`, the preferred first."""
    return (RapidOcr(settings),)


# --- from found lines to a page --------------------------------------------------------------------


def _page(image: PageImage, lines: Sequence[FoundLine]) -> Page:
    height, width = image.pixels.shape[:2]
    angle = page_angle(lines)
    blocks = ocr_layout.reading_order([line.quad for line in lines], angle)
    return Page(
        number=image.number,
        width=image.width,
        height=image.height,
        unit=image.unit,
        angle=round(angle, 2) if lines else None,
        blocks=tuple(_block(joined([lines[index] for index in block]), angle, width, height) for block in blocks),
    )


def joined(lines: Sequence[FoundLine]) -> list[FoundLine]:
    """Neighbours that the detector cut in two, `Hello World` and `42`, as the one line they are on paper."""
    whole: list[FoundLine] = []
    for line in lines:
        if whole and ocr_layout.continues(whole[-1].quad, line.quad):
            whole[-1] = _both(whole[-1], line)
        else:
            whole.append(line)
    return whole


def _both(left: FoundLine, right: FoundLine) -> FoundLine:
    """Confidence is the mean by length of text."""
    shares = len(left.text), len(right.text)
    return FoundLine(
        text=f"{left.text} {right.text}",
        quad=(left.quad[0], right.quad[1], right.quad[2], left.quad[3]),
        confidence=(left.confidence * shares[0] + right.confidence * shares[1]) / max(1, sum(shares)),
        words=(*left.words, *right.words),
    )


def _block(lines: Sequence[FoundLine], angle: float, width: int, height: int) -> Block:
    shown = tuple(_line(line, angle, width, height) for line in lines)
    corners = [point for line in shown if line.region and line.region.polygon for point in line.region.polygon.points]
    return Block(
        lines=shown,
        region=Region(box=Polygon(points=tuple(corners)).box),
        confidence=sum(line.confidence for line in lines) / len(lines),
    )


def _line(line: FoundLine, angle: float, width: int, height: int) -> Line:
    return Line(
        text=line.text,
        words=tuple(
            Word(text=word.text, region=_region(word.quad, width, height), confidence=word.confidence)
            for word in line.words
        ),
        region=_region(line.quad, width, height),
        confidence=line.confidence,
        direction=TextDirection.TOP_TO_BOTTOM if stands(line.quad, angle) else TextDirection.LEFT_TO_RIGHT,
    )


def _region(quad: Quad, width: int, height: int) -> Region:
    return Region.of(Polygon.from_pixels(quad, width=width, height=height))


# --- what can't be honoured ------------------------------------------------------------------------


def _language_notices(languages: Iterable[str]) -> Iterator[Notice]:
    for tag in languages:
        language, *rest = tag.lower().replace("_", "-").split("-")
        if language in LANGUAGES or (language == "sr" and "latn" in rest):
            continue
        message = f"languages: {tag!r} is none that PP-OCRv6 reads; what was found may be wrong"
        yield Notice(code="option_ignored", message=message)


def _feature_notices(request: ReadDocumentRequest) -> Iterator[Notice]:
    beyond = [feature.value for feature in request.features if feature is not DocumentFeature.LAYOUT]
    if request.queries and DocumentFeature.QUERIES.value not in beyond:
        beyond.append(DocumentFeature.QUERIES.value)
    if beyond:
        raise Unsupported(f"local OCR has no {', '.join(beyond)}: {ELSEWHERE}")
    if DocumentFeature.LAYOUT in request.features:
        yield Notice(code="partial", message="layout: blocks are grouped by white space; their kinds are not known")


def _raw(lines: Iterable[FoundLine]) -> JsonValue:
    return [{"text": line.text, "score": line.confidence, "box": [[x, y] for x, y in line.quad]} for line in lines]
