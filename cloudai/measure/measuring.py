"""The measurement: warm up, run batches in rounds until the rounds agree, note times, memory and watts."""

from __future__ import annotations

import contextlib
import json
import math
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from cloudai.errors import InvalidInput, MissingDependency, Unsupported
from cloudai.measure import machine, samples
from cloudai.measure.record import Point, Record

if TYPE_CHECKING:
    from cloudai.serving.engine import Engine

BATCHES = (1, 2, 4, 8, 16, 32)
SPREAD = 0.03
"""The last rounds agree when their rates differ by at most this share."""
AGREEING = 3
MOST_ROUNDS = 12
WARM_RUNS = 5
Run = Callable[[int, int], object]
"""Number of the first sample, batch size -> one run."""


def measure(
    folder: Path,
    data: Path,
    *,
    device: str = "auto",
    threads: int | None = None,
    batches: Sequence[int] = (),
    seconds: float = 0.5,
    said: Callable[[str], None] = lambda _: None,
) -> Record:
    """Measures one model folder on this machine. `seconds`: of one round. `said` hears of each batch size.

    Raises `InvalidInput` for a folder, samples or batch sizes that don't go together, `MissingDependency` without
    ONNX Runtime.
    """
    engine = _opened(folder, device, threads)
    try:
        given = samples.load(data, engine)
        meter = machine.Meter(engine.device)
        idle = machine.idle_watts(meter)
        with _runner(folder, engine, given, device, threads) as run:
            sizes = _sizes(engine, given, batches)
            points = tuple(_point(run, size, seconds, meter, said) for size in sizes)
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        return Record(
            date=datetime.now(tz=UTC).date().isoformat(),
            model=samples.content(folder, files),
            data=given.content,
            hardware=machine.hardware(engine.device),
            versions=_versions(),
            covers="decoding, preparing and running pictures" if given.pictures else "running tensors",
            threads=threads,
            single=points[0],
            best=max(points, key=lambda point: point.samples_per_second),
            points=points,
            peak_memory_mb=machine.peak_memory(),
            idle_watts=idle,
            watts_from=meter.reads,
        )
    finally:
        engine.close()


def _opened(folder: Path, device: str, threads: int | None) -> Engine:
    from cloudai.registry import Registry
    from cloudai.serving.engine import ServesModels

    if not (folder / "model.toml").is_file():
        raise InvalidInput(f"{folder} has no model.toml: a model is a folder with model.onnx and model.toml")
    provider = Registry.installed().get("local", where="measure").provider
    if not isinstance(provider, ServesModels):
        raise Unsupported("the local provider that is installed has no engine for models")
    try:
        source = provider.open_models(folder, device=device, threads=threads)
    except ModuleNotFoundError as error:
        raise MissingDependency("ONNX Runtime is not installed", install="pip install 'cloudai[local-onnx]'") from error
    keys = list(source.scan())
    if len(keys) != 1:
        raise InvalidInput(f"{folder} has {len(keys)} models: name the folder of one")
    return source.load(keys[0])


@contextlib.contextmanager
def _runner(folder: Path, engine: Engine, given: samples.Samples, device: str, threads: int | None) -> Iterator[Run]:
    """Tensors go to the engine at once; pictures the way that calls go: decoded and prepared by the manifest."""
    if not given.pictures:
        names = [port.name for port in engine.outputs]
        yield lambda start, batch: engine.run(names, given.feed(start, batch))
        return
    from cloudai.client import Client

    if device == "cuda":
        raise Unsupported("pictures are measured on the processor or on auto: give tensors to measure on CUDA alone")
    with _config(folder, device, threads) as config, Client(config) as client:
        model = folder.resolve().name
        yield lambda start, batch: client.custom.predict(model, images=given.some_pictures(start, batch))


@contextlib.contextmanager
def _config(folder: Path, device: str, threads: int | None) -> Iterator[Path]:
    """A configuration with one backend, the local one over the folder's own folder."""
    with tempfile.TemporaryDirectory(prefix="cloudai-measure-") as place:
        file = Path(place, "cloudai.toml")
        lines = [
            "[backends.here]",
            'provider = "local"',
            f"models = {json.dumps(str(folder.resolve().parent))}",
            *([] if threads is None else [f"threads = {threads}"]),
            *(['execution_providers = ["CPUExecutionProvider"]'] if device == "cpu" else []),
            "[routes]",
            '"custom.*" = "here"',
        ]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        yield file


def _sizes(engine: Engine, given: samples.Samples, asked: Sequence[int]) -> list[int]:
    """Batch sizes that the graph takes; a graph with a fixed number of rows takes only that one."""
    if given.pictures:
        return sorted(set(asked)) or [1, 4, 16]
    shape = engine.inputs[0].shape
    fixed = None if shape is None or not shape else shape[0]
    sizes = [fixed] if fixed is not None else [size for size in BATCHES if size <= engine.policy.max_batch]
    if not engine.rows and fixed is None:
        sizes = [1]
    wrong = [size for size in asked if fixed is not None and size != fixed]
    if wrong:
        raise InvalidInput(f"the graph takes batches of {fixed}, not of {wrong[0]}")
    return sorted(set(asked)) or sizes


def _point(run: Run, batch: int, seconds: float, meter: machine.Meter, said: Callable[[str], None]) -> Point:
    said(f"batch {batch}")
    for number in range(WARM_RUNS):
        run(number * batch, batch)
    times: list[float] = []
    rates: list[float] = []
    meter.start()
    while len(rates) < MOST_ROUNDS and not agree(rates):
        found = _round(run, batch, seconds, len(times))
        times += found
        rates.append(batch * len(found) / sum(found))
    watts = meter.stop()
    times.sort()
    return Point(
        batch=batch,
        runs=len(times),
        rounds=len(rates),
        stable=agree(rates),
        samples_per_second=_rounded(sorted(rates[-AGREEING:])[len(rates[-AGREEING:]) // 2]),
        p50_ms=_rounded(percentile(times, 50) * 1000),
        p90_ms=_rounded(percentile(times, 90) * 1000),
        p99_ms=_rounded(percentile(times, 99) * 1000),
        watts=watts,
    )


def _round(run: Run, batch: int, seconds: float, done: int) -> list[float]:
    """Times of the runs that fit into a round; at least two."""
    found: list[float] = []
    end = time.perf_counter() + seconds
    while len(found) < 2 or time.perf_counter() < end:
        since = time.perf_counter()
        run((done + len(found)) * batch, batch)
        found.append(time.perf_counter() - since)
    return found


def agree(rates: Sequence[float]) -> bool:
    """Whether the last rounds' rates are within `SPREAD` of each other."""
    last = rates[-AGREEING:]
    return len(last) == AGREEING and max(last) - min(last) <= SPREAD * max(last)


def percentile(ordered: Sequence[float], percent: int) -> float:
    """By nearest rank: a time that was measured."""
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1]


def _rounded(number: float) -> float:
    """To five significant digits."""
    return float(f"{number:.5g}")


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in ("cloudai", "onnxruntime", "onnxruntime-gpu", "numpy"):
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
