"""Files of training jobs and models in the Blob container of a workspace's datastore, streamed both ways.

By REST over cloudai's transport: azure-ai-ml's own transfers take no time limit, hold whole blobs in memory on the way
down, write to standard error, and put a folder below a hash of theirs, where nothing is found by its run's name.

The datastore's own credentials are used where it has some (an account key or a SAS, which Azure gives to whoever may
read its secrets), else a token of Microsoft Entra ID. Wire: https://learn.microsoft.com/rest/api/storageservices
(put-blob, put-block, put-block-list, get-blob, list-blobs, delete-blob), create-service-sas.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode
from xml.etree import ElementTree

from cloudai.errors import InvalidInput, Unsupported
from cloudai.http import WireReply, WireRequest
from cloudai.wirejson import JsonNode, Malformed
from cloudai_azure.errors import AzureError, error_of
from cloudai_azure.storage import VERSION, dated, stamp, to_sign

if TYPE_CHECKING:
    from cloudai_azure.ml_client import MlClient

BLOCK: Final = 32 << 20
_CHUNK: Final = 1 << 20
_HOURS: Final = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """The datastore's container and who may use it."""

    base: str
    account: str
    container: str
    key: str | None = field(default=None, repr=False)
    sas: str | None = field(default=None, repr=False)


class MlStorage:
    """The blobs of a datastore. The place is asked once."""

    def __init__(self, client: MlClient) -> None:
        self._client = client
        self._place: Place | None = None

    def address(self, path: str) -> str:
        """How Azure ML names a path of the datastore."""
        return f"azureml://datastores/{self._client.settings.ml_datastore}/paths/{path}"

    def url(self, path: str, *, timeout: float) -> str:
        """Its address in Blob storage, without a signature."""
        place = self._placed(time.monotonic() + timeout)
        return f"{place.base}/{quote(place.container)}/{quote(path)}"

    def read(self, path: str, *, timeout: float) -> bytes | None:
        """A small blob; `None`: there is none."""
        try:
            return self._send("GET", path, time.monotonic() + timeout).body
        except AzureError as error:
            if error.status == 404:
                return None
            raise

    def put(self, path: str, content: bytes | Path, *, timeout: float) -> None:
        """One blob: in one request, or in blocks and their list."""
        ends = time.monotonic() + timeout
        if isinstance(content, bytes) or content.stat().st_size <= BLOCK:
            whole = content if isinstance(content, bytes) else content.read_bytes()
            self._send("PUT", path, ends, whole, headers={"x-ms-blob-type": "BlockBlob"})
            return
        names: list[str] = []
        with content.open("rb") as file:
            while chunk := file.read(BLOCK):
                names.append(base64.b64encode(f"{len(names):08}".encode()).decode())
                self._send("PUT", path, ends, chunk, query={"comp": "block", "blockid": names[-1]})
        blocks = "".join(f"<Latest>{name}</Latest>" for name in names)
        listed = f"<?xml version='1.0' encoding='utf-8'?>\n<BlockList>{blocks}</BlockList>"
        self._send("PUT", path, ends, listed.encode(), query={"comp": "blocklist"})

    def listed(self, prefix: str, *, timeout: float) -> Iterator[tuple[str, int]]:
        """Name and size of all blobs below a prefix, over all pages."""
        ends, marker = time.monotonic() + timeout, ""
        while True:
            query = {"restype": "container", "comp": "list", "prefix": prefix, **({"marker": marker} if marker else {})}
            reply = self._send("GET", "", ends, query=query)
            root = _xml(reply.body)
            for blob in root.iter("Blob"):
                yield blob.findtext("Name") or "", int(blob.findtext("Properties/Content-Length") or 0)
            marker = root.findtext("NextMarker") or ""
            if not marker:
                return

    def download(self, prefix: str, folder: Path, *, timeout: float) -> list[Path]:
        """All blobs below a prefix as files of `folder`. Raises `InvalidInput` for names that lead out of it."""
        ends, made = time.monotonic() + timeout, list[Path]()
        for name, _ in list(self.listed(prefix, timeout=timeout)):
            relative = name.removeprefix(prefix).lstrip("/")
            if not relative or relative.endswith("/"):
                continue
            target = folder / inside(relative)
            target.parent.mkdir(parents=True, exist_ok=True)
            self._stream_down(name, target, ends)
            made.append(target)
        return made

    def fetch(self, path: str, target: Path, *, timeout: float) -> None:
        """One blob as a file, whose folder is there."""
        self._stream_down(path, target, time.monotonic() + timeout)

    def remove(self, path: str, *, timeout: float) -> None:
        """One that is gone is as good."""
        try:
            self._send("DELETE", path, time.monotonic() + timeout)
        except AzureError as error:
            if error.status != 404:
                raise

    def _stream_down(self, name: str, target: Path, ends: float) -> None:
        url, headers = self._signed(name, {}, ends)
        part = target.with_name(f".{target.name}.part")
        left = max(ends - time.monotonic(), 0.001)
        try:
            with self._client.transport.client.stream("GET", url, headers=dict(headers), timeout=left) as reply:
                if reply.status_code != 200:
                    told = WireReply(status=reply.status_code, headers=dict(reply.headers), body=reply.read())
                    raise error_of(told, self._secrets)
                with part.open("wb") as file:
                    for chunk in reply.iter_bytes(_CHUNK):
                        file.write(chunk)
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)

    def _send(
        self,
        method: str,
        path: str,
        ends: float,
        body: bytes = b"",
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> WireReply:
        url, known = self._signed(path, query or {}, ends)
        more = {"content-type": "application/octet-stream"} if body else {}
        request = WireRequest(method=method, url=url, headers={**known, **more, **(headers or {})}, body=body)
        reply = self._client.transport.send(request, timeout=max(ends - time.monotonic(), 0.001))
        if not 200 <= reply.status < 300:
            raise error_of(reply, self._secrets)
        return reply

    @property
    def _secrets(self) -> tuple[str, ...]:
        place = self._place
        known = (place.key, place.sas) if place else ()
        return (*self._client.secrets, *(each for each in known if each))

    def _signed(self, path: str, query: Mapping[str, str], ends: float) -> tuple[str, Mapping[str, str]]:
        place = self._placed(ends)
        address = f"{place.base}/{quote(place.container)}" + (f"/{quote(path)}" if path else "")
        signature = place.sas or (container_signature(place, datetime.now(UTC)) if place.key else "")
        known = "&".join(each for each in (urlencode(query), signature) if each)
        if signature:
            return f"{address}?{known}", {"x-ms-version": VERSION}
        return f"{address}?{known}" if known else address, {**dated(datetime.now(UTC)), **self._client.storage_token()}

    def _placed(self, ends: float) -> Place:
        if self._place is None:
            path = f"datastores/{self._client.settings.ml_datastore}"
            known = self._client.get(path, timeout=ends - time.monotonic()).at("properties")
            if known.text("datastoreType") != "AzureBlob":
                raise Unsupported(f"the datastore {path[11:]} is no Blob storage: set ml_datastore to one that is")
            self._place = place_of(known, self._secrets_of(path, known, ends), self._client.settings.blob_endpoint)
        return self._place

    def _secrets_of(self, path: str, known: JsonNode, ends: float) -> JsonNode:
        kind = known.at("credentials").text("credentialsType")
        if kind not in ("AccountKey", "Sas"):
            return JsonNode({})
        return JsonNode.parse(self._client.post(f"{path}/listSecrets", timeout=ends - time.monotonic()).body)


def place_of(known: JsonNode, secrets: JsonNode, emulator: str | None) -> Place:
    """Of a datastore's description and its secrets."""
    account, endpoint = known.text("accountName"), known.text("endpoint", "core.windows.net")
    return Place(
        base=emulator.rstrip("/") if emulator else f"{known.text('protocol', 'https')}://{account}.blob.{endpoint}",
        account=account,
        container=known.text("containerName"),
        key=secrets.text("key") or None,
        sas=secrets.text("sasToken").lstrip("?") or None,
    )


def container_signature(place: Place, now: datetime) -> str:
    """A SAS of the container, made from the account's key: to read, create, write, delete and list for some hours."""
    assert place.key is not None
    protocol = "https" if place.base.startswith("https") else "https,http"
    ends = stamp(now + timedelta(hours=_HOURS))
    members = {"sp": "rcwdl", "se": ends, "spr": protocol, "sv": VERSION, "sr": "c"}
    signed = to_sign(members, f"/blob/{place.account}/{place.container}")
    digest = hmac.new(base64.b64decode(place.key), signed.encode(), hashlib.sha256).digest()
    return urlencode({**members, "sig": base64.b64encode(digest).decode()}, quote_via=quote)


def inside(relative: str) -> Path:
    """A blob's name as a path below a folder. Raises `InvalidInput` for one that leads out."""
    parts = PurePosixPath(relative)
    if parts.is_absolute() or ".." in parts.parts or "\\" in relative or ":" in relative:
        raise InvalidInput(f"the blob's name {relative[:100]!r} leads out of the folder: not downloaded")
    return Path(*parts.parts)


def _xml(body: bytes) -> ElementTree.Element:
    if b"<!" in body:
        raise Malformed("the list of blobs is no plain XML")
    try:
        return ElementTree.fromstring(body)  # noqa: S314  # without a DTD there is nothing to expand
    except ElementTree.ParseError as error:
        raise Malformed("the list of blobs is no XML") from error
