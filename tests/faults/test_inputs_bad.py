"""The bad inputs that users really have, each with its code and a sentence that says what is wrong."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from cloudai.calls.limits import check_text
from cloudai.calls.media import InputGuard, load
from cloudai.capabilities import Limits
from cloudai.errors import ErrorCode, InvalidInput, TooLarge
from cloudai.types.media import AudioInfo, MediaKind


def photo(form: str = "JPEG") -> bytes:
    file = io.BytesIO()
    Image.effect_noise((120, 80), 60).save(file, form)
    return file.getvalue()


def wav(rate: int, channels: int, bits: int, frames: int) -> bytes:
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * block, block, bits)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", frames * block)
    return b"RIFF" + struct.pack("<I", len(body) + frames * block) + body + bytes(frames * block)


def big_png() -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 10_000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "kind", "code", "message"),
    [
        (b"", MediaKind.IMAGE, ErrorCode.INVALID_INPUT, "the image is empty"),
        (b"", MediaKind.AUDIO, ErrorCode.INVALID_INPUT, "the audio is empty"),
        (b"not a picture\n", MediaKind.IMAGE, ErrorCode.INVALID_INPUT, "the image holds text, not an image"),
        (photo()[:900], MediaKind.IMAGE, ErrorCode.INVALID_INPUT, "the image (image/jpeg) is truncated or corrupt"),
        (photo("PNG")[:900], MediaKind.IMAGE, ErrorCode.INVALID_INPUT, "the image (image/png) is truncated or corrupt"),
        (big_png(), MediaKind.IMAGE, ErrorCode.TOO_LARGE, "200,000,000 pixels; inputs may have 100,000,000"),
        (wav(8000, 1, 16, 0), MediaKind.AUDIO, ErrorCode.INVALID_INPUT, "the audio holds 0 seconds of sound"),
        (wav(8000, 1, 16, 99)[:-9], MediaKind.AUDIO, ErrorCode.INVALID_INPUT, "promises 198 bytes of sound, 189"),
        (photo(), MediaKind.AUDIO, ErrorCode.INVALID_INPUT, "the audio holds an image (image/jpeg), not audio"),
        (wav(8000, 1, 16, 9), MediaKind.IMAGE, ErrorCode.INVALID_INPUT, "holds audio (audio/wav), not an image"),
        (bytes(100), MediaKind.DOCUMENT, ErrorCode.INVALID_INPUT, "the document holds no known format"),
    ],
)
def test_a_bad_input_has_its_code_and_its_reason(data: bytes, kind: MediaKind, code: ErrorCode, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        load(data, kind, guard=InputGuard())
    assert caught.value.code is code
    assert message in str(caught.value)


def test_a_text_named_png_is_a_text(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_text("hello, I am not a photo", encoding="utf-8")
    with pytest.raises(InvalidInput, match=r"^photo\.png holds text, not an image$"):
        load(path, MediaKind.IMAGE, guard=InputGuard())


@pytest.mark.parametrize(
    ("rate", "channels", "bits", "encoding"),
    [(48_000, 2, 24, "pcm_s24le"), (8_000, 1, 8, "pcm_u8"), (8_000, 2, 16, "pcm_s16le"), (96_000, 6, 32, "pcm_s32le")],
)
def test_unusual_but_whole_recordings_are_taken(rate: int, channels: int, bits: int, encoding: str) -> None:
    media = load(wav(rate, channels, bits, rate // 4), MediaKind.AUDIO, guard=InputGuard())
    assert media.audio == AudioInfo(duration=0.25, sample_rate=rate, channels=channels, bits=bits, encoding=encoding)


def test_the_limits_of_a_capability_file_are_those_that_are_checked() -> None:
    check_text("x" * 5000, limits=Limits(max_characters=5000), whose="aws-eu")
    with pytest.raises(TooLarge, match=r"5,001 characters; aws-eu takes at most 5,000 \(max_characters\)"):
        check_text("x" * 5001, limits=Limits(max_characters=5000), whose="aws-eu")
