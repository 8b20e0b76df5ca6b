"""One input, however it is given: bytes, a path, an open file, an address."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest
from PIL import Image

from cloudai.calls.media import InputGuard, fetched, load
from cloudai.errors import CloudAIError, ErrorCode, InvalidInput, TooLarge
from cloudai.types.media import ImageInfo, Media, MediaKind

GUARD = InputGuard()


def png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (30, 20), "navy").save(file, "PNG")
    return file.getvalue()


class OwnPath(os.PathLike[str]):
    def __init__(self, path: Path) -> None:
        self.path = path

    def __fspath__(self) -> str:
        return str(self.path)


def test_the_same_image_comes_in_every_way(tmp_path: Path) -> None:
    data, path = png(), tmp_path / "no extension needed"
    path.write_bytes(data)
    with path.open("rb") as file, path.open("rb", buffering=0) as raw:
        sources = [
            data, bytearray(data), memoryview(data), str(path), path, OwnPath(path), file, raw, io.BytesIO(data)
        ]  # fmt: skip
        for source in sources:
            media = load(source, MediaKind.IMAGE, guard=GUARD)
            assert (media.data, media.content_type) == (data, "image/png")
            assert media.image == ImageInfo(width=30, height=20)
        assert not file.closed


def test_the_name_of_the_file_is_kept_without_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "café.jpg"
    path.write_bytes(png())
    assert load(path, MediaKind.IMAGE, guard=GUARD).name == "café.jpg"


def test_a_file_is_read_from_where_it_stands() -> None:
    file = io.BytesIO(b"header" + png())
    file.seek(6)
    assert load(file, MediaKind.IMAGE, guard=GUARD).data == png()


def test_a_view_that_is_not_contiguous_is_copied() -> None:
    assert load(memoryview(bytes(byte for one in png() for byte in (one, 0)))[::2], MediaKind.IMAGE, guard=GUARD).image


def test_media_that_was_checked_is_not_checked_again() -> None:
    media = load(png(), MediaKind.IMAGE, guard=GUARD)
    assert load(media, MediaKind.IMAGE, guard=InputGuard(max_bytes=1)) == media


def test_media_made_by_hand_is_checked() -> None:
    with pytest.raises(InvalidInput, match="holds text, not an image"):
        load(Media(kind=MediaKind.IMAGE, data=b"hello"), MediaKind.IMAGE, guard=GUARD)


def test_an_image_loaded_as_a_document_gets_its_page() -> None:
    assert load(load(png(), MediaKind.IMAGE, guard=GUARD), MediaKind.DOCUMENT, guard=GUARD).pages == 1


@pytest.mark.parametrize(
    "address",
    [
        "s3://bucket/folder/photo.png",
        "gs://bucket/folder/photo.png",
        "https://account.blob.core.windows.net/box/folder/photo.png",
        "https://account.blob.core.windows.net/box/folder/photo.png?sv=2026&sig=secret",
        "https://account.blob.core.chinacloudapi.cn/box/photo.png",
    ],
)
def test_objects_in_a_store_are_passed_on_unread(address: str) -> None:
    media = load(address, MediaKind.IMAGE, guard=GUARD)
    assert (media.uri, media.data, media.name, media.size) == (address, None, "photo.png", None)


def test_the_signature_of_an_address_is_shown_nowhere() -> None:
    media = load("https://account.blob.core.windows.net/box/a.png?sig=hush", MediaKind.IMAGE, guard=GUARD)
    with pytest.raises(ValueError, match="was passed by address") as caught:
        _ = media.content
    assert "hush" not in f"{media!r} {media} {caught.value}"


def test_a_fetched_object_is_checked_like_any_bytes() -> None:
    media = load("s3://bucket/photo.png", MediaKind.IMAGE, guard=GUARD)
    whole = fetched(media, png(), guard=GUARD)
    assert (whole.image, whole.name, whole.uri) == (ImageInfo(width=30, height=20), "photo.png", None)
    with pytest.raises(InvalidInput, match=r"photo.png holds text, not an image"):
        fetched(media, b"access denied", guard=GUARD)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("s3://bucket", "s3://bucket/key"),
        ("gs:///key", "gs://bucket/key"),
        ("ftp://host/a.png", "ftp:// is not an address"),
        ("file:///etc/passwd", "file:// is not an address"),
        ("gopher://127.0.0.1:6379/_x", "gopher:// is not an address"),
        ("HTTP://example.com/a.png", "http:// is not fetched; use https://"),
    ],
)
def test_other_addresses_are_refused_in_words(address: str, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        load(address, MediaKind.IMAGE, guard=GUARD)


def test_a_missing_file_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"none.png does not exist") as caught:
        load(tmp_path / "none.png", MediaKind.IMAGE, guard=GUARD)
    assert caught.value.code is ErrorCode.NOT_FOUND


def test_a_directory_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="is a directory"):
        load(tmp_path, MediaKind.IMAGE, guard=GUARD)


def test_a_path_through_a_file_and_one_with_a_null_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for path in (str(tmp_path / "file" / "below"), "a\0b", "x" * 5000):
        with pytest.raises(InvalidInput, match="cannot be read"):
            load(path, MediaKind.IMAGE, guard=GUARD)


@pytest.mark.parametrize("special", ["/dev/zero", "pipe"])
def test_what_is_not_a_regular_file_is_not_opened(special: str, tmp_path: Path) -> None:
    path = tmp_path / special
    if special == "pipe":
        os.mkfifo(path)
    with pytest.raises(InvalidInput, match="not a regular file"):
        load(path, MediaKind.IMAGE, guard=GUARD)


def test_a_file_over_the_bound_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(TooLarge, match=r"more than 536,870,912 bytes, the bound on inputs \(max_bytes\)"):
        load(path, MediaKind.IMAGE, guard=GUARD)


def test_an_endless_file_object_is_read_no_further_than_the_bound() -> None:
    with Path("/dev/zero").open("rb") as file, pytest.raises(TooLarge):
        load(file, MediaKind.IMAGE, guard=InputGuard(max_bytes=5_000_000))


def test_bytes_over_the_bound_are_refused_before_they_are_copied() -> None:
    with pytest.raises(TooLarge):
        load(memoryview(bytes(1001)), MediaKind.IMAGE, guard=InputGuard(max_bytes=1000))


def test_a_file_opened_as_text_says_how_to_open_it(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("hello", encoding="utf-8")
    with path.open(encoding="utf-8") as file, pytest.raises(InvalidInput, match="binary mode"):
        load(file, MediaKind.DOCUMENT, guard=GUARD)  # type: ignore[arg-type]


@pytest.mark.parametrize("source", [None, 7, ["a.png"], object()])
def test_other_things_are_refused_by_their_type(source: object) -> None:
    with pytest.raises(InvalidInput, match=f"not {type(source).__name__}"):
        load(source, MediaKind.IMAGE, guard=GUARD)  # type: ignore[arg-type]


def test_loading_a_local_image_imports_neither_pillow_nor_httpx() -> None:
    import subprocess

    code = (
        "import sys; from cloudai.calls.media import load, InputGuard; from cloudai.types.media import MediaKind; "
        "load(sys.stdin.buffer, MediaKind.IMAGE, guard=InputGuard()); "
        "print(sorted({'PIL', 'httpx', 'httpcore', 'tinytag', 'pydantic'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], input=png(), capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def test_every_refusal_is_ours(tmp_path: Path) -> None:
    for kind in MediaKind:
        with pytest.raises(CloudAIError, match="is empty"):
            load(b"", kind, guard=GUARD)
