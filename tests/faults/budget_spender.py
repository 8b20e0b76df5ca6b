"""Processes that spend until they are killed: for the tests.

Arguments: ledger, journal, seed, kills. For each kill a child is forked, whose four threads reserve, write the cost
down in the journal (that is the provider billing it), and settle; at a random time it is killed by SIGKILL, and a line
is printed. That time is counted from the child's first cost, so that a slow machine hits calls too; of one child in ten
from its birth, so that its opening of the ledger is hit as well. The next child starts when a line comes in.
"""

from __future__ import annotations

import os
import random
import select
import signal
import sys
import threading
import time

import cloudai.ledger.sqlite  # noqa: F401  # before the fork: a child is to spend its life spending
from cloudai.ledger import Attempt, BudgetSettings, CallRecord, Limit, Outcome, open_books
from cloudai.ledger.periods import Every

THREADS = 4
BOUND = 1000
MONTH = Limit(every=Every.MONTH, amount=10**15)
LONGEST = 0.02
"""Seconds that a child lives from then on."""

PATIENCE = 60.0


def spend(ledger: str, journal: int, seed: int, begun: int) -> None:
    """Never returns. Tells by a byte in `begun` that something was spent."""
    books = open_books(BudgetSettings(limits=(MONTH,), ledger=ledger))
    attempt = Attempt(operation="vision.detect_labels", backend="here", provider="gcp", bound=BOUND)
    call = CallRecord(operation="vision.detect_labels", outcome="ok")

    def loop(chance: random.Random) -> None:
        while True:
            held = books.reserve(attempt)
            if chance.random() < 0.2:
                books.settle(held, outcome=Outcome.UNBILLED, call=call)
                continue
            cost = chance.randint(0, BOUND)
            os.write(journal, f"{held.id} {cost}\n".encode())
            os.fsync(journal)
            os.write(begun, b".")
            books.settle(held, outcome=Outcome.ANSWERED, cost=cost, call=call)

    for number in range(THREADS):
        threading.Thread(target=loop, args=(random.Random(seed * THREADS + number),), daemon=True).start()
    threading.Event().wait()


def main(ledger: str, path: str, seed: int, kills: int) -> None:
    chance = random.Random(seed)
    journal = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for number in range(kills):
        heard, begun = os.pipe()
        child = os.fork()
        if not child:
            spend(ledger, journal, seed + number, begun)
        if number % 10:
            assert select.select([heard], [], [], PATIENCE)[0], "the child spends nothing"
        time.sleep(chance.uniform(0, LONGEST))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(heard)
        os.close(begun)
        print("killed", flush=True)
        sys.stdin.readline()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
