"""Decoding with bounds, and a smaller copy of an image that has to fit: the only place of the call path with Pillow.

The size was read and bounded before (`image_header`), so an image is opened past Pillow's own size check, which would
warn or raise by a number that belongs to the user's process (`Image.MAX_IMAGE_PIXELS`).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

from cloudai.errors import InvalidInput, MissingDependency
from cloudai.types.media import ImageInfo, Media

if TYPE_CHECKING:
    from PIL import Image

_FORMATS: Final = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/gif": "GIF",
    "image/bmp": "BMP",
    "image/tiff": "TIFF",
    "image/webp": "WEBP",
    "image/x-icon": "ICO",
    "image/avif": "AVIF",
    "image/jp2": "JPEG2000",
}
INSTALL: Final = "pip install 'cloudai[images]'"
_QUALITIES: Final = (92, 80)
_ROUNDS: Final = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What a copy has to fit; `formats` are tried in order."""

    formats: tuple[str, ...]
    max_bytes: int | None = None
    max_width: int | None = None
    max_height: int | None = None
    max_pixels: int | None = None
    min_width: int = 1
    min_height: int = 1

    def scale(self, width: int, height: int) -> float:
        """The largest factor, at most 1, at which an image of this size fits."""
        factors = (
            1.0,
            self.max_width / width if self.max_width else 1.0,
            self.max_height / height if self.max_height else 1.0,
            (self.max_pixels / (width * height)) ** 0.5 if self.max_pixels else 1.0,
        )
        return min(factors)


def need_pillow() -> None:
    """Raises `MissingDependency` where Pillow is not installed."""
    if find_spec("PIL") is None:
        raise MissingDependency("the pixels of an image are read and written by Pillow", install=INSTALL)


def decode(media: Media) -> Image.Image:
    """The first frame, upright (EXIF orientation applied). Raises `InvalidInput` when it cannot be decoded,
    `MissingDependency` without Pillow."""
    need_pillow()
    with _refused(media):
        image = _opened(media)
        image.load()
    return _upright(image, media.image.orientation if media.image else 1)


def shrink(media: Media, target: Target) -> Media | None:
    """A copy within `target`, as large as fits, first without loss; `None` when even the smallest allowed is over."""
    image = _plain(decode(media))
    if not _encodings(image, target.formats):
        return None  # an alpha channel, and JPEG only
    scale = target.scale(*image.size)
    for _ in range(_ROUNDS):
        size = (max(1, int(image.width * scale)), max(1, int(image.height * scale)))
        if size[0] < target.min_width or size[1] < target.min_height:
            return None
        data, found = _smallest(_scaled(image, size), target)
        if target.max_bytes is None or len(data) <= target.max_bytes:
            info = ImageInfo(width=size[0], height=size[1])
            return replace(media, data=data, content_type=found, image=info)
        scale *= min(0.9, (target.max_bytes / len(data)) ** 0.5)
    return None


def _opened(media: Media) -> Image.Image:
    from PIL import Image, JpegImagePlugin

    Image.init()
    name = _FORMATS.get(media.content_type or "", "")
    if name not in Image.OPEN:
        raise InvalidInput(f"{media.content_type} images are not decoded here; convert it to PNG or JPEG")
    file = io.BytesIO(media.content)
    if name == "JPEG":  # not the factory: it looks for more pictures behind the first, and warns about them
        return JpegImagePlugin.JpegImageFile(file)
    return Image.OPEN[name][0](file, b"")


@contextmanager
def _refused(media: Media) -> Iterator[None]:
    """What Pillow's decoders raise on damaged content, as ours. (`Warning`: where a user made warnings errors.)"""
    from PIL.Image import DecompressionBombError

    damaged = (OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError, RuntimeError, struct.error, Warning)
    try:
        yield
    except (*damaged, DecompressionBombError) as error:
        reason = str(error).partition("\n")[0][:100]
        raise InvalidInput(f"{media.name or 'the image'} is truncated or corrupt: {reason}") from error


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    """TIFF 6.0, tag 274: where the first row and column of the stored picture belong."""
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(turns[orientation]) if orientation in turns else image


def _plain(image: Image.Image) -> Image.Image:
    """One of the modes that PNG and JPEG both know, or with an alpha channel PNG alone."""
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode.startswith("I;16"):
        return image.point(lambda value: value / 256).convert("L")
    return image if image.mode in ("L", "RGB") else image.convert("L" if image.mode == "1" else "RGB")


def _scaled(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    from PIL.Image import Resampling

    return image if image.size == size else image.resize(size, Resampling.LANCZOS)


def _smallest(image: Image.Image, target: Target) -> tuple[bytes, str]:
    """The first encoding within `max_bytes`, else the smallest of all."""
    tried = list[tuple[bytes, str]]()
    for found, options in _encodings(image, target.formats):
        file = io.BytesIO()
        image.save(file, _FORMATS[found], icc_profile=image.info.get("icc_profile"), **options)
        tried.append((file.getvalue(), found))
        if target.max_bytes is None or file.tell() <= target.max_bytes:
            return tried[-1]
    return min(tried, key=lambda each: len(each[0]))


def _encodings(image: Image.Image, formats: tuple[str, ...]) -> list[tuple[str, dict[str, int]]]:
    """In the order of `formats`; JPEG has no alpha channel."""
    encodings = list[tuple[str, dict[str, int]]]()
    for found in formats:
        if found == "image/png":
            encodings.append((found, {}))
        elif image.mode != "RGBA":
            encodings.extend((found, {"quality": quality}) for quality in _QUALITIES)
    return encodings
