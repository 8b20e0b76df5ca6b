"""What every input passes through before a backend sees it: loaded with bounds, typed by its content, its header read.

Nothing is decoded and nothing is guessed from a name. A wrong input is `InvalidInput` (or `TooLarge`) that says what
was found; an address in an object store is passed on unread, for the backend to read itself.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from cloudai.calls.audio_header import read_audio
from cloudai.calls.document_header import read_document
from cloudai.calls.image_header import read_image, readable
from cloudai.calls.sniff import Damaged, content_type, described
from cloudai.errors import CloudAIError, ErrorCode, InvalidInput, TooLarge
from cloudai.traces import forget_locals
from cloudai.types.media import Media, MediaKind

if TYPE_CHECKING:
    from cloudai.types.media import ImageInfo, MediaLike

_CHUNK: Final = 1 << 20
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")
_OBJECT = re.compile(r"(s3|gs)://[^/?#\s]+/[^\r\n\x00]+")
_BLOB = re.compile(
    r"https://[a-z0-9-]{3,40}\.blob(?:\.storage\.azure\.net|\.core\.(?:windows\.net|chinacloudapi\.cn|usgovcloudapi\.net))"
    r"/[^/?#\s]+/[^?#\s]+",
    re.IGNORECASE,
)
_ARCHIVES: Final = ("application/zip", "application/gzip")
_WANTED: Final = {MediaKind.IMAGE: "an image", MediaKind.AUDIO: "audio", MediaKind.DOCUMENT: "a document"}


@dataclass(frozen=True, kw_only=True, slots=True)
class InputGuard:
    """Bounds on one input, whatever the backend. Its own limits come after (`cloudai.calls.limits`)."""

    max_bytes: int = 512 << 20
    max_pixels: int = 100_000_000
    """Of the largest frame or page."""
    max_seconds: float = 12 * 3600.0
    allow_hosts: frozenset[str] = frozenset()
    """`host:port` (`127.0.0.1:8080`, `[::1]:8080`) exempt from https-only and from the private-address rule."""
    max_redirects: int = 5


def load(source: MediaLike, kind: MediaKind, *, guard: InputGuard, timeout: float = 30.0) -> Media:
    """One checked input from bytes, a path, an open binary file, or an address.

    `https://` is fetched within `timeout` seconds in all; `s3://`, `gs://` and Azure blob addresses are kept unread.
    An open file is read from where it stands, and left open. Raises `InvalidInput` (code `not_found` for a missing
    file), `TooLarge`, and for an address `ServiceError`.
    """
    if isinstance(source, Media):
        return _again(source, kind, guard)
    if isinstance(source, bytes | bytearray | memoryview):
        size = source.nbytes if isinstance(source, memoryview) else len(source)
        _check_bytes(size, guard, f"the {kind}")
        return from_bytes(bytes(source), kind, guard=guard)
    if isinstance(source, str) and (scheme := _ADDRESS.match(source)):
        try:
            return _addressed(source, scheme[1].lower(), kind, guard, timeout)
        except CloudAIError as error:
            forget_locals(error)
            source, scheme = "", None  # an address may hold a signature: it stays in no frame of ours
            raise
    if isinstance(source, str | os.PathLike):
        return _from_path(Path(os.fsdecode(source)), kind, guard)
    if hasattr(source, "read"):
        return _from_file(source, kind, guard)
    raise InvalidInput(f"pass bytes, a path, an open binary file or an address, not {type(source).__name__}")


def from_bytes(data: bytes, kind: MediaKind, *, guard: InputGuard, name: str | None = None) -> Media:
    """Content that is already here: its type sniffed, its header read, its bounds checked."""
    label = name or f"the {kind}"
    _check_bytes(len(data), guard, label)
    if not data:
        raise InvalidInput(f"{label} is empty")
    found = content_type(data)
    if found is None or not _fits(found, kind):
        raise InvalidInput(f"{label} holds {described(found)}, not {_WANTED[kind]}")
    media = Media(kind=kind, data=data, content_type=found, name=name)
    try:
        return _with_header(media, found, guard, label)
    except (Damaged, struct.error, IndexError) as error:
        reason = str(error) if isinstance(error, Damaged) else "it ends too early"
        raise InvalidInput(f"{label} ({found}) is truncated or corrupt: {reason}") from error


def fetched(media: Media, data: bytes, *, guard: InputGuard) -> Media:
    """`media` with the bytes that a backend read from its address."""
    return from_bytes(data, media.kind, guard=guard, name=media.name)


def _again(media: Media, kind: MediaKind, guard: InputGuard) -> Media:
    if media.data is None or (media.kind is kind and media.content_type is not None):
        return replace(media, kind=kind)
    return from_bytes(media.data, kind, guard=guard, name=media.name)


def _addressed(address: str, scheme: str, kind: MediaKind, guard: InputGuard, timeout: float) -> Media:
    name = address.split("?")[0].rsplit("/", 1)[-1] or None
    if _OBJECT.fullmatch(address) or _BLOB.match(address):
        return Media(kind=kind, uri=address, name=name)
    if scheme in ("s3", "gs"):
        raise InvalidInput(f"an object's address is {scheme}://bucket/key")
    if scheme not in ("https", "http"):
        known = "https://, s3://, gs:// or an Azure blob URL"
        raise InvalidInput(f"{scheme}:// is not an address that is read; use a path, {known}")
    from cloudai.calls.fetch import fetch

    return from_bytes(fetch(address, guard=guard, timeout=timeout), kind, guard=guard, name=name)


def _from_path(path: Path, kind: MediaKind, guard: InputGuard) -> Media:
    try:
        mode = path.stat()
        if stat.S_ISDIR(mode.st_mode):
            raise InvalidInput(f"{path} is a directory, not a file")
        if not stat.S_ISREG(mode.st_mode):
            raise InvalidInput(f"{path} is not a regular file; open it and pass the file object")
        _check_bytes(mode.st_size, guard, str(path))
        with path.open("rb") as file:
            return _from_file(file, kind, guard)
    except FileNotFoundError as error:
        raise InvalidInput(f"{path} does not exist", code=ErrorCode.NOT_FOUND) from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or error
        raise InvalidInput(f"{path} cannot be read: {reason}") from error


def _from_file(file: IO[bytes], kind: MediaKind, guard: InputGuard) -> Media:
    title = getattr(file, "name", None)
    name = Path(title).name if isinstance(title, str) else None
    parts, size = list[bytes](), 0
    while part := file.read(min(_CHUNK, guard.max_bytes + 1 - size)):
        if not isinstance(part, bytes | bytearray):
            raise InvalidInput(f"the file gives {type(part).__name__}, not bytes; open it in binary mode ('rb')")
        parts.append(bytes(part))
        size += len(part)
        _check_bytes(size, guard, name or "the file")
    return from_bytes(b"".join(parts), kind, guard=guard, name=name)


def _fits(found: str, kind: MediaKind) -> bool:
    family = found.partition("/")[0]
    if kind is MediaKind.IMAGE:
        return readable(found)
    if kind is MediaKind.AUDIO:
        return family in ("audio", "video") and found != "video/x-msvideo"
    return readable(found) or (family in ("text", "application") and found not in _ARCHIVES)


def _with_header(media: Media, found: str, guard: InputGuard, label: str) -> Media:
    data = media.content
    if readable(found):
        info, pixels = read_image(data, found)
        _check_pixels(info, pixels, guard, label)
        pages = info.frames if found == "image/tiff" else 1
        return replace(media, image=info, pages=pages if media.kind is MediaKind.DOCUMENT else None)
    if media.kind is not MediaKind.AUDIO:
        return replace(media, pages=read_document(data, found))
    audio = read_audio(data, found)
    if audio.duration is not None and audio.duration <= 0:
        raise InvalidInput(f"{label} holds 0 seconds of sound")
    if audio.duration is not None and audio.duration > guard.max_seconds:
        most = f"{guard.max_seconds:,.0f} s (max_seconds)"
        raise TooLarge(f"{label} lasts {audio.duration:,.0f} s; inputs may last {most}")
    return replace(media, audio=audio)


def _check_bytes(size: int, guard: InputGuard, label: str) -> None:
    if size > guard.max_bytes:
        raise TooLarge(f"{label} has more than {guard.max_bytes:,} bytes, the bound on inputs (max_bytes)")


def _check_pixels(info: ImageInfo, pixels: int, guard: InputGuard, label: str) -> None:
    if pixels > guard.max_pixels:
        whole = info.width * info.height == pixels
        size = f"{info.width:,} x {info.height:,} =" if whole else "a frame or page of"
        raise TooLarge(f"{label} has {size} {pixels:,} pixels; inputs may have {guard.max_pixels:,} (max_pixels)")
