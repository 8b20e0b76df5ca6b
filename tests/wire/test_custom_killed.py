"""kill -9 while a job is submitted to Vertex AI or a model deployed: doing the same again makes one of each, and no
more (Azure ML: `test_azure_killed`).

The process is killed by the server at a request of its own choice, before or after it has done the work. The short form
kills at some points, `pytest -m long` at all of them.
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

from served import scale
from test_gcp_custom_training import job, settings
from vertex_custom_server import VertexServer, vertex_server

from cloudai.driver import Call
from cloudai.registry import Registry
from cloudai.types.custom import Accelerator, DeployRequest, TrainingJob

CHILD = """
import json, sys
from cloudai.driver import Call
from cloudai.registry import Registry
from cloudai.types.custom import DeployRequest, TrainingJob
provider, values, verb, request = json.load(sys.stdin)
entry = Registry.installed().get(provider).provider
driver = entry.open(entry.settings.model_validate(values), backend="b")
print("ready", flush=True)
sys.stdin = open("/dev/null")
kind = TrainingJob if verb == "train" else DeployRequest
getattr(driver, verb)(kind.model_validate(request), Call(timeout=30.0))
driver.close()
"""
MACHINES = {"gcp": "n1-standard-4"}
MOST = {("gcp", "train"): 8, ("gcp", "deploy"): 11}
"""Requests of one submission, or more."""


@contextmanager
def serving(folder: Path) -> Iterator[tuple[VertexServer, dict[str, Any]]]:
    with vertex_server() as server:
        known = settings(server, folder)
        yield server, json.loads(known.model_dump_json(exclude_none=True))


def asked(provider: str, verb: str, folder: Path) -> TrainingJob | DeployRequest:
    machine = Accelerator(instance=MACHINES[provider])
    if verb == "train":
        data = {"train": str(folder / "data")}
        return job(folder, accelerator=machine, inputs=data)
    return DeployRequest(model=str(scale(folder / "twice", 2.0)), name="twice", accelerator=machine)


def made(server: VertexServer) -> dict[str, int]:
    deployed = [each for endpoint in server.endpoints.values() for each in endpoint.get("deployedModels", [])]
    return {"jobs": len(server.jobs), "models": len(server.models), "deployed": len(deployed)}


def run(
    provider: str, known: dict[str, Any], verb: str, request: Any, server: Any, kill: tuple[int, str] | None
) -> int:
    child = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", CHILD], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdin is not None
    assert child.stdout is not None
    server.arrived = 0
    server.killing = None if kill is None else (child.pid, *kill)
    child.stdin.write(json.dumps([provider, known, verb, json.loads(request.model_dump_json())]).encode())
    child.stdin.close()
    child.stdout.read()
    child.stdout.close()
    return child.wait(60)


def again(provider: str, known: dict[str, Any], verb: str, request: Any) -> None:
    """The same in this process."""
    entry = Registry.installed().get(provider).provider
    driver = entry.open(entry.settings.model_validate(known), backend="b")
    try:
        getattr(driver, verb)(request, Call(timeout=30.0))
    finally:
        driver.close()


def points(provider: str, verb: str) -> list[tuple[int, str]]:
    return [(number, when) for number in range(1, MOST[provider, verb] + 1) for when in ("before", "after")]


def check(provider: str, verb: str, folder: Path, chosen: list[tuple[int, str]]) -> None:
    request = asked(provider, verb, folder)
    expected = {"jobs": 1, "models": 0, "deployed": 0} if verb == "train" else {"jobs": 0, "models": 1, "deployed": 1}
    for kill in chosen:
        with serving(folder) as (server, known):
            assert run(provider, known, verb, request, server, kill) in (-9, 0)
            assert all(made(server)[kind] <= most for kind, most in expected.items()), kill
            server.killing = None
            again(provider, known, verb, request)
            assert made(server) == expected, kill


ALL = [(provider, verb) for provider in MACHINES for verb in ("train", "deploy")]


@pytest.mark.parametrize(("provider", "verb"), ALL)
def test_every_request_of_a_submission_is_a_place_to_be_killed_at(provider: str, verb: str, tmp_path: Path) -> None:
    request = asked(provider, verb, tmp_path)
    with serving(tmp_path) as (server, known):
        again(provider, known, verb, request)
        assert 5 < server.arrived <= MOST[provider, verb]


@pytest.mark.parametrize(("provider", "verb"), ALL)
def test_a_killed_submission_is_one_when_it_is_done_again(provider: str, verb: str, tmp_path: Path) -> None:
    check(provider, verb, tmp_path, random.Random(provider + verb).sample(points(provider, verb), 1))


@pytest.mark.long
@pytest.mark.parametrize(("provider", "verb"), ALL)
def test_a_killed_submission_is_one_wherever_it_was_killed(provider: str, verb: str, tmp_path: Path) -> None:
    check(provider, verb, tmp_path, points(provider, verb))
