"""Length, rate, channels and encoding are read from the header, never guessed; a cut file is found."""

from __future__ import annotations

import io
import struct
import wave
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudai.calls.media import InputGuard, from_bytes
from cloudai.errors import InvalidInput, TooLarge
from cloudai.types.media import AudioInfo, MediaKind

SAMPLES = Path(__file__).parent / "media_samples"


def read(data: bytes, guard: InputGuard | None = None) -> AudioInfo:
    audio = from_bytes(data, MediaKind.AUDIO, guard=guard or InputGuard(), name="call").audio
    assert audio is not None
    return audio


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) & 1) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def form(tag: int, channels: int, rate: int, bits: int) -> bytes:
    block = channels * bits // 8
    return struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits)


@given(
    st.sampled_from([1, 2, 3, 4]),
    st.sampled_from([8000, 16000, 22050, 44100, 48000]),
    st.sampled_from([1, 2, 6]),
    st.integers(1, 500),
)
def test_wav_header_is_what_the_wave_module_wrote(width: int, rate: int, channels: int, frames: int) -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(channels)
        out.setsampwidth(width)
        out.setframerate(rate)
        out.writeframes(bytes(width * channels * frames))
    assert read(file.getvalue()) == AudioInfo(
        duration=pytest.approx(frames / rate),
        sample_rate=rate,
        channels=channels,
        bits=8 * width,
        encoding={1: "pcm_u8", 2: "pcm_s16le", 3: "pcm_s24le", 4: "pcm_s32le"}[width],
    )


@pytest.mark.parametrize(
    ("tag", "bits", "encoding"),
    [(3, 32, "pcm_f32le"), (3, 64, "pcm_f64le"), (6, 8, "alaw"), (7, 8, "mulaw"), (1, 24, "pcm_s24le"), (1, 12, None)],
)
def test_wav_encodings_beyond_plain_pcm(tag: int, bits: int, encoding: str | None) -> None:
    block = 2 * bits // 8
    audio = read(riff((b"fmt ", form(tag, 2, 8000, bits)), (b"data", bytes(block * 4000))))
    assert audio == AudioInfo(duration=0.5, sample_rate=8000, channels=2, bits=bits, encoding=encoding)


def test_an_extensible_header_names_its_encoding_in_the_sub_format() -> None:
    extra = struct.pack("<HHI", 22, 24, 3) + b"\1\0" + bytes(14)
    audio = read(riff((b"fmt ", form(0xFFFE, 2, 48000, 24) + extra), (b"data", bytes(6 * 480))))
    assert audio == AudioInfo(duration=0.01, sample_rate=48000, channels=2, bits=24, encoding="pcm_s24le")


def test_chunks_around_the_samples_are_stepped_over() -> None:
    data = riff((b"LIST", b"odd"), (b"fmt ", form(1, 1, 8000, 16)), (b"fact", bytes(4)), (b"data", bytes(1600)))
    assert read(data + b"id3 \4\0\0\0tags").duration == 0.1


@pytest.mark.parametrize("kept", [46, 100, 1000, 1643])
def test_a_wav_with_fewer_samples_than_its_header_says_is_refused(kept: int) -> None:
    data = riff((b"fmt ", form(1, 1, 8000, 16)), (b"data", bytes(1600)))
    with pytest.raises(InvalidInput, match=rf"promises 1,600 bytes of sound, {kept - 44:,} are there"):
        read(data[:kept])


def test_a_wav_written_to_a_pipe_lasts_to_its_end() -> None:
    assert read((SAMPLES / "piped.wav").read_bytes()).duration == 0.5


def test_a_wav_of_more_than_4_gb_has_its_length_elsewhere() -> None:
    body = (b"ds64" + struct.pack("<IQQQI", 28, 0, 1600, 800, 0)) + (
        b"fmt " + struct.pack("<I", 16) + form(1, 1, 8000, 16)
    )
    data = b"RF64\xff\xff\xff\xffWAVE" + body + b"data\xff\xff\xff\xff" + bytes(1600)
    assert read(data).duration == 0.1
    with pytest.raises(InvalidInput, match="promises 1,600 bytes of sound, 1,500 are there"):
        read(data[:-100])


@pytest.mark.parametrize(
    "chunks",
    [
        [(b"fmt ", form(1, 1, 8000, 16))],
        [(b"data", bytes(100))],
        [(b"data", bytes(100)), (b"fmt ", form(1, 1, 8000, 16))],
        [(b"fmt ", form(1, 0, 8000, 16)), (b"data", bytes(100))],
        [(b"fmt ", form(1, 1, 0, 16)), (b"data", bytes(100))],
        [(b"fmt ", b"\1\0"), (b"data", b"")],
        [],
    ],
)
def test_a_wav_that_makes_no_sense_is_refused(chunks: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(InvalidInput, match="truncated or corrupt"):
        read(riff(*chunks))


def test_a_clip_of_no_seconds_is_refused() -> None:
    with pytest.raises(InvalidInput, match="call holds 0 seconds of sound"):
        read(riff((b"fmt ", form(1, 1, 8000, 16)), (b"data", b"")))


@pytest.mark.parametrize(
    ("name", "seconds", "rate", "encoding"),
    [
        ("tone.mp3", 0.576, 16000, "mp3"),  # 16 frames: the encoder's padding is sound, too
        ("tone.flac", 0.5, 16000, "flac"),
        ("piped.flac", None, 16000, "flac"),
        ("tone.ogg", 0.5, 16000, "vorbis"),
        ("tone.opus", 0.5, 48000, "opus"),
        ("tone.m4a", 0.5, 16000, "aac"),
        ("film.mp4", 0.5, 16000, "aac"),
        ("fragmented.mp4", None, 16000, "aac"),
        ("tone.aac", 0.576, 16000, "aac"),
        ("tone.webm", 0.508, 16000, "opus"),
        ("film.webm", 0.508, 16000, "opus"),
        ("live.webm", None, 16000, "opus"),
        ("tone.aiff", 0.2, 8000, None),
        ("tone.wma", 0.512, 16000, "wma"),
    ],
)
def test_recordings_of_ffmpeg_have_their_headers_read(name: str, seconds: float, rate: int, encoding: str) -> None:
    audio = read((SAMPLES / name).read_bytes())
    assert (audio.duration, audio.sample_rate, audio.channels, audio.encoding) == (seconds, rate, 1, encoding)


@pytest.mark.parametrize("mode", [0, 7])
def test_amr_lasts_as_many_frames_as_it_has(mode: int) -> None:
    size = {0: 13, 7: 32}[mode]
    frames = (bytes([mode << 3 | 4]) + bytes(size - 1)) * 50
    assert read(b"#!AMR\n" + frames) == AudioInfo(duration=1.0, sample_rate=8000, channels=1, encoding="amr_nb")
    with pytest.raises(InvalidInput, match="ends within a frame"):
        read(b"#!AMR\n" + frames[:-1])


@pytest.mark.parametrize("name", ["tone.m4a", "film.mp4", "tone.aac"])
def test_a_cut_recording_is_found(name: str) -> None:
    data = (SAMPLES / name).read_bytes()
    with pytest.raises(InvalidInput, match="truncated or corrupt"):
        read(data[: len(data) * 2 // 3])


def test_a_film_without_sound_is_not_audio() -> None:
    data = (SAMPLES / "film.webm").read_bytes().replace(b"\x83\x81\x02", b"\x83\x81\x11")
    with pytest.raises(InvalidInput, match="no sound track was found"):
        read(data)


def test_longer_than_the_guard_allows_is_too_large() -> None:
    with pytest.raises(TooLarge, match=r"lasts 1 s; inputs may last 0 s \(max_seconds\)"):
        read(riff((b"fmt ", form(1, 1, 8000, 16)), (b"data", bytes(16000))), InputGuard(max_seconds=0.4))


@given(
    st.sampled_from(sorted(path.name for path in SAMPLES.iterdir())),
    st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), max_size=12),
    st.integers(16, 20_000),
)
def test_no_damage_leaves_the_reader_otherwise_than_by_its_errors(
    name: str, edits: list[tuple[int, int]], kept: int
) -> None:
    data = bytearray((SAMPLES / name).read_bytes())
    for at, value in edits:
        data[at % len(data)] = value
    try:
        audio = read(bytes(data[:kept]))
    except InvalidInput:
        return  # what is damaged is refused: by this error and no other
    assert audio.duration is None or audio.duration > 0
