"""What the local driver adds to a bare `session.run`, for a tiny network and for one that computes for a while.

Run it as a program: `python tests/bench/bench_local_call.py`. It asserts nothing. Both sides run in one process, on
one session with the same options, taking turns, so that what the machine does meanwhile hits both alike.
The figure is the median; "added" is the median of the differences of neighbouring calls.

2026-11-21, two busy cores of an AMD EPYC, Python 3.11, onnxruntime 1.31.1, one thread; three runs; `client` is
`client.custom.predict` with guard, route, policy, price and envelope. Bars: 25 us added, 1.01x for 5 ms.

    tiny   bare  6.4-7.2 us   driver added  4.0 to  4.1 us   client added 21.9 to 22.3 us
    5 ms   bare  5.4-5.9 ms   driver x1.004 to 1.016         client x1.05 (one run, machine loaded)
    wide   bare  7.1-7.6 ms   driver x1.009 to 1.015         client x1.004 to 1.022

The same few lines cost ten times more after a run that leaves nothing of them in the processor's caches (`wide` reads
100 MB of weights); two bare calls in turns differ by up to 15 us there."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from cloudai import Client
from cloudai.driver import Call
from cloudai.types.custom import PredictRequest
from cloudai.types.tensor import Tensor
from cloudai_local.driver import LocalDriver
from cloudai_local.settings import LocalSettings

CALL = Call(timeout=60)


def perceptron(folder: Path, widths: list[int]) -> None:
    """Fully connected layers with ReLU between them; random weights."""
    random = np.random.default_rng(0)
    nodes, weights, value = [], [], "x"
    for layer, (before, after) in enumerate(itertools.pairwise(widths)):
        table = random.normal(size=(before, after)).astype(np.float32) / before**0.5
        weights.append(numpy_helper.from_array(table, f"w{layer}"))
        nodes.append(helper.make_node("MatMul", [value, f"w{layer}"], [f"product{layer}"]))
        nodes.append(helper.make_node("Relu", [f"product{layer}"], [value := f"active{layer}"]))
    graph = helper.make_graph(
        nodes,
        "perceptron",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", widths[0]])],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, ["n", widths[-1]])],
        weights,
    )
    folder.mkdir()
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "model.onnx"
    )
    (folder / "model.toml").write_text('task = "tensors"\n')


def in_turns(bare: Callable[[], object], ours: Callable[[], object], times: int) -> tuple[float, float, float]:
    """Medians in microseconds: bare, ours, and ours minus the bare call beside it."""
    spans: list[tuple[float, float]] = []
    for number in range(times + times // 10):
        pair = (bare, ours) if number % 2 else (ours, bare)
        start = time.perf_counter()
        pair[0]()
        middle = time.perf_counter()
        pair[1]()
        end = time.perf_counter()
        first, second = middle - start, end - middle
        spans.append((first, second) if number % 2 else (second, first))
    spans = spans[times // 10 :]
    return (
        median(one for one, _ in spans) * 1e6,
        median(other for _, other in spans) * 1e6,
        median(other - one for one, other in spans) * 1e6,
    )


def show(model: str, what: str, bare: float, ours: float, added: float) -> None:
    print(f"{model:5} bare {bare:9.1f} us   {what} {ours:9.1f} us   added {added:6.1f} us   x{ours / bare:.3f}")


def configured(models: Path) -> Path:
    """A config file beside the models: one thread, as the bare session."""
    path = models / "cloudai.toml"
    path.write_text(f'[backends.here]\nprovider = "local"\nmodels = "{models}"\nthreads = 1\n', encoding="utf-8")
    return path


def main() -> None:
    """Print one line per network."""
    with tempfile.TemporaryDirectory() as name:
        models = Path(name)
        for model, widths, rows, times in (
            ("tiny", [64, 32, 10], 1, 20_000),
            ("5 ms", [512, 1024, 1024, 512], 128, 600),
            ("wide", [1024, 4096, 4096, 1024], 8, 400),
        ):
            perceptron(models / model, widths)
            driver = LocalDriver(LocalSettings(provider="local", models=models, threads=1), backend="here")
            values = np.ones((rows, widths[0]), dtype=np.float32)
            request = PredictRequest(model=model, tensors={"x": Tensor(values)})
            driver.predict(request, CALL)
            session = driver.client[f"model:{model}"]
            assert isinstance(session, onnxruntime.InferenceSession)
            bare, ours, added = in_turns(
                lambda session=session, values=values: session.run(None, {"x": values}),
                lambda driver=driver, request=request: driver.predict(request, CALL),
                times,
            )
            show(model, "driver", bare, ours, added)
            with Client(configured(models)) as client:
                client.custom.predict(model, tensors={"x": values})
                figures = in_turns(
                    lambda session=session, values=values: session.run(None, {"x": values}),
                    lambda client=client, model=model, values=values: client.custom.predict(
                        model, tensors={"x": values}
                    ),
                    times,
                )
            show(model, "client", *figures)
            driver.close()


if __name__ == "__main__":
    main()
