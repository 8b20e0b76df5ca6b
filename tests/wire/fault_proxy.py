"""A proxy before a strict server: one step of a flow goes wrong on its way, everything else passes as it came.

It counts the requests that reached its socket by step, so that a test can say how often something was asked for.
"""

from __future__ import annotations

import http.client
import re
import ssl
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import loopback_http

_OWN = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive", "expect"})


@dataclass(frozen=True, kw_only=True)
class Mishap:
    """What happens to one request."""

    how: str
    """`reset`: before a byte of the answer; `cut`: after its head; `short`: in the middle of its body; `hang`; or a
    status to refuse it with."""
    done: bool = True
    """Whether the server behind gets it nevertheless."""


class FaultProxy(loopback_http.Server):
    """`step`: a pattern of `METHOD path target`; the requests that it fits meet the `mishap`, as often as `times`."""

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Exchange)
        self.target = urlsplit(target)
        self.step = re.compile("(?!)")
        self.mishap = Mishap(how="reset")
        self.times = 0
        self.seen = Counter[str]()
        self.lock = threading.Lock()
        self.ended = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def play(self, step: str, mishap: Mishap, times: int = 1) -> None:
        self.step, self.mishap, self.times = re.compile(step), mishap, times
        self.seen.clear()

    def count(self, step: str) -> int:
        """Requests that arrived, answered or not."""
        return sum(number for name, number in self.seen.items() if re.search(step, name))

    def meets(self, name: str) -> Mishap | None:
        with self.lock:
            self.seen[name] += 1
            if not self.times or not self.step.search(name):
                return None
            self.times -= 1
            return self.mishap


class _Exchange(loopback_http.Talk):
    server: FaultProxy

    def handle_one_request(self) -> None:
        try:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            self.exchange()
            self.wfile.flush()
        except (ConnectionError, TimeoutError, ValueError):
            self.close_connection = True

    def exchange(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        target = self.headers.get("x-amz-target", "").rpartition(".")[2]
        mishap = self.server.meets(f"{self.command} {self.path.partition('?')[0]} {target}")
        if mishap is None:
            self.answer(*self.behind(body))
            return
        refused = mishap.how.isdigit()
        self.close_connection = not refused
        status, headers, content = self.behind(body) if mishap.done and not refused else (200, [], b"{}")
        if mishap.how == "reset":
            self.reset()
        elif mishap.how == "hang":
            self.server.ended.wait(30)
        elif mishap.how == "cut":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-")
            self.wfile.flush()
            self.reset()
        elif mishap.how == "short":
            self.answer(status, headers, content, length=len(content) + 100)
        else:
            self.answer(int(mishap.how), [("Content-Type", "application/json")], b"{}")

    def answer(self, status: int, headers: list[tuple[str, str]], body: bytes, *, length: int | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in _OWN:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        self.wfile.write(body)

    def behind(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """The server's own answer, with its address in it as ours."""
        target = self.server.target
        assert target.hostname is not None
        talk = (
            http.client.HTTPSConnection(target.hostname, target.port, context=ssl._create_unverified_context())
            if target.scheme == "https"
            else http.client.HTTPConnection(target.hostname, target.port)
        )
        try:
            talk.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in _OWN:
                    talk.putheader(name, value)
            talk.putheader("Content-Length", str(len(body)))
            talk.endheaders(body)
            reply = talk.getresponse()
            here, there = self.server.url, target.geturl()
            headers = [(name, value.replace(there, here)) for name, value in reply.getheaders()]
            return reply.status, headers, reply.read().replace(there.encode(), here.encode())
        finally:
            talk.close()


@contextmanager
def before(target: str) -> Iterator[FaultProxy]:
    """A proxy for the time of a test."""
    proxy = FaultProxy(target)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.ended.set()
        proxy.shutdown()
        proxy.server_close()
        thread.join()
