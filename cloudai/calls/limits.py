"""An input held against what one backend declares it takes, before anything is sent.

Over a limit is `TooLarge` naming the limit, its value, the input's value, whose limit it is and where it is written.
With `resize=True` an image is made to fit instead, and a `Notice` says so.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from cloudai.errors import InvalidInput, TooLarge

if TYPE_CHECKING:
    from cloudai.types.media import Media
    from cloudai.types.results import Notice

_ALIASES: Final = {
    "image/jpg": "image/jpeg",
    "image/mpo": "image/jpeg",
    "image/x-ms-bmp": "image/bmp",
    "image/vnd.microsoft.icon": "image/x-icon",
    "image/heif": "image/heic",
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/mp3": "audio/mpeg",
    "audio/x-flac": "audio/flac",
    "audio/m4a": "audio/mp4",
    "audio/x-m4a": "audio/mp4",
    "audio/opus": "audio/ogg",
    "audio/x-aiff": "audio/aiff",
    "application/ogg": "audio/ogg",
    "video/mp4": "audio/mp4",  # whoever takes sound in a container takes it beside a picture
    "video/ogg": "audio/ogg",
    "video/webm": "audio/webm",
    "text/xml": "application/xml",
}


class InputLimits(Protocol):
    """What a backend declares of its inputs; `None`: it declares nothing."""

    @property
    def max_bytes(self) -> int | None: ...
    @property
    def max_object_bytes(self) -> int | None: ...
    @property
    def min_width(self) -> int | None: ...
    @property
    def min_height(self) -> int | None: ...
    @property
    def max_width(self) -> int | None: ...
    @property
    def max_height(self) -> int | None: ...
    @property
    def max_pixels(self) -> int | None: ...
    @property
    def max_seconds(self) -> float | None: ...
    @property
    def max_pages(self) -> int | None: ...
    @property
    def source(self) -> str | None:
        """The URL that states the limits."""
        ...


class TextLimits(Protocol):
    """The same for texts."""

    @property
    def max_characters(self) -> int | None: ...
    @property
    def max_text_bytes(self) -> int | None: ...
    @property
    def source(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class _Over:
    """One limit that the input is beyond."""

    limit: str
    value: float
    allowed: float
    unit: str

    def __str__(self) -> str:
        return f"{self.value:,.10g} {self.unit}"


def scheme(media: Media) -> str:
    """Where the content is: `bytes` (here), or in `s3`, `gs`, `azure-blob`, or behind a `url`."""
    if media.uri is None or media.data is not None:
        return "bytes"
    prefix = media.uri.partition("://")[0].lower()
    if prefix in ("s3", "gs"):
        return prefix
    return "azure-blob" if ".blob." in media.uri.split("/", 3)[2].lower() else "url"


def fit(
    media: Media, *, limits: InputLimits, content_types: Collection[str], whose: str, resize: bool = False
) -> tuple[Media, tuple[Notice, ...]]:
    """The input as this backend takes it, and what was done to it.

    `content_types` may hold `image/*`; empty: the backend declares none. An object that was not fetched is passed on.
    Raises `TooLarge`, and `InvalidInput` for a wrong type or an image that is too small.
    """
    if media.data is None:
        return media, ()
    _check_minimum(media, limits, whose)
    over = next(_beyond(media, limits), None)
    if over is None and accepted(media.content_type, content_types):
        return media, ()
    if resize and media.image is not None and media.image.frames == 1:
        return _shrunk(media, limits, content_types, whose)
    if over is not None:
        raise TooLarge(_too_large(media, over, limits, whose))
    raise InvalidInput(_wrong_type(media, content_types, whose))


def check_text(text: str, *, limits: TextLimits, whose: str, what: str = "the text") -> None:
    """Refuses a lone surrogate (with its position) and a text beyond `max_characters` or `max_text_bytes` (UTF-8)."""
    size = utf8_size(text)
    for name, value, allowed, unit in (
        ("max_characters", len(text), limits.max_characters, "characters"),
        ("max_text_bytes", size, limits.max_text_bytes, "bytes in UTF-8"),
    ):
        if allowed is not None and value > allowed:
            why = _because(name, limits.source)
            raise TooLarge(f"{what} has {value:,} {unit}; {whose} takes at most {allowed:,} {why}. Split it.")


def utf8_size(text: str) -> int:
    """Bytes in UTF-8. Raises `InvalidInput` for a lone surrogate, with its position."""
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise InvalidInput(
            f"character {error.start} of the text is half of a surrogate pair (U+{ord(text[error.start]):04X}), "
            "not a character; was it cut, or decoded with 'surrogateescape'?"
        ) from error


def accepted(content_type: str | None, content_types: Collection[str]) -> bool:
    """Whether a type is among those declared, by any of its names."""
    if not content_types or content_type is None:
        return True
    declared = {_plain(name) for name in content_types}
    plain = _plain(content_type)
    return bool(declared & {plain, plain.partition("/")[0] + "/*", "*/*"})


def _plain(content_type: str) -> str:
    name = content_type.partition(";")[0].strip().lower()
    return _ALIASES.get(name, name)


def _beyond(media: Media, limits: InputLimits) -> Iterator[_Over]:
    width, height = (media.image.width, media.image.height) if media.image else (0, 0)
    facts: tuple[tuple[str, float | None, float | None, str], ...] = (
        ("max_bytes", media.size, limits.max_bytes, "bytes"),
        ("max_width", width, limits.max_width, "pixels in width"),
        ("max_height", height, limits.max_height, "pixels in height"),
        ("max_pixels", width * height, limits.max_pixels, "pixels"),
        ("max_seconds", media.audio.duration if media.audio else None, limits.max_seconds, "seconds"),
        ("max_pages", media.pages, limits.max_pages, "pages"),
    )
    for name, value, allowed, unit in facts:
        if value is not None and allowed is not None and value > allowed:
            yield _Over(name, value, allowed, unit)


def _check_minimum(media: Media, limits: InputLimits, whose: str) -> None:
    if media.image is None:
        return
    for name, value, least in (
        ("min_width", media.image.width, limits.min_width),
        ("min_height", media.image.height, limits.min_height),
    ):
        if least is not None and value < least:
            size = f"{media.image.width} x {media.image.height} pixels"
            raise InvalidInput(
                f"{_label(media)} has {size}; {whose} takes no less than {least} {_because(name, limits.source)}"
            )


def _shrunk(
    media: Media, limits: InputLimits, content_types: Collection[str], whose: str
) -> tuple[Media, tuple[Notice, ...]]:
    from cloudai.calls.pixels import Target, shrink
    from cloudai.types.results import Notice

    target = Target(
        max_bytes=limits.max_bytes,
        max_width=limits.max_width,
        max_height=limits.max_height,
        max_pixels=limits.max_pixels,
        min_width=limits.min_width or 1,
        min_height=limits.min_height or 1,
        formats=tuple(name for name in _encodings(media) if accepted(name, content_types)),
    )
    smaller = shrink(media, target) if target.formats else None
    if smaller is None:
        raise TooLarge(f"{_label(media)} cannot be made to fit what {whose} takes{_written(limits.source)}")
    before, after = (f"{_size(each)}, {each.content_type}" for each in (media, smaller))
    return smaller, (Notice(code="resized", message=f"{_label(media)} was made to fit {whose}: {before} -> {after}"),)


def _encodings(media: Media) -> tuple[str, ...]:
    """What a JPEG lost stays lost: a PNG of it would only be larger."""
    return ("image/jpeg", "image/png") if media.content_type == "image/jpeg" else ("image/png", "image/jpeg")


def _too_large(media: Media, over: _Over, limits: InputLimits, whose: str) -> str:
    allowed = f"{over.allowed:,.10g} {_because(over.limit, limits.source)}"
    text = f"{_label(media)} has {over}; {whose} takes at most {allowed}."
    if media.image is not None and media.image.frames == 1 and over.limit != "max_pages":
        return text + "\nresize=True sends a smaller copy."
    stored = limits.max_object_bytes
    if over.limit == "max_bytes" and stored is not None and over.value <= stored:
        return text + f"\nFrom object storage it takes up to {stored:,} bytes: pass the object's address."
    return text


def _wrong_type(media: Media, content_types: Collection[str], whose: str) -> str:
    text = f"{_label(media)} is {media.content_type}; {whose} takes {', '.join(sorted(content_types))}."
    if media.image is not None and media.image.frames == 1:
        return text + "\nresize=True sends a converted copy."
    return text


def _size(media: Media) -> str:
    assert media.image is not None
    return f"{media.image.width} x {media.image.height} pixels, {media.size:,} bytes"


def _label(media: Media) -> str:
    return media.name or f"the {media.kind}"


def _because(limit: str, source: str | None) -> str:
    return f"({limit}; {source})" if source else f"({limit})"


def _written(source: str | None) -> str:
    return f" ({source})" if source else ""
