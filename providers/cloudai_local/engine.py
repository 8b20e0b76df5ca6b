"""What an engine behind the local driver is: something that serves one operation, or says what it lacks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from cloudai.errors import InvalidInput, MissingDependency


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """Why an engine can't be used here, and the exact line that changes it."""

    reason: str
    install: str

    def __str__(self) -> str:
        return f"{self.reason}; {self.install}"


class Engine(Protocol):
    """One engine for one operation. It also has the method of the operation's verb, as a driver does."""

    @property
    def name(self) -> str:
        """As in `options={"local": {"engine": name}}`: `rapidocr`, `espeak-ng`, ..."""
        ...

    def missing(self) -> Missing | None:
        """`None`: usable here and now. Cheap: looks, does not load."""
        ...

    def close(self) -> None: ...


E = TypeVar("E", bound=Engine)


def choose(engines: Sequence[E], *, operation: str, wanted: str | None = None) -> E:
    """The wanted engine, or the first that can be used.

    Raises `InvalidInput` for a name that no engine has, `MissingDependency` when none can be used.
    """
    if wanted is not None:
        named = [engine for engine in engines if engine.name == wanted]
        if not named:
            known = ", ".join(engine.name for engine in engines)
            raise InvalidInput(f"no engine {wanted!r} for {operation}; there are: {known}", operation=operation)
        engines = named
    gaps = []
    for engine in engines:
        gap = engine.missing()
        if gap is None:
            return engine
        gaps.append((engine.name, gap))
    reasons = "; ".join(f"{name}: {gap.reason}" for name, gap in gaps)
    install = " or ".join(dict.fromkeys(gap.install for _, gap in gaps))
    raise MissingDependency(f"no local engine for {operation} ({reasons})", install=install, operation=operation)
