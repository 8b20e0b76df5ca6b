"""Inputs after the guard: bytes whose type was read from their content, or the address of a stored object."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import StrEnum
from typing import IO, TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

MediaLike: TypeAlias = "bytes | bytearray | memoryview | str | os.PathLike[str] | IO[bytes] | Media"
"""What a caller may pass: content, a path, an open binary file, `https://`, `s3://`, `gs://` or a blob URL.

A `str` with a scheme is an address; any other `str` is a path.
"""


class MediaKind(StrEnum):
    """What an input is used as."""

    IMAGE = "image"
    AUDIO = "audio"
    DOCUMENT = "document"


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageInfo:
    """Read from the header, without decoding. `width` and `height` are in pixels, as stored."""

    width: int
    height: int
    frames: int = 1
    orientation: int = 1
    """EXIF orientation, 1..8; 1 is upright."""


@dataclass(frozen=True, kw_only=True, slots=True)
class AudioInfo:
    """Read from the header. `duration` is in seconds, `sample_rate` in Hz."""

    duration: float | None
    sample_rate: int | None
    channels: int | None
    bits: int | None = None
    encoding: str | None = None
    """`pcm_s16le`, `pcm_f32le`, `mulaw`, `alaw`, `mp3`, `flac`, `opus`, `vorbis`, `aac`; `None`: unknown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Media:
    """One checked input. Either `data` is there, or `uri` names an object that the backend reads itself."""

    kind: MediaKind
    data: bytes | None = field(default=None, repr=False)
    uri: str | None = field(default=None, repr=False)
    """Not in the repr, and in no message: its query string may hold a signature."""
    content_type: str | None = None
    """From the content, never from the name. `None` for an object that was not fetched."""
    name: str | None = None
    image: ImageInfo | None = None
    audio: AudioInfo | None = None
    pages: int | None = None

    @property
    def content(self) -> bytes:
        """The bytes; raises `ValueError` for an object that was passed by address."""
        if self.data is None:
            raise ValueError(f"{self.name or 'the input'} was passed by address; its bytes were not fetched")
        return self.data

    @property
    def size(self) -> int | None:
        """In bytes; `None` for an object that was not fetched."""
        return None if self.data is None else len(self.data)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.is_instance_schema(cls)
