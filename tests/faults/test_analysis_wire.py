"""Several operations on many images, over the wire: what was answered is kept, what was paid is in the costs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from cloudai.config import Config
from cloudai.errors import CloudAIError
from cloudai.ledger import BudgetSettings, Limit, State, micro, open_store
from cloudai.ledger.periods import Every
from cloudai.routes import CacheSettings
from cloudai.testing import faults
from cloudai.testing.faults import Always, FaultServer, Hang, Ok, Status
from cloudai.testing.samples import picture
from cloudai.types.vision import Analysis, results_of

BOTH = ("vision.detect_labels", "vision.read_text")
MANY = 40
"""Images: Google takes 16 in a request, so three requests."""
FAR = 2**60
KINDS = ("sync", "async")


def analyzed(kind: str, server: FaultServer, config: Config, count: int, **call: Any) -> tuple[Analysis, ...]:
    images, call = [picture()] * count, {"operations": BOTH, **call}

    async def once() -> tuple[Analysis, ...]:
        async with server.async_client(config) as client:
            return await client.vision.analyze_batch(images, **call)

    if kind == "async":
        return asyncio.run(once())
    with server.client(config) as client:
        return client.vision.analyze_batch(images, **call)


def routed(
    first: FaultServer, second: FaultServer, route: Mapping[str, Any] = MappingProxyType({}), **policy: float
) -> Config:
    policy = {"max_attempts": 1, **policy}
    made = faults.config(first.backend("first"), second.backend("second"), **policy)
    return replace(made, routes=(replace(made.routes[0], **route),))


def costs(answers: tuple[Analysis, ...]) -> Decimal:
    amounts = [result.cost.amount for each in answers for result in results_of(each) if result.cost is not None]
    assert len(amounts) == sum(len(results_of(each)) for each in answers)
    return sum(amounts, Decimal(0))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("answered", [0, 1, 2])
def test_what_a_dead_backend_had_answered_is_kept_and_both_bills_are_the_costs(
    kind: str, answered: int, tmp_path: Path
) -> None:
    limit = Limit(every=Every.MONTH, amount=10_000_000)
    budget = BudgetSettings(limits=(limit,), ledger=str(tmp_path / "ledger.sqlite"))
    script: list[faults.Ok | Always] = [*[Ok()] * answered, Always(Status(503))]
    with faults.serve("gcp", script) as first, faults.serve("gcp") as second:
        answers = analyzed(kind, first, replace(routed(first, second), budget=budget), MANY)
        kept = 16 * answered
        assert (first.count(), second.count()) == (answered + 1, (MANY - kept) * len(BOTH))
        true = (first.bill.cost or 0) + (second.bill.cost or 0)
    backends = [[result.backend for result in results_of(each)] for each in answers]
    assert backends == [["first"] * 2] * kept + [["second"] * 2] * (MANY - kept)
    assert costs(answers) == true
    warned = [any(notice.code == "fallback" for notice in each.labels.warnings) for each in answers if each.labels]
    assert warned == [False] * kept + [True] * (MANY - kept)
    store = open_store(budget)
    rows = [row for state in (State.SETTLED, State.UNKNOWN) for row in store.rows(state, 0, FAR)]
    calls = list(store.calls(0, FAR))
    store.close()
    assert sum(row.cost or 0 for row in rows) == sum(call.cost or 0 for call in calls) == micro(Decimal(true))


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_fallback_what_was_paid_is_answered_and_the_rest_says_why_not(kind: str) -> None:
    with faults.serve("gcp", [Ok(), Ok(), Always(Status(503))]) as server:
        answers = analyzed(kind, server, server.config(max_attempts=1), MANY)
        assert (server.count(), costs(answers)) == (3, server.bill.cost)
    assert [set(each.errors) for each in answers] == [set()] * 32 + [set(BOTH)] * 8
    assert {error.code for each in answers for error in each.errors.values()} == {"unavailable"}


@pytest.mark.parametrize("kind", KINDS)
def test_where_nothing_was_answered_the_error_is_raised(kind: str) -> None:
    with faults.serve("gcp", Always(Status(503))) as server, pytest.raises(CloudAIError, match="unavailable"):
        analyzed(kind, server, server.config(max_attempts=1), MANY)


@pytest.mark.parametrize("kind", KINDS)
def test_a_hung_backend_leaves_its_fallback_half_of_the_deadline(kind: str) -> None:
    with faults.serve("gcp", Always(Hang())) as first, faults.serve("gcp") as second:
        answers = analyzed(kind, first, routed(first, second), 2, timeout=60.0, deadline=5.0)
        assert (first.count(), second.count()) == (1, 4)
    assert [each.errors for each in answers] == [{}, {}]


@pytest.mark.parametrize("kind", KINDS)
def test_all_images_and_fallbacks_share_one_deadline(kind: str) -> None:
    with faults.serve("gcp", Always(Hang())) as first, faults.serve("gcp", Always(Hang())) as second:
        answers = analyzed(kind, first, routed(first, second), 5, timeout=60.0, deadline=3.0)
        assert first.count() == 1
        assert 1 <= second.count() < 5  # ten without: a time-out may fire a little before the deadline
    assert {error.code for each in answers for error in each.errors.values()} == {"deadline_exceeded"}


@pytest.mark.parametrize("kind", KINDS)
def test_all_operations_on_an_image_share_one_deadline(kind: str) -> None:
    asked = ["vision.detect_labels", "vision.detect_objects", "vision.detect_faces", "vision.read_text"]
    with faults.serve("plain", Always(Hang())) as server:
        config = server.config(timeout=60.0, deadline=1.0, max_attempts=1)
        (answer,) = analyzed(kind, server, config, 1, operations=asked)
        assert server.count() <= 2  # four without: a time-out may fire a little before the deadline
    assert {operation: error.code for operation, error in answer.errors.items()} == dict.fromkeys(
        asked, "deadline_exceeded"
    )


def test_a_dead_backend_is_left_alone_once_its_breaker_is_open() -> None:
    with faults.serve("gcp", Always(Status(503))) as first, faults.serve("gcp") as second:
        config = routed(first, second, breaker_failures=3)
        with first.client(config) as client:
            for _ in range(30):
                assert not client.vision.analyze(picture(), operations=BOTH).errors
        assert (first.count(BOTH[0]), second.count()) == (3, 60)


def test_a_weighted_key_goes_where_its_single_calls_go() -> None:
    with faults.serve("gcp") as first, faults.serve("gcp") as second:
        with first.client(routed(first, second, {"strategy": "weighted"})) as client:
            for number in range(20):
                key = f"user {number}"
                alone = client.vision.detect_labels(picture(), key=key).backend
                together = client.vision.analyze(picture(), operations=BOTH, key=key)
                assert {result.backend for result in results_of(together)} == {alone}
        assert first.count()
        assert second.count()


def test_on_a_route_with_a_cache_an_image_is_paid_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    route = {"cache": CacheSettings(max_age=60.0)}
    with (
        faults.serve("gcp") as first,
        faults.serve("gcp") as second,
        first.client(routed(first, second, route)) as client,
    ):
        answers = [client.vision.analyze(picture(), operations=BOTH) for _ in range(3)]
        assert first.count() == 2
        assert costs(tuple(answers)) == first.bill.cost


def test_max_cost_of_a_route_holds_for_each_operation() -> None:
    route = {"max_cost": Decimal("0.0001")}
    with faults.serve("gcp") as first, faults.serve("gcp") as second:
        answers = analyzed("sync", first, routed(first, second, route), 2)
        assert (first.count(), second.count()) == (0, 0)
    assert {error.code for each in answers for error in each.errors.values()} == {"budget_exceeded"}
