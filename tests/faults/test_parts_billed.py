"""A text in parts whose first backend fails in the middle: what it had answered is billed, said, and in the cost."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cloudai.config import Config
from cloudai.ledger import BudgetSettings, Limit, State, micro, open_store
from cloudai.ledger.periods import Every
from cloudai.testing import faults
from cloudai.testing.faults import FaultServer, Ok, Status

TEXT = "This is one sentence of many. " * 800
"""24,000 characters: three requests at AWS, one at Google."""
FAR = 2**60


def translated(kind: str, server: FaultServer, config: Config) -> Any:
    def call(client: Any) -> Any:
        return client.translation.translate(TEXT, source="en", target="de")

    async def once() -> Any:
        async with server.async_client(config) as client:
            return await call(client)

    if kind == "async":
        return asyncio.run(once())
    with server.client(config) as client:
        return call(client)


def routed(folder: Path, first: FaultServer, second: FaultServer) -> Config:
    budget = BudgetSettings(limits=(Limit(every=Every.MONTH, amount=10_000_000),), ledger=str(folder / "ledger.sqlite"))
    made = faults.config(first.backend("first"), second.backend("second"), max_attempts=1)
    return replace(made, budget=budget)


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("answered", [0, 1, 2])
def test_the_cost_is_both_bills_and_the_notice_says_how_many(kind: str, answered: int, tmp_path: Path) -> None:
    script = [*[Ok()] * answered, Status(503)]
    with faults.serve("aws", script) as first, faults.serve("gcp") as second:
        config = routed(tmp_path, first, second)
        result = translated(kind, first, config)
        assert (first.count(), second.count(), result.backend) == (answered + 1, 1, "second")
        true = (first.bill.cost or 0) + (second.bill.cost or 0)
    assert result.cost is not None
    assert result.cost.amount == true
    said = [notice.message for notice in result.warnings if notice.code == "billed_before"]
    expected = [f"first had answered {answered} of its requests: they are billed, and in the cost"]
    assert said == (expected if answered else [])
    assert config.budget is not None
    store = open_store(config.budget)
    rows = [row for state in (State.SETTLED, State.UNKNOWN) for row in store.rows(state, 0, FAR)]
    (record,) = store.calls(0, FAR)
    store.close()
    assert micro(true) <= sum(row.cost or 0 for row in rows) <= micro(true) + len(rows)
    assert record.cost == micro(true)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_part_that_is_tried_again_is_billed_once(kind: str, tmp_path: Path) -> None:
    """Only the part that failed is sent again: nothing is said, as nothing was in vain."""
    with faults.serve("aws", [Ok(), Status(503)]) as first, faults.serve("gcp") as second:
        made = faults.config(first.backend("first"), second.backend("second"), max_attempts=2, backoff=0.001)
        result = translated(kind, first, made)
        assert (first.count(), first.bill.requests, second.count()) == (4, 3, 0)
        assert result.cost is not None
        assert result.cost.amount == first.bill.cost
    assert not [notice for notice in result.warnings if notice.code == "billed_before"]
