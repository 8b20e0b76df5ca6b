"""HTTP for price feeds: one origin, documents of bounded size, retries in one place.

What another attempt may cure (429, 5xx, a broken connection) is tried again: after `Retry-After` where the server
says so, else with full-jitter backoff. Redirects are not followed and no other origin is ever asked, so that an API
key goes only where it belongs.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from urllib.parse import quote, urlencode, urljoin, urlsplit

import httpx
import tenacity

from cloudai.errors import ErrorCode, InvalidInput, ServiceError
from cloudai.prices.reading import Malformed, parse

ATTEMPTS = 4
LONGEST_WAIT = 120.0
"""Seconds. A server that asks for more is not waited for."""
MAX_BYTES = 256 * 1024 * 1024
"""The largest document: the offer file of one AWS service and region has some tens of MiB."""
_AS_IT_IS = "$'"
"""Of a query's keys and values; a space is %20 and never +, which stands in product names."""
_DEFAULT_PORTS = {"http": 80, "https": 443}


class _Again(Exception):
    """An attempt failed in a way that another one may cure; `after`: seconds the server asked to wait."""

    def __init__(self, error: ServiceError, after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.after = after


class Transport:
    """JSON documents of one origin. A context manager: closes its connections."""

    def __init__(
        self,
        base: str,
        *,
        provider: str,
        headers: Mapping[str, str] | None = None,
        timeout: float = 30.0,
        attempts: int = ATTEMPTS,
        max_bytes: int = MAX_BYTES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.base = base.rstrip("/")
        self._provider = provider
        self._origin = _origin(base)
        self._max_bytes = max_bytes
        self._client = httpx.Client(headers=headers, timeout=timeout)
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_Again),
            stop=tenacity.stop_after_attempt(attempts),
            wait=_wait,
            sleep=sleep,
            reraise=True,
        )

    def __enter__(self) -> Transport:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def url(self, path: str, query: Mapping[str, str] | None = None) -> str:
        """The address of a path below the base."""
        if not query:
            return f"{self.base}{path}"
        return f"{self.base}{path}?{urlencode(query, quote_via=quote, safe=_AS_IT_IS)}"

    def follow(self, link: str, page: str) -> str:
        """The address that a document of `page` names. Raises `ServiceError` where it leaves the origin."""
        try:
            address = urljoin(page, link)
            same = _origin(address) == self._origin
        except (InvalidInput, ValueError):
            address, same = "", False
        if not same:
            raise self._error(page, f"its next address is on another host: {link[:120]!r} is not followed")
        return address

    def get(self, address: str) -> object:
        """A parsed JSON document. Raises `ServiceError`; nothing else."""
        try:
            body = self._retrying(self._attempt, address)
        except _Again as again:
            raise again.error from again
        with self.reading(address):
            return parse(body)

    @contextmanager
    def reading(self, address: str) -> Iterator[None]:
        """Where a document is read: what is malformed in it becomes an error that names the document."""
        try:
            yield
        except Malformed as error:
            raise self._error(address, f"the feed is malformed: {error}") from error

    def _attempt(self, address: str) -> str:
        try:
            with self._client.stream("GET", address) as response:
                if response.status_code == httpx.codes.OK:
                    return self._body(response)
                self._refuse(address, response)
        except httpx.TransportError as error:
            failed = self._error(address, f"no answer: {type(error).__name__}", code=ErrorCode.UNAVAILABLE)
            raise _Again(failed) from error
        except httpx.HTTPError as error:
            raise self._error(address, f"no answer: {type(error).__name__}") from error
        raise AssertionError  # _refuse raises

    def _body(self, response: httpx.Response) -> str:
        body = bytearray()
        for chunk in response.iter_bytes():
            body += chunk
            if len(body) > self._max_bytes:
                limit = self._max_bytes // 1024 // 1024
                raise self._error(str(response.url), f"the answer is larger than {limit} MiB", code=ErrorCode.TOO_LARGE)
        try:
            return body.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise self._error(str(response.url), "the feed is malformed: it is not UTF-8") from error

    def _refuse(self, address: str, response: httpx.Response) -> None:
        status = response.status_code
        after = _retry_after(response.headers.get("Retry-After"))
        error = self._error(address, f"it answered {status} {response.reason_phrase}".rstrip(), code=_code(status))
        error.retry_after = after
        if error.code in (ErrorCode.RATE_LIMITED, ErrorCode.UNAVAILABLE) and (after or 0) <= LONGEST_WAIT:
            raise _Again(error, after)
        raise error

    def _error(self, address: str, what: str, *, code: ErrorCode = ErrorCode.INTERNAL) -> ServiceError:
        shown = address.partition("?")[0]
        return ServiceError(f"{shown}: {what}", code=code, provider=self._provider)


def _origin(address: str) -> tuple[str, str, int]:
    """Scheme, host and port. Plain http only to this machine: prices and keys don't travel in the clear."""
    shown = "an address with a name or password" if "@" in address else repr(address[:120])
    try:
        parts = urlsplit(address)
        scheme, host, port = parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme)
    except ValueError:
        scheme, host, port = "", None, None
    if not host or port is None or scheme not in _DEFAULT_PORTS or "@" in address.partition("?")[0]:
        raise InvalidInput(f"{shown} is no address of a feed: write it like https://prices.azure.com")
    if scheme == "http" and not _loopback(host):
        raise InvalidInput(f"{shown}: plain http is for this machine only, use https")
    return scheme, host.lower(), port


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _code(status: int) -> ErrorCode:
    if status == 429:
        return ErrorCode.RATE_LIMITED
    if status >= 500:
        return ErrorCode.UNAVAILABLE
    known = {401: ErrorCode.UNAUTHENTICATED, 403: ErrorCode.PERMISSION_DENIED, 404: ErrorCode.NOT_FOUND}
    return known.get(status, ErrorCode.INTERNAL)


def _retry_after(value: str | None) -> float | None:
    """Seconds, of a number of seconds or of a date (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        until = parsedate_to_datetime(value)
    except ValueError:
        return None
    return max(0.0, (until.astimezone(UTC) - datetime.now(UTC)).total_seconds())


_BACKOFF = tenacity.wait_random_exponential(multiplier=0.5, max=20)


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome is not None else None
    if isinstance(error, _Again) and error.after is not None:
        return error.after
    return _BACKOFF(state)
