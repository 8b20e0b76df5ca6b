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
            return httpcore.ConnectionPool(**shared)
        parsed = httpx.Proxy(proxy)
        return httpcore.HTTPProxy(
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
