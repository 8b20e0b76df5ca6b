"""A budget for exactly ten calls and 64 callers: exactly ten requests arrive, counted at the server's socket."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))

import ledger_servers

from cloudai.errors import BudgetExceeded
from cloudai.ledger import Attempt, BudgetSettings, Limit, Outcome, open_books
from cloudai.ledger.periods import Every

CALLER = Path(__file__).with_name("budget_caller.py")
BOUND = 1500
TEN = 10 * BOUND
MONTH = Limit(every=Every.MONTH, amount=TEN)
ATTEMPT = Attempt(operation="vision.detect_labels", backend="here", provider="gcp", bound=BOUND)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"


class Server:
    """Answers every request and counts them."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.port = int(listener.getsockname()[1])
        self.requests = 0

    def serve(self) -> None:
        while True:
            try:
                talk, _ = self.listener.accept()
            except OSError:
                return
            with talk:
                if talk.recv(4096).startswith(b"POST "):
                    self.requests += 1
                    talk.sendall(ANSWER)


@contextmanager
def serving() -> Iterator[Server]:
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    server = Server(listener)
    thread = threading.Thread(target=server.serve)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def in_one_process(ledger: str, server: Server) -> None:
    settings = BudgetSettings(limits=(MONTH,), ledger=ledger)
    books = open_books(settings)
    gate = threading.Barrier(64)

    def call() -> None:
        gate.wait()
        try:
            held = books.reserve(ATTEMPT)
        except BudgetExceeded:
            return
        with socket.create_connection(("127.0.0.1", server.port)) as talk:
            talk.sendall(b"POST / HTTP/1.1\r\nHost: here\r\n\r\n")
            while talk.recv(4096):
                pass
        books.settle(held, outcome=Outcome.ANSWERED, cost=BOUND)

    callers = [threading.Thread(target=call) for _ in range(64)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert [(each.spent, each.reserved) for each in books.standing()] == [(TEN, 0)]
    books.close()


def in_four_processes(ledger: str, server: Server) -> None:
    command = [sys.executable, str(CALLER), ledger, str(server.port), "16", str(BOUND), str(TEN)]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(4)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    granted = sum(int(process.communicate()[0]) for process in processes)
    assert [process.returncode for process in processes] == [0] * 4
    assert granted == 10


def ten_arrive(times: int, folder: Path, *, processes: int) -> None:
    run = in_one_process if processes == 1 else in_four_processes
    for number in range(times):
        with serving() as server:
            run(str(folder / f"{number}.sqlite"), server)
        assert server.requests == 10


def test_64_threads_send_ten_requests_50_times(tmp_path: Path) -> None:
    ten_arrive(50, tmp_path, processes=1)


def test_64_threads_in_memory_send_ten_requests_50_times() -> None:
    for _ in range(50):
        with serving() as server:
            in_one_process("memory", server)
        assert server.requests == 10


def test_4_processes_of_16_threads_send_ten_requests_50_times(tmp_path: Path) -> None:
    ten_arrive(50, tmp_path, processes=4)


@pytest.mark.long
def test_64_threads_send_ten_requests_500_times(tmp_path: Path) -> None:
    ten_arrive(500, tmp_path, processes=1)


@pytest.mark.long
def test_4_processes_of_16_threads_send_ten_requests_500_times(tmp_path: Path) -> None:
    ten_arrive(500, tmp_path, processes=4)


@pytest.mark.program("redis-server")
def test_4_processes_with_a_ledger_in_redis_send_ten_requests(tmp_path: Path) -> None:
    with ledger_servers.redis(tmp_path) as url, serving() as server:
        in_four_processes(url, server)
    assert server.requests == 10


@pytest.mark.program("pg_ctlcluster")
def test_4_processes_with_a_ledger_in_postgres_send_ten_requests(tmp_path: Path) -> None:
    with ledger_servers.postgres(tmp_path) as url, serving() as server:
        in_four_processes(url, server)
    assert server.requests == 10
