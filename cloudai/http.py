"""The one transport of drivers that speak HTTP: a request out, a reply back, sync or async, once and in time.

`Transport` is httpx (over httpcore, its own engine), `AsyncTransport` is aiohttp: both take a `WireRequest` and give
a `WireReply`, so that codecs know neither. What holds for both:

- One request on the wire for each `send`: no retries, no redirects, no cookies, no `.netrc`.
- `timeout` bounds the whole exchange, a header or body that drips included.
- Proxies of the environment (`HTTPS_PROXY`, `NO_PROXY`) or the backend's `proxy`; never for this machine's own.
- Certificates are verified against certifi, `SSL_CERT_FILE`, `SSL_CERT_DIR` or the backend's `ca_file`.
- A key or token goes over plain http to a loopback address only (`check_cleartext`).

`transport_fault` says what an exception of theirs means (`cloudai/http_faults.py`).
"""

from __future__ import annotations

import asyncio
import io
import ipaddress
import ssl
import threading
import time
from base64 import b64encode
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import SimpleNamespace
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from pydantic import Field, field_serializer

from cloudai.delivery import mark
from cloudai.errors import ConfigError, Delivery
from cloudai.http_clock import Clock
from cloudai.http_faults import OutOfTime, ReplyTooLarge, retry_after, transport_fault
from cloudai.settings import BackendSettings, ConfigPath

if TYPE_CHECKING:
    import aiohttp

MAX_REPLY_BYTES: Final = 256 << 20
"""More than any provider answers: a longer reply is a broken or hostile server's."""
KEEPALIVE: Final = 60.0
"""Seconds that an idle connection is kept."""
METADATA: Final = frozenset({"169.254.169.254", "metadata.google.internal"})
"""Where machines in a cloud get their tokens: on the machine's own link, behind no proxy."""
_CHUNK: Final = 1 << 16


class HttpSettings(BackendSettings):
    """What `[backends.NAME]` may hold for every provider that speaks HTTP."""

    proxy: str | None = Field(default=None, repr=False)
    """`http://user:password@host:port`, instead of the environment's."""
    ca_file: ConfigPath | None = None
    """PEM file of the authorities to trust, instead of the usual ones."""
    max_connections: int = Field(default=100, ge=1)
    """Open at once to one backend; further calls wait for one."""

    @field_serializer("proxy")
    def _without_password(self, proxy: str | None) -> str | None:
        return None if proxy is None else apart(proxy)[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class WireRequest:
    """One HTTP request. Headers and body may hold secrets: they are in no repr."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class WireReply:
    """One HTTP reply, read to its end. Header names are in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)


# --- rules -----------------------------------------------------------------------------------------


def is_loopback(host: str | None) -> bool:
    """`localhost`, `*.localhost`, 127.0.0.0/8 and ::1."""
    name = (host or "").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def check_cleartext(url: str, *, backend: str, name: str = "endpoint_url") -> None:
    """Refuses an address that is not https, except on this machine: credentials would be readable on the way."""
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if not parts.hostname or parts.scheme not in ("http", "https") or parts.username:
        raise ConfigError(f"[backends.{backend}] {name} is no http(s) address without a user in it")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise ConfigError(
            f"[backends.{backend}] {name} = http://{parts.hostname}...: credentials are sent over plain http to "
            "this machine only; use https://"
        )


def proxy_for(url: str, configured: str | None) -> str | None:
    """The proxy that a request to `url` goes through; `None`: straight."""
    parts = urlsplit(url)
    if is_loopback(parts.hostname) or parts.hostname in METADATA:
        return None
    if configured is not None:
        return configured
    found = getproxies()
    named = found.get(parts.scheme) or found.get("all")
    if not named or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    return named if "://" in named else f"http://{named}"


def apart(proxy: str) -> tuple[str, dict[str, str]]:
    """A proxy's address without its user, and the headers that say who asks: exceptions show the address."""
    parts = urlsplit(proxy)
    if parts.username is None:
        return proxy, {}
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    return address, {"Proxy-Authorization": f"Basic {b64encode(login.encode()).decode()}"}


def trusted(ca_file: object = None) -> ssl.SSLContext:
    """The TLS context: certificates are always verified. Raises `ConfigError` for a `ca_file` that can't be read."""
    import httpx

    if ca_file is None:
        return httpx.create_ssl_context()
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"ca_file {ca_file}: no PEM file of certificates could be read there") from error


# --- sync ------------------------------------------------------------------------------------------


class Transport:
    """Safe for many threads. `client` is the `httpx.Client`: the escape hatch."""

    def __init__(self, settings: HttpSettings) -> None:
        import httpx

        from cloudai.http_pool import TimedPools

        context = trusted(settings.ca_file)
        self._clock = Clock()
        pools = TimedPools(
            self._clock,
            ssl_context=context,
            max_connections=settings.max_connections,
            keepalive=KEEPALIVE,
            proxy=lambda url: proxy_for(url, settings.proxy),
        )
        none = CookieJar(DefaultCookiePolicy(allowed_domains=()))
        self.client = httpx.Client(transport=pools, headers={"user-agent": "cloudai"}, cookies=none, trust_env=False)

    def send(self, request: WireRequest, *, timeout: float, max_bytes: int = MAX_REPLY_BYTES) -> WireReply:
        """Sends once and reads the reply within `timeout` seconds. Raises what `transport_fault` knows."""
        with (
            self._clock.until(time.monotonic() + timeout),
            self.client.stream(
                request.method,
                request.url,
                content=request.body,
                headers=dict(request.headers),
                timeout=timeout,
            ) as reply,
        ):
            body = _bounded(reply.iter_bytes(_CHUNK), max_bytes)
            return WireReply(status=reply.status_code, headers=_lower(reply.headers.items()), body=body)

    def close(self) -> None:
        """Closes all connections."""
        self.client.close()


def _bounded(chunks: Iterable[bytes], most: int) -> bytes:
    parts, size = list[bytes](), 0
    for chunk in chunks:
        parts.append(chunk)
        size += len(chunk)
        if size > most:
            raise ReplyTooLarge
    return b"".join(parts)


def _lower(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


# --- async -----------------------------------------------------------------------------------------


class AsyncTransport:
    """For any event loop, each with a session of its own, made by its first request and closed when the loop ends."""

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        self._context = trusted(settings.ca_file)
        self._sessions: dict[asyncio.AbstractEventLoop, _Session] = {}
        self._lock = threading.Lock()
        self._proxies: dict[str, tuple[str | None, Mapping[str, str] | None]] = {}

    @property
    def client(self) -> aiohttp.ClientSession:
        """The `aiohttp.ClientSession` of the running loop: the escape hatch."""
        loop = asyncio.get_running_loop()
        known = self._sessions.get(loop)
        if known is None or known.client.closed:
            known = _Session(self._opened())
            with self._lock:
                self._sessions = {each: old for each, old in self._sessions.items() if not each.is_closed()}
                self._sessions[loop] = known
        return known.client

    def _opened(self) -> aiohttp.ClientSession:
        import aiohttp

        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=self._settings.max_connections, ssl=self._context, keepalive_timeout=KEEPALIVE
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "cloudai"},
            trust_env=False,
            trace_configs=[_leaving()],
        )
        # aiohttp sends a GET again when a kept connection breaks; its own test client switches that off the same way
        session._retry_connection = False
        return session

    async def send(self, request: WireRequest, *, timeout: float, max_bytes: int = MAX_REPLY_BYTES) -> WireReply:
        """Sends once and reads the reply within `timeout` seconds. Raises what `transport_fault` knows."""
        import aiohttp

        passage = _Passage()
        try:
            return await self._exchange(request, timeout, max_bytes, passage)
        except BaseException as error:
            if isinstance(error, aiohttp.ClientResponseError):
                _without_request(error)
            if not passage.left:
                mark(error, Delivery.NOT_SENT)
            raise

    async def _exchange(self, request: WireRequest, timeout: float, max_bytes: int, passage: _Passage) -> WireReply:
        import aiohttp

        proxy, asking = self._proxy(request.url)
        async with self.client.request(
            request.method,
            request.url,
            # aiohttp warns of more than 1 MiB in one piece: in pieces it does not hold up the event loop
            data=io.BytesIO(request.body) if len(request.body) > 1 << 20 else request.body or None,
            headers=request.headers,
            allow_redirects=False,
            proxy=proxy,
            proxy_headers=asking,
            timeout=aiohttp.ClientTimeout(total=timeout),
            trace_request_ctx=passage,
        ) as reply:
            if (reply.content_length or 0) > max_bytes:
                raise ReplyTooLarge
            parts, size = list[bytes](), 0
            async for chunk in reply.content.iter_any():
                parts.append(chunk)
                size += len(chunk)
                if size > max_bytes:
                    raise ReplyTooLarge
            return WireReply(status=reply.status, headers=_lower(reply.headers.items()), body=b"".join(parts))

    def _proxy(self, url: str) -> tuple[str | None, Mapping[str, str] | None]:
        origin = url.partition("://")[2].partition("/")[0]
        if origin not in self._proxies:
            found = proxy_for(url, self._settings.proxy)
            self._proxies[origin] = (None, None) if found is None else apart(found)
        return self._proxies[origin]

    async def close(self) -> None:
        """Closes the running loop's connections; another loop closes its own when it ends."""
        with self._lock:
            known = self._sessions.pop(asyncio.get_running_loop(), None)
        if known is not None:
            await known.close()


class _Passage:
    """Whether a request's first byte has left."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = False


def _leaving() -> aiohttp.TraceConfig:
    """aiohttp's one time limit covers waiting for a connection too: here it says when the request goes."""
    import aiohttp

    async def leaves(_: object, context: SimpleNamespace, __: object) -> None:
        context.trace_request_ctx.left = True

    tracing = aiohttp.TraceConfig()
    tracing.on_request_headers_sent.append(leaves)
    return tracing


def _without_request(error: aiohttp.ClientResponseError) -> None:
    """aiohttp keeps the request's headers, keys among them, in the exception: its `repr` and `args` show them."""
    from aiohttp import RequestInfo
    from multidict import CIMultiDict, CIMultiDictProxy

    asked = error.request_info
    bare = RequestInfo(asked.url, asked.method, CIMultiDictProxy(CIMultiDict[str]()), asked.real_url)
    error.request_info, error.history, error.args = bare, (), (bare, ())


class _Session:
    """A session that ends with its loop: `asyncio.run` closes asynchronous generators that are still open, so one of
    them holds it."""

    def __init__(self, client: aiohttp.ClientSession) -> None:
        self.client = client
        self._held = _held(client)
        with suppress(StopIteration):
            self._held.asend(None).send(None)  # up to its `yield`: now the loop knows it

    async def close(self) -> None:
        """Now."""
        await self._held.aclose()


async def _held(client: aiohttp.ClientSession) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        await client.close()


__all__ = [
    "AsyncTransport",
    "Clock",
    "HttpSettings",
    "OutOfTime",
    "ReplyTooLarge",
    "Transport",
    "WireReply",
    "WireRequest",
    "check_cleartext",
    "is_loopback",
    "proxy_for",
    "retry_after",
    "transport_fault",
    "trusted",
]
