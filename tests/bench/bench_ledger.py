"""What booking costs: a reservation and a settlement in memory, in SQLite by one process, by four at once.

Run it as a program: `python tests/bench/bench_ledger.py` (add `--full` for `synchronous = "full"`). It asserts
nothing. Every attempt counts in two limits; the settlement also writes the record of the call. Times are of one step in
one thread, in microseconds. The 4 processes share one file and do nothing else, so that each mostly waits for the
others' transactions.

2026-11-21, two cores, nothing else on them, Python 3.11, SQLite 3.40 (a settlement of SQLite's is written with the next
reservation: the second row is what its caller waits for):

    the bound of an image              p50     4.2   p90     5.1   p99      9.0
    memory: reserve                    p50     6.2   p90     9.9   p99     13.6
    memory: settle, record             p50     9.0   p90    14.2   p99     20.5
    SQLite, 1 process: reserve         p50    50.7   p90    78.2   p99    207.2
    SQLite, 1 process: settle, record  p50     7.2   p90    10.6   p99     20.8
    SQLite, 4 processes: reserve       p50    61.2   p90   147.5   p99   4178.5
    SQLite, 4 processes: settle, record p50     8.5   p90    16.7   p99     51.0
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from cloudai.ledger import Attempt, BudgetSettings, CallRecord, Limit, Outcome, Used, open_books
from cloudai.ledger.bounds import bound_of
from cloudai.ledger.periods import Every
from cloudai.registry import Registry
from cloudai.types.media import ImageInfo, Media, MediaKind
from cloudai.types.vision import DetectLabelsRequest

CALLS = 5000
LIMITS = (Limit(every=Every.MONTH, amount=10**14), Limit(every=Every.DAY, amount=10**14, tag="a", operation="vision.*"))
ATTEMPT = Attempt(operation="vision.detect_labels", backend="aws-eu", provider="aws", bound=1000, tag="a", call_id="c")
USED = (Used(meter="vision.detect_labels", unit="image", quantity=Decimal(1)),)
CALL = CallRecord(operation="vision.detect_labels", outcome="ok", backend="aws-eu", provider="aws", usage=USED)
Times = list[float]


def book(ledger: str, synchronous: str) -> tuple[Times, Times]:
    """The times of every reservation and every settlement."""
    settings = BudgetSettings(limits=LIMITS, ledger=ledger, synchronous=synchronous)  # type: ignore[arg-type]
    books = open_books(settings)
    books.settle(books.reserve(ATTEMPT), outcome=Outcome.UNBILLED)
    reserving, settling = [], []
    for _ in range(CALLS):
        began = time.perf_counter()
        held = books.reserve(ATTEMPT)
        between = time.perf_counter()
        books.settle(held, outcome=Outcome.ANSWERED, cost=900, call=CALL)
        reserving.append(between - began)
        settling.append(time.perf_counter() - between)
    books.close()
    return reserving, settling


def shown(name: str, times: Times) -> None:
    times.sort()
    p50, p90, p99 = (times[len(times) * percent // 100] * 1e6 for percent in (50, 90, 99))
    print(f"    {name:32} p50 {p50:7.1f}   p90 {p90:7.1f}   p99 {p99:8.1f}", flush=True)


def both(name: str, times: tuple[Times, Times]) -> None:
    shown(f"{name}: reserve", times[0])
    shown(f"{name}: settle, record", times[1])


def four(ledger: str, synchronous: str) -> tuple[Times, Times]:
    command = [sys.executable, __file__, "--one", ledger, synchronous]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    reserving, settling = Times(), Times()
    for process in processes:
        lines = process.communicate()[0].splitlines()
        reserving += [float(each) for each in lines[0].split()]
        settling += [float(each) for each in lines[1].split()]
    return reserving, settling


def bounds() -> Times:
    aws = Registry.installed().get("aws").capabilities
    image = Media(kind=MediaKind.IMAGE, data=b"x", content_type="image/png", image=ImageInfo(width=1, height=1))
    request, times = DetectLabelsRequest(image=image), []
    for _ in range(CALLS):
        began = time.perf_counter()
        bound_of(aws, "us-east-1", "vision.detect_labels", request)
        times.append(time.perf_counter() - began)
    return times


def main() -> None:
    if "--one" in sys.argv:
        for times in book(*sys.argv[-2:]):
            print(*times)
        return
    synchronous = "full" if "--full" in sys.argv else "normal"
    shown("the bound of an image", bounds())
    both("memory", book("memory", synchronous))
    with tempfile.TemporaryDirectory() as folder:
        both("SQLite, 1 process", book(str(Path(folder) / "one.sqlite"), synchronous))
        both("SQLite, 4 processes", four(str(Path(folder) / "four.sqlite"), synchronous))


if __name__ == "__main__":
    main()
