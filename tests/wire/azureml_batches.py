"""A batch job on Azure ML for tests: a driver before a workspace, files of requests, a request over them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "serving"))

from azureml_batch_server import BatchServer, batch_server
from served import scale
from test_azure_auth import entra
from test_azure_custom_training import driving, values

from cloudai.driver import Call
from cloudai.types.custom import Accelerator, BatchPredictRequest, BatchPredictResult, BatchRef
from cloudai_azure.driver import AzureDriver

CALL = Call(timeout=30.0)
CPU = Accelerator(instance="Standard_F8s_v2")
NAMES = ("a.jsonl", "deep/b b.jsonl", "deep/a.jsonl")


@contextmanager
def opened(folder: Path, **more: Any) -> Iterator[tuple[AzureDriver, BatchServer]]:
    with (
        entra(folder) as login,
        batch_server(folder) as server,
        driving(values(login, server, folder, **more)) as driver,
    ):
        yield driver, server


def line(name: str, *rows: list[float]) -> str:
    tensor = {"name": "x", "shape": [len(rows), 4], "datatype": "FP32", "data": [each for row in rows for each in row]}
    return json.dumps({"id": name, "inputs": [tensor]})


def inputs(folder: Path, *, lines: int = 3) -> Path:
    for number, name in enumerate(NAMES):
        file = folder / "in" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        made = [line(f"{name}:{each}", [float(number), float(each), 0.0, 1.0]) for each in range(lines)]
        file.write_text("".join(f"{each}\n" for each in made))
    return folder / "in"


def wanted(folder: Path, **more: Any) -> BatchPredictRequest:
    known = {"inputs": str(inputs(folder)), "output": str(folder / "out"), "accelerator": CPU}
    model = more.pop("model", None) or str(scale(folder / "Twice it", 2.0))
    return BatchPredictRequest.model_validate({"model": model, **known, **more})


def submitted(driver: AzureDriver, request: BatchPredictRequest, **more: Any) -> tuple[BatchPredictResult, BatchRef]:
    result = driver.batch_predict(request, Call(timeout=30.0, **more))
    assert result.batch is not None
    return result, result.batch


def parts(server: BatchServer, collection: str) -> list[str]:
    return sorted(path for path in server.resources if path.startswith(f"{collection}/"))
