"""Where names have their values: a module, a class body, a call of a function."""

from __future__ import annotations

from dataclasses import dataclass, field

from cloudai.lockin.modules import Source
from cloudai.lockin.values import UNKNOWN, Class, Value


@dataclass(eq=False, slots=True)
class Frame:
    """Names of a module, a class body or a function. `shared`: what functions gave to globals, kept over rounds."""

    source: Source
    parent: Frame | None = None
    cls: Class | None = None
    names: dict[str, Value] = field(default_factory=dict)
    shared: dict[str, Value] = field(default_factory=dict)
    outer: set[str] = field(default_factory=set)
    enclosing: set[str] = field(default_factory=set)
    """Names that `nonlocal` says are the enclosing function's."""
    results: list[Value] = field(default_factory=list)
    branches: int = 0
    loops: int = 0

    @property
    def module(self) -> Frame:
        """The outermost."""
        return self if self.parent is None else self.parent.module

    @property
    def of_class(self) -> bool:
        """Whether it is the body of a class."""
        return self.results is BODY

    def look(self, name: str) -> Value | None:
        """A name as a function sees it: class bodies in between are not asked."""
        frame: Frame | None = self
        while frame is not None:
            if name in frame.names or name in frame.shared:
                return frame.names.get(name, UNKNOWN) | frame.shared.get(name, UNKNOWN)
            frame = frame.parent
            while frame is not None and frame.cls is not None and frame.parent is not None and frame.of_class:
                frame = frame.parent
        return None


BODY: list[Value] = []
"""The results of a class body: marks its frame."""
