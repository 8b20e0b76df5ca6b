"""What leaving a provider would take: the scan of a code base, and the bill for the exit.

    from cloudai.lockin import scan

    found = scan("src")
    found.operations        # what is used, where, and how it is had elsewhere

Reads files and nothing else: no network, no vendor SDK, nothing of the scanned code is run.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

from cloudai.lockin.scanned import Scan

__all__ = ["Scan", "scan"]


def scan(
    path: str | Path,
    *,
    as_of: date | None = None,
    horizon_months: int = 36,
    targets: Sequence[str] = ("aws", "gcp", "azure", "local"),
    progress: Callable[[int, int], None] | None = None,
) -> Scan:
    """Scans a folder or one file.

    `as_of`: the day that retirements are counted from, today by default. `horizon_months`: a target's operation that
    ends within it counts as not offered. `progress(done, total)` is called after each file.
    Raises `InvalidInput` when the path does not exist or can't be read; single files that can't are in `skipped`.
    """
    from cloudai.lockin.scanning import scan as run

    return run(Path(path), as_of=as_of, horizon_months=horizon_months, targets=tuple(targets), progress=progress)
