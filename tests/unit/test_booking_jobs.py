"""Books of jobs that outlive a call: held at their bound when submitted, corrected when they have ended, once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from cloudai import AsyncClient, Client
from cloudai.capabilities import Capabilities
from cloudai.config import BackendConfig, Config, Origin, Route
from cloudai.errors import BudgetExceeded
from cloudai.ledger import BudgetSettings, Limit, State, open_store
from cloudai.ledger.periods import Every
from cloudai.testing import FakeBackend
from cloudai.types.custom import Accelerator, BatchPredictRequest, BatchStatus, RunRef, TrainingJob, TrainingPlan
from cloudai.types.custom import TrainResult as Trained
from cloudai.types.results import Money
from cloudai.types.speech import JobState

HERE = Origin(place="test")
MACHINE = Accelerator(instance="ml.g5.12xlarge")
HOUR = 7_090_000
"""Of one in us-west-2, in micro-USD, for training and for batch transform."""
ENDED = BatchStatus(state=JobState.SUCCEEDED, billed_seconds=60, hourly=Money(amount=Decimal("7.2")))


class Billed(FakeBackend):
    """A fake of somebody who wants to be paid, at the prices of AWS."""

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, auth="api key")


def config(folder: Path, *, limit: int = 100_000_000) -> Config:
    backend = BackendConfig(name="aws", provider="aws", values={"region": "us-west-2"}, origin=HERE)
    return Config(
        source=None,
        backends={"aws": backend},
        routes=(Route(pattern="*", backends=("aws",), origin=HERE),),
        budget=BudgetSettings(limits=(Limit(every=Every.MONTH, amount=limit),), ledger=str(folder / "ledger.sqlite")),
    )


def request(folder: Path, **more: object) -> BatchPredictRequest:
    (folder / "rows.jsonl").write_text('{"inputs": []}\n')
    places = {"inputs": str(folder / "rows.jsonl"), "output": "s3://bucket/out", "max_seconds": 3600}
    return BatchPredictRequest.model_validate({"model": "m", "accelerator": MACHINE, **places, **more})


def entries(folder: Path) -> list[tuple[State, int | None]]:
    """State, and what counts of every attempt."""
    budget = config(folder).budget
    assert budget is not None
    store = open_store(budget)
    try:
        found = [row for state in State for row in store.rows(state, 0, 2**60)]
    finally:
        store.close()
    return [(row.state, row.cost if row.cost is not None else row.bound) for row in sorted(found, key=lambda r: r.id)]


def test_a_batch_job_counts_at_its_bound_until_it_has_ended_and_then_at_its_cost(tmp_path: Path) -> None:
    fake = Billed(name="aws").looks(JobState.RUNNING, ENDED)
    with Client(config(tmp_path), providers=(fake,)) as client:
        job = client.custom.submit_batch(request(tmp_path))
        assert job.status().state is JobState.RUNNING
    assert entries(tmp_path) == [(State.UNKNOWN, HOUR)]
    with Client(config(tmp_path), providers=(fake,)) as client:  # another process could be here
        handle = client.custom.batch(job.ref.model_dump_json())
        assert handle.wait(interval=0).cost == Money(amount=Decimal("0.12"))
        assert handle.result().cost == Money(amount=Decimal("0.12"))
    assert entries(tmp_path) == [(State.SETTLED, 120_000)]


def test_several_machines_are_held_together(tmp_path: Path) -> None:
    with Client(config(tmp_path), providers=(Billed(name="aws"),)) as client:
        client.custom.submit_batch(request(tmp_path, instances=3, max_seconds=1800))
    assert entries(tmp_path) == [(State.UNKNOWN, 3 * HOUR // 2)]


def test_a_batch_job_above_the_budget_is_not_sent(tmp_path: Path) -> None:
    fake = Billed(name="aws")
    with Client(config(tmp_path, limit=HOUR - 1), providers=(fake,)) as client, pytest.raises(BudgetExceeded):
        client.custom.submit_batch(request(tmp_path))
    assert fake.calls == []
    with Client(config(tmp_path), providers=(fake,)) as client, pytest.raises(BudgetExceeded, match="no price"):
        client.custom.submit_batch(request(tmp_path, accelerator=Accelerator(instance="ml.none.large")))
    assert fake.calls == []


def test_a_job_that_was_found_costs_nothing_more(tmp_path: Path) -> None:
    fake = Billed(name="aws").looks(ENDED)
    with Client(config(tmp_path), providers=(fake,)) as client:
        first = client.custom.submit_batch(request(tmp_path))
        again = client.custom.submit_batch(request(tmp_path))
        assert again.submission is not None
        assert again.submission.cost == Money(amount=Decimal(0))
        assert first.result().cost == Money(amount=Decimal("0.12"))
        assert again.result().cost == first.result().cost
    assert entries(tmp_path) == [(State.SETTLED, 120_000), (State.SETTLED, 0)]


def trained() -> Trained:
    plan = TrainingPlan(backend="aws", provider="aws", name="t", instance="i", hourly=Money(amount=Decimal("3.6")))
    return Trained(run=RunRef(backend="aws", id="t", name="t"), plan=plan)


def test_a_training_run_counts_at_its_bound_until_it_has_ended_and_then_at_its_cost(tmp_path: Path) -> None:
    fake = Billed(name="aws").answer("custom.train", trained()).looks(JobState.RUNNING, JobState.SUCCEEDED)
    job = TrainingJob(name="t", script="t.py", accelerator=MACHINE, max_seconds=3600)
    with Client(config(tmp_path), providers=(fake,)) as client:
        ref = client.custom.train(job).run
        assert ref is not None
        client.custom.run(ref).status()
    ((state, held),) = entries(tmp_path)
    assert state is State.UNKNOWN
    assert held is not None
    assert held >= 60_000
    with Client(config(tmp_path), providers=(fake,)) as client:
        handle = client.custom.run(ref)
        assert handle.cost(handle.wait(interval=0)) == Money(amount=Decimal("0.06"))
    assert entries(tmp_path) == [(State.SETTLED, 60_000)]


def test_async_clients_book_the_same(tmp_path: Path) -> None:
    fake = Billed(name="aws").answer("custom.train", trained()).looks(JobState.SUCCEEDED, ENDED)
    job = TrainingJob(name="t", script="t.py", accelerator=MACHINE, max_seconds=3600)

    async def ask() -> None:
        async with AsyncClient(config(tmp_path), providers=(fake,)) as client:
            ref = (await client.custom.train(job)).run
            assert ref is not None
            await client.custom.run(ref).wait(interval=0)
            await (await client.custom.submit_batch(request(tmp_path))).result(interval=0)

    asyncio.run(ask())
    assert entries(tmp_path) == [(State.SETTLED, 60_000), (State.SETTLED, 120_000)]
