"""Import time, as the median of fresh processes over bare Python's, interleaved in one run.

    python tests/bench/bench_import.py

FIGURES
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
