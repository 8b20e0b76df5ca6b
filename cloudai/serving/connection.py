"""A connection whose answers leave whole.

uvicorn writes an answer's head and then its body: two system calls and two packets, where a small answer is one.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

SMALL = 64 * 1024
"""Bytes. A smaller piece is copied to be sent with the one before it."""


class Connection(HttpToolsProtocol):
    """uvicorn's, over a transport that gathers what it writes."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Called by the event loop."""
        super().connection_made(Gathering(transport, self.loop))


class Gathering(asyncio.Transport):
    """Sends each two pieces as one; a piece that stays alone leaves in the event loop's next turn."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport, self._loop = transport, loop
        self._kept = b""
        self._planned = False

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Keeps it, or sends it behind what was kept."""
        if not self._kept:
            self._kept = bytes(data)
            self._plan()
        elif len(data) < SMALL:
            kept, self._kept = self._kept, b""
            self._transport.write(kept + data)
        else:
            self._flush()
            self._transport.write(data)

    def _plan(self) -> None:
        if not self._planned:
            self._planned = True
            self._loop.call_soon(self._planned_flush)

    def _planned_flush(self) -> None:
        self._planned = False
        self._flush()

    def _flush(self) -> None:
        kept, self._kept = self._kept, b""
        if kept and not self._transport.is_closing():
            self._transport.write(kept)

    def close(self) -> None:
        """After what was kept."""
        self._flush()
        self._transport.close()

    def is_closing(self) -> bool:
        """As the transport's own."""
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As the transport's own."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """As the transport's own."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """As the transport's own."""
        self._transport.resume_reading()
