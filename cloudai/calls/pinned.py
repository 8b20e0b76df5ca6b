"""A network backend of httpcore that connects to addresses chosen before, and to no other, until a deadline.

Everything httpcore does on the wire goes through here; imported only when something is fetched.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable
from typing import Any

import httpcore


class Pinned(httpcore.NetworkBackend):
    """Connects to the first of `addresses` that answers, whatever host is asked for.

    `left` gives the seconds that are left, and raises when there are none.
    """

    def __init__(self, addresses: tuple[str, ...], *, left: Callable[[], float]) -> None:
        self._addresses = addresses
        self._left = left
        self._network = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        failed: Exception = httpcore.ConnectError("no address")
        for waiting, address in zip(range(len(self._addresses), 0, -1), self._addresses, strict=True):
            share = self._left() / waiting  # one that is silent leaves time for the others
            try:
                stream = self._network.connect_tcp(address, port, timeout=share, socket_options=socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
            else:
                return _Timed(stream, self._left)
        raise failed


class _Timed(httpcore.NetworkStream):
    """A stream whose every read and write has what is left of the deadline, not a timeout of its own."""

    def __init__(self, stream: httpcore.NetworkStream, left: Callable[[], float]) -> None:
        self._stream = stream
        self._left = left

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, timeout=self._left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout=self._left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _Timed(self._stream.start_tls(ssl_context, server_hostname, timeout=self._left()), self._left)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
