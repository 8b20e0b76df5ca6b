"""Classes and functions of the scanned tree: attributes through base classes, and functions entered with arguments."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Iterable
from typing import TypeGuard

from cloudai.lockin.arguments import Arguments
from cloudai.lockin.calling import Calls
from cloudai.lockin.frames import BODY, Frame
from cloudai.lockin.modules import Source, Tree
from cloudai.lockin.recording import Recorder
from cloudai.lockin.scanned import Place
from cloudai.lockin.unfilled import Unfilled
from cloudai.lockin.values import (
    UNKNOWN,
    Atom,
    Class,
    Function,
    Instance,
    Sequence,
    Table,
    Text,
    Value,
    one,
    union,
)  # fmt: skip

_DEPTH = 6
_RUNS = 40
"""Different arguments with which one function is entered, at most."""
_FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class Entering(Calls):
    """What objects of the tree have, and what its functions answer."""

    def __init__(self, tree: Tree, record: Recorder) -> None:
        super().__init__(tree, record)
        self._attributes: dict[ast.ClassDef, dict[str, Value]] = {}
        self._classes: set[ast.ClassDef] = set()
        self._memo: dict[tuple[object, ...], tuple[Value, frozenset[str]]] = {}
        self._runs: dict[ast.AST, int] = {}
        self._given: dict[ast.ClassDef, int] = {}
        """How often an attribute of a class got something new: its methods may answer differently then."""
        self._stack: list[ast.AST] = []
        self.unfilled = Unfilled()
        self.last_round = False

    @abstractmethod
    def statements(self, body: Iterable[ast.stmt], frame: Frame) -> None: ...
    @abstractmethod
    def sweep(self, body: Iterable[ast.stmt], frame: Frame) -> None: ...

    def forget(self) -> None:
        """A new round: what objects were given is kept, what functions answered is not."""
        self._memo.clear()
        self._runs.clear()
        self._classes.clear()

    # --- classes ----------------------------------------------------------------------------------------------

    def enter_class(self, cls: Class) -> None:
        """Its body, and each method with the object as its first argument."""
        if cls.node in self._classes:
            return
        self._classes.add(cls.node)
        attributes = self._attributes.setdefault(cls.node, {})
        body = Frame(cls.frame.source, cls.frame, cls, results=BODY)
        self.statements([node for node in cls.node.body if not isinstance(node, _FunctionNode)], body)
        for name, value in body.names.items():
            attributes[name] = attributes.get(name, UNKNOWN) | value
        methods = [node for node in cls.node.body if isinstance(node, _FunctionNode)]
        if not any(node.name == "__init__" for node in methods):
            self._inherited(cls)
        for node in sorted(methods, key=lambda method: method.name != "__init__"):
            self.uncalled(Function(node, cls.frame, Instance(cls)))

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

    def member(self, owner: Instance | Class, name: str, place: Place | None = None) -> Value:
        """An attribute, property or method, through base classes; with a place, what it delegates too."""
        cls = owner.cls if isinstance(owner, Instance) else owner
        for each in self._bases(cls):
            if (each.node not in self._classes and not self._stack) or each.node not in self._attributes:
                self.enter_class(each)
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
        return UNKNOWN if name.startswith("__") else self._delegated(owner, name, place)

    def _delegated(self, owner: Instance | Class, name: str, place: Place | None) -> Value:
        """What `__getattr__` hands on from another object."""
        if place is None:
            return UNKNOWN
        asked = one(Text(name, place, place))
        methods = [atom for atom in self.member(owner, "__getattr__") if isinstance(atom, Function)]
        return union(self.enter(method, Arguments(place, [asked])) for method in methods)

    def base_of(self, cls: Class) -> Value:
        """What `super()` gives."""
        return frozenset(Instance(base) for base in list(self._bases(cls))[1:2])

    def give(self, owner: Instance | Class, name: str, value: Value) -> None:
        """`self.client = ...`"""
        cls = owner.cls if isinstance(owner, Instance) else owner
        attributes = self._attributes.setdefault(cls.node, {})
        known = attributes.get(name, UNKNOWN)
        made = {atom.node for atom in known if isinstance(atom, (Sequence, Table))}
        attributes[name] = known | {a for a in value if not (_is_empty(a) and a.node in made)}
        if len(attributes[name]) > len(known):
            self._given[cls.node] = self._given.get(cls.node, 0) + 1

    def instance(self, cls: Class, args: Arguments) -> Value:
        """`Moderator(client)`"""
        self.enter_class(cls)
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
        if args.positional or args.keywords:
            self.unfilled.filled(node)
        bindings = self._bindings(function, args)
        held = frozenset((name, _held(value)) for name, value in bindings.items() if value)
        key = (
            node, function.frame, function.bound, frozenset((n, v) for n, v in bindings.items() if v), held,
            self._given.get(owner) if (owner := _owner(function)) is not None else None,
        )  # fmt: skip
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

    def uncalled(self, function: Function) -> None:
        """A function as it stands; in the last round also with what its parameters are taken for."""
        node, source = function.node, function.frame.source
        place = self.record.place(source, node)
        self.enter(function, Arguments(place))
        if self.last_round and not isinstance(node, ast.Lambda):
            names = [arg.arg for arg in (*node.args.args, *node.args.kwonlyargs)]
            taken = dict(self.unfilled.of(source, node)) | dict(self._fixtures(names, source))
            if taken:
                self.enter(function, Arguments(place, [], {name: (value, place) for name, value in taken.items()}))

    def _fixtures(self, names: Iterable[str], source: Source) -> Iterable[tuple[str, Value]]:
        """What pytest gives to parameters: fixtures of this module, and of conftest.py beside it or above."""
        for name in names:
            for place in (source, *self.tree.above(source, "conftest.py")):
                for atom in self.module_frame(place).names.get(name, UNKNOWN):
                    if isinstance(atom, Function) and _decorated_by(atom.node, "fixture"):
                        yield name, self.enter(atom, Arguments(self.record.place(place, atom.node)))

    def _body(self, function: Function, bindings: dict[str, Value]) -> Value:
        owner = function.bound
        cls = owner.cls if isinstance(owner, Instance) else owner if isinstance(owner, Class) else function.frame.cls
        frame = Frame(function.frame.source, function.frame, cls, names=bindings)
        if isinstance(function.node, ast.Lambda):
            return self.value(function.node.body, frame)
        self.statements(function.node.body, frame)
        self.sweep([n for n in function.node.body if isinstance(n, (*FUNCTIONS, ast.ClassDef))], frame)
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


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _self(function: Function) -> Atom:
    bound = function.bound
    if (
        isinstance(bound, Instance)
        and not isinstance(function.node, ast.Lambda)
        and (_decorated(function.node, "classmethod") or function.node.name in ("__new__", "__init_subclass__"))
    ):
        return bound.cls
    assert bound is not None
    return bound


def _is_empty(atom: Atom) -> TypeGuard[Sequence | Table]:
    return isinstance(atom, (Sequence, Table)) and not (atom.all if isinstance(atom, Sequence) else atom.entries)


def _held(value: Value) -> int:
    """How much was put into the containers of a value: a function may answer differently then."""
    return sum(len(atom.added) for atom in value if isinstance(atom, Sequence))


def _owner(function: Function) -> ast.ClassDef | None:
    bound = function.bound
    return bound.cls.node if isinstance(bound, Instance) else bound.node if isinstance(bound, Class) else None


def _decorated(node: ast.FunctionDef | ast.AsyncFunctionDef, *names: str) -> bool:
    for decorator in node.decorator_list:
        inner = decorator.func if isinstance(decorator, ast.Call) else decorator
        last = inner.attr if isinstance(inner, ast.Attribute) else inner.id if isinstance(inner, ast.Name) else ""
        if last in names:
            return True
    return False


def _decorated_by(node: ast.AST, name: str) -> bool:
    return isinstance(node, FUNCTIONS) and _decorated(node, name)


def _passed(value: Value, args: Arguments) -> Value:
    """Strings remember the outermost call that gave them."""
    return frozenset(
        Text(atom.value, atom.place, args.place) if isinstance(atom, Text) and atom.passed is None else atom
        for atom in value
    )
