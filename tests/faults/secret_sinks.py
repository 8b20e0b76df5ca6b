"""Where a secret could come to light after something failed: eight sinks, each as text or bytes."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pydantic import BaseModel
from rich.traceback import Traceback

Sinks = Mapping[str, str]


@contextmanager
def everything_logged() -> Iterator[io.StringIO]:
    """All loggers at DEBUG, as formatted lines with their tracebacks."""
    text = io.StringIO()
    handler = logging.StreamHandler(text)
    handler.setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s %(args)s"))
    root = logging.getLogger()
    names = [name for name, each in root.manager.loggerDict.items() if isinstance(each, logging.Logger)]
    levels = {name: logging.getLogger(name).level for name in names}
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    for name in names:
        logging.getLogger(name).setLevel(logging.NOTSET)
    try:
        yield text
    finally:
        root.removeHandler(handler)
        root.setLevel(before)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


_SPANS = InMemorySpanExporter()


@contextmanager
def spans_kept() -> Iterator[None]:
    """A tracer of our own for what is opened in the block: a process takes one provider, which other tests set."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(_SPANS))
    before = trace.get_tracer
    trace.get_tracer = provider.get_tracer  # type: ignore[assignment]
    try:
        yield
    finally:
        trace.get_tracer = before
        provider.force_flush()


def spans() -> str:
    """All that was told of calls since it was asked last: names, attributes, events, status."""
    found = "\n".join(span.to_json() for span in _SPANS.get_finished_spans())
    _SPANS.clear()
    return found


def sinks_of(specimen: object, log: str, told: str) -> Sinks:
    """`specimen` is an exception or a result, or a list of either."""
    items = specimen if isinstance(specimen, list) else [specimen]
    looks: Mapping[str, Callable[[Any], str]] = {
        "str": str,
        "repr": repr,
        "traceback": _traceback,
        "traceback with locals": _with_locals,
        "json": _json,
        "pickle": _pickled,
    }
    found = {name: "\n".join(look(item) for item in items) for name, look in looks.items()}
    return {**found, "debug log": log, "span attributes": told}


def sightings(sinks: Sinks, secrets: Sequence[str]) -> list[str]:
    """`sink: ...what stands around it...` for each secret that is there."""
    found = []
    for name, text in sinks.items():
        for secret in secrets:
            at = text.find(secret)
            if at >= 0:
                found.append(f"{name}: {text[max(0, at - 300) : at + len(secret) + 40]!r}")
    return found


def _traceback(item: object) -> str:
    return "".join(traceback.format_exception(item)) if isinstance(item, BaseException) else ""


def _with_locals(item: object) -> str:
    """As error reporters do it: the standard library's, and rich's."""
    if not isinstance(item, BaseException):
        return ""
    plain = "".join(traceback.TracebackException.from_exception(item, capture_locals=True).format())
    trace = Traceback.extract(
        type(item),
        item,
        item.__traceback__,
        show_locals=True,
        locals_max_length=50,
        locals_max_string=10_000,
        locals_hide_dunder=False,
        locals_hide_sunder=False,
    )
    nodes = [node for stack in trace.stacks for frame in stack.frames for node in (frame.locals or {}).values()]
    return plain + "\n".join("".join(node.iter_tokens()) for node in nodes)


def _json(item: object) -> str:
    if isinstance(item, BaseModel):
        return item.model_dump_json()
    return json.dumps(_plain(item), default=repr)


def _plain(item: object) -> object:
    if dataclasses.is_dataclass(item) and not isinstance(item, type):
        return {field.name: getattr(item, field.name) for field in dataclasses.fields(item)}
    if isinstance(item, BaseException):
        chain = {"args": item.args, **vars(item), "cause": item.__cause__ and [*item.__cause__.args]}
        return {name: value if isinstance(value, str | list | tuple) else repr(value) for name, value in chain.items()}
    return repr(item)


def _pickled(item: object) -> str:
    """What can't be pickled tells nothing."""
    try:
        return pickle.dumps(item).decode("latin-1")
    except (TypeError, AttributeError, pickle.PicklingError):
        return ""
