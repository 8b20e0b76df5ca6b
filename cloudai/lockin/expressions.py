"""The values of expressions: imports, attributes, items. `calling.py` has calls, `flow.py` statements."""

from __future__ import annotations

import ast
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cloudai.lockin import catalog
from cloudai.lockin.arguments import Arguments
from cloudai.lockin.catalog import Service
from cloudai.lockin.modules import Source, Tree
from cloudai.lockin.recording import Recorder
from cloudai.lockin.scanned import NEUTRAL, Place
from cloudai.lockin.values import (
    UNKNOWN,
    Answer,
    Atom,
    Class,
    Client,
    Event,
    Failure,
    Function,
    Http,
    Instance,
    Local,
    Module,
    Request,
    Sdk,
    Sequence,
    Symbol,
    Table,
    Text,
    Value,
    elements,
    one,
    union,
)  # fmt: skip
from cloudai.lockin.vendor_calls import VendorCalls

if TYPE_CHECKING:
    from cloudai.lockin.frames import Frame

_SDK: Mapping[str, str] = {
    "boto3.client": "client", "aioboto3.client": "client", "boto3.Session": "Session",
    "boto3.session.Session": "Session", "aioboto3.Session": "Session", "aioboto3.session.Session": "Session",
    "botocore.session.Session": "Session", "botocore.session.get_session": "Session",
    "aiobotocore.session.get_session": "Session", "aiobotocore.session.AioSession": "Session",
    "aiobotocore.get_session": "Session", "boto3.DEFAULT_SESSION": "session",
    "googleapiclient.discovery.build": "build", "apiclient.discovery.build": "build",
}  # fmt: skip
_HTTP_OWN = frozenset({
    "status_code", "ok", "headers", "text", "reason", "url", "request", "elapsed", "cookies", "encoding", "is_success",
    "status", "history", "raw", "is_error",
})  # fmt: skip
_HTTP_CONTENT = frozenset({"headers", "text", "content", "data"})
_ANSWERS = ("Response", "Result", "Results", "Annotation", "AnalyzedDocument")
_MESSAGES_ASKED = ("Request", "Config", "Options", "Params", "Input", "Source", "Type")
"""How classes of what is sent end; those that are read are the others."""
_HEADERS = frozenset({
    "content-type", "content-length", "content-encoding", "date", "location", "retry-after", "server", "etag",
})  # fmt: skip
"""Headers of any server's."""
FIELD = re.compile(r"[A-Za-z_@][\w@-]{0,80}")
"""What a field is called: other keys are data of the caller's, as addresses."""
KEYS = 12
"""Fields that one place may read, at most."""


class Expressions(ABC):
    """Values of expressions in a frame."""

    def __init__(self, tree: Tree, record: Recorder) -> None:
        self.tree = tree
        self.record = record
        self.vendor = VendorCalls(record)
        self._left: dict[str, Value] = {}
        self._containers: dict[ast.AST, Value] = {}

    @abstractmethod
    def module_frame(self, source: Source) -> Frame: ...
    @abstractmethod
    def member(self, owner: Instance | Class, name: str, place: Place | None = None) -> Value: ...
    @abstractmethod
    def base_of(self, cls: Class) -> Value: ...
    @abstractmethod
    def instance(self, cls: Class, args: Arguments) -> Value: ...
    @abstractmethod
    def enter(self, function: Function, args: Arguments) -> Value: ...
    @abstractmethod
    def call(self, node: ast.Call, frame: Frame) -> Value: ...
    @abstractmethod
    def bind(self, target: ast.expr, value: Value, frame: Frame) -> None: ...

    # --- imports ----------------------------------------------------------------------------------------------

    def imported(self, name: str, frame: Frame) -> Value:
        """What a dotted name of a module, or of something in one, stands for."""
        parent, _, last = name.rpartition(".")
        if name in _SDK:
            return one(Sdk(_SDK[name]))
        failing = catalog.exception_vendor(parent) if parent else ""
        if failing and last[:1].isupper():
            return one(Failure(failing, "", last))
        service = catalog.of_module(parent) if parent else None
        if service is not None and (last[:1].isupper() or last in service.functions):
            return UNKNOWN if service.only and last not in service.only else one(Symbol(service, last))
        if catalog.of_module(name) is not None or catalog.sdk_vendor(name):
            return one(Module(name))
        return self._local(name, frame) or one(Module(name))

    def _local(self, name: str, frame: Frame) -> Value:
        own = self.tree.find(name, frame.source)
        if own is not None:
            return one(Local(own))
        parent, _, last = name.rpartition(".")
        within = self.tree.find(parent, frame.source) if parent else None
        return (self.module_frame(within).look(last) or UNKNOWN) if within is not None else UNKNOWN

    def imported_module(self, node: ast.ImportFrom, frame: Frame) -> Value:
        """The module of `from module import ...`."""
        if node.level:
            found = self.tree.relative(frame.source, node.level, node.module or "")
            return one(Local(found)) if found is not None else UNKNOWN
        return self.imported(node.module or "", frame)

    def imported_from(self, node: ast.ImportFrom, name: str, frame: Frame) -> Value:
        """One name of `from module import name`."""
        if not node.level:
            return self.imported(f"{node.module}.{name}", frame)
        inner = f"{node.module}.{name}" if node.module else name
        module = self.tree.relative(frame.source, node.level, inner)
        if module is not None:
            return one(Local(module))
        return union(self.attribute(atom, name, frame, None) for atom in self.imported_module(node, frame))

    def annotated(self, node: ast.expr, frame: Frame) -> Value:
        """The object that a type annotation promises: vendors' clients and requests, and objects of this tree."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            try:
                node = ast.parse(node.value, mode="eval").body
            except (SyntaxError, ValueError):
                return UNKNOWN
        found: set[Atom] = set()
        for child in ast.walk(node):
            if isinstance(child, (ast.Name, ast.Attribute)):
                for atom in self.value(child, frame):
                    if isinstance(atom, Symbol):
                        name = atom.name.rpartition(".")[2]
                        if atom.service.is_client(name):
                            boto = (
                                bool(atom.service.boto) and atom.service.provider == "aws" and name.endswith("Client")
                            )
                            found.add(Client(atom.service, "boto" if boto else name))
                        elif atom.service.provider != NEUTRAL:
                            found |= _message(atom.service, name)
                    elif isinstance(atom, Class):
                        found.add(Instance(atom))
                    elif isinstance(atom, (Client, Instance, Answer, Request)):  # an alias of `Annotated[...]`
                        found.add(atom)
            elif isinstance(child, ast.Call):  # `Annotated[Any, Depends(client)]`
                found |= {a for a in self.value(child, frame) if isinstance(a, (Client, Instance, Answer))}
        return frozenset(found)

    # --- expressions ------------------------------------------------------------------------------------------

    def value(self, node: ast.expr, frame: Frame) -> Value:
        """What an expression may stand for; finds on the way are recorded."""
        match node:
            case ast.Constant():
                return (
                    one(Text(node.value, self.record.place(frame.source, node)))
                    if isinstance(node.value, str)
                    else UNKNOWN
                )
            case ast.Name():
                return frame.look(node.id) or UNKNOWN
            case ast.Attribute():
                return union(self.handed(atom, frame, node) for atom in self.subject(node, frame))
            case ast.Call():
                return self.call(node, frame)
            case ast.Subscript():
                return self._item(node, frame)
            case ast.Await() | ast.Starred():
                return self.value(node.value, frame)
            case ast.NamedExpr():
                value = self.value(node.value, frame)
                self.bind(node.target, value, frame)
                return value
            case ast.IfExp():
                self.value(node.test, frame)
                return self.value(node.body, frame) | self.value(node.orelse, frame)
            case ast.BoolOp():
                return union([self.value(part, frame) for part in node.values])
            case ast.Yield() | ast.YieldFrom():
                value = self.value(node.value, frame) if node.value is not None else UNKNOWN
                frame.results.append(elements(value) if isinstance(node, ast.YieldFrom) else value)
                return UNKNOWN
            case ast.Lambda():
                return one(Function(node, frame))
            case _:
                return self._built(node, frame)

    def subject(self, node: ast.expr, frame: Frame) -> Value:
        """The value of what is gone on from: of `a.b` in `a.b.c`, which is no use of its own."""
        if isinstance(node, ast.Attribute):
            owners = self.subject(node.value, frame)
            if not owners:
                return self._left.get(_last_two(node), UNKNOWN)
            return union(self.attribute(atom, node.attr, frame, node) for atom in owners)
        return self.value(node, frame)

    def left_at(self, target: ast.Attribute, value: Value) -> None:
        """`app.state.rekognition = client`: found again as `request.app.state.rekognition`, by the last two names."""
        clients = frozenset(atom for atom in value if isinstance(atom, (Client, Instance)))
        if clients and _last_two(target):
            self._left[_last_two(target)] = self._left.get(_last_two(target), UNKNOWN) | clients

    def handed(self, atom: Atom, frame: Frame, node: ast.Attribute) -> Value:
        """A method that is not called here but handed on: the operation is told here."""
        if not isinstance(atom, Client) or not atom.path or atom.cls in (*atom.service.settings, "discovery"):
            return one(atom)
        known = atom.service.knows(atom.cls, atom.path)
        return self.vendor.announced(atom, self.record.place(frame.source, node)) if known else one(atom)

    def _built(self, node: ast.expr, frame: Frame) -> Value:
        match node:
            case ast.Dict():
                return one(self._dict(node, frame)) if node.keys else self.kept(one(Table(node)), node, frame)
            case ast.List() | ast.Tuple() | ast.Set():
                made = one(Sequence(node, tuple(self.value(part, frame) for part in node.elts)))
                return made if node.elts else self.kept(made, node, frame)
            case ast.JoinedStr():
                return one(Text(self._joined(node, frame), self.record.place(frame.source, node)))
            case ast.BinOp():
                return self._sum(node, frame)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                return self._comprehension(node, frame)
            case _:
                for child in ast.iter_child_nodes(node):
                    if isinstance(child, ast.expr):
                        self.value(child, frame)
                return UNKNOWN

    def kept(self, made: Value, node: ast.AST, frame: Frame) -> Value:
        """An empty container of a module or class is one over all rounds: functions fill it after it was made."""
        return self._containers.setdefault(node, made) if frame.parent is None or frame.of_class else made

    def _dict(self, node: ast.Dict, frame: Frame) -> Table:
        table = Table(node)
        for key, value_node in zip(node.keys, node.values, strict=True):
            value = self.value(value_node, frame)
            if key is None:
                for atom in value:
                    if isinstance(atom, Table):
                        table.entries.update(atom.entries)
                continue
            for atom in self.value(key, frame):
                if isinstance(atom, Text):
                    table.entries[atom.value] = (value, self.record.place(frame.source, key))
        return table

    def table(self, place: Place, entries: Mapping[str, tuple[Value, Place]]) -> Table:
        """A dictionary made of arguments."""
        return Table(ast.Dict(keys=[], values=[], lineno=place.line, col_offset=0), dict(entries))

    def _joined(self, node: ast.JoinedStr, frame: Frame) -> str:
        parts: list[str] = []
        for part in node.values:
            if isinstance(part, ast.FormattedValue):
                known = [a.value for a in self.value(part.value, frame) if isinstance(a, Text)]
                parts.append(known[0] if len(known) == 1 else "{}")
            elif isinstance(part, ast.Constant):
                parts.append(str(part.value))
        return "".join(parts)

    def _sum(self, node: ast.BinOp, frame: Frame) -> Value:
        return self.summed(self.value(node.left, frame), self.value(node.right, frame), node.op)

    def summed(self, left: Value, right: Value, op: ast.operator) -> Value:
        """Strings that are put together, `{}` for the part that is not known; otherwise either."""
        if isinstance(op, (ast.Add, ast.Mod)):
            texts, more = [a for a in left if isinstance(a, Text)], [a for a in right if isinstance(a, Text)]
            if len(texts) == 1 and isinstance(op, ast.Mod):
                return one(Text(texts[0].value.replace("%s", "{}"), texts[0].place))
            if len(texts) == 1:
                return one(Text(texts[0].value + (more[0].value if len(more) == 1 else "{}"), texts[0].place))
            if not left and len(more) == 1:
                return one(Text("{}" + more[0].value, more[0].place))
        if isinstance(op, (ast.Add, ast.BitOr)):
            return union((left, right))
        return UNKNOWN

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, frame: Frame) -> Value:
        inner = type(frame)(frame.source, frame, frame.cls)
        for part in node.generators:
            self.bind(part.target, elements(self.value(part.iter, inner)), inner)
            for test in part.ifs:
                self.value(test, inner)
        if isinstance(node, ast.DictComp):
            key = self.value(node.key, inner)
            return one(Table(node, others=[self.value(node.value, inner)], keys=[key]))
        return one(Sequence(node, (self.value(node.elt, inner),)))

    def _item(self, node: ast.Subscript, frame: Frame) -> Value:
        base = self.subject(node.value, frame)
        if any(isinstance(atom, Module) and atom.name.endswith("Annotated") for atom in base):
            return self.annotated(node.slice, frame)
        return self.items(base, node.slice, frame)

    def items(self, base: Value, index: ast.expr, frame: Frame) -> Value:
        """`base[index]`; the fields of answers are recorded."""
        keys = [atom.value for atom in self.value(index, frame) if isinstance(atom, Text)]
        return union([self._of(atom, index, keys, frame) for atom in base])

    def _of(self, atom: Atom, index: ast.expr, keys: list[str], frame: Frame) -> Value:
        match atom:
            case Answer():
                place = self.record.place(frame.source, index)
                named = sorted({key for key in keys if FIELD.fullmatch(key) and key.lower() not in _HEADERS})[:KEYS]
                return union(self.vendor.field(atom, key, place) for key in named) or one(atom)
            case Table():
                return atom.at(keys)
            case Sequence():
                at = index.value if isinstance(index, ast.Constant) and isinstance(index.value, int) else -1
                exact = isinstance(atom.node, (ast.List, ast.Tuple)) and 0 <= at < len(atom.items)
                return atom.items[at] if exact else union(atom.all)
            case _:
                return UNKNOWN

    # --- attributes -------------------------------------------------------------------------------------------

    def attribute(self, atom: Atom, name: str, frame: Frame, node: ast.Attribute | None) -> Value:
        """`atom.name`; with `node`, what is read is recorded."""
        match atom:
            case Module():
                return self.imported(f"{atom.name}.{name}", frame)
            case Local():
                found = self.module_frame(atom.source).look(name)
                return found if found is not None else self._below(atom, name)
            case Symbol():
                return one(Symbol(atom.service, f"{atom.name}.{name}"))
            case Sdk():
                return one(Sdk("client")) if atom.part == "session" and name in ("client", "create_client") else UNKNOWN
            case Instance() | Class():
                return self.member(atom, name, self.record.place(frame.source, node) if node is not None else None)
            case Client():
                return self._of_client(atom, name, frame, node)
            case Request():
                return one(atom)
            case Text() if name == "value":  # of an enum
                return one(atom)
            case Answer():
                return self._of_answer(atom, name, frame, node)
            case Http(library=package):
                return one(Module(f"{package}.{name}"))
            case _:
                return UNKNOWN

    def _below(self, atom: Local, name: str) -> Value:
        module = self.tree.relative(atom.source, 1, name) if atom.source.file.endswith("__init__.py") else None
        return one(Local(module)) if module is not None else UNKNOWN

    def _of_client(self, atom: Client, name: str, frame: Frame, node: ast.Attribute | None) -> Value:
        if atom.path == "exceptions":
            return one(Failure(atom.service.provider, atom.service.id, name))
        if name in atom.service.events:
            answer: Value = UNKNOWN
            if node is not None:
                answer = self.vendor.event(atom, name, self.record.place(frame.source, node))
            return answer and one(Event(atom, name))
        return one(Client(atom.service, atom.cls, f"{atom.path}.{name}" if atom.path else name))

    def _of_answer(self, atom: Answer, name: str, frame: Frame, node: ast.expr | None) -> Value:
        if (atom.http and name in _HTTP_CONTENT) or name == "_pb":
            return one(atom)
        if node is None or name.startswith("_") or (atom.http and name in _HTTP_OWN):
            return UNKNOWN
        return self.vendor.field(atom, name, self.record.place(frame.source, node))


def _last_two(node: ast.Attribute) -> str:
    owner = node.value
    before = owner.attr if isinstance(owner, ast.Attribute) else owner.id if isinstance(owner, ast.Name) else ""
    return f"{before}.{node.attr}" if before and before != "self" else ""


def _message(service: Service, name: str) -> Value:
    """An object of a vendor's message type: an answer where its name or its service says so."""
    if name.endswith(_ANSWERS) or (service.default and not name.endswith(_MESSAGES_ASKED)):
        return one(Answer(service, (service.type_meaning(name),), ""))
    return one(Request(service, name)) if service.default else UNKNOWN
