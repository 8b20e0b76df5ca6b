"""Import time, as the median of fresh processes over bare Python's, interleaved in one run.

    python tests/bench/bench_import.py

2026-11-21, two cores of an AMD EPYC shared with other jobs, Python 3.11, medians of 15; bars: 60 and 250 ms over bare.

    bare python                           12.2 ms      +0.0 ms over bare    1.00x
    import cloudai                        23.1 ms     +10.9 ms over bare    1.89x
    import cloudai_pricing                23.4 ms     +11.1 ms over bare    1.91x
    import pydantic (for scale)           94.6 ms     +82.4 ms over bare    7.74x
    from cloudai import Client           189.4 ms    +177.2 ms over bare   15.50x
    Client() with the local backend      413.4 ms    +401.2 ms over bare   33.83x
    import httpx (for scale)              88.1 ms     +75.9 ms over bare    7.21x
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

CASES = {
    "bare python": "pass",
    "import cloudai": "import cloudai",
    "import cloudai_pricing": "import cloudai_pricing",
    "import pydantic (for scale)": "import pydantic; pydantic.BaseModel",
    "from cloudai import Client": "from cloudai import Client",
    "Client() with the local backend": "from cloudai import Client; Client(backend='local')",
    "import httpx (for scale)": "import httpx",
}
ROUNDS = 15


def once(statement: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return (time.perf_counter() - started) * 1000


def main() -> None:
    taken: dict[str, list[float]] = {name: [] for name in CASES}
    for name in CASES:
        once(CASES[name])  # bytecode is written, files are in the cache
    for _ in range(ROUNDS):
        for name, statement in CASES.items():
            taken[name].append(once(statement))
    bare = statistics.median(taken["bare python"])
    for name, times in taken.items():
        middle = statistics.median(times)
        print(f"{name:34} {middle:7.1f} ms   {middle - bare:+7.1f} ms over bare   {middle / bare:5.2f}x")


if __name__ == "__main__":
    main()
