"""The ledger against a model of a few lines, in whatever order things happen: on every kind of ledger."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule, run_state_machine_as_test

sys.path.insert(0, str(Path(__file__).parent))

import ledger_servers
from test_ledger_books import DAY, EVER, Clock, empty

from cloudai.errors import BudgetExceeded
from cloudai.ledger import Attempt, Books, BudgetSettings, Limit, Outcome, Reservation, State, open_store
from cloudai.ledger.periods import Every, period_of, zone_of

TTL = 3600
CLIENTS = (
    (
        Limit(every=Every.MONTH, amount=5000),
        Limit(every=Every.DAY, amount=2000, tag="a"),
    ),
    (
        Limit(every=Every.DAY, amount=3000, operation="vision.*"),
        Limit(every=Every.MONTH, amount=2500, backend="y", operation="translation.translate"),
        Limit(every=Every.DAY, amount=2000, tag="a"),
    ),
)
OPERATIONS = ("vision.detect_labels", "vision.read_text", "translation.translate", "translation.translate_document")

NOTHING = Attempt(operation="speech.voices", backend="z", provider="p", bound=0)


@dataclass
class Entry:
    """What the model knows of an attempt."""

    attempt: Attempt
    at: int
    expires: int
    state: State = State.RESERVED
    cost: int = 0


class Machine(RuleBasedStateMachine):
    """`clients` share one ledger; the model is the list of all attempts."""

    url = "memory"
    clients = CLIENTS
    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        url = self.url
        if url == "sqlite":
            url = str(Path(self.stack.enter_context(tempfile.TemporaryDirectory())) / "ledger.sqlite")
        elif "://" in url:
            empty(url)
        self.clock = Clock()
        self.books = [
            Books(
                replace(BudgetSettings(), limits=limits, reservation_ttl=float(TTL), timezone="Europe/Berlin"),
                open_store(BudgetSettings(ledger=url)),
                clock=self.clock,
            )
            for limits in self.clients
        ]
        self.entries: dict[int, Entry] = {}
        for books in self.books:  # the first reservation of a client sweeps: the next sweep is a minute away
            books.settle(books.reserve(NOTHING), outcome=Outcome.UNBILLED)

    def teardown(self) -> None:
        for books in self.books:
            books.close()
        self.stack.close()

    def used(self, limit: Limit, at: int) -> tuple[int, int]:
        """Spent and reserved in the period of `limit` that holds `at`: by adding up everything."""
        period = period_of(limit.every, at, zone_of("Europe/Berlin"))
        spent = reserved = 0
        for entry in self.entries.values():
            one = entry.attempt
            if period.starts <= entry.at < period.ends and limit.matches(one.operation, one.backend, one.tag or ""):
                if entry.state is State.RESERVED:
                    reserved += one.bound or 0
                else:
                    spent += entry.cost
        return spent, reserved

    @rule(
        target=held,
        client=st.integers(0, len(CLIENTS) - 1),
        operation=st.sampled_from(OPERATIONS),
        backend=st.sampled_from("xy"),
        tag=st.sampled_from([None, "a", "b"]),
        bound=st.integers(0, 1500),
    )
    def reserve(self, client: int, operation: str, backend: str, tag: str | None, bound: int) -> Reservation | None:
        books = self.books[client % len(self.books)]
        one = Attempt(operation=operation, backend=backend, provider="p", tag=tag, bound=bound)
        limits = [limit for limit in books.settings.limits if limit.matches(operation, backend, tag or "")]
        fits = all(sum(self.used(limit, self.clock.at)) + bound <= limit.amount for limit in limits)
        try:
            made = books.reserve(one)
        except BudgetExceeded:
            assert not fits
            assert bound
            return None
        assert fits or not bound
        assert made.id is not None
        assert made.id not in self.entries
        self.entries[made.id] = Entry(one, self.clock.at, self.clock.at + TTL * 1_000_000)
        return made

    def settle(self, made: Reservation | None, outcome: Outcome, state: State, cost: int, known: int | None) -> None:
        if made is None or made.id is None:
            return
        self.books[0].settle(made, outcome=outcome, cost=known)
        self.books[0].write()
        entry = self.entries[made.id]
        if entry.state in (State.RESERVED, State.UNKNOWN):
            entry.state, entry.cost = state, cost

    @rule(made=held, cost=st.integers(0, 1500))
    def answered(self, made: Reservation | None, cost: int) -> None:
        self.settle(made, Outcome.ANSWERED, State.SETTLED, cost, cost)

    @rule(made=consumes(held))
    def unbilled(self, made: Reservation | None) -> None:
        self.settle(made, Outcome.UNBILLED, State.RELEASED, 0, None)

    @rule(made=held)
    def lost(self, made: Reservation | None) -> None:
        self.settle(made, Outcome.UNKNOWN, State.UNKNOWN, (made and made.attempt.bound) or 0, None)

    @rule(hours=st.integers(0, 30), days=st.integers(0, 2))
    def time_passes(self, hours: int, days: int) -> None:
        self.clock.at += hours * 3_600_000_000 + days * DAY

    @rule()
    def expire(self) -> None:
        store = self.books[-1].store
        assert store is not None
        late = [e for e in self.entries.values() if e.state is State.RESERVED and e.expires <= self.clock.at]
        assert store.expire(self.clock.at) == len(late)
        for entry in late:
            entry.state, entry.cost = State.UNKNOWN, entry.attempt.bound or 0

    @rule(made=held, cost=st.integers(0, 1500))
    def adjust(self, made: Reservation | None, cost: int) -> None:
        store = self.books[0].store
        if made is None or made.id is None or store is None:
            return
        entry = self.entries[made.id]
        assert store.adjust(made.id, cost) == (entry.state is State.UNKNOWN)
        if entry.state is State.UNKNOWN:
            entry.state, entry.cost = State.SETTLED, cost

    @invariant()
    def standings_are_the_sums_of_the_model(self) -> None:
        for books in self.books:
            for standing in books.standing():
                assert (standing.spent, standing.reserved) == self.used(standing.window.limit, self.clock.at)

    @invariant()
    def groups_are_the_sums_of_the_model(self) -> None:
        store = self.books[0].store
        assert store is not None
        found = dict.fromkeys(State, 0)
        for group in store.groups(0, EVER):
            found[group.state] += group.amount
        expected = dict.fromkeys(State, 0)
        for entry in self.entries.values():
            expected[entry.state] += (entry.attempt.bound or 0) if entry.state is State.RESERVED else entry.cost
        assert found == expected

    @invariant()
    def no_limit_is_overspent_when_costs_are_within_bounds(self) -> None:
        if all(entry.cost <= (entry.attempt.bound or 0) for entry in self.entries.values()) and len(self.books) == 1:
            for standing in self.books[0].standing():
                assert standing.left >= 0


def run(url: str, examples: int, **more: Any) -> None:
    machine = type("Machine", (Machine,), {"url": url, **more})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_the_ledger_in_memory_does_as_the_model() -> None:
    run("memory", 200, clients=CLIENTS[:1])


def test_the_ledger_in_sqlite_does_as_the_model() -> None:
    run("sqlite", 100)


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ledger_servers.redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


@pytest.fixture(scope="module")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ledger_servers.postgres(tmp_path_factory.mktemp("postgres")) as url:
        yield url


@pytest.mark.program("redis-server")
def test_the_ledger_in_redis_does_as_the_model(redis_url: str) -> None:
    run(redis_url, 40)


@pytest.mark.program("pg_ctlcluster")
def test_the_ledger_in_postgres_does_as_the_model(postgres_url: str) -> None:
    run(postgres_url, 25)
