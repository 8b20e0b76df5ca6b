"""The arguments of one call, evaluated once: values with the places where their keywords stand."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from cloudai.lockin.scanned import Place
from cloudai.lockin.values import UNKNOWN, Function, Sequence, Table, Value, union


@dataclass(slots=True)
class Arguments:
    """Positional values; keywords with place; `spread`: keys that came by `**`."""

    place: Place
    positional: list[Value] = field(default_factory=list)
    keywords: dict[str, tuple[Value, Place]] = field(default_factory=dict)
    nodes: tuple[ast.expr, ...] = ()
    keyword_nodes: dict[str, ast.expr] = field(default_factory=dict)
    more: list[tuple[str, Place]] = field(default_factory=list)
    """Keys that came by `**` and stand in several dictionaries."""

    def spread(self, value: Value) -> None:
        """`**value`: what it may be, one dictionary after the other as they stand in the code."""
        tables = [atom for atom in value if isinstance(atom, Table)]
        for table in sorted(tables, key=lambda each: sorted(place for _, place in each.entries.values())):
            for name, (given, place) in table.entries.items():
                before, first = self.keywords.get(name, (UNKNOWN, place))
                self.keywords[name] = (before | given, first)
                if place != first:
                    self.more.append((name, place))

    def get(self, position: int, *names: str) -> Value:
        """An argument by place or by one of its names."""
        for name in names:
            if name in self.keywords:
                return self.keywords[name][0]
        return self.positional[position] if 0 <= position < len(self.positional) else UNKNOWN

    def rest(self, count: int) -> Arguments:
        """Without the first so many positional ones."""
        return Arguments(
            self.place, self.positional[count:], self.keywords, self.nodes[count:], self.keyword_nodes, self.more
        )

    def after(self, given: Arguments) -> Arguments:
        """These, with what `partial` was given before them."""
        return Arguments(
            self.place, [*given.positional, *self.positional], {**given.keywords, **self.keywords},
            (*given.nodes, *self.nodes), {**given.keyword_nodes, **self.keyword_nodes}, [*given.more, *self.more],
        )  # fmt: skip

    @property
    def values(self) -> Iterator[Value]:
        """All of them."""
        yield from self.positional
        for value, _ in self.keywords.values():
            yield value

    @property
    def functions(self) -> Iterator[Function]:
        """Callbacks among them."""
        for value in self.values:
            for atom in value:
                if isinstance(atom, Function):
                    yield atom

    def words(self) -> frozenset[str]:
        """Names of members and short strings anywhere in the arguments, through lists and dictionaries in variables."""
        found: set[str] = set()
        for node in (*self.nodes, *self.keyword_nodes.values()):
            found |= _words(node)
        for value in self.values:
            found |= _value_words(value, 4)
        return frozenset(found)

    def words_of(self, keyword: str) -> frozenset[str]:
        """The same of one keyword."""
        node = self.keyword_nodes.get(keyword)
        value, _ = self.keywords.get(keyword, (UNKNOWN, self.place))
        return frozenset(_value_words(value, 4) | (_words(node) if node is not None else frozenset()))


_KNOWN: WeakKeyDictionary[ast.AST, frozenset[str]] = WeakKeyDictionary()
"""Words of nodes: a call is gone through with each set of arguments of its function."""


def _words(node: ast.AST) -> frozenset[str]:
    known = _KNOWN.get(node)
    if known is None:
        known = _KNOWN[node] = frozenset(_all_words(node))
    return known


def _all_words(node: ast.AST) -> set[str]:
    found: set[str] = set()
    for child in ast.walk(node):
        if isinstance(child, ast.Attribute):
            found.add(child.attr)
        elif isinstance(child, ast.Constant) and isinstance(child.value, str) and len(child.value) < 200:
            found |= {child.value, *child.value.split(",")}
        elif isinstance(child, ast.keyword) and child.arg:
            found.add(child.arg)
    return found


def _value_words(value: Value, depth: int) -> set[str]:
    found: set[str] = set()
    if depth == 0:
        return found
    for atom in value:
        if isinstance(atom, (Table, Sequence)):
            found |= _words(atom.node)
            inner = atom.all if isinstance(atom, Sequence) else tuple(entry for entry, _ in atom.entries.values())
            found |= _value_words(union(inner), depth - 1)
    return found
