"""Textract: a flat list of blocks that name each other, as pages, tables, pairs and answers. Pure functions, no I/O.

Blocks: https://docs.aws.amazon.com/textract/latest/dg/how-it-works-document-layout.html (read 2026-11-21).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from cloudai.errors import InvalidInput
from cloudai.types import vision as v
from cloudai.types.results import Notice, Usage
from cloudai_aws.codec_vision import text_notices
from cloudai_aws.reply import Params, Reply, document, ignored, ratio, region
from cloudai_aws.settings import DocumentOptions

FEATURES: Mapping[v.DocumentFeature, str] = {feature: feature.name for feature in v.DocumentFeature}
"""Ours and Textract's differ in case alone."""
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
    params: Params = {"Document": document(request.document)}
    features = features_of(request)
    if features:
        params["FeatureTypes"] = [FEATURES[feature] for feature in features]
    if request.queries:
        params["QueriesConfig"] = {"Queries": [{"Text": query} for query in request.queries]}
    if options.adapters:
        adapters = [{"AdapterId": name, "Version": version} for name, version in options.adapters]
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
    """Textract bills pages, by the features asked for."""
    pages = Decimal(reply.get("DocumentMetadata", {}).get("Pages", 1))
    named = tuple(feature.value for feature in features)
    return (Usage(meter="vision.read_document", unit="page", quantity=pages, features=named),)


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
