"""The transport of HTTP drivers against real sockets: one request for each send, in time, and what failures mean."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path

import aiohttp
import pytest
import trustme

from cloudai.errors import ConfigError, ErrorCode
from cloudai.http import (
    AsyncTransport,
    HttpSettings,
    Transport,
    WireReply,
    WireRequest,
    check_cleartext,
    proxy_for,
    retry_after,
    transport_fault,
)
from cloudai.wirejson import JsonNode, Malformed, dump

Answer = Callable[[socket.socket], None]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Kind: Test\r\n\r\nok"


class Raw:
    """A server that answers what it is told to, and counts the requests it got."""

    def __init__(self, *answers: Answer, context: ssl.SSLContext | None = None) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections = 0
        self.context = context
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.stopped = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def url(self) -> str:
        scheme = "https" if self.context else "http"
        return f"{scheme}://localhost:{self.listener.getsockname()[1]}"

    def _serve(self) -> None:
        while not self.stopped.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        try:
            with connection if self.context is None else self.context.wrap_socket(connection, server_side=True) as talk:
                while request := self._request(talk):
                    self.requests.append(request)
                    self.answers[min(len(self.requests), len(self.answers)) - 1](talk)
        except OSError:
            return

    @staticmethod
    def _request(connection: socket.socket) -> bytes:
        found = b""
        while b"\r\n\r\n" not in found:
            part = connection.recv(65536)
            if not part:
                return b""
            found += part
        head, _, body = found.partition(b"\r\n\r\n")
        lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        wanted = int(lengths[0].split(b":")[1]) if lengths else 0
        while len(body) < wanted:
            body += connection.recv(65536)
        return head + b"\r\n\r\n" + body

    def close(self) -> None:
        self.stopped.set()
        self.listener.close()


def say(content: bytes) -> Answer:
    return lambda connection: connection.sendall(content)


def hang(connection: socket.socket) -> None:
    connection.recv(1)


def drip(content: bytes) -> Answer:
    def answer(connection: socket.socket) -> None:
        for byte in content:
            connection.sendall(bytes([byte]))
            time.sleep(0.05)

    return answer


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()


@contextmanager
def raw(*answers: Answer, context: ssl.SSLContext | None = None) -> Iterator[Raw]:
    server = Raw(*answers, context=context)
    try:
        yield server
    finally:
        server.close()


def settings(**more: object) -> HttpSettings:
    return HttpSettings.model_validate({"provider": "test", **more})


def exchange(kind: str, request: WireRequest, *, timeout: float = 5.0, times: int = 1, **more: object) -> WireReply:
    """`times` exchanges over one transport; the last reply."""
    if kind == "sync":
        transport = Transport(settings(**more))
        try:
            return [transport.send(request, timeout=timeout) for _ in range(times)][-1]
        finally:
            transport.close()

    async def ask() -> WireReply:
        waiting = AsyncTransport(settings(**more))
        try:
            return [await waiting.send(request, timeout=timeout) for _ in range(times)][-1]
        finally:
            await waiting.close()

    return asyncio.run(ask())


def failure(kind: str, url: str, *, timeout: float = 20.0, method: str = "GET", **more: object) -> ErrorCode:
    with pytest.raises(Exception) as caught:  # noqa: PT011  # whatever the library raises: the fault is what is tested
        exchange(kind, WireRequest(method=method, url=url + "/?secret=1"), timeout=timeout, **more)
    fault = transport_fault(caught.value)
    assert fault is not None
    assert "secret" not in str(fault.message)
    return fault.code


both = pytest.mark.parametrize("kind", ["sync", "async"])


@both
def test_a_reply_comes_back_whole(kind: str) -> None:
    with raw(say(OK)) as server:
        request = WireRequest(method="POST", url=server.url + "/v1", headers={"X-Mine": "yes"}, body=b"{}")
        reply = exchange(kind, request)
    assert (reply.status, reply.headers["x-kind"], reply.body) == (200, "Test", b"ok")
    assert server.requests[0].startswith(b"POST /v1 HTTP/1.1\r\n")
    assert b"x-mine: yes" in server.requests[0].lower()
    assert server.requests[0].endswith(b"\r\n\r\n{}")


@both
def test_connections_are_kept(kind: str) -> None:
    seen = set[int]()

    def answer(connection: socket.socket) -> None:
        seen.add(connection.getpeername()[1])
        connection.sendall(OK)

    with raw(answer) as server:
        exchange(kind, WireRequest(method="GET", url=server.url), times=5)
        assert len(server.requests) == 5
    assert len(seen) == 1


@both
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_kept_connection_that_breaks_is_not_tried_again(kind: str, method: str) -> None:
    with raw(say(OK), reset, say(OK)) as server:
        request = WireRequest(method=method, url=server.url)
        with pytest.raises(Exception) as caught:  # noqa: PT011
            exchange(kind, request, times=2)
        assert len(server.requests) == 2
    fault = transport_fault(caught.value)
    assert fault is not None
    assert fault.code is ErrorCode.UNAVAILABLE


@both
def test_redirects_are_not_followed_and_cookies_not_kept(kind: str) -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: /else\r\nSet-Cookie: a=b\r\nContent-Length: 0\r\n\r\n"
    with raw(say(moved)) as server:
        assert exchange(kind, WireRequest(method="GET", url=server.url), times=2).status == 302
        assert len(server.requests) == 2
        assert b"cookie" not in server.requests[1].lower()


@both
@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (reset, ErrorCode.UNAVAILABLE),
        (say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok"), ErrorCode.DEADLINE_EXCEEDED),
        (hang, ErrorCode.DEADLINE_EXCEEDED),
        (drip(b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 200), ErrorCode.DEADLINE_EXCEEDED),
        (drip(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + b"a" * 300), ErrorCode.DEADLINE_EXCEEDED),
        (say(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"), ErrorCode.UNAVAILABLE),
    ],
    ids=["reset", "short body", "silence", "headers drip", "body drips", "no http"],
)
def test_what_a_broken_server_does_is_told(kind: str, answer: Answer, code: ErrorCode) -> None:
    with raw(answer) as server:
        timeout = 1.0 if code is ErrorCode.DEADLINE_EXCEEDED else 20.0
        assert failure(kind, server.url, timeout=timeout) is code
        assert len(server.requests) == 1


@both
def test_a_body_cut_off_is_unavailable(kind: str) -> None:
    def cut(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok")
        connection.shutdown(socket.SHUT_RDWR)

    with raw(cut) as server:
        assert failure(kind, server.url) is ErrorCode.UNAVAILABLE


@both
def test_nobody_there_is_unavailable(kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert failure(kind, f"http://127.0.0.1:{port}") is ErrorCode.UNAVAILABLE


@both
def test_a_certificate_is_verified_and_an_own_authority_can_be_named(kind: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with raw(say(OK), context=context) as server:
        assert failure(kind, server.url) is ErrorCode.UNAVAILABLE
        assert server.requests == []
        trusting = exchange(kind, WireRequest(method="GET", url=server.url), ca_file=str(tmp_path / "ca.pem"))
    assert trusting.body == b"ok"


@both
def test_a_configured_proxy_is_asked_but_not_for_loopback(kind: str) -> None:
    with raw(say(OK)) as proxy, raw(say(OK)) as server:
        exchange(kind, WireRequest(method="GET", url="http://service.test/v1"), proxy=proxy.url)
        exchange(kind, WireRequest(method="GET", url=server.url), proxy=proxy.url)
        assert [request.split(b" ")[1] for request in proxy.requests] == [b"http://service.test/v1"]
        assert len(server.requests) == 1


def test_the_environments_proxy_and_its_exceptions_are_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.test:3128")
    monkeypatch.setenv("NO_PROXY", "internal.test")
    assert proxy_for("https://vision.googleapis.com/v1", None) == "http://proxy.test:3128"
    assert proxy_for("https://api.internal.test/v1", None) is None
    assert proxy_for("https://127.0.0.1/v1", None) is None
    assert proxy_for("http://169.254.169.254/token", "http://proxy.test:3128") is None


def test_many_threads_share_one_pool_without_each_others_deadlines() -> None:
    with raw(say(OK)) as server:
        transport = Transport(settings(max_connections=4))
        replies: list[int] = []

        def ask() -> None:
            for _ in range(10):
                replies.append(transport.send(WireRequest(method="GET", url=server.url), timeout=30).status)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        transport.close()
    assert replies == [200] * 80


def test_a_connection_is_closed_after_the_request_on_it_and_not_under_it() -> None:
    """httpcore's pool closes in one thread what another has just begun to use, which took it for idle."""
    asked, closed = threading.Event(), threading.Event()

    def late(connection: socket.socket) -> None:
        asked.set()
        assert closed.wait(30)
        connection.sendall(OK)

    transport = Transport(settings())
    with raw(late) as server, ThreadPoolExecutor(1) as pool:
        reply = pool.submit(transport.send, WireRequest(method="GET", url=server.url), timeout=5.0)
        assert asked.wait(30)
        transport.close()
        closed.set()
        assert reply.result().body == b"ok"
    gc.collect()  # a socket that nobody closed is a warning, and warnings fail


def test_each_event_loop_has_connections_of_its_own_and_leaves_none_open() -> None:
    """An unclosed session is a warning, and warnings fail; the second loop could not use the first one's sockets."""
    transport = AsyncTransport(settings())

    async def once(url: str) -> aiohttp.ClientSession:
        for _ in range(2):
            await transport.send(WireRequest(method="GET", url=url), timeout=30.0)
        return transport.client

    with raw(say(OK)) as server:
        sessions = [asyncio.run(once(server.url)) for _ in range(3)]
        assert server.connections == 3
    assert [session.closed for session in sessions] == [True] * 3
    assert len(transport._sessions) == 1  # closed loops are forgotten when the next one comes
    gc.collect()


def test_loops_in_two_threads_do_not_take_each_others_sessions() -> None:
    transport, meeting = AsyncTransport(settings()), threading.Barrier(2)

    async def once(url: str) -> aiohttp.ClientSession:
        await transport.send(WireRequest(method="GET", url=url), timeout=30.0)
        await asyncio.to_thread(meeting.wait, 60.0)
        await transport.send(WireRequest(method="GET", url=url), timeout=30.0)
        mine = transport.client
        await transport.close()
        return mine

    with raw(say(OK)) as server, ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: asyncio.run(once(server.url)), range(2))
    assert first is not second
    assert first.closed
    assert second.closed


@pytest.mark.parametrize(
    "url", ["http://10.0.0.1", "http://service.test", "http://127.0.0.1.evil.test", "http://[::2]"]
)
def test_credentials_are_not_sent_in_the_clear(url: str) -> None:
    with pytest.raises(ConfigError, match="https"):
        check_cleartext(url, backend="mine")


@pytest.mark.parametrize("url", ["ftp://here", "nonsense", "https://user:word@host", "http://[::1"])
def test_what_is_no_endpoint_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="endpoint_url"):
        check_cleartext(url, backend="mine")


@pytest.mark.parametrize(
    "url", ["https://service.test", "http://127.0.0.1:8080", "http://localhost:1", "http://[::1]:2"]
)
def test_https_and_this_machine_are_taken(url: str) -> None:
    check_cleartext(url, backend="mine")


def test_retry_after_is_seconds_or_a_date() -> None:
    assert retry_after({"retry-after": "2"}) == 2.0
    assert retry_after({"retry-after": formatdate(1_000_030, usegmt=True)}, now=1_000_000.0) == 30.0
    assert retry_after({"retry-after": formatdate(1_000, usegmt=True)}, now=1_000_000.0) == 0.0
    assert [retry_after({"retry-after": text}) for text in ("", "soon", "nan", "inf", "-")] == [None] * 5
    assert retry_after({}) is None


@pytest.mark.parametrize("skew", [-86_400, 0, 86_400])
def test_a_date_to_wait_for_is_counted_from_the_servers_own_clock(skew: int) -> None:
    now = time.time() + skew
    headers = {"retry-after": formatdate(now + 30, usegmt=True), "date": formatdate(now, usegmt=True)}
    assert retry_after(headers) == 30.0


def test_an_exception_of_nobodys_is_not_the_transports() -> None:
    assert transport_fault(ZeroDivisionError()) is None


def test_a_ca_file_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="ca_file"):
        Transport(settings(ca_file=str(tmp_path / "none.pem")))


def test_nothing_secret_is_in_a_repr() -> None:
    request = WireRequest(method="POST", url="https://service.test", headers={"x-key": "s3cret"}, body=b"s3cret")
    assert "s3cret" not in repr(request)


def test_json_of_the_wrong_form_is_told_by_its_path() -> None:
    node = JsonNode.parse(b'{"a": {"b": ["x"], "n": "1", "f": 1.5, "t": true}}')
    a = node.at("a")
    assert [each.word() for each in a.items("b")] == ["x"]
    assert (a.integer("n"), a.number("f"), a.flag("t"), a.number("none"), a.at("x").at("y").text("z")) == (
        1, 1.5, True, 0.0, "",
    )  # fmt: skip
    for wrong in (lambda: a.text("b"), lambda: a.number("t"), lambda: a.items("f"), lambda: a.at("f").at("x")):
        with pytest.raises(Malformed, match=r"\$\.a\."):
            wrong()
    for content in (b"", b"<html>", b"[]", b'{"a": ', b"[" * 100_000):
        with pytest.raises(Malformed):
            JsonNode.parse(content)


def test_what_is_dumped_is_json() -> None:
    assert dump({"text": "ü"}) == '{"text":"ü"}'.encode()
    with pytest.raises(ValueError, match="JSON"):
        dump({"x": float("nan")})
