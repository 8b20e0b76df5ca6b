"""The catalog of vendors' AI services: `catalog/*.toml` read into typed, frozen data, with the look-ups of the scan.

The files are data that a non-programmer can review; their form is in docs/lockin.md. Patterns are those of `fnmatch`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, cast

from cloudai.lockin.scanned import NEUTRAL, OTHER

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

SCHEMA = "cloudai.lockin-catalog/1"


@dataclass(frozen=True, slots=True, order=True)
class Meaning:
    """What a call is for: an operation of our vocabulary, or `other` with a topic."""

    operation: str
    topic: str = ""


NOTHING = Meaning("")


@dataclass(frozen=True, kw_only=True, eq=False)
class Service:
    """One service of one vendor. Compared by identity: there is one object of each."""

    provider: str
    id: str
    title: str
    declared: tuple[str, ...] = ()
    """Its names in the provider's `capabilities.toml`."""
    boto: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    apis: tuple[str, ...] = ()
    """Host names below googleapis.com."""
    permissions: tuple[str, ...] = ()
    """Prefixes of IAM actions."""
    terraform: tuple[str, ...] = ()
    cloudformation: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    """Of Azure's multi-purpose account."""
    clients: tuple[str, ...] = ()
    """Classes with operations whose names do not end in `Client`."""
    only: tuple[str, ...] = ()
    """Where a module serves other vendors too: the classes that are this one's."""
    settings: tuple[str, ...] = ()
    """Classes whose methods and attributes are parameters."""
    events: tuple[str, ...] = ()
    """Attributes of clients through which answers arrive."""
    options: frozenset[str] = frozenset()
    """Parameters that no neutral call has the like of."""
    default: str = ""
    """The operation of its request types, where all have one."""
    methods: Mapping[str, str] = field(default_factory=dict)
    class_methods: Mapping[str, str] = field(default_factory=dict)
    class_operations: Mapping[str, str] = field(default_factory=dict)
    whole: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Classes with all the methods that they have, where others of the module have more."""
    functions: Mapping[str, str] = field(default_factory=dict)
    tasks: Mapping[str, str] = field(default_factory=dict)
    """Words among the arguments that choose the operation."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Fields of an answer that belong to one operation."""
    features: Mapping[str, str] = field(default_factory=dict)
    """`method/Keyword:WORD` -> feature; keyword and word may be left out."""
    field_features: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    """`method/Keyword:WORD` -> the service of a declared custom model; the first that matches."""
    returns: Mapping[str, str] = field(default_factory=dict)
    """Methods that answer another client -> its class."""
    rest: Mapping[str, str] = field(default_factory=dict)
    """Parts of a REST path -> operation, the first that matches."""
    retiring: Mapping[str, str] = field(default_factory=dict)
    """Method or operation -> the feature of a declared retirement."""
    retiring_modules: Mapping[str, str] = field(default_factory=dict)
    terraform_operations: Mapping[str, str] = field(default_factory=dict)
    cloudformation_operations: Mapping[str, str] = field(default_factory=dict)

    def is_client(self, name: str) -> bool:
        """Whether a class of its modules is one that has operations."""
        if self.only:
            return name in self.only
        return name in self.clients or name.endswith(("Client", "Client_"))

    def method(self, cls: str, name: str) -> Meaning | None:
        """What a method is for; `name` may have a path (`jobs.create_or_update`). None: not in the catalog."""
        exact = self.class_methods.get(f"{cls}.{name}")
        if exact is not None:
            return meaning(exact)
        last = name.rpartition(".")[2]
        found = _first(self.methods, name)
        if found is None and last != name:
            found = _first(self.methods, last)
        if found is None:
            return None
        own = self.class_operations.get(cls)
        if own is not None and own.startswith(OTHER):
            return meaning(own)
        return meaning(found)

    def knows(self, cls: str, name: str) -> bool:
        """Whether the catalog has the method by more than a catch-all."""
        last = name.rpartition(".")[2]
        if cls in self.whole:
            return last in self.whole[cls]
        return f"{cls}.{name}" in self.class_methods or any(
            pattern != "*" and (fnmatchcase(name, pattern) or fnmatchcase(last, pattern)) for pattern in self.methods
        )

    def type_meaning(self, name: str) -> Meaning:
        """What a request type belongs to; empty where it serves several operations."""
        return meaning(self.class_operations.get(name, self.default))

    def narrowed(self, field_name: str) -> Meaning | None:
        """The operation that a field of an answer belongs to."""
        found = self.fields.get(field_name)
        return None if found is None else meaning(found)

    def model(self, method: str, keywords: Iterable[str], words: frozenset[str] = frozenset()) -> str:
        """The kind of custom model that a call or a class names; empty: none."""
        names = tuple(keywords)
        for pattern, kind in self.models.items():
            head, _, rest = pattern.partition("/")
            keyword, _, word = rest.partition(":")
            if fnmatchcase(method, head) and (not keyword or keyword in names) and (not word or word in words):
                return kind
        return ""


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """One vendor's services, and what is common to all of them."""

    provider: str
    source: str
    as_of: str
    sdk_packages: Mapping[str, tuple[str, ...]]
    """Distributions of SDKs for everything, and the modules of theirs that make clients."""
    sdk_modules: tuple[str, ...]
    exception_modules: tuple[str, ...]
    exceptions: frozenset[str]
    services: tuple[Service, ...]


PORTABLE = Service(
    provider=NEUTRAL, id=NEUTRAL, title="cloudai", modules=("cloudai",), packages=("cloudai",),
    clients=("Client", "AsyncClient"),
)  # fmt: skip
"""Our own interface, as if it were one more service."""


def meaning(text: str) -> Meaning:
    """`other:text.sentiment` in two parts."""
    operation, _, topic = text.partition(":")
    return Meaning(operation, topic)


def _first(table: Mapping[str, str], name: str) -> str | None:
    exact = table.get(name)
    if exact is not None:
        return exact
    return next((value for pattern, value in table.items() if "*" in pattern and fnmatchcase(name, pattern)), None)


@cache
def vendors() -> tuple[Vendor, ...]:
    """aws, gcp and azure, read once."""
    folder = files("cloudai.lockin").joinpath("catalog")
    return tuple(_vendor(folder.joinpath(f"{name}.toml")) for name in ("aws", "gcp", "azure"))


@cache
def services() -> Mapping[tuple[str, str], Service]:
    """Every service by provider and id, our own interface included."""
    known = {(service.provider, service.id): service for vendor in vendors() for service in vendor.services}
    return known | {(NEUTRAL, NEUTRAL): PORTABLE}


@cache
def of_module(name: str) -> Service | None:
    """The service that a Python module belongs to, submodules included; None: none that we know."""
    if name == "cloudai" or name.startswith("cloudai."):
        return PORTABLE
    stub = name.partition(".")[0]
    if stub.startswith(("mypy_boto3_", "types_boto3_", "types_aiobotocore_")):
        return of_boto(stub.partition("boto3_" if "boto3_" in stub else "botocore_")[2].replace("_", "-"))
    found = [
        (len(pattern), service)
        for vendor in vendors()
        for service in vendor.services
        for pattern in service.modules
        if _under(name, pattern)
    ]
    return max(found, key=lambda pair: pair[0])[1] if found else None


@cache
def exception_vendor(module: str) -> str:
    """The provider whose SDK's exceptions live in a module; empty: none."""
    return next(
        (v.provider for v in vendors() if any(_under(module, known) for known in v.exception_modules)), ""
    )  # fmt: skip


@cache
def exception_names(provider: str) -> frozenset[str]:
    """The exceptions of a vendor's common SDK."""
    return next((vendor.exceptions for vendor in vendors() if vendor.provider == provider), frozenset())


@cache
def sdk_vendor(module: str) -> str:
    """The provider whose common SDK a module is part of; empty: none."""
    return next((v.provider for v in vendors() if any(_under(module, known) for known in v.sdk_modules)), "")


def _under(name: str, pattern: str) -> bool:
    if "*" in pattern:
        return fnmatchcase(name, pattern) or fnmatchcase(name, f"{pattern}.*")
    return name == pattern or name.startswith(f"{pattern}.")


@cache
def of_boto(name: str) -> Service | None:
    """The service behind `boto3.client(name)`; None: not one of AI."""
    return next((s for vendor in vendors() for s in vendor.services if name in s.boto), None)


@cache
def of_package(name: str) -> tuple[str, Service | None] | None:
    """Provider and service of a distribution; no service: the vendor's SDK for everything. None: neither."""
    normal = normal_name(name)
    if normal == "cloudai":
        return NEUTRAL, PORTABLE
    for vendor in vendors():
        for service in vendor.services:
            if any(fnmatchcase(normal, pattern) for pattern in service.packages):
                return vendor.provider, service
        if normal in vendor.sdk_packages:
            return vendor.provider, None
    return None


def makes_clients(package: str, modules: Iterable[str]) -> bool:
    """Whether code that imports these modules makes clients by an SDK for everything: not if it only catches errors."""
    normal = normal_name(package)
    wanted = [module for vendor in vendors() for module in vendor.sdk_packages.get(normal, ())]
    return any(_under(name, known) for name in modules for known in wanted)


def normal_name(package: str) -> str:
    """The name of a distribution as indexes compare it."""
    return re.sub(r"[-_.]+", "-", package).lower()


@cache
def of_api(host: str) -> Service | None:
    """The service behind a host below googleapis.com, `vision` or `eu-documentai` or `europe-west4-aiplatform`."""
    short = host.rpartition("-")[2]
    return next((s for v in vendors() for s in v.services if host in s.apis or short in s.apis), None)


@cache
def of_permission(prefix: str) -> Service | None:
    """The service behind `rekognition:` in a policy."""
    return next((s for vendor in vendors() for s in vendor.services if prefix in s.permissions), None)


def _vendor(file: Traversable) -> Vendor:
    document = tomllib.loads(file.read_text(encoding="utf-8"))
    if document.get("schema") != SCHEMA:
        raise ValueError(f"{file.name}: schema is not {SCHEMA}")
    provider = str(document["provider"])
    return Vendor(
        provider=provider,
        source=str(document["source"]),
        as_of=str(document["as_of"]),
        sdk_packages={name: tuple(modules) for name, modules in document["sdk_packages"].items()},
        sdk_modules=tuple(document["sdk_modules"]),
        exception_modules=tuple(document["exception_modules"]),
        exceptions=frozenset(document["exceptions"]),
        services=tuple(_service(provider, table) for table in document["service"]),
    )


def _service(provider: str, table: Mapping[str, object]) -> Service:
    given: dict[str, object] = {"provider": provider}
    for key, value in table.items():
        if key not in Service.__dataclass_fields__:
            raise ValueError(f"catalog of {provider}, service {table['id']}: unknown key {key!r}")
        given[key] = tuple(value) if isinstance(value, list) else value
    given["options"] = frozenset(cast("tuple[str, ...]", given.get("options", ())))
    return Service(**given)  # type: ignore[arg-type]  # the keys were held against the fields above
