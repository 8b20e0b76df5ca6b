"""Documents of as many pages and bytes as a test needs."""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image


def pdf(pages: int, size: int = 0) -> bytes:
    """A PDF with empty pages, a hundred to a branch, filled up to `size` bytes by a comment."""
    branches = [range(first, min(first + 100, pages)) for first in range(0, pages, 100)]
    sheets = len(branches) + 3
    kids = " ".join(f"{number + 3} 0 R" for number in range(len(branches)))
    lines = ["%PDF-1.4", _object(1, "/Type /Catalog /Pages 2 0 R"), _object(2, _tree(pages, kids))]
    for number, branch in enumerate(branches):
        kids = " ".join(f"{sheets + page} 0 R" for page in branch)
        lines.append(_object(number + 3, f"/Parent 2 0 R {_tree(len(branch), kids)}"))
        sheet = f"/Type /Page /Parent {number + 3} 0 R /MediaBox [0 0 9 9]"
        lines += [_object(sheets + page, sheet) for page in branch]
    head, tail = "\n".join(lines).encode() + b"\n", b"trailer\n<< /Root 1 0 R >>\nstartxref\n0\n%%EOF\n"
    filling = max(0, size - len(head) - len(tail) - 2)
    return head + (b"%" + b"x" * filling + b"\n" if size else b"") + tail


def _object(number: int, entries: str) -> str:
    return f"{number} 0 obj\n<< {entries} >>\nendobj"


def _tree(pages: int, kids: str) -> str:
    return f"/Type /Pages /Count {pages} /Kids [{kids}]"


def tiff(pages: int) -> bytes:
    """A TIFF of white sheets."""
    buffer, sheet = io.BytesIO(), Image.new("RGB", (100, 100), "white")
    sheet.save(buffer, "TIFF", save_all=True, append_images=[sheet] * (pages - 1))
    return buffer.getvalue()


def png(size: int, *, width: int = 100, height: int = 100) -> bytes:
    """A PNG of exactly `size` bytes: the rest is a text chunk."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height)).save(buffer, "PNG")
    whole = buffer.getvalue()
    if not size:
        return whole
    body, end = whole[:-12], whole[-12:]
    filling = b"tEXt" + b"k\x00" + b"x" * (size - len(whole) - 14)
    return body + struct.pack(">I", len(filling) - 4) + filling + struct.pack(">I", zlib.crc32(filling)) + end
