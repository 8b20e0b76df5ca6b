"""What calls come to: of vendors' objects, of functions of the tree, of what hands on what it is given."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from cloudai.lockin import catalog
from cloudai.lockin.arguments import Arguments
from cloudai.lockin.catalog import NOTHING
from cloudai.lockin.containers import empty, numbered, on_sequence, on_table, read, zipped
from cloudai.lockin.expressions import FIELD, KEYS
from cloudai.lockin.known_functions import KnownFunctions
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
    Method,
    Module,
    Pager,
    Partial,
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

if TYPE_CHECKING:
    from cloudai.lockin.frames import Frame

_HTTP = frozenset({"requests", "httpx", "aiohttp", "urllib3"})
_SESSIONS = frozenset({"Session", "session", "Client", "AsyncClient", "ClientSession", "PoolManager"})
_PASS = frozenset({
    "list", "tuple", "set", "sorted", "reversed", "iter", "next", "max", "min", "filter", "map",
    "aiter", "anext", "gather", "run", "wait_for", "as_completed", "cast", "copy", "deepcopy", "chain", "from_iterable",
    "islice", "tqdm", "track", "run_until_complete", "create_task", "ensure_future", "shield", "result", "batched",
    "groupby", "closing", "enter_context", "enter_async_context", "MessageToDict", "to_dict", "MessageToJson",
    "loads", "dumps",
})  # fmt: skip
_APPLY = frozenset({
    "map", "submit", "to_thread", "run_in_executor", "run_sync", "imap", "imap_unordered", "starmap", "apply_async",
    "apply", "filter", "run_in_threadpool", "retry_call", "sync_to_async", "call", "Depends", "Security",
})  # fmt: skip
_ONCE = frozenset({"submit", "to_thread", "run_in_executor", "run_sync", "run_in_threadpool", "apply", "apply_async"})
"""Of these, what calls once, with the arguments as they are."""
_SAME = frozenset({
    "result", "wait", "pop", "values", "items", "copy", "to_dict", "as_dict", "json", "execute", "by_page", "pages",
    "next", "get_result", "model_dump", "ListFields", "from_json",
})  # fmt: skip
_MAKERS = frozenset({"Singleton", "ThreadLocalSingleton", "ThreadSafeSingleton", "Factory", "Resource", "Callable"})
"""How containers of dependencies hold what they make, as `partial` does."""
_WRAPPERS = frozenset({"lru_cache", "cache", "cached", "retry", "staticmethod", "async_to_sync"})
"""What gives back a function that does the same."""
_FIELDS = frozenset({"field", "Field", "ib", "attrib"})
"""What dataclasses, pydantic and attrs call a field of a class."""
_RAISING = frozenset({"result", "wait", "done", "status", "execute"})
"""Methods of answers that wait for the vendor, and so raise the vendor's errors."""
_STRINGS = frozenset(
    {"format", "strip", "rstrip", "lstrip", "lower", "upper", "replace", "removesuffix", "removeprefix", "join"}
)


class Calls(KnownFunctions):
    """Values of calls in a frame."""

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
            args.spread(value)
        return args

    def call(self, node: ast.Call, frame: Frame) -> Value:
        """A call: of a method by what its object is, of a name by what it stands for."""
        args = self.arguments(node, frame)
        func = node.func
        if not isinstance(func, ast.Attribute):
            called = self.value(func, frame)
            if called:
                return union(self._called(atom, args, node, frame) for atom in called)
            return self._unknown(func.id if isinstance(func, ast.Name) else "", args, node, frame)
        base = _of_vendors(self.subject(func.value, frame), func.attr)
        if not base:
            return self._unknown(func.attr, args, node, frame)
        return union(self._method(atom, func.attr, args, node, frame) for atom in base)

    def _method(self, atom: Atom, name: str, args: Arguments, node: ast.Call, frame: Frame) -> Value:
        match atom:
            case Answer():
                return self._on_answer(atom, name, args, node, frame)
            case Table():
                return on_table(atom, name, args)
            case Sequence():
                return on_sequence(atom, name, args)
            case Pager():
                return self.vendor.pages(atom, args)
            case Event():
                return self._connected(atom, args)
            case Text():
                return one(Text(atom.value, atom.place)) if name in _STRINGS else UNKNOWN
            case Http():
                return self.vendor.http(name, args, atom.base)
            case Request() if name[:1].islower():
                self.vendor.client(
                    Client(atom.service, atom.cls, name), args
                ) if atom.cls in atom.service.settings else None
                return one(atom)
            case _:
                func = node.func if isinstance(node.func, ast.Attribute) else None
                found = self.attribute(atom, name, frame, func)
                return union(self._called(each, args, node, frame) for each in found) or self._unknown(
                    name, args, node, frame
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
                return self._foreign(atom.name, args, node, frame)
            case Partial():
                whole = args.after(atom.given)
                if isinstance(atom.called, (Sdk, Symbol)):
                    whole.place = atom.given.place
                return self._called(atom.called, whole, node, frame)
            case Answer():
                return one(atom)
            case _:
                return UNKNOWN

    def _sdk(self, atom: Sdk, args: Arguments) -> Value:
        if atom.part == "client":
            return self.vendor.boto_client(args)
        return self.vendor.google_client(args) if atom.part == "build" else one(Sdk("session"))

    def _foreign(self, name: str, args: Arguments, node: ast.Call, frame: Frame) -> Value:
        library, _, last = name.partition(".")
        if library in _HTTP:
            if last in _SESSIONS or last in ("sessions.Session",):
                bases = [atom.value for atom in args.get(0, "base_url") if isinstance(atom, Text)]
                return one(Http(library, bases[0] if len(bases) == 1 else ""))
            return self.vendor.http(last, args)
        if name == "google.auth.transport.requests.AuthorizedSession":
            return one(Http("requests"))
        last = name.rpartition(".")[2]
        if name == "jmespath.search":
            return self.searched(args)
        if name == "urllib.request.Request":
            return frozenset(atom for atom in args.get(0, "url") if isinstance(atom, Text))
        if name == "urllib.request.urlopen":
            return self.vendor.http(last, args)
        if name in ("functools.partial", "functools.partialmethod") and args.positional:
            return self._partial(args)
        if name in ("os.getenv", "os.environ.get", "environ.get"):
            return args.get(1, "default")
        return self._unknown(last, args, node, frame)

    def _partial(self, args: Arguments) -> Value:
        rest, found = args.rest(1), list[Value]()
        for atom in args.positional[0]:
            if isinstance(atom, Client) and atom.path:
                found.append(self.vendor.partial(atom, rest))
            elif isinstance(atom, Method):
                self.vendor.method(atom, rest)
                found.append(one(atom))
            else:
                found.append(one(Partial(atom, rest)))
        return union(found)

    def _unknown(self, name: str, args: Arguments, node: ast.Call, frame: Frame) -> Value:
        """A call of something that is not known: what it does with callbacks and with parts of answers."""
        if name == "getattr" and len(args.positional) >= 2:
            return self._getattr(args, node, frame)
        if name == "dict" and args.keywords:
            return one(self.table(args.place, args.keywords))
        made = empty(name, node, args)
        if made is not None:
            return self.kept(made, node, frame)
        if name in ("enumerate", "zip"):
            return numbered(node, args) if name == "enumerate" else zipped(node, args)
        if name == "__new__" and args.positional:
            return frozenset(Instance(atom) for atom in args.positional[0] if isinstance(atom, Class))
        if name == "super":
            return union([self.base_of(frame.cls)]) if frame.cls is not None else UNKNOWN
        if (name == "partial" or name in _MAKERS) and args.positional:
            return self._partial(args)
        if name in _WRAPPERS and args.positional:
            return args.positional[0]
        known = self.of_known(name, args, node, frame)
        if known is not None:
            return known
        if name in _FIELDS:
            return self._field(args, node, frame)
        data = union(args.values)
        parts = frozenset(a for a in data if isinstance(a, (Answer, Client, Request, Sequence, Pager, Instance, Table)))
        applied = self._applied(args, name)
        if name in _APPLY and name != "filter" and applied is not None:
            return applied
        return parts if name in _PASS else UNKNOWN

    def _field(self, args: Arguments, node: ast.Call, frame: Frame) -> Value:
        """`field(default_factory=Client)`, `field(default_factory=list)`"""
        default = args.get(-1, "default")
        for keyword in ("default_factory", "factory"):
            factory = args.keyword_nodes.get(keyword)
            if isinstance(factory, ast.Name):
                default |= empty(factory.id, factory, Arguments(args.place)) or UNKNOWN
        made = args.get(-1, "default_factory", "factory")
        return default | union(self._called(atom, Arguments(args.place), node, frame) for atom in made)

    def _applied(self, args: Arguments, name: str) -> Value | None:
        """Functions and bound methods among the arguments of a call of something else are called by it."""
        found: list[Value] = []
        for position, value in enumerate(args.positional):
            rest = args.rest(position + 1)
            for atom in value:
                if isinstance(atom, Function):
                    inner = rest.positional if name in _APPLY else args.positional[:position]
                    inner = [elements(v) if name not in _ONCE else v for v in inner]
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

    def _getattr(self, args: Arguments, node: ast.Call, frame: Frame) -> Value:
        found: list[Value] = [args.get(2)]
        for name in args.positional[1]:
            if not isinstance(name, Text):
                continue
            for atom in args.positional[0]:
                for part in self.attribute(atom, name.value, frame, None):
                    is_method = isinstance(part, Client) and bool(part.path) and part.service.provider != NEUTRAL
                    found.append(
                        self.vendor.announced(part, name.passed or args.place)
                        if isinstance(part, Client) and is_method
                        else one(part)
                    )
                if isinstance(atom, Answer):
                    found.append(self._of_answer(atom, name.value, frame, node.args[1]))
        return union(found)

    def _on_answer(self, atom: Answer, name: str, args: Arguments, node: ast.Call, frame: Frame) -> Value:
        if name in ("get", "pop", "setdefault", "__getitem__") and args.positional:
            keys = sorted({k.value for k in args.positional[0] if isinstance(k, Text) and FIELD.fullmatch(k.value)})
            place = self.record.place(frame.source, node.args[0])
            return union(self.vendor.field(atom, key, place) for key in keys[:KEYS]) | args.get(1) or one(atom)
        if name == "search":
            return self.expression(atom, args)
        if read(atom, name):
            return one(atom)
        if name in _RAISING or (name == "get" and not args.keywords):
            self.record.touched.add(atom.service.provider)
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
