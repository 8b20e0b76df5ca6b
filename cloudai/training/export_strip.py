"""Takes out of an ONNX file what tells of the machine that exported it: stack traces, paths, module names.

Ships with each job, as all that a script may use: standard library and `onnx`, Python 3.8 or newer.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    import onnx


def strip(model: onnx.ModelProto) -> None:
    """In place: documentation and metadata of the model, its graphs, functions, nodes and values. Names stay."""
    model.doc_string = ""
    del model.metadata_props[:]
    for graph in _graphs(model.graph):
        _bare(graph)
        for part in (graph.node, graph.input, graph.output, graph.value_info, graph.initializer):
            for item in part:
                _bare(item)
    for function in model.functions:
        _bare(function)
        for item in (*function.node, *function.value_info):
            _bare(item)


def _bare(item: Any) -> None:
    if hasattr(item, "doc_string"):
        item.doc_string = ""
    if hasattr(item, "metadata_props"):
        del item.metadata_props[:]


def _graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """With those of If, Loop and Scan."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    yield from _graphs(inner)


def places_in(data: bytes) -> list[str]:
    """Folders of this machine whose names stand in the file: none, after `strip`."""
    known = {str(Path.home()), str(Path.cwd()), tempfile.gettempdir(), sys.prefix, str(Path(__file__).parent)}
    return sorted(place for place in known if len(place) > 3 and place.encode() in data and place != os.sep)
