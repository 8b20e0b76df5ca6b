"""The values of expressions: imports, attributes, items and calls. `flow.py` has the statements and functions."""

from __future__ import annotations

import ast
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING

from cloudai.lockin import catalog
from cloudai.lockin.arguments import Arguments
from cloudai.lockin.catalog import NOTHING
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
    Method,
    Module,
    Pager,
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
    from cloudai.lockin.flow import Frame

_SDK: Mapping[str, str] = {
    "boto3.client": "client", "aioboto3.client": "client", "boto3.Session": "Session",
    "boto3.session.Session": "Session", "aioboto3.Session": "Session", "aioboto3.session.Session": "Session",
    "botocore.session.Session": "Session", "botocore.session.get_session": "Session",
    "aiobotocore.session.get_session": "Session", "aiobotocore.session.AioSession": "Session",
    "aiobotocore.get_session": "Session", "boto3.DEFAULT_SESSION": "session",
    "googleapiclient.discovery.build": "build", "apiclient.discovery.build": "build",
}  # fmt: skip
_HTTP = frozenset({"requests", "httpx", "aiohttp", "urllib3"})
_SESSIONS = frozenset({"Session", "session", "Client", "AsyncClient", "ClientSession", "PoolManager"})
_PASS = frozenset({
    "list", "tuple", "set", "sorted", "reversed", "enumerate", "zip", "iter", "next", "max", "min", "filter", "map",
    "aiter", "anext", "gather", "run", "wait_for", "as_completed", "cast", "copy", "deepcopy", "chain", "from_iterable",
    "islice", "tqdm", "track", "run_until_complete", "create_task", "ensure_future", "shield", "result", "batched",
    "groupby", "closing", "enter_context", "enter_async_context", "MessageToDict", "to_dict", "MessageToJson",
})  # fmt: skip
_APPLY = frozenset({
    "map", "submit", "to_thread", "run_in_executor", "run_sync", "imap", "imap_unordered", "starmap", "apply_async",
    "apply", "filter", "run_in_threadpool", "retry_call", "sync_to_async", "call", "Depends", "Security",
})  # fmt: skip
_SAME = frozenset({
    "result", "wait", "pop", "values", "items", "copy", "to_dict", "as_dict", "json", "execute", "by_page", "pages",
    "next", "__getitem__", "get_result", "model_dump", "ListFields", "from_json", "setdefault",
})  # fmt: skip
_HTTP_OWN = frozenset({
    "status_code", "ok", "headers", "text", "reason", "url", "request", "elapsed", "cookies", "encoding", "is_success",
    "status", "history", "raw", "is_error",
})  # fmt: skip
_ANSWERS = ("Response", "Result", "Results", "Annotation", "AnalyzedDocument")
_FIELD = re.compile(r"[A-Za-z_@][\w@-]{0,80}")
"""What a field is called: other keys are data of the caller's, as addresses."""
_STRINGS = frozenset(
    {"format", "strip", "rstrip", "lstrip", "lower", "upper", "replace", "removesuffix", "removeprefix", "join"}
)
_GIVES_DEFAULT = frozenset({"getenv", "get", "environ"})


class Expressions(ABC):
    """Values of expressions in a frame."""

    def __init__(self, tree: Tree, record: Recorder) -> None:
        self.tree = tree
        self.record = record
        self.vendor = VendorCalls(record)

    @abstractmethod
    def module_frame(self, source: Source) -> Frame: ...
    @abstractmethod
    def member(self, owner: Instance | Class, name: str) -> Value: ...
    @abstractmethod
    def base_of(self, cls: Class) -> Value: ...
    @abstractmethod
    def instance(self, cls: Class, args: Arguments) -> Value: ...
    @abstractmethod
    def enter(self, function: Function, args: Arguments) -> Value: ...
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
                        elif name.endswith(_ANSWERS) and atom.service.provider != NEUTRAL:
                            found.add(Answer(atom.service, (atom.service.type_meaning(name),), ""))
                    elif isinstance(atom, Class):
                        found.add(Instance(atom))
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
                return union(self.attribute(a, node.attr, frame, node) for a in self.value(node.value, frame))
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

    def _built(self, node: ast.expr, frame: Frame) -> Value:
        match node:
            case ast.Dict():
                return one(self._dict(node, frame))
            case ast.List() | ast.Tuple() | ast.Set():
                return one(Sequence(node, tuple(self.value(part, frame) for part in node.elts)))
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
        left, right = self.value(node.left, frame), self.value(node.right, frame)
        if isinstance(node.op, (ast.Add, ast.Mod)):
            texts = [a for a in left if isinstance(a, Text)]
            if len(texts) == 1:
                more = [a.value for a in right if isinstance(a, Text)]
                tail = (more[0] if len(more) == 1 else "{}") if isinstance(node.op, ast.Add) else ""
                return one(Text(texts[0].value + tail, texts[0].place))
        if isinstance(node.op, (ast.Add, ast.BitOr)):
            return union((left, right))
        return UNKNOWN

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, frame: Frame) -> Value:
        inner = type(frame)(frame.source, frame, frame.cls)
        for part in node.generators:
            self.bind(part.target, elements(self.value(part.iter, inner)), inner)
            for test in part.ifs:
                self.value(test, inner)
        if isinstance(node, ast.DictComp):
            self.value(node.key, inner)
            return one(Sequence(node, (self.value(node.value, inner),)))
        return one(Sequence(node, (self.value(node.elt, inner),)))

    def _item(self, node: ast.Subscript, frame: Frame) -> Value:
        return self.items(self.value(node.value, frame), node.slice, frame)

    def items(self, base: Value, index: ast.expr, frame: Frame) -> Value:
        """`base[index]`; the fields of answers are recorded."""
        keys = [atom.value for atom in self.value(index, frame) if isinstance(atom, Text)]
        return union([self._of(atom, index, keys, frame) for atom in base])

    def _of(self, atom: Atom, index: ast.expr, keys: list[str], frame: Frame) -> Value:
        match atom:
            case Answer():
                place = self.record.place(frame.source, index)
                named = [key for key in keys if _FIELD.fullmatch(key)][:1]
                return union(self.vendor.field(atom, key, place) for key in named) or one(atom)
            case Table():
                chosen = [atom.entries[key] for key in keys if key in atom.entries] if keys else atom.entries.values()
                return union(value for value, _ in chosen)
            case Sequence():
                at = index.value if isinstance(index, ast.Constant) and isinstance(index.value, int) else -1
                exact = isinstance(atom.node, (ast.List, ast.Tuple)) and 0 <= at < len(atom.items)
                return atom.items[at] if exact else union(atom.items)
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
                return self.member(atom, name)
            case Client():
                return self._of_client(atom, name, frame, node)
            case Request():
                return one(atom)
            case Text() if name == "value":  # of an enum
                return one(atom)
            case Answer():
                return self._of_answer(atom, name, frame, node)
            case Http():
                return one(Module(f"{atom.library}.{name}"))
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

    def _of_answer(self, atom: Answer, name: str, frame: Frame, node: ast.Attribute | None) -> Value:
        if node is None or name.startswith("_") or (atom.http and name in _HTTP_OWN):
            return UNKNOWN
        return self.vendor.field(atom, name, self.record.place(frame.source, node))

    # --- calls ------------------------------------------------------------------------------------------------

    def arguments(self, node: ast.Call, frame: Frame) -> Arguments:
        """All arguments, `*` and `**` opened where they are known."""
        args = Arguments(self.record.place(frame.source, node.func), nodes=tuple(node.args))
        for part in node.args:
            value = self.value(part, frame)
            if isinstance(part, ast.Starred):
                args.positional += [item for atom in value if isinstance(atom, Sequence) for item in atom.items]
            else:
                args.positional.append(value)
        for keyword in node.keywords:
            value = self.value(keyword.value, frame)
            if keyword.arg is not None:
                place = Place(file=frame.source.file, line=frame.source.line(keyword.lineno))
                args.keywords[keyword.arg] = (value, place)
                args.keyword_nodes[keyword.arg] = keyword.value
                continue
            for atom in value:
                if isinstance(atom, Table):
                    args.keywords.update(atom.entries)
        return args

    def call(self, node: ast.Call, frame: Frame) -> Value:
        """A call: of a method by what its object is, of a name by what it stands for."""
        args = self.arguments(node, frame)
        func = node.func
        if not isinstance(func, ast.Attribute):
            called = self.value(func, frame)
            if called:
                return union(self._called(atom, args, node, frame) for atom in called)
            return self._unknown(func.id if isinstance(func, ast.Name) else "", args, frame)
        base = _of_vendors(self.value(func.value, frame), func.attr)
        if not base:
            return self._unknown(func.attr, args, frame)
        return union(self._method(atom, func.attr, args, node, frame) for atom in base)

    def _method(self, atom: Atom, name: str, args: Arguments, node: ast.Call, frame: Frame) -> Value:
        match atom:
            case Answer():
                return self._on_answer(atom, name, args, node, frame)
            case Table():
                return _on_table(atom, name, args)
            case Sequence():
                return _on_sequence(atom, name)
            case Pager():
                return self.vendor.pages(atom, args)
            case Event():
                return self._connected(atom, args)
            case Text():
                return one(Text(atom.value, atom.place)) if name in _STRINGS else UNKNOWN
            case Http():
                return self.vendor.http(name, args)
            case Request() if name[:1].islower():
                self.vendor.client(
                    Client(atom.service, atom.cls, name), args
                ) if atom.cls in atom.service.settings else None
                return one(atom)
            case _:
                func = node.func if isinstance(node.func, ast.Attribute) else None
                found = self.attribute(atom, name, frame, func)
                return union(self._called(each, args, node, frame) for each in found) or self._unknown(
                    name, args, frame
                )

    def _called(self, atom: Atom, args: Arguments, node: ast.Call, frame: Frame) -> Value:
        match atom:
            case Sdk():
                return self._sdk(atom, args)
            case Symbol():
                return self.vendor.symbol(atom, args)
            case Client():
                return self.vendor.client(atom, args, node)
            case Method():
                return self.vendor.method(atom, args)
            case Function():
                return self.enter(atom, args)
            case Class():
                return self.instance(atom, args)
            case Instance():
                return union(self._called(f, args, node, frame) for f in self.member(atom, "__call__"))
            case Module():
                return self._foreign(atom.name, args, frame)
            case Answer():
                return one(atom)
            case _:
                return UNKNOWN

    def _sdk(self, atom: Sdk, args: Arguments) -> Value:
        if atom.part == "client":
            return self.vendor.boto_client(args)
        return self.vendor.google_client(args) if atom.part == "build" else one(Sdk("session"))

    def _foreign(self, name: str, args: Arguments, frame: Frame) -> Value:
        library, _, last = name.partition(".")
        if library in _HTTP:
            if last in _SESSIONS or last in ("sessions.Session",):
                return one(Http(library))
            return self.vendor.http(last, args)
        last = name.rpartition(".")[2]
        if name == "urllib.request.Request":
            return frozenset(atom for atom in args.get(0, "url") if isinstance(atom, Text))
        if name == "urllib.request.urlopen":
            return self.vendor.http(last, args)
        if name in ("functools.partial", "functools.partialmethod") and args.positional:
            return self._partial(args)
        if name in ("os.getenv", "os.environ.get", "environ.get"):
            return args.get(1, "default")
        return self._unknown(last, args, frame)

    def _partial(self, args: Arguments) -> Value:
        rest, found = args.rest(1), list[Value]()
        for atom in args.positional[0]:
            if isinstance(atom, Client) and atom.path:
                found.append(self.vendor.partial(atom, rest))
            elif isinstance(atom, Function):
                self.enter(atom, rest)
                found.append(one(atom))
            else:
                found.append(one(atom))
        return union(found)

    def _unknown(self, name: str, args: Arguments, frame: Frame) -> Value:
        """A call of something that is not known: what it does with callbacks and with parts of answers."""
        if name == "getattr" and len(args.positional) >= 2:
            return self._getattr(args, frame)
        if name == "dict":
            return one(self.table(args.place, args.keywords))
        if name == "super":
            return union([self.base_of(frame.cls)]) if frame.cls is not None else UNKNOWN
        if name == "partial" and args.positional:
            return self._partial(args)
        data = union(args.values)
        parts = frozenset(a for a in data if isinstance(a, (Answer, Client, Request, Sequence, Pager, Instance, Table)))
        applied = self._applied(args, name)
        if name in _APPLY and applied is not None:
            return applied
        return parts if name in _PASS else UNKNOWN

    def _applied(self, args: Arguments, name: str) -> Value | None:
        """Functions and bound methods among the arguments of a call of something else are called by it."""
        found: list[Value] = []
        for position, value in enumerate(args.positional):
            rest = args.rest(position + 1)
            for atom in value:
                if isinstance(atom, Function):
                    inner = [elements(v) for v in (rest.positional if name in _APPLY else args.positional[:position])]
                    found.append(self.enter(atom, Arguments(args.place, inner, {})))
                elif isinstance(atom, Client) and atom.path and atom.service.knows(atom.cls, atom.path):
                    found.append(self.vendor.client(atom, rest))
                elif isinstance(atom, Method):
                    found.append(self.vendor.method(atom, rest))
        data = [elements(value) for value in args.positional]
        for value, _ in args.keywords.values():
            for atom in value:
                if isinstance(atom, Function):
                    self.enter(atom, Arguments(args.place, data[:1], {}))
        return union(found) if found else None

    def _getattr(self, args: Arguments, frame: Frame) -> Value:
        found: list[Value] = []
        for name in args.positional[1]:
            if not isinstance(name, Text):
                continue
            for atom in args.positional[0]:
                for part in self.attribute(atom, name.value, frame, None):
                    is_method = isinstance(part, Client) and bool(part.path) and part.service.provider != NEUTRAL
                    found.append(
                        self.vendor.announced(part, args.place) if isinstance(part, Client) and is_method else one(part)
                    )
        return union(found)

    def _on_answer(self, atom: Answer, name: str, args: Arguments, node: ast.Call, frame: Frame) -> Value:
        if name == "get" and args.positional:
            keys = [k for k in args.positional[0] if isinstance(k, Text) and _FIELD.fullmatch(k.value)]
            place = self.record.place(frame.source, node.args[0])
            return union(self.vendor.field(atom, key.value, place) for key in keys[:1]) or one(atom)
        for function in args.functions:
            self.enter(function, Arguments(args.place, [one(atom)], {}))
        return one(atom) if name in _SAME or (name == "get" and not args.keywords) else UNKNOWN

    def _connected(self, event: Event, args: Arguments) -> Value:
        meaning = catalog.meaning(
            event.client.service.class_operations.get(event.client.cls, event.client.service.default)
        )
        told = one(Answer(event.client.service, (meaning,), ""))
        for function in args.functions:
            self.enter(function, Arguments(args.place, [told], {}))
        return UNKNOWN

    def entered(self, value: Value) -> Value:
        """What `with value as x` gives."""
        found: list[Value] = []
        for atom in value:
            if isinstance(atom, Instance):
                methods = self.member(atom, "__enter__") | self.member(atom, "__aenter__")
                own = [self.enter(f, Arguments(Place(file="", line=0))) for f in methods if isinstance(f, Function)]
                found += own or [one(atom)]
            else:
                found.append(one(atom))
        return union(found)

    def caught(self, failure: Failure, place: Place) -> None:
        """An `except` names a vendor's exception."""
        service = catalog.services().get((failure.provider, failure.service))
        self.record.add("exception", place, service, NOTHING, failure.name, provider=failure.provider)


def _of_vendors(value: Value, method: str) -> Value:
    """Where an object may be one of several clients, those that have the method."""
    clients = [atom for atom in value if isinstance(atom, Client)]
    if len({atom.service for atom in clients}) < 2:
        return value
    able = {a for a in clients if a.service.knows(a.cls, f"{a.path}.{method}" if a.path else method)}
    return frozenset(a for a in value if not isinstance(a, Client) or not able or a in able)


def _on_table(table: Table, name: str, args: Arguments) -> Value:
    keys = [key.value for key in args.get(0) if isinstance(key, Text)]
    match name:
        case "get" | "pop" | "setdefault":
            found = [table.entries[key][0] for key in keys if key in table.entries]
            return union([*found, args.get(1)] if keys else [value for value, _ in table.entries.values()])
        case "values" | "items":
            return one(Sequence(table.node, tuple(value for value, _ in table.entries.values())))
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


def _on_sequence(sequence: Sequence, name: str) -> Value:
    return union(sequence.items) if name in ("pop", "__getitem__") else one(sequence) if name == "copy" else UNKNOWN
