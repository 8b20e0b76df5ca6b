"""What the servers of the tests share: kept connections, no log, and ways to break one."""

from __future__ import annotations

import os
import signal
import socket
import struct
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Server(ThreadingHTTPServer):
    """On the loopback, a thread for each connection."""

    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that gave up is part of the tests."""


class Talk(BaseHTTPRequestHandler):
    """One connection. Answers go out in one piece."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # its name there
        """Silent."""

    def reset(self) -> None:
        """RST: the client sees a broken connection, not an end."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


def killed(killing: tuple[int, int, str] | None, arrived: int, when: str) -> bool:
    """Ends the client for good, where this is the moment: kill -9."""
    if killing is None or killing[1:] != (arrived, when):
        return False
    os.kill(killing[0], signal.SIGKILL)
    return True
