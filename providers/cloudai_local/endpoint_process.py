"""The first thing an endpoint's process does: takes its lock, writes itself down, and becomes `cloudai serve`.

    python -m cloudai_local.endpoint_process FOLDER

Whoever started it may be killed at any moment: there is never a second server of one endpoint, nor one that nobody
can find. Exit code 75: another one serves already; 74: the endpoint is gone.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from cloudai_local.endpoint_folder import EndpointFolder
from cloudai_local.run_folder import replace_file, utc

GONE, TAKEN = 74, 75


def main(folder: Path) -> int:
    """Does not return when all is well."""
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except FileNotFoundError:
        return GONE
    if not _locked(lock):
        return TAKEN
    os.set_inheritable(lock, True)  # what it becomes keeps it
    with suppress(OSError):
        os.ftruncate(1, 0)  # the log of the one before
    try:
        device = EndpointFolder(folder).wanted().device
        replace_file(folder / "server.json", json.dumps({"pid": os.getpid(), "started": utc()}))
    except FileNotFoundError:
        return GONE
    serve = ["-m", "cloudai", "serve", str(folder / "models"), "--port", "0", "--device", device, "--reload", "0"]
    return os.execv(sys.executable, [sys.executable, *serve])  # noqa: S606


def _locked(lock: int) -> bool:
    """Whoever only looks whether it is held holds it for a moment."""
    for _ in range(20):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(0.01)
        else:
            return True
    return False


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
