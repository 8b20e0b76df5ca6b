"""Sizes, frames and orientation as Pillow reads them, without a pixel decoded; and files that are not whole."""

from __future__ import annotations

import io
import itertools
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cloudai.calls.image_header import read_image
from cloudai.calls.media import InputGuard, from_bytes
from cloudai.calls.sniff import Damaged, content_type
from cloudai.errors import InvalidInput, TooLarge
from cloudai.types.media import ImageInfo, MediaKind

FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "JPEG2000")
BROKEN = (Damaged, struct.error, IndexError)


def encode(image: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    return Image.effect_noise((width, height), 80).convert(mode)


def read(data: bytes) -> ImageInfo:
    return read_image(data, str(content_type(data)))[0]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FORMATS), st.integers(1, 300), st.integers(1, 300), st.sampled_from(["L", "RGB"]))
def test_size_is_what_pillow_reads(form: str, width: int, height: int, mode: str) -> None:
    data = encode(Image.new(mode, (width, height)), form)
    with Image.open(io.BytesIO(data)) as reference:
        info = read(data)
        assert (info.width, info.height) == reference.size
        assert info.frames == getattr(reference, "n_frames", 1) == 1


@pytest.mark.parametrize(
    ("form", "options"),
    [
        ("JPEG", {"progressive": True}),
        ("JPEG", {"quality": 100, "subsampling": 0}),
        ("PNG", {"compress_level": 0}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"quality": 30}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("TIFF", {"big_tiff": True}),
        ("GIF", {"interlace": 1}),
        ("ICO", {"sizes": [(16, 16), (48, 48)]}),
    ],
)
def test_every_encoding_has_its_size_read(form: str, options: dict[str, object]) -> None:
    data = encode(noise(61, 48), form, **options)
    with Image.open(io.BytesIO(data)) as reference:
        info = read(data)
        assert (info.width, info.height) == reference.size


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_read(form: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    info = read(encode(noise(20, 10), form, exif=exif))
    assert (info.width, info.height, info.orientation) == (20, 10, orientation)


def test_orientation_is_read_past_damaged_tags() -> None:
    broken = struct.pack("<HHII", 37500, 7, 1000, 9_999_999)
    exif = b"Exif\0\0II*\0\x08\0\0\0\2\0" + struct.pack("<HHIHH", 274, 3, 1, 6, 0) + broken + bytes(4)
    assert read(encode(noise(9, 9), "JPEG", exif=exif)).orientation == 6


@pytest.mark.parametrize("form", ["GIF", "TIFF", "WEBP", "PNG"])
def test_frames_are_counted(form: str) -> None:
    first, *others = (noise(30, 20) for _ in range(4))
    data = encode(first, form, save_all=True, append_images=others)
    with Image.open(io.BytesIO(data)) as reference:
        assert read(data).frames == getattr(reference, "n_frames", 1) == 4


def test_the_largest_page_of_a_tiff_counts_for_the_pixel_bound() -> None:
    data = encode(noise(10, 10), "TIFF", save_all=True, append_images=[noise(300, 200)])
    with pytest.raises(TooLarge, match=r"a frame or page of 60,000 pixels; inputs may have 50,000 \(max_pixels\)"):
        from_bytes(data, MediaKind.IMAGE, guard=InputGuard(max_pixels=50_000))


def test_an_avif_has_its_size_read() -> None:
    """By hand: not every Pillow writes AVIF."""

    def box(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(body), name) + body

    ispe = box(b"ispe", struct.pack(">III", 0, 640, 480))
    thumbnail = box(b"ispe", struct.pack(">III", 0, 64, 48))
    properties = box(b"iprp", box(b"ipco", thumbnail + ispe + box(b"irot", b"\3")))
    data = box(b"ftyp", b"avif\0\0\0\0avifmif1") + box(b"meta", bytes(4) + properties) + box(b"mdat", b"1234")
    assert read(data) == ImageInfo(width=640, height=480, orientation=6)
    with pytest.raises(Damaged, match="past the end"):
        read(data[:-2])


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "JPEG2000"])
def test_a_truncated_image_is_found_wherever_it_was_cut(form: str) -> None:
    data = encode(noise(90, 70), form)
    for kept in range(40, len(data) - 8, max(1, len(data) // 60)):
        with pytest.raises(BROKEN):
            read_image(data[:kept], str(content_type(data)))


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "jpeg"])
def test_a_truncated_tiff_is_found(compression: str | None) -> None:
    data = encode(noise(90, 70), "TIFF", compression=compression)
    for kept in range(10, len(data) - 8, len(data) // 40):
        with pytest.raises(BROKEN):
            read_image(data[:kept], "image/tiff")


def test_the_end_marker_of_a_thumbnail_does_not_make_a_jpeg_whole() -> None:
    thumbnail = encode(noise(16, 16), "JPEG")
    data = encode(noise(200, 200), "JPEG", exif=b"Exif\0\0" + thumbnail)
    assert read(data).width == 200
    with pytest.raises(InvalidInput, match="truncated or corrupt: it ends before its end-of-image marker"):
        from_bytes(data[: len(data) // 2], MediaKind.IMAGE, guard=InputGuard())


def test_bytes_behind_the_end_of_a_jpeg_do_no_harm() -> None:
    assert read(encode(noise(30, 20), "JPEG") + b"made by a camera" * 40).width == 30


def test_one_flipped_bit_in_a_png_is_found() -> None:
    data = bytearray(encode(noise(30, 20), "PNG"))
    data[len(data) // 2] ^= 1
    with pytest.raises(Damaged, match="checksum"):
        read(bytes(data))


@pytest.mark.parametrize("form", [*FORMATS, "ICO"])
@settings(max_examples=40, deadline=None)
@given(edits=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=12))
def test_no_damage_leaves_the_reader_otherwise_than_by_its_errors(form: str, edits: list[tuple[int, int]]) -> None:
    data = bytearray(encode(Image.new("RGB", (33, 21), "teal"), form))
    for at, value in edits:
        data[at % len(data)] = value
    try:
        media = from_bytes(bytes(data), MediaKind.IMAGE, guard=InputGuard())
    except InvalidInput:
        return  # what is damaged is refused: by this error and no other
    assert media.image is not None
    assert media.image.width > 0 < media.image.height


def test_200_megapixels_are_refused_by_the_header_alone() -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 10_000, 8, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    with pytest.raises(TooLarge, match=r"20,000 x 10,000 = 200,000,000 pixels; inputs may have 100,000,000") as caught:
        from_bytes(data, MediaKind.IMAGE, guard=InputGuard(), name="big.png")
    assert caught.value.code == "too_large"
    larger = InputGuard(max_pixels=200_000_000)
    assert from_bytes(data, MediaKind.IMAGE, guard=larger).image == ImageInfo(width=20_000, height=10_000)


def test_pillows_own_bound_stays_the_users() -> None:
    before = Image.MAX_IMAGE_PIXELS
    for form, kind in itertools.product(FORMATS, (MediaKind.IMAGE, MediaKind.DOCUMENT)):
        from_bytes(encode(noise(20, 20), form), kind, guard=InputGuard())
    assert before == Image.MAX_IMAGE_PIXELS
