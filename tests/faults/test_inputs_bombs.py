"""Files made to exhaust whoever opens them: each is refused by its header, in bounded memory."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cloudai.calls.media import InputGuard, from_bytes
from cloudai.calls.pixels import decode
from cloudai.errors import InvalidInput
from cloudai.types.media import MediaKind

Outcomes = dict[str, tuple[str, int, float]]
MEBI = 1 << 20
PROGRAM = Path(__file__).with_name("inputs_bombs.py")


@pytest.fixture(scope="module")
def outcomes() -> Outcomes:
    """What became of each, in a process of its own whose peak of memory was watched."""
    done = subprocess.run([sys.executable, "-W", "error", str(PROGRAM)], capture_output=True, check=True)
    assert done.stderr == b""
    return {name: (outcome, grown, seconds) for name, outcome, grown, seconds in json.loads(done.stdout)}


def test_every_bomb_is_refused_with_a_code_and_a_short_reason(outcomes: Outcomes) -> None:
    refused = {name: outcome for name, (outcome, _, _) in outcomes.items() if outcome != "accepted"}
    assert len(refused) >= 45
    for name, outcome in refused.items():
        assert outcome.partition(":")[0] in ("too_large", "invalid_input"), name
        assert len(outcome) < 240, name


def test_what_is_harmless_unopened_is_accepted(outcomes: Outcomes) -> None:
    accepted = {name for name, (outcome, _, _) in outcomes.items() if outcome == "accepted"}
    assert accepted == {
        "png with 200 MB of text",
        "pdf with 256 MB of zeros",
        "pdf of 300,000 broken streams",
        "pdf of 300,000 page trees",
    }


def test_no_bomb_needs_more_than_256_mb(outcomes: Outcomes) -> None:
    print({name: f"{grown / MEBI:.0f} MiB" for name, (_, grown, _) in outcomes.items() if grown > MEBI})
    assert max(grown for _, grown, _ in outcomes.values()) <= 256 * MEBI


def test_no_bomb_keeps_the_processor_busy_for_2_s(outcomes: Outcomes) -> None:
    """Seconds of the processor, not of the clock: a busy machine does not count."""
    slowest = max(outcomes, key=lambda name: outcomes[name][2])
    print(f"{slowest}: {outcomes[slowest][2]:.2f} s")
    assert outcomes[slowest][2] <= 2.0


def test_the_watch_on_memory_sees_what_is_allocated() -> None:
    code = (
        "from inputs_bombs import memory; "
        "before = memory('VmRSS'); bytearray(b'x' * (300 << 20)); print(memory('VmHWM') - before)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, cwd=PROGRAM.parent)
    assert int(done.stdout) >= 300 * MEBI


@pytest.mark.parametrize(
    "name", ["png of 200 megapixels", "webp of 268 megapixels", "jpeg of 4.3 gigapixels", "gif of 4 gigapixels"]
)
def test_a_size_that_is_too_large_is_said_to_be(name: str, outcomes: Outcomes) -> None:
    assert outcomes[name][0].startswith("too_large: ")
    assert "(max_pixels)" in outcomes[name][0]


@pytest.mark.parametrize("form", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "ICO", "JPEG2000"])
@settings(max_examples=60, deadline=None)
@given(edits=st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 255)), max_size=8))
def test_damage_is_refused_or_decoded(form: str, edits: list[tuple[int, int]]) -> None:
    file = io.BytesIO()
    Image.new("RGB", (48, 32), "teal").save(file, form)
    data = bytearray(file.getvalue())
    for at, value in edits:
        data[at % len(data)] = value
    try:
        media = from_bytes(bytes(data), MediaKind.IMAGE, guard=InputGuard(max_pixels=1_000_000))
        assert decode(media).size[0] > 0
    except InvalidInput:
        return  # by this error and no other


def test_a_picture_that_breaks_only_when_it_is_decoded_is_refused_then() -> None:
    """Its chunks are whole, its pixels are missing."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    media = from_bytes(data, MediaKind.IMAGE, guard=InputGuard(), name="a.png")
    with pytest.raises(InvalidInput, match=r"a.png is truncated or corrupt"):
        decode(media)
