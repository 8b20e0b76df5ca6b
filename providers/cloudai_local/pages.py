"""From one input to upright pages of pixels: photos, scans with several frames, PDF files.

EXIF orientation is applied, transparency becomes white, 16-bit grey is brought to 8. All positions that are found
later are fractions of the *upright* page.
"""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from cloudai.calls.pixels import need_pillow
from cloudai.errors import InvalidInput, MissingDependency, TooLarge

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from PIL import Image

    from cloudai.types.media import Media

MAX_PIXELS = 89_000_000
"""Of one page; more is refused before it is decoded. Pillow itself would warn from 89.5 million."""
PDF_DPI = 200
"""A PDF page is drawn at this resolution: enough for 8-point type, and what Tesseract's guide asks for as least."""
PDF_MAX_SIDE = 6000

_PDFIUM = threading.Lock()
"""PDFium is not thread-safe (https://pypdfium2.readthedocs.io, "Thread incompatibility", read 2026-11-21)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PageImage:
    """One upright page: `pixels` is height x width x 3, blue-green-red. `width` and `height` are in `unit`."""

    number: int
    width: float
    height: float
    unit: str
    pixels: npt.NDArray[np.uint8]


def page_numbers(spec: str | None, total: int) -> tuple[int, ...]:
    """`"1-3,7"` as `(1, 2, 3, 7)`, `None` as all. Raises `InvalidInput` for another form or a missing page."""
    if spec is None:
        return tuple(range(1, total + 1))
    wanted: dict[int, None] = {}
    for part in spec.split(","):
        match = re.fullmatch(r"\s*(\d{1,6})\s*(?:-\s*(\d{1,6})\s*)?", part, re.ASCII)
        first = int(match[1]) if match else 0
        last = int(match[2] or first) if match else 0
        if not 1 <= first <= last:
            raise InvalidInput(f"pages={spec!r} is not a list of pages such as '1-3,7'")
        if last > total:
            raise InvalidInput(f"pages={spec!r}: the document has {total} page{'s' if total > 1 else ''}")
        wanted.update(dict.fromkeys(range(first, last + 1)))
    return tuple(wanted)


def first_page(media: Media) -> tuple[PageImage, int]:
    """The first frame of an image, and how many there are."""
    image = _open(media)
    return _frame(image, 1), int(getattr(image, "n_frames", 1))


def pages_of(media: Media, spec: str | None) -> Iterator[PageImage]:
    """The pages asked for, one at a time. Raises `InvalidInput`, `TooLarge`, or `MissingDependency` for a PDF."""
    if is_pdf(media):
        return _pdf_pages(media.content, spec)
    image = _open(media)
    return (_frame(image, number) for number in page_numbers(spec, int(getattr(image, "n_frames", 1))))


def is_pdf(media: Media) -> bool:
    """By its content: the header is in the first kilobyte (ISO 32000-1, annex H)."""
    return b"%PDF-" in media.content[:1024]


def _open(media: Media) -> Image.Image:
    need_pillow()
    from PIL import Image, UnidentifiedImageError

    if media.image is not None:
        _check_size(media.image.width, media.image.height)
    try:
        image = Image.open(io.BytesIO(media.content))
    except Image.DecompressionBombError as error:
        raise TooLarge(f"the image has more than {MAX_PIXELS:,} pixels, the limit of the local engines") from error
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise InvalidInput("not an image that Pillow can read (or an empty file)") from error
    _check_size(image.width, image.height)
    return image


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise TooLarge(f"{width} x {height} pixels are over the {MAX_PIXELS:,} of the local engines: scale it down")


def _frame(image: Image.Image, number: int) -> PageImage:
    import numpy as np
    from PIL import ImageOps

    try:
        image.seek(number - 1)
        upright = _to_rgb(ImageOps.exif_transpose(image))
    except (OSError, EOFError, ValueError, SyntaxError) as error:
        raise InvalidInput(f"the image is truncated or damaged: {error}") from error
    pixels = np.ascontiguousarray(np.asarray(upright, dtype=np.uint8)[:, :, ::-1])
    return PageImage(number=number, width=upright.width, height=upright.height, unit="pixel", pixels=pixels)


def _to_rgb(image: Image.Image) -> Image.Image:
    import numpy as np
    from PIL import Image

    if image.mode.startswith("I"):
        return Image.fromarray((np.asarray(image) / 257).clip(0, 255).astype(np.uint8)).convert("RGB")
    if "transparency" not in image.info and image.mode not in {"RGBA", "LA", "PA"}:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    white = Image.new("RGBA", layer.size, "white")
    return Image.alpha_composite(white, layer).convert("RGB")


def _pdf_pages(data: bytes, spec: str | None) -> Iterator[PageImage]:
    if find_spec("pypdfium2") is None:
        raise MissingDependency("reading PDF files needs pypdfium2", install="pip install 'cloudai[local-pdf]'")
    import pypdfium2

    with _PDFIUM:
        try:
            document = pypdfium2.PdfDocument(data)
        except pypdfium2.PdfiumError as error:
            raise InvalidInput(f"the PDF can't be opened (damaged, or it asks for a password): {error}") from error
        numbers = page_numbers(spec, len(document))
    return _drawn(document, numbers)


def _drawn(document: object, numbers: tuple[int, ...]) -> Iterator[PageImage]:
    from pypdfium2 import PdfDocument

    assert isinstance(document, PdfDocument)
    try:
        for number in numbers:
            with _PDFIUM:
                page = _draw(document, number)
            yield page
    finally:
        with _PDFIUM:
            document.close()


def _draw(document: object, number: int) -> PageImage:
    import numpy as np
    from pypdfium2 import PdfDocument

    assert isinstance(document, PdfDocument)
    page = document[number - 1]
    width, height = page.get_size()
    scale: Any = min(PDF_DPI / 72, PDF_MAX_SIDE / max(width, height, 1))
    pixels = np.array(page.render(scale=scale, rev_byteorder=False).to_pil().convert("RGB"), dtype=np.uint8)
    return PageImage(
        number=number, width=width, height=height, unit="point", pixels=np.ascontiguousarray(pixels[:, :, ::-1])
    )
