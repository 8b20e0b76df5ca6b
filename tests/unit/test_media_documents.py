"""Documents: which are taken, how many pages they have, and when that is honestly unknown."""

from __future__ import annotations

import io
import zipfile
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cloudai.calls.media import InputGuard, from_bytes
from cloudai.errors import InvalidInput
from cloudai.types.media import Media, MediaKind


def document(data: bytes, name: str | None = None) -> Media:
    return from_bytes(data, MediaKind.DOCUMENT, guard=InputGuard(), name=name)


def scan(form: str, pages: int) -> bytes:
    file = io.BytesIO()
    first, *others = (Image.new("L", (60, 80), 255 - index) for index in range(pages))
    first.save(file, form, save_all=True, append_images=others)
    return file.getvalue()


@given(st.integers(1, 12))
def test_pages_of_a_pdf_are_counted(pages: int) -> None:
    assert document(scan("PDF", pages)).pages == pages


def object_stream(inner: bytes) -> bytes:
    body = zlib.compress(inner)
    head = b"7 0 obj\n<</Type /ObjStm /N 3 /First 20 /Filter /FlateDecode /Length %d>>\nstream\n" % len(body)
    return b"%PDF-1.5\n" + head + body + b"\nendstream\nendobj\nstartxref\n9\n%%EOF\n"


def test_pages_within_compressed_objects_are_counted() -> None:
    tree = b"1 0 2 40 3 80 <</Type/Pages/Count 2/Kids[2 0 R 3 0 R]>> <</Type/Page/Parent 1 0 R>> <</Type /Page>>"
    assert document(object_stream(tree)).pages == 2


def test_page_count_is_unknown_when_the_tree_and_the_pages_disagree() -> None:
    assert document(object_stream(b"<</Type/Pages/Count 5/Kids[2 0 R]>> <</Type/Page>>")).pages is None


def test_page_count_is_unknown_when_nothing_says_it() -> None:
    assert document(object_stream(b"<</Type /Font>>")).pages is None


def test_what_a_compressed_object_inflates_to_is_bounded() -> None:
    bomb = object_stream(b"<</Type /Page>>" + bytes(64 << 20))
    assert len(bomb) < 100_000
    assert document(bomb).pages is None


def test_a_cut_pdf_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"scan.pdf \(application/pdf\) is truncated or corrupt: it ends before"):
        document(scan("PDF", 3)[:-200], name="scan.pdf")


def test_pages_of_a_tiff_scan_are_its_frames() -> None:
    media = document(scan("TIFF", 3))
    assert media.pages == 3
    assert media.image is not None
    assert media.image.frames == 3


def test_a_photo_is_a_document_of_one_page() -> None:
    media = document(scan("PNG", 1))
    assert (media.pages, media.content_type) == (1, "image/png")


def word() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", "<document/>" * 100)
    return file.getvalue()


@pytest.mark.parametrize("data", [word(), b"plain text", b"<html><p>hello</p></html>"])
def test_word_text_and_html_are_documents_of_unknown_length(data: bytes) -> None:
    assert document(data).pages is None


def test_a_cut_word_document_is_not_a_document() -> None:
    with pytest.raises(InvalidInput, match=r"letter.docx holds a ZIP archive, not a document"):
        document(word()[:-30], name="letter.docx")


def test_an_archive_is_not_a_document() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "hello")
    with pytest.raises(InvalidInput, match="holds a ZIP archive, not a document"):
        document(file.getvalue())


@given(st.binary(max_size=400))
def test_no_pdf_breaks_the_reader(body: bytes) -> None:
    assert document(b"%PDF-1.4\n" + body + b"\n%%EOF").content_type == "application/pdf"
