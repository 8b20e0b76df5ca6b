"""A ledger that can't be read or written: the configured choice is followed, and said once."""

from __future__ import annotations

import logging
import os
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cloudai.errors import CloudAIError, ErrorCode
from cloudai.ledger import Attempt, Books, BudgetSettings, CallRecord, Limit, Outcome, Said, books, open_books, sqlite
from cloudai.ledger.periods import Every

ATTEMPT = Attempt(operation="vision.detect_labels", backend="here", provider="gcp", bound=1000)
MONTH = Limit(every=Every.MONTH, amount=10**12)
CALL = CallRecord(operation="vision.detect_labels", outcome="ok")
Break = Callable[[Path], object]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits for a lock are seconds in earnest."""
    monkeypatch.setattr(sqlite, "LOCK_WAIT", 0.05)
    monkeypatch.setattr(books, "HOLD_OFF_SECONDS", 0.05)


def opened(path: Path, choice: str) -> Books:
    return open_books(BudgetSettings(limits=(MONTH,), ledger=str(path), on_ledger_error=choice))  # type: ignore[arg-type]


def a_folder_in_the_way(path: Path) -> object:
    path.mkdir()
    return None


def not_a_database(path: Path) -> object:
    path.write_bytes(b"this was a ledger once, now it is a letter to a friend" * 100)
    return None


def a_torn_database(path: Path) -> object:
    with_some(path)
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))
    return None


def of_a_newer_version(path: Path) -> object:
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    return None


def locked(path: Path) -> object:
    with_some(path)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    return holder


def under_a_file(path: Path) -> object:
    """As a folder that can't be made."""
    path.parent.rmdir()
    path.parent.write_text("a file")
    return None


def with_some(path: Path) -> None:
    kept = opened(path, "refuse")
    for _ in range(50):
        kept.settle(kept.reserve(ATTEMPT), outcome=Outcome.ANSWERED, cost=1, call=CALL)
    kept.close()


@pytest.fixture(
    params=[a_folder_in_the_way, not_a_database, a_torn_database, of_a_newer_version, locked, under_a_file],
    ids=lambda each: each.__name__,
)
def broken(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "state" / "ledger.sqlite"
    path.parent.mkdir()
    holder = request.param(path)
    yield path
    if isinstance(holder, sqlite3.Connection):
        holder.close()


def test_refuse_sends_nothing_and_says_what_is_wrong(broken: Path) -> None:
    kept = opened(broken, "refuse")
    for _ in range(3):
        with pytest.raises(CloudAIError, match="nothing was sent, because the ledger can't be written") as caught:
            kept.reserve(ATTEMPT)
        assert caught.value.code is ErrorCode.BUDGET_EXCEEDED
        assert not caught.value.retryable
        assert str(broken) in str(caught.value)
        assert 'on_ledger_error = "warn"' in str(caught.value)
    kept.close()


def test_warn_calls_without_counting_and_says_it_once(broken: Path, caplog: pytest.LogCaptureFixture) -> None:
    kept = opened(broken, "warn")
    with caplog.at_level(logging.WARNING, "cloudai.budget"):
        held = [kept.reserve(ATTEMPT) for _ in range(5)]
        time.sleep(0.1)  # past the time in which the ledger is not asked again
        held.append(kept.reserve(ATTEMPT))
        for each in held:
            kept.settle(each, outcome=Outcome.ANSWERED, cost=5, call=CALL)
    kept.close()
    assert [each.id for each in held] == [None] * 6
    assert [[notice.code for notice in each.notices] for each in held] == [[Said.UNBOOKED], [], [], [], [], []]
    assert len(caplog.messages) == 1
    assert "so calls are not counted" in caplog.messages[0]


def test_a_lock_that_is_given_back_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    holder = locked(path)
    assert isinstance(holder, sqlite3.Connection)
    kept = opened(path, "refuse")
    with pytest.raises(CloudAIError, match="locked by another program"):
        kept.reserve(ATTEMPT)
    holder.rollback()
    holder.close()
    time.sleep(0.1)
    assert kept.reserve(ATTEMPT).id is not None
    kept.close()


def test_after_a_lock_one_call_waits_and_the_next_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "ledger.sqlite"
    holder = locked(path)
    assert isinstance(holder, sqlite3.Connection)
    kept = opened(path, "warn")
    monkeypatch.setattr(books, "HOLD_OFF_SECONDS", 3600.0)
    assert kept.reserve(ATTEMPT).id is None
    holder.close()  # whoever asked the file again would get it
    assert [kept.reserve(ATTEMPT).id for _ in range(3)] == [None] * 3
    kept.close()


def test_an_answer_that_can_not_be_written_is_written_when_it_can_and_the_failure_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "ledger.sqlite"
    kept = opened(path, "refuse")
    held = kept.reserve(ATTEMPT)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with caplog.at_level(logging.WARNING, "cloudai.budget"):
        kept.settle(held, outcome=Outcome.ANSWERED, cost=1)
        kept.record(CALL)
        kept.write()
    holder.close()
    time.sleep(0.1)
    assert [(each.spent, each.reserved) for each in kept.standing()] == [(1, 0)]
    assert len(caplog.messages) == 1
    kept.close()


FULL = """
    import logging, resource, signal, sys
    from cloudai.errors import CloudAIError
    from cloudai.ledger import Attempt, BudgetSettings, CallRecord, Limit, Outcome, open_books
    from cloudai.ledger import books as module
    from cloudai.ledger.periods import Every
    logging.basicConfig(format="SAID %(message)s", stream=sys.stdout)
    module.HOLD_OFF_SECONDS = 0.0
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
    limit = Limit(every=Every.MONTH, amount=10**12)
    books = open_books(BudgetSettings(limits=(limit,), ledger=sys.argv[1], on_ledger_error=sys.argv[2]))
    attempt = Attempt(operation="vision.detect_labels", backend="here", provider="gcp", bound=1000)
    call = CallRecord(operation="vision.detect_labels", outcome="ok", model="x" * 500)
    booked = unbooked = refused = 0
    for _ in range(400):
        try:
            held = books.reserve(attempt)
        except CloudAIError as error:
            refused += 1
            assert "can't be written" in str(error), error
            continue
        booked, unbooked = booked + (held.id is not None), unbooked + (held.id is None)
        books.settle(held, outcome=Outcome.ANSWERED, cost=1000, call=call)
    print("COUNT", booked, unbooked, refused)
    books.close()
"""


def fill(path: Path, choice: str) -> tuple[tuple[int, ...], list[str]]:
    """A process whose files may not grow past 150,000 bytes: booked, not booked, refused; and what was said."""
    command = [sys.executable, "-c", textwrap.dedent(FULL), str(path), choice]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    counts = next(line for line in lines if line.startswith("COUNT"))
    return tuple(int(number) for number in counts.split()[1:]), [line for line in lines if line.startswith("SAID")]


def test_a_full_disk_refuses_and_what_was_counted_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    (booked, unbooked, refused), said = fill(path, "refuse")
    assert booked > 0
    assert unbooked == 0
    assert refused > 0
    assert len(said) <= 1
    kept = opened(path, "refuse")
    (standing,) = kept.standing()
    assert standing.spent + standing.reserved == booked * 1000
    kept.close()


def test_a_full_disk_is_warned_of_once(tmp_path: Path) -> None:
    (booked, unbooked, refused), said = fill(tmp_path / "ledger.sqlite", "warn")
    assert booked > 0
    assert unbooked > 0
    assert refused == 0
    assert len(said) == 1


READ_ONLY = """
    import os, sys
    from cloudai.errors import CloudAIError
    from cloudai.ledger import Attempt, BudgetSettings, Limit, open_books, sqlite
    from cloudai.ledger.periods import Every
    if os.geteuid() == 0:
        os.setgroups([]); os.setgid(65534); os.setuid(65534)  # root may write anywhere
    limit = Limit(every=Every.MONTH, amount=10**12)
    books = open_books(BudgetSettings(limits=(limit,), ledger=sys.argv[1], on_ledger_error=sys.argv[2]))
    attempt = Attempt(operation="vision.detect_labels", backend="here", provider="gcp", bound=1000)
    try:
        print("GRANTED", books.reserve(attempt).id)
    except CloudAIError as error:
        print("REFUSED", error)
"""


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A ledger in a folder that can be read and not written by others. Outside pytest's, which are closed to them."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as name:
        folder = Path(name)
        with_some(folder / "ledger.sqlite")
        (folder / "ledger.sqlite").chmod(0o444)
        folder.chmod(0o555)
        yield folder / "ledger.sqlite"
        folder.chmod(0o755)


@pytest.mark.parametrize(("choice", "said"), [("refuse", "REFUSED nothing was sent"), ("warn", "GRANTED None")])
def test_a_read_only_folder_follows_the_choice(read_only: Path, choice: str, said: str) -> None:
    command = [sys.executable, "-c", textwrap.dedent(READ_ONLY), str(read_only), choice]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert said in done.stdout, done.stderr
