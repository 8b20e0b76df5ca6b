"""Parameters that no call in the scanned tree fills: taken for the client that their module calls by the same name, or
for the client of the service that they are called after, where the module imports boto3 or its exceptions.

Only where a method of it is called, that the catalog knows:
`def serve(estimator)` beside `estimator = PyTorch(...)` is code that a notebook or another repository calls.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable

from cloudai.lockin.catalog import of_boto
from cloudai.lockin.modules import Source
from cloudai.lockin.values import UNKNOWN, Client, Value

_BOTO = re.compile(r"(?:aio)?(?:boto3|botocore|aioboto3)(?:\.|$)")


class Unfilled:
    """What each module calls by which name, and which functions are called with arguments."""

    def __init__(self) -> None:
        self._clients: dict[tuple[int, str], Value] = {}
        self._others: set[tuple[int, str]] = set()
        self._filled: set[ast.AST] = set()

    def named(self, source: Source, name: str, value: Value) -> None:
        """A variable gets a value. A name that is also given to something else stands for nothing here."""
        key = (id(source), name)
        clients = frozenset(atom for atom in value if isinstance(atom, Client) and not atom.path)
        if clients:
            self._clients[key] = self._clients.get(key, UNKNOWN) | clients
        else:
            self._others.add(key)

    def filled(self, function: ast.AST) -> None:
        """A function is called with arguments."""
        self._filled.add(function)

    def of(self, source: Source, function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterable[tuple[str, Value]]:
        """Parameters of a function that nobody calls, with what they are taken for."""
        if function in self._filled:
            return
        spec = function.args
        for arg in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs):
            key = (id(source), arg.arg)
            taken = self._clients[key] if key in self._clients and key not in self._others else UNKNOWN
            asked = _attributes(function, arg.arg) if taken else set[str]()
            if not taken:
                taken = _by_name(source, arg.arg)
                asked = _attributes(source.tree, arg.arg) if taken else asked
            able = frozenset(atom for atom in taken if isinstance(atom, Client) and _has(atom, asked))
            if able:
                yield arg.arg, able


def _by_name(source: Source, name: str) -> Value:
    """`rekognition_client` in a module that imports botocore's exceptions."""
    words = name.lower().strip("_").split("_")
    if not ("client" in words or len(words) == 1) or not any(_BOTO.match(module) for module, _ in source.imports):
        return UNKNOWN
    services = {of_boto(word) for word in words if word not in ("client", "aws", "boto3")}
    return frozenset(Client(service, "boto") for service in services if service is not None)


def _attributes(tree: ast.AST, name: str) -> set[str]:
    """What is asked of `name`, and of `self.name`."""
    return {
        node.attr for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and ((isinstance(node.value, ast.Name) and node.value.id == name)
             or (isinstance(node.value, ast.Attribute) and node.value.attr.strip("_") == name))
    }  # fmt: skip


def _has(client: Client, names: set[str]) -> bool:
    return any(client.service.knows(client.cls, name) for name in names)
