"""What codecs make: requests to a Google service, and how their answers become a result. No I/O.

A `Plan` is all that a driver needs: it sends the wires in order and hands their answers to `decode`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from cloudai.wirejson import JsonNode

R = TypeVar("R")
JsonObject = Mapping[str, object]


@dataclass(frozen=True, kw_only=True, slots=True)
class Wire:
    """One request. `service` is the name before `.googleapis.com`; `path` starts with a slash."""

    service: str
    path: str
    method: str = "POST"
    query: Mapping[str, str] = field(default_factory=dict)
    body: JsonObject | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """One reply that is no error. `raw` asks the codec to keep it in the result."""

    json: JsonNode = field(repr=False)
    request_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan(Generic[R]):
    """What to send and what it means. `decode` gets an answer for each wire, in order."""

    wires: tuple[Wire, ...]
    decode: Callable[[Sequence[Answer]], R]


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Where a backend's requests go."""

    project: str = ""
    location: str | None = None
    by_key: bool = False
    recognizer: str = "_"
    processor: str | None = None
    form_processor: str | None = None
    layout_processor: str | None = None

    def parent(self) -> str:
        """`projects/P/locations/L`."""
        return f"projects/{self.project}/locations/{self.location or 'global'}"


def one(wire: Wire, decode: Callable[[Answer], R]) -> Plan[R]:
    """A plan of a single request."""
    return Plan(wires=(wire,), decode=lambda answers: decode(answers[0]))
