"""Servers of ledgers for the tests: PostgreSQL and Redis, on a free port, with a folder of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

WAIT_SECONDS = 60.0


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """The address of a fresh Redis that writes down every step."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder),
               "--appendonly", "yes", "--save", "", "--daemonize", "no", "--logfile", str(folder / "log")]  # fmt: skip
    server = subprocess.Popen(command)
    try:
        _until(lambda: _answers(port), server)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait()


@contextmanager
def postgres(_: Path) -> Iterator[str]:
    """The address of a fresh PostgreSQL cluster. It refuses to run as root: then it runs as its own user, who can't
    get into pytest's folders."""
    with TemporaryDirectory(prefix="cloudai-postgres-") as folder:
        yield from _postgres(Path(folder))


def _postgres(folder: Path) -> Iterator[str]:
    port = free_port()
    binaries = _binaries()
    user = "postgres" if os.geteuid() == 0 else None
    data = folder / "data"
    data.mkdir()
    if user:
        for each in (folder, data):
            shutil.chown(each, user)
    initdb = [str(binaries / "initdb"), "-D", str(data), "-U", "cloudai", "--auth", "trust", "--no-sync", "-E", "UTF8"]
    subprocess.run(initdb, check=True, capture_output=True, user=user)
    command = [str(binaries / "postgres"), "-D", str(data), "-h", "127.0.0.1", "-p", str(port), "-k", str(data),
               "-c", "fsync=off"]  # fmt: skip
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, user=user)
    try:
        _until(lambda: _ready(port), server)
        yield f"postgresql://cloudai@127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        server.wait()


def _binaries() -> Path:
    """Debian keeps the server's programs of each version apart, off the path."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    return max(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4])).parent


def _answers(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as talk:
        talk.sendall(b"PING\r\n")
        return talk.recv(16).startswith(b"+PONG")
    return False


def _ready(port: int) -> bool:
    import psycopg

    try:
        psycopg.connect(f"postgresql://cloudai@127.0.0.1:{port}/postgres", connect_timeout=1).close()
    except psycopg.OperationalError:
        return False
    return True


def _until(ready: Callable[[], bool], server: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + WAIT_SECONDS
    while not ready():
        assert server.poll() is None, f"the server ended: {server.returncode}"
        assert time.monotonic() < ends, "the server does not answer"
        time.sleep(0.05)
