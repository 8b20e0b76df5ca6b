"""Methods of lists, sets and dictionaries: what is put in is what comes out of any of its places."""

from __future__ import annotations

import ast

from cloudai.lockin.arguments import Arguments
from cloudai.lockin.values import (
    UNKNOWN,
    Answer,
    Sequence,
    Table,
    Text,
    Value,
    elements,
    one,
    union,
)  # fmt: skip

LISTS = frozenset({"list", "set", "deque", "Queue", "SimpleQueue", "LifoQueue", "PriorityQueue"})
TABLES = frozenset({"dict", "OrderedDict", "defaultdict"})
_PUT = frozenset({"append", "add", "appendleft", "put", "put_nowait"})
_PUT_ALL = frozenset({"extend", "update", "extendleft"})
_TAKEN = frozenset({"pop", "popleft", "get", "get_nowait", "__getitem__"})
MOST = 40
"""Different things that a list is known to hold, at most."""


def empty(name: str, node: ast.AST, args: Arguments) -> Value | None:
    """`list()`, `deque(maxlen=5)`, `defaultdict(list)`; None: no such container, or one that is given its content."""
    if name == "defaultdict":
        within = node.args[0] if isinstance(node, ast.Call) and node.args else None
        inner = empty(within.id, within, Arguments(args.place)) if isinstance(within, ast.Name) else None
        return one(Table(node, others=[inner] if inner else []))
    if args.positional:
        return None
    return one(Sequence(node, ())) if name in LISTS else one(Table(node)) if name in TABLES else None


def on_table(table: Table, name: str, args: Arguments) -> Value:
    """A method of a dictionary."""
    keys = [key.value for key in args.get(0) if isinstance(key, Text)]
    match name:
        case "get" | "pop" | "setdefault":
            if name == "setdefault" and args.get(1):
                put(table, keys, args)
            return table.at(keys) | args.get(1)
        case "values":
            return one(Sequence(table.node, (table.at(()),)))
        case "keys":
            return one(Sequence(table.node, (union(table.keys),)))
        case "items":
            pairs = [(one(Text(key, place)), value) for key, (value, place) in table.entries.items()]
            if table.keys or table.others:
                pairs.append((union(table.keys), union(table.others)))
            return one(Sequence(table.node, tuple(one(Sequence(table.node, pair)) for pair in pairs)))
        case "update":
            for atom in args.get(0):
                if isinstance(atom, Table):
                    table.entries.update(atom.entries)
            table.entries.update(args.keywords)
            return UNKNOWN
        case "copy":
            return one(table)
        case _:
            return UNKNOWN


def put(table: Table, keys: list[str], args: Arguments) -> None:
    """`table.setdefault(key, value)`"""
    for key in keys:
        table.entries.setdefault(key, (args.get(1), args.place))
    if not keys and len(table.others) < MOST:
        table.others.append(args.get(1))


def on_sequence(sequence: Sequence, name: str, args: Arguments) -> Value:
    """A method of a list, a set or a queue."""
    if name in _PUT:
        _grow(sequence, args.get(0))
    elif name in _PUT_ALL:
        _grow(sequence, elements(args.get(0)))
    elif name == "insert":
        _grow(sequence, args.get(1))
    elif name in _TAKEN:
        return union(sequence.all)
    elif name in ("copy", "values", "union", "intersection", "difference"):
        return one(sequence)
    return UNKNOWN


def _grow(sequence: Sequence, value: Value) -> None:
    if value and len(sequence.added) < MOST and not value <= union(sequence.added):
        sequence.added.append(value)


def numbered(node: ast.AST, args: Arguments) -> Value:
    """`enumerate(values)`: pairs of a number and each."""
    return _pairs(node, (UNKNOWN, elements(args.get(0, "iterable"))))


def zipped(node: ast.AST, args: Arguments) -> Value:
    """`zip(left, right)`: one of each."""
    return _pairs(node, tuple(elements(value) for value in args.positional))


def _pairs(node: ast.AST, parts: tuple[Value, ...]) -> Value:
    pair = Sequence(ast.copy_location(ast.Tuple([]), node), parts)
    return one(Sequence(node, (one(pair),))) if any(parts) else UNKNOWN


def read(answer: Answer, name: str) -> bool:
    """Whether a method of an HTTP library's response gives its content, or itself."""
    return answer.http and name in ("read", "decode", "iter_lines", "text", "strip", "raise_for_status", "getvalue")
