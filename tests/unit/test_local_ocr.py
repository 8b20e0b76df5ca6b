"""Local OCR on real pictures: what a photo, a crooked scan, a PDF say, and what bad files do."""

from __future__ import annotations

import io
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter, ImageFont
from rapidfuzz.distance import Levenshtein

from cloudai import Client
from cloudai.driver import Call
from cloudai.errors import ErrorCode, InvalidInput, ServiceError, Unsupported
from cloudai.types.media import Media, MediaKind
from cloudai.types.vision import DocumentFeature, Page, ReadDocumentRequest, ReadTextRequest, ReadTextResult
from cloudai_local import ocr_layout
from cloudai_local.ocr import RapidOcr, engines
from cloudai_local.pages import page_numbers
from cloudai_local.settings import LocalSettings

CALL = Call(timeout=120)

INVOICE = [
    "Invoice No. 2026-0417",
    "Acme Tools GmbH, 12 Harbour Street",
    "Date: 17 April 2026",
    "Hammer, 2 pieces at 12.45 = 24.90",
    "Drill bits, 10 pieces at 1.85 = 18.50",
    "Total including tax: 43.40 EUR",
    "Payable within 30 days without deduction",
    "Thank you for your order.",
]


@pytest.fixture(scope="module")
def engine() -> RapidOcr:
    return engines(LocalSettings(provider="local", threads=2))[0]


def font(size: int) -> ImageFont.FreeTypeFont:
    found = ImageFont.load_default(size=size)
    assert isinstance(found, ImageFont.FreeTypeFont)
    return found


def page(
    lines: list[str], *, size: int = 28, width: int = 900, ink: str = "black", paper: str = "white"
) -> Image.Image:
    image = Image.new("RGB", (width, 120 + 2 * size * len(lines)), paper)
    draw = ImageDraw.Draw(image)
    for row, line in enumerate(lines):
        draw.text((70, 60 + 2 * size * row), line, font=font(size), fill=ink)
    return image


def media(image: Image.Image, kind: MediaKind = MediaKind.IMAGE, saved_as: str = "PNG", **save: object) -> Media:
    buffer = io.BytesIO()
    image.save(buffer, format=saved_as, **save)
    return Media(kind=kind, data=buffer.getvalue(), content_type=Image.MIME[saved_as])


def read(engine: RapidOcr, image: Media, **wishes: object) -> ReadTextResult:
    return engine.read_text(ReadTextRequest.model_validate({"image": image, **wishes}), CALL)


def error_rate(found: str, truth: list[str]) -> float:
    """Character error rate: edits per character of the truth, white space collapsed."""
    want = " ".join(" ".join(truth).split())
    return float(Levenshtein.distance(" ".join(found.split()), want)) / len(want)


def as_photo(image: Image.Image) -> Image.Image:
    """Seen from the side, in uneven light, slightly out of focus, with sensor noise."""
    width, height = image.size
    corners = (-30, -25, 15, height + 45, width + 50, height + 15, width + 20, -50)
    seen = image.transform(image.size, Image.Transform.QUAD, corners, Image.Resampling.BICUBIC, fillcolor="#b0a890")
    light = Image.linear_gradient("L").resize(image.size).point(lambda value: 110 + value // 2)
    lit = Image.composite(seen, Image.new("RGB", image.size, "#4a4438"), light)
    pixels = np.asarray(lit.filter(ImageFilter.GaussianBlur(1.1)), dtype=np.float64)
    noise = np.random.default_rng(5).normal(0, 6, pixels.shape)
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8))


def test_a_photo_is_read(engine: RapidOcr) -> None:
    result = read(engine, media(as_photo(page(INVOICE, paper="#f4efe2")), saved_as="JPEG", quality=70))
    rate = error_rate(result.text, INVOICE)
    print(f"character error rate, photo-like invoice: {rate:.4f}")
    assert rate <= 0.03


def test_a_scan_turned_by_seven_degrees_is_read_in_order(engine: RapidOcr) -> None:
    crooked = page(INVOICE, width=1100).rotate(-7, expand=True, fillcolor="white", resample=Image.Resampling.BICUBIC)
    result = read(engine, media(crooked, saved_as="JPEG", quality=25))
    rate = error_rate(result.text, INVOICE)
    print(f"character error rate, scan turned by 7 degrees, JPEG quality 25: {rate:.4f}")
    assert rate <= 0.03
    assert result.pages[0].angle == pytest.approx(7, abs=0.7)
    assert [line.text.split()[0] for line in result.pages[0].lines] == [line.split()[0] for line in INVOICE]


@pytest.mark.parametrize(("turn", "angle"), [(180, -180), (90, -90), (270, 90)])
def test_a_page_on_its_side_or_head_is_read_in_order(engine: RapidOcr, turn: int, angle: float) -> None:
    result = read(engine, media(page(INVOICE, size=32, width=1000).rotate(turn, expand=True)))
    rate = error_rate(result.text, INVOICE)
    print(f"character error rate, page turned by {turn} degrees: {rate:.4f}")
    assert rate <= 0.05
    assert abs(ocr_layout.turn_between(result.pages[0].angle or 0.0, angle)) < 1


@pytest.mark.parametrize("turn", [0, 180])
def test_words_lie_where_they_were_drawn(engine: RapidOcr, turn: int) -> None:
    image = Image.new("RGB", (800, 300), "white")
    ImageDraw.Draw(image).text((50, 100), "left", font=font(60), fill="black")
    ImageDraw.Draw(image).text((220, 100), "middle right", font=font(60), fill="black")
    result = read(engine, media(image.rotate(turn)))
    words = {word.text: word for line in result.pages[0].lines for word in line.words}
    drawn = {"left": 50, "middle": 220, "right": 220 + font(60).getlength("middle ")}
    assert set(words) == set(drawn)
    for text, start in drawn.items():
        region = words[text].region
        assert region is not None
        assert region.polygon is not None
        x, _, w, _ = region.box.to_pixels(800, 300)
        seen_start, seen_width = (x if turn == 0 else 800 - x - w), w
        assert seen_start == pytest.approx(start, abs=22), text
        assert seen_width == pytest.approx(font(60).getlength(text), abs=40), text
        assert region.polygon.points[0].x == pytest.approx(region.box.x + (region.box.w if turn else 0), abs=0.01)


def test_the_line_holds_its_words_and_their_confidence_is_the_mean_of_their_letters(engine: RapidOcr) -> None:
    result = read(engine, media(page(INVOICE)))
    for line in result.pages[0].lines:
        assert " ".join(word.text for word in line.words) == line.text
        assert line.region is not None
        for word in line.words:
            assert word.confidence is not None
            assert 0.5 < word.confidence <= 1
            assert word.region is not None
            assert word.region.box.x >= line.region.box.x - 0.01


def test_exif_orientation_is_applied_before_positions_are_measured(engine: RapidOcr) -> None:
    upright = page(["Upright text", "on a turned sensor"], width=700)
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = media(upright.rotate(90, expand=True), saved_as="JPEG", exif=exif, quality=95)
    result = read(engine, stored)
    assert (result.pages[0].width, result.pages[0].height) == upright.size
    assert result.text == "Upright text\non a turned sensor"
    region = result.pages[0].lines[0].region
    assert region is not None
    assert region.box.x * 700 == pytest.approx(70, abs=15)


def test_a_scanned_page_is_read_whole(engine: RapidOcr) -> None:
    """scikit-image's `page`, a photo of a printed page; RapidOCR's own way turns one of its lines upside down."""
    truth = [
        "Region-based segmentation",
        "Let us first determine markers of the coins and the",
        "background. These markers are pixels that we can label",
        "unambiguously as either object or background. Here,",
        "the markers are found at the two extreme parts of the",
        "histogram of grey values:",
        "markers = np.zeros_like(coins)",
    ]
    enlarged = Image.fromarray(skimage.data.page()).resize((1152, 573))
    result = read(engine, media(enlarged))
    rate = error_rate(result.text, truth)
    print(f"character error rate, scikit-image's page: {rate:.4f}")
    assert rate <= 0.01


def two_columns() -> tuple[Image.Image, str]:
    left = ["The left column comes first", "and is read to its very end", "before the eye goes over."]
    right = ["Then the right one follows,", "line by line, from its top", "down to the last words."]
    image = Image.new("RGB", (1000, 420), "white")
    draw = ImageDraw.Draw(image)
    draw.text((60, 40), "A headline over both of the two columns of this page", font=font(32), fill="black")
    for row in range(3):
        draw.text((60, 150 + 45 * row), left[row], font=font(26), fill="black")
        draw.text((560, 150 + 45 * row), right[row], font=font(26), fill="black")
    return image, "\n".join(["A headline over both of the two columns of this page", *left, *right])


@pytest.mark.parametrize("turn", [0, -7])
def test_columns_are_read_one_after_the_other(engine: RapidOcr, turn: int) -> None:
    image, text = two_columns()
    result = read(engine, media(image.rotate(turn, expand=True, fillcolor="white", resample=Image.Resampling.BICUBIC)))
    assert result.text == text
    assert [len(block.lines) for block in result.pages[0].blocks] == [1, 3, 3]


def test_rows_of_a_table_are_read_across(engine: RapidOcr) -> None:
    image = Image.new("RGB", (900, 320), "white")
    draw = ImageDraw.Draw(image)
    rows = [("Hammer", "2", "24.90"), ("Drill bits", "10", "18.50"), ("Pliers", "1", "9.95"), ("Saw", "3", "60.00")]
    for row, cells in enumerate(rows):
        for column, cell in enumerate(cells):
            draw.text((60 + 300 * column, 40 + 60 * row), cell, font=font(28), fill="black")
    result = read(engine, media(image))
    assert result.text.split("\n") == [cell for row in rows for cell in row]


def test_an_empty_picture_has_no_text_and_no_angle(engine: RapidOcr) -> None:
    result = read(engine, media(Image.new("RGB", (400, 300), "white")))
    assert result.text == ""
    assert result.pages[0].blocks == ()
    assert result.pages[0].angle is None
    assert result.usage[0].quantity == Decimal(1)


def test_a_long_strip_of_text_is_read(engine: RapidOcr) -> None:
    words = [f"word number {n}" for n in range(1, 21)]
    strip = Image.new("RGB", (6000, 50), "white")
    for n, word in enumerate(words):
        ImageDraw.Draw(strip).text((20 + 300 * n, 8), word, font=font(30), fill="black")
    for image in (strip, strip.rotate(90, expand=True)):
        result = read(engine, media(image))
        rate = error_rate(result.text, words)
        print(f"character error rate, strip of {image.width} x {image.height}: {rate:.4f}")
        assert rate <= 0.03


@pytest.mark.parametrize("size", [(1, 1), (31, 2), (3, 5000), (5000, 3), (40, 8000), (9400, 9400)])
def test_a_blank_picture_of_any_shape_has_no_text(engine: RapidOcr, size: tuple[int, int]) -> None:
    assert read(engine, media(Image.new("L", size, 255))).text == ""


def test_a_higher_least_confidence_keeps_fewer_lines(engine: RapidOcr) -> None:
    image = page(["Sharp enough to read", "and this one is blurred"])
    lower = (0, 100, image.width, image.height)
    image.paste(image.crop(lower).filter(ImageFilter.GaussianBlur(2.2)), lower[:2])
    blurred = media(image)
    everything = read(engine, blurred, min_confidence=0.0)
    edge = max(line.confidence or 0 for line in everything.pages[0].lines)
    kept = read(engine, blurred, min_confidence=edge)
    assert 0 < len(kept.pages[0].lines) < len(everything.pages[0].lines)


@pytest.mark.parametrize("mode", ["L", "1", "P", "RGBA", "LA", "CMYK", "I;16"])
def test_every_pixel_form_is_read(engine: RapidOcr, mode: str) -> None:
    plain = page(["Plain words"], size=40, width=400)
    if mode == "I;16":
        image = Image.fromarray(np.asarray(plain.convert("L"), dtype=np.uint16) * 257)
    elif mode in {"RGBA", "LA"}:
        image = Image.new(mode, plain.size)
        ImageDraw.Draw(image).text(
            (70, 60), "Plain words", font=font(40), fill=(0, 0, 0, 255) if mode == "RGBA" else (0, 255)
        )
    else:
        image = plain.convert(mode)
    assert read(engine, media(image, saved_as="TIFF" if mode == "CMYK" else "PNG")).text == "Plain words"


def test_a_hint_for_a_language_it_cannot_read_is_a_notice(engine: RapidOcr) -> None:
    image = media(page(["Hello"], width=300))
    assert read(engine, image, languages=("en-GB", "zh-Hant", "sr-Latn")).warnings == ()
    assert [notice.code for notice in read(engine, image, languages=("de", "ru")).warnings] == ["option_ignored"]


def test_chinese_words_are_single_characters(engine: RapidOcr) -> None:
    """Drawn from pixels, because no font with Chinese comes with Pillow: the numeral one, two, three."""
    image = Image.new("RGB", (500, 160), "white")
    draw = ImageDraw.Draw(image)
    for at, bars in ((60, (80,)), (160, (55, 105)), (260, (45, 78, 112))):
        for y in bars:
            draw.rectangle((at, y, at + 62, y + 6), fill="black")
    result = read(engine, media(image), min_confidence=0.0)
    words = [word for line in result.pages[0].lines for word in line.words]
    assert all(len(word.text) == 1 for word in words if ord(word.text[0]) >= 0x2E80)


# --- documents -------------------------------------------------------------------------------------


def document(engine: RapidOcr, source: Media, **wishes: object) -> tuple[Page, ...]:
    request = ReadDocumentRequest.model_validate({"document": source, **wishes})
    return engine.read_document(request, CALL).pages


def three_pages(kind_of_file: str) -> Media:
    first, *rest = [page([f"Page number {n}", "of a small document"], width=500) for n in ("one", "two", "three")]
    return media(first, MediaKind.DOCUMENT, kind_of_file, save_all=True, append_images=rest)


@pytest.mark.parametrize(("kind_of_file", "unit"), [("TIFF", "pixel"), ("PDF", "point")])
def test_pages_of_a_document_are_read_one_by_one(engine: RapidOcr, kind_of_file: str, unit: str) -> None:
    pages = document(engine, three_pages(kind_of_file))
    assert [p.text.split("\n")[0] for p in pages] == ["Page number one", "Page number two", "Page number three"]
    assert [p.number for p in pages] == [1, 2, 3]
    assert {p.unit for p in pages} == {unit}


@pytest.mark.parametrize("kind_of_file", ["TIFF", "PDF"])
def test_only_the_pages_asked_for_are_read_and_counted(engine: RapidOcr, kind_of_file: str) -> None:
    request = ReadDocumentRequest(document=three_pages(kind_of_file), pages="3,1")
    result = engine.read_document(request, CALL)
    assert [p.number for p in result.pages] == [3, 1]
    assert result.usage[0].quantity == Decimal(2)
    assert result.text.startswith("Page number three")


def test_read_text_says_that_it_left_frames_out(engine: RapidOcr) -> None:
    result = read(engine, three_pages("TIFF"))
    assert [notice.code for notice in result.warnings] == ["truncated"]
    assert result.pages[0].lines[0].text == "Page number one"


def test_a_page_that_is_not_there_is_refused(engine: RapidOcr) -> None:
    with pytest.raises(InvalidInput, match="has 3 pages"):
        document(engine, three_pages("PDF"), pages="2-4")


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 9)), min_size=1, max_size=6))
def test_a_page_list_names_each_page_once_in_its_order(ranges: list[tuple[int, int]]) -> None:
    spec = ", ".join(f"{start}-{start + more}" if more else str(start) for start, more in ranges)
    want = list(dict.fromkeys(n for start, more in ranges for n in range(start, start + more + 1)))
    assert list(page_numbers(spec, 60)) == want


@pytest.mark.parametrize("spec", ["", "0", "3-1", "a", "1;2", "-3", "1-", "1,,2", "٣"])
def test_a_malformed_page_list_is_refused(spec: str) -> None:
    with pytest.raises(InvalidInput, match="pages="):
        page_numbers(spec, 9)


@pytest.mark.parametrize("feature", ["tables", "forms", "queries", "signatures"])
def test_what_ocr_cannot_take_out_of_a_document_is_unsupported(engine: RapidOcr, feature: str) -> None:
    with pytest.raises(Unsupported, match=f"{feature}: .*route it to"):
        document(engine, three_pages("TIFF"), features=(DocumentFeature(feature),))


def test_a_document_that_takes_too_long_stops_between_pages(engine: RapidOcr) -> None:
    with pytest.raises(ServiceError) as caught:
        engine.read_document(ReadDocumentRequest(document=three_pages("TIFF")), Call(timeout=0.000_001))
    assert caught.value.code is ErrorCode.DEADLINE_EXCEEDED


# --- bad files, threads, the net -------------------------------------------------------------------


def truncated(kind_of_file: str) -> bytes:
    whole = media(as_photo(page(INVOICE)), saved_as=kind_of_file).content
    return whole[: len(whole) // 2]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"just some text",
        b"\x89PNG\r\n\x1a\n",
        truncated("JPEG"),
        truncated("PNG"),
        random.Random(1).randbytes(4096),
    ],
    ids=["empty", "text", "header only", "half a JPEG", "half a PNG", "noise"],
)
def test_a_bad_image_is_invalid_input(engine: RapidOcr, data: bytes) -> None:
    with pytest.raises(InvalidInput):
        read(engine, Media(kind=MediaKind.IMAGE, data=data))


def test_a_damaged_pdf_is_invalid_input(engine: RapidOcr) -> None:
    with pytest.raises(InvalidInput, match="PDF"):
        document(engine, Media(kind=MediaKind.DOCUMENT, data=b"%PDF-1.7\nnothing else"))


def test_two_hundred_megapixels_are_too_large_before_they_are_decoded(engine: RapidOcr) -> None:
    huge = media(Image.new("1", (20_000, 10_000)))
    with pytest.raises(InvalidInput) as caught:
        read(engine, huge)
    assert caught.value.code is ErrorCode.TOO_LARGE


def test_many_threads_read_the_same_as_one(engine: RapidOcr) -> None:
    images = [media(page([f"Sheet {n} of four", "reads the same"], width=420)) for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        texts = list(pool.map(lambda image: read(engine, image).text, images))
    assert texts == [f"Sheet {n} of four\nreads the same" for n in range(4)]


def test_a_closed_engine_can_be_closed_again_and_reads_again(engine: RapidOcr) -> None:
    engine.close()
    engine.close()
    assert read(engine, media(page(["Once more"], width=300))).text == "Once more"


def test_raw_is_what_rapidocr_found(engine: RapidOcr) -> None:
    request = ReadTextRequest(image=media(page(["Raw text"], width=300)))
    raw = engine.read_text(request, Call(timeout=60, raw=True)).raw
    assert isinstance(raw, list)
    assert isinstance(raw[0], dict)
    assert raw[0]["text"] == "Raw text"
    assert engine.read_text(request, CALL).raw is None


def test_a_result_survives_json(engine: RapidOcr) -> None:
    result = read(engine, media(page(INVOICE)))
    assert ReadTextResult.model_validate_json(result.model_dump_json()) == result


OFFLINE = """
import io, sys
def no_net(event, args):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}:
        raise SystemExit(f"the net was touched: {event}")
sys.addaudithook(no_net)
from PIL import Image, ImageDraw, ImageFont
from cloudai_local.ocr import engines
from cloudai_local.settings import LocalSettings
from cloudai.driver import Call
from cloudai.types.media import Media, MediaKind
from cloudai.types.vision import ReadTextRequest
image = Image.new("RGB", (400, 120), "white")
ImageDraw.Draw(image).text((20, 30), "no network", font=ImageFont.load_default(size=40), fill="black")
data = io.BytesIO(); image.save(data, "PNG")
engine = engines(LocalSettings(provider="local"))[0]
request = ReadTextRequest(image=Media(kind=MediaKind.IMAGE, data=data.getvalue()), languages=("ru",))
print(engine.read_text(request, Call(timeout=60)).text)
"""


def test_nothing_is_fetched_from_the_net_and_nothing_is_logged() -> None:
    done = subprocess.run([sys.executable, "-c", OFFLINE], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "no network", "")


# --- the geometry by itself ------------------------------------------------------------------------


def turned(quad: ocr_layout.Quad, degrees: float) -> ocr_layout.Quad:
    spin = np.exp(1j * np.radians(degrees))
    a, b, c, d = ((float((complex(x, y) * spin).real), float((complex(x, y) * spin).imag)) for x, y in quad)
    return a, b, c, d


def box(x: float, y: float, w: float, h: float) -> ocr_layout.Quad:
    return (x, y), (x + w, y), (x + w, y + h), (x, y + h)


@given(st.floats(-179, 179), st.integers(1, 12), st.randoms(use_true_random=False))
def test_order_does_not_depend_on_how_the_page_is_turned(angle: float, count: int, rnd: random.Random) -> None:
    lines = [turned(box(50, 40 * row, 400, 25), angle) for row in range(count)]
    shuffled = list(range(count))
    rnd.shuffle(shuffled)
    quads = [lines[row] for row in shuffled]
    found = ocr_layout.page_angle(quads)
    assert abs(ocr_layout.turn_between(found, angle)) < 1e-6
    order = [index for block in ocr_layout.reading_order(quads, found) for index in block]
    assert [shuffled[index] for index in order] == list(range(count))


quads = st.builds(box, st.floats(0, 900), st.floats(0, 900), st.floats(1, 500), st.floats(1, 60))


@given(st.lists(quads, max_size=25), st.floats(-180, 180))
def test_every_line_is_read_exactly_once(found: list[ocr_layout.Quad], angle: float) -> None:
    order = [index for block in ocr_layout.reading_order(found, angle) for index in block]
    assert sorted(order) == list(range(len(found)))


def test_a_line_that_the_detector_cut_in_two_is_one_line() -> None:
    from cloudai.testing.samples import picture

    with Client(backend="local") as client:
        assert client.vision.read_text(picture()).text == "Hello World 42"
