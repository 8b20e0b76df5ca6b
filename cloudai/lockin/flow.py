"""What flows where: names, attributes and calls of the scanned sources, followed far enough to see vendors' objects.

An abstract interpreter over the syntax tree. Branches are all taken and joined, loops run twice, functions are entered
with the values they are called with (to a depth), and objects of one class are taken for one. Nothing is executed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable

from cloudai.lockin.arguments import Arguments
from cloudai.lockin.containers import MOST, on_sequence
from cloudai.lockin.entering import Entering
from cloudai.lockin.frames import Frame
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

_FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


class Evaluator(Entering):
    """Runs over all sources of a tree, twice: what methods give to attributes is known the second time."""

    def __init__(self, tree: Tree, record: Recorder) -> None:
        super().__init__(tree, record)
        self._frames: dict[int, Frame] = {}

    def run(self) -> None:
        """Everything, two rounds."""
        for self.last_round in (False, True):
            self.forget()
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
        self.sweep(source.tree.body, frame)

    def sweep(self, body: Iterable[ast.stmt], frame: Frame) -> None:
        """Functions that nobody calls here are entered too."""
        for node in body:
            if isinstance(node, _FunctionNode):
                self.uncalled(Function(node, frame))
            elif isinstance(node, ast.ClassDef):
                self.enter_class(Class(node, frame))
            elif isinstance(node, (ast.If, ast.Try, ast.With, ast.For, ast.While)):
                for name in ("body", "orelse", "finalbody"):
                    self.sweep(getattr(node, name, ()), frame)

    def module_frame(self, source: Source) -> Frame:
        """A module's names; it is run when they are first asked for."""
        frame = self._frames.get(id(source))
        if frame is None:
            frame = self._frames[id(source)] = Frame(source)
            self.statements(source.tree.body, frame)
        return frame

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
                self._augmented(node, frame)
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
            case ast.Global():
                frame.outer.update(node.names)
            case ast.Nonlocal():
                frame.enclosing.update(node.names)
            case _:
                self._compound(node, frame)

    def _augmented(self, node: ast.AugAssign, frame: Frame) -> None:
        """`kwargs |= {...}` adds to the dictionary; `+=` gives what the sum is."""
        given = self.value(node.value, frame)
        tables = [atom for atom in self.subject(node.target, frame) if isinstance(atom, Table)]
        for table in tables:
            for atom in given:
                if isinstance(atom, Table):
                    table.entries.update(atom.entries)
        lists = [atom for atom in self.subject(node.target, frame) if isinstance(atom, Sequence)]
        for atom in lists:
            on_sequence(atom, "extend", Arguments(self.record.place(frame.source, node), [given]))
        if not (tables or lists) and isinstance(node.op, ast.Add):
            self.bind(node.target, self.summed(self.subject(node.target, frame), given, node.op), frame)

    def _compound(self, node: ast.stmt, frame: Frame) -> None:
        match node:
            case ast.If() if _type_checking(node.test):
                self._typing_only(node.body, frame)
                self.statements(node.orelse, frame)
            case ast.If():
                self.value(node.test, frame)
                self._branch(frame, node.body, node.orelse)
            case ast.While() | ast.For() | ast.AsyncFor():
                self._loop(node, frame)
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

    def _loop(self, node: ast.While | ast.For | ast.AsyncFor, frame: Frame) -> None:
        """An outermost loop runs twice: what its end gives to its beginning is there the second time."""
        for _ in range(1 if frame.loops else 2):
            frame.loops += 1
            if isinstance(node, ast.While):
                self.value(node.test, frame)
            else:
                self.bind(node.target, elements(self.value(node.iter, frame)), frame)
            self._branch(frame, node.body)
            frame.loops -= 1
        self._branch(frame, node.orelse)

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
                owners = self.subject(target.value, frame)
                if not owners:
                    self.left_at(target, value)
                for atom in owners:
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
                if not any(isinstance(key, Text) for key in keys):
                    self._set_other(atom, keys, value)

    def _set_other(self, table: Table, keys: Value, value: Value) -> None:
        """A key that is not known, or an object."""
        for held, new in ((table.keys, keys), (table.others, value)):
            if new and len(held) < MOST and not new <= union(held):
                held.append(new)

    def _unpack(self, targets: list[ast.expr], value: Value, frame: Frame) -> None:
        for position, target in enumerate(targets):
            parts: set[Atom] = set()
            for atom in value:
                if isinstance(atom, Sequence):
                    parts |= atom.items[position] if position < len(atom.items) else union(atom.all)
                elif not isinstance(atom, Text):
                    parts.add(atom)
            self.bind(target, frozenset(parts), frame)

    def set_name(self, name: str, value: Value, frame: Frame) -> None:
        """A name gets a value; in a branch it may keep the one it had."""
        if name in frame.enclosing and frame.parent is not None:
            frame.parent.names[name] = frame.parent.names.get(name, UNKNOWN) | value
            return
        if name in frame.outer:
            shared = frame.module.shared
            shared[name] = shared.get(name, UNKNOWN) | value
            return
        self.unfilled.named(frame.source, name, value)
        if frame.branches:
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


def _type_checking(node: ast.expr) -> bool:
    last = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return last == "TYPE_CHECKING"
