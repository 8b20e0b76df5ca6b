"""Finds in Python sources: calls, through the interpreter of `flow.py`, and hard-coded ids in strings that are used."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from cloudai.lockin.catalog import NOTHING, of_module, sdk_vendor, services
from cloudai.lockin.flow import Evaluator
from cloudai.lockin.literals import literals
from cloudai.lockin.modules import Source, Tree
from cloudai.lockin.recording import Recorder
from cloudai.lockin.scanned import CoupledLine, Find


def find_in(sources: Iterable[Source]) -> tuple[Find, ...]:
    """Everything that the sources, taken together, use of vendors."""
    tree, record = Tree(sources), Recorder()
    Evaluator(tree, record).run()
    used: dict[str, set[tuple[str, str]]] = {}
    for find in record.finds:
        used.setdefault(find.file, set()).add((find.provider, find.service))
    for source in tree.sources:
        own = used.get(source.file, set()) | _imported(source)
        _literals(source, frozenset(own), record)
    return record.finds


def _imported(source: Source) -> set[tuple[str, str]]:
    found = (of_module(name) for name, _ in source.imports)
    return {(service.provider, service.id) for service in found if service is not None}


def _literals(source: Source, used: frozenset[tuple[str, str]], record: Recorder) -> None:
    for text, node in _strings(source.tree):
        for literal in literals(text, used=used):
            service = services().get((literal.provider, literal.service))
            place = record.place(source, node)
            record.add("resource_id", place, service, NOTHING, literal.name, provider=literal.provider)


def _strings(tree: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """Strings and f-strings, without those that stand alone (docstrings)."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Expr) and isinstance(node.value, (ast.Constant, ast.JoinedStr)):
            continue
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values), node
            pending += [p.value for p in node.values if isinstance(p, ast.FormattedValue)]
            continue
        if isinstance(node, ast.Constant):
            if isinstance(node.value, str):
                yield node.value, node
            continue
        pending.extend(ast.iter_child_nodes(node))


def import_lines(source: Source, providers: frozenset[str]) -> Iterator[CoupledLine]:
    """Lines that import the SDKs of providers: they are coupled, and belong to no one operation."""
    for name, number in source.imports:
        service = of_module(name)
        provider = service.provider if service is not None else sdk_vendor(name)
        if provider in providers:
            yield CoupledLine(
                file=source.file, line=source.line(number), provider=provider, service=service.id if service else ""
            )
