"""What is found out about a model when it is loaded: does it run, are its rows independent, what do batches gain.

Joining requests is only right when a row's answer does not depend on its neighbours. A graph may say nothing of that
(a first dimension of any length may be time), so it is tried: the same rows alone and together have to agree.
And it only pays where the engine is faster per row on more rows: a compute-bound network on one core gains nothing and
makes everyone wait longer, so there requests stay alone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cloudai.errors import InvalidInput

if TYPE_CHECKING:
    from cloudai.serving.engine import Array, Engine, Port

BUDGET = 0.15
"""Seconds that trying larger batches may take."""
WORTH = 1.08
"""A larger batch is used when a row of it is faster by this factor."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """What was found."""

    batch: int
    """Most rows of one run."""
    seconds: float
    """Of one run of a full batch, about."""
    notes: tuple[str, ...] = ()


def tried(engine: Engine) -> Trial:
    """Runs the engine on made-up rows. Raises nothing: what can't be tried is served as it is, one by one."""
    one = _feed(engine.inputs, 1)
    try:
        first = _timed(engine, one)
    except (InvalidInput, RuntimeError) as error:
        return Trial(batch=1, seconds=1.0, notes=(f"a first run on made-up rows failed: {_line(error)}",))
    most = engine.policy.max_batch
    if most == 1 or not engine.rows:
        return Trial(batch=1, seconds=_timed(engine, one))
    reason = _dependent(engine)
    if reason:
        return Trial(batch=1, seconds=first, notes=(f"requests are not joined: {reason}",))
    return _measured(engine, most)


def _line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def _feed(ports: Sequence[Port], rows: int) -> dict[str, Array]:
    random = np.random.default_rng(6)
    return {port.name: _rows(port, rows, random) for port in ports}


def _rows(port: Port, rows: int, random: np.random.Generator) -> Array:
    """`rows` different ones; other open lengths are 1."""
    first, *rest = port.shape or (None,)
    shape = (rows if first is None else first, *(1 if length is None else length for length in rest))
    kind = port.dtype.kind
    if kind == "f":
        return random.random(shape).astype(port.dtype)
    if kind == "b":
        return random.random(shape) < 0.5
    return np.full(shape, "", dtype=object) if kind == "O" else random.integers(0, 2, shape).astype(port.dtype)


def _timed(engine: Engine, feed: dict[str, Array], times: int = 1) -> float:
    """Seconds of the fastest."""
    names = [port.name for port in engine.outputs]
    fastest = float("inf")
    for _ in range(times):
        start = time.perf_counter()
        engine.run(names, feed)
        fastest = min(fastest, time.perf_counter() - start)
    return fastest


def _dependent(engine: Engine) -> str | None:
    """Why three rows are not the same alone and together; `None` when they are."""
    names = [port.name for port in engine.outputs]
    together = _feed(engine.inputs, 3)
    try:
        joined = engine.run(names, together)
        alone = [
            engine.run(names, {name: array[row : row + 1] for name, array in together.items()}) for row in range(3)
        ]
    except (InvalidInput, RuntimeError) as error:
        return f"three rows at once failed: {_line(error)}"
    for at, name in enumerate(names):
        rows = [answer[at] for answer in alone]
        if any(not row.shape or len(row) != 1 for row in rows) or len(joined[at]) != 3:
            return f"output {name} does not have one row for each row"
        if not _same(joined[at], np.concatenate(rows)):
            return f"output {name} of a row depends on the rows beside it"
    return None


def _same(one: Array, other: Array) -> bool:
    if one.dtype.kind != "f":
        return bool((one == other).all())
    loose = 1e-2 if one.dtype.itemsize == 2 else 1e-3
    return bool(np.allclose(one, other, rtol=loose, atol=loose * float(np.abs(other).max(initial=0)), equal_nan=True))


def _measured(engine: Engine, most: int) -> Trial:
    """Sizes 1, 4, 16, ...: the first two always, more while there is time; beyond them the last step's trend holds."""
    end = time.perf_counter() + BUDGET
    seconds = {1: _timed(engine, _feed(engine.inputs, 1), times=2)}
    size = min(4, most)
    while size not in seconds and (len(seconds) == 1 or time.perf_counter() + 8 * max(seconds.values()) < end):
        seconds[size] = _timed(engine, _feed(engine.inputs, size), times=2)
        size = min(size * 4, most)
    per_row = {size: spent / size for size, spent in seconds.items()}
    best = min(per_row.values())
    *_, before, last = per_row.values()
    if per_row[1] < best * WORTH:
        chosen = 1
    elif last * WORTH < before:
        chosen = most
    else:
        chosen = max(size for size, cost in per_row.items() if cost < best * WORTH)
    return Trial(batch=chosen, seconds=seconds.get(chosen, last * chosen))
