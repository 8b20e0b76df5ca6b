"""A process that calls within a budget: 16 threads reserve, ask the server at PORT once each, settle. For the tests.

Arguments: ledger, port (0: no server), threads, bound, limit. Waits for a line on stdin, then begins; prints how many
were granted.
"""

from __future__ import annotations

import socket
import sys
import threading

from cloudai.errors import BudgetExceeded
from cloudai.ledger import Attempt, BudgetSettings, Limit, Outcome, open_books
from cloudai.ledger.periods import Every


def ask(port: int) -> None:
    """One HTTP request, whole, and its answer."""
    with socket.create_connection(("127.0.0.1", port)) as talk:
        talk.sendall(
            b"POST /v1/images:annotate HTTP/1.1\r\nHost: here\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        while talk.recv(4096):
            pass


def main(ledger: str, port: int, threads: int, bound: int, limit: int) -> None:
    books = open_books(BudgetSettings(limits=(Limit(every=Every.MONTH, amount=limit),), ledger=ledger))
    attempt = Attempt(operation="vision.detect_labels", backend="here", provider="gcp", bound=bound)
    granted: list[int] = []
    gate = threading.Barrier(threads)

    def call() -> None:
        gate.wait()
        try:
            held = books.reserve(attempt)
        except BudgetExceeded:
            return
        granted.append(1)
        if port:
            ask(port)
        books.settle(held, outcome=Outcome.ANSWERED, cost=bound)

    callers = [threading.Thread(target=call) for _ in range(threads)]
    print("ready", flush=True)
    sys.stdin.readline()
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    books.close()
    print(len(granted), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *(int(argument) for argument in sys.argv[2:6]))
