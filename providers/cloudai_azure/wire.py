"""What codecs make: a flow of requests to Azure that ends in a result. No I/O.

A `Flow` is a generator. It yields a `Wire` and is sent the `Answer`, or has the error thrown at it; it yields a `Pause`
before it looks at a job again; what it returns is the result. So a codec that asks once and one that polls a job are
driven by the same few lines, sync and async.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, TypeVar

from pydantic import JsonValue

from cloudai.wirejson import JsonNode, Malformed

R = TypeVar("R")

KEY_HEADER = "Ocp-Apim-Subscription-Key"
_REQUEST_IDS = ("apim-request-id", "x-ms-request-id", "x-requestid", "request-id", "x-ms-client-request-id")


@dataclass(frozen=True, kw_only=True, slots=True)
class Wire:
    """One request. `service` names the address in the settings, `path` starts with a slash."""

    service: str
    path: str
    method: str = "POST"
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    content_type: str | None = None
    url: str | None = field(default=None, repr=False)
    """A whole address that is asked without the backend's credentials: it has its own signature."""
    by_token: bool = False
    """The whole address is Blob storage's and is asked with a token of Microsoft Entra ID for it."""
    max_bytes: int | None = None
    """The longest reply that is taken, where that is not the transport's own."""
    grace: float = 0.0
    """Seconds that it may take even when the call's are over: for what takes back what a call leaves behind."""

    @property
    def is_billed(self) -> bool:
        """Whether it makes Azure work: not a look, a list, a deletion, or what is put into storage for it."""
        return self.service != "blob" and self.method in ("POST", "PUT")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pause:
    """Wait before the next request."""

    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One reply that is no error; header names are in lower case."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    @property
    def request_id(self) -> str | None:
        """Azure's id of the request."""
        return next((self.headers[name] for name in _REQUEST_IDS if self.headers.get(name)), None)

    @property
    def json(self) -> JsonNode:
        """The object in the body. Raises `Malformed`."""
        return JsonNode.parse(self.body)

    @property
    def items(self) -> list[JsonNode]:
        """The list in the body. Raises `Malformed`."""
        try:
            value = json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Malformed("the reply is no JSON") from error
        return JsonNode({"list": value}).items("list") if isinstance(value, list) else _no_list(value)

    def raw(self, wanted: bool) -> JsonValue:
        """The body's JSON when the call asked for it."""
        parsed: JsonValue = json.loads(self.body) if wanted and self.body else None
        return parsed


def _no_list(value: object) -> list[JsonNode]:
    raise Malformed(f"$ is {type(value).__name__}, not a list")


Flow: TypeAlias = Generator[Wire | Pause, Answer, R]


def needed(node: JsonNode, name: str) -> JsonNode:
    """A member that the description requires. Raises `Malformed` where it is left out."""
    member = node.at(name)
    if not member:
        node.fail(f"{name} is left out")
    return member


def needed_number(node: JsonNode, name: str) -> float:
    """A number that the description requires."""
    needed(node, name)
    return node.number(name)


def needed_text(node: JsonNode, name: str) -> str:
    """A string that the description requires."""
    return needed(node, name).word()


def needed_items(node: JsonNode, name: str) -> list[JsonNode]:
    """A list that the description requires; it may be empty."""
    needed(node, name)
    return node.items(name)


def needed_whole(node: JsonNode, name: str) -> int:
    """A whole number that the description requires."""
    needed(node, name)
    return node.integer(name)
