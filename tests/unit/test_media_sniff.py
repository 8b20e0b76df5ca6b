"""Content types come from the content, and the names and notes around it do not matter."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cloudai.calls.sniff import content_type

SAMPLES = Path(__file__).parent / "media_samples"


def picture(form: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (24, 16), "red").save(file, form)
    return file.getvalue()


def archive(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as made:
        for name in names:
            made.writestr(name, "<x/>" * 50)
    return file.getvalue()


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("GIF", "image/gif"),
        ("BMP", "image/bmp"),
        ("TIFF", "image/tiff"),
        ("WEBP", "image/webp"),
        ("ICO", "image/x-icon"),
        ("JPEG2000", "image/jp2"),
        ("PDF", "application/pdf"),
    ],
)
def test_pillow_images_are_known_by_their_content(form: str, expected: str) -> None:
    assert content_type(picture(form)) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tone.mp3", "audio/mpeg"),
        ("tone.flac", "audio/flac"),
        ("tone.ogg", "audio/ogg"),
        ("tone.opus", "audio/ogg"),
        ("tone.m4a", "audio/mp4"),
        ("fragmented.mp4", "audio/mp4"),
        ("film.mp4", "video/mp4"),
        ("tone.aac", "audio/aac"),
        ("tone.webm", "audio/webm"),
        ("live.webm", "audio/webm"),
        ("film.webm", "video/webm"),
        ("tone.aiff", "audio/aiff"),
        ("tone.wma", "audio/x-ms-wma"),
        ("piped.wav", "audio/wav"),
    ],
)
def test_recordings_are_known_by_their_content(name: str, expected: str) -> None:
    assert content_type((SAMPLES / name).read_bytes()) == expected


def test_an_mp3_is_known_behind_its_tag_and_without_it() -> None:
    mp3 = (SAMPLES / "tone.mp3").read_bytes()
    assert mp3.startswith(b"ID3")
    bare = mp3[mp3.index(b"\xff\xf3") :]
    assert content_type(bare) == content_type(mp3) == "audio/mpeg"


def test_a_flac_behind_an_id3_tag_is_flac() -> None:
    assert content_type(b"ID3\4\0\0\0\0\0\0" + (SAMPLES / "tone.flac").read_bytes()) == "audio/flac"


@pytest.mark.parametrize(
    ("names", "suffix"),
    [
        (("[Content_Types].xml", "word/document2.xml"), "wordprocessingml.document"),
        (("[Content_Types].xml", "xl/workbook.xml"), "spreadsheetml.sheet"),
        (("[Content_Types].xml", "ppt/presentation.xml"), "presentationml.presentation"),
        (("readme.txt",), "application/zip"),
        (("word/readme.txt",), "application/zip"),
    ],
)
def test_office_files_are_told_from_other_archives(names: tuple[str, ...], suffix: str) -> None:
    assert str(content_type(archive(*names))).endswith(suffix)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"BMW makes cars", "text/plain"),
        (b"ID card of the holder", "text/plain"),
        (b"GIF is a format", "text/plain"),
        ("Überraschung in Zürich".encode("latin-1"), "text/plain"),
        ("日本語のテキスト".encode(), "text/plain"),
        ("text".encode("utf-16"), "text/plain"),
        (b"\xef\xbb\xbf<!DOCTYPE html><p>hi", "text/html"),
        (b"  <HTML><body>Login</body></HTML>", "text/html"),
        (b'<?xml version="1.0"?><xliff/>', "application/xml"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml"),
        (b"{\\rtf1 hello}", "application/rtf"),
        (b"\0\1\2\3" * 40, None),
        (bytes(range(256)), None),
        (b"PK\3\4", "application/zip"),
    ],
)
def test_texts_are_texts_and_noise_is_nothing(data: bytes, expected: str | None) -> None:
    assert content_type(data) == expected


def test_a_text_cut_within_a_character_is_still_text() -> None:
    assert content_type(("é" * 8000).encode()[:8193]) == "text/plain"


@given(st.binary(max_size=300))
def test_no_bytes_break_the_sniffer(data: bytes) -> None:
    content_type(data)


MAGIC = [b"RIFF\0\0\0\0WAVE", b"\0\0\0\x20ftypM4A ", b"OggS", b"\x1a\x45\xdf\xa3", b"PK\3\4", b"BM", b"ID3", b"%PDF-"]


@given(st.sampled_from(MAGIC), st.binary(max_size=200))
def test_no_bytes_behind_a_signature_break_the_sniffer(magic: bytes, rest: bytes) -> None:
    content_type(magic + rest)


def test_a_pdf_may_start_late() -> None:
    assert content_type(b"\r\n" * 20 + picture("PDF")) == "application/pdf"


def test_a_bitmap_needs_a_header_that_exists() -> None:
    assert content_type(b"BM" + bytes(12) + struct.pack("<I", 7) + bytes(40)) is None
