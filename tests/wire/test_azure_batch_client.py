"""Batch jobs on Azure ML through the client: asked for once, waited for, fetched, priced; from the command line too."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "serving"))

from azureml_batch_server import BatchServer, batch_server
from azureml_batches import NAMES, wanted
from azureml_custom_server import Answered
from test_azure_auth import entra
from test_azure_custom_training import values

from cloudai import AsyncClient, Client
from cloudai.cli import main
from cloudai.config import BackendConfig, Config, Origin, Policy, Route
from cloudai.errors import CloudAIError, ErrorCode, ServiceError
from cloudai.serving.batch_results import read_results
from cloudai.types.speech import JobState

HERE = Origin(place="test")


@contextmanager
def workspace(folder: Path) -> Iterator[tuple[Config, BatchServer]]:
    with entra(folder) as login, batch_server(folder) as server:
        known = values(login, server, folder)
        known.pop("provider")
        config = Config(
            source=None,
            backends={"z": BackendConfig(name="z", provider="azure", values=known, origin=HERE)},
            routes=(Route(pattern="custom.*", backends=("z",), origin=HERE),),
            policy=Policy(max_attempts=3, backoff=0.001, max_backoff=0.002),
        )
        yield config, server


def test_a_result_is_fetched_counted_and_priced(tmp_path: Path) -> None:
    with workspace(tmp_path) as (config, server), Client(config) as client:
        job = client.custom.submit_batch(wanted(tmp_path))
        server.work(job.ref.id)
        result = client.custom.batch(job.ref.model_dump_json()).result()
        assert (result.state, result.total, result.failed) == (JobState.SUCCEEDED, 9, 0)
        assert {row.file for row in read_results(tmp_path / "out")} == set(NAMES)
        plan = client.custom.plan_batch(wanted(tmp_path))
        assert plan.hourly is not None
        cost = job.status().cost
        assert cost is not None
        assert cost.amount == (plan.hourly.amount / 6).quantize(Decimal("0.000001")).normalize()
        assert [ref.id for ref in client.custom.batches()] == [job.ref.id]


def test_a_job_that_failed_says_why(tmp_path: Path) -> None:
    with workspace(tmp_path) as (config, server), Client(config) as client:
        job = client.custom.submit_batch(wanted(tmp_path))
        server.ended(job.ref.id, "Failed", "no quota for the machine")
        with pytest.raises(ServiceError, match="no quota for the machine"):
            job.result()


@pytest.mark.parametrize("trouble", ["drop", "500", "504"])
def test_a_submission_whose_answer_is_lost_is_not_sent_again(tmp_path: Path, trouble: str) -> None:
    with workspace(tmp_path) as (config, server), Client(config) as client:
        server.trouble = [trouble, "drop", "drop"]
        with pytest.raises(CloudAIError) as caught:
            client.custom.submit_batch(wanted(tmp_path))
        assert caught.value.code is ErrorCode.OUTCOME_UNKNOWN
        assert server.trouble == ["drop", "drop"]


@pytest.mark.parametrize("step", ["PUT batchEndpoints", "PUT computes", "PUT batchEndpoints/deployments"])
@pytest.mark.parametrize("lost", ["lose", "drop"])
def test_a_part_whose_answer_is_lost_is_tried_again_and_the_job_sent_once(tmp_path: Path, step: str, lost: str) -> None:
    with workspace(tmp_path) as (config, server), Client(config) as client:
        getattr(server, lost).append(step)
        job = client.custom.submit_batch(wanted(tmp_path))
        assert server.jobs == [job.ref.id]
        assert len(server.submitted) == 1


def test_a_refused_part_is_not_tried_again(tmp_path: Path) -> None:
    with workspace(tmp_path) as (config, server), Client(config) as client:
        server.refuse["PUT computes"] = Answered(403, "AuthorizationFailed", "not you")
        with pytest.raises(CloudAIError, match="not you") as caught:
            client.custom.submit_batch(wanted(tmp_path))
        assert caught.value.code is ErrorCode.PERMISSION_DENIED
        assert len(server.sent("PUT", "computes")) == 1


def test_the_async_client_does_the_same(tmp_path: Path) -> None:
    async def whole(config: Config, server: BatchServer) -> Any:
        async with AsyncClient(config) as client:
            job = await client.custom.submit_batch(wanted(tmp_path))
            server.work(job.ref.id)
            assert [ref.id for ref in await client.custom.batches()] == [job.ref.id]
            return await job.result()

    with workspace(tmp_path) as (config, server):
        result = asyncio.run(whole(config, server))
        assert (result.state, result.total) == (JobState.SUCCEEDED, 9)


def test_the_command_line_submits_lists_and_fetches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with workspace(tmp_path) as (config, server):
        lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in config.backends["z"].values.items() if value)
        (tmp_path / "cloudai.toml").write_text(f'[backends.z]\nprovider = "azure"\n{lines}[routes]\n"custom.*" = "z"\n')
        monkeypatch.setenv("CLOUDAI_CONFIG", str(tmp_path / "cloudai.toml"))
        monkeypatch.setenv("CLOUDAI_STATE", str(tmp_path / "state"))
        request = wanted(tmp_path)
        asked = ["batches", "submit", request.model, str(request.inputs), request.output]
        asked += ["--instance", "Standard_F8s_v2"]
        assert main([*asked, "--dry-run"]) == 0
        assert "batchEndpoints/twice-it-" in capsys.readouterr().out
        assert main(asked) == 0
        (name,) = server.jobs
        server.work(name)
        capsys.readouterr()
        assert main(["batches", "list"]) == 0
        shown = capsys.readouterr().out
        assert "Twice-it-" in shown
        job = next(word for word in shown.split() if word.startswith("Twice-it-"))
        assert main(["batches", "fetch", job, str(tmp_path / "fetched")]) == 0
        assert {row.file for row in read_results(tmp_path / "fetched")} == set(NAMES)
