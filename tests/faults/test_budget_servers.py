"""Ledgers on servers that are away, hang, or hang up: the configured choice is followed, and no password is shown."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

import ledger_servers

from cloudai.errors import CloudAIError, ErrorCode
from cloudai.ledger import Attempt, Books, BudgetSettings, Limit, Outcome, Said, open_books, postgres, redis
from cloudai.ledger.periods import Every

ATTEMPT = Attempt(operation="vision.detect_labels", backend="here", provider="gcp", bound=1000)
MONTH = Limit(every=Every.MONTH, amount=10_000)
SECRET = "hunter2hunter2"
ADDRESSES = ["postgresql://me:{secret}@127.0.0.1:{port}/db?sslmode=disable", "redis://:{secret}@127.0.0.1:{port}/0"]
pytestmark = pytest.mark.parametrize("kind", [0, 1], ids=["postgres", "redis"])


def opened(url: str, choice: str = "refuse") -> Books:
    return open_books(BudgetSettings(limits=(MONTH,), ledger=url, on_ledger_error=choice))  # type: ignore[arg-type]


def address(kind: int, port: int) -> str:
    return ADDRESSES[kind].format(secret=SECRET, port=port)


def test_a_server_that_is_away_refuses_without_showing_the_password(kind: int) -> None:
    books = opened(address(kind, ledger_servers.free_port()))
    with pytest.raises(CloudAIError, match="nothing was sent, because the ledger can't be written") as caught:
        books.reserve(ATTEMPT)
    assert caught.value.code is ErrorCode.BUDGET_EXCEEDED
    everything = [str(caught.value), repr(caught.value), repr(caught.value.__cause__), books.settings.safe_ledger()]
    assert SECRET not in "".join(everything)
    books.close()


def test_a_server_that_is_away_is_warned_of_once(kind: int, caplog: pytest.LogCaptureFixture) -> None:
    books = opened(address(kind, ledger_servers.free_port()), "warn")
    with caplog.at_level(logging.WARNING, "cloudai.budget"):
        held = [books.reserve(ATTEMPT) for _ in range(3)]
        books.settle(held[0], outcome=Outcome.ANSWERED, cost=5)
    books.close()
    assert [notice.code for each in held for notice in each.notices] == [Said.UNBOOKED]
    assert len(caplog.messages) == 1
    assert SECRET not in caplog.text


def test_a_server_that_does_not_answer_holds_up_one_call_for_a_bounded_time(
    kind: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be for ever: the listener never accepts."""
    monkeypatch.setattr(postgres, "CONNECT_SECONDS", 2)  # libpq takes no less
    monkeypatch.setattr(redis, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        books = opened(address(kind, silent.getsockname()[1]), "warn")
        assert [books.reserve(ATTEMPT).id for _ in range(20)] == [None] * 20
        books.close()


@pytest.fixture
def server(kind: int, tmp_path: Path) -> Iterator[str]:
    with (ledger_servers.postgres, ledger_servers.redis)[kind](tmp_path) as url:
        yield url


def hang_up(url: str) -> None:
    """The server closes all connections that it has."""
    if url.startswith("redis"):
        import redis as client

        with client.Redis.from_url(url) as connection:
            connection.client_kill_filter(_type="normal", skipme=True)
        return
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'cloudai'")


@pytest.mark.program("pg_ctlcluster")
@pytest.mark.program("redis-server")
def test_a_connection_that_the_server_closed_is_made_again_and_nothing_is_booked_twice(server: str) -> None:
    books = opened(server)
    for _ in range(3):
        books.settle(books.reserve(ATTEMPT), outcome=Outcome.ANSWERED, cost=1000)
        hang_up(server)
    held = books.reserve(ATTEMPT)
    hang_up(server)
    books.settle(held, outcome=Outcome.ANSWERED, cost=500)
    assert [(each.spent, each.reserved) for each in books.standing()] == [(3500, 0)]
    books.close()
