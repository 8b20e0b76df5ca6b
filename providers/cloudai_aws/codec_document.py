"""Textract: a flat list of blocks that name each other, as pages, tables, pairs and answers. Pure functions, no I/O.

Blocks: https://docs.aws.amazon.com/textract/latest/dg/how-it-works-document-layout.html (read 2026-11-21).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from cloudai.errors import InvalidInput, TooLarge
from cloudai.types import vision as v
from cloudai.types.media import Media
from cloudai.types.results import Notice, Usage
from cloudai_aws.codec_vision import text_notices
from cloudai_aws.reply import Params, Reply, document, ignored, ratio, region
from cloudai_aws.settings import DocumentOptions

FEATURES: Mapping[v.DocumentFeature, str] = {feature: feature.name for feature in v.DocumentFeature}
"""Ours and Textract's differ in case alone."""
SYNC_BYTES = 10_485_760
"""Of one request's document, and of a JPEG or PNG always; PDF and TIFF may be larger and longer as jobs:
https://docs.aws.amazon.com/textract/latest/dg/limits-document.html (read 2026-11-21)."""
SYNC_QUERIES, JOB_QUERIES = 15, 30
"""Questions for each page, on the same page of the documentation."""
SEVERAL_PAGES = "Textract reads documents of several pages or of more than 10 MiB from S3"
_PAGED: Mapping[str, str] = {"application/pdf": "pdf", "image/tiff": "tiff"}
_LAYOUT = "LAYOUT_"


def features_of(request: v.ReadDocumentRequest) -> tuple[v.DocumentFeature, ...]:
    """What is asked for; questions ask for `queries`."""
    asked = dict.fromkeys(request.features)
    if request.queries:
        asked[v.DocumentFeature.QUERIES] = None
    if v.DocumentFeature.QUERIES in asked and not request.queries:
        raise InvalidInput("queries: the feature needs questions")
    return tuple(asked)


def encode_document(request: v.ReadDocumentRequest, options: DocumentOptions) -> Params:
    """`DetectDocumentText` when no feature is asked for, `AnalyzeDocument` otherwise."""
    return {"Document": document(request.document), **_asked(request, options, SYNC_QUERIES, {})}


def _asked(request: v.ReadDocumentRequest, options: DocumentOptions, most: int, pages: Params) -> Params:
    """Features, questions and adapters."""
    if len(request.queries) > most:
        raise TooLarge(f"{len(request.queries)} questions; Textract takes {most} of a page here")
    params: Params = {}
    features = features_of(request)
    if features:
        params["FeatureTypes"] = [FEATURES[feature] for feature in features]
    if request.queries:
        params["QueriesConfig"] = {"Queries": [{"Text": query, **pages} for query in request.queries]}
    if options.adapters:
        adapters = [{"AdapterId": name, "Version": version, **pages} for name, version in options.adapters]
        params["AdaptersConfig"] = {"Adapters": adapters}
    return params


def document_notices(request: v.ReadDocumentRequest) -> tuple[Notice, ...]:
    """A synchronous request has one page: which ones to read can't be said."""
    notices = text_notices(request.languages)
    if request.pages in (None, "1"):
        return notices
    return (*notices, ignored("a synchronous request reads its one page; pages was ignored"))


def decode_document(reply: Reply, features: Sequence[v.DocumentFeature]) -> v.ReadDocumentResult:
    blocks = _Blocks(reply)
    return v.ReadDocumentResult(
        pages=blocks.pages(),
        tables=tuple(blocks.tables()),
        key_values=tuple(blocks.key_values()),
        answers=tuple(blocks.answers()),
        usage=pages_used(reply, features),
        model=reply.get("AnalyzeDocumentModelVersion") or reply.get("DetectDocumentTextModelVersion"),
    )


def decode_dense_text(reply: Reply) -> v.ReadTextResult:
    """The same words for `read_text(dense=True)`: billed as a page of Textract."""
    return v.ReadTextResult(
        pages=_Blocks(reply).pages(), usage=pages_used(reply, ()), model=reply.get("DetectDocumentTextModelVersion")
    )


def pages_used(reply: Reply, features: Sequence[v.DocumentFeature]) -> tuple[Usage, ...]:
    """Textract bills pages, by the features asked for. Where it does not say how many, those that came are counted."""
    pages = reply.get("DocumentMetadata", {}).get("Pages")
    if not isinstance(pages, int):
        pages = max(1, sum(1 for block in reply.get("Blocks", ()) if block.get("BlockType") == "PAGE"))
    named = tuple(feature.value for feature in features)
    return (Usage(meter="vision.read_document", unit="page", quantity=Decimal(pages), features=named),)


# --- documents of several pages ------------------------------------------------------------------


def by_job(found: Media, *, asked: bool, staging: bool) -> bool:
    """Whether one request would not do. Of an object in S3 only the name is known. Where the number of pages is not
    known, a job is sure to do. Raises `TooLarge` for a picture that no job takes either."""
    if asked or found.data is None:
        return asked or str(found.uri).lower().endswith((".pdf", ".tif", ".tiff"))
    if found.content_type not in _PAGED:
        if len(found.data) > SYNC_BYTES:
            raise TooLarge(f"the picture has {len(found.data):,} bytes; Textract takes {SYNC_BYTES:,} (max_bytes)")
        return False
    return len(found.data) > SYNC_BYTES or (staging if found.pages is None else found.pages > 1)


def suffix(found: Media) -> str:
    """For the name of a staged object."""
    return _PAGED.get(found.content_type or "", "bin")


@dataclass(frozen=True, kw_only=True, slots=True)
class DocumentJob:
    """How a job is begun, and by what it is looked at."""

    start: str
    get: str
    params: Params


def encode_job(
    request: v.ReadDocumentRequest, options: DocumentOptions, where: tuple[str, str], token: str
) -> DocumentJob:
    """`StartDocumentTextDetection`, or `StartDocumentAnalysis` with features. Questions are for the first page unless
    pages are given: here for those asked for, or all."""
    pages = {"Pages": ["*"] if request.pages is None else [part for part, _, _ in _ranges(request.pages)]}
    asked = _asked(request, options, JOB_QUERIES, pages)
    bucket, key = where
    location = {"DocumentLocation": {"S3Object": {"Bucket": bucket, "Name": key}}, "ClientRequestToken": token}
    kind = "document_analysis" if "FeatureTypes" in asked else "document_text_detection"
    return DocumentJob(start=f"start_{kind}", get=f"get_{kind}", params={**location, **asked})


def ended(reply: Reply) -> Reply | None:
    """`None` while the job runs."""
    return None if reply.get("JobStatus") == "IN_PROGRESS" else reply


def decode_job(
    replies: Sequence[Reply], request: v.ReadDocumentRequest
) -> tuple[v.ReadDocumentResult, tuple[Notice, ...]]:
    """All parts of the answer as one, and what Textract could not read."""
    whole = {**replies[0], "Blocks": [block for reply in replies for block in reply.get("Blocks", ())]}
    result = decode_document(whole, features_of(request))
    notices = [*text_notices(request.languages), *_unread(replies)]
    if request.pages is None:
        return result, tuple(notices)
    ranges = _ranges(request.pages)
    some = _only(result, lambda number: any(first <= number <= last for _, first, last in ranges))
    if len(some.pages) < len(result.pages):
        notices.append(ignored(f"Textract read and bills all {len(result.pages)} pages; those asked for are here"))
    return some, tuple(notices)


def _unread(replies: Sequence[Reply]) -> Iterator[Notice]:
    told = [warning for reply in replies for warning in reply.get("Warnings", ())]
    for warning in {str(each): each for each in told}.values():
        pages = ", ".join(map(str, warning.get("Pages", ()))) or "some"
        yield Notice(code="partial", message=f"Textract could not read pages {pages}: {warning.get('ErrorCode')}")
    if not told and replies[0].get("JobStatus") == "PARTIAL_SUCCESS":
        yield Notice(code="partial", message="Textract read a part of the document only, and does not say which")


def _only(result: v.ReadDocumentResult, wanted: Callable[[int], bool]) -> v.ReadDocumentResult:
    return result.model_copy(
        update={
            "pages": tuple(page for page in result.pages if wanted(page.number)),
            "tables": tuple(table for table in result.tables if wanted(table.page)),
            "key_values": tuple(pair for pair in result.key_values if wanted(pair.page)),
            "answers": tuple(answer for answer in result.answers if wanted(answer.page)),
        }
    )


def _ranges(pages: str) -> list[tuple[str, int, int]]:
    """`1-3,7` as its parts with their first and last page."""
    found = list[tuple[str, int, int]]()
    for part in pages.replace(" ", "").split(","):
        known = re.fullmatch(r"([1-9][0-9]{0,8})(?:-([1-9][0-9]{0,8}))?", part)
        if known is None or int(known[2] or known[1]) < int(known[1]):
            raise InvalidInput(f"pages={pages!r} is not of the form '1-3,7'")
        found.append((part, int(known[1]), int(known[2] or known[1])))
    return found


# --- blocks --------------------------------------------------------------------------------------


class _Blocks:
    """The blocks of one answer, by id."""

    def __init__(self, reply: Reply) -> None:
        self.all: Sequence[Reply] = reply.get("Blocks", ())
        self.by_id = {block.get("Id", ""): block for block in self.all}

    def of(self, kind: str) -> Iterator[Reply]:
        return (block for block in self.all if block.get("BlockType") == kind)

    def related(self, block: Reply, relation: str = "CHILD") -> list[Reply]:
        lists = (each.get("Ids", ()) for each in block.get("Relationships", ()) if each.get("Type") == relation)
        return [self.by_id[one] for ids in lists for one in ids if one in self.by_id]

    def text(self, block: Reply) -> str:
        """Words and ticked boxes inside, in order."""
        parts = []
        for child in self.related(block):
            if child.get("BlockType") == "SELECTION_ELEMENT":
                parts.append("[x]" if child.get("SelectionStatus") == "SELECTED" else "[ ]")
            elif child.get("Text"):
                parts.append(child["Text"])
        return " ".join(parts)

    # --- pages -----------------------------------------------------------------------------------

    def pages(self) -> tuple[v.Page, ...]:
        found = list(self.of("PAGE"))
        return tuple(
            v.Page(
                number=page.get("Page", index),
                angle=page.get("Geometry", {}).get("RotationAngle"),
                blocks=tuple(self.page_blocks(page)),
            )
            for index, page in enumerate(found, start=1)
        )

    def page_blocks(self, page: Reply) -> Iterator[v.Block]:
        """The layout's blocks in reading order, then the lines that belong to none, then signatures."""
        children, taken = self.related(page), set[str]()
        layouts = [child for child in children if _is(child, _LAYOUT)]
        nested = {part["Id"] for layout in layouts for part in self.related(layout) if _is(part, _LAYOUT)}
        for child in layouts:
            if child.get("Id") not in nested:
                lines = self.lines_of(child)
                taken.update(line["Id"] for line in lines)
                kind = str(child["BlockType"]).removeprefix(_LAYOUT).lower()
                yield self.block(lines, child, kind)
        rest = [child for child in children if _is(child, "LINE") and child.get("Id") not in taken]
        if rest:
            yield self.block(rest, None, None)
        for signature in (child for child in children if _is(child, "SIGNATURE")):
            yield self.block([], signature, "signature")

    def lines_of(self, layout: Reply) -> list[Reply]:
        """Also those of the parts of a list."""
        found: list[Reply] = []
        for child in self.related(layout):
            found += [child] if _is(child, "LINE") else self.lines_of(child) if _is(child, _LAYOUT) else []
        return found

    def block(self, lines: Sequence[Reply], found: Reply | None, kind: str | None) -> v.Block:
        return v.Block(
            lines=tuple(self.line(line) for line in lines),
            region=None if found is None else region(found.get("Geometry")),
            confidence=None if found is None else ratio(found.get("Confidence")),
            kind=kind,
        )

    def line(self, found: Reply) -> v.Line:
        return v.Line(
            text=found.get("Text", ""),
            words=tuple(_word(word) for word in self.related(found) if _is(word, "WORD")),
            region=region(found.get("Geometry")),
            confidence=ratio(found.get("Confidence")),
        )

    # --- tables, pairs, answers ------------------------------------------------------------------

    def tables(self) -> Iterator[v.Table]:
        for table in self.of("TABLE"):
            cells = self.cells(table)
            titles = [self.text(title) for title in self.related(table, "TABLE_TITLE")]
            yield v.Table(
                rows=max((cell.row + cell.row_span for cell in cells), default=0),
                columns=max((cell.column + cell.column_span for cell in cells), default=0),
                cells=cells,
                page=table.get("Page", 1),
                title=titles[0] if titles else None,
                region=region(table.get("Geometry")),
                confidence=ratio(table.get("Confidence")),
            )

    def cells(self, table: Reply) -> tuple[v.Cell, ...]:
        """A merged cell stands in the place of those it is made of."""
        merged = self.related(table, "MERGED_CELL")
        covered = {one["Id"] for each in merged for one in self.related(each)}
        plain = [each for each in self.related(table) if _is(each, "CELL") and each.get("Id") not in covered]
        found = [self.cell(each, [each]) for each in plain]
        found += [self.cell(each, self.related(each)) for each in merged]
        return tuple(sorted(found, key=lambda cell: (cell.row, cell.column)))

    def cell(self, found: Reply, parts: Sequence[Reply]) -> v.Cell:
        """Textract counts rows and columns from 1."""
        kinds = {kind for part in (found, *parts) for kind in part.get("EntityTypes", ())}
        return v.Cell(
            row=found.get("RowIndex", 1) - 1,
            column=found.get("ColumnIndex", 1) - 1,
            row_span=found.get("RowSpan", 1),
            column_span=found.get("ColumnSpan", 1),
            text=" ".join(text for part in parts if (text := self.text(part))),
            header="COLUMN_HEADER" in kinds,
            region=region(found.get("Geometry")),
            confidence=ratio(found.get("Confidence")),
        )

    def key_values(self) -> Iterator[v.KeyValue]:
        for key in self.of("KEY_VALUE_SET"):
            if "KEY" not in key.get("EntityTypes", ()):
                continue
            values = self.related(key, "VALUE")
            yield v.KeyValue(
                key=self.text(key),
                value=" ".join(text for value in values if (text := self.text(value))),
                page=key.get("Page", 1),
                key_region=region(key.get("Geometry")),
                value_region=region(values[0].get("Geometry")) if values else None,
                confidence=ratio(key.get("Confidence")),
            )

    def answers(self) -> Iterator[v.QueryAnswer]:
        for query in self.of("QUERY"):
            for found in self.related(query, "ANSWER"):
                yield v.QueryAnswer(
                    query=query.get("Query", {}).get("Text", ""),
                    answer=found.get("Text", ""),
                    page=found.get("Page", 1),
                    confidence=ratio(found.get("Confidence")),
                    region=region(found.get("Geometry")),
                )


def _is(block: Reply, kind: str) -> bool:
    return str(block.get("BlockType", "")).startswith(kind)


def _word(found: Reply) -> v.Word:
    return v.Word(
        text=found.get("Text", ""),
        region=region(found.get("Geometry")),
        confidence=ratio(found.get("Confidence")),
        handwritten=found.get("TextType") == "HANDWRITING" if "TextType" in found else None,
    )
