"""An answer is written down a little after its call: soon, once, and after a crash it counts at its bound."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cloudai.errors import BudgetExceeded
from cloudai.ledger import Attempt, Books, BudgetSettings, CallRecord, Limit, Outcome, State, later, open_books
from cloudai.ledger.periods import Every

BOUND = 1000
MONTH = Limit(every=Every.MONTH, amount=10 * BOUND)
ATTEMPT = Attempt(operation="vision.detect_labels", backend="here", provider="gcp", bound=BOUND)
CALL = CallRecord(operation="vision.detect_labels", outcome="ok")
EVER = 2**52
PATIENCE = 60.0


def opened(path: Path) -> Books:
    """Books whose first sweep is over: it would write what is waiting."""
    books = open_books(BudgetSettings(limits=(MONTH,), ledger=str(path)))
    books.settle(books.reserve(ATTEMPT), outcome=Outcome.UNBILLED)
    for thread in threading.enumerate():
        if thread.name == "cloudai-sweep":
            thread.join()
    return books


def answer(books: Books, cost: int) -> None:
    books.settle(books.reserve(ATTEMPT), outcome=Outcome.ANSWERED, cost=cost, call=CALL)


def stands(books: Books) -> tuple[int, int]:
    (standing,) = books.standing()
    return standing.spent, standing.reserved


def eventually(true: Callable[[], bool]) -> bool:
    ends = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > ends:
            return False
        time.sleep(0.005)
    return True


@pytest.fixture
def never(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread waits for ever: only what is told to write does."""
    monkeypatch.setattr(later, "WITHIN", 3600.0)


@pytest.mark.usefixtures("never")
def test_until_an_answer_is_written_it_counts_at_its_bound_for_others(tmp_path: Path) -> None:
    mine, other = opened(tmp_path / "l"), opened(tmp_path / "l")
    answer(mine, 10)
    assert stands(other) == (0, BOUND)
    assert stands(mine) == (10, 0)
    assert stands(other) == (10, 0)
    mine.close()
    other.close()


@pytest.mark.usefixtures("never")
def test_the_next_reservation_writes_the_answer_before_it(tmp_path: Path) -> None:
    mine, other = opened(tmp_path / "l"), opened(tmp_path / "l")
    answer(mine, 10)
    mine.reserve(ATTEMPT)
    assert stands(other) == (10, BOUND)
    mine.close()
    other.close()


def test_an_answer_is_written_soon_where_no_reservation_comes(tmp_path: Path) -> None:
    mine, other = opened(tmp_path / "l"), opened(tmp_path / "l")
    for times in (1, 2):  # also after the thread has had nothing to do
        answer(mine, 10)
        assert eventually(lambda times=times: stands(other) == (10 * times, 0))  # type: ignore[misc]
    mine.close()
    other.close()


@pytest.mark.usefixtures("never")
def test_a_budget_has_the_room_that_answers_left_at_once(tmp_path: Path) -> None:
    """Ten calls of a tenth of their bound each leave room for nine more, without a pause."""
    books = opened(tmp_path / "l")
    for _ in range(10):
        answer(books, BOUND // 10)
    for _ in range(9):
        books.reserve(ATTEMPT)
    with pytest.raises(BudgetExceeded):
        books.reserve(ATTEMPT)
    books.close()


@pytest.mark.usefixtures("never")
@pytest.mark.parametrize("outcome", [Outcome.UNBILLED, Outcome.UNKNOWN])
def test_what_was_not_answered_is_written_at_once(tmp_path: Path, outcome: Outcome) -> None:
    mine, other = opened(tmp_path / "l"), opened(tmp_path / "l")
    mine.settle(mine.reserve(ATTEMPT), outcome=outcome)
    assert stands(other) == ((BOUND, 0) if outcome is Outcome.UNKNOWN else (0, 0))
    mine.close()
    other.close()


@pytest.mark.usefixtures("never")
def test_closing_writes_everything_once(tmp_path: Path) -> None:
    books = opened(tmp_path / "l")

    def five() -> None:
        for _ in range(5):
            answer(books, 1)

    threads = [threading.Thread(target=five) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    books.close()
    books = opened(tmp_path / "l")
    assert books.store is not None
    assert len(list(books.store.calls(0, EVER))) == 10
    assert stands(books) == (10, 0)
    books.close()


@pytest.mark.usefixtures("never")
def test_a_forked_child_leaves_the_parents_answers_to_the_parent(tmp_path: Path) -> None:
    books = opened(tmp_path / "l")
    answer(books, 10)
    child = os.fork()
    if not child:
        answer(books, 1)
        books.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert stands(books) == (11, 0)
    books.close()
    again = opened(tmp_path / "l")
    assert again.store is not None
    assert len(list(again.store.calls(0, EVER))) == 2
    again.close()


def test_a_program_that_ends_without_closing_has_written_its_answers(tmp_path: Path) -> None:
    program = f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from pathlib import Path
        from test_ledger_later import answer, opened
        books = opened(Path({str(tmp_path / "l")!r}))
        answer(books, 10)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=True)
    books = opened(tmp_path / "l")
    assert stands(books) == (10, 0)
    books.close()


def test_a_job_that_was_counted_at_its_bound_is_corrected_at_once(tmp_path: Path) -> None:
    books = opened(tmp_path / "l")
    held = books.reserve(ATTEMPT)
    books.settle(held, outcome=Outcome.ANSWERED)
    assert held.id is not None
    assert books.adjust(held.id, 7)
    assert books.store is not None
    assert [row.cost for row in books.store.rows(State.SETTLED, 0, EVER)] == [7]
    books.close()


def test_closing_meets_the_thread_at_any_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be about to wait, waiting, or writing: it hears of the end, and what was told before is written."""
    monkeypatch.setattr(later, "WITHIN", 0.0001)
    for number in range(300):
        written = list[CallRecord]()
        one = later.Later(lambda: written.extend(one.recording()))  # noqa: B023  # called while it lasts
        one.record(CALL)
        time.sleep(number * 1e-6)
        closing = threading.Thread(target=one.close, daemon=True)
        closing.start()
        closing.join(PATIENCE)
        assert not closing.is_alive()
        assert written == [CALL]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing is forked on Windows")
def test_a_fork_waits_for_the_transaction_of_another_thread(tmp_path: Path) -> None:
    """The child inherits SQLite's own note of who holds which lock: what is held then is held for ever."""
    books = opened(tmp_path / "l")
    begun, ending = threading.Event(), threading.Event()

    def hold() -> None:
        with books.together():
            begun.set()
            ending.wait(0.2)

    thread = threading.Thread(target=hold)
    thread.start()
    assert begun.wait(PATIENCE)
    child = os.fork()
    if not child:
        try:
            answer(books, 10)
            books.write()
        except BaseException:
            os._exit(1)
        os._exit(0)
    thread.join()
    assert os.waitpid(child, 0)[1] == 0
    assert stands(books) == (10, 0)
    books.close()
