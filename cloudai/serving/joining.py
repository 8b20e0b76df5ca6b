"""Several requests for one model as one run of its engine: their rows one below the other, and taken apart again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from cloudai.errors import InvalidInput

if TYPE_CHECKING:
    from cloudai.serving.engine import Array, Engine

    Outcome: TypeAlias = "list[Array] | Exception"


class Feed:
    """One request's tensors."""

    __slots__ = ("feed", "names", "rows", "shapes")

    def __init__(self, names: list[str], feed: dict[str, Array], *, joins: bool) -> None:
        self.names = names
        self.feed = feed
        arrays = list(feed.values())
        lengths = {len(array) for array in arrays} if joins else ()
        self.rows = lengths.pop() if len(lengths) == 1 else 0
        """Rows of the first dimension; 0: it runs alone."""
        self.shapes = [array.shape[1:] for array in arrays] if self.rows else []

    def fits(self, other: Feed) -> bool:
        """Whether both can be one run."""
        return self.rows > 0 and other.rows > 0 and self.shapes == other.shapes and self.names == other.names


def run_together(engine: Engine, group: Sequence[Feed]) -> list[Outcome]:
    """Each one's outputs or error, in order. One request's failure is not its neighbours': they are then run alone."""
    outcomes = _joined(engine, group) if len(group) > 1 else None
    return outcomes if outcomes is not None else [_alone(engine, item) for item in group]


def _alone(engine: Engine, item: Feed) -> Outcome:
    try:
        return engine.run(item.names, item.feed)
    except Exception as error:  # noqa: BLE001  # told to the request that it belongs to
        return error


def _joined(engine: Engine, group: Sequence[Feed]) -> list[Outcome] | None:
    """`None` when it can't be done, or the answer does not have the rows that were asked."""
    names = group[0].names
    feed = {name: np.concatenate([item.feed[name] for item in group]) for name in group[0].feed}
    total = sum(item.rows for item in group)
    try:
        outputs = engine.run(names, feed)
    except (InvalidInput, RuntimeError):
        return None
    if any(not array.shape or len(array) != total for array in outputs):
        return None
    parts: list[Outcome] = []
    at = 0
    for item in group:
        parts.append([array[at : at + item.rows] for array in outputs])
        at += item.rows
    return parts
