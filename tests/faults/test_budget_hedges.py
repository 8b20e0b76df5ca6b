"""Hedges and the budget: each request holds its own bound, and what does not fit is not sent."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from cloudai.calls.latencies import ENOUGH
from cloudai.config import Config
from cloudai.ledger import BudgetSettings, Limit, State, micro, open_store
from cloudai.ledger.periods import Every
from cloudai.testing import faults
from cloudai.testing.faults import Always, FaultServer, Ok
from cloudai.testing.samples import picture

ONE = 1500
"""Micro-USD: labels of one image at Google."""
FAR = 2**60
MEASURED = ENOUGH
"""Calls before the slow one: none of them is hedged, however late it is, as nobody knows yet what is usual."""
SCRIPT = [*[Ok()] * MEASURED, Ok(slower=30), Always(Ok())]


def hedged(server: FaultServer, folder: Path, calls: int) -> Config:
    limit = Limit(every=Every.MONTH, amount=calls * ONE)
    budget = BudgetSettings(limits=(limit,), ledger=str(folder / "ledger.sqlite"))
    made = server.config(timeout=30.0)
    return replace(made, routes=(replace(made.routes[0], strategy="hedged"),), budget=budget)


def asked(kind: str, server: FaultServer, config: Config) -> None:
    async def many() -> None:
        async with server.async_client(config) as client:
            for _ in range(MEASURED + 1):
                await client.vision.detect_labels(picture())

    if kind == "async":
        asyncio.run(many())
        return
    with server.client(config) as client:
        for _ in range(MEASURED + 1):
            client.vision.detect_labels(picture())


def counted(config: Config) -> tuple[int, int]:
    """Attempts that were sent, and micro-USD that count as spent or are held."""
    assert config.budget is not None
    store = open_store(config.budget)
    rows = [row for state in State for row in store.rows(state, 0, FAR)]
    store.close()
    sent = [row for row in rows if row.state is not State.RELEASED]
    return len(sent), sum((row.bound if row.cost is None else row.cost) or 0 for row in sent)


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_hedge_holds_its_own_bound(kind: str, tmp_path: Path) -> None:
    with faults.serve("gcp", SCRIPT, latency=0.02) as server:
        config = hedged(server, tmp_path, MEASURED + 10)
        asked(kind, server, config)
        assert server.count() == MEASURED + 2
        attempts, spent = counted(config)
        assert attempts == server.count()
        assert micro(server.bill.cost or 0) <= spent <= server.count() * ONE  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_hedge_that_the_budget_has_no_room_for_is_not_sent_and_the_call_is_answered(
    kind: str, tmp_path: Path
) -> None:
    with faults.serve("gcp", SCRIPT, latency=0.02) as server:
        config = hedged(server, tmp_path, MEASURED + 1)
        asked(kind, server, config)
        assert server.count() == MEASURED + 1
        assert counted(config) == (MEASURED + 1, (MEASURED + 1) * ONE)
