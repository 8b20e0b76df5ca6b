"""How one signed request of botocore goes out: once, within the call's seconds, over one pool for all services.

botocore's own session reads a body for as long as bytes drip in, and takes its timeouts per client. Here the seconds
of one call (`within`) bound everything together: connecting, headers and body. It is hooked in by botocore's event
`before-send`. Proxies (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`) and a CA bundle (`AWS_CA_BUNDLE`, the profile's
`ca_bundle`) are honoured.
"""

from __future__ import annotations

import io
import json
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Protocol
from urllib.parse import urlsplit

import urllib3
from botocore.awsrequest import AWSResponse
from botocore.httpsession import get_cert_path
from botocore.parsers import ResponseParserError
from botocore.utils import get_environ_proxies
from urllib3.exceptions import ReadTimeoutError
from urllib3.util import Timeout

from cloudai.delivery import unsent
from cloudai.errors import CloudAIError, ErrorCode

_CHUNK = 1 << 16
_DEFAULT_SECONDS = 60.0
"""For calls made on the vendor's client without cloudai."""
_ends: ContextVar[float | None] = ContextVar("cloudai_aws_ends", default=None)
_given_up: ContextVar[threading.Event | None] = ContextVar("cloudai_aws_given_up", default=None)


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """All requests made inside have to be over by then; an outer bound stays."""
    ends, outer = time.monotonic() + seconds, _ends.get()
    token = _ends.set(ends if outer is None else min(ends, outer))
    try:
        yield
    finally:
        _ends.reset(token)


@contextmanager
def until(given_up: threading.Event) -> Iterator[None]:
    """`pause` inside ends when the event is set: nobody waits for the call any longer."""
    token = _given_up.set(given_up)
    try:
        yield
    finally:
        _given_up.reset(token)


def pause(seconds: float) -> None:
    """Between two looks at a job. Raises `CloudAIError` (cancelled) when the call was given up."""
    given_up = _given_up.get()
    if given_up is None:
        time.sleep(seconds)
    elif given_up.wait(seconds):
        raise CloudAIError("the call was given up", code=ErrorCode.CANCELLED)


def seconds_left() -> float:
    """Of the call that runs now. Raises `TimeoutError` when there are none."""
    ends = _ends.get()
    left = _DEFAULT_SECONDS if ends is None else ends - time.monotonic()
    if left <= 0:
        with unsent():
            raise TimeoutError("the time for this attempt is over")
    return left


class Prepared(Protocol):
    """botocore's `AWSPreparedRequest`."""

    method: str
    url: str
    headers: Mapping[str, str | bytes]
    body: Any


class _Body(io.BytesIO):
    """A whole body, in the form that botocore reads one."""

    def stream(self, **_: object) -> Iterator[bytes]:
        """All of it."""
        yield self.read()


class Wire:
    """One pool of connections. Safe for many threads."""

    def __init__(self, *, connections: int, ca_bundle: str | None, secrets: tuple[str, ...] = ()) -> None:
        self._secrets = tuple(secret.encode() for secret in secrets)
        self._connections = connections
        self._certificates = get_cert_path(ca_bundle or os.environ.get("REQUESTS_CA_BUNDLE") or True)
        self._direct = urllib3.PoolManager(
            num_pools=32, maxsize=connections, ca_certs=self._certificates, cert_reqs="CERT_REQUIRED"
        )
        self._proxies: dict[str, urllib3.ProxyManager] = {}
        self._managers: dict[tuple[str, str], urllib3.PoolManager] = {}

    def send(self, request: Prepared, event_name: str = "", **_: object) -> AWSResponse:
        """botocore's `before-send`: what it returns is the answer."""
        chunked = _text(request.headers.get("Transfer-Encoding", "")).lower() == "chunked"
        response, body = self._exchange(request.method, request.url, request.headers, request.body, chunked=chunked)
        if response.status >= 300:
            body = self._redacted(body, request)
        else:
            _check_json(request, event_name, response.headers.get("Content-Type", ""), body)
        return AWSResponse(request.url, response.status, response.headers, _Body(body))

    def get(self, url: str) -> tuple[int, bytes]:
        """Status and body of an address that carries its own signature: no credentials are sent."""
        response, body = self._exchange("GET", url, {}, None)
        return response.status, body

    def close(self) -> None:
        """Close what is idle."""
        self._direct.clear()
        for proxy in self._proxies.values():
            proxy.clear()

    def _redacted(self, body: bytes, request: Prepared) -> bytes:
        """An error is shown to people: what a server echoes of our secrets is not."""
        token = _text(request.headers.get("X-Amz-Security-Token", "")).encode()
        for secret in (*self._secrets, token):
            if secret:
                body = body.replace(secret, b"***")
        return body

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str | bytes], body: Any, *, chunked: bool = False
    ) -> tuple[urllib3.BaseHTTPResponse, bytes]:
        left = seconds_left()
        ends = time.monotonic() + left
        manager, target = self._manager(url)
        pool = manager.connection_from_url(url)
        response = pool.urlopen(
            method,
            target,
            body=body,
            headers={name: _text(value) for name, value in headers.items()},
            timeout=Timeout(total=left),
            retries=False,
            redirect=False,
            assert_same_host=False,
            preload_content=False,
            decode_content=False,
            chunked=chunked,
        )
        try:
            return response, _read(response, pool, target, ends)
        except BaseException:
            response.close()
            raise
        finally:
            response.release_conn()

    def _manager(self, url: str) -> tuple[urllib3.PoolManager, str]:
        """Who takes the connection, and what to ask it for: a proxy for plain http wants the whole address."""
        parts = urlsplit(url)
        origin = (parts.scheme, parts.netloc)
        if origin not in self._managers:
            self._managers[origin] = self._proxy(url, parts.scheme) or self._direct
        manager = self._managers[origin]
        if parts.scheme == "http" and manager is not self._direct:
            return manager, url
        return manager, (parts.path or "/") + (f"?{parts.query}" if parts.query else "")

    def _proxy(self, url: str, scheme: str) -> urllib3.ProxyManager | None:
        """The environment's, looked at once for each host."""
        proxy = get_environ_proxies(url).get(scheme)
        if proxy is None:
            return None
        if proxy not in self._proxies:
            address = urlsplit(proxy)
            login = f"{address.username}:{address.password}" if address.username else None
            self._proxies[proxy] = urllib3.ProxyManager(
                proxy,
                proxy_headers=urllib3.make_headers(proxy_basic_auth=login) if login else {},
                maxsize=self._connections,
                ca_certs=self._certificates,
                cert_reqs="CERT_REQUIRED",
            )
        return self._proxies[proxy]


def _check_json(request: Prepared, event: str, content_type: str, body: bytes) -> None:
    """botocore takes a body that is no JSON for an answer without members, which would be "nothing found".

    JSON is what comes of a service that is named in a header, what says so itself, and all of Polly but sound. A model
    answers in whatever form it was asked.
    """
    if event.endswith(".InvokeEndpoint"):
        return
    target = _text(request.headers.get("X-Amz-Target", ""))
    said = "json" in content_type.replace("x-json-stream", "")
    if not (target or said or (".polly." in event and not event.endswith(".SynthesizeSpeech"))):
        return
    if not body and (".Delete" in target or ".Stop" in target):
        return
    try:
        whole = isinstance(json.loads(body), dict)
    except ValueError:
        whole = False
    if not whole:
        raise ResponseParserError(f"the answer ({len(body)} bytes of {content_type}) is no JSON object")


def _read(response: urllib3.BaseHTTPResponse, pool: Any, target: str, ends: float) -> bytes:
    """The body, as it comes, until it is whole or the time is over."""
    parts = list[bytes]()
    while True:
        left = ends - time.monotonic()
        if left <= 0:
            raise ReadTimeoutError(pool, target, "the body did not come in time")
        socket = getattr(response.connection, "sock", None)
        if socket is not None:
            socket.settimeout(left)
        part = response.read1(_CHUNK)
        if not part:
            return b"".join(parts)
        parts.append(part)


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value
