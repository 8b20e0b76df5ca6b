"""What a client writes into its books: bounds held before, costs settled after, one record a call."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cloudai import AsyncClient, Client, CloudAIError, ErrorCode, ServiceError
from cloudai.capabilities import Capabilities
from cloudai.config import BackendConfig, Config, Origin, Policy, Route
from cloudai.errors import Delivery
from cloudai.ledger import BudgetSettings, CallRecord, Limit, State, micro, open_store
from cloudai.ledger.periods import Every
from cloudai.testing import FakeBackend

HERE = Origin(place="test")
FAR = 2**60
REGIONS = {"gcp": "us-central1", "aws": "us-east-1"}


class Billed(FakeBackend):
    """A fake of somebody who wants to be paid."""

    @property
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities, auth="api key")


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (90, 60), "white").save(buffer, "PNG")
    return buffer.getvalue()


def routed(tmp_path: Path, *names: str, **budget: Any) -> Config:
    limits = budget.pop("limits", (Limit(every=Every.MONTH, amount=1_000_000),))
    return Config(
        source=None,
        backends={
            name: BackendConfig(name=name, provider=name, values={"region": REGIONS.get(name)}, origin=HERE)
            for name in names
        },
        routes=(Route(pattern="*", backends=names, origin=HERE),),
        policy=Policy(backoff=0.001, max_backoff=0.002),
        budget=BudgetSettings(limits=limits, ledger=str(tmp_path / "ledger.sqlite"), **budget),
    )


@contextmanager
def ledger(config: Config) -> Iterator[Any]:
    assert config.budget is not None
    store = open_store(config.budget)
    try:
        yield store
    finally:
        store.close()


def entries(config: Config) -> list[tuple[State, int | None, int | None]]:
    """State, bound and cost of every attempt."""
    with ledger(config) as store:
        found = [row for state in State for row in store.rows(state, 0, FAR)]
    return [(row.state, row.bound, row.cost) for row in sorted(found, key=lambda row: row.id)]


def records(config: Config) -> list[CallRecord]:
    with ledger(config) as store:
        return list(store.calls(0, FAR))


def test_an_answer_is_settled_at_its_cost_with_its_record(tmp_path: Path) -> None:
    config = routed(tmp_path, "gcp")
    with Client(config, providers=(Billed(name="gcp"),)) as client:
        result = client.translation.translate("hello", source="en", target="de", tag="team-a")
    assert result.cost is not None
    spent = micro(result.cost.amount)
    ((state, bound, cost),) = entries(config)
    assert (state, cost) == (State.SETTLED, spent)
    assert bound is not None
    assert bound >= spent
    (call,) = records(config)
    assert (call.operation, call.outcome, call.backend, call.tag, call.cost) == (
        "translation.translate", "ok", "gcp", "team-a", spent,
    )  # fmt: skip
    assert call.input_bytes == 5


def test_every_attempt_holds_its_own_bound(tmp_path: Path) -> None:
    config = routed(tmp_path, "gcp", "aws")
    first = Billed(name="gcp").answer(
        "translation.translate",
        ServiceError("busy", code=ErrorCode.UNAVAILABLE, delivery=Delivery.REFUSED),
        ConnectionError("lost"),
        ServiceError("no name", code=ErrorCode.UNAVAILABLE, delivery=Delivery.NOT_SENT),
    )
    with Client(config, providers=(first, Billed(name="aws"))) as client:
        assert client.translation.translate("hello", source="en", target="de").backend == "aws"
    states = [state for state, _, _ in entries(config)]
    assert states == [State.RELEASED, State.UNKNOWN, State.RELEASED, State.SETTLED]


def test_a_budget_refuses_before_anything_is_sent(tmp_path: Path) -> None:
    config = routed(tmp_path, "gcp", limits=(Limit(every=Every.MONTH, amount=250),))
    fake = Billed(name="gcp")
    with Client(config, providers=(fake,)) as client:
        for _ in range(2):
            client.translation.translate("hello", source="en", target="de")  # 5 characters: 100 micro-USD
        with pytest.raises(CloudAIError, match=r"monthly budget of 0\.00025 USD has no room") as caught:
            client.translation.translate("hello", source="en", target="de")
    assert caught.value.code is ErrorCode.BUDGET_EXCEEDED
    assert len(fake.calls) == 2
    assert records(config)[-1].outcome == "budget_exceeded"


def test_where_one_budget_is_out_a_cheaper_backend_may_answer(tmp_path: Path) -> None:
    limits = (Limit(every=Every.MONTH, amount=50, backend="gcp"),)
    config = routed(tmp_path, "gcp", "fake", limits=limits)
    with Client(config, providers=(Billed(name="gcp"), FakeBackend(name="fake"))) as client:
        result = client.translation.translate("hello", source="en", target="de")
    assert result.backend == "fake"
    assert "budget" in result.warnings[-1].message


def test_an_unknown_price_is_refused_unless_allowed(tmp_path: Path) -> None:
    with (
        Client(routed(tmp_path, "acme"), providers=(Billed(name="acme"),)) as client,
        pytest.raises(CloudAIError, match=r"no price of translation\.translate at acme"),
    ):
        client.translation.translate("hello", source="en", target="de")
    config = routed(tmp_path, "acme", on_unknown_price="allow")
    with Client(config, providers=(Billed(name="acme"),)) as client:
        result = client.translation.translate("hello", source="en", target="de")
    assert result.cost is None
    assert any("counts in no budget" in notice.message for notice in result.warnings)


def test_the_async_client_books_the_same(tmp_path: Path) -> None:
    config = routed(tmp_path, "gcp")

    async def run() -> None:
        async with AsyncClient(config, providers=(Billed(name="gcp"),)) as client:
            await asyncio.gather(*(client.translation.translate("hi", source="en", target="de") for _ in range(20)))

    asyncio.run(run())
    assert [state for state, _, _ in entries(config)] == [State.SETTLED] * 20
    assert len(records(config)) == 20


def test_a_call_that_is_cancelled_may_have_been_billed(tmp_path: Path) -> None:
    import threading

    config = routed(tmp_path, "gcp")
    going = threading.Event()

    def slow(_: object) -> Any:
        going.wait(5)
        raise ServiceError("too late", code=ErrorCode.UNAVAILABLE)

    fake = Billed(name="gcp").answer("translation.translate", slow)

    async def run() -> None:
        async with AsyncClient(config, providers=(fake,)) as client:
            task = asyncio.create_task(client.translation.translate("hi", source="en", target="de"))
            while not fake.calls:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            going.set()

    asyncio.run(run())
    assert [state for state, _, _ in entries(config)] == [State.UNKNOWN]
    assert records(config)[-1].outcome == "cancelled"


def test_an_analysis_of_several_images_is_one_record_with_all_its_cost(tmp_path: Path) -> None:
    config = routed(tmp_path, "gcp")
    with Client(config, providers=(Billed(name="gcp"),)) as client:
        (one, other) = client.vision.analyze_batch(
            [png(), png()], operations=["vision.detect_labels", "vision.moderate"]
        )
    assert one.labels is not None
    assert other.moderation is not None
    costs = [result.cost for each in (one, other) for result in (each.labels, each.moderation) if result]
    total = sum((cost.amount for cost in costs if cost is not None), Decimal(0))
    booked = [cost for _, _, cost in entries(config)]
    assert sum(cost or 0 for cost in booked) == total * 1_000_000
    assert sum(call.cost or 0 for call in records(config)) == total * 1_000_000


def wav(seconds: float = 1.0) -> bytes:
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(int(16000 * seconds)))
    return buffer.getvalue()


def test_a_job_counts_at_its_bound_until_its_result_is_there(tmp_path: Path) -> None:
    from cloudai.types.speech import JobRef, JobState, JobStatus, TranscribeResult

    class Jobs(Billed):
        def open(self, settings: Any, *, backend: str) -> Any:
            driver: Any = super().open(settings, backend=backend)
            driver.submit_transcription = lambda request, call: JobRef(
                operation="speech.transcribe", backend=backend, id="job-1"
            )
            driver.transcription_status = lambda job, call: JobStatus(state=JobState.SUCCEEDED)
            driver.transcription_result = lambda job, call: driver.transcribe(wanted[0], call)
            driver.cancel_transcription = lambda job, call: None
            return driver

    from cloudai.types.speech import TranscribeRequest

    config = routed(tmp_path, "gcp")
    wanted: list[TranscribeRequest] = []
    with Client(config, providers=(Jobs(name="gcp"),)) as client:
        media = client.speech._run.media("speech.transcribe", wav(61.0), {})
        wanted.append(TranscribeRequest(audio=media))
        job = client.speech.transcribe_job(wav(61.0))
        ((state, bound, cost),) = entries(config)
        assert (state, cost) == (State.UNKNOWN, bound)
        assert records(config) == []
        result = client.speech.job(job.ref).result(interval=0.01)
    assert isinstance(result, TranscribeResult)
    assert result.cost is not None
    ((state, _, cost),) = entries(config)
    assert (state, cost) == (State.SETTLED, micro(result.cost.amount))
    assert [call.cost for call in records(config)] == [cost]


def test_a_client_without_a_budget_keeps_no_books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with FakeBackend().client() as client:
        client.translation.translate("hello", target="de")
    assert not list(tmp_path.rglob("*.sqlite"))
