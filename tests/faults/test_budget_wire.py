"""A budget for exactly ten calls and 64 callers of the real client: exactly ten requests arrive at the fault server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import wire_caller

from cloudai.ledger import BudgetSettings, State, micro, open_store
from cloudai.testing import faults
from cloudai.testing.faults import Cycle, FaultServer, Ok, ResetBefore, Status
from cloudai.testing.faults.wire_plain import PlainWire

CALLER = Path(wire_caller.__file__)
ONE = 1500
"""Micro-USD: labels of one image at Google."""
TEN = 10 * ONE
FAR = 2**60
PIPE = subprocess.PIPE
Caller = subprocess.Popen[str]


def wire() -> PlainWire:
    return PlainWire(wire_caller.PROVIDER, region=wire_caller.REGION)


def booked(ledger: Path) -> dict[State, int]:
    """Micro-USD by what is known of them."""
    store = open_store(BudgetSettings(ledger=str(ledger)))
    try:
        return {state: sum(row.cost or 0 for row in store.rows(state, 0, FAR)) for state in State}
    finally:
        store.close()


@contextmanager
def processes(server: FaultServer, number: int) -> Iterator[list[Caller]]:
    """64 callers in so many processes, which live as long as the block."""
    command = [sys.executable, str(CALLER), server.url, str(64 // number), str(TEN)]
    started = [Caller(command, stdin=PIPE, stdout=PIPE, text=True) for _ in range(number)]
    try:
        for each in started:
            assert each.stdout is not None
            assert each.stdout.readline() == "ready\n"
        yield started
    finally:
        for each in started:
            each.communicate()
    assert [each.returncode for each in started] == [0] * number


def one_round(callers: list[Caller], ledger: Path) -> tuple[int, int, int]:
    """Answered, refused and failed, of all processes."""
    for each in callers:
        assert each.stdin is not None
        each.stdin.write(f"{ledger}\n")
        each.stdin.flush()
    sums = [0, 0, 0]
    for each in callers:
        assert each.stdout is not None
        for place, count in enumerate(each.stdout.readline().split()):
            sums[place] += int(count)
    return sums[0], sums[1], sums[2]


def ten_arrive(times: int, folder: Path, *, number: int) -> None:
    with faults.serve(wire()) as server, processes(server, number) as callers:
        for turn in range(times):
            server.forget()
            ledger = folder / f"{turn}.sqlite"
            assert one_round(callers, ledger) == (10, 54, 0)
            assert server.count() == 10
            assert booked(ledger) == {
                State.RESERVED: 0, State.SETTLED: TEN, State.RELEASED: 0, State.UNKNOWN: 0
            }  # fmt: skip
            assert server.bill.cost is not None
            assert micro(server.bill.cost) == TEN


@pytest.mark.parametrize("number", [1, 4])
def test_64_callers_send_ten_requests_25_times_each_way(number: int, tmp_path: Path) -> None:
    ten_arrive(25, tmp_path, number=number)


@pytest.mark.long
@pytest.mark.parametrize("number", [1, 4])
def test_64_callers_send_ten_requests_500_times(number: int, tmp_path: Path) -> None:
    """80 seconds with one process, 130 with four, on two cores (November 2026)."""
    ten_arrive(500, tmp_path, number=number)


def test_with_refusals_and_lost_answers_between_the_bill_stays_within_the_budget(tmp_path: Path) -> None:
    """What was refused is free for the next caller; what was lost stays counted, whether it was billed or not."""
    script = Cycle([Status(503), Ok(), ResetBefore(billed=True), Status(500), ResetBefore()])
    with faults.serve(wire(), script) as server, processes(server, 4) as callers:
        for turn in range(1):
            server.forget()
            ledger = tmp_path / f"{turn}.sqlite"
            answered, refused, failed = one_round(callers, ledger)
            found, billed = booked(ledger), micro(server.bill.cost or 0)  # type: ignore[arg-type]
            assert answered + refused + failed == 64
            assert found[State.SETTLED] == answered * ONE
            assert billed <= found[State.SETTLED] + found[State.UNKNOWN] <= TEN
            assert found[State.RESERVED] == 0
