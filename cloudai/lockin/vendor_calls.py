"""Calls of vendors' SDKs: which operation they are, and the parameters, options, features and models in them."""

from __future__ import annotations

import ast
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from cloudai.lockin.arguments import Arguments
from cloudai.lockin.catalog import NOTHING, Meaning, Service, meaning, of_api, of_boto
from cloudai.lockin.literals import endpoint, endpoint_of_path
from cloudai.lockin.scanned import NEUTRAL, OTHER, FindKind, Place
from cloudai.lockin.values import (
    UNKNOWN,
    Answer,
    Client,
    Method,
    Pager,
    Request,
    Symbol,
    Table,
    Text,
    Value,
    one,
)  # fmt: skip
from cloudai_pricing.operations import operations

if TYPE_CHECKING:
    from cloudai.lockin.recording import Recorder

_NO_OPERATION = frozenset({
    "close", "can_paginate", "generate_presigned_url", "generate_presigned_post", "meta", "exceptions", "transport",
    "aclose", "get_service_model", "with_options", "__enter__", "__exit__", "__aenter__", "__aexit__",
})  # fmt: skip
_CONVERTERS = frozenset({"to_dict", "to_json", "pb"})
"""Of Google's message classes."""
_PATH_MAKERS = ("_path", "common_location_path")
_JOBS = {"transcribe_job": "speech.transcribe"}
_ACCESS = frozenset({"subscription", "region", "endpoint", "host", "auth_token", "token_credential"})
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_VERBS = frozenset({"get", "post", "put", "patch", "delete", "request", "send", "stream", "urlopen"})


class VendorCalls:
    """Turns calls on vendors' objects into finds and answers."""

    def __init__(self, record: Recorder) -> None:
        self._record = record

    # --- making clients ---------------------------------------------------------------------------------------

    def boto_client(self, args: Arguments) -> Value:
        """`boto3.client("rekognition")`: a service that came as an argument is told where it was given."""
        found: set[Client] = set()
        for atom in args.get(0, "service_name"):
            service = of_boto(atom.value) if isinstance(atom, Text) else None
            if isinstance(atom, Text) and service is not None:
                self._record.add("client", atom.passed or args.place, service, NOTHING, atom.value)
                found.add(Client(service, "boto"))
        return frozenset(found)

    def google_client(self, args: Arguments) -> Value:
        """`googleapiclient.discovery.build("vision", "v1")`."""
        found: set[Client] = set()
        for atom in args.get(0, "serviceName"):
            service = of_api(atom.value) if isinstance(atom, Text) else None
            if isinstance(atom, Text) and service is not None:
                self._record.add("client", atom.passed or args.place, service, NOTHING, atom.value)
                found.add(Client(service, "discovery"))
        return frozenset(found)

    def symbol(self, symbol: Symbol, args: Arguments) -> Value:
        """A call of a class, a class method or a function of a vendor's module."""
        service, (head, _, rest) = symbol.service, symbol.name.partition(".")
        name = symbol.name.rpartition(".")[2]
        if name in service.functions:
            here = meaning(service.functions[name])
            if service.id in ("textract",):
                return self._operation(Client(service, ""), name, args)
            self._parameters(service, name, here, args)
            return one(Request(service, name))
        if rest and service.is_client(head):
            return self._class_method(service, head, rest, args)
        if name in _CONVERTERS:
            return frozenset(atom for value in args.positional for atom in value if isinstance(atom, Answer))
        if not name[:1].isupper():
            return UNKNOWN
        if service.is_client(name):
            model = service.model(name, args.keywords, args.words())
            self._record.add("client", args.place, service, NOTHING, name, model=model,
                             feature=_feature(service, name, name, frozenset()))  # fmt: skip
            self._settings(service, name, args)
            return one(Client(service, name))
        self._parameters(service, name, service.type_meaning(name), args)
        read = {atom for value in args.positional for atom in value if isinstance(atom, Answer)}
        return frozenset(atom for atom in read if atom.service is service) or one(Request(service, name))

    def _settings(self, service: Service, cls: str, args: Arguments) -> None:
        """Arguments of a settings object are parameters, but for those that say who asks, and where."""
        if cls in service.settings:
            given = {k: v for k, v in args.keywords.items() if k not in _ACCESS}
            self._parameters(service, cls, NOTHING, Arguments(args.place, [], given, (), args.keyword_nodes))

    def _class_method(self, service: Service, cls: str, name: str, args: Arguments) -> Value:
        if (name.startswith("from_") and "connection" not in name) or name == "from_connection_string":
            self._record.add("client", args.place, service, NOTHING, cls)
            return one(Client(service, cls))
        if name.endswith(_PATH_MAKERS) or not service.knows(cls, name):
            return UNKNOWN
        return self._operation(Client(service, cls), name, args)

    # --- calling them -----------------------------------------------------------------------------------------

    def announced(self, client: Client, place: Place) -> Value:
        """`getattr(client, "detect_text")`: the operation is told here, its parameters where it is called."""
        if client.path in _NO_OPERATION or client.service.provider == NEUTRAL:
            return one(client)
        answer = self._operation(client, client.path, Arguments(place))
        return frozenset(
            Method(Client(client.service, client.cls), client.path, part.site)
            for part in answer if isinstance(part, Answer)
        )  # fmt: skip

    def partial(self, client: Client, args: Arguments) -> Value:
        """`partial(client.detect_text, Image=...)`."""
        answer = self._operation(client, client.path, args)
        return frozenset(
            Method(Client(client.service, client.cls), client.path, part.site)
            for part in answer if isinstance(part, Answer)
        )  # fmt: skip

    def method(self, method: Method, args: Arguments) -> Value:
        """A call of what was announced before."""
        client = method.client
        means = self._meanings(client, method.name, args)
        self._parameters(client.service, method.name, means[0] if len(means) == 1 else NOTHING, args, method.site)
        self._record.touched.add(client.service.provider)
        return one(Answer(client.service, means, method.site))

    def client(self, client: Client, args: Arguments, node: ast.Call | None = None) -> Value:
        """`client.jobs.create_or_update(...)`: `path` is what was called."""
        service, name = client.service, client.path
        last = name.rpartition(".")[2]
        if service.provider == NEUTRAL:
            return self._neutral(client, args, node)
        within = name.partition(".")[0] in _NO_OPERATION or any(part.startswith("_") for part in name.split("."))
        if not name or within or last in _NO_OPERATION or last.endswith(_PATH_MAKERS):
            return UNKNOWN
        if client.cls in service.settings:
            kind = _kind(service, last)
            means = service.type_meaning(client.cls) if service.default else NOTHING
            feature = _feature(service, client.cls, last, frozenset())
            self._record.add(kind, args.place, service, means, last, feature=feature)
            return UNKNOWN
        if client.cls == "boto" and name in ("get_paginator", "get_waiter"):
            return self._pager(service, args)
        if client.cls == "discovery":
            return self._discovery(client, args)
        if service.only and "." not in name and not service.knows(client.cls, name) and name in ("copy",):
            return UNKNOWN
        return self._operation(client, name, args)

    def pages(self, pager: Pager, args: Arguments) -> Value:
        """`paginator.paginate(...)` and `waiter.wait(...)`."""
        self._parameters(pager.service, pager.method, pager.meaning, args, pager.site)
        self._record.touched.add(pager.service.provider)
        return one(Answer(pager.service, (pager.meaning,), pager.site))

    def _pager(self, service: Service, args: Arguments) -> Value:
        found: set[Pager] = set()
        for atom in args.get(0, "operation_name", "waiter_name"):
            if isinstance(atom, Text):
                means = service.method("boto", atom.value) or Meaning(OTHER, atom.value)
                self._record.add("operation", args.place, service, means, atom.value, site=str(args.place))
                found.add(Pager(service, atom.value, means, str(args.place)))
        return frozenset(found)

    def _discovery(self, client: Client, args: Arguments) -> Value:
        if not args.positional and not args.keywords and not client.path.endswith("list"):
            return one(client)
        return self._operation(client, _WORDS.sub("_", client.path).lower(), args)

    def _operation(self, client: Client, name: str, args: Arguments) -> Value:
        service, last, site = client.service, name.rpartition(".")[2], str(args.place)
        means = self._meanings(client, name, args)
        feature = _feature(service, last, None, frozenset()) or _feature(service, client.cls, None, frozenset())
        asked = (service.model(a.cls, ()) for value in args.values for a in value if isinstance(a, Request))
        model = (
            next(filter(None, asked), "") or service.model(name, args.keywords) or service.model(last, args.keywords)
        )
        for each in means:
            self._record.add("operation", args.place, service, each, last, site=site, feature=feature, model=model)
        self._parameters(service, last, means[0] if len(means) == 1 else NOTHING, args, site)
        following = service.returns.get(last)
        if following is not None and service.is_client(following):
            return one(Client(service, following))
        return one(Answer(service, means, site))

    def _meanings(self, client: Client, name: str, args: Arguments) -> tuple[Meaning, ...]:
        service = client.service
        last = name.rpartition(".")[2]
        known = service.method(client.cls, name)
        if service.tasks and (
            known is None or known.topic == "vision.analyze" or "annotate" in last or "analyze" in last
        ):
            words = args.words()
            chosen = dict.fromkeys(meaning(op) for word, op in service.tasks.items() if word in words)
            if chosen:
                return tuple(chosen)
        if known is not None:
            return (known,)
        own = service.class_operations.get(client.cls) or service.default
        return (meaning(own),) if own else (Meaning(OTHER, f"{service.id}.{last}"),)

    # --- what is handed over ----------------------------------------------------------------------------------

    def _parameters(self, service: Service, method: str, means: Meaning, args: Arguments, site: str = "") -> None:
        if service.provider == NEUTRAL:
            return
        for keyword, (value, place) in args.keywords.items():
            table = next((atom for atom in value if isinstance(atom, Table)), None)
            if keyword in ("request", "body") and table is not None and service.provider == "gcp":
                self._request(service, method, means, table, site)
            else:
                self._parameter(service, method, means, keyword, place, args.words_of(keyword), site)
                self._voices(service, keyword, value)
        for keyword, place in args.more:
            self._parameter(service, method, means, keyword, place, frozenset(), site)
        if service.provider == "gcp" and args.positional:
            for atom in args.positional[0]:
                if isinstance(atom, Table):
                    self._request(service, method, means, atom, site)

    def _request(self, service: Service, method: str, means: Meaning, table: Table, site: str) -> None:
        for key, (_, place) in table.entries.items():
            self._parameter(service, method, means, key, place, frozenset(), site)

    def _parameter(
        self, service: Service, method: str, means: Meaning, name: str, place: Place, words: frozenset[str], site: str
    ) -> None:
        self._record.add(
            _kind(service, name), place, service, means, name,
            site=site, feature=_feature(service, method, name, words), model=service.model(method, (name,)) if name in
            {pattern.partition("/")[2] for pattern in service.models} else "",
        )  # fmt: skip

    def _voices(self, service: Service, keyword: str, value: Value) -> None:
        if keyword == "VoiceId":
            for atom in value:
                if isinstance(atom, Text):
                    self._record.add("resource_id", atom.place, service, NOTHING, atom.value)

    def assigned(self, target: Client | Request, name: str, place: Place) -> None:
        """`config.endpoint_id = ...`: a parameter, or an option."""
        service = target.service
        if service.provider != NEUTRAL and not name.startswith("_"):
            means = service.type_meaning(target.cls) if isinstance(target, Request) else NOTHING
            feature = _feature(service, target.cls, name, frozenset())
            model = service.model(name, ())
            self._record.add(_kind(service, name), place, service, means, name, feature=feature, model=model)

    def field(self, answer: Answer, name: str, place: Place) -> Value:
        """One field of an answer is read."""
        narrowed = answer.service.narrowed(name)
        means = (
            (narrowed,)
            if narrowed is not None and (len(answer.meanings) > 1 or narrowed in answer.meanings)
            else answer.meanings
        )
        part = Answer(answer.service, means, answer.site, http=answer.http)
        operation = part.meaning.operation
        feature = answer.service.field_features.get(operation, {}).get(name, "")
        self._record.add("result_field", place, answer.service, part.meaning, name, site=answer.site, feature=feature)
        return one(part)

    def event(self, client: Client, name: str, place: Place) -> Value:
        """`recognizer.recognized`: answers come through it."""
        means = meaning(client.service.class_operations.get(client.cls, client.service.default))
        feature = _feature(client.service, name, None, frozenset())
        self._record.add("result_field", place, client.service, means, name, feature=feature)
        return one(Answer(client.service, (means,), ""))

    # --- our own interface, and plain HTTP --------------------------------------------------------------------

    def _neutral(self, client: Client, args: Arguments, node: ast.Call | None) -> Value:
        service, path = client.service, client.path
        _, _, verb = path.partition(".")
        operation = _JOBS.get(verb, path.removesuffix("_job"))
        if path == "driver":
            self._record.add("option", args.place, service, Meaning(OTHER, "driver"), "driver", site=str(args.place))
            return UNKNOWN
        if verb == "analyze":
            words = args.words()
            means = tuple(Meaning(name) for name in operations() if name in words) or (Meaning("vision.detect_labels"),)
        elif operation in operations():
            means = (Meaning(operation),)
        else:
            return UNKNOWN
        for each in means:
            self._record.add("operation", args.place, service, each, verb, site=str(args.place))
        self._neutral_options(means, args)
        return UNKNOWN

    def _neutral_options(self, means: tuple[Meaning, ...], args: Arguments) -> None:
        value, _ = args.keywords.get("options", (UNKNOWN, args.place))
        for atom in value:
            if not isinstance(atom, Table):
                continue
            for provider, (inner, _) in atom.entries.items():
                for table in inner:
                    if isinstance(table, Table):
                        for key, (_, at) in table.entries.items():
                            own = Service(provider=provider, id=NEUTRAL, title="cloudai")
                            self._record.add("option", at, own, means[0], key, site=str(args.place))

    def http(self, verb: str, args: Arguments, base: str = "") -> Value:
        """`requests.post(url, ...)`: an operation where the address is an AI service's, or came in a reply of it."""
        if verb not in _VERBS:
            return UNKNOWN
        at = 1 if verb in ("request", "stream") else 0
        for atom in args.get(at, "url"):
            if isinstance(atom, Answer) and atom.http:
                return self._rest(atom.service, atom.meanings, verb, args)
            if not isinstance(atom, Text):
                continue
            address = _address(base, atom.value)
            keyed = any(word.lower().startswith("ocp-apim-subscription") for word in args.words())
            found = endpoint(address) or endpoint_of_path(address, keyed=keyed)
            if found is not None:
                return self._rest(found[0], (found[1],), verb, args)
        return UNKNOWN

    def _rest(self, service: Service, means: tuple[Meaning, ...], verb: str, args: Arguments) -> Value:
        chosen = means
        if all(each.operation in ("", OTHER) for each in means) and service.tasks:
            words = {word.lower() for word in args.words()}
            told = dict.fromkeys(meaning(op) for word, op in service.tasks.items() if word.lower() in words)
            chosen = tuple(told) or chosen
        chosen = tuple(each if each.operation else Meaning(OTHER, f"{service.id}.rest") for each in chosen)
        site = str(args.place)
        for each in chosen:
            self._record.add("operation", args.place, service, each, verb, site=site)
        for keyword, (_, place) in args.keywords.items():
            if keyword not in ("timeout", "verify", "url", "method", "stream", "auth", "proxies", "allow_redirects"):
                self._record.add(
                    "parameter", place, service, chosen[0] if len(chosen) == 1 else NOTHING, keyword, site=site
                )
        return one(Answer(service, chosen, site, http=True))


def _address(base: str, path: str) -> str:
    return f"{base.rstrip('/')}/{path.lstrip('/')}" if base and "://" not in path else path


def _kind(service: Service, name: str) -> FindKind:
    return "option" if name in service.options else "parameter"


def _feature(service: Service, method: str, keyword: str | None, words: frozenset[str]) -> str:
    for pattern, feature in service.features.items():
        head, _, rest = pattern.partition("/")
        if not fnmatchcase(method, head):
            continue
        wanted, _, word = rest.partition(":")
        if (not wanted and keyword in (None, method)) or (
            keyword is not None and wanted in (keyword, "*") and (not word or word in words)
        ):
            return feature
    return ""
