"""httpx's transport for `cloudai.http`: httpcore's pools with a bound on the whole exchange.

httpx bounds each read; a server that sends a byte a minute would never end. Here each socket operation has what is
left of the exchange, told by the thread's `Clock`. Imported only when a sync HTTP driver is opened.
"""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpcore
import httpx

from cloudai.delivery import unsent

if TYPE_CHECKING:
    from cloudai.http_clock import Clock


class TimedPools(httpx.BaseTransport):
    """One pool for straight connections and one for each proxy."""

    def __init__(
        self,
        clock: Clock,
        *,
        ssl_context: ssl.SSLContext,
        max_connections: int,
        keepalive: float,
        proxy: Callable[[str], str | None],
    ) -> None:
        self._network = _TimedNetwork(clock)
        self._ssl_context = ssl_context
        self._max_connections = max_connections
        self._keepalive = keepalive
        self._proxy_of = proxy
        self._lock = threading.Lock()
        self._by_origin: dict[tuple[bytes, bytes, int | None], httpcore.ConnectionPool] = {}
        self._by_proxy: dict[str | None, httpcore.ConnectionPool] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """One request, one response."""
        url = request.url
        pool = self._pool(url)
        assert isinstance(request.stream, httpx.SyncByteStream)
        with _as_httpx(request):
            answer = pool.handle_request(
                httpcore.Request(
                    method=request.method,
                    url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_Body(answer, request), extensions=answer.extensions
        )

    def _pool(self, url: httpx.URL) -> httpcore.ConnectionPool:
        origin = (url.raw_scheme, url.raw_host, url.port)
        found = self._by_origin.get(origin)
        if found is None:
            proxy = self._proxy_of(str(url.copy_with(query=None)))
            with self._lock:
                if proxy not in self._by_proxy:
                    self._by_proxy[proxy] = self._opened(proxy)
                found = self._by_origin[origin] = self._by_proxy[proxy]
        return found

    def _opened(self, proxy: str | None) -> httpcore.ConnectionPool:
        shared: dict[str, Any] = {
            "ssl_context": self._ssl_context,
            "max_connections": self._max_connections,
            "max_keepalive_connections": self._max_connections,
            "keepalive_expiry": self._keepalive,
            "network_backend": self._network,
        }
        if proxy is None:
            return _Pool(**shared)
        parsed = httpx.Proxy(proxy)
        return _ProxyPool(
            proxy_url=httpcore.URL(
                scheme=parsed.url.raw_scheme, host=parsed.url.raw_host, port=parsed.url.port, target=b""
            ),
            proxy_auth=parsed.raw_auth,
            proxy_headers=parsed.headers.raw,
            **shared,
        )

    def close(self) -> None:
        """Closes all connections."""
        for pool in self._by_proxy.values():
            pool.close()


class _Pool(httpcore.ConnectionPool):
    def create_connection(self, origin: httpcore.Origin) -> httpcore.ConnectionInterface:
        return _Kept(super().create_connection(origin))


class _ProxyPool(httpcore.HTTPProxy):
    def create_connection(self, origin: httpcore.Origin) -> httpcore.ConnectionInterface:
        return _Kept(super().create_connection(origin))


class _Kept(httpcore.ConnectionInterface):
    """A connection that is closed after the request that is on it, and not under it.

    httpcore's pool takes a connection for idle or expired, and closes it, though another thread has just begun a
    request on it: https://github.com/encode/httpcore/issues/1110 (open on 2026-11-21).
    """

    def __init__(self, connection: httpcore.ConnectionInterface) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._busy = 0
        self._ended = False

    def handle_request(self, request: httpcore.Request) -> httpcore.Response:
        with self._lock:
            if self._ended:
                raise httpcore.ConnectionNotAvailable
            self._busy += 1
        try:
            answer = self._connection.handle_request(request)
        except BaseException:
            self._free()
            raise
        stream = _Answer(answer, self._free)
        return httpcore.Response(answer.status, headers=answer.headers, content=stream, extensions=answer.extensions)

    def close(self) -> None:
        with self._lock:
            self._ended = True
            if self._busy:
                return
        self._connection.close()

    def _free(self) -> None:
        with self._lock:
            self._busy -= 1
            if self._busy or not self._ended:
                return
        self._connection.close()

    def can_handle_request(self, origin: httpcore.Origin) -> bool:
        return self._connection.can_handle_request(origin)

    def is_available(self) -> bool:
        return not self._ended and self._connection.is_available()

    def is_closed(self) -> bool:
        return self._ended or self._connection.is_closed()

    def is_idle(self) -> bool:
        return self._connection.is_idle()

    def has_expired(self) -> bool:
        return self._connection.has_expired()

    def info(self) -> str:
        return self._connection.info()


class _Answer:
    """An answer's body; `closed` is called once, after it."""

    def __init__(self, answer: httpcore.Response, closed: Callable[[], None]) -> None:
        self._answer = answer
        self._closed = closed
        self._open = True

    def __iter__(self) -> Iterator[bytes]:
        yield from self._answer.iter_stream()

    def close(self) -> None:
        if self._open:
            self._open = False
            try:
                self._answer.close()
            finally:
                self._closed()


class _Body(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response, request: httpx.Request) -> None:
        self._answer = answer
        self._request = request

    def __iter__(self) -> Iterator[bytes]:
        with _as_httpx(self._request):
            yield from self._answer.iter_stream()

    def close(self) -> None:
        self._answer.close()


_SAME = (
    "ConnectTimeout", "ReadTimeout", "WriteTimeout", "PoolTimeout", "ConnectError", "ReadError", "WriteError",
    "ProxyError", "UnsupportedProtocol", "LocalProtocolError", "RemoteProtocolError",
)  # fmt: skip
_TO_HTTPX: dict[type[Exception], type[httpx.TransportError]] = {
    getattr(httpcore, name): getattr(httpx, name) for name in _SAME
}
"""Both libraries have these by the same names."""


@contextmanager
def _as_httpx(request: httpx.Request) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        kind = _TO_HTTPX.get(type(error))
        if kind is None:
            raise
        raise kind(str(error), request=request) from error


class _TimedNetwork(httpcore.NetworkBackend):
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._network = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        with unsent():
            stream = self._network.connect_tcp(
                host,
                port,
                timeout=self._clock.left(timeout),
                local_address=local_address,
                socket_options=socket_options,
            )
        return _TimedStream(stream, self._clock)

    def sleep(self, seconds: float) -> None:
        self._network.sleep(seconds)


class _TimedStream(httpcore.NetworkStream):
    def __init__(self, stream: httpcore.NetworkStream, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, timeout=self._clock.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout=self._clock.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        with unsent():
            left = self._clock.left(timeout)
            return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, timeout=left), self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
