"""One connection to a fault server: reads requests with h11, does to each what the script says."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
import time
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING, assert_never
from urllib.parse import urlsplit

import h11

from cloudai.testing.faults import script as scripted
from cloudai.testing.faults.script import Behaviour
from cloudai.testing.faults.wire import Asked, Refusal, Reply, Wanted

if TYPE_CHECKING:
    from cloudai.testing.faults.server import FaultServer

_HEADERS_AT_MOST = 64 << 10
_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}
_ECHOED = ("authorization", "x-goog-api-key", "ocp-apim-subscription-key", "x-amz-security-token", "api-key")


class Connection(asyncio.Protocol):
    """Answers at once where it can; what takes time is a task that ends with the connection."""

    def __init__(self, server: FaultServer) -> None:
        self._server = server
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEADERS_AT_MOST)
        self._transport: asyncio.Transport | None = None
        self._request: h11.Request | None = None
        self._at = 0.0
        self._parts: list[bytes] = []
        self._busy = False
        self._task: asyncio.Task[None] | None = None

    # --- asyncio's side --------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._server.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._server.closed(self)
        if self._busy:
            self._ended()
            self._server.abandoned += 1
        if self._task is not None:
            self._task.cancel()

    def data_received(self, data: bytes) -> None:
        try:
            self._http.receive_data(data)
            self._read()
        except h11.RemoteProtocolError:
            self._raw(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            self._finish()

    def abort(self) -> None:
        """Closes at once."""
        if self._task is not None:
            self._task.cancel()
        if self._transport is not None:
            self._transport.abort()

    # --- requests --------------------------------------------------------------------------------

    def _read(self) -> None:
        while not self._busy and self._transport is not None:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                if self._http.they_are_waiting_for_100_continue:
                    self._send(h11.InformationalResponse(status_code=100, headers=[]))
                return
            if event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                return
            if isinstance(event, h11.Request):
                self._request, self._at, self._parts = event, time.monotonic(), []
            elif isinstance(event, h11.Data):
                self._parts.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                self._arrived()

    def _arrived(self) -> None:
        request = self._request
        assert request is not None  # h11 gives the head first
        asked = _asked(request, b"".join(self._parts))
        self._parts = []
        server = self._server
        wanted, behaviour = server.arrived(asked, self._at)
        self._busy = True
        server.in_flight += 1
        server.peak = max(server.peak, server.in_flight)
        delay = _delay(behaviour, server.latency)
        if delay == 0 and not isinstance(behaviour, scripted.Hang | scripted.Slow):
            self._do(behaviour, asked, wanted)
        else:
            self._task = asyncio.get_running_loop().create_task(self._later(delay, behaviour, asked, wanted))

    async def _later(self, delay: float, behaviour: Behaviour, asked: Asked, wanted: Wanted) -> None:
        await asyncio.sleep(delay)
        self._task = None
        if isinstance(behaviour, scripted.Hang):
            self._task = asyncio.current_task()
            await self._hang(behaviour, asked, wanted)
        elif isinstance(behaviour, scripted.Slow):
            self._task = asyncio.current_task()
            await self._drip(behaviour, self._server.wire.answer(asked, wanted))
        else:
            self._do(behaviour, asked, wanted)

    def _do(self, behaviour: Behaviour, asked: Asked, wanted: Wanted) -> None:
        """Everything that takes no time."""
        match behaviour:
            case scripted.Ok():
                self._reply(self._server.wire.answer(asked, wanted))
            case scripted.Status():
                self._reply(self._refused(behaviour, asked, wanted))
            case scripted.Html(status, echo):
                text = _echoed(asked) if echo else ""
                page = f"<html><head><title>{status}</title></head><body><h1>{status}</h1>{text}</body></html>"
                self._reply(Reply(status=status, content_type="text/html", body=page.encode()))
            case scripted.Redirect(location, status):
                self._reply(Reply(status=status, content_type="text/plain", headers={"location": location}))
            case scripted.ResetBefore():
                self._reset()
            case scripted.ResetAfterHeaders():
                answer = self._server.wire.answer(asked, wanted)
                self._head(answer, max(1, len(answer.body)))
                self._reset()
            case scripted.Close():
                self._finish()
            case scripted.Truncated():
                self._cut(behaviour, self._server.wire.answer(asked, wanted))
            case scripted.Garbage(content):
                self._raw(content.encode("latin-1"))
                self._finish()
            case scripted.Hang() | scripted.Slow():
                raise AssertionError("these take time")
            case _:
                assert_never(behaviour)

    # --- answers ---------------------------------------------------------------------------------

    def _refused(self, status: scripted.Status, asked: Asked, wanted: Wanted) -> Reply:
        message = f"{status.message}: {_echoed(asked)}" if status.echo else status.message
        own = status.retry_after if status.form == "vendor" else None
        refusal = Refusal(status=status.status, code=status.code, message=message, wait=own)
        reply = self._server.wire.refuse(asked, wanted, refusal)
        headers = {**reply.headers, **status.headers, **self._wait(status)}
        return Reply(status=reply.status, content_type=reply.content_type, headers=headers, body=reply.body)

    def _wait(self, status: scripted.Status) -> Mapping[str, str]:
        """`Retry-After` in whole seconds or as a date, rounded up: RFC 9110, 10.2.3."""
        if status.retry_after is None or status.form == "vendor":
            return {}
        if status.form == "seconds":
            return {"retry-after": str(math.ceil(status.retry_after))}
        then = math.ceil(time.time() + self._server.clock_skew + status.retry_after)
        return {"retry-after": formatdate(then, usegmt=True)}

    def _reply(self, reply: Reply) -> None:
        self._ended()  # before the client can know
        self._head(reply, len(reply.body))
        assert self._request is not None  # a reply answers one
        if reply.body and self._request.method != b"HEAD":
            self._send(h11.Data(data=reply.body))
        self._send(h11.EndOfMessage())
        self._next()

    def _head(self, reply: Reply, length: int) -> None:
        date = formatdate(time.time() + self._server.clock_skew, usegmt=True)
        headers = [("date", date), ("content-type", reply.content_type)]
        if reply.status != 204:
            headers.append(("content-length", str(length)))
        named = [*headers, *reply.headers.items()]
        self._send(h11.Response(status_code=reply.status, headers=named, reason=_REASONS.get(reply.status, b"")))

    def _cut(self, cut: scripted.Truncated, reply: Reply) -> None:
        part = reply.body[: int(len(reply.body) * cut.keep)]
        if not cut.whole_length:
            self._reply(Reply(status=reply.status, content_type=reply.content_type, headers=reply.headers, body=part))
            return
        self._head(reply, len(reply.body))
        if part:
            self._send(h11.Data(data=part))
        self._finish()

    async def _drip(self, slow: scripted.Slow, reply: Reply) -> None:
        self._head(reply, len(reply.body))
        size = max(1, math.ceil(len(reply.body) / slow.pieces))
        for start in range(0, len(reply.body), size):
            await asyncio.sleep(slow.seconds / slow.pieces)
            if start + size >= len(reply.body):
                self._ended()
            self._send(h11.Data(data=reply.body[start : start + size]))
        self._send(h11.EndOfMessage())
        self._task = None
        self._next()

    async def _hang(self, hang: scripted.Hang, asked: Asked, wanted: Wanted) -> None:
        if hang.after_headers:
            answer = self._server.wire.answer(asked, wanted)
            self._head(answer, max(1, len(answer.body)))
        if math.isinf(hang.seconds):
            await asyncio.get_running_loop().create_future()  # until the client goes, or the server stops
        await asyncio.sleep(hang.seconds)
        self._task = None
        self._finish()

    def _next(self) -> None:
        """The request is answered; on to the next one of this connection."""
        self._ended()
        if self._http.our_state is h11.MUST_CLOSE or self._transport is None:
            self._finish()
            return
        self._http.start_next_cycle()
        self._read()

    def _ended(self) -> None:
        if self._busy:
            self._busy = False
            self._server.in_flight -= 1

    def _send(self, event: h11.Event) -> None:
        content = self._http.send(event)
        if content:
            self._raw(content)

    def _raw(self, content: bytes) -> None:
        if self._transport is not None:
            self._transport.write(content)

    def _finish(self) -> None:
        """Closes in good order, after what is written has gone."""
        self._ended()
        if self._transport is not None:
            self._transport.close()

    def _reset(self) -> None:
        """RST instead of FIN: what is on its way is lost as well, so that headers are given a moment."""
        self._ended()
        transport = self._transport
        if transport is None:
            return
        found = transport.get_extra_info("socket")
        if isinstance(found, socket.socket) or hasattr(found, "setsockopt"):
            found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()


def _asked(request: h11.Request, body: bytes) -> Asked:
    target = request.target.decode("latin-1")
    if not target.startswith("/"):  # asked as a proxy
        parts = urlsplit(target)
        target = f"{parts.path or '/'}?{parts.query}"
    path, _, query = target.partition("?")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
    return Asked(request.method.decode("ascii"), path, query, headers, body)


def _delay(behaviour: Behaviour, latency: float) -> float:
    if isinstance(behaviour, scripted.Ok):
        return behaviour.delay + latency * behaviour.slower
    if isinstance(behaviour, scripted.Status):
        return behaviour.delay + latency
    return 0.0 if isinstance(behaviour, scripted.Hang | scripted.ResetBefore | scripted.Close) else latency


def _echoed(asked: Asked) -> str:
    """What a careless service repeats: credentials, the query, the beginning of the body."""
    said = [f"{name}={asked.headers[name]}" for name in _ECHOED if name in asked.headers]
    body = asked.body[:2000].decode("utf-8", "replace")
    return f"{'; '.join(said)}; {asked.path}?{asked.query}; {body}"
