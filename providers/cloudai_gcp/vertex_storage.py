"""Files of training jobs and models in Cloud Storage: streamed both ways, so that weights need no memory.

Simple uploads, listings and downloads of https://cloud.google.com/storage/docs/json_api/v1/objects (read 2026-11-21).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import quote, urlencode, urlsplit

from cloudai.errors import InvalidInput
from cloudai.http import WireReply
from cloudai_gcp.errors import GoogleError, error_of, note_host
from cloudai_gcp.objects import base_of

if TYPE_CHECKING:
    from cloudai_gcp.vertex_client import VertexClient

_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True, slots=True)
class Stored:
    """One object: its name in the bucket."""

    name: str
    size: int
    hash: str
    """MD5 in base64 where Google has it, else the generation."""


class VertexStorage:
    """The objects that a backend's identity may read and write."""

    def __init__(self, vertex: VertexClient) -> None:
        self._vertex = vertex
        self._base = base_of(vertex.settings.endpoint_url)

    def put(self, uri: str, content: bytes | Path, *, timeout: float) -> None:
        """One object, whole or not at all."""
        bucket, name = split(uri)
        query = urlencode({"uploadType": "media", "name": name})
        url = f"{self._base}/upload/storage/v1/b/{quote(bucket, safe='')}/o?{query}"
        if isinstance(content, bytes):
            self._vertex.ask("POST", url, timeout=timeout, body=content or b"", kind="application/octet-stream")
            return
        with content.open("rb") as file:
            self._stream_up(url, file, content.stat().st_size, timeout)

    def _stream_up(self, url: str, file: BinaryIO, size: int, timeout: float) -> None:
        headers = {
            **self._vertex.auth.headers(),
            "content-type": "application/octet-stream",
            "content-length": str(size),
        }
        client = self._vertex.auth.transport().client
        try:
            reply = client.post(url, content=iter(lambda: file.read(_CHUNK), b""), headers=headers, timeout=timeout)
        except Exception as error:
            note_host(error, url)
            raise
        self._checked(reply.status_code, dict(reply.headers), reply.content, url)

    def listed(self, prefix: str, *, timeout: float) -> Iterator[Stored]:
        """All objects below `gs://bucket/prefix`, over all pages."""
        bucket, name = split(prefix)
        token = ""
        while True:
            query = urlencode({"prefix": name, **({"pageToken": token} if token else {})})
            url = f"{self._base}/storage/v1/b/{quote(bucket, safe='')}/o?{query}"
            page = self._vertex.asked("GET", url, timeout=timeout)
            for item in page.items("items"):
                known = item.text("md5Hash") or item.text("generation")
                yield Stored(name=item.text("name"), size=int(item.text("size", "0")), hash=known)
            token = page.text("nextPageToken")
            if not token:
                return

    def download(self, prefix: str, folder: Path, *, timeout: float) -> list[Path]:
        """All objects below a prefix as files of `folder`. Raises `InvalidInput` for names that lead out of it."""
        bucket, start = split(prefix)
        made: list[Path] = []
        for found in self.listed(prefix, timeout=timeout):
            relative = found.name.removeprefix(start).lstrip("/")
            if not relative or relative.endswith("/"):
                continue
            target = folder / inside(relative)
            target.parent.mkdir(parents=True, exist_ok=True)
            self.fetch(f"gs://{bucket}/{found.name}", target, timeout=timeout)
            made.append(target)
        return made

    def fetch(self, uri: str, target: Path, *, timeout: float) -> None:
        """One object as a file, whole or not at all."""
        bucket, name = split(uri)
        url = f"{self._base}/storage/v1/b/{quote(bucket, safe='')}/o/{quote(name, safe='')}?alt=media"
        client, headers = self._vertex.auth.transport().client, dict(self._vertex.auth.headers())
        part = target.with_name(f".{target.name}.part")
        try:
            with client.stream("GET", url, headers=headers, timeout=timeout) as reply:
                if reply.status_code != 200:
                    self._checked(reply.status_code, dict(reply.headers), reply.read(), url)
                with part.open("wb") as file:
                    for chunk in reply.iter_bytes(_CHUNK):
                        file.write(chunk)
            part.replace(target)
        except Exception as error:
            part.unlink(missing_ok=True)
            note_host(error, url)
            raise

    def remove(self, uri: str, *, timeout: float) -> None:
        """Deletes one object; one that is gone is as good."""
        bucket, name = split(uri)
        url = f"{self._base}/storage/v1/b/{quote(bucket, safe='')}/o/{quote(name, safe='')}"
        try:
            self._vertex.ask("DELETE", url, timeout=max(timeout, 1.0))
        except GoogleError as error:
            if error.status != 404:
                raise

    def _checked(self, status: int, headers: dict[str, str], body: bytes, url: str) -> None:
        if not 200 <= status < 300:
            reply = WireReply(status=status, headers={k.lower(): v for k, v in headers.items()}, body=body)
            raise error_of(reply, self._vertex.auth.secrets, host=urlsplit(url).netloc)


def inside(relative: str) -> Path:
    """An object's name as a path below a folder. Raises `InvalidInput` for one that leads out."""
    parts = PurePosixPath(relative)
    if parts.is_absolute() or ".." in parts.parts or "\\" in relative or ":" in relative:
        raise InvalidInput(f"the object's name {relative[:100]!r} leads out of the folder: not downloaded")
    return Path(*parts.parts)


def split(uri: str) -> tuple[str, str]:
    """Bucket and name or prefix, which may be empty. Raises `InvalidInput` for what is no `gs://` address."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    if not uri.startswith("gs://") or not bucket:
        raise InvalidInput(f"{uri[:100]!r} is no address in Cloud Storage: gs://BUCKET/PREFIX")
    return bucket, name
