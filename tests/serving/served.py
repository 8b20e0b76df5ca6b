"""What the tests of the endpoint share: small graphs, written here, and a server in a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

TENSORS = 'task = "tensors"\n'


def save(folder: Path, nodes: list[onnx.NodeProto], inputs: list, outputs: list, weights: Sequence = ()) -> Path:
    """`folder/model.onnx`."""
    graph = helper.make_graph(nodes, "g", inputs, outputs, list(weights))
    folder.mkdir(parents=True, exist_ok=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, folder / "model.onnx")
    return folder


def scale(folder: Path, factor: float, *, width: int = 4, manifest: str = TENSORS, rows: str | int = "n") -> Path:
    """`y = x * factor`, FP32 [n, width]."""
    save(
        folder,
        [helper.make_node("Mul", ["x", "factor"], ["y"])],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [rows, width])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [rows, width])],
        [numpy_helper.from_array(np.array(factor, np.float32), "factor")],
    )
    if manifest:
        (folder / "model.toml").write_text(manifest)
    return folder


def echo(folder: Path, kinds: Mapping[str, int]) -> Path:
    """One input `in_NAME` and one output `out_NAME` of any shape [n, m] for each element type."""
    ports = [(name, kind) for name, kind in kinds.items()]
    save(
        folder,
        [helper.make_node("Identity", [f"in_{name}"], [f"out_{name}"]) for name, _ in ports],
        [helper.make_tensor_value_info(f"in_{name}", kind, ["n", "m"]) for name, kind in ports],
        [helper.make_tensor_value_info(f"out_{name}", kind, ["n", "m"]) for name, kind in ports],
    )
    (folder / "model.toml").write_text(TENSORS)
    return folder


def slow(folder: Path, *, turns: int = 12, manifest: str = TENSORS) -> Path:
    """`y = x`, after `turns` multiplications of 512 x 512 matrices: some 5 ms each."""
    weight = numpy_helper.from_array(np.eye(512, dtype=np.float32), "w")
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["state", "w"], ["next"]),
            helper.make_node("Identity", ["go"], ["on"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("state", TensorProto.FLOAT, [512, 512]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("next", TensorProto.FLOAT, [512, 512]),
        ],
    )
    loop = helper.make_node("Loop", ["turns", "yes", "w"], ["spun"], body=body)
    save(
        folder,
        [
            loop,
            helper.make_node("ReduceMax", ["spun"], ["one"], keepdims=0),
            helper.make_node("Mul", ["x", "one"], ["y"]),
        ],
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 4])],
        [
            weight,
            numpy_helper.from_array(np.array(turns, np.int64), "turns"),
            numpy_helper.from_array(np.array(True), "yes"),
        ],
    )
    (folder / "model.toml").write_text(manifest)
    return folder


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        return self.json["error"]


@dataclass(kw_only=True)
class Served:
    """A running `cloudai serve`."""

    process: subprocess.Popen[str]
    url: str
    log: Path
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").rsplit(":", 1)
        return host, int(port)

    def ask(self, path: str, body: object = None, *, method: str | None = None, **headers: str) -> Answer:
        """`body`: bytes as they are, anything else as JSON."""
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, data=data, method=method, headers={**self.headers, **names})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return Answer(status=answer.status, headers=dict(answer.headers.items()), body=answer.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(status=error.code, headers=dict(error.headers.items()), body=error.read())

    def infer(self, model: str, *inputs: dict, **more: object) -> Answer:
        return self.ask(f"/v2/models/{model}/infer", {"inputs": list(inputs), **more})

    def metric(self, line: str) -> float:
        """The value of one line of /metrics."""
        lines = self.ask("/metrics").body.decode().splitlines()
        return next(float(text.rsplit(" ", 1)[1]) for text in lines if text.startswith(line + " "))

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)


def tensor(data: list, *, name: str = "x", datatype: str = "FP32", shape: list[int] | None = None) -> dict:
    """One input in JSON."""
    return {"name": name, "datatype": datatype, "shape": shape or list(np.shape(data)), "data": data}


def command(folder: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "cloudai", "serve", str(folder), "--port", "0", "--threads", "1", *arguments]


@contextlib.contextmanager
def serving(folder: Path, *arguments: str, key: str | None = None) -> Iterator[Served]:
    """Until the block ends."""
    log = folder.parent / f"{folder.name}.log"
    environ = {**os.environ, **({"CLOUDAI_SERVE_KEY": key} if key else {})}
    with log.open("w") as errors:
        process = subprocess.Popen(
            command(folder, *arguments), stdout=subprocess.PIPE, stderr=errors, text=True, env=environ
        )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line.startswith("serving on "), log.read_text()
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        yield Served(process=process, url=line.split()[-1], log=log, headers=headers)
    finally:
        process.terminate()
        process.wait(timeout=60)
        process.stdout.close()
