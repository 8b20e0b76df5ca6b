"""What Azure reads from Blob storage alone: put there with a signed address, and deleted however the call ends."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote, urlsplit

from cloudai.errors import ErrorCode, InvalidInput, TooLarge, Unsupported
from cloudai.http import ReplyTooLarge
from cloudai_azure.errors import fault_of
from cloudai_azure.storage import (
    VERSION,
    DelegatedKey,
    container_of,
    dated,
    delegated_of,
    delegation_wire,
    delete_wire,
    download_wire,
    signature,
    upload_wires,
)
from cloudai_azure.wire import Answer, Flow, Wire

if TYPE_CHECKING:
    from cloudai_azure.settings import AzureSettings

_BLOB_HOST = re.compile(
    r"\.blob(?:\.storage\.azure\.net|\.core\.(?:windows\.net|chinacloudapi\.cn|usgovcloudapi\.net))$", re.IGNORECASE
)
"""Azure's own: a token goes nowhere else."""
_LOG = logging.getLogger(__name__)
GRACE: Final = 2.0
"""Seconds for each deletion of what a call leaves behind, when its own time is over."""
READ_HOURS: Final = 48
"""How long Azure may read what was put there: its jobs are queued for hours at busy times."""
_KEY_HOURS: Final = 72
"""Of a delegated key; Azure allows seven days."""
_OWN_HOURS: Final = 1
"""Of a signature for our own requests."""

ENDINGS: Mapping[str, str] = {
    "audio/wav": "wav", "audio/mpeg": "mp3", "audio/ogg": "ogg", "audio/flac": "flac", "audio/aac": "aac",
    "audio/webm": "webm", "audio/mp4": "mp4", "audio/amr": "amr", "audio/x-ms-wma": "wma",
}  # fmt: skip
"""Of file names, by which some of Azure's services tell the format."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Signed:
    """A blob and the address that Azure is given."""

    blob: str
    url: str


class Staging:
    """The container of a backend. Its methods are flows; they are safe for many threads."""

    def __init__(self, settings: AzureSettings) -> None:
        self._container = None if settings.staging is None else container_of(settings.staging)
        key, token = settings.staging_account_key, settings.staging_sas_token
        self._account_key = None if key is None else key.get_secret_value()
        self._token = None if token is None else token.get_secret_value().lstrip("?")
        self._delegated: DelegatedKey | None = None
        self._blob_endpoint = settings.blob_endpoint.rstrip("/") if settings.blob_endpoint else None

    @property
    def ready(self) -> bool:
        """Whether there is a container."""
        return self._container is not None

    def require(self, what: str) -> None:
        """Raises `Unsupported` where there is no container. `what`: whatever can't be done without one."""
        if not self.ready:
            text = f"{what} goes through Blob storage: set staging to the address of a container in the backend"
            raise Unsupported(text)

    def put(self, blob: str, content: bytes, content_type: str) -> Flow[Signed]:
        """Uploads, and signs for reading. What a failure left half done is the caller's to `remove`."""
        url = yield from self.signed(blob, "cw")
        yield from upload_wires(url, content, content_type)
        return Signed(blob=blob, url=(yield from self.signed(blob, "r", hours=READ_HOURS)))

    def target(self, blob: str) -> Flow[Signed]:
        """Where Azure is to write a blob: nothing is there yet."""
        return Signed(blob=blob, url=(yield from self.signed(blob, "cw", hours=READ_HOURS)))

    def get(self, blob: str) -> Flow[Answer]:
        """A whole blob."""
        return (yield download_wire((yield from self.signed(blob, "r"))))

    def read(self, uri: str, *, max_bytes: int) -> Flow[bytes]:
        """An object that is stored anywhere: by the signature in its address, by what signs for this container, else
        with a token. Raises `InvalidInput` for what is no blob's address, `TooLarge` past `max_bytes`."""
        parts = urlsplit(uri)
        if not _BLOB_HOST.search(parts.hostname or "") or parts.scheme != "https" or parts.username:
            raise InvalidInput("an object's address is https://ACCOUNT.blob.core.windows.net/CONTAINER/NAME")
        base = f"https://{parts.netloc}" if self._blob_endpoint is None else self._blob_endpoint
        bare = f"{base}{parts.path}"
        token = self._container_token(bare)
        by_token = "sig=" not in parts.query and token is None
        query = token if token is not None else parts.query
        headers = dated(datetime.now(UTC)) if by_token else {"x-ms-version": VERSION}
        try:
            answer = yield Wire(
                service="blob",
                method="GET",
                path="",
                url=f"{bare}?{query}" if query else bare,
                headers=headers,
                by_token=by_token,
                max_bytes=max_bytes,
            )
        except ReplyTooLarge as error:
            raise TooLarge(f"the object has more than {max_bytes:,} bytes, the bound on it") from error
        return answer.body

    def _container_token(self, url: str) -> str | None:
        """A SAS for the object at an address without one, where it is in our container or account; `None`: none."""
        mine = self._container
        if mine is None or not url.startswith(f"{mine.base}/") or "sig=" in url:
            return None
        if self._token is not None:
            return self._token if url.startswith(f"{mine.base}/{quote(mine.name)}/") else None
        if self._account_key is None:
            return None
        name, _, blob = unquote(url.removeprefix(f"{mine.base}/")).partition("/")
        place = replace(mine, name=name, prefix="")
        ends = datetime.now(UTC) + timedelta(hours=_OWN_HOURS)
        return signature(place, blob, "r", ends, self._account_key)

    def remove(self, *blobs: str | None) -> Flow[None]:
        """Deletes blobs. Never raises: one that is gone is as good, what is left behind is logged, by its name."""
        for blob in blobs:
            if blob is None:
                continue
            try:
                url = yield from self.signed(blob, "d", grace=GRACE)
                yield delete_wire(url, grace=GRACE)
            except Exception as error:  # noqa: BLE001  # tidying up is no reason to fail
                fault = fault_of(error)
                if fault is None or fault.code is not ErrorCode.NOT_FOUND:
                    reason = type(error).__name__ if fault is None else fault.code
                    _LOG.warning("the staged blob %s was not deleted: %s", blob, reason)

    def signed(self, blob: str, permissions: str, *, hours: float = _OWN_HOURS, grace: float = 0.0) -> Flow[str]:
        """The address of a blob that these permissions are good for."""
        assert self._container is not None  # the caller has asked `require`
        if self._token is not None:
            return self._container.url(blob, self._token)
        key = self._account_key or (yield from self._key(hours, grace))
        ends = datetime.now(UTC) + timedelta(hours=hours)
        if isinstance(key, DelegatedKey):
            ends = min(ends, key.ends)
        return self._container.url(blob, signature(self._container, blob, permissions, ends, key))

    def _key(self, hours: float, grace: float) -> Flow[DelegatedKey]:
        """A delegated key that is good for as long, asked for anew in time."""
        now, known = datetime.now(UTC), self._delegated
        if known is not None and known.ends > now + timedelta(hours=hours):
            return known
        assert self._container is not None
        answer = yield delegation_wire(self._container, now, now + timedelta(hours=_KEY_HOURS), grace=grace)
        self._delegated = found = delegated_of(answer)
        return found
