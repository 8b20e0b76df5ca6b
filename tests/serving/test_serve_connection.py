"""What a server writes in pieces arrives whole and in order, a small answer by one system call."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from cloudai.serving.connection import SMALL, Gathering


class Writer(asyncio.Protocol):
    """Writes pieces; an empty turn of the event loop where there is `None`; then closes, unless it is to stay."""

    def __init__(self, pieces: Sequence[bytes | None], *, stays: bool) -> None:
        self._pieces, self._stays = pieces, stays
        self._tasks: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        gathering = Gathering(transport, asyncio.get_running_loop())
        self._tasks.add(asyncio.create_task(self._write(gathering)))

    async def _write(self, transport: Gathering) -> None:
        for piece in self._pieces:
            if piece is None:
                await asyncio.sleep(0)
            else:
                transport.write(piece)
        if not self._stays:
            transport.close()


async def received(pieces: Sequence[bytes | None], *, reads: int = 0) -> list[bytes]:
    """What a client reads: so many times, or until the end."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Writer(pieces, stays=reads > 0), "127.0.0.1", 0)
    found: list[bytes] = []
    async with server:
        with socket.socket() as client:
            client.setblocking(False)
            await loop.sock_connect(client, server.sockets[0].getsockname())
            while not reads or len(found) < reads:
                data = await asyncio.wait_for(loop.sock_recv(client, 1 << 20), 30)
                if not data:
                    break
                found.append(data)
    return found


class Counting(asyncio.Transport):
    """Each write is a system call."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def is_closing(self) -> bool:
        return False


def test_a_head_and_its_body_are_written_at_once() -> None:
    async def answers() -> list[bytes]:
        counting = Counting()
        gathering = Gathering(counting, asyncio.get_running_loop())
        for number in (b"1", b"2"):
            gathering.write(b"head" + number)
            gathering.write(b"body" + number)
        assert len(counting.written) == 2  # at once, not in the loop's next turn
        await asyncio.sleep(0)
        return counting.written

    assert asyncio.run(answers()) == [b"head1body1", b"head2body2"]


def test_a_head_without_a_body_is_sent_all_the_same() -> None:
    assert asyncio.run(received([b"head"], reads=1)) == [b"head"]
    assert asyncio.run(received([b"head"])) == [b"head"]


PIECES = st.none() | st.binary(max_size=9) | st.sampled_from([b"x" * (SMALL - 1), b"y" * SMALL, b"z" * (3 * SMALL)])


@settings(max_examples=60)
@given(st.lists(PIECES, max_size=8))
def test_pieces_of_any_size_arrive_in_order(pieces: list[bytes | None]) -> None:
    assert b"".join(asyncio.run(received(pieces))) == b"".join(piece for piece in pieces if piece)
