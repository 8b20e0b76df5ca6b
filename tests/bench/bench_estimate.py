"""What an estimate costs: CPU of the whole process, one call's price, the sums themselves.

    python tests/bench/bench_estimate.py [--peers]

Run it beside nothing else. With --peers, genai-prices and litellm are installed into an environment of their own
(minutes) and measured too. They price one call of one language model; we price a workload of 20 lines.

2 cores of a shared cloud machine, Python 3.11.7, 2026-11-21:

    bare python                          11.0 ms CPU
    estimate --help                      82.3 ms CPU
    20 lines, 4 providers, JSON         144.0 ms CPU     184 in another run, with others at work on the machine
    20 lines, 4 providers, table        230.6 ms CPU     with others at work
    quick form, one line, JSON           90.7 ms CPU
    price of one call, warm               2.2 us
    the sums of 20 lines, warm           29.8 ms
    100,000 x 12 months x 3, cold        1712 ms         with others at work; 840 without

The 20 lines have each its own growth and range, so that no two months are alike. In the same hour one call of
genai-prices took 257 ms CPU in an environment of its own (--peers).
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from decimal import Decimal
from pathlib import Path

ROUNDS = 15
OPERATIONS = (
    ("vision.detect_labels", "3M images"),
    ("vision.detect_faces", "1M images"),
    ("vision.read_text", "2M images"),
    ("vision.moderate", "500k images"),
    ("speech.transcribe", "1500 hours"),
    ("speech.synthesize", "20M characters"),
    ("translation.translate", "50M characters"),
    ("vision.detect_objects", "100k images"),
    ("vision.read_document", "40k pages"),
    ("translation.detect_language", "5M characters"),
)
OWN = """
[[price]]
provider = "acme"
operations = ["vision.detect_labels", "vision.detect_faces", "vision.read_text", "vision.moderate"]
region = "global"
unit = "image"
tiers = [{ up_to = "1000000", price = "0.0012" }, { price = "0.0005" }]
"""
PEERS = {
    "genai-prices, one call": "from genai_prices import Usage, calc_price; "
    "calc_price(Usage(input_tokens=1000, output_tokens=100), model_ref='gpt-4o', provider_id='openai')",
    "litellm, one call": "import litellm; litellm.cost_per_token(model='gpt-4o', prompt_tokens=1000)",
}


def workload(folder: Path) -> tuple[str, str]:
    """20 lines, each with a growth and a range of its own: no month and no case is like another."""
    lines = [
        f'[[line]]\nname = "line {at}"\noperation = "{OPERATIONS[at % 10][0]}"\nvolume = "{OPERATIONS[at % 10][1]}"\n'
        f'growth = "{at}%/month"\nrange = "±20%"\n'
        for at in range(20)
    ]
    paths = folder / "twenty.toml", folder / "own.toml"
    paths[0].write_text("\n".join(lines), encoding="utf-8")
    paths[1].write_text(OWN, encoding="utf-8")
    return str(paths[0]), str(paths[1])


def cpu(command: list[str]) -> float:
    """Milliseconds of user and system time of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1000


def peers(folder: Path) -> dict[str, list[str]]:
    """The peers that pip can get, each called once, in an environment of their own."""
    subprocess.run([sys.executable, "-m", "venv", str(folder / "peers")], check=True)
    python = str(folder / "peers" / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    cases = {}
    for name, code in PEERS.items():
        package = name.partition(",")[0]
        command = [python, "-m", "pip", "install", "--quiet", package]
        if subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            cases[name] = [python, "-c", code]
    return cases


def processes(folder: Path) -> None:
    path, own = workload(folder)
    base = [sys.executable, "-m", "cloudai", "estimate"]
    cases = {
        "bare python": [sys.executable, "-c", "pass"],
        "estimate --help": [*base, "--help"],
        "20 lines, 4 providers, JSON": [*base, path, "--prices", own, "--format", "json"],
        "20 lines, 4 providers, table": [*base, path, "--prices", own],
        "quick form, one line, JSON": [*base, "vision.detect_labels=3M images", "--format", "json"],
    }
    cases |= peers(folder) if "--peers" in sys.argv else {}
    taken: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(ROUNDS):
        for name, command in cases.items():
            taken[name].append(cpu(command))
    for name, times in taken.items():
        print(f"{name:32} {statistics.median(times):8.1f} ms CPU")


def calls() -> None:
    from cloudai_pricing import price_call

    def one() -> object:
        return price_call(
            provider="aws", operation="vision.detect_labels", region="us-east-1", quantity=Decimal(1), unit="image"
        )

    assert one() == one()
    best = min(timeit.repeat(one, number=20_000, repeat=7)) / 20_000
    print(f"{'price of one call, warm':32} {best * 1e6:8.1f} us")


def sums(folder: Path) -> None:
    from cloudai_pricing.estimator import estimate
    from cloudai_pricing.workload_file import load

    plan = load(workload(folder)[0])
    estimate(plan)
    best = min(timeit.repeat(lambda: estimate(plan), number=1, repeat=7))
    print(f"{'the sums of 20 lines, warm':32} {best * 1e3:8.1f} ms")


def many(folder: Path) -> None:
    """100,000 volumes of one line x 12 months x 3 providers, the line growing: no month is like another."""
    import cloudai_pricing

    path = folder / "one.toml"
    text = '[[line]]\noperation = "vision.detect_labels"\nvolume = "3M images"\ngrowth = "5%/month"\n'
    path.write_text(text, encoding="utf-8")
    plan = cloudai_pricing.load(path)
    volumes = {"vision.detect_labels": [number * 499 for number in range(100_000)]}
    start = time.perf_counter()
    found = cloudai_pricing.variants(plan, volumes, providers=["aws", "gcp", "azure"], months=12)
    assert [len(one.costs) for one in found.values()] == [100_000] * 3
    print(f"{'100,000 x 12 months x 3, cold':32} {(time.perf_counter() - start) * 1e3:8.0f} ms")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        processes(Path(folder))
        calls()
        sums(Path(folder))
        many(Path(folder))


if __name__ == "__main__":
    main()
