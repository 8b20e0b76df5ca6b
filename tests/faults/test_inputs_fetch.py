"""Fetching inputs from real servers on the loopback: redirects, rebinding, bodies that are too large, slow or cut."""

from __future__ import annotations

import contextlib
import io
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme
from PIL import Image

from cloudai.calls.fetch import fetch
from cloudai.calls.media import InputGuard, load
from cloudai.errors import CloudAIError, ErrorCode, InvalidInput, ServiceError, TooLarge
from cloudai.types.media import MediaKind

Answer = Callable[[socket.socket, str], None]


@dataclass
class Server:
    """Answers each connection by the path that it asks for."""

    answers: dict[str, Answer]
    context: ssl.SSLContext | None = None
    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{'https' if self.context else 'http'}://{host}:{self.port}{path}"

    @property
    def guard(self) -> InputGuard:
        hosts = ("127.0.0.1", "localhost", "photos.example")
        return InputGuard(max_bytes=1_000_000, allow_hosts=frozenset(f"{host}:{self.port}" for host in hosts))

    def serve(self, listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            secured = self.context.wrap_socket(connection, server_side=True) if self.context else connection
            with secured:
                head = secured.recv(65_536)
                self.requests.append(head)
                path = head.split(b" ")[1].decode().partition("?")[0]
                self.answers[path](secured, path)


@pytest.fixture
def start() -> Iterator[Callable[..., Server]]:
    with contextlib.ExitStack() as stack:

        def started(context: ssl.SSLContext | None = None, **answers: Answer) -> Server:
            server = Server({f"/{path}": answer for path, answer in answers.items()}, context)
            listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            stack.callback(listening.shutdown, socket.SHUT_RDWR)
            server.port = listening.getsockname()[1]
            threading.Thread(target=server.serve, args=(listening,), daemon=True).start()
            return server

        yield started


def photo() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (30, 20), "navy").save(file, "PNG")
    return file.getvalue()


def says(body: bytes, status: str = "200 OK", **headers: str) -> Answer:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    head = "\r\n".join([*lines, "", ""]).encode()
    return lambda connection, _: connection.sendall(head + body)


def sends(data: bytes) -> Answer:
    return lambda connection, _: connection.sendall(data)


def to(location: str, status: str = "302 Found") -> Answer:
    return says(b"", status, Location=location)


def test_an_image_is_fetched_and_checked_like_any_other(start: Callable[..., Server]) -> None:
    server = start(photo=says(photo(), Content_Type="text/html"))
    media = load(server.url("/photo"), MediaKind.IMAGE, guard=server.guard)
    assert (media.data, media.content_type, media.name) == (photo(), "image/png", "photo")
    assert (media.uri, server.connections) == (None, 1)


def test_nothing_is_sent_that_was_not_asked_for(start: Callable[..., Server], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    (Path.home() / ".netrc").write_text("default login me password hush\n", encoding="ascii")
    server = start(a=says(photo()))
    fetch(server.url("/a?X-Signature=keep"), guard=server.guard, timeout=10)
    line, *headers = server.requests[0].decode().strip().split("\r\n")
    assert line == "GET /a?X-Signature=keep HTTP/1.1"
    assert sorted(header.partition(":")[0] for header in headers) == ["Accept", "Accept-Encoding", "Host", "User-Agent"]
    assert f"Host: 127.0.0.1:{server.port}" in headers


def test_plain_http_needs_the_very_port_to_be_allowed(start: Callable[..., Server]) -> None:
    server = start(a=says(photo()))
    for hosts in (frozenset[str](), frozenset({"127.0.0.1:1"}), frozenset({"127.0.0.1"})):
        with pytest.raises(InvalidInput, match="http:// is not fetched"):
            fetch(server.url("/a"), guard=InputGuard(allow_hosts=hosts), timeout=10)
    assert server.connections == 0


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_redirects_are_followed(status: str, start: Callable[..., Server]) -> None:
    server = start(a=to("b?x=1", status), b=says(photo()))
    assert fetch(server.url("/a"), guard=server.guard, timeout=10) == photo()
    assert server.requests[1].startswith(b"GET /b?x=1 ")


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[fd00:ec2::254]/latest",
        "https://10.0.0.1/",
        "https://0x7f.1/",
        "//192.168.0.1/a.png",
        "https://user:word@example.com/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_x",
        "https://[",
    ],
)
def test_a_redirect_inwards_is_not_followed(location: str, start: Callable[..., Server]) -> None:
    server = start(a=to(location))
    with pytest.raises(InvalidInput):
        fetch(server.url("/a"), guard=server.guard, timeout=10)
    assert server.connections == 1


def test_a_redirect_to_another_port_of_an_allowed_host_is_not_followed(start: Callable[..., Server]) -> None:
    inner = start(secret=says(b"secret"))
    outer = start(a=to(inner.url("/secret")), b=to(f"https://127.0.0.1:{inner.port}/secret"))
    for path in ("/a", "/b"):
        with pytest.raises(InvalidInput):
            fetch(outer.url(path), guard=outer.guard, timeout=10)
    assert inner.connections == 0


def test_redirects_end(start: Callable[..., Server]) -> None:
    server = start(a=to("a"))
    with pytest.raises(InvalidInput, match="redirects more than 5 times"):
        fetch(server.url("/a"), guard=server.guard, timeout=10)
    assert server.connections == 6


def test_a_name_is_resolved_once_and_that_address_is_connected_to(
    start: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, asked = start(a=says(photo())), list[str]()
    real = socket.getaddrinfo

    def rebinding(host: str, port: int, *arguments: int, **more: int) -> object:
        if host != "photos.example":
            return real(host, port, *arguments, **more)
        asked.append(host)
        return real("127.0.0.1" if len(asked) == 1 else "127.0.0.99", port, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    assert fetch(server.url("/a", "photos.example"), guard=server.guard, timeout=10) == photo()
    assert asked == ["photos.example"]
    assert f"Host: photos.example:{server.port}".encode() in server.requests[0]


def test_a_name_that_rebinds_between_redirects_is_checked_each_time(
    start: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second hop is not exempt, and by then the name points inwards."""
    server = start(a=to("https://photos.example/a"))
    real = socket.getaddrinfo

    def rebinding(host: str, port: int, *arguments: int, **more: int) -> object:
        return real("127.0.0.1" if host == "photos.example" else host, port, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    with pytest.raises(InvalidInput, match=r"photos.example is not on the public internet"):
        fetch(server.url("/a", "photos.example"), guard=server.guard, timeout=10)
    assert server.connections == 1


def test_the_next_address_is_tried_when_one_is_dead(
    start: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start(a=says(photo()))
    both = [(2, 1, 6, "", ("127.0.0.9", server.port)), (2, 1, 6, "", ("127.0.0.1", server.port))]
    real = socket.getaddrinfo

    def two(host: str, *arguments: object, **more: object) -> object:
        return both if host == "photos.example" else real(host, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", two)
    assert fetch(server.url("/a", "photos.example"), guard=server.guard, timeout=10) == photo()


@pytest.mark.parametrize("length", ["Content-Length: 50000000\r\n", "Content-Length: junk\r\n", ""])
def test_a_body_over_the_bound_is_not_read_on(length: str, start: Callable[..., Server]) -> None:
    sent = 0

    def endless(connection: socket.socket, _: str) -> None:
        nonlocal sent
        connection.sendall(f"HTTP/1.1 200 OK\r\n{length}\r\n".encode())
        while sent < 50_000_000:
            connection.sendall(bytes(100_000))
            sent += 100_000

    server = start(a=endless)
    with pytest.raises(CloudAIError) as caught:
        fetch(server.url("/a"), guard=server.guard, timeout=10)
    assert sent < 20_000_000  # what the sockets' buffers took
    if "junk" not in length:
        assert isinstance(caught.value, TooLarge)
        assert "more than 1,000,000 bytes" in str(caught.value)


def test_chunks_are_counted_as_they_come(start: Callable[..., Server]) -> None:
    chunk = b"10000\r\n" + bytes(65_536) + b"\r\n"
    server = start(a=sends(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 17 + b"0\r\n\r\n"))
    with pytest.raises(TooLarge):
        fetch(server.url("/a"), guard=server.guard, timeout=10)


def drip(head: bytes, piece: bytes) -> Answer:
    def answer(connection: socket.socket, _: str) -> None:
        connection.sendall(head)
        while True:
            connection.sendall(piece)
            time.sleep(0.02)

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
        drip(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        drip(b"", b"H"),
        lambda connection, _: connection.recv(1),
    ],
    ids=["body", "headers", "status line", "silence"],
)
def test_the_deadline_holds_for_what_drips(answer: Answer, start: Callable[..., Server]) -> None:
    server = start(a=answer)
    with pytest.raises(ServiceError) as caught:
        fetch(server.url("/a"), guard=server.guard, timeout=0.3)
    assert (caught.value.code, caught.value.retryable) in (
        (ErrorCode.DEADLINE_EXCEEDED, True),
        (ErrorCode.UNAVAILABLE, True),  # a line that never ends is a broken answer
    )


def test_the_deadline_holds_over_all_redirects(start: Callable[..., Server]) -> None:
    def late(connection: socket.socket, path: str) -> None:
        time.sleep(0.15)
        to("a")(connection, path)

    server = start(a=late)
    with pytest.raises(ServiceError) as caught:
        fetch(server.url("/a"), guard=server.guard, timeout=0.4)
    assert caught.value.code is ErrorCode.DEADLINE_EXCEEDED
    assert server.connections <= 4


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nonly this",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"",
    ],
)
def test_an_answer_that_is_cut_is_unavailable(data: bytes, start: Callable[..., Server]) -> None:
    server = start(a=sends(data))
    with pytest.raises(ServiceError, match="the connection failed") as caught:
        fetch(server.url("/a"), guard=server.guard, timeout=10)
    assert caught.value.code is ErrorCode.UNAVAILABLE


def test_a_port_where_nothing_listens_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(ServiceError) as caught:
        fetch(f"http://127.0.0.1:{port}/", guard=InputGuard(allow_hosts=frozenset({f"127.0.0.1:{port}"})), timeout=10)
    assert caught.value.code is ErrorCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        ("404 Not Found", ErrorCode.NOT_FOUND, InvalidInput),
        ("410 Gone", ErrorCode.NOT_FOUND, InvalidInput),
        ("401 Unauthorized", ErrorCode.UNAUTHENTICATED, ServiceError),
        ("403 Forbidden", ErrorCode.PERMISSION_DENIED, ServiceError),
        ("418 Teapot", ErrorCode.INVALID_INPUT, InvalidInput),
        ("204 No Content", ErrorCode.INVALID_INPUT, InvalidInput),
        ("206 Partial Content", ErrorCode.INVALID_INPUT, InvalidInput),
        ("302 Found", ErrorCode.INVALID_INPUT, InvalidInput),
        ("429 Too Many", ErrorCode.RATE_LIMITED, ServiceError),
        ("500 Oops", ErrorCode.UNAVAILABLE, ServiceError),
        ("503 Busy", ErrorCode.UNAVAILABLE, ServiceError),
    ],
)
def test_each_status_has_its_code_and_no_query_in_its_message(
    status: str, code: ErrorCode, kind: type[CloudAIError], start: Callable[..., Server]
) -> None:
    server = start(a=says(b"", status, Retry_After="7"))
    with pytest.raises(kind) as caught:
        fetch(server.url("/a?X-Amz-Signature=hush"), guard=server.guard, timeout=10)
    assert caught.value.code is code
    assert "hush" not in repr(caught.value) + str(caught.value)
    assert caught.value.retry_after == (7.0 if kind is ServiceError else None)


def test_compressed_content_is_not_inflated(start: Callable[..., Server]) -> None:
    server = start(a=says(b"\x1f\x8b...", Content_Encoding="gzip"))
    with pytest.raises(InvalidInput, match="compressed"):
        fetch(server.url("/a"), guard=server.guard, timeout=10)


def test_a_page_in_the_place_of_the_photo_is_named_as_one(start: Callable[..., Server]) -> None:
    server = start(photo=says(b"<!DOCTYPE html><h1>Log in</h1>"))
    with pytest.raises(InvalidInput, match="photo holds an HTML page, not an image"):
        load(server.url("/photo?sig=hush"), MediaKind.IMAGE, guard=server.guard)


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    return made


def secured(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def pointing_here(monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def here(host: str, port: int, *arguments: int, **more: int) -> object:
        return real("127.0.0.1" if host == "photos.example" else host, port, *arguments, **more)

    monkeypatch.setattr(socket, "getaddrinfo", here)


def test_https_checks_the_certificate_for_the_name_though_it_connects_to_the_address(
    start: Callable[..., Server], authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointing_here(monkeypatch)
    context, asked = secured(authority, "photos.example"), list[str | None]()
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    server = start(context, a=says(photo()))
    assert fetch(server.url("/a", "photos.example"), guard=server.guard, timeout=10) == photo()
    assert asked == ["photos.example"]


@pytest.mark.parametrize("names", [("other.example",), ("127.0.0.1",)])
def test_a_certificate_for_another_name_is_not_trusted(
    names: tuple[str, ...], start: Callable[..., Server], authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointing_here(monkeypatch)
    server = start(secured(authority, *names), a=says(photo()))
    with pytest.raises(ServiceError, match="its certificate is not trusted") as caught:
        fetch(server.url("/a", "photos.example"), guard=server.guard, timeout=10)
    assert not caught.value.retryable
    assert server.requests == []


def test_a_certificate_of_an_unknown_authority_is_not_trusted(
    start: Callable[..., Server], authority: trustme.CA
) -> None:
    server = start(secured(trustme.CA(), "127.0.0.1"), a=says(photo()))
    with pytest.raises(ServiceError, match="its certificate is not trusted"):
        fetch(server.url("/a"), guard=server.guard, timeout=10)


def test_https_does_not_redirect_down_to_http(start: Callable[..., Server], authority: trustme.CA) -> None:
    plain = start(a=says(photo()))
    server = start(secured(authority, "127.0.0.1"), a=to(plain.url("/a")))
    guard = InputGuard(allow_hosts=server.guard.allow_hosts | plain.guard.allow_hosts)
    with pytest.raises(InvalidInput, match="redirects from https to http: not followed"):
        fetch(server.url("/a"), guard=guard, timeout=10)
    assert plain.connections == 0


def test_the_deadline_holds_for_a_handshake_that_never_ends(start: Callable[..., Server]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        guard = InputGuard(allow_hosts=frozenset({f"127.0.0.1:{port}"}))
        with pytest.raises(ServiceError) as caught:
            fetch(f"https://127.0.0.1:{port}/", guard=guard, timeout=0.3)
    assert caught.value.code is ErrorCode.DEADLINE_EXCEEDED
