"""kill -9 while a job, a model or a batch job is submitted to Azure ML: the same again makes one of each, and no more.

The process is killed by the server at a request of its own choice, to the workspace or to Blob storage, before or after
the work was done. What is there then is listed; doing the same again leaves exactly what an undisturbed submission
leaves. The short form kills at two random points, `pytest -m long` at all (train 18, deploy 34, batch 66).
"""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "serving"))

from azureml_batch_server import BatchServer, batch_server
from azureml_batches import inputs
from served import scale
from test_azure_auth import entra
from test_azure_custom_training import driving, job, values

from cloudai.driver import Call
from cloudai.types.custom import Accelerator, BatchPredictRequest, DeployRequest, TrainingJob
from cloudai_azure.driver import AzureDriver

CALL = Call(timeout=30.0)
KINDS = {"train": TrainingJob, "deploy": DeployRequest, "batch_predict": BatchPredictRequest}
FORKING = """
import json, os, sys
import cloudai_azure.ml_sdk, cloudai.serving.packaging, cloudai_local.onnx.serving, onnxruntime
from cloudai.driver import Call
from cloudai.types import custom
from cloudai_azure.provider import PROVIDER
for line in sys.stdin:
    values, verb, kind, request = json.loads(line)
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(ready, 1)
        driver = PROVIDER.open(PROVIDER.settings.model_validate(values), backend="b")
        getattr(driver, verb)(getattr(custom, kind).model_validate(request), Call(timeout=30.0))
        os._exit(0)
    print(child, flush=True)
    sys.stdin.readline()
    os.write(go, b"g")
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    os.close(ready)
    os.close(go)
"""
"""Has imported everything; each submission is a process of its own."""


class Children:
    """Starts processes that submit."""

    def __init__(self) -> None:
        self._parent = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", FORKING], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def _told(self, line: str) -> int:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(f"{line}\n")
        self._parent.stdin.flush()
        return int(self._parent.stdout.readline())

    def killed(self, here: Desk, verb: str, request: Any, kill: tuple[int, str]) -> int:
        """Submits in a process that the server ends at that request. Its exit code."""
        asked = [here.values, verb, type(request).__name__, json.loads(request.model_dump_json())]
        here.server.killing = (self._told(json.dumps(asked)), *kill)
        code = self._told("go")
        here.server.killing = None
        return code

    def close(self) -> None:
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.close()
        self._parent.wait(60)
        self._parent.stdout.close()


@pytest.fixture(scope="module")
def children() -> Iterator[Children]:
    started = Children()
    yield started
    started.close()


@dataclass(frozen=True)
class Desk:
    """A server, and how a child is told of it."""

    server: BatchServer
    values: dict[str, Any]

    def left(self) -> tuple[set[str], set[str]]:
        """Paths of the resources and of the blobs; a batch job's own name is Azure's."""
        resources = {re.sub(r"batchjob-\d+", "batchjob", path) for path in self.server.resources}
        return resources, set(self.server.blobs.blobs)


@contextmanager
def desk(folder: Path) -> Iterator[Desk]:
    with entra(folder) as login, batch_server(folder) as server:
        yield Desk(server=server, values=values(login, server, folder))


def asked(verb: str, folder: Path) -> Any:
    machine = Accelerator(instance="Standard_NC4as_T4_v3")
    if verb == "train":
        return job(folder, accelerator=machine, inputs={"train": str(folder / "data")})
    model = str(scale(folder / "twice", 2.0))
    if verb == "deploy":
        return DeployRequest(model=model, name="twice", accelerator=machine)
    return BatchPredictRequest(model=model, inputs=str(inputs(folder)), output=str(folder / "out"), accelerator=machine)


def undisturbed(verb: str, folder: Path) -> tuple[int, tuple[set[str], set[str]]]:
    """How many requests a submission makes, and what it leaves."""
    with desk(folder) as here, driving(here.values) as driver:
        getattr(driver, verb)(asked(verb, folder), CALL)
        return here.server.arrived, here.left()


def listed(driver: AzureDriver) -> tuple[set[str], set[str]]:
    """Names of jobs, and of endpoints."""
    jobs = {ref.id for ref in driver.list_runs(CALL)} | {ref.id for ref in driver.list_batches(CALL)}
    return jobs, {status.ref.id for status in driver.list_endpoints(CALL)}


def accounted(here: Desk, driver: AzureDriver) -> None:
    """Each job and each endpoint that is there is told of."""
    jobs = {path.split("/")[1] for path in here.server.resources if path.startswith("jobs/")}
    endpoints = {path.split("/")[1] for path in here.server.resources if "Endpoints/" in path}
    assert listed(driver) == (jobs, endpoints)


def points(requests: int, count: int | None, seed: str) -> list[tuple[int, str]]:
    """So many of all, at random; `None`: all."""
    found = [(number, when) for number in range(1, requests + 1) for when in ("before", "after")]
    return found if count is None else random.Random(seed).sample(found, count)


def check(children: Children, verb: str, folder: Path, count: int | None) -> None:
    requests, expected = undisturbed(verb, folder)
    for kill in points(requests, count, verb):
        with desk(folder) as here:
            assert children.killed(here, verb, asked(verb, folder), kill) == -9, kill
            with driving(here.values) as driver:
                accounted(here, driver)
                getattr(driver, verb)(asked(verb, folder), CALL)
                assert here.left() == expected, kill
                accounted(here, driver)


def check_removal(children: Children, verb: str, folder: Path, count: int | None) -> None:
    requests, _ = undisturbed(verb, folder)
    for kill in points(requests, count, f"remove {verb}"):
        with desk(folder) as here:
            assert children.killed(here, verb, asked(verb, folder), kill) == -9, kill
            with driving(here.values) as driver:
                for status in driver.list_endpoints(CALL):
                    driver.delete_endpoint(status.ref, CALL)
            resources, blobs = here.left()
            free = ("codes", "environments", "computes", "jobs")  # without cost, but for a job, which is listed
            kept = {path for path in resources if path.split("/")[0] not in free}
            assert all(re.fullmatch(r"models/[^/]+", path) for path in kept), kill
            assert not [name for name in blobs if "/models/" in name or "/batch-models/" in name], kill


@pytest.mark.parametrize("verb", KINDS)
def test_a_killed_submission_is_one_when_it_is_done_again(children: Children, verb: str, tmp_path: Path) -> None:
    check(children, verb, tmp_path, 2)


@pytest.mark.parametrize("verb", ["deploy", "batch_predict"])
def test_what_a_killed_submission_left_is_listed_and_can_be_removed(
    children: Children, verb: str, tmp_path: Path
) -> None:
    check_removal(children, verb, tmp_path, 1)


@pytest.mark.long
@pytest.mark.parametrize("verb", KINDS)
def test_a_killed_submission_is_one_wherever_it_was_killed(children: Children, verb: str, tmp_path: Path) -> None:
    check(children, verb, tmp_path, None)


@pytest.mark.long
@pytest.mark.parametrize("verb", ["deploy", "batch_predict"])
def test_what_was_left_can_be_removed_wherever_it_was_killed(children: Children, verb: str, tmp_path: Path) -> None:
    check_removal(children, verb, tmp_path, None)
