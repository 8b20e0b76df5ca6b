"""How one server is run: where it listens, its key, its limits. The command line fills it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class ServeSettings:
    """Sizes in bytes, times in seconds."""

    folder: Path
    provider: str = "local"
    device: str = "auto"
    threads: int | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    """0: any free one."""
    key: str | None = None
    """What callers must show; needed for a host that is not this machine alone."""
    max_request: int = 128 * MIB
    max_json: int = 32 * MIB
    """Of the JSON of one request: numbers in JSON take about ten times their bytes while they are read."""
    max_bytes: int = 1024 * MIB
    """Of all requests that are being answered."""
    max_requests: int = 1024
    """That are being answered at the same time."""
    body_timeout: float = 60.0
    """A request that is not there by then is given up."""
    reload: float = 2.0
    """The folder is looked at so often; 0: never."""
    drain_delay: float = 0.0
    """After SIGTERM requests are still taken for so long, while readiness is denied."""
    drain_timeout: float = 30.0
    """Then requests in progress have so long to end."""
    access_log: bool = False

    def __repr__(self) -> str:
        return f"ServeSettings(folder={str(self.folder)!r}, host={self.host!r}, port={self.port})"
