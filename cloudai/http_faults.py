"""What goes wrong on the way to a server and back: what an exception of a transport means, when to ask again.

By the names of exceptions: neither httpx nor aiohttp is imported to look at one.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from typing import Final

from cloudai.errors import Delivery, ErrorCode, Fault


class ReplyTooLarge(Exception):
    """A reply beyond what the caller takes, `MAX_REPLY_BYTES` where it does not say."""


class OutOfTime(Exception):
    """The exchange did not end within its timeout."""


def transport_fault(error: BaseException) -> Fault | None:
    """What an exception of httpx, aiohttp or a socket means; `None`: not the transport's.

    Messages hold no address and no header: the exceptions' own words may have the query in them.
    """
    chain = tuple(_chain(error))
    if isinstance(error, ReplyTooLarge):
        return Fault(code=ErrorCode.INTERNAL, message="the reply is longer than any that is expected")
    if isinstance(error, TimeoutError | OutOfTime):
        text = "no complete answer in time"
        return Fault(code=ErrorCode.DEADLINE_EXCEEDED, message=text, delivery=Delivery.UNKNOWN)
    if not _of_transport(error):
        return None
    if any(isinstance(each, ssl.SSLCertVerificationError) for each in chain):
        text = "the server's certificate is not trusted; name its authority with ca_file or SSL_CERT_FILE"
        return Fault(code=ErrorCode.UNAVAILABLE, message=text, retryable=False, delivery=Delivery.NOT_SENT)
    name = type(error).__name__
    if "Timeout" in name:
        early = name.startswith(("Connect", "Pool"))
        text = f"no {'connection' if early else 'complete answer'} in time"
        return Fault(code=ErrorCode.DEADLINE_EXCEEDED, message=text, delivery=_reached(not early))
    if name in _OURS:
        text = f"the request can't be sent: {name}"
        return Fault(code=ErrorCode.INVALID_INPUT, message=text, retryable=False, delivery=Delivery.NOT_SENT)
    text = _WORDS.get(name, f"the connection failed: {name}")
    return Fault(code=ErrorCode.UNAVAILABLE, message=text, delivery=_reached(name not in _UNCONNECTED))


def _reached(left: bool) -> Delivery:
    return Delivery.UNKNOWN if left else Delivery.NOT_SENT


_UNCONNECTED: Final = frozenset(
    {
        "ConnectError",
        "ConnectionRefusedError",
        "ClientConnectorError",
        "ClientConnectorDNSError",
        "ClientConnectorSSLError",
        "ProxyError",
        "ClientHttpProxyError",
        "ClientProxyConnectionError",
    }
)
"""There was no connection that the request could have gone over."""
_OURS: Final = frozenset({"LocalProtocolError", "UnsupportedProtocol", "InvalidURL", "InvalidUrlClientError"})
_WORDS: Final = {
    "ConnectError": "no connection to the server",
    "ClientConnectorError": "no connection to the server",
    "ClientConnectorDNSError": "the server's name is not known",
    "ProxyError": "the proxy refused the connection",
    "ClientHttpProxyError": "the proxy refused the connection",
    "ClientProxyConnectionError": "no connection to the proxy",
    "ServerDisconnectedError": "the server closed the connection without an answer",
    "RemoteProtocolError": "the server broke the protocol or closed the connection before the answer was complete",
    "ClientPayloadError": "the server closed the connection before the answer was complete",
    "ReadError": "the connection was lost while the answer was read",
    "WriteError": "the connection was lost while the request was sent",
}


def _of_transport(error: BaseException) -> bool:
    """By the name of the module, so that neither library is imported to look at an exception."""
    modules = {kind.__module__.partition(".")[0] for kind in type(error).__mro__}
    return bool(modules & {"httpx", "httpcore", "aiohttp"}) or isinstance(error, ConnectionError | ssl.SSLError)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen = set[int]()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        inner = getattr(error, "certificate_error", None)  # aiohttp keeps it there
        error = inner or error.__cause__ or error.__context__


def retry_after(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Seconds that `Retry-After` asks to wait: a number of seconds or a date (RFC 9110, 10.2.3); `None`: neither.

    A date is counted from the reply's own `Date`, so that neither clock has to be right.
    """
    value = headers.get("retry-after", "").strip()
    try:
        seconds = float(value)
    except ValueError:
        then, today = _moment(value), _moment(headers.get("date", ""))
        if then is None:
            return None
        seconds = then - (now if now is not None else today if today is not None else time.time())
    return max(0.0, seconds) if seconds < float("inf") else None  # not NaN either


def _moment(date: str) -> float | None:
    """An HTTP date in seconds since 1970; `None`: it is none."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
