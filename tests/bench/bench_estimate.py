"""What an estimate costs: CPU and wall of the whole process, one price, the sums themselves; peers in the same run.

    python tests/bench/bench_estimate.py [--peers [FOLDER]]

With --peers, genai-prices and litellm are installed into an environment of their own (a minute; in FOLDER it is kept
and used again) and measured between our rounds. They price one call of one language model; we price a workload of 20
lines, each with its own growth and range, so that no two months are alike. Every process runs once before it counts, so
that no one's modules are compiled within the measure. The least of the rounds is what the work takes; the median has
the others who use the machine in it.

2 cores of a shared cloud machine, Python 3.11.7, 2026-11-21, with others at work on it (a load of 10: everything takes
a third more CPU than without, as bare Python shows, which takes 10 ms then):

    bare python                          13.6 ms CPU (15.0)      48.7 ms wall
    estimate --help                      97.4 ms CPU (112.2)     320.1 ms wall
    20 lines, 4 providers, JSON         160.4 ms CPU (188.6)     590.3 ms wall     the bar: 150
    20 lines, 4 providers, table        216.4 ms CPU (257.2)     753.2 ms wall
    quick form, one line, JSON          104.4 ms CPU (115.6)     354.7 ms wall
    genai-prices, one call              311.3 ms CPU (351.5)    1106.2 ms wall     230 where the bar was set
    litellm, one call                  4025.4 ms CPU (4190.9)  12810.3 ms wall     2,700 where the bar was set
    one tiered price, warm                3.3 us                                   the bar: 10
    genai-prices, one tiered price      113.4 us
    litellm, one tiered price           330.2 us
    the sums of 20 lines, warm           32.7 ms CPU
    100,000 x 12 months x 3, cold         987 ms CPU              2206 ms wall     the bar: 2,000

Against genai-prices in the same minutes the 20 lines take 0.52 of its CPU; the bar is 0.65. Half an hour earlier, with
a load of 1 and bare Python at 10.3 ms, the 20 lines took 126.9 ms, before 6% of their instructions went (846 to 795
million, counted by callgrind; 41 are bare Python's). genai-prices 0.2.3, litellm 1.106.2.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
import timeit
from decimal import Decimal
from pathlib import Path

ROUNDS = 9
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
    "genai-prices": "from genai_prices import Usage, calc_price\n"
    "one = lambda: calc_price(Usage(input_tokens=300_000, output_tokens=100), "
    "model_ref='gemini-2.5-pro', provider_id='google')",
    "litellm": "import litellm\n"
    "one = lambda: litellm.cost_per_token(model='gemini/gemini-2.5-pro', prompt_tokens=300_000, completion_tokens=100)",
}
"""A call of a model whose price has two tiers, the higher one reached."""
WARM = "\none(); import timeit; print(min(timeit.repeat(one, number=200, repeat=7)) / 200 * 1e6)"


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


def taken(command: list[str]) -> tuple[float, float]:
    """Milliseconds of one process: user and system time, and by the clock."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False, env=env)
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode in (0, 4), done.stderr.decode()
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1000, wall * 1000


def peer_python(folder: Path) -> str:
    """The interpreter of an environment that has the peers, made where it is not there. Fails where pip fails."""
    python = str(folder / ("Scripts" if sys.platform == "win32" else "bin") / "python")
    if not Path(python).exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = [python, "-m", "pip", "install", "--quiet", *PEERS]
    subprocess.run(install, check=True, stderr=subprocess.DEVNULL, timeout=1800)
    return python


def processes(folder: Path, peer: str | None) -> None:
    path, own = workload(folder)
    base = [sys.executable, "-m", "cloudai", "estimate"]
    cases = {
        "bare python": [sys.executable, "-c", "pass"],
        "estimate --help": [*base, "--help"],
        "20 lines, 4 providers, JSON": [*base, path, "--prices", own, "--format", "json"],
        "20 lines, 4 providers, table": [*base, path, "--prices", own],
        "quick form, one line, JSON": [*base, "vision.detect_labels=3M images", "--format", "json"],
    }
    if peer is not None:
        cases |= {f"{name}, one call": [peer, "-c", f"{code}\none()"] for name, code in PEERS.items()}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    for number in range(ROUNDS + 1):
        for name, command in cases.items():
            found = taken(command)
            times[name] += [found] if number else []
    for name, pairs in times.items():
        cpu, wall = ([pair[at] for pair in pairs] for at in (0, 1))
        print(f"{name:32} {min(cpu):8.1f} ms CPU ({statistics.median(cpu):.1f})  {min(wall):8.1f} ms wall")


def calls() -> None:
    from cloudai_pricing import price_call

    def one() -> object:
        return price_call(
            provider="aws", operation="vision.detect_labels", region="us-east-1", quantity=Decimal(1), unit="image"
        )

    assert one() == one()
    best = min(timeit.repeat(one, number=20_000, repeat=7)) / 20_000
    print(f"{'one tiered price, warm':32} {best * 1e6:8.1f} us")


def peer_calls(peer: str) -> None:
    for name, code in PEERS.items():
        done = subprocess.run([peer, "-c", code + WARM], check=True, capture_output=True, text=True)
        print(f"{name + ', one tiered price, warm':32} {float(done.stdout.split()[-1]):8.1f} us")


def sums(folder: Path) -> None:
    from cloudai_pricing.estimator import estimate
    from cloudai_pricing.workload_file import load

    plan = load(workload(folder)[0])
    estimate(plan)
    best = min(timeit.repeat(lambda: estimate(plan), number=1, repeat=9, timer=time.process_time))
    print(f"{'the sums of 20 lines, warm':32} {best * 1e3:8.1f} ms CPU")


def many(folder: Path) -> None:
    """100,000 volumes of one line x 12 months x 3 providers, the line growing: no month is like another."""
    import cloudai_pricing

    path = folder / "one.toml"
    text = '[[line]]\noperation = "vision.detect_labels"\nvolume = "3M images"\ngrowth = "5%/month"\n'
    path.write_text(text, encoding="utf-8")
    plan = cloudai_pricing.load(path)
    volumes = {"vision.detect_labels": [number * 499 for number in range(100_000)]}
    start, used = time.perf_counter(), time.process_time()
    found = cloudai_pricing.variants(plan, volumes, providers=["aws", "gcp", "azure"], months=12)
    assert [len(one.costs) for one in found.values()] == [100_000] * 3
    wall, cpu = time.perf_counter() - start, time.process_time() - used
    print(f"{'100,000 x 12 months x 3, cold':32} {cpu * 1e3:8.0f} ms CPU              {wall * 1e3:8.0f} ms wall")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", nargs="?", const="", metavar="FOLDER", help="measure genai-prices and litellm, too")
    chosen = parser.parse_args().peers
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        peer = peer_python(Path(chosen) if chosen else folder / "peers") if chosen is not None else None
        processes(folder, peer)
        calls()
        if peer is not None:
            peer_calls(peer)
        sums(folder)
        many(folder)


if __name__ == "__main__":
    main()
