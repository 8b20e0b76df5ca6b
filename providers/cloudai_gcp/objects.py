"""Objects of Cloud Storage, read with this backend's credentials: for backends that can't be given a `gs://` address.

https://cloud.google.com/storage/docs/json_api/v1/objects/get
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from cloudai.errors import InvalidInput, ServiceError, TooLarge
from cloudai.http import ReplyTooLarge, Transport, WireRequest
from cloudai_gcp.errors import error_of, fault_of

if TYPE_CHECKING:
    from cloudai_gcp.auth import Auth


def object_request(uri: str, headers: Mapping[str, str], endpoint: str | None) -> WireRequest:
    """The request for an object's bytes. Raises `InvalidInput` for what is no `gs://bucket/name`."""
    bucket, name = address(uri)
    url = f"{base_of(endpoint)}/storage/v1/b/{quote(bucket, safe='')}/o/{quote(name, safe='')}?alt=media"
    return WireRequest(method="GET", url=url, headers=headers)


def address(uri: str) -> tuple[str, str]:
    """Bucket and name. Raises `InvalidInput` for what is no `gs://bucket/name`."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    if not uri.startswith("gs://") or not bucket or not name:
        raise InvalidInput("an object's address is gs://bucket/name")
    return bucket, name


def base_of(endpoint: str | None) -> str:
    """The address of Cloud Storage."""
    return endpoint.rstrip("/") if endpoint else "https://storage.googleapis.com"


def fetch(uri: str, *, max_bytes: int, timeout: float, auth: Auth, transport: Transport, endpoint: str | None) -> bytes:
    """The object's bytes, read once. Raises `TooLarge` past `max_bytes`, `ServiceError` with the code of a failure."""
    try:
        request = object_request(uri, auth.headers(), endpoint)
        reply = transport.send(request, timeout=timeout, max_bytes=max_bytes)
        if reply.status != 200:
            raise error_of(reply, auth.secrets, host=urlsplit(request.url).netloc)
    except ReplyTooLarge as error:
        raise TooLarge(f"the object has more than {max_bytes:,} bytes, the bound on inputs (max_bytes)") from error
    except Exception as error:
        fault = fault_of(error)
        if fault is None:
            raise
        raise ServiceError(
            fault.message or type(error).__name__,
            code=fault.code,
            retryable=fault.retryable,
            retry_after=fault.retry_after,
            request_id=fault.request_id,
        ) from error
    return reply.body
