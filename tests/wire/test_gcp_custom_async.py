"""Custom models on Vertex AI through `AsyncClient`: jobs, endpoints and batches, at once, with the loop kept free."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "serving"))

from gcp_client import config
from test_gcp_custom_batches import line, wanting
from test_gcp_custom_endpoints import container, wanted
from test_gcp_custom_training import CUSTOM, entry, job, settings
from vertex_batch_work import at_once
from vertex_custom_server import Refused, VertexServer, vertex_server

from cloudai import AsyncClient
from cloudai.errors import CloudAIError, ErrorCode
from cloudai.serving.batch_results import read_results
from cloudai.types.speech import JobState

Work = Callable[[AsyncClient, VertexServer], Awaitable[None]]


@asynccontextmanager
async def opened(folder: Path, server: VertexServer) -> AsyncIterator[AsyncClient]:
    values = json.loads(settings(server, folder).model_dump_json(exclude_none=True))
    async with AsyncClient(config(values, timeout=30.0, deadline=60.0)) as client:
        yield client


def run(folder: Path, work: Work) -> None:
    """Runs a test's work on a loop of its own, against a server of its own."""

    async def whole() -> None:
        with vertex_server() as server:
            async with opened(folder, server) as client:
                await work(client, server)

    asyncio.run(whole())


def test_a_job_lives_from_submission_to_artefact(tmp_path: Path) -> None:
    async def work(client: AsyncClient, server: VertexServer) -> None:
        plan = await client.custom.plan_training(job(tmp_path))
        assert server.requests == []
        result = await client.custom.train(job(tmp_path))
        assert result.run is not None
        assert result.plan == plan
        made = server.jobs[result.run.id]
        handle = client.custom.run(result.run)
        server.log.append(entry(result.run, "2026-11-21T10:00:00.1Z", "epoch 1"))
        made |= {"state": "JOB_STATE_SUCCEEDED", "startTime": "2026-11-21T10:00:00Z", "endTime": "2026-11-21T11:00:00Z"}
        status = await handle.wait(timeout=20, interval=0.01)
        assert (status.state, status.billed_seconds) == (JobState.SUCCEEDED, 3600)
        assert plan.hourly is not None
        assert await handle.cost(status) == plan.hourly
        assert [each async for each in handle.logs()] == ["epoch 1"]
        server.objects[f"{status.artefact}/model.onnx"] = b"weights"
        await handle.fetch(tmp_path / "got")
        assert (tmp_path / "got" / "model.onnx").read_bytes() == b"weights"
        assert [ref.id for ref in await client.custom.runs()] == [result.run.id]

    run(tmp_path, work)


def test_a_job_is_cancelled_and_a_refusal_is_an_error(tmp_path: Path) -> None:
    async def work(client: AsyncClient, server: VertexServer) -> None:
        result = await client.custom.train(job(tmp_path))
        assert result.run is not None
        handle = client.custom.run(result.run)
        await handle.cancel()
        assert (await handle.status()).state is JobState.CANCELLED
        server.refuse[CUSTOM] = Refused(403, "PERMISSION_DENIED", "not you")
        with pytest.raises(CloudAIError) as caught:
            await client.custom.train(job(tmp_path, hyperparameters={"n": 2}))
        assert caught.value.code is ErrorCode.PERMISSION_DENIED

    run(tmp_path, work)


def test_a_lost_answer_is_found_and_a_lost_request_is_unknown(tmp_path: Path) -> None:
    async def work(client: AsyncClient, server: VertexServer) -> None:
        server.lose.append(CUSTOM)
        assert (await client.custom.train(job(tmp_path))).run is not None
        server.drop.append(CUSTOM)
        with pytest.raises(CloudAIError) as caught:
            await client.custom.train(job(tmp_path, hyperparameters={"n": 2}))
        assert caught.value.code is ErrorCode.OUTCOME_UNKNOWN
        assert len(server.jobs) == 1

    run(tmp_path, work)


def test_an_endpoint_is_deployed_asked_split_and_deleted(tmp_path: Path) -> None:
    async def work(client: AsyncClient, server: VertexServer) -> None:
        request = wanted(tmp_path)
        server.serve = container(Path(request.model))
        result = await client.custom.deploy(request)
        assert result.endpoint is not None
        second = wanted(tmp_path, 3.0, version="three", traffic={result.version: 90, "three": 10})
        await client.custom.deploy(second)
        endpoint = await client.custom.endpoint(result.endpoint)
        status = await endpoint.wait(timeout=20, interval=0.01)
        assert {each.version: each.traffic for each in status.versions} == {result.version: 90, "three": 10}
        rows = [np.full((1, 4), number, np.float32) for number in range(8)]
        answers = await asyncio.gather(*(endpoint.predict({"x": row}) for row in rows))
        by_name = await client.custom.predict("twice", tensors={"x": rows[5]})
        for row, answer in zip((*rows, rows[5]), (*answers, by_name), strict=True):
            np.testing.assert_array_equal(answer.outputs["y"].array, 2 * row)
        await endpoint.set_traffic({result.version: 100})
        status = await endpoint.status()
        assert {each.version: each.traffic for each in status.versions} == {result.version: 100, "three": 0}
        await endpoint.delete()
        assert (server.endpoints, server.models, server.objects) == ({}, {}, {})
        assert await client.custom.endpoints() == ()

    run(tmp_path, work)


def test_a_batch_is_submitted_waited_for_and_read(tmp_path: Path) -> None:
    async def work(client: AsyncClient, server: VertexServer) -> None:
        request = wanting(tmp_path)
        server.worker = at_once(container(Path(request.model)))
        plan = await client.custom.plan_batch(request)
        assert server.requests == []
        handle = await client.custom.submit_batch(request)
        assert handle.ref.name == plan.name
        result = await handle.result(timeout=20, interval=0.01)
        assert (result.state, result.output) == (JobState.SUCCEEDED, str(tmp_path / "out"))
        assert (result.succeeded, result.failed) == (8, 3)
        assert [failure.line for failure in result.failures] == [2, 3, 4]
        assert next(iter(read_results(tmp_path / "out"))).id == "a0"
        assert [ref.id for ref in await client.custom.batches()] == [handle.ref.id]

    run(tmp_path, work)


def test_a_batch_is_cancelled(tmp_path: Path) -> None:
    async def work(client: AsyncClient, server: VertexServer) -> None:
        (tmp_path / "one.jsonl").write_text(line(1, 2, 3, 4))
        handle = await client.custom.submit_batch(wanting(tmp_path, inputs=str(tmp_path / "one.jsonl")))
        await handle.cancel()
        assert (await handle.wait(timeout=20, interval=0.01)).state is JobState.CANCELLED
        with pytest.raises(CloudAIError) as caught:
            await handle.fetch(tmp_path / "out")
        assert caught.value.code is ErrorCode.CONFLICT

    run(tmp_path, work)


def test_the_loop_runs_on_while_vertex_is_slow(tmp_path: Path) -> None:
    async def work(client: AsyncClient, server: VertexServer) -> None:
        server.slow_operations = 3
        deploying = asyncio.ensure_future(client.custom.deploy(wanted(tmp_path)))
        turns = 0
        while not deploying.done():
            await asyncio.sleep(0)
            turns += 1
        assert (await deploying).endpoint is not None
        assert turns > 1000

    run(tmp_path, work)


def test_a_call_that_is_given_up_leaves_no_lock_behind(tmp_path: Path) -> None:
    async def work(client: AsyncClient, server: VertexServer) -> None:
        server.slow_operations = 2
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(client.custom.deploy(wanted(tmp_path)), 0.2)
        server.slow_operations = 0
        result = await client.custom.deploy(wanted(tmp_path))
        assert result.endpoint is not None
        assert (len(server.endpoints), len(server.models)) == (1, 1)

    run(tmp_path, work)
