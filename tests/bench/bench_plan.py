"""What a plan costs: CPU of the whole command over 200 lines, 4 providers and 3 regions.

    python tests/bench/bench_plan.py

Three workloads of 200 lines over ten operations, in regions of the US, the EU and the UK: the providers' services
alone; with hardware and models of one's own (endpoints, machines in a cloud, own hardware); and that with a growth on
most lines, so that the months differ. Each command plans, finds all crossings in a month and over the months, the
front, and prints JSON. The least of the rounds is what the work takes.

2 cores of a shared cloud machine, Python 3.11.7, 2026-11-21, with others at work on it (a load of 3 to 7; without it
bare Python takes 10 ms):

    bare python                      16.0 ms CPU
    200 lines: services             663.0 ms CPU     the bar: a second
    200 lines: and own             917.1 ms CPU
    200 lines: and growth          1626.0 ms CPU

All three are proven least, by the bound of average prices, before anything is searched. Where lines are so small that
allowances decide, HiGHS is asked, and loading scipy takes 450 ms more.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ROUNDS = 5
OPERATIONS = (
    ("vision.detect_labels", "M images"),
    ("vision.detect_faces", "M images"),
    ("vision.read_text", "M images"),
    ("vision.moderate", "k images"),
    ("speech.transcribe", " hours"),
    ("speech.synthesize", "M characters"),
    ("translation.translate", "M characters"),
    ("vision.detect_objects", "k images"),
    ("vision.read_document", "k pages"),
    ("translation.detect_language", "M characters"),
)
LOCAL = """
[local]
hardware = "3600 USD"
life = "3 years"
power = "300 W"
electricity = "0.20 USD/kWh"
throughput = { "speech.transcribe" = "40 hours/hour" }
"""
OWN = """
[[plan.self]]
line = "{operation}"
throughput = "40 {unit}/second"
accelerator = "L4"
"""


def workload(*, own: bool, growth: bool) -> str:
    """200 lines; `own`: with models and hardware of one's own; `growth`: 0 to 6% a month."""
    lines = []
    for at in range(200):
        operation, unit = OPERATIONS[at % len(OPERATIONS)]
        grown = f'growth = "{at % 7}%/month"\n' if growth else ""
        volume = f'volume = "{at + 1}{unit}"\nrange = "±20%"\n'
        lines.append(f'[[line]]\nname = "line {at}"\noperation = "{operation}"\n{volume}{grown}')
    models = [OWN.format(operation=name, unit=unit.split()[-1]) for name, unit in (OPERATIONS[at] for at in (0, 1, 8))]
    parts = [
        "months = 12",
        LOCAL if own else "",
        '[plan]\nregions = ["us", "eu", "uk"]',
        *(models if own else []),
        *lines,
    ]
    return "\n".join(parts)


def taken(command: list[str]) -> float:
    """Milliseconds of CPU of one process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 0, done.stderr.decode()
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1000


def main() -> None:
    with tempfile.TemporaryDirectory() as made:
        cases = {"bare python": [sys.executable, "-c", "pass"]}
        for name, own, growth in (("services", False, False), ("and own", True, False), ("and growth", True, True)):
            path = Path(made) / f"{name}.toml"
            path.write_text(workload(own=own, growth=growth), encoding="utf-8")
            cases[f"200 lines: {name}"] = [sys.executable, "-m", "cloudai", "plan", str(path), "--format", "json"]
        times: dict[str, list[float]] = {name: [] for name in cases}
        for number in range(ROUNDS + 1):
            for name, command in cases.items():
                found = taken(command)
                times[name] += [found] if number else []
        for name, rounds in times.items():
            print(f"{name:28} {min(rounds):8.1f} ms CPU")


if __name__ == "__main__":
    main()
