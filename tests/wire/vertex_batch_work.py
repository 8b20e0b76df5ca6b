"""What Vertex AI does with a batch prediction job: starts its container, hands it instances, writes what comes back.

By https://cloud.google.com/vertex-ai/docs/predictions/get-batch-predictions and .../custom-container-requirements (read
2026-11-21): `{"instances": [...]}` without the key field, `{"predictions": [...]}` of the same length, results in any
order over several files. Values pass through protobuf's `Struct`, as in `schema.PredictionResult`: numbers are doubles.
"""

from __future__ import annotations

import fnmatch
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from google.protobuf import json_format, struct_pb2
from vertex_custom_server import VertexServer

Json = dict[str, Any]
TRITON = Path(__file__).parent / "vertex_triton.py"
STARTED, ENDED = "2026-11-21T11:00:00.5Z", "2026-11-21T11:10:00.5Z"


def free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def container(spec: Mapping[str, Any], artifacts: str, server: VertexServer, folder: Path) -> Iterator[httpx.Client]:
    """The job's container as a process, with Vertex AI's variables and Triton's program on its path."""
    programs, objects = folder / "bin", folder / "objects"
    programs.mkdir(exist_ok=True)
    (programs / "tritonserver").write_text(f'#!/bin/sh\nexec {sys.executable} -W ignore {TRITON} "$@"\n')
    (programs / "tritonserver").chmod(0o755)
    for uri, content in server.objects.items():
        target = objects / uri.removeprefix("gs://")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    port = free_port()
    variables = {
        "AIP_STORAGE_URI": artifacts,
        "AIP_HTTP_PORT": str(port),
        "AIP_MODE": "PREDICTION",
        "AIP_PREDICT_ROUTE": spec["predictRoute"],
        "AIP_HEALTH_ROUTE": spec["healthRoute"],
        "CLOUDAI_TRITON_PORT": str(free_port()),
        "VERTEX_OBJECTS": str(objects),
        "PATH": f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    process = subprocess.Popen(spec["command"], env={**os.environ, **variables}, start_new_session=True)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
            _until_ready(client, spec["healthRoute"], process)
            yield client
    finally:
        os.killpg(process.pid, 9)
        process.wait()


def _until_ready(client: httpx.Client, route: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, "the container ended"
        try:
            if client.get(route).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError("the container was never ready")


def work(server: VertexServer, name: str, folder: Path, *, seed: int = 1) -> None:
    """Does a job to its end, with its container as a process of its own."""
    job = server.batches[name]
    model, key = job["unmanagedContainerModel"], job["instanceConfig"]["keyField"]
    rows = list(_rows(server, job["inputConfig"]["gcsSource"]["uris"]))
    random.Random(seed).shuffle(rows)
    size = job["manualBatchTuningParameters"]["batchSize"]
    made: list[Json] = []
    with container(model["containerSpec"], model["artifactUri"], server, folder) as client:
        for start in range(0, len(rows), size):
            made += _answered(client, model["containerSpec"]["predictRoute"], rows[start : start + size], key)
    _ended(server, job, made)


def at_once(serve: Callable[[bytes, str], tuple[bytes, str]]) -> Callable[[VertexServer, str], None]:
    """A worker without a container: `serve` answers each request."""

    def done(server: VertexServer, name: str) -> None:
        rows = _rows(server, server.batches[name]["inputConfig"]["gcsSource"]["uris"])
        made = [{"key": row["key"], "prediction": serve(row["request"].encode(), "")[0].decode()} for row in rows]
        _ended(server, server.batches[name], made)

    return done


def _ended(server: VertexServer, job: Json, made: list[Json]) -> None:
    done = [each for each in made if "prediction" in each]
    failed = [each for each in made if "error" in each]
    where = job["outputConfig"]["gcsDestination"]["outputUriPrefix"].rstrip("/")
    where += f"/prediction-{job['displayName']}-2026_11_21T11_00_00_500Z"
    half = len(done) // 2
    for number, part in enumerate((done[:half], done[half:])):
        server.objects[f"{where}/prediction.results-{number:05}-of-00002"] = _jsonl(part)
    server.objects[f"{where}/prediction.errors_stats-00000-of-00001"] = _jsonl(failed)
    job |= {
        "state": "JOB_STATE_SUCCEEDED",
        "startTime": STARTED,
        "endTime": ENDED,
        "outputInfo": {"gcsOutputDirectory": where},
        "completionStats": {"successfulCount": str(len(done)), "failedCount": str(len(failed))},
    }


def _rows(server: VertexServer, uris: list[str]) -> Iterator[Json]:
    for pattern in uris:
        for uri in sorted(server.objects):
            if fnmatch.fnmatchcase(uri, pattern) and uri.count("/") == pattern.count("/"):
                for line in server.objects[uri].splitlines():
                    yield through_struct(json.loads(line))


def _answered(client: httpx.Client, route: str, rows: list[Json], key: str) -> list[Json]:
    instances = [{name: value for name, value in row.items() if name != key} for row in rows]
    reply = client.post(route, json={"instances": instances})
    if reply.status_code != 200:
        said = {"code": 13, "message": f"HTTP {reply.status_code}: {reply.text}"}
        return [{"key": row[key], "error": said} for row in rows]
    predictions = reply.json()["predictions"]
    assert len(predictions) == len(instances)
    return [through_struct({"key": row[key], "prediction": one}) for row, one in zip(rows, predictions, strict=True)]


def through_struct(value: Json) -> Json:
    """As protobuf has it: every number a double."""
    made = struct_pb2.Struct()
    json_format.ParseDict(value, made)
    found: Json = json_format.MessageToDict(made)
    return found


def _jsonl(rows: list[Json]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)
