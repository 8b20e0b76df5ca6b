"""One pinned file from a hub: streamed, resumed where it broke off, and kept only when its SHA-256 is right.

While it comes in it is called `NAME.part`; a broken connection leaves that for the next attempt, wrong bytes are
removed. The server's entity tag is kept beside it, so that a resumed file is not made of two versions.
"""

from __future__ import annotations

import errno
import hashlib
import ipaddress
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cloudai.errors import ErrorCode, InvalidInput, ServiceError

if TYPE_CHECKING:
    import httpx

ATTEMPTS = 4
_CODES = {
    401: ErrorCode.PERMISSION_DENIED,
    403: ErrorCode.PERMISSION_DENIED,
    404: ErrorCode.NOT_FOUND,
    410: ErrorCode.NOT_FOUND,
    429: ErrorCode.RATE_LIMITED,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Pinned:
    """Where a file comes from, where it goes, and what it must be."""

    url: str
    path: Path
    size: int
    sha256: str

    @property
    def part(self) -> Path:
        return self.path.with_name(self.path.name + ".part")

    @property
    def tag(self) -> Path:
        """Holds the entity tag of the server's version that `part` is of."""
        return self.path.with_name(self.path.name + ".part.etag")


class _Broken(Exception):
    """The connection ended early, or the server is not well for the moment: try again."""


def open_client() -> httpx.Client:
    """A client that follows a hub's redirects, also to other hosts, but never to plain HTTP beyond this machine."""
    import httpx

    return httpx.Client(
        timeout=httpx.Timeout(30, connect=15),
        follow_redirects=True,
        event_hooks={"request": [lambda request: require_safe(str(request.url))]},
        headers={"User-Agent": "cloudai", "Accept-Encoding": "identity"},
    )


def require_safe(url: str) -> None:
    """Raises `InvalidInput` for an address that is neither HTTPS nor on this machine."""
    from urllib.parse import urlsplit

    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" and host:
        return
    if parts.scheme != "http" or not _is_loopback(host):
        raise InvalidInput(f"models are fetched over https:// only, not from {url}")


def is_right(path: Path, *, size: int, sha256: str) -> bool:
    """Whether a file is there and is the pinned one."""
    if not path.is_file() or path.stat().st_size != size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256


def fetch(client: httpx.Client, pinned: Pinned, *, arrived: Callable[[int], None]) -> None:
    """Bring `pinned.path`. `arrived` is told how many bytes of the file are there, as they come.

    Raises `ServiceError`: `not_found`, `permission_denied`, `unavailable` (the part is kept: run it again),
    `conflict` when the bytes are not the pinned ones (removed), `quota_exhausted` when the disk is full.
    """
    from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential

    pinned.path.parent.mkdir(parents=True, exist_ok=True)
    attempts = Retrying(
        retry=retry_if_exception_type(_Broken),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential(multiplier=0.25, max=8),
        reraise=True,
    )
    try:
        attempts(_attempt, client, pinned, arrived)
    except _Broken as error:
        raise ServiceError(
            f"{pinned.url}: {error}; what arrived is kept, run it again to go on", code=ErrorCode.UNAVAILABLE
        ) from error.__cause__
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        message = f"no space left in {pinned.path.parent}; what arrived is kept"
        raise ServiceError(message, code=ErrorCode.QUOTA_EXHAUSTED) from error
    _keep(pinned)


def _attempt(client: httpx.Client, pinned: Pinned, arrived: Callable[[int], None]) -> None:
    import httpx

    start = _start(pinned)
    if start == pinned.size and pinned.part.exists():
        return
    try:
        with client.stream("GET", pinned.url, headers=_headers(pinned, start)) as response:
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                _discard(pinned)
                raise _Broken("the server has no such part")
            _require_fine(response, pinned.url)
            start = start if _continues(response, start) else 0
            _require_size(response, pinned, start)
            _write(response, pinned, start, arrived)
    except httpx.TransportError as error:
        raise _Broken(f"{type(error).__name__} {error}".strip()) from error
    if pinned.part.stat().st_size < pinned.size:
        raise _Broken("the connection ended early")


def _start(pinned: Pinned) -> int:
    """Where to go on. A part that is too long is no part of this file."""
    start = pinned.part.stat().st_size if pinned.part.exists() else 0
    if start > pinned.size:
        _discard(pinned)
        return 0
    return start


def _headers(pinned: Pinned, start: int) -> dict[str, str]:
    if not start:
        return {}
    tag = pinned.tag.read_text(encoding="ascii") if pinned.tag.exists() else ""
    return {"Range": f"bytes={start}-", **({"If-Range": tag} if tag else {})}


def _continues(response: httpx.Response, start: int) -> bool:
    """Whether the answer begins where the part ends; a server may ignore the range and send the whole."""
    return response.status_code == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {start}-")


def _require_fine(response: httpx.Response, url: str) -> None:
    status = response.status_code
    if response.is_success:
        return
    if status >= 500 or status in (408, 425, 429):
        raise _Broken(f"the server answered {status}")
    code = _CODES.get(status, ErrorCode.UNAVAILABLE)
    raise ServiceError(f"{url}: the server answered {status} {response.reason_phrase}", code=code)


def _require_size(response: httpx.Response, pinned: Pinned, start: int) -> None:
    """What the server says of the length, before anything is fetched for nothing."""
    length = response.headers.get("Content-Length", "")
    if length.isdigit() and start + int(length) != pinned.size:
        raise _mismatch(pinned, f"it has {start + int(length)} bytes")


def _write(response: httpx.Response, pinned: Pinned, start: int, arrived: Callable[[int], None]) -> None:
    _remember_tag(response, pinned)
    there = start
    with pinned.part.open("r+b" if start else "wb") as file:
        file.seek(start)
        for chunk in response.iter_bytes():
            there += len(chunk)
            if there > pinned.size:
                break
            file.write(chunk)
            arrived(there)
    if there > pinned.size:
        raise _mismatch(pinned, "it has more bytes")


def _remember_tag(response: httpx.Response, pinned: Pinned) -> None:
    tag = response.headers.get("ETag", "")
    if tag.startswith('"') and tag.isascii():
        pinned.tag.write_text(tag, encoding="ascii")
    else:
        pinned.tag.unlink(missing_ok=True)


def _keep(pinned: Pinned) -> None:
    if not is_right(pinned.part, size=pinned.size, sha256=pinned.sha256):
        raise _mismatch(pinned, "its SHA-256 is another")
    pinned.part.replace(pinned.path)
    pinned.tag.unlink(missing_ok=True)


def _discard(pinned: Pinned) -> None:
    pinned.part.unlink(missing_ok=True)
    pinned.tag.unlink(missing_ok=True)


def _mismatch(pinned: Pinned, what: str) -> ServiceError:
    _discard(pinned)
    return ServiceError(
        f"{pinned.url} is not the pinned file: {what}; the catalogue says {pinned.size} bytes, "
        f"SHA-256 {pinned.sha256}. It was removed",
        code=ErrorCode.CONFLICT,
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
