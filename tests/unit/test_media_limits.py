"""An input against one backend's limits: refused by name, or made to fit when asked."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cloudai.calls.limits import accepted, check_text, fit, scheme
from cloudai.calls.media import InputGuard, from_bytes
from cloudai.errors import ErrorCode, InvalidInput, TooLarge
from cloudai.types.media import Media, MediaKind


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The attributes of `cloudai.capabilities.Limits`."""

    max_bytes: int | None = None
    max_object_bytes: int | None = None
    min_width: int | None = None
    min_height: int | None = None
    max_width: int | None = None
    max_height: int | None = None
    max_pixels: int | None = None
    max_seconds: int | None = None
    max_pages: int | None = None
    max_characters: int | None = None
    max_text_bytes: int | None = None
    source: str | None = "https://docs.example/limits"


def image(made: Image.Image, form: str = "PNG", **options: object) -> Media:
    file = io.BytesIO()
    made.save(file, form, **options)
    return from_bytes(file.getvalue(), MediaKind.IMAGE, guard=InputGuard(), name="photo")


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(7).integers(0, 255, (height, width, 3), dtype=np.uint8))


def opened(media: Media) -> Image.Image:
    found = Image.open(io.BytesIO(media.content))
    found.load()
    return found


def test_an_input_within_the_limits_is_passed_on_as_it_is() -> None:
    media = image(noise(50, 40))
    limits = Limits(max_bytes=media.size, max_width=50, max_height=40, max_pixels=2000, min_width=50, min_height=40)
    assert fit(media, limits=limits, content_types=("image/png",), whose="aws-eu", resize=True) == (media, ())


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(max_width=49), r"photo has 50 pixels in width; aws-eu takes at most 49 \(max_width; https://docs.ex"),
        (Limits(max_height=39), r"photo has 40 pixels in height; aws-eu takes at most 39 \(max_height"),
        (Limits(max_pixels=1999), r"photo has 2,000 pixels; aws-eu takes at most 1,999 \(max_pixels"),
        (Limits(max_bytes=1000, source=None), r"photo has [\d,]+ bytes; aws-eu takes at most 1,000 \(max_bytes\)"),
    ],
)
def test_over_a_limit_names_limit_values_owner_and_source(limits: Limits, message: str) -> None:
    with pytest.raises(TooLarge, match=message) as caught:
        fit(image(noise(50, 40)), limits=limits, content_types=(), whose="aws-eu")
    assert caught.value.code is ErrorCode.TOO_LARGE
    assert "resize=True" in str(caught.value)


def test_too_small_is_not_cured_by_resizing() -> None:
    with pytest.raises(InvalidInput, match=r"photo has 50 x 40 pixels; aws-eu takes no less than 80 \(min_width"):
        fit(image(noise(50, 40)), limits=Limits(min_width=80), content_types=(), whose="aws-eu", resize=True)


def test_sound_over_a_limit_says_where_longer_sound_may_come_from() -> None:
    media = Media(kind=MediaKind.AUDIO, data=bytes(2000), content_type="audio/wav", name="call.wav")
    with pytest.raises(TooLarge, match=r"From object storage it takes up to 9,000 bytes") as caught:
        fit(media, limits=Limits(max_bytes=1000, max_object_bytes=9000), content_types=(), whose="aws-eu", resize=True)
    assert "resize" not in str(caught.value)


def test_pages_are_limited() -> None:
    media = Media(kind=MediaKind.DOCUMENT, data=b"%PDF-", content_type="application/pdf", pages=6, name="scan.pdf")
    with pytest.raises(TooLarge, match=r"scan.pdf has 6 pages; gcp takes at most 5 \(max_pages"):
        fit(media, limits=Limits(max_pages=5), content_types=(), whose="gcp")


def test_an_object_that_was_not_fetched_is_passed_on() -> None:
    media = Media(kind=MediaKind.IMAGE, uri="s3://bucket/key")
    assert fit(media, limits=Limits(max_bytes=1), content_types=("image/png",), whose="aws") == (media, ())


def test_a_wrong_type_names_those_that_are_taken() -> None:
    with pytest.raises(InvalidInput, match=r"photo is image/bmp; aws-eu takes image/jpeg, image/png") as caught:
        fit(image(noise(9, 9), "BMP"), limits=Limits(), content_types=("image/png", "image/jpeg"), whose="aws-eu")
    assert caught.value.code is ErrorCode.INVALID_INPUT


@pytest.mark.parametrize("form", ["BMP", "TIFF", "WEBP", "GIF"])
def test_a_wrong_type_is_converted_without_loss_when_asked(form: str) -> None:
    media = image(noise(40, 30), form, **({"lossless": True} if form == "WEBP" else {}))
    sent, (notice,) = fit(media, limits=Limits(), content_types=("image/png", "image/jpeg"), whose="aws", resize=True)
    assert (sent.content_type, notice.code) == ("image/png", "resized")
    assert opened(sent).tobytes() == opened(media).convert("RGB").tobytes()


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 240),
    st.integers(1, 240),
    st.one_of(st.none(), st.integers(20, 200)),
    st.one_of(st.none(), st.integers(20, 200)),
    st.one_of(st.none(), st.integers(400, 20_000)),
    st.one_of(st.none(), st.integers(2_000, 30_000)),
    st.sampled_from(["PNG", "JPEG"]),
)
def test_a_resized_image_fits_every_limit(
    width: int,
    height: int,
    max_width: int | None,
    max_height: int | None,
    max_pixels: int | None,
    max_bytes: int | None,
    form: str,
) -> None:
    media = image(noise(width, height), form)
    limits = Limits(max_width=max_width, max_height=max_height, max_pixels=max_pixels, max_bytes=max_bytes)
    sent, notices = fit(media, limits=limits, content_types=("image/*",), whose="here", resize=True)
    assert sent.image is not None
    assert opened(sent).size == (sent.image.width, sent.image.height)
    assert sent.image.width <= (max_width or width)
    assert sent.image.height <= (max_height or height)
    assert sent.image.width * sent.image.height <= (max_pixels or width * height)
    assert len(sent.content) <= (max_bytes or len(sent.content))
    assert bool(notices) == (sent is not media)
    assert abs(sent.image.width / width - sent.image.height / height) <= 1 / min(width, height)


def test_a_copy_is_as_large_as_the_limit_allows() -> None:
    sent, (notice,) = fit(
        image(noise(400, 300)), limits=Limits(max_width=200), content_types=(), whose="aws-eu", resize=True
    )
    assert opened(sent).size == (200, 150)
    assert notice.message.startswith("photo was made to fit aws-eu: 400 x 300 pixels")


def test_too_many_bytes_are_cured_by_quality_before_size() -> None:
    media = image(noise(300, 200), "JPEG", quality=100, subsampling=0)
    assert media.size is not None
    sent, _ = fit(media, limits=Limits(max_bytes=media.size // 2), content_types=(), whose="aws", resize=True)
    assert (opened(sent).size, sent.content_type) == ((300, 200), "image/jpeg")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_copy_stands_as_the_photo_was_taken(orientation: int) -> None:
    stored = Image.new("RGB", (80, 40), "white")
    stored.paste("red", (0, 0, 40, 20))
    exif = Image.Exif()
    exif[274] = orientation
    media = image(stored, "PNG", exif=exif)
    sent, _ = fit(media, limits=Limits(max_pixels=800), content_types=(), whose="aws", resize=True)
    expected = Image.new("RGB", (80, 40), "white")
    expected.paste("red", (0, 0, 40, 20))
    expected.getexif()[274] = orientation
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(expected)
    copy = opened(sent)
    assert (copy.width > copy.height) == (upright.width > upright.height)
    assert not copy.getexif()
    for x, y in ((0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8)):
        there = upright.getpixel((int(x * upright.width), int(y * upright.height)))
        assert copy.getpixel((int(x * copy.width), int(y * copy.height))) == there


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F", "YCbCr"])
def test_every_mode_can_be_made_smaller(mode: str) -> None:
    made = Image.new("L", (60, 40), 128)
    if mode == "I;16":
        made = Image.fromarray(np.full((40, 60), 0x8000, dtype=np.uint16))
    elif mode != "L":
        made = made.convert(mode)
    sent, _ = fit(image(made, "TIFF"), limits=Limits(max_width=30), content_types=(), whose="aws", resize=True)
    value = opened(sent).convert("L").getpixel((10, 10))
    assert isinstance(value, int)
    assert abs(value - 128) <= 2


def test_alpha_is_kept_and_not_made_a_jpeg() -> None:
    media = image(Image.new("RGBA", (60, 40), (255, 0, 0, 9)))
    sent, _ = fit(media, limits=Limits(max_width=30), content_types=(), whose="aws", resize=True)
    assert opened(sent).mode == "RGBA"
    with pytest.raises(TooLarge, match="cannot be made to fit"):
        fit(media, limits=Limits(max_width=30), content_types=("image/jpeg",), whose="aws", resize=True)


def test_a_copy_may_not_become_smaller_than_the_least() -> None:
    media = image(noise(200, 200))
    with pytest.raises(TooLarge, match=r"cannot be made to fit what aws takes \(https"):
        fit(media, limits=Limits(max_bytes=500, min_width=80), content_types=(), whose="aws", resize=True)


def test_frames_are_not_dropped_silently() -> None:
    media = image(noise(50, 40), "GIF", save_all=True, append_images=[noise(50, 40).rotate(90)])
    with pytest.raises(TooLarge, match="max_width") as caught:
        fit(media, limits=Limits(max_width=30), content_types=(), whose="aws", resize=True)
    assert "resize" not in str(caught.value)


def test_pillow_does_not_warn_or_raise_by_its_own_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    media = from_bytes(image(Image.new("RGB", (60, 40))).content, MediaKind.IMAGE, guard=InputGuard())
    sent, _ = fit(media, limits=Limits(max_width=30), content_types=(), whose="aws", resize=True)
    assert sent.image is not None
    assert sent.image.width == 30


@pytest.mark.parametrize(
    ("found", "declared", "expected"),
    [
        ("audio/wav", ("audio/x-wav",), True),
        ("audio/mpeg", ("audio/mp3", "audio/flac"), True),
        ("video/mp4", ("audio/mp4",), True),
        ("audio/ogg", ("audio/ogg; codecs=opus",), True),
        ("image/png", ("image/*",), True),
        ("image/png", ("*/*",), True),
        ("image/png", (), True),
        ("image/webp", ("image/png", "image/jpeg"), False),
        ("video/quicktime", ("audio/*",), False),
    ],
)
def test_types_are_compared_by_any_of_their_names(found: str, declared: tuple[str, ...], expected: bool) -> None:
    assert accepted(found, declared) is expected


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s3://b/k", "s3"),
        ("gs://b/k", "gs"),
        ("https://a.blob.core.windows.net/c/k?sig=x", "azure-blob"),
        ("https://example.com/x.blob.core.windows.net", "url"),
        (None, "bytes"),
    ],
)
def test_scheme_says_where_the_content_is(uri: str | None, expected: str) -> None:
    media = Media(kind=MediaKind.IMAGE, uri=uri, data=None if uri else b"x")
    assert scheme(media) == expected


def test_half_a_surrogate_pair_is_named_with_its_place() -> None:
    with pytest.raises(InvalidInput, match=r"character 3 of the text is half of a surrogate pair \(U\+D83D\)"):
        check_text("abc\ud83d def", limits=Limits(), whose="aws")


def test_characters_are_code_points_and_bytes_are_utf_8() -> None:
    text = "日本語🎉"
    check_text(text, limits=Limits(max_characters=4, max_text_bytes=13), whose="aws")
    with pytest.raises(TooLarge, match=r"the text has 4 characters; aws takes at most 3 \(max_characters; https://doc"):
        check_text(text, limits=Limits(max_characters=3), whose="aws")
    with pytest.raises(TooLarge, match=r"the text has 13 bytes in UTF-8; aws takes at most 12 \(max_text_bytes"):
        check_text(text, limits=Limits(max_text_bytes=12), whose="aws")


def test_a_megabyte_of_text_is_too_large_where_there_is_a_limit() -> None:
    check_text("x" * 1_000_000, limits=Limits(), whose="here")
    with pytest.raises(TooLarge, match="1,000,000 bytes in UTF-8; aws takes at most 10,000"):
        check_text("x" * 1_000_000, limits=Limits(max_text_bytes=10_000), whose="aws")
