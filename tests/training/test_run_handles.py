"""The client's handles of training runs, sync and async, on the local backend."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from cloudai import AsyncClient, Client, CloudAIError
from cloudai.errors import BudgetExceeded, ErrorCode, InvalidInput
from cloudai.types.custom import RunRef, RunStatus, TrainingJob
from cloudai.types.results import Money
from cloudai.types.speech import JobState

SCRIPT = """
import time
from cloudai.training import hparams, log_metric, model_dir
for step in range(3):
    print("working", flush=True)
    log_metric("accuracy", 0.5 + step / 10, step=step)
    time.sleep(hparams().get("pause", 0))
(model_dir() / "m.txt").write_text("model")
"""


@pytest.fixture
def config(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / "cloudai.toml"
    file.write_text(
        f'[backends.here]\nprovider = "local"\nruns = "{tmp_path}/runs"\nhourly_price = "36"\n[routes]\n"*" = "here"\n'
    )
    yield file
    with Client(file) as client:
        for ref in client.custom.runs():
            client.custom.run(ref).cancel()


def job(folder: Path, **fields: object) -> TrainingJob:
    source = folder / "source"
    source.mkdir(exist_ok=True)
    (source / "train.py").write_text(SCRIPT)
    return TrainingJob.model_validate({"name": "handles", "script": "train.py", "source": str(source)} | fields)


def test_a_handle_follows_waits_counts_and_fetches(config: Path, tmp_path: Path) -> None:
    with Client(config) as client:
        result = client.custom.train(job(tmp_path, hyperparameters={"pause": 0.1}))
        assert (result.backend, result.cost, result.found) == ("here", None, False)
        assert result.run is not None
        saved = result.run.model_dump_json()
    with Client(config) as client:  # another process could be here
        run = client.custom.run(RunRef.model_validate_json(saved))
        followed = list(run.logs(follow=True, interval=0.05))
        seen: list[RunStatus] = []
        status = run.wait(interval=0.05, progress=seen.append)
        assert status.state is JobState.SUCCEEDED
        assert seen[-1] == status
        assert followed == list(run.logs())
        assert [(m.name, m.value, m.step) for m in run.metrics()] == [
            ("accuracy", 0.5, 0), ("accuracy", 0.6, 1), ("accuracy", 0.7, 2)
        ]  # fmt: skip
        cost = run.cost()
        assert cost is not None
        assert status.billed_seconds is not None
        assert float(cost.amount) == pytest.approx(status.billed_seconds / 100, abs=1e-6)
        assert (run.fetch(tmp_path / "got") / "m.txt").read_text() == "model"
        assert [ref.name for ref in client.custom.runs()] == [run.ref.name]


def test_the_async_client_does_the_same(config: Path, tmp_path: Path) -> None:
    async def all_of_it() -> None:
        async with AsyncClient(config) as client:
            planned = await client.custom.plan_training(job(tmp_path))
            result = await client.custom.train(job(tmp_path))
            assert result.run is not None
            assert result.run.name == planned.name
            run = client.custom.run(result.run)
            status = await run.wait(interval=0.05)
            assert status.state is JobState.SUCCEEDED
            assert [line async for line in run.logs(follow=True)] == [line async for line in run.logs()]
            assert len(await run.metrics()) == 3
            assert await run.cost(status) is not None
            assert ((await run.fetch(tmp_path / "got")) / "m.txt").exists()
            await run.cancel()
            assert (await run.status()).state is JobState.SUCCEEDED
            assert [ref.name for ref in await client.custom.runs(backend="here")] == [result.run.name]

    asyncio.run(all_of_it())


def test_waiting_ends_at_its_time_and_the_run_goes_on_until_it_is_cancelled(config: Path, tmp_path: Path) -> None:
    with Client(config) as client:
        result = client.custom.train(job(tmp_path, hyperparameters={"pause": 30}))
        assert result.run is not None
        run = client.custom.run(result.run)
        with pytest.raises(CloudAIError, match="it goes on") as caught:
            run.wait(timeout=0.2, interval=0.1)
        assert caught.value.code is ErrorCode.DEADLINE_EXCEEDED
        assert run.status().state is JobState.RUNNING
        run.cancel()
        assert run.wait(interval=0.05).state is JobState.CANCELLED
        with pytest.raises(CloudAIError) as caught:
            run.fetch(tmp_path / "got")
        assert caught.value.code is ErrorCode.CONFLICT


def test_the_plan_has_the_cost_and_sends_nothing(config: Path, tmp_path: Path) -> None:
    with Client(config) as client:
        plan = client.custom.plan_training(job(tmp_path, max_seconds=100))
        assert (str(plan.hourly), str(plan.at_limit), plan.instance) == ("36 USD", "1 USD", "this machine")
        assert plan.requests[0]["call"] == "start"
        with pytest.raises(BudgetExceeded, match="lower the time limit"):
            client.custom.train(job(tmp_path, max_seconds=100, max_cost=Money(amount="0.5")))
        with pytest.raises(InvalidInput, match=r"the script nothing\.py is not in"):
            client.custom.plan_training(job(tmp_path, script="nothing.py"))
        assert client.custom.runs() == ()


def test_a_handle_of_no_run_is_not_found(config: Path) -> None:
    with Client(config) as client:
        run = client.custom.run(RunRef(backend="here", id="x", name="../../etc"))
        with pytest.raises(CloudAIError) as caught:
            run.status()
        assert caught.value.code is ErrorCode.NOT_FOUND
