"""Custom models on Azure ML through `AsyncClient`: a job's life, an endpoint's life, many calls at once on one loop."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "serving"))

from azure_client import config
from azure_storage import CONTAINER
from azureml_custom_server import Answered, MlServer, ml_server
from test_azure_auth import entra
from test_azure_custom_endpoints import nothing_left, triton, wanted
from test_azure_custom_training import job, values

from cloudai import AsyncClient
from cloudai.errors import CloudAIError, ErrorCode, InvalidInput
from cloudai.training import METRIC
from cloudai.types.speech import JobState

STARTED = "2026-11-21T10:00:00+00:00"
ENDED = "2026-11-21T10:30:00+00:00"


def on_a_loop(folder: Path, body: Callable[[AsyncClient, MlServer], Awaitable[None]]) -> None:
    async def whole(client: AsyncClient, server: MlServer) -> None:
        async with client:
            await body(client, server)

    with entra(folder) as login, ml_server(folder) as server:
        known = values(login, server, folder)
        known.pop("provider")
        asyncio.run(whole(AsyncClient(config(known, timeout=30.0, deadline=60.0)), server))


def test_a_job_is_planned_submitted_followed_and_fetched(tmp_path: Path) -> None:
    async def life(client: AsyncClient, server: MlServer) -> None:
        planned = await client.custom.plan_training(job(tmp_path))
        assert not server.requests
        submitted = await client.custom.train(job(tmp_path))
        assert submitted.plan == planned
        assert submitted.run is not None
        run, name = client.custom.run(submitted.run), submitted.run.id
        assert (await run.status()).state is JobState.QUEUED
        line = json.dumps({METRIC: {"name": "accuracy", "value": 0.5, "step": 1, "at": "2026-11-21T10:00:00Z"}})
        server.logs["0"] = f"working\n{line}\n".encode()
        logs = {"user_logs/std_log.txt": f"{server.url}/logs/0?sig=s"}
        server.runs[name] = {"startTimeUtc": STARTED, "endTimeUtc": ENDED, "logFiles": logs}
        server.resources[f"jobs/{name}"]["properties"]["status"] = "Completed"
        server.blobs.blobs[f"{CONTAINER}/cloudai/runs/{submitted.run.name}/model/model.onnx"] = b"weights"
        done = await run.wait(timeout=20, interval=0.01)
        assert (done.state, done.billed_seconds) == (JobState.SUCCEEDED, 1800)
        assert [line async for line in run.logs()] == ["working", line]
        assert [(each.name, each.value) for each in await run.metrics()] == [("accuracy", 0.5)]
        cost = await run.cost(done)
        assert planned.hourly is not None
        assert cost is not None
        assert cost.amount == planned.hourly.amount / 2
        folder = await run.fetch(tmp_path / "got")
        assert (folder / "model.onnx").read_bytes() == b"weights"
        assert [each.id for each in await client.custom.runs()] == [name]

    on_a_loop(tmp_path, life)


def test_a_job_is_cancelled_and_another_is_refused(tmp_path: Path) -> None:
    async def life(client: AsyncClient, server: MlServer) -> None:
        submitted = await client.custom.train(job(tmp_path))
        assert submitted.run is not None
        server.runs[submitted.run.id] = {}
        await client.custom.run(submitted.run).cancel()
        assert (await client.custom.run(submitted.run).status()).state is JobState.CANCELLED
        server.refuse["PUT jobs"] = Answered(403, "AuthorizationFailed", "not you")
        with pytest.raises(CloudAIError, match="not you") as caught:
            await client.custom.train(job(tmp_path, hyperparameters={"rate": 1}))
        assert caught.value.code is ErrorCode.PERMISSION_DENIED
        with pytest.raises(InvalidInput):
            await client.custom.train(job(tmp_path, framework="caffe"))

    on_a_loop(tmp_path, life)


@pytest.mark.parametrize(("lost", "jobs"), [("lose", 1), ("garble", 1), ("drop", 0)])
def test_what_is_lost_is_looked_up_and_never_sent_again(tmp_path: Path, lost: str, jobs: int) -> None:
    async def life(client: AsyncClient, server: MlServer) -> None:
        getattr(server, lost).append("PUT jobs")
        try:
            result = await client.custom.train(job(tmp_path))
            assert result.run is not None
        except CloudAIError as error:
            assert (error.code, jobs) == (ErrorCode.OUTCOME_UNKNOWN, 0)  # noqa: PT017  # in one way out of two
        assert len(server.sent("PUT", "jobs")) == 1
        assert len([path for path in server.resources if path.startswith("jobs/")]) == jobs

    on_a_loop(tmp_path, life)


def test_jobs_submitted_at_once_are_one_each(tmp_path: Path) -> None:
    async def life(client: AsyncClient, server: MlServer) -> None:
        jobs = [job(tmp_path, hyperparameters={"n": number % 3}) for number in range(6)]
        results = await asyncio.gather(*(client.custom.train(each) for each in jobs))
        names = {result.run.id for result in results if result.run is not None}
        assert {path for path in server.resources if path.startswith("jobs/")} == {f"jobs/{name}" for name in names}
        assert len(names) == 3

    on_a_loop(tmp_path, life)


def test_an_endpoint_is_deployed_asked_moved_and_deleted(tmp_path: Path) -> None:
    async def life(client: AsyncClient, server: MlServer) -> None:
        request = wanted(tmp_path)
        server.serve = triton(Path(request.model))
        server.looks = 1
        first = await client.custom.deploy(request)
        assert first.plan == await client.custom.plan_deployment(request)
        shares = {first.version: 80, "three": 20}
        second = await client.custom.deploy(wanted(tmp_path, 3.0, version="three", traffic=shares))
        assert second.endpoint is not None
        endpoint = await client.custom.endpoint(second.endpoint.name)
        standing = await endpoint.wait(timeout=20, interval=0.01)
        assert {each.version: each.traffic for each in standing.versions} == shares
        arrays = [np.full((1, 4), number, np.float32) for number in range(6)]
        for array, answer in zip(
            arrays, await asyncio.gather(*(endpoint.predict({"x": array}) for array in arrays)), strict=True
        ):
            np.testing.assert_array_equal(answer.outputs["y"].array, array * 2)
        await endpoint.set_traffic({"three": 100})
        assert {each.traffic for each in (await endpoint.status()).versions} == {0, 100}
        await endpoint.delete()
        assert nothing_left(server)
        assert await client.custom.endpoints() == ()

    on_a_loop(tmp_path, life)


def test_the_loop_goes_on_while_azure_works(tmp_path: Path) -> None:
    async def life(client: AsyncClient, server: MlServer) -> None:
        held, look = threading.Event(), server.look
        server.look = lambda name: look(name) if held.wait(20) else {}  # type: ignore[method-assign]
        deploying = asyncio.ensure_future(client.custom.deploy(wanted(tmp_path)))
        while not server.operations:
            await asyncio.sleep(0.001)
        held.set()  # only a free loop comes here
        assert (await deploying).endpoint is not None

    on_a_loop(tmp_path, life)
