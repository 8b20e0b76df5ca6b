"""What flows where: names, attributes and calls of the scanned sources, followed far enough to see vendors' objects.

An abstract interpreter over the syntax tree. Branches are all taken and joined, loops run once, functions are entered
with the values they are called with (to a depth), and objects of one class are taken for one. Nothing is executed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field

from cloudai.lockin.arguments import Arguments
from cloudai.lockin.expressions import Expressions
from cloudai.lockin.modules import Source, Tree
from cloudai.lockin.recording import Recorder
from cloudai.lockin.values import (
    UNKNOWN,
    Atom,
    Class,
    Client,
    Failure,
    Function,
    Instance,
    Local,
    Request,
    Sequence,
    Table,
    Text,
    Value,
    elements,
    one,
    union,
)  # fmt: skip

_DEPTH = 6
_RUNS = 40
"""Different arguments with which one function is entered, at most."""
_FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(eq=False, slots=True)
class Frame:
    """Names of a module, a class body or a function. `shared`: what functions gave to globals, kept over rounds."""

    source: Source
    parent: Frame | None = None
    cls: Class | None = None
    names: dict[str, Value] = field(default_factory=dict)
    shared: dict[str, Value] = field(default_factory=dict)
    outer: set[str] = field(default_factory=set)
    results: list[Value] = field(default_factory=list)
    branches: int = 0

    @property
    def module(self) -> Frame:
        """The outermost."""
        return self if self.parent is None else self.parent.module

    def look(self, name: str) -> Value | None:
        """A name as a function sees it: class bodies in between are not asked."""
        frame: Frame | None = self
        while frame is not None:
            if name in frame.names or name in frame.shared:
                return frame.names.get(name, UNKNOWN) | frame.shared.get(name, UNKNOWN)
            frame = frame.parent
            while frame is not None and frame.cls is not None and frame.parent is not None and frame.results is _BODY:
                frame = frame.parent
        return None


_BODY: list[Value] = []
"""The results of a class body: marks its frame."""


class Evaluator(Expressions):
    """Runs over all sources of a tree, twice: what methods give to attributes is known the second time."""

    def __init__(self, tree: Tree, record: Recorder) -> None:
        super().__init__(tree, record)
        self._frames: dict[int, Frame] = {}
        self._attributes: dict[ast.ClassDef, dict[str, Value]] = {}
        self._classes: set[ast.ClassDef] = set()
        self._memo: dict[tuple[object, ...], tuple[Value, frozenset[str]]] = {}
        self._runs: dict[ast.AST, int] = {}
        self._stack: list[ast.AST] = []

    def run(self) -> None:
        """Everything, two rounds."""
        for _ in range(2):
            self._memo.clear()
            self._runs.clear()
            self._classes.clear()
            done: set[int] = set()
            for source in self.tree.sources:
                self._round(source, done)

    def _round(self, source: Source, done: set[int]) -> None:
        frame = self._frames.get(id(source))
        if frame is None:
            frame = self.module_frame(source)
        elif id(source) not in done:
            self.statements(source.tree.body, frame)
        done.add(id(source))
        self._sweep(source.tree.body, frame)

    def _sweep(self, body: Iterable[ast.stmt], frame: Frame) -> None:
        """Functions that nobody calls here are entered too."""
        for node in body:
            if isinstance(node, _FunctionNode):
                self.enter(Function(node, frame), Arguments(self.record.place(frame.source, node)))
            elif isinstance(node, ast.ClassDef):
                self._class(Class(node, frame))
            elif isinstance(node, (ast.If, ast.Try, ast.With, ast.For, ast.While)):
                for name in ("body", "orelse", "finalbody"):
                    self._sweep(getattr(node, name, ()), frame)

    def module_frame(self, source: Source) -> Frame:
        """A module's names; it is run when they are first asked for."""
        frame = self._frames.get(id(source))
        if frame is None:
            frame = self._frames[id(source)] = Frame(source)
            self.statements(source.tree.body, frame)
        return frame

    # --- classes ----------------------------------------------------------------------------------------------

    def _class(self, cls: Class) -> None:
        """Its body, and each method with the object as its first argument."""
        if cls.node in self._classes:
            return
        self._classes.add(cls.node)
        attributes = self._attributes.setdefault(cls.node, {})
        body = Frame(cls.frame.source, cls.frame, cls, results=_BODY)
        self.statements([node for node in cls.node.body if not isinstance(node, _FunctionNode)], body)
        for name, value in body.names.items():
            attributes[name] = attributes.get(name, UNKNOWN) | value
        methods = [node for node in cls.node.body if isinstance(node, _FunctionNode)]
        if not any(node.name == "__init__" for node in methods):
            self._inherited(cls)
        for node in sorted(methods, key=lambda method: method.name != "__init__"):
            self.enter(Function(node, cls.frame, Instance(cls)), Arguments(self.record.place(cls.frame.source, node)))

    def _inherited(self, cls: Class) -> None:
        """A base class's `__init__` with what this class says differently."""
        for each in list(self._bases(cls))[1:]:
            method = next((n for n in each.node.body if isinstance(n, _FunctionNode) and n.name == "__init__"), None)
            if method is not None:
                place = self.record.place(each.frame.source, method)
                self.enter(Function(method, each.frame, Instance(cls)), Arguments(place))
                return

    def _bases(self, cls: Class, seen: tuple[ast.ClassDef, ...] = ()) -> Iterable[Class]:
        yield cls
        for node in cls.node.bases:
            for atom in self.value(node, cls.frame):
                if isinstance(atom, Class) and atom.node not in seen:
                    yield from self._bases(atom, (*seen, cls.node))

    def member(self, owner: Instance | Class, name: str) -> Value:
        """An attribute, property or method, through base classes."""
        cls = owner.cls if isinstance(owner, Instance) else owner
        for each in self._bases(cls):
            if (each.node not in self._classes and not self._stack) or each.node not in self._attributes:
                self._class(each)
            value = self._attributes.get(each.node, {}).get(name, UNKNOWN)
            method = next((n for n in each.node.body if isinstance(n, _FunctionNode) and n.name == name), None)
            if method is not None:
                bound = None if _decorated(method, "staticmethod") else owner
                function = Function(method, each.frame, bound)
                if _decorated(method, "property", "cached_property", "reify"):
                    return value | self.enter(function, Arguments(self.record.place(each.frame.source, method)))
                return value | one(function)
            if value:
                return value
        return UNKNOWN

    def base_of(self, cls: Class) -> Value:
        """What `super()` gives."""
        return frozenset(Instance(base) for base in list(self._bases(cls))[1:2])

    def give(self, owner: Instance | Class, name: str, value: Value) -> None:
        """`self.client = ...`"""
        cls = owner.cls if isinstance(owner, Instance) else owner
        attributes = self._attributes.setdefault(cls.node, {})
        attributes[name] = attributes.get(name, UNKNOWN) | value

    def instance(self, cls: Class, args: Arguments) -> Value:
        """`Moderator(client)`"""
        self._class(cls)
        made = Instance(cls)
        for each in self._bases(cls):
            method = next((n for n in each.node.body if isinstance(n, _FunctionNode) and n.name == "__init__"), None)
            if method is not None:
                self.enter(Function(method, each.frame, made), args)
                break
        else:
            self._fields(made, args)
        return one(made)

    def _fields(self, made: Instance, args: Arguments) -> None:
        """A dataclass takes its fields as arguments."""
        names = [
            n.target.id for n in made.cls.node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)
        ]
        given = dict(zip(names, args.positional, strict=False)) | {
            k: v for k, (v, _) in args.keywords.items() if k in names
        }
        for name, value in given.items():
            self.give(made, name, value)

    # --- functions --------------------------------------------------------------------------------------------

    def enter(self, function: Function, args: Arguments) -> Value:
        """What a function answers to these arguments; each different set of them is run once a round."""
        node = function.node
        bindings = self._bindings(function, args)
        key = (node, function.frame, function.bound, frozenset((n, v) for n, v in bindings.items() if v))
        known = self._memo.get(key)
        if known is not None:
            self.record.touched |= known[1]
            return known[0]
        if len(self._stack) >= _DEPTH or self._stack.count(node) > 1 or self._runs.get(node, 0) >= _RUNS:
            return UNKNOWN
        self._runs[node] = self._runs.get(node, 0) + 1
        self._memo[key] = (UNKNOWN, frozenset())
        before, self.record.touched = self.record.touched, set()
        self._stack.append(node)
        try:
            value = self._body(function, bindings)
        finally:
            self._stack.pop()
        self._memo[key] = (value, frozenset(self.record.touched))
        self.record.touched |= before
        return value

    def _body(self, function: Function, bindings: dict[str, Value]) -> Value:
        owner = function.bound
        cls = owner.cls if isinstance(owner, Instance) else owner if isinstance(owner, Class) else function.frame.cls
        frame = Frame(function.frame.source, function.frame, cls, names=bindings)
        if isinstance(function.node, ast.Lambda):
            return self.value(function.node.body, frame)
        self.statements(function.node.body, frame)
        self._sweep([n for n in function.node.body if isinstance(n, (*_FUNCTIONS, ast.ClassDef))], frame)
        return union(frame.results)

    def _bindings(self, function: Function, args: Arguments) -> dict[str, Value]:
        spec, found = function.node.args, dict[str, Value]()
        names = [arg.arg for arg in (*spec.posonlyargs, *spec.args)]
        self._defaults(function, found)
        positional = [_passed(value, args) for value in args.positional]
        if function.bound is not None and names:
            positional.insert(0, one(_self(function)))
        found.update(zip(names, positional, strict=False))
        if spec.vararg is not None:
            found[spec.vararg.arg] = (
                one(Sequence(function.node, tuple(positional[len(names) :]))) if positional[len(names) :] else UNKNOWN
            )
        known = {*names, *(arg.arg for arg in spec.kwonlyargs)}
        extra = {k: v for k, v in args.keywords.items() if k not in known}
        for name, (value, _) in args.keywords.items():
            if name in known:
                found[name] = _passed(value, args)
        if spec.kwarg is not None and extra:
            found[spec.kwarg.arg] = one(self.table(args.place, extra))
        return found

    def _defaults(self, function: Function, found: dict[str, Value]) -> None:
        spec, frame = function.node.args, function.frame
        plain = [*spec.posonlyargs, *spec.args]
        pairs = [*zip(plain[len(plain) - len(spec.defaults):], spec.defaults, strict=False),
                 *zip(spec.kwonlyargs, spec.kw_defaults, strict=False)]  # fmt: skip
        for arg, default in pairs:
            if default is not None:
                found[arg.arg] = self.value(default, frame)
        for arg in (*plain, *spec.kwonlyargs):
            if arg.annotation is not None:
                found[arg.arg] = found.get(arg.arg, UNKNOWN) | self.annotated(arg.annotation, frame)

    # --- statements -------------------------------------------------------------------------------------------

    def statements(self, body: Iterable[ast.stmt], frame: Frame) -> None:
        """One after the other."""
        for node in body:
            self.statement(node, frame)

    def statement(self, node: ast.stmt, frame: Frame) -> None:
        """One statement."""
        match node:
            case ast.Expr():
                self.value(node.value, frame)
            case ast.Assign():
                value = self.value(node.value, frame)
                for target in node.targets:
                    self.bind(target, value, frame)
            case ast.AnnAssign():
                value = self.value(node.value, frame) if node.value is not None else UNKNOWN
                self.bind(node.target, value or self.annotated(node.annotation, frame), frame)
            case ast.AugAssign():
                self.value(node.value, frame)
            case ast.Return():
                frame.results.append(self.value(node.value, frame) if node.value is not None else UNKNOWN)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                for decorator in node.decorator_list:
                    self.value(decorator, frame)
                self.set_name(node.name, one(Function(node, frame)), frame)
            case ast.ClassDef():
                self.set_name(node.name, one(Class(node, frame)), frame)
            case ast.Import() | ast.ImportFrom():
                self._import(node, frame)
            case ast.Global() | ast.Nonlocal():
                frame.outer.update(node.names)
            case _:
                self._compound(node, frame)

    def _compound(self, node: ast.stmt, frame: Frame) -> None:
        match node:
            case ast.If() if _type_checking(node.test):
                self._typing_only(node.body, frame)
                self.statements(node.orelse, frame)
            case ast.If() | ast.While():
                self.value(node.test, frame)
                self._branch(frame, node.body, node.orelse)
            case ast.For() | ast.AsyncFor():
                self.bind(node.target, elements(self.value(node.iter, frame)), frame)
                self._branch(frame, node.body, node.orelse)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    value = self.entered(self.value(item.context_expr, frame))
                    if item.optional_vars is not None:
                        self.bind(item.optional_vars, value, frame)
                self.statements(node.body, frame)
            case ast.Try() | ast.TryStar():
                self._try(node, frame)
            case ast.Match():
                value = self.value(node.subject, frame)
                for case in node.cases:
                    self._pattern(case.pattern, value, frame)
                self._branch(frame, *(case.body for case in node.cases))
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self.value(child, frame)

    def _pattern(self, pattern: ast.pattern, value: Value, frame: Frame) -> None:
        """What a `case` takes apart is read."""
        match pattern:
            case ast.MatchMapping():
                for key, inner in zip(pattern.keys, pattern.patterns, strict=True):
                    self._pattern(inner, self.items(value, key, frame), frame)
            case ast.MatchAs():
                if pattern.pattern is not None:
                    self._pattern(pattern.pattern, value, frame)
                if pattern.name is not None:
                    self.set_name(pattern.name, value, frame)
            case ast.MatchSequence() | ast.MatchOr():
                for inner in pattern.patterns:
                    self._pattern(inner, elements(value), frame)
            case ast.MatchStar():
                if pattern.name is not None:
                    self.set_name(pattern.name, value, frame)
            case _:
                return

    def _typing_only(self, body: list[ast.stmt], frame: Frame) -> None:
        """Imports for annotations: names are known, and nothing else happens."""
        for node in body:
            if isinstance(node, (ast.Import, ast.ImportFrom)):
                self._import(node, frame)

    def _branch(self, frame: Frame, *bodies: list[ast.stmt]) -> None:
        frame.branches += 1
        for body in bodies:
            self.statements(body, frame)
        frame.branches -= 1

    def _try(self, node: ast.Try | ast.TryStar, frame: Frame) -> None:
        before, self.record.touched = self.record.touched, set()
        self._branch(frame, node.body)
        touched = frozenset(self.record.touched)
        self.record.touched |= before
        for handler in node.handlers:
            if handler.type is not None:
                self._caught(handler.type, touched, frame)
            if handler.name:
                self.set_name(handler.name, UNKNOWN, frame)
            self._branch(frame, handler.body)
        self._branch(frame, node.orelse, node.finalbody)

    def _caught(self, node: ast.expr, touched: frozenset[str], frame: Frame) -> None:
        named = node.elts if isinstance(node, ast.Tuple) else [node]
        for each in named:
            value = self.value(each, frame)
            for atom in union((value, *(item for part in value if isinstance(part, Sequence) for item in part.items))):
                if isinstance(atom, Failure) and (atom.service or atom.provider in touched):
                    self.caught(atom, self.record.place(frame.source, each))

    # --- names ------------------------------------------------------------------------------------------------

    def bind(self, target: ast.expr, value: Value, frame: Frame) -> None:
        """An assignment's left side."""
        match target:
            case ast.Name():
                self.set_name(target.id, value, frame)
            case ast.Tuple() | ast.List():
                self._unpack(target.elts, value, frame)
            case ast.Starred():
                self.bind(target.value, value, frame)
            case ast.Attribute():
                place = self.record.place(frame.source, target)
                for atom in self.value(target.value, frame):
                    if isinstance(atom, (Instance, Class)):
                        self.give(atom, target.attr, value)
                    elif isinstance(atom, (Client, Request)) and not (isinstance(atom, Client) and atom.path):
                        self.vendor.assigned(atom, target.attr, place)
                    elif isinstance(atom, Local):
                        self.module_frame(atom.source).shared[target.attr] = value
            case ast.Subscript():
                self._set_key(target, value, frame)
            case _:
                return

    def _set_key(self, target: ast.Subscript, value: Value, frame: Frame) -> None:
        keys = self.value(target.slice, frame)
        for atom in self.value(target.value, frame):
            if isinstance(atom, Table):
                for key in keys:
                    if isinstance(key, Text):
                        place = self.record.place(frame.source, target.slice)
                        atom.entries[key.value] = (value, place)

    def _unpack(self, targets: list[ast.expr], value: Value, frame: Frame) -> None:
        for position, target in enumerate(targets):
            parts: set[Atom] = set()
            for atom in value:
                if isinstance(atom, Sequence):
                    parts |= atom.items[position] if position < len(atom.items) else union(atom.items)
                elif not isinstance(atom, Text):
                    parts.add(atom)
            self.bind(target, frozenset(parts), frame)

    def set_name(self, name: str, value: Value, frame: Frame) -> None:
        """A name gets a value; in a branch it may keep the one it had."""
        if name in frame.outer:
            shared = frame.module.shared
            shared[name] = shared.get(name, UNKNOWN) | value
        elif frame.branches:
            frame.names[name] = frame.names.get(name, UNKNOWN) | value
        else:
            frame.names[name] = value

    def _import(self, node: ast.Import | ast.ImportFrom, frame: Frame) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.name if alias.asname else alias.name.partition(".")[0]
                self.set_name(alias.asname or name, self.imported(name, frame), frame)
            return
        for alias in node.names:
            if alias.name == "*":
                self._import_all(node, frame)
            else:
                value = self.imported_from(node, alias.name, frame)
                self.set_name(alias.asname or alias.name, value, frame)

    def _import_all(self, node: ast.ImportFrom, frame: Frame) -> None:
        for atom in self.imported_module(node, frame):
            if isinstance(atom, Local):
                other = self.module_frame(atom.source)
                for name in [*other.names, *other.shared]:
                    self.set_name(name, other.look(name) or UNKNOWN, frame)


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _self(function: Function) -> Atom:
    bound = function.bound
    if (
        isinstance(bound, Instance)
        and not isinstance(function.node, ast.Lambda)
        and _decorated(function.node, "classmethod")
    ):
        return bound.cls
    assert bound is not None
    return bound


def _decorated(node: ast.FunctionDef | ast.AsyncFunctionDef, *names: str) -> bool:
    for decorator in node.decorator_list:
        inner = decorator.func if isinstance(decorator, ast.Call) else decorator
        last = inner.attr if isinstance(inner, ast.Attribute) else inner.id if isinstance(inner, ast.Name) else ""
        if last in names:
            return True
    return False


def _passed(value: Value, args: Arguments) -> Value:
    """Strings remember the outermost call that gave them."""
    return frozenset(
        Text(atom.value, atom.place, args.place) if isinstance(atom, Text) and atom.passed is None else atom
        for atom in value
    )


def _type_checking(node: ast.expr) -> bool:
    last = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return last == "TYPE_CHECKING"
