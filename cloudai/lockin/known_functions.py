"""Functions of the standard library and of jmespath that read fields or call what they are given."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from cloudai.lockin.arguments import Arguments
from cloudai.lockin.expressions import Expressions
from cloudai.lockin.values import (
    UNKNOWN,
    Answer,
    Class,
    Function,
    Method,
    Sequence,
    Table,
    Text,
    Value,
    elements,
    one,
    union,
)  # fmt: skip

if TYPE_CHECKING:
    from cloudai.lockin.frames import Frame
    from cloudai.lockin.modules import Tree
    from cloudai.lockin.recording import Recorder

_NAMES = re.compile(r"(?<![\w'\"`])[A-Za-z_]\w*(?![\w('\"`])")


class KnownFunctions(Expressions):
    """Values of calls of well-known functions."""

    def __init__(self, tree: Tree, record: Recorder) -> None:
        super().__init__(tree, record)
        self._getters: dict[ast.Call, Function] = {}
        self._made: dict[ast.Call, Class] = {}

    def of_known(self, name: str, args: Arguments, node: ast.Call, frame: Frame) -> Value | None:
        """What a function of that name gives; None: none of these."""
        match name:
            case "itemgetter" | "attrgetter":
                return self._getter(name, args, node, frame)
            case "reduce":
                return self._reduced(args)
            case "namedtuple" | "NamedTuple" | "make_dataclass":
                return self._made_class(node, frame)
            case "urljoin":
                return _joined_address(args)
            case "Thread" | "Process":
                return self._threaded(args)
            case _:
                return None

    def _getter(self, name: str, args: Arguments, node: ast.Call, frame: Frame) -> Value:
        """`itemgetter("Confidence")` as the function that it is."""
        if node not in self._getters:
            keys = [part for part in node.args if isinstance(part, ast.Constant) and isinstance(part.value, str)]
            thing: ast.expr = ast.Name("_", ast.Load())
            reads = [
                ast.Subscript(thing, key) if name == "itemgetter" else _path(thing, str(key.value)) for key in keys
            ]
            body = ast.Tuple(list(reads)) if len(reads) != 1 else reads[0]
            spec = ast.arguments(posonlyargs=[], args=[ast.arg("_")], kwonlyargs=[], kw_defaults=[], defaults=[])
            made = ast.copy_location(ast.Lambda(spec, body), node)
            self._getters[node] = Function(ast.fix_missing_locations(made), frame)
        return one(self._getters[node])

    def _made_class(self, node: ast.Call, frame: Frame) -> Value:
        """`namedtuple("Found", ["labels", "model"])` as the class that it is."""
        if node not in self._made:
            names = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)][1:]
            fields = [word for name in names if isinstance(name, str) for word in name.replace(",", " ").split()]
            body: list[ast.stmt] = [
                ast.AnnAssign(ast.Name(name, ast.Store()), ast.Constant(None), None, 1) for name in fields
            ]
            made = ast.ClassDef(name="_", bases=[], keywords=[], body=body or [ast.Pass()], decorator_list=[])
            self._made[node] = Class(ast.fix_missing_locations(ast.copy_location(made, node)), frame)
        return one(self._made[node])

    def _reduced(self, args: Arguments) -> Value:
        """`reduce(function, values, start)`: the function is given the start or its own answer, and each value."""
        each, found = elements(args.get(1, "iterable")), args.get(2, "initial")
        for function in args.functions:
            for _ in range(2):
                found |= self.enter(function, Arguments(args.place, [found | each, each]))
        return found | each

    def searched(self, args: Arguments) -> Value:
        """`jmespath.search("Labels[].Name", answer)`: the names in the expression are read."""
        answers = [atom for atom in union(args.values) if isinstance(atom, Answer)]
        return union(self.expression(atom, args) for atom in answers)

    def expression(self, answer: Answer, args: Arguments) -> Value:
        """The names in a jmespath expression, one read of the other."""
        part: Value = one(answer)
        for text in args.get(0, "expression"):
            if isinstance(text, Text):
                for name in _NAMES.findall(text.value):
                    part = union(self.vendor.field(a, name, text.place) for a in part if isinstance(a, Answer))
        return part

    def _threaded(self, args: Arguments) -> Value:
        """`Thread(target=client.detect_labels, kwargs={...})`"""
        given = Arguments(
            args.place, [item for a in args.get(-1, "args") if isinstance(a, Sequence) for item in a.items]
        )
        for atom in args.get(-1, "kwargs"):
            if isinstance(atom, Table):
                given.keywords.update(atom.entries)
        for atom in args.get(-1, "target"):
            if isinstance(atom, Method):
                self.vendor.method(atom, given)
            elif isinstance(atom, Function):
                self.enter(atom, given)
        return UNKNOWN


def _path(thing: ast.expr, names: str) -> ast.expr:
    for name in names.split("."):
        thing = ast.Attribute(thing, name, ast.Load())
    return thing


def _joined_address(args: Arguments) -> Value:
    """`urljoin(base, path)`"""
    bases = [atom.value for atom in args.get(0, "base") if isinstance(atom, Text)]
    start = bases[0].rstrip("/") if len(bases) == 1 else "{}"
    return frozenset(
        Text(f"{start}/{atom.value.lstrip('/')}", atom.place) for atom in args.get(1, "url") if isinstance(atom, Text)
    )
