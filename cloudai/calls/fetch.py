"""An input over `https://`: fetched with bounds on where it comes from, how much it is and how long it takes.

Names are resolved once per hop and the connection goes to the very address that was checked (`addresses.py`), so that
an answer that changes between check and connect changes nothing. Redirects are followed by hand and each is checked
like the first. The deadline holds for everything together, headers that drip included. Proxies of the environment are
not used: behind one, the proxy would resolve the name and the check would mean nothing. Certificates are verified
(`SSL_CERT_FILE` and `SSL_CERT_DIR` are honoured). No cookies, no credentials; a query string, which may hold a
signature, is in no message. httpcore is used below httpx because its network backend is the seam where an address
can be pinned without touching host name, SNI or certificate check.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cloudai.calls.addresses import resolve
from cloudai.errors import CloudAIError, ErrorCode, InvalidInput, ServiceError, TooLarge
from cloudai.traces import mask

if TYPE_CHECKING:
    import httpcore
    import httpx

    from cloudai.calls.media import InputGuard

_REDIRECTS: Final = (301, 302, 303, 307, 308)
_REFUSALS: Final = {401: ErrorCode.UNAUTHENTICATED, 403: ErrorCode.PERMISSION_DENIED, 429: ErrorCode.RATE_LIMITED}
_LOCATION: Final = re.compile(r"(\(b'location', b')[^']*", re.IGNORECASE)
"""Where a redirect leads, in httpcore's DEBUG log: it may hold the signature that the first address had."""
_HEADERS: Final = ((b"Accept", b"*/*"), (b"Accept-Encoding", b"identity"), (b"User-Agent", b"cloudai"))


@dataclass(frozen=True, kw_only=True, slots=True)
class _Limits:
    """What one fetch may use, over all its redirects."""

    guard: InputGuard
    until: float
    """On the monotonic clock."""

    def left(self) -> float:
        """Seconds until the deadline; raises when there are none."""
        seconds = self.until - time.monotonic()
        if seconds <= 0:
            raise ServiceError("the input was not fetched in time", code=ErrorCode.DEADLINE_EXCEEDED)
        return seconds


@dataclass(frozen=True, slots=True)
class _Answer:
    """A body, or the address to go on to."""

    body: bytes = b""
    location: str | None = None


def fetch(address: str, *, guard: InputGuard, timeout: float) -> bytes:
    """The content behind `address`, at most `guard.max_bytes` of it, within `timeout` seconds in all.

    Any explicit port is taken, since only public hosts are. Raises `InvalidInput` for an address that is refused (code
    `not_found` for 404 and unknown names), `TooLarge`, and `ServiceError` for what the server or the network did.
    """
    mask(("httpcore.http11",), _LOCATION)
    limits = _Limits(guard=guard, until=time.monotonic() + timeout)
    url = _parsed(address)
    for _ in range(guard.max_redirects + 1):
        exempt = _check(url, guard)
        answer = _ask(url, limits, exempt=exempt)
        if answer.location is None:
            return answer.body
        url = _next(url, answer.location)
    raise InvalidInput(f"{_shown(url)} redirects more than {guard.max_redirects} times")


def _parsed(address: str) -> httpx.URL:
    import httpx

    try:
        return httpx.URL(address)
    except (httpx.InvalidURL, ValueError, TypeError) as error:
        raise InvalidInput("the address is not a valid URL") from error


def _next(url: httpx.URL, location: str) -> httpx.URL:
    import httpx

    try:
        following = url.join(location)
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidInput(f"{_shown(url)} redirects to an address that is not valid") from error
    if url.scheme == "https" and following.scheme != "https":
        raise InvalidInput(f"{_shown(url)} redirects from https to {following.scheme}: not followed")
    return following


def _shown(url: httpx.URL) -> str:
    """For messages: no user, no password, no query."""
    path = url.path if len(url.path) <= 80 else url.path[:77] + "..."
    return f"{url.scheme}://{url.host}{f':{url.port}' if url.port else ''}{path}"


def _check(url: httpx.URL, guard: InputGuard) -> bool:
    """Whether the host is exempt from the rules; raises when it is not and they are broken."""
    if url.userinfo:
        raise InvalidInput(f"{_shown(url)}: an address with a user or password in it is not fetched")
    if url.scheme not in ("https", "http") or not url.host:
        raise InvalidInput(f"{url.scheme or 'this'}:// is not fetched; use https://")
    host = f"[{url.host}]" if ":" in url.host else url.host
    exempt = f"{host}:{_port(url)}".lower() in {allowed.lower() for allowed in guard.allow_hosts}
    if url.scheme == "http" and not exempt:
        raise InvalidInput(f"{_shown(url)}: http:// is not fetched; use https:// (or allow_hosts)")
    return exempt


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)


def _ask(url: httpx.URL, limits: _Limits, *, exempt: bool) -> _Answer:
    import httpcore
    import httpx

    from cloudai.calls.pinned import Pinned

    target = httpcore.URL(scheme=url.raw_scheme, host=_host(url), port=url.port, target=url.raw_path)
    addresses = resolve(_host(url).decode("ascii"), _port(url), any_address=exempt)
    network = Pinned(addresses, left=limits.left)
    headers = [(b"Host", url.netloc), *_HEADERS]
    with (
        _mapped(url),
        httpcore.ConnectionPool(ssl_context=httpx.create_ssl_context(), network_backend=network) as pool,
        pool.stream("GET", target, headers=headers) as response,
    ):
        return _read(url, response, limits)


def _host(url: httpx.URL) -> bytes:
    """Without the dot that may end it: certificates are written without."""
    return url.raw_host.rstrip(b".")


def _read(url: httpx.URL, response: httpcore.Response, limits: _Limits) -> _Answer:
    headers = {name.lower(): value.decode("latin-1") for name, value in response.headers}
    if response.status in _REDIRECTS and b"location" in headers:
        return _Answer(location=headers[b"location"])
    if response.status != 200:
        raise _refusal(url, response.status, headers.get(b"retry-after", ""))
    if headers.get(b"content-encoding", "identity").lower() not in ("identity", ""):
        raise InvalidInput(f"{_shown(url)} answers compressed content though asked for none; download it yourself")
    most, declared = limits.guard.max_bytes, headers.get(b"content-length", "")
    if declared.isdecimal() and int(declared) > most:
        raise _too_large(url, most)
    return _Answer(body=b"".join(_bounded(url, response.iter_stream(), most)))


def _bounded(url: httpx.URL, parts: Iterable[bytes], most: int) -> Iterator[bytes]:
    size = 0
    for part in parts:
        size += len(part)
        if size > most:
            raise _too_large(url, most)
        yield part


def _too_large(url: httpx.URL, most: int) -> TooLarge:
    return TooLarge(f"{_shown(url)} has more than {most:,} bytes, the bound on inputs (max_bytes)")


def _refusal(url: httpx.URL, status: int, retry_after: str) -> CloudAIError:
    text = f"{_shown(url)} answered {status}"
    if status in (404, 410):
        return InvalidInput(text, code=ErrorCode.NOT_FOUND)
    if status >= 500 or status in _REFUSALS:
        wait = float(retry_after) if retry_after.isdecimal() else None
        return ServiceError(text, code=_REFUSALS.get(status, ErrorCode.UNAVAILABLE), retry_after=wait)
    return InvalidInput(f"{text}, not the content")


@contextmanager
def _mapped(url: httpx.URL) -> Iterator[None]:
    """httpcore's exceptions as ours: the one place."""
    import httpcore

    try:
        yield
    except httpcore.TimeoutException as error:
        raise ServiceError(f"{_shown(url)} did not answer in time", code=ErrorCode.DEADLINE_EXCEEDED) from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        if certificate := _certificate(error):
            text = f"{_shown(url)}: its certificate is not trusted: {certificate.verify_message}"
            raise ServiceError(text, code=ErrorCode.UNAVAILABLE, retryable=False) from error
        raise ServiceError(f"{_shown(url)}: the connection failed", code=ErrorCode.UNAVAILABLE) from error


def _certificate(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    while error is not None and not isinstance(error, ssl.SSLCertVerificationError):
        error = error.__cause__ or error.__context__
    return error
