"""What an expression may stand for, as far as the scan cares: a small abstract domain over Python values.

A `Value` is a set of atoms, one for each thing it may be; the empty set is everything that is of no interest.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from cloudai.lockin.catalog import Meaning, Service
from cloudai.lockin.scanned import Place

if TYPE_CHECKING:
    from cloudai.lockin.arguments import Arguments
    from cloudai.lockin.frames import Frame
    from cloudai.lockin.modules import Source


@dataclass(frozen=True, slots=True)
class Module:
    """An imported module of somebody else's, by its dotted name."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Local:
    """A module of the scanned tree."""

    source: Source


@dataclass(frozen=True, slots=True)
class Symbol:
    """A class, enum or function of a vendor's module; `name` may have a path."""

    service: Service
    name: str


@dataclass(frozen=True, slots=True)
class Sdk:
    """A part of boto3 and its relatives: `client`, `Session`, `session`, or Google's `build`."""

    part: str


@dataclass(frozen=True, slots=True)
class Client:
    """An object with operations. `path`: attributes gone through, as `jobs` of `ml.jobs`."""

    service: Service
    cls: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """An object of a vendor's request type, or of its settings."""

    service: Service
    cls: str


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a client. `site`: it has been told already (by `getattr`, by `partial`), at that call."""

    client: Client
    name: str
    site: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """A client's signal, to which a callback is connected."""

    client: Client
    name: str


@dataclass(frozen=True, slots=True)
class Pager:
    """A paginator or waiter of boto3."""

    service: Service
    method: str
    meaning: Meaning
    site: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call answered, or a part of it."""

    service: Service
    meanings: tuple[Meaning, ...]
    site: str
    http: bool = False
    """The response object of an HTTP library, whose own attributes are no vendor's."""

    @property
    def meaning(self) -> Meaning:
        """The one it is for; empty where it is for several."""
        return self.meanings[0] if len(self.meanings) == 1 else Meaning("")


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception class of a vendor's."""

    provider: str
    service: str
    name: str


@dataclass(frozen=True, slots=True)
class Text:
    """A string, with `{}` for what is not known of it. `passed`: the call that gave it as an argument."""

    value: str
    place: Place
    passed: Place | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """A dictionary with known keys; keys may be added. `others`: what stands under keys that are not known."""

    node: ast.AST
    entries: dict[str, tuple[Value, Place]] = field(default_factory=dict)
    others: list[Value] = field(default_factory=list)
    keys: list[Value] = field(default_factory=list)
    """What is no string and is a key, as the jobs in `{pool.submit(ask, name): name}`."""

    def at(self, keys: Iterable[str]) -> Value:
        """What stands under one of the keys; without any, everything."""
        wanted = list(keys)
        chosen = [self.entries[key][0] for key in wanted if key in self.entries]
        if not wanted:
            chosen = [value for value, _ in self.entries.values()]
        return union([*chosen, *self.others])


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """A list or tuple as written, and what was added to it."""

    node: ast.AST
    items: tuple[Value, ...]
    added: list[Value] = field(default_factory=list)

    @property
    def all(self) -> tuple[Value, ...]:
        """Everything in it."""
        return (*self.items, *self.added)


@dataclass(frozen=True, slots=True)
class Function:
    """A function or lambda of the scanned tree, with what it was taken from."""

    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    frame: Frame
    bound: Atom | None = None


@dataclass(frozen=True, slots=True)
class Class:
    """A class of the scanned tree."""

    node: ast.ClassDef
    frame: Frame


@dataclass(frozen=True, slots=True)
class Instance:
    """An object of a class of the scanned tree; all objects of a class are one."""

    cls: Class


@dataclass(frozen=True, slots=True)
class Http:
    """`requests`, `httpx` and the like, or a session of theirs. `base`: the address that paths are put behind."""

    library: str
    base: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Partial:
    """Something that is called with arguments given before: of a vendor's SDK, or of the scanned tree."""

    called: Atom
    given: Arguments


Atom: TypeAlias = (
    Module | Local | Symbol | Sdk | Client | Request | Method | Event | Pager | Answer | Failure | Text | Table
    | Sequence | Function | Class | Instance | Http | Partial
)  # fmt: skip
Value: TypeAlias = frozenset[Atom]
UNKNOWN: Value = frozenset()


def one(atom: Atom) -> Value:
    """A value that is one thing."""
    return frozenset((atom,))


def union(values: Iterable[Value]) -> Value:
    """All that one of several values may be."""
    return frozenset(atom for value in values for atom in value)


def elements(value: Value) -> Value:
    """What iterating over a value gives: parts of an answer are answers."""
    found: set[Atom] = set()
    for atom in value:
        if isinstance(atom, Sequence):
            found |= union(atom.all)
        elif isinstance(atom, Pager):
            found.add(Answer(atom.service, (atom.meaning,), atom.site))
        elif isinstance(atom, Table):
            found |= {atom, *union(atom.keys)}
        elif not isinstance(atom, Text):
            found.add(atom)
    return frozenset(found)
