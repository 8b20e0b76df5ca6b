"""JSON on the wire, read at the border: a value that is not what the codec asked for is one typed error with its path.

annotation = JsonNode.parse(reply.body)["responses"][0]
annotation.number("score")          # float, 0.0 where it is left out (proto3)
annotation.items("vertices")        # JsonNodes, none where it is left out
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn


class Malformed(Exception):
    """A reply that is no JSON or not of the form that its description gives. `str()` holds the path, no content."""


def dump(body: Mapping[str, object]) -> bytes:
    """Compact UTF-8. Raises `ValueError` for NaN, which is no JSON."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


@dataclass(frozen=True, slots=True)
class JsonNode:
    """A place in a parsed document. Members that are left out, or null, have their default."""

    value: Any
    path: str = "$"

    @classmethod
    def parse(cls, content: bytes) -> JsonNode:
        """Raises `Malformed` for what is no JSON object."""
        try:
            node = cls(json.loads(content))
        except (ValueError, RecursionError) as error:
            raise Malformed("the reply is no JSON") from error
        node._need(isinstance(node.value, dict), "an object")
        return node

    def _need(self, right: bool, wanted: str) -> None:
        if not right:
            raise Malformed(f"{self.path} is {type(self.value).__name__}, not {wanted}")

    def fail(self, reason: str) -> NoReturn:
        """Raises `Malformed` with this place and a reason that holds no content."""
        raise Malformed(f"{self.path}: {reason}")

    def __bool__(self) -> bool:
        """Whether it is there."""
        return self.value is not None

    def at(self, name: str) -> JsonNode:
        """A member; one that is left out is false."""
        if self.value is None:
            return JsonNode(None, f"{self.path}.{name}")
        self._need(isinstance(self.value, dict), "an object")
        return JsonNode(self.value.get(name), f"{self.path}.{name}")

    def items(self, name: str) -> list[JsonNode]:
        """The elements of a member that is a list."""
        member = self.at(name)
        if member.value is None:
            return []
        member._need(isinstance(member.value, list), "a list")
        return [JsonNode(each, f"{member.path}[{index}]") for index, each in enumerate(member.value)]

    def members(self) -> Iterator[tuple[str, JsonNode]]:
        """Names and values of an object."""
        self._need(isinstance(self.value, dict), "an object")
        for name, each in self.value.items():
            yield name, JsonNode(each, f"{self.path}.{name}")

    def text(self, name: str, default: str = "") -> str:
        """A member that is a string."""
        member = self.at(name)
        if member.value is None:
            return default
        member._need(isinstance(member.value, str), "a string")
        return str(member.value)

    def number(self, name: str, default: float = 0.0) -> float:
        """A member that is a finite number."""
        found = self.at(name).optional_number()
        return default if found is None else found

    def optional_number(self) -> float | None:
        """This value as a finite number; `None` where it is left out."""
        if self.value is None:
            return None
        right = isinstance(self.value, int | float) and not isinstance(self.value, bool)
        self._need(right and math.isfinite(self.value), "a finite number")
        return float(self.value)

    def integer(self, name: str, default: int = 0) -> int:
        """A member that is a whole number, or a string of one (64-bit integers of protobuf are)."""
        member = self.at(name)
        if member.value is None:
            return default
        try:
            member._need(isinstance(member.value, int | str) and not isinstance(member.value, bool), "a whole number")
            return int(member.value)
        except ValueError:
            raise Malformed(f"{member.path} is no whole number") from None

    def flag(self, name: str, default: bool = False) -> bool:
        """A member that is true or false."""
        member = self.at(name)
        if member.value is None:
            return default
        member._need(isinstance(member.value, bool), "true or false")
        return bool(member.value)

    def word(self) -> str:
        """This value as a string."""
        self._need(isinstance(self.value, str), "a string")
        return str(self.value)

    def ratio(self, name: str) -> float | None:
        """A member that is a confidence, kept within 0..1 (rounding reaches beyond); `None` where it is left out."""
        found = self.at(name).optional_number()
        return None if found is None else min(1.0, max(0.0, found))
