"""What a Layout Parser gives, `document.documentLayout`: nested blocks as pages > blocks > lines, and tables.

https://cloud.google.com/document-ai/docs/layout-parse-chunk
It says which page a block is on, and what it is (heading, paragraph, list, header, footer); it gives no words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cloudai.types import vision as v
from cloudai.wirejson import JsonNode
from cloudai_gcp.tables import placed, size
from cloudai_gcp.values import region

_KINDS = {"subtitle": "title", "heading-1": "title"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """Pages in order, and tables in the order of the document."""

    pages: tuple[v.Page, ...]
    tables: tuple[v.Table, ...]


def layout_of(document: JsonNode) -> Layout:
    """Pages from 1 to the last that a block is on."""
    blocks: dict[int, list[v.Block]] = {}
    tables: list[v.Table] = []
    for node, kind, page in _walk(document.at("documentLayout").items("blocks"), "", 1):
        table = node.at("tableBlock")
        if table:
            tables.append(_table(node, page))
            lines = tuple(v.Line(text="\t".join(row)) for row in tables[-1].to_rows())
        else:
            lines = tuple(v.Line(text=line) for line in _own_text(node).splitlines() if line.strip())
        where = region(node.at("boundingBox"), None)
        blocks.setdefault(page, [])
        if lines:
            blocks[page].append(v.Block(lines=lines, region=where, kind="table" if table else kind or None))
    pages = range(1, max(blocks, default=0) + 1)
    return Layout(
        pages=tuple(v.Page(number=page, blocks=tuple(blocks.get(page, ()))) for page in pages), tables=tuple(tables)
    )


def _walk(nodes: list[JsonNode], kind: str, page: int) -> Iterator[tuple[JsonNode, str, int]]:
    """Blocks in reading order with what they are and the page they start on, those of a table left to it."""
    for node in nodes:
        here = node.at("pageSpan").integer("pageStart") or page
        said = node.at("textBlock").text("type")
        own = _KINDS.get(said, said) or kind
        yield node, own, here
        yield from _walk(node.at("textBlock").items("blocks"), "", here)
        for entry in node.at("listBlock").items("listEntries"):
            yield from _walk(entry.items("blocks"), "list", here)


def _own_text(node: JsonNode) -> str:
    return node.at("textBlock").text("text") or node.at("imageBlock").text("imageText")


def _table(node: JsonNode, page: int) -> v.Table:
    table = node.at("tableBlock")
    cells = placed(table)
    rows, columns = size(cells)
    return v.Table(
        rows=rows,
        columns=columns,
        cells=tuple(
            v.Cell(
                row=cell.row,
                column=cell.column,
                row_span=cell.row_span,
                column_span=cell.column_span,
                text=" ".join(_own_text(each) for each, _, _ in _walk(cell.node.items("blocks"), "", page)).strip(),
                header=cell.header,
            )
            for cell in cells
        ),
        page=page,
        title=table.text("caption") or None,
        region=region(node.at("boundingBox"), None),
    )
