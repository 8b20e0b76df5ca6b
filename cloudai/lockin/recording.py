"""Finds as they are made: each once, with the file's own line, and which providers a stretch of code has called."""

from __future__ import annotations

import ast
from dataclasses import replace

from cloudai.lockin.catalog import Meaning, Service
from cloudai.lockin.modules import Source
from cloudai.lockin.scanned import Find, FindKind, Place


class Recorder:
    """Collects the finds of one scan."""

    def __init__(self) -> None:
        self._finds: dict[tuple[str, int, str, str, str, str, str], Find] = {}
        self._cells: dict[Place, int] = {}
        self.touched: set[str] = set()
        """Providers of the calls found since somebody looked."""

    def place(self, source: Source, node: ast.AST) -> Place:
        """Where a node's name stands: for a chain over several lines its last one."""
        number = getattr(node, "lineno", 1)
        if isinstance(node, ast.Attribute):
            number = node.end_lineno or number
        found = Place(file=source.file, line=source.line(number))
        if source.cells is not None and number in source.cells:
            self._cells[found] = source.cells[number]
        return found

    def add(
        self, kind: FindKind, place: Place, service: Service | None, meaning: Meaning, name: str, *,
        provider: str = "", site: str = "", feature: str = "", model: str = "",
    ) -> None:  # fmt: skip
        """One more find. Of several that are one line's, the first by name says topic and site: the order that they
        come in may differ from run to run.
        """
        owner = service.provider if service is not None else provider
        find = Find(
            file=place.file, line=place.line, provider=owner, service=service.id if service is not None else "",
            operation=meaning.operation, topic=meaning.topic, kind=kind, name=name, site=site,
            cell=self._cells.get(place), feature=feature, model=model,
        )  # fmt: skip
        key = (find.file, find.line, owner, find.service, find.operation, kind, name)
        old = self._finds.get(key)
        if old is None:
            self._finds[key] = find
        elif old != find:
            self._finds[key] = replace(
                min(old, find, key=lambda each: (_rank(each.topic), _rank(each.site))),
                feature=min(old.feature, feature, key=_rank), model=min(old.model, model, key=_rank),
            )  # fmt: skip
        if kind == "operation":
            self.touched.add(owner)

    def add_find(self, find: Find) -> None:
        """A find made elsewhere."""
        key = (find.file, find.line, find.provider, find.service, find.operation, find.kind, find.name)
        self._finds.setdefault(key, find)

    @property
    def finds(self) -> tuple[Find, ...]:
        """All of them, by file and line."""
        return tuple(
            sorted(
                self._finds.values(), key=lambda f: (f.file, f.line, f.kind, f.provider, f.service, f.name, f.operation)
            )
        )


def _rank(text: str) -> tuple[bool, str]:
    """Something before nothing."""
    return not text, text
