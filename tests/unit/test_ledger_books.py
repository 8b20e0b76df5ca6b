"""What the books promise, on every kind of ledger: memory, SQLite, and real PostgreSQL and Redis servers."""

from __future__ import annotations

import dataclasses
import datetime
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import ledger_servers

from cloudai.errors import BudgetExceeded, ErrorCode
from cloudai.ledger import (
    Attempt,
    Books,
    BudgetSettings,
    CallRecord,
    Limit,
    Outcome,
    Said,
    State,
    Used,
    open_books,
    open_store,
)
from cloudai.ledger.periods import Every, instant

START = instant(datetime.datetime(2026, 11, 21, 12, tzinfo=datetime.UTC))
MINUTE, DAY = 60_000_000, 86_400_000_000
MONTH = Limit(every=Every.MONTH, amount=10_000)
EVER = 2**52

KINDS = [
    "memory",
    "sqlite",
    pytest.param("postgres", marks=pytest.mark.program("pg_ctlcluster")),
    pytest.param("redis", marks=pytest.mark.program("redis-server")),
]


shared = pytest.mark.parametrize("server", KINDS[1:], indirect=True)
"""Not in memory: that ledger has one client, and its limits from the beginning."""


class Clock:
    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> int:
        return self.at


class Ledger:
    """One ledger, and as many books on it as a test wants."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.clock = Clock()
        self.opened: list[Books] = []
        self.memory = open_store(BudgetSettings(ledger="memory"))

    def __call__(self, *limits: Limit, **more: object) -> Books:
        settings = dataclasses.replace(BudgetSettings(limits=limits, ledger=self.url), **more)  # type: ignore[arg-type]
        store = self.memory if self.url == "memory" else open_store(settings)
        books = Books(settings, store, clock=self.clock)
        self.opened.append(books)
        return books


@pytest.fixture(scope="module", params=KINDS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param in ("memory", "sqlite"):
        yield request.param
        return
    with getattr(ledger_servers, request.param)(tmp_path_factory.mktemp(request.param)) as url:
        yield url


@pytest.fixture
def ledger(server: str, tmp_path: Path) -> Iterator[Ledger]:
    url = str(tmp_path / "ledger.sqlite") if server == "sqlite" else server
    if "://" in server:
        empty(server)
    found = Ledger(url)
    yield found
    for books in found.opened:
        books.close()


def empty(url: str) -> None:
    if url.startswith("redis"):
        import redis

        with redis.Redis.from_url(url) as client:
            client.flushall()
        return
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA IF EXISTS cloudai CASCADE")


def attempt(bound: int | None = 1000, **more: object) -> Attempt:
    base = Attempt(operation="vision.detect_labels", backend="here", provider="aws", bound=bound, call_id="c", tag="a")
    return dataclasses.replace(base, **more)  # type: ignore[arg-type]


def spent(books: Books) -> list[tuple[int, int]]:
    return [(standing.spent, standing.reserved) for standing in books.standing()]


def answer(books: Books, cost: int | None, bound: int | None = 1000, **more: object) -> None:
    books.settle(books.reserve(attempt(bound, **more)), outcome=Outcome.ANSWERED, cost=cost)
    books.write()


def test_an_attempt_holds_its_bound_and_leaves_its_cost(ledger: Ledger) -> None:
    books = ledger(MONTH)
    held = books.reserve(attempt(1000))
    assert spent(books) == [(0, 1000)]
    books.settle(held, outcome=Outcome.ANSWERED, cost=700)
    assert spent(books) == [(700, 0)]


def test_what_was_not_billed_is_released(ledger: Ledger) -> None:
    books = ledger(MONTH)
    books.settle(books.reserve(attempt()), outcome=Outcome.UNBILLED)
    assert spent(books) == [(0, 0)]


def test_what_may_have_been_billed_counts_at_its_bound(ledger: Ledger) -> None:
    books = ledger(MONTH)
    books.settle(books.reserve(attempt()), outcome=Outcome.UNKNOWN)
    books.settle(books.reserve(attempt()), outcome=Outcome.ANSWERED, cost=None)
    assert spent(books) == [(2000, 0)]


def test_ten_calls_fit_into_a_budget_of_ten_and_the_eleventh_is_refused_with_the_figures(ledger: Ledger) -> None:
    books = ledger(MONTH)
    for _ in range(9):
        answer(books, 1000)
    books.reserve(attempt())
    with pytest.raises(BudgetExceeded) as caught:
        books.reserve(attempt())
    error = caught.value
    assert error.code is ErrorCode.BUDGET_EXCEEDED
    assert not error.retryable
    assert (error.limit, error.spent, error.reserved, error.amount) == (
        "monthly budget", Decimal("0.009"), Decimal("0.001"), Decimal("0.01"),
    )  # fmt: skip
    assert error.renews == "2026-12-01T00:00+00:00"
    assert "0.009 USD spent, 0.001 USD reserved; it renews at 2026-12-01T00:00+00:00" in str(error)
    assert spent(books) == [(9000, 1000)]


def test_what_is_free_passes_an_exhausted_budget_and_what_has_no_price_does_not(ledger: Ledger) -> None:
    books = ledger(MONTH, on_unknown_price="allow")
    answer(books, 10_000, bound=10_000)
    books.reserve(attempt(0))
    with pytest.raises(BudgetExceeded):
        books.reserve(attempt(None))


def test_settling_twice_changes_nothing(ledger: Ledger) -> None:
    books = ledger(MONTH)
    held = books.reserve(attempt())
    books.settle(held, outcome=Outcome.ANSWERED, cost=400)
    books.settle(held, outcome=Outcome.ANSWERED, cost=900)
    books.settle(held, outcome=Outcome.UNBILLED)
    assert spent(books) == [(400, 0)]


def test_limits_count_only_what_matches_them(ledger: Ledger) -> None:
    limits = (
        MONTH,
        Limit(every=Every.DAY, amount=5000, tag="a"),
        Limit(every=Every.MONTH, amount=5000, backend="there"),
        Limit(every=Every.MONTH, amount=5000, operation="vision.*"),
        Limit(every=Every.MONTH, amount=5000, operation="translation.translate"),
    )
    books = ledger(*limits)
    answer(books, 1)
    answer(books, 10, tag=None, backend="there")
    answer(books, 100, operation="translation.translate", tag="b")
    answer(books, 1000, operation="translation.translate_document", tag="b")
    assert [each[0] for each in spent(books)] == [1111, 1, 10, 11, 100]


def test_a_budget_renews_with_its_period_and_a_late_answer_counts_where_it_began(ledger: Ledger) -> None:
    books = ledger(Limit(every=Every.DAY, amount=1500))
    late = books.reserve(attempt())
    ledger.clock.at += DAY
    answer(books, 900)
    assert spent(books) == [(900, 0)]
    books.settle(late, outcome=Outcome.ANSWERED, cost=1000)
    assert spent(books) == [(900, 0)]
    ledger.clock.at -= DAY
    assert spent(books) == [(1000, 0)]


@shared
def test_a_limit_that_is_new_counts_what_was_spent_before_it(ledger: Ledger) -> None:
    first = ledger(MONTH)
    answer(first, 700)
    answer(first, 50, tag="b")
    first.reserve(attempt(200))
    first.settle(first.reserve(attempt(40)), outcome=Outcome.UNKNOWN)
    second = ledger(Limit(every=Every.DAY, amount=1000, tag="a", operation="vision.*"))
    assert spent(second) == [(740, 200)]
    with pytest.raises(BudgetExceeded):
        second.reserve(attempt(61))
    second.reserve(attempt(60))


@shared
def test_clients_with_different_limits_count_into_each_others(ledger: Ledger) -> None:
    one = ledger(MONTH)
    other = ledger(Limit(every=Every.DAY, amount=5000, tag="a"))
    assert spent(other) == [(0, 0)]
    answer(one, 700)
    answer(ledger(), 20)
    assert spent(other) == [(720, 0)]
    assert spent(one) == [(720, 0)]


def test_an_expired_reservation_counts_as_spent_at_its_bound_until_it_is_settled(ledger: Ledger) -> None:
    books = ledger(MONTH, reservation_ttl=60.0)
    held = books.reserve(attempt())
    assert books.store is not None
    assert books.store.expire(ledger.clock.at + MINUTE - 1) == 0
    assert books.store.expire(ledger.clock.at + MINUTE) == 1
    assert spent(books) == [(1000, 0)]
    assert [row.bound for row in books.store.rows(State.UNKNOWN, 0, EVER)] == [1000]
    books.settle(held, outcome=Outcome.ANSWERED, cost=300)
    assert spent(books) == [(300, 0)]
    assert not books.store.rows(State.UNKNOWN, 0, EVER)


def test_an_unknown_attempt_can_be_put_right_once(ledger: Ledger) -> None:
    books = ledger(MONTH)
    held = books.reserve(attempt())
    books.settle(held, outcome=Outcome.UNKNOWN)
    assert books.store is not None
    assert held.id is not None
    assert books.store.adjust(held.id, 0)
    assert spent(books) == [(0, 0)]
    assert not books.store.adjust(held.id, 500)
    assert not books.store.adjust(held.id + 1000, 500)
    assert spent(books) == [(0, 0)]


@pytest.mark.parametrize(("bound", "state", "cost"), [(0, State.SETTLED, 0), (9, State.UNKNOWN, 9)])
def test_an_answer_of_unknown_cost_counts_at_its_bound_which_it_cost_where_that_is_0(
    ledger: Ledger, bound: int, state: State, cost: int
) -> None:
    books = ledger(MONTH)
    books.settle(books.reserve(attempt(bound)), outcome=Outcome.ANSWERED)
    books.write()
    assert books.store is not None
    (group,) = books.store.groups(0, EVER)
    assert (group.state, group.amount, group.unpriced) == (state, cost, 0)
    assert spent(books) == [(cost, 0)]


def test_on_exceed_warn_lets_pass_and_says_so(ledger: Ledger, caplog: pytest.LogCaptureFixture) -> None:
    books = ledger(MONTH, on_exceed="warn", warn_at=())
    answer(books, 9500, bound=9500)
    with caplog.at_level(logging.WARNING, "cloudai.budget"):
        held = [books.reserve(attempt()) for _ in range(3)]
    assert [[notice.code for notice in each.notices] for each in held] == [[Said.OVER]] * 3
    assert caplog.messages == ["the monthly budget of 0.01 USD is exceeded: 0.0105 USD"]
    assert spent(books) == [(9500, 3000)]


def test_a_threshold_is_said_once_by_whoever_passes_it(ledger: Ledger) -> None:
    one, other = ledger(MONTH), ledger(MONTH)
    said = []
    for turn in range(10):
        held = (one, other)[turn % 2].reserve(attempt())
        said += [(turn, notice.code, notice.message[:3]) for notice in held.notices]
        (one, other)[turn % 2].settle(held, outcome=Outcome.ANSWERED, cost=1000)
    assert said == [(4, Said.THRESHOLD, "50%"), (7, Said.THRESHOLD, "80%")]


def test_a_threshold_passed_again_after_a_release_is_not_said_again(ledger: Ledger) -> None:
    books = ledger(MONTH)
    said = []
    for _ in range(3):
        held = books.reserve(attempt(6000))
        said += held.notices
        books.settle(held, outcome=Outcome.UNBILLED)
    assert len(said) == 1


def test_an_unknown_price_is_refused_where_a_budget_is_to_hold(ledger: Ledger) -> None:
    books = ledger(Limit(every=Every.MONTH, amount=10_000, tag="a"))
    with pytest.raises(BudgetExceeded, match=r"no price of vision.detect_labels at here .* is known"):
        books.reserve(attempt(None))
    assert spent(books) == [(0, 0)]
    books.reserve(attempt(None, tag="b"))


def test_an_unknown_price_that_is_allowed_is_counted_but_not_as_nothing(ledger: Ledger) -> None:
    books = ledger(MONTH, on_unknown_price="allow")
    held = books.reserve(attempt(None))
    assert [notice.code for notice in held.notices] == [Said.UNPRICED]
    books.settle(held, outcome=Outcome.ANSWERED, cost=None)
    assert not books.reserve(attempt(None)).notices
    assert books.store is not None
    groups = {group.state: group for group in books.store.groups(0, EVER)}
    assert (groups[State.SETTLED].attempts, groups[State.SETTLED].unpriced, groups[State.SETTLED].amount) == (1, 1, 0)
    assert (groups[State.RESERVED].attempts, groups[State.RESERVED].unpriced) == (1, 1)


def test_a_cost_that_becomes_known_of_an_unpriced_attempt_is_counted(ledger: Ledger) -> None:
    books = ledger(MONTH, on_unknown_price="allow")
    answer(books, 250, bound=None)
    assert spent(books) == [(250, 0)]


CALL = CallRecord(
    call_id="c", operation="vision.detect_labels", outcome="ok", backend="here", provider="aws", region="eu-west-1",
    model="m-1", attempts=2, latency=1500, queue=1, overhead=2, upstream=1497, cost=700, tag="a", top_label="cat",
    confidence=0.75, language="de", input_bytes=1234, at=START,
    usage=(Used(meter="vision.detect_labels", unit="image", quantity=Decimal("1")),),
)  # fmt: skip


def test_a_call_comes_back_as_it_was_recorded(ledger: Ledger) -> None:
    books = ledger(MONTH)
    assert books.store is not None
    books.settle(books.reserve(attempt()), outcome=Outcome.ANSWERED, cost=700, call=CALL)
    bare = CallRecord(operation="speech.voices", outcome="unavailable", cached=True, at=START + 1)
    books.record(bare)
    books.write()
    assert list(books.store.calls(START, START + 2)) == [CALL, bare]
    assert list(books.store.calls(START + 1, START + 2)) == [bare]


def test_a_call_without_a_time_is_of_now(ledger: Ledger) -> None:
    books = ledger(MONTH)
    assert books.store is not None
    books.settle(books.reserve(attempt()), outcome=Outcome.UNBILLED, call=dataclasses.replace(CALL, at=0))
    assert [call.at for call in books.store.calls(0, EVER)] == [START]


def test_units_are_summed_by_day_and_meter(ledger: Ledger) -> None:
    books = ledger(MONTH)
    assert books.store is not None
    used = (Used(meter="m", unit="second", quantity=Decimal("0.1")), Used(meter="n", unit="image", quantity=Decimal(1)))
    for day in (0, 0, 0, 1):
        books.record(dataclasses.replace(CALL, at=START + day * DAY, usage=used))
    books.write()
    sums = {(group.day, group.meter, group.unit): (group.quantity, group.calls) for group in books.store.used(0, EVER)}
    first = START // DAY
    assert sums == {
        (first, "m", "second"): (Decimal("0.3"), 3),
        (first, "n", "image"): (Decimal(3), 3),
        (first + 1, "m", "second"): (Decimal("0.1"), 1),
        (first + 1, "n", "image"): (Decimal(1), 1),
    }


def test_groups_add_up_to_the_totals(ledger: Ledger) -> None:
    books = ledger(MONTH)
    assert books.store is not None
    answer(books, 700)
    answer(books, 30, backend="there", region="eu")
    books.reserve(attempt(200))
    books.settle(books.reserve(attempt(40)), outcome=Outcome.UNKNOWN)
    books.settle(books.reserve(attempt(40)), outcome=Outcome.UNBILLED)
    groups = books.store.groups(0, EVER)
    assert sum(g.amount for g in groups if g.state in (State.SETTLED, State.UNKNOWN)) == spent(books)[0][0] == 770
    assert sum(g.amount for g in groups if g.state is State.RESERVED) == spent(books)[0][1] == 200
    assert sum(g.attempts for g in groups) == 5
    assert {(g.backend, g.region) for g in groups} == {("here", ""), ("there", "eu")}


def test_old_rows_are_pruned_and_new_ones_kept(ledger: Ledger) -> None:
    books = ledger(MONTH)
    assert books.store is not None
    answer(books, 700)
    books.record(CALL)
    ledger.clock.at += 100 * DAY
    answer(books, 300)
    books.store.prune(ledger.clock.at - DAY)
    assert sum(group.amount for group in books.store.groups(0, EVER)) == 300
    assert spent(books) == [(300, 0)]
    if ledger.url != "memory":
        assert not list(books.store.calls(0, EVER))


def test_without_a_budget_nothing_is_booked() -> None:
    books = open_books(None)
    held = books.reserve(attempt(None))
    books.settle(held, outcome=Outcome.ANSWERED, cost=5, call=CALL)
    assert (held.id, list(books.standing())) == (None, [])
    books.close()


def in_threads(count: int, task: Callable[[], None]) -> None:
    threads = [threading.Thread(target=task) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_64_threads_get_exactly_ten_reservations(ledger: Ledger) -> None:
    books = ledger(MONTH)
    granted, refused = [], []

    def task() -> None:
        try:
            granted.append(books.reserve(attempt()))
        except BudgetExceeded:
            refused.append(1)

    in_threads(64, task)
    assert (len(granted), len(refused)) == (10, 54)
    assert spent(books) == [(0, 10_000)]


@shared
def test_a_forked_child_keeps_its_own_connection(ledger: Ledger) -> None:
    books = ledger(MONTH)
    answer(books, 100)
    child = os.fork()
    if not child:
        try:
            answer(books, 20)
        except BaseException:
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    answer(books, 3)
    assert spent(books) == [(123, 0)]


def test_a_client_sweeps_by_itself_what_others_left(ledger: Ledger) -> None:
    """Beside its calls: what has expired is marked, what is too old is deleted."""
    first = ledger(MONTH, reservation_ttl=60.0)
    answer(first, 1)
    first.reserve(attempt(40))
    first.close()
    ledger.clock.at += DAY
    second = ledger(MONTH)
    second.reserve(attempt(7))
    assert second.store is not None
    second.close()  # waits for its sweep
    assert [row.bound for row in ledger(MONTH).store.rows(State.UNKNOWN, 0, EVER)] == [40]  # type: ignore[union-attr]
    ledger.clock.at += 401 * DAY
    third = ledger(MONTH)
    third.reserve(attempt(5))
    third.close()
    left = ledger(MONTH).store.groups(0, EVER)  # type: ignore[union-attr]
    assert [group.amount for group in left if group.state is State.SETTLED] == []
