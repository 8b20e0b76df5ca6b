"""Local batch jobs for tests: a folder of them, a client's configuration, requests, their processes."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import served

from cloudai.config import BackendConfig, Config, Origin, Policy, Route
from cloudai.types.custom import BatchPredictRequest
from cloudai_local.run_folder import RunFolder


def config(root: Path, **more: Any) -> Config:
    origin = Origin(place="test")
    values = {
        "provider": "local", "batches": str(root / "batches"), "endpoints": str(root / "endpoints"),
        "models": str(root / "models"), "hourly_price": "3600", **more,
    }  # fmt: skip
    return Config(
        source=None,
        backends={"here": BackendConfig(name="here", provider="local", values=values, origin=origin)},
        routes=(Route(pattern="*", backends=("here",), origin=origin),),
        policy=Policy(timeout=30.0, deadline=60.0, max_attempts=1),
    )


def line(*values: float, name: str | None = None) -> str:
    body = {"inputs": [{"name": "x", "datatype": "FP32", "shape": [1, 4], "data": [*values, 0, 0, 0][:4]}]}
    return json.dumps(body if name is None else {"id": name, **body})


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{text}\n" for text in lines))
    return path


@contextmanager
def folder_of_jobs(folder: Path) -> Iterator[Path]:
    """With the model `twice`; at the end no process of a job is left."""
    served.scale(folder / "twice", 2.0)
    yield folder
    for path in (folder / "batches").glob("*/batch.json"):
        stop(path.parent)


def stop(folder: Path) -> None:
    (folder / "cancel").touch()
    until(lambda: not RunFolder(folder).supervised())


def until(true: Any, seconds: float = 60.0) -> None:
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends, "it takes too long"
        time.sleep(0.01)


def request(root: Path, model: str = "twice", **more: Any) -> BatchPredictRequest:
    given = {"model": str(root / model), "inputs": str(root / "in"), "output": str(root / "out"), **more}
    return BatchPredictRequest.model_validate(given)


def worker(root: Path, name: str) -> int:
    """The process of a job, by its command line."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"cloudai_local.batch_process" in words and str(root / "batches" / name).encode() in words:
            return int(process.name)
    raise AssertionError("no process")
