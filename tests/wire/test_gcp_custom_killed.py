"""kill -9 while Vertex AI is asked for a job, a deployment, a batch prediction or a deletion.

Doing the same again makes one of each, and whatever was made is found by what cloudai lists.

The process is killed by the server at a request of its own choice, before or after it has done the work: those are all
the moments that the wire can tell apart. Fifty of them at random; `pytest -m long` kills at every one.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "serving"))

from test_gcp_custom_batches import wanting
from test_gcp_custom_endpoints import wanted
from test_gcp_custom_training import job, settings
from vertex_custom_server import Refused, VertexServer, vertex_server

from cloudai.driver import Call
from cloudai.types.custom import Accelerator, EndpointRef
from cloudai_gcp.driver import GcpDriver
from cloudai_gcp.provider import PROVIDER
from cloudai_gcp.settings import GcpSettings

FORKED = """
import json, os, sys
from cloudai.driver import Call
from cloudai.types import custom
from cloudai_gcp.provider import PROVIDER
from cloudai_gcp.settings import GcpSettings
import cloudai.config_document, cloudai.http_pool, cloudai.registry, cloudai.serving.packaging, cloudai.training.package
import cloudai_gcp.driver, cloudai_local.onnx.serving, google.auth.credentials, h11, httpcore, httpx, numpy, onnxruntime
from google.cloud import aiplatform_v1

def worked(verb, kind, values, request):
    driver = PROVIDER.open(GcpSettings.model_validate(values), backend="g")
    getattr(driver, verb)(getattr(custom, kind).model_validate(request), Call(timeout=30.0))
    driver.close()

for line in sys.stdin:
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(read, 1)
        try:
            worked(*json.loads(line))
        except Exception:
            os._exit(1)
        os._exit(0)
    print(child, flush=True)
    sys.stdin.readline()
    os.write(write, b"x")
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    os.close(read), os.close(write)
"""
"""A process that has imported all it needs, and forks for each line: a fork is what is killed."""
CALL = Call(timeout=30.0)
MACHINE = Accelerator(instance="n1-standard-4")
VERBS = ("train", "deploy", "refused deploy", "batch_predict", "delete_endpoint")
KINDS = {
    "train": "TrainingJob",
    "deploy": "DeployRequest",
    "batch_predict": "BatchPredictRequest",
    "delete_endpoint": "EndpointRef",
}


class Forks:
    """Runs a verb of the driver in a process of its own."""

    def __init__(self) -> None:
        command = [sys.executable, "-W", "ignore", "-c", FORKED]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _say(self, line: str) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline()

    def run(self, server: VertexServer, known: GcpSettings, verb: str, request: Any, kill: tuple[int, str]) -> int:
        """Its exit status; -9: it was killed."""
        values = json.loads(known.model_dump_json(exclude_none=True))
        asked = [verb, KINDS[verb], values, json.loads(request.model_dump_json())]
        process = int(self._say(json.dumps(asked)))
        server.arrived, server.killing = 0, (process, *kill)
        status = int(self._say("go"))
        server.killing = None
        return status

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@pytest.fixture(scope="module")
def forks() -> Iterator[Forks]:
    made = Forks()
    yield made
    made.close()


@contextmanager
def world(verb: str, folder: Path) -> Iterator[tuple[VertexServer, GcpSettings, Any]]:
    """A server as it is before the verb, and what the verb is asked with."""
    with vertex_server() as server:
        known = settings(server, folder)
        if verb == "train":
            yield server, known, job(folder, accelerator=MACHINE, inputs={"train": str(folder / "data")})
        elif verb == "batch_predict":
            yield server, known, wanting(folder)
        elif verb == "delete_endpoint":
            with driving(known) as driver:
                ref = driver.deploy(wanted(folder), CALL).endpoint
                driver.deploy(wanted(folder, 3.0, version="three"), CALL)
            yield server, known, ref
        else:
            if verb == "refused deploy":
                server.refuse["endpoints.deployModel"] = Refused(429, "RESOURCE_EXHAUSTED", "no machine")
            yield server, known, wanted(folder)


@contextmanager
def driving(known: GcpSettings) -> Iterator[GcpDriver]:
    driver = PROVIDER.open(known, backend="g")
    try:
        yield driver
    finally:
        driver.close()


def accounted(server: VertexServer, driver: GcpDriver, submitted: list[str]) -> None:
    """Everything that is there is listed, or lies in the folder of an endpoint that is, or in the submission's own."""
    names = {ref.id for ref in driver.list_runs(CALL)} | {ref.id for ref in driver.list_batches(CALL)}
    endpoints = {status.ref.id for status in driver.list_endpoints(CALL)}
    assert names == set(server.jobs) | set(server.batches)
    assert endpoints == set(server.endpoints)
    of_models = {model["labels"]["cloudai-endpoint"] for model in server.models.values()}
    assert of_models <= {endpoint["displayName"] for endpoint in server.endpoints.values()}
    for uri in server.objects:
        kind, _, below = uri.removeprefix("gs://mine/cloudai/vertex/").partition("/")
        if kind == "models":
            assert any(name.endswith("/" + below.partition("/")[0]) for name in endpoints), uri
        else:
            assert uri.startswith(("gs://mine/cloudai/vertex/sources/", *(f"{folder}/" for folder in submitted))), uri


def folders_of(verb: str, request: Any, driver: GcpDriver) -> list[str]:
    """Where a submission puts its files: its plan says so."""
    if verb == "train":
        return [f"gs://mine/cloudai/vertex/runs/{driver.plan_training(request, CALL).name}"]
    if verb == "batch_predict":
        return [f"gs://mine/cloudai/vertex/batches/{driver.plan_batch(request, CALL).name}"]
    return []


def made(server: VertexServer) -> dict[str, int]:
    """How many of each there are."""
    deployed = [each for endpoint in server.endpoints.values() for each in endpoint.get("deployedModels", [])]
    return {"jobs": len(server.jobs), "models": len(server.models), "deployed": len(deployed)}


def killed_and_done_again(forks: Forks, verb: str, folder: Path, kill: tuple[int, str]) -> int:
    """The status of the process that was to be killed."""
    method = verb.removeprefix("refused ")
    with world(verb, folder) as (server, known, request), driving(known) as driver:
        submitted = folders_of(verb, request, driver)
        status = forks.run(server, known, method, request, kill)
        assert len(server.jobs) <= 1
        assert len(server.batches) <= 1
        accounted(server, driver, submitted)
        server.refuse.clear()
        getattr(driver, method)(request, CALL)
        accounted(server, driver, submitted)
        stands = int(method == "deploy")
        assert made(server) == {"jobs": int(verb == "train"), "models": stands, "deployed": stands}
        assert (len(server.batches), len(server.endpoints)) == (int(verb == "batch_predict"), stands)
        if verb in ("deploy", "refused deploy"):
            (endpoint,) = server.endpoints
            driver.delete_endpoint(EndpointRef(backend="g", id=endpoint, name="twice"), CALL)
        if verb not in ("train", "batch_predict"):
            assert (server.endpoints, server.models, server.objects) == ({}, {}, {})
        return status


def requests_of(forks: Forks, verb: str, folder: Path) -> int:
    """How many one undisturbed run sends."""
    with world(verb, folder) as (server, known, request):
        forks.run(server, known, verb.removeprefix("refused "), request, (0, "never"))
        return server.arrived


def points(forks: Forks, folder: Path) -> list[tuple[str, int, str]]:
    return [
        (verb, number, when)
        for verb in VERBS
        for number in range(1, requests_of(forks, verb, folder) + 1)
        for when in ("before", "after")
    ]


def test_fifty_kills_leave_one_of_each_and_nothing_unlisted(forks: Forks, tmp_path: Path) -> None:
    every = points(forks, tmp_path)
    for verb, number, when in random.Random(6).sample(every, 50):
        assert killed_and_done_again(forks, verb, tmp_path, (number, when)) == -9, (verb, number, when)


@pytest.mark.long
def test_a_kill_at_every_request_leaves_one_of_each_and_nothing_unlisted(forks: Forks, tmp_path: Path) -> None:
    for verb, number, when in points(forks, tmp_path):
        assert killed_and_done_again(forks, verb, tmp_path, (number, when)) == -9, (verb, number, when)
