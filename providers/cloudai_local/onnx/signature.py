"""Whether a graph is what its manifest says: held at load, before the first request, with both forms shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cloudai.errors import InvalidInput
from cloudai_local.onnx import manifest as m
from cloudai_local.onnx.session import Port, form

if TYPE_CHECKING:
    from cloudai_local.onnx.session import GraphSession


def image_input(session: GraphSession, spec: m.ImageInput) -> Port:
    """The input that takes images. Raises `InvalidInput` where name, type or shape differs from `[input]`."""
    port = _one(session.inputs, spec.name, what="input", key="[input] name")
    if len(session.inputs) > 1:
        others = ", ".join(str(other) for other in session.inputs if other is not port)
        raise InvalidInput(f'the graph also needs {others}: serve it with task = "tensors"')
    batch = port.shape[0] if port.shape else None
    expected = Port(name=port.name, dtype=np.dtype(spec.dtype), shape=(batch, *spec.shape(1)[1:]))
    if not _agree(port, expected):
        raise InvalidInput(f"model.toml makes images {expected}; the graph takes {port}")
    return expected


def output(session: GraphSession, name: str | None, key: str) -> Port:
    """A named output, or the only one."""
    return _one(session.outputs, name, what="output", key=key)


def narrowed(ports: Sequence[Port], declared: Sequence[m.Port], what: str) -> tuple[Port, ...]:
    """The graph's ports with the lengths that `[[tensors.input]]` fixes; as they are when none is declared.

    Raises `InvalidInput` where the names, a type or a length differ, also when the manifest leaves a length open
    that the graph fixes: clients would be told wrong.
    """
    if not declared:
        return tuple(ports)
    by_name = {port.name: port for port in declared}
    if set(by_name) != {port.name for port in ports} or len(by_name) != len(declared):
        said = ", ".join(f"{port.name} {_declared(port)}" for port in declared)
        raise InvalidInput(f"model.toml declares the {what}s {said}; the graph has {', '.join(map(str, ports))}")
    return tuple(_narrowed(port, by_name[port.name], what) for port in ports)


def _narrowed(port: Port, declared: m.Port, what: str) -> Port:
    shape = tuple(None if length == -1 else length for length in declared.shape)
    open_too_far = any(want is None and have for want, have in zip(shape, port.shape, strict=False))
    if declared.datatype != port.datatype or open_too_far or not _lengths_agree(port.shape, shape):
        raise InvalidInput(f"model.toml declares the {what} {port.name} {_declared(declared)}; the graph has {port}")
    return replace(port, shape=shape)


def check_count(labels: int, classes: int, *, spare: bool = False) -> None:
    """As many labels as classes (one more class with `spare`: a background at the end); none at all is fine."""
    if labels and labels != classes and not (spare and labels == classes - 1):
        raise InvalidInput(f"model.toml names {labels} labels; the graph answers {classes} classes")


def _one(ports: Sequence[Port], name: str | None, *, what: str, key: str) -> Port:
    found = [port for port in ports if name is None or port.name == name]
    if len(found) == 1:
        return found[0]
    there = ", ".join(map(str, ports))
    if name is None:
        raise InvalidInput(f"the graph has several {what}s ({there}): name one in {key}")
    raise InvalidInput(f"{key} = {name!r}, but the graph has the {what}s {there}")


def _agree(port: Port, expected: Port) -> bool:
    return port.dtype == expected.dtype and _lengths_agree(port.shape, expected.shape)


def _lengths_agree(graph: Sequence[int | None], expected: Sequence[int | None]) -> bool:
    """A length that either leaves open agrees; a graph without a shape takes any."""
    if not graph:
        return True
    return len(graph) == len(expected) and all(
        have is None or want is None or have == want for have, want in zip(graph, expected, strict=True)
    )


def _declared(port: m.Port) -> str:
    return form(port.datatype, [None if length == -1 else length for length in port.shape])
