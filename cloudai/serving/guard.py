"""Who may ask, and how much: the API key, names of this machine, sizes. Asked before a body is read.

Without a key the server listens on this machine alone, and answers only to this machine's names: a web page whose own
name was made to point here (DNS rebinding) gets nothing. With a key, everything but liveness and readiness needs it.
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Mapping

from cloudai.errors import ConfigError, ErrorCode, ServiceError
from cloudai.serving.settings import ServeSettings

MIN_KEY = 16
"""Characters. A shorter key can be guessed."""
_LOCAL_HOSTS = (b"localhost", b"127.0.0.1", b"[::1]")
_PORT = re.compile(rb":\d+$")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def check_settings(settings: ServeSettings) -> None:
    """Raises `ConfigError` when anybody on the network could ask, or the key is weak."""
    if settings.key is None and not is_loopback(settings.host):
        raise ConfigError(
            f"{settings.host} can be reached from other machines, so callers need a key: "
            "set CLOUDAI_SERVE_KEY, or give --key-file FILE"
        )
    if settings.key is not None and (len(settings.key) < MIN_KEY or not settings.key.isascii()):
        raise ConfigError(f"the API key needs {MIN_KEY} ASCII characters or more, such as from: openssl rand -hex 32")


class Guard:
    """Keeps count of what is being answered."""

    def __init__(self, settings: ServeSettings) -> None:
        self._settings = settings
        self._key = settings.key.encode() if settings.key else None
        own = settings.host.encode()
        self._hosts = {*_LOCAL_HOSTS, own, b"[" + own + b"]"}
        self.requests = 0
        self.bytes = 0

    def check_caller(self, headers: Mapping[bytes, bytes]) -> None:
        """Raises `ServiceError`: unauthenticated, or permission_denied for a name that is not this machine's."""
        if self._key is None:
            host = headers.get(b"host", b"localhost")
            if host not in self._hosts and _PORT.sub(b"", host) not in self._hosts:
                raise ServiceError(
                    "this server answers to the names of its own machine only; give it a key to use others",
                    code=ErrorCode.PERMISSION_DENIED,
                )
            return
        given = headers.get(b"x-api-key") or headers.get(b"authorization", b"").removeprefix(b"Bearer ")
        if not hmac.compare_digest(given, self._key):
            raise ServiceError(
                "this server needs its API key: Authorization: Bearer KEY, or X-API-Key: KEY",
                code=ErrorCode.UNAUTHENTICATED,
            )

    def enter(self, size: int) -> None:
        """Counts a request of `size` bytes in; `leave` counts it out. Raises `ServiceError` (unavailable)."""
        if self.requests >= self._settings.max_requests:
            raise _busy(f"{self.requests} requests are being answered, the most at a time")
        if self.requests and self.bytes + size > self._settings.max_bytes:
            raise _busy(f"{self.bytes:,} bytes of requests are being answered, about the most at a time")
        self.requests += 1
        self.bytes += size

    def leave(self, size: int) -> None:
        """Ends what `enter` began."""
        self.requests -= 1
        self.bytes -= size


def _busy(message: str) -> ServiceError:
    return ServiceError(message, code=ErrorCode.UNAVAILABLE, retry_after=1.0)
