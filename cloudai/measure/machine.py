"""This machine: its name, its memory, what this process took, and the watts it draws where they can be read."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from cloudai.measure.record import Hardware

_RAPL = Path("/sys/class/powercap")
_SMI = ("--format=csv,noheader,nounits", "--id=0")


def hardware(device: str) -> Hardware:
    """What a model on `device` runs on."""
    gpu = _smi("name") if device.startswith("cuda") else None
    return Hardware(
        cpu=_cpu(),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_gb=_memory(),
        gpu=gpu,
        device=device,
        system=f"{platform.system()} {platform.machine()}",
    )


def _cpu() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _memory() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3, 1)
    except (AttributeError, ValueError, OSError):
        return None


def peak_memory() -> float | None:
    """The most resident memory of this process so far, in MB; None where the system does not say."""
    if sys.platform == "win32":
        return None
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(most / (1e6 if sys.platform == "darwin" else 1e6 / 1024), 1)


class Meter:
    """Watts between `start` and `stop`: the packages' energy counters, and the GPU's draw where the model is on one."""

    def __init__(self, device: str) -> None:
        self._gpu = device.startswith("cuda") and _smi("power.draw") is not None
        self._packages = [zone for zone in sorted(_RAPL.glob("intel-rapl:[0-9]")) if _energy(zone) is not None]
        self._before: list[int | None] = []
        self._since = 0.0

    @property
    def reads(self) -> str:
        """`RAPL`, `nvidia-smi`, both, or `nothing`."""
        names = [name for name, there in (("RAPL", self._packages), ("nvidia-smi", self._gpu)) if there]
        return " and ".join(names) or "nothing"

    def start(self) -> None:
        """From here on."""
        self._since, self._before = time.perf_counter(), [_energy(zone) for zone in self._packages]

    def stop(self) -> float | None:
        """Mean watts since `start`; None: nothing can be read, or a counter began anew."""
        if not self._packages and not self._gpu:
            return None
        seconds, watts = time.perf_counter() - self._since, 0.0
        for zone, before in zip(self._packages, self._before, strict=True):
            after = _energy(zone)
            if before is None or after is None or after < before:
                return None
            watts += (after - before) / 1e6 / seconds
        if self._gpu:
            drawn = _number(_smi("power.draw"))
            if drawn is None:
                return None
            watts += drawn
        return round(watts, 1)


def idle_watts(meter: Meter, wait: Callable[[float], None] = time.sleep) -> float | None:
    """What the machine draws with nothing of ours to do."""
    if meter.reads == "nothing":
        return None
    meter.start()
    wait(1.0)
    return meter.stop()


def _energy(zone: Path) -> int | None:
    """Microjoules so far; None where they may not be read."""
    try:
        return int((zone / "energy_uj").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _smi(query: str) -> str | None:
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    try:
        command = [program, f"--query-gpu={query}", *_SMI]
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None if done.returncode == 0 else None


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
