"""A loopback server that speaks Azure and forgives nothing: for the tests of the azure driver.

Each request is held to the description of its operation (path, query, headers, body; `azure_schema`), each answer to
it before it is sent. What is wrong is noted in `violations`, which `serving` demands to be empty. Keys are checked.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import azure_schema
import loopback_http
from azure_bodies import Received, understood
from azure_routes import Wrong, matched

KEY = "loopback-key-0123456789abcdef"
TOKEN = "loopback.entra.token"
REGION = "eastus"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An error as Azure sends it: `body` is its JSON, or what a proxy puts in its place."""

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Broken:
    """Something that is no answer: `reset`, `cut` (after the headers), `hang`, `truncated`, `html`, `empty`, `drip`."""

    kind: str
    seconds: float = 30.0


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer with more than a body."""

    body: Any
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Received], Any]


class AzureServer:
    """Answers by `handlers`; a queue of `troubles` goes before them."""

    def __init__(self, handlers: Mapping[str, Handler]) -> None:
        self.handlers = dict(handlers)
        self.troubles: deque[Failure | Broken] = deque()
        self.requests: list[Received] = []
        self.violations: list[str] = []
        self.token: str | None = None
        self.http = loopback_http.Server(("127.0.0.1", 0), _handler(self))
        threading.Thread(target=self.http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}"

    @property
    def operations(self) -> list[str]:
        """What was asked, in order."""
        return [request.operation for request in self.requests]

    def answer(self, received: Received) -> Reply:
        """Raises `Wrong`."""
        if received.path.startswith("/artifacts/"):
            if "authorization" in received.headers or "ocp-apim-subscription-key" in received.headers:
                raise Wrong("credentials sent to an address with a signature of its own")
        elif received.headers.get("ocp-apim-subscription-key") != KEY and (
            received.headers.get("authorization") != f"Bearer {self.token or TOKEN}"
        ):
            raise Wrong("Access denied due to invalid subscription key or wrong API endpoint.", 401)
        route = matched(received.method, received.path, received.query)
        received = understood(route, replace(received, operation=route.name))
        self.requests[-1] = received
        given = self.handlers[route.name](received)
        reply = given if isinstance(given, Reply) else Reply(body=given)
        if "." in route.gives and (found := azure_schema.problems(route.gives, reply.body)):
            self.violations += [f"answer: {each}" for each in found]
        return Reply(body=reply.body, status=reply.status or route.status, headers=reply.headers)

    def close(self) -> None:
        self.http.shutdown()
        self.http.server_close()


def _handler(server: AzureServer) -> type[loopback_http.Talk]:
    class Handler(loopback_http.Talk):
        def do_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            parts = urlsplit(self.path)
            received = Received(
                operation="?",
                method=self.command,
                path=parts.path,
                query=dict(parse_qsl(parts.query, keep_blank_values=True)),
                headers={name.lower(): value for name, value in self.headers.items()},
                body=body,
            )
            server.requests.append(received)
            if server.troubles:
                self.trouble(server.troubles.popleft())
                return
            try:
                reply = server.answer(received)
            except Wrong as wrong:
                if wrong.status != 401:
                    server.violations.append(f"request: {wrong}")
                self.send(wrong.status, {"error": {"code": str(wrong.status), "message": str(wrong)}}, {})
            else:
                self.send(reply.status or 200, reply.body, reply.headers)

        do_GET = do_POST = do_DELETE = do_any  # noqa: N815

        def trouble(self, trouble: Failure | Broken) -> None:
            if isinstance(trouble, Failure):
                self.send(trouble.status, trouble.body, trouble.headers)
            elif trouble.kind in ("reset", "cut"):
                if trouble.kind == "cut":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
                    self.wfile.flush()
                    time.sleep(0.1)  # a reset takes what was not read yet with it
                self.reset()
            elif trouble.kind == "hang":
                time.sleep(trouble.seconds)
                self.close_connection = True
            elif trouble.kind == "drip":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
                for _ in range(100):
                    with suppress(OSError):
                        self.wfile.write(b" ")
                        self.wfile.flush()
                    time.sleep(trouble.seconds / 100)
                self.close_connection = True
            else:
                content = {"truncated": b'{"modelVersion": "2023', "html": b"<html>Bad gateway</html>", "empty": b""}
                self.send(200, content[trouble.kind], {"Content-Type": "text/html"})

        def send(self, status: int, body: Any, headers: Mapping[str, str]) -> None:
            content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
            named = {"Content-Type": "application/json", "apim-request-id": str(uuid.uuid4()), **headers}
            with suppress(OSError):
                self.send_response(status)
                for name, value in named.items():
                    self.send_header(name, value)
                if status != 204:
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

    return Handler


@contextmanager
def serving(handlers: Mapping[str, Handler], *, strict: bool = True) -> Iterator[AzureServer]:
    """A server for the block; at its end nothing may have been wrong."""
    server = AzureServer(handlers)
    try:
        yield server
    finally:
        server.close()
    if strict:
        assert server.violations == []
