"""Document Intelligence 2024-11-30: prebuilt-read for text, prebuilt-layout for tables, forms and layout.

Wire: https://github.com/Azure/azure-rest-api-specs/tree/main/specification/ai/data-plane/DocumentIntelligence/stable/
2024-11-30. A job: POST, then GET until it has ended, within the call's seconds. The result's address is made from its
id, not taken from `Operation-Location`: credentials go nowhere else, and gateways in between stay in between.
Positions are in the page's unit (pixels of a picture, inches of a PDF); Office files have none.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal

from cloudai.http import retry_after
from cloudai.types import vision as v
from cloudai.types.geometry import Region
from cloudai.types.results import Notice, Usage
from cloudai.wirejson import JsonNode, Malformed, dump
from cloudai_azure.errors import failure
from cloudai_azure.settings import DocumentOptions
from cloudai_azure.values import Frame, flat_corners, ignored
from cloudai_azure.waiting import until
from cloudai_azure.wire import Answer, Flow, Wire, needed, needed_items, needed_text, needed_whole

API_VERSION = "2024-11-30"
_RESULT_ID = re.compile(r"/analyzeResults/([A-Za-z0-9-]+)(?:\?|$)")
_LAYOUT = {v.DocumentFeature.TABLES, v.DocumentFeature.FORMS, v.DocumentFeature.LAYOUT, v.DocumentFeature.QUERIES}
Frames = Mapping[int, Frame | None]


def read_document(request: v.ReadDocumentRequest, options: DocumentOptions, *, raw: bool) -> Flow[v.ReadDocumentResult]:
    model = model_of(request, options)
    submitted = yield document_wire(request, model)
    found = _RESULT_ID.search(submitted.headers.get("operation-location", ""))
    if found is None:
        raise Malformed("Operation-Location names no analyzeResults")
    path = f"/documentintelligence/documentModels/{model}/analyzeResults/{found[1]}"
    look = Wire(service="document", method="GET", path=path, query={"api-version": API_VERSION})
    first = retry_after(submitted.headers)
    answer = yield from until(lambda: _asked(look), ended=_ended, every=options.poll_interval, first=first)
    if answer.json.text("status") != "succeeded":
        raise failure(answer.json.at("error"), request_id=submitted.request_id)
    result = document_of(answer.json.at("analyzeResult"), request)
    update = {"request_id": submitted.request_id, "raw": answer.raw(raw), "warnings": _notices(request)}
    return result.model_copy(update=update)


def _asked(wire: Wire) -> Flow[Answer]:
    return (yield wire)


def _ended(answer: Answer) -> bool:
    return needed_text(answer.json, "status") not in ("notStarted", "running")


def model_of(request: v.ReadDocumentRequest, options: DocumentOptions) -> str:
    """Layout where a feature needs it, else read."""
    if options.model is not None:
        return options.model
    return "prebuilt-layout" if _LAYOUT & set(request.features) or request.queries else "prebuilt-read"


def document_wire(request: v.ReadDocumentRequest, model: str) -> Wire:
    """`documentModels/MODEL:analyze`; offsets are asked for in code points."""
    query = {"api-version": API_VERSION, "stringIndexType": "unicodeCodePoint"}
    if request.pages is not None:
        query["pages"] = request.pages.replace(" ", "")
    if len(request.languages) == 1:
        query["locale"] = request.languages[0]
    features = []
    if v.DocumentFeature.FORMS in request.features:
        features.append("keyValuePairs")
    if request.queries:
        features.append("queryFields")
        query["queryFields"] = ",".join(query_field(each) for each in request.queries)
    if features:
        query["features"] = ",".join(features)
    media = request.document
    if media.data is None:
        body: dict[str, object] = {"urlSource": media.uri}
    else:
        body = {"base64Source": base64.b64encode(media.data).decode("ascii")}
    path = f"/documentintelligence/documentModels/{model}:analyze"
    return Wire(service="document", path=path, query=query, body=dump(body), content_type="application/json")


def query_field(question: str) -> str:
    """A field's name: Azure takes no questions. `What is the total?` -> `What_is_the_total`."""
    return re.sub(r"\W+", "_", question, flags=re.ASCII).strip("_")[:64]


def document_of(node: JsonNode, request: v.ReadDocumentRequest) -> v.ReadDocumentResult:
    """Pages, and what was asked for besides."""
    pages = needed_items(node, "pages")
    frames = {needed_whole(page, "pageNumber"): _frame(page) for page in pages}
    tables = tuple(_table(each, frames) for each in node.items("tables"))
    model = needed_text(node, "modelId")
    return v.ReadDocumentResult(
        pages=tuple(_page(page, node, frames) for page in pages),
        tables=tables,
        key_values=tuple(_pair(each, frames) for each in node.items("keyValuePairs")),
        answers=tuple(_answers(node, request.queries, frames)),
        usage=_usage(request, model, len(pages)),
        model=model,
    )


def variant_of_model(model: str) -> str:
    """The SKU that a model's pages are billed by."""
    return {"prebuilt-read": "read", "prebuilt-layout": "layout"}.get(model, model)


def _usage(request: v.ReadDocumentRequest, model: str, pages: int) -> tuple[Usage, ...]:
    """A page each. The feature that names the SKU is the dearest one that was asked for."""
    variant = variant_of_model(model)
    asked = sorted(feature.value for feature in set(request.features) & _LAYOUT)
    if request.queries:
        variant, asked = "query-fields", ["queries"]
    features = () if variant == "read" else tuple(asked)
    quantity = Decimal(pages)
    return (Usage(meter="vision.read_document", unit="page", quantity=quantity, variant=variant, features=features),)


# --- pages -------------------------------------------------------------------------------------------


def _frame(page: JsonNode) -> Frame | None:
    width, height = page.number("width"), page.number("height")
    return Frame(width=width, height=height) if width > 0 and height > 0 else None


def _page(page: JsonNode, result: JsonNode, frames: Frames) -> v.Page:
    number = needed_whole(page, "pageNumber")
    frame = frames[number]
    words = [_Placed(word) for word in page.items("words")]
    handwriting = [
        span
        for style in result.items("styles")
        if style.flag("isHandwritten")
        for span in (_span(each) for each in needed_items(style, "spans"))
    ]
    lines = [_line(line, words, handwriting, frame) for line in page.items("lines")]
    return v.Page(
        number=number,
        width=None if frame is None else frame.width,
        height=None if frame is None else frame.height,
        unit=page.text("unit", "pixel"),
        angle=page.at("angle").optional_number(),
        blocks=tuple(_blocks(lines, result, number, frame)),
    )


class _Placed:
    """A word and where it stands in the text."""

    def __init__(self, node: JsonNode) -> None:
        self.node = node
        self.start, self.end = _span(needed(node, "span"))


def _span(node: JsonNode) -> tuple[int, int]:
    start = needed_whole(node, "offset")
    return start, start + needed_whole(node, "length")


Located = tuple[int, v.Line]


def _line(
    node: JsonNode, words: Sequence[_Placed], handwriting: Sequence[tuple[int, int]], frame: Frame | None
) -> Located:
    spans = [_span(each) for each in needed_items(node, "spans")]
    mine = [word for word in words if any(start <= word.start < end for start, end in spans)]
    read = tuple(
        v.Word(
            text=needed_text(word.node, "content"),
            region=flat_corners(word.node, "polygon", frame),
            confidence=word.node.ratio("confidence"),
            handwritten=True if any(start <= word.start < end for start, end in handwriting) else None,
        )
        for word in mine
    )
    sure = [word.confidence for word in read if word.confidence is not None]
    line = v.Line(
        text=needed_text(node, "content"),
        words=read,
        region=flat_corners(node, "polygon", frame),
        confidence=sum(sure) / len(sure) if sure else None,
    )
    return (spans[0][0] if spans else 0), line


def _blocks(lines: Sequence[Located], result: JsonNode, page: int, frame: Frame | None) -> list[v.Block]:
    """Paragraphs, where there are some; the lines that belong to none are a block of their own."""
    left, blocks = dict(enumerate(lines)), list[tuple[int, v.Block]]()
    for paragraph in result.items("paragraphs"):
        places = [each for each in paragraph.items("boundingRegions") if needed_whole(each, "pageNumber") == page]
        spans = [_span(each) for each in needed_items(paragraph, "spans")]
        mine = [key for key, (offset, _) in left.items() if any(start <= offset < end for start, end in spans)]
        if not mine:
            continue
        taken = [left.pop(key) for key in mine]
        region = flat_corners(places[0], "polygon", frame) if places else None
        block = v.Block(lines=tuple(line for _, line in taken), region=region, kind=paragraph.text("role", "text"))
        blocks.append((taken[0][0], block))
    if left:
        rest = list(left.values())
        blocks.append((rest[0][0], v.Block(lines=tuple(line for _, line in rest), kind="text")))
    return [block for _, block in sorted(blocks, key=lambda each: each[0])]


# --- tables, pairs, answers --------------------------------------------------------------------------


def _place(node: JsonNode, frames: Frames) -> tuple[int, Region | None]:
    """The first page it is on, and where."""
    for each in node.items("boundingRegions"):
        page = needed_whole(each, "pageNumber")
        needed(each, "polygon")
        return page, flat_corners(each, "polygon", frames.get(page))
    return 1, None


def _table(node: JsonNode, frames: Frames) -> v.Table:
    page, region = _place(node, frames)
    return v.Table(
        rows=needed_whole(node, "rowCount"),
        columns=needed_whole(node, "columnCount"),
        cells=tuple(_cell(each, frames) for each in needed_items(node, "cells")),
        page=page,
        title=node.at("caption").text("content") or None,
        region=region,
    )


def _cell(node: JsonNode, frames: Frames) -> v.Cell:
    return v.Cell(
        row=needed_whole(node, "rowIndex"),
        column=needed_whole(node, "columnIndex"),
        row_span=node.integer("rowSpan", 1),
        column_span=node.integer("columnSpan", 1),
        text=needed_text(node, "content"),
        header=node.text("kind") in ("rowHeader", "columnHeader", "stubHead"),
        region=_place(node, frames)[1],
    )


def _pair(node: JsonNode, frames: Frames) -> v.KeyValue:
    key, value = needed(node, "key"), node.at("value")
    page, key_region = _place(key, frames)
    return v.KeyValue(
        key=needed_text(key, "content"),
        value=needed_text(value, "content") if value else "",
        page=page,
        key_region=key_region,
        value_region=_place(value, frames)[1],
        confidence=node.ratio("confidence"),
    )


def _answers(node: JsonNode, queries: Sequence[str], frames: Frames) -> list[v.QueryAnswer]:
    names, answers = {query_field(each): each for each in queries}, list[v.QueryAnswer]()
    for document in node.items("documents") if queries else ():
        fields = document.at("fields")
        for name, field in fields.members() if fields else ():
            if name in names and field.text("content"):
                page, region = _place(field, frames)
                answers.append(
                    v.QueryAnswer(
                        query=names[name],
                        answer=field.text("content"),
                        page=page,
                        confidence=field.ratio("confidence"),
                        region=region,
                    )
                )
    return answers


def _notices(request: v.ReadDocumentRequest) -> tuple[Notice, ...]:
    notices = list[Notice]()
    if v.DocumentFeature.SIGNATURES in request.features:
        notices.append(ignored("signatures", "only a custom model that was trained for them finds signatures"))
    if len(request.languages) > 1:
        notices.append(ignored("languages", "one language at most is taken as a hint"))
    return tuple(notices)
