"""A ledger that another program has locked holds up its own callers, and nobody else on the event loop."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from cloudai.config import Config
from cloudai.errors import BudgetExceeded
from cloudai.ledger import BudgetSettings, Limit, State, open_store
from cloudai.ledger.periods import Every
from cloudai.testing import faults
from cloudai.testing.faults import FaultServer
from cloudai.testing.faults.wire_plain import PlainWire
from cloudai.testing.samples import picture

ONE = 1500
LOCKED = 0.6
"""Seconds that the ledger is locked."""
FAR = 2**60


@contextmanager
def server() -> Iterator[FaultServer]:
    with faults.serve(PlainWire("gcp", region="us-central1")) as one:
        yield one


def kept(one: FaultServer, path: Path, calls: int) -> Config:
    limit = Limit(every=Every.MONTH, amount=calls * ONE)
    return replace(one.config(), budget=BudgetSettings(limits=(limit,), ledger=str(path)))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """By another program."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("COMMIT")


def spent(path: Path) -> dict[State, int]:
    store = open_store(BudgetSettings(ledger=str(path)))
    found = {state: sum(row.cost or 0 for row in store.rows(state, 0, FAR)) for state in State}
    store.close()
    return found


def test_the_loop_goes_on_while_the_ledger_is_locked(tmp_path: Path) -> None:
    """Beats of the loop are counted, not timed: a loop that is held up for the whole of it beats once or twice."""
    path, image = tmp_path / "ledger.sqlite", picture()

    async def main(config: Config, one: FaultServer) -> tuple[int, float]:
        beats = 0
        async with one.async_client(config) as client:
            await client.vision.detect_labels(image)
            with locked(path):
                calls = [asyncio.create_task(client.vision.detect_labels(image)) for _ in range(8)]
                ends = time.monotonic() + LOCKED
                while time.monotonic() < ends:
                    await asyncio.sleep(0.01)
                    beats += 1
                assert not any(call.done() for call in calls)
            results = await asyncio.gather(*calls)
        return beats, float(sum(result.cost.amount for result in results if result.cost))

    with server() as one:
        beats, cost = asyncio.run(main(kept(one, path, 9), one))
        assert one.count() == 9
    assert beats >= 10
    assert cost == 8 * ONE / 1e6
    assert spent(path) == {State.RESERVED: 0, State.SETTLED: 9 * ONE, State.RELEASED: 0, State.UNKNOWN: 0}


def test_64_tasks_and_another_writer_send_exactly_ten_requests(tmp_path: Path) -> None:
    """However often the ledger is taken away: nothing is reserved twice, nothing is sent twice."""
    path, image = tmp_path / "ledger.sqlite", picture()

    async def main(config: Config, one: FaultServer) -> int:
        async with one.async_client(config) as client:

            async def call() -> bool:
                try:
                    await client.vision.detect_labels(image)
                except BudgetExceeded:
                    return False
                return True

            async def disturb() -> None:
                for _ in range(20):
                    with locked(path):
                        await asyncio.sleep(0.005)
                    await asyncio.sleep(0.001)

            answered = await asyncio.gather(*[call() for _ in range(4)])
            disturbing = asyncio.create_task(disturb())
            answered += await asyncio.gather(*[call() for _ in range(60)])
            await disturbing
            return sum(answered)

    with server() as one:
        assert asyncio.run(main(kept(one, path, 10), one)) == 10
        assert one.count() == 10
    assert spent(path) == {State.RESERVED: 0, State.SETTLED: 10 * ONE, State.RELEASED: 0, State.UNKNOWN: 0}
