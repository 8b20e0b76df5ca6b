"""Document AI `process` with an OCR, Form Parser or Layout Parser processor. Pure: requests in, results out.

https://cloud.google.com/document-ai/docs/reference/rest/v1/Document
Text stands once, in `document.text`; everything else points into it by half-open spans of characters.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from cloudai.errors import InvalidInput, TooLarge, Unsupported
from cloudai.types import vision as v
from cloudai.types.geometry import Region
from cloudai.types.results import Notice, Usage
from cloudai.wirejson import JsonNode
from cloudai_gcp.layout import Layout, layout_of
from cloudai_gcp.tables import Placed, placed, size
from cloudai_gcp.values import Frame, from_google, region
from cloudai_gcp.wire import Answer, JsonObject, Plan, Target, Wire, one


@dataclass(frozen=True, kw_only=True, slots=True)
class Parser:
    """A kind of processor: the setting that names one, what it gives besides text, what it is billed as."""

    setting: str
    title: str
    gives: frozenset[v.DocumentFeature]
    variant: str


OCR: Final = Parser(setting="processor", title="Enterprise Document OCR", gives=frozenset(), variant="ocr")
FORM: Final = Parser(
    setting="form_processor",
    title="Form Parser",
    gives=frozenset({v.DocumentFeature.TABLES, v.DocumentFeature.FORMS}),
    variant="form-parser",
)
LAYOUT: Final = Parser(
    setting="layout_processor",
    title="Layout Parser",
    gives=frozenset({v.DocumentFeature.LAYOUT, v.DocumentFeature.TABLES}),
    variant="layout-parser",
)
PAGES: Final = 15
BYTES: Final = 40 << 20
"""Of one request: https://cloud.google.com/document-ai/limits"""
BATCH_PAGES: Final = 500
BATCH_BYTES: Final = 1 << 30
FORM_PAGES: Final = 100
"""Of a batch, and of one of the Form Parser's."""
_NAME = re.compile(r"projects/[^/]+/locations/(?P<location>[^/]+)/processors/[^/]+(?:/processorVersions/[^/]+)?")


def read_document(request: v.ReadDocumentRequest, target: Target, *, raw: bool = False) -> Plan[v.ReadDocumentResult]:
    parser = parser_for(request, target)
    name, location = processor(target, parser)
    body: dict[str, object] = {"skipHumanReview": True, "imagelessMode": True, **_source(request)}
    options = process_options(request, parser)
    if options:
        body["processOptions"] = options

    def decode(answer: Answer) -> v.ReadDocumentResult:
        made = read_answer(answer.json, request, parser, name, raw=raw)
        return made.model_copy(update={"request_id": answer.request_id})

    return one(Wire(service=f"{location}-documentai", path=f"/v1/{name}:process", body=body), decode)


def read_answer(
    node: JsonNode, request: v.ReadDocumentRequest, parser: Parser, name: str, *, raw: bool
) -> v.ReadDocumentResult:
    """`document` of an answer, or of the file that a batch has written."""
    made = _by_layout(node) if parser is LAYOUT else _by_pages(node)
    return made.model_copy(
        update={
            "usage": (usage_of(request, parser, pages=len(made.pages)),),
            "warnings": _ignored(request, parser),
            "model": name.rpartition("processors/")[2],
            "raw": node.value if raw else None,
        }
    )


def _by_pages(node: JsonNode) -> v.ReadDocumentResult:
    document = node.at("document")
    text = document.text("text")
    found = [_Page(each, text, index) for index, each in enumerate(document.items("pages"), start=1)]
    return v.ReadDocumentResult(
        pages=tuple(page.read() for page in found),
        tables=tuple(table for page in found for table in page.tables()),
        key_values=tuple(pair for page in found for pair in page.key_values()),
    )


def _by_layout(node: JsonNode) -> v.ReadDocumentResult:
    found: Layout = layout_of(node.at("document"))
    return v.ReadDocumentResult(pages=found.pages, tables=found.tables)


def parser_for(request: v.ReadDocumentRequest, target: Target) -> Parser:
    """Layout where it is asked for, forms and tables by the Form Parser, text by OCR, or by a parser there is."""
    wanted = set(request.features)
    if v.DocumentFeature.LAYOUT in wanted:
        return LAYOUT
    if wanted & FORM.gives:
        return FORM
    return OCR if target.processor or not target.form_processor else FORM


def processor(target: Target, parser: Parser) -> tuple[str, str]:
    """The processor's full name and its location. Raises `Unsupported` where none is set."""
    named = {
        "processor": target.processor,
        "form_processor": target.form_processor,
        "layout_processor": target.layout_processor,
    }
    found = named[parser.setting]
    if found is None:
        text = f"Document AI needs a {parser.title} processor of yours: create one and set {parser.setting}"
        raise Unsupported(f"{text} in the backend")
    full = _NAME.fullmatch(found)
    if full is not None:
        return found, full["location"]
    location = _multi_region(target.location)
    return f"projects/{target.project}/locations/{location}/processors/{found}", location


def _multi_region(location: str | None) -> str:
    """Processors live in `us` or `eu`, or in few regions: name one of those by the processor's full name."""
    if location in (None, "global") or location.startswith("us-"):
        return "us"
    return "eu" if location.startswith("europe-") else location


def _source(request: v.ReadDocumentRequest) -> JsonObject:
    media = request.document
    if media.data is None:
        kind = _TYPES.get(str(media.name).lower().rpartition(".")[2])
        if kind is None:
            known = ", ".join(sorted(_TYPES))
            raise InvalidInput(f"Document AI has to be told the type of {media.name}: its name ends in none of {known}")
        return {"gcsDocument": {"gcsUri": media.uri, "mimeType": kind}}
    content = base64.b64encode(media.data).decode("ascii")
    return {"rawDocument": {"content": content, "mimeType": media.content_type}}


_TYPES: Final = {
    "pdf": "application/pdf",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "gif": "image/gif",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "bmp": "image/bmp",
    "webp": "image/webp",
}
"""By the name, only for an object that was not fetched: https://cloud.google.com/document-ai/docs/file-types"""


def process_options(request: v.ReadDocumentRequest, parser: Parser, *, most: int = PAGES) -> dict[str, object]:
    """`ProcessOptions`; `most` pages may be chosen. Raises `TooLarge`."""
    options: dict[str, object] = {}
    if request.pages is not None:
        chosen = page_numbers(request.pages)
        if len(chosen) > most:
            raise TooLarge(f"{len(chosen)} pages were asked for; Document AI takes {most} in a request")
        options["individualPageSelector"] = {"pages": chosen}
    if request.languages and parser is not LAYOUT:
        options["ocrConfig"] = {"hints": {"languageHints": list(request.languages)}}
    return options


def page_numbers(pages: str) -> list[int]:
    """`1-3,7` -> `[1, 2, 3, 7]`. Raises `InvalidInput`."""
    numbers: set[int] = set()
    for part in pages.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()) or int(first) < 1:
            raise InvalidInput(f"pages={pages!r} is not of the form '1-3,7'")
        numbers.update(range(int(first), min(int(last or first), int(first) + 10_000) + 1))
    return sorted(numbers)


def usage_of(request: v.ReadDocumentRequest, parser: Parser, *, pages: int) -> Usage:
    """Pages of the processor that was called."""
    features = tuple(sorted(feature.value for feature in request.features if feature in parser.gives))
    return Usage(
        meter="vision.read_document", unit="page", quantity=Decimal(pages), features=features, variant=parser.variant
    )


def _ignored(request: v.ReadDocumentRequest, parser: Parser) -> tuple[Notice, ...]:
    missing = [feature.value for feature in request.features if feature not in parser.gives]
    if request.queries and "queries" not in missing:
        missing.append("queries")
    if request.languages and parser is LAYOUT:
        missing.append("languages")
    return tuple(
        Notice(code="option_ignored", message=f"Document AI's {parser.title} takes or gives no {name}")
        for name in missing
    )


class _Page:
    """One page of the answer."""

    def __init__(self, node: JsonNode, text: str, index: int) -> None:
        self._node = node
        self._text = text
        self._number = node.integer("pageNumber") or index
        size = node.at("dimension")
        self._width, self._height = size.number("width"), size.number("height")
        self._unit = size.text("unit") or "pixels"
        self._frame = Frame(width=self._width, height=self._height) if self._width and self._height else None

    def read(self) -> v.Page:
        tokens = [(_span(each), each) for each in self._node.items("tokens")]
        lines = [(_span(each), self._line(each, tokens)) for each in self._node.items("lines")]
        languages = (from_google(each.text("languageCode")) for each in self._node.items("detectedLanguages"))
        return v.Page(
            number=self._number,
            width=self._width or None,
            height=self._height or None,
            unit="pixel" if self._unit == "pixels" else self._unit,
            blocks=tuple(self._blocks(lines)),
            languages=tuple(dict.fromkeys(tag for tag in languages if tag is not None)),
        )

    def _blocks(self, lines: Sequence[tuple[_Span, v.Line]]) -> list[v.Block]:
        """Paragraphs with their lines; lines of no paragraph make a block of their own."""
        blocks: list[v.Block] = []
        taken: set[int] = set()
        for each in self._node.items("paragraphs"):
            span = _span(each)
            mine = [index for index, (own, _) in enumerate(lines) if index not in taken and _within(own, span)]
            taken.update(mine)
            if mine:
                blocks.append(
                    v.Block(
                        lines=tuple(lines[index][1] for index in mine),
                        region=self._region(each),
                        confidence=each.at("layout").ratio("confidence"),
                    )
                )
        left = tuple(line for index, (_, line) in enumerate(lines) if index not in taken)
        return [*blocks, v.Block(lines=left)] if left else blocks

    def _line(self, node: JsonNode, tokens: Sequence[tuple[_Span, JsonNode]]) -> v.Line:
        span = _span(node)
        words = tuple(self._word(each) for own, each in tokens if _within(own, span))
        return v.Line(
            text=self._said(node.at("layout")),
            words=words,
            region=self._region(node),
            confidence=node.at("layout").ratio("confidence"),
            language=_first_language(node),
        )

    def _word(self, node: JsonNode) -> v.Word:
        return v.Word(
            text=self._said(node.at("layout")),
            region=self._region(node),
            confidence=node.at("layout").ratio("confidence"),
            language=_first_language(node),
        )

    def tables(self) -> list[v.Table]:
        return [self._table(each) for each in self._node.items("tables")]

    def _table(self, node: JsonNode) -> v.Table:
        cells = placed(node)
        rows, columns = size(cells)
        return v.Table(
            rows=rows,
            columns=columns,
            cells=tuple(self._cell(cell) for cell in cells),
            page=self._number,
            region=self._region(node),
            confidence=node.at("layout").ratio("confidence"),
        )

    def _cell(self, cell: Placed) -> v.Cell:
        layout = cell.node.at("layout")
        return v.Cell(
            row=cell.row,
            column=cell.column,
            row_span=cell.row_span,
            column_span=cell.column_span,
            text=self._said(layout),
            header=cell.header,
            region=self._region(cell.node),
            confidence=layout.ratio("confidence"),
        )

    def key_values(self) -> list[v.KeyValue]:
        return [
            v.KeyValue(
                key=self._said(each.at("fieldName")).rstrip(":").rstrip(),
                value=self._said(each.at("fieldValue")),
                page=self._number,
                key_region=region(each.at("fieldName").at("boundingPoly"), self._frame),
                value_region=region(each.at("fieldValue").at("boundingPoly"), self._frame),
                confidence=each.at("fieldValue").ratio("confidence"),
            )
            for each in self._node.items("formFields")
        ]

    def _region(self, node: JsonNode) -> Region | None:
        return region(node.at("layout").at("boundingPoly"), self._frame)

    def _said(self, layout: JsonNode) -> str:
        parts = layout.at("textAnchor").items("textSegments")
        return "".join(self._text[part.integer("startIndex") : part.integer("endIndex")] for part in parts).strip()


_Span = tuple[int, int]


def _span(node: JsonNode) -> _Span:
    """From the first to the last character of a layout; an index of zero is left out."""
    parts = node.at("layout").at("textAnchor").items("textSegments")
    if not parts:
        return (0, 0)
    return min(part.integer("startIndex") for part in parts), max(part.integer("endIndex") for part in parts)


def _within(inner: _Span, outer: _Span) -> bool:
    return inner[0] < inner[1] and outer[0] <= inner[0] and inner[1] <= outer[1]


def _first_language(node: JsonNode) -> str | None:
    return next((from_google(each.text("languageCode")) for each in node.items("detectedLanguages")), None)
