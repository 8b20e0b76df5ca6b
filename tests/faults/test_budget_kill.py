"""A process that is killed at any moment leaves a ledger that says at least what was spent, and at most what was in
flight besides."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from budget_spender import BOUND, MONTH, THREADS

from cloudai.ledger import Books, BudgetSettings, State, open_books

SPENDER = Path(__file__).with_name("budget_spender.py")
EVER = 2**52


class Journal:
    """What was really spent, by attempt: read on where it was left off."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.costs: dict[int, int] = {}
        self.offset = 0

    def read(self) -> None:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            for line in file.read().splitlines():
                number, cost = line.split()
                assert int(number) not in self.costs
                self.costs[int(number)] = int(cost)
            self.offset = file.tell()


def check(books: Books, journal: Journal, kills: int) -> int:
    """Holds ledger and journal against each other; how many attempts were in flight at the kills so far."""
    assert books.store is not None
    (standing,) = books.standing()
    open_rows = books.store.rows(State.RESERVED, 0, EVER)
    true = sum(journal.costs.values())
    assert true <= standing.spent + standing.reserved
    assert standing.spent + standing.reserved <= true + len(open_rows) * BOUND
    assert standing.reserved == len(open_rows) * BOUND
    assert len(open_rows) <= kills * THREADS
    settled = true - sum(journal.costs.get(row.id, 0) for row in open_rows)
    assert standing.spent == settled
    return len(open_rows)


def kill(folder: Path, kills: int, seed: int, synchronous: str = "normal") -> None:
    ledger, journal = folder / "ledger.sqlite", Journal(folder / "journal")
    journal.path.touch()
    books = open_books(BudgetSettings(limits=(MONTH,), ledger=str(ledger), synchronous=synchronous))  # type: ignore[arg-type]
    command = [sys.executable, str(SPENDER), str(ledger), str(journal.path), str(seed), str(kills)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as spender:
        assert spender.stdin is not None
        assert spender.stdout is not None
        for number in range(kills):
            assert spender.stdout.readline() == "killed\n"
            journal.read()
            check(books, journal, number + 1)
            spender.stdin.write("next\n")
            spender.stdin.flush()
    assert spender.returncode == 0
    in_flight = check(books, journal, kills)
    assert in_flight, "no kill hit a call in flight: nothing was tried"
    assert len(journal.costs) > kills, "hardly anything was spent: nothing was tried"
    after_expiry(books, journal, in_flight)
    books.close()


def after_expiry(books: Books, journal: Journal, in_flight: int) -> None:
    """What was in flight ends up as spent at its bound, and the truth can be told of each."""
    assert books.store is not None
    before = books.standing()[0]
    assert books.store.expire(EVER) == in_flight
    after = books.standing()[0]
    assert (after.spent, after.reserved) == (before.spent + before.reserved, 0)
    for row in books.store.rows(State.UNKNOWN, 0, EVER):
        assert books.store.adjust(row.id, journal.costs.get(row.id, 0))
    assert books.standing()[0].spent == sum(journal.costs.values())


def test_kill_9_at_200_random_points_never_under_counts(tmp_path: Path) -> None:
    kill(tmp_path, 200, seed=5)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 6))
def test_kill_9_at_1000_random_points_never_under_counts(tmp_path: Path, seed: int) -> None:
    kill(tmp_path, 200, seed=seed * 1000)


def test_kill_9_with_a_flush_to_disk_for_each_step_never_under_counts(tmp_path: Path) -> None:
    kill(tmp_path, 20, seed=9, synchronous="full")
