"""espeak-ng as a program that the user installed (it is GPL: never imported, never a dependency).

The text goes in by a file on its standard input, samples come out of its standard output; both are bounded, and the
process is killed at the deadline. No shell, and no argument that was not checked against espeak-ng's own lists.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from functools import lru_cache

from cloudai.errors import ErrorCode, MissingDependency, ServiceError, TooLarge
from cloudai_local.audio import Sound

PROGRAM = "espeak-ng"
INSTALL = "apt install espeak-ng (macOS: brew install espeak-ng)"
MAX_SECONDS = 2 * 3600
"""Of speech in one call: SSML can ask for any length of silence."""

_HEADER = 44
"""Bytes of the WAV header, whose lengths are not filled in on a pipe (espeak-ng 1.51, src/espeak-ng.c)."""
_CHUNK = 1 << 16
_ROW = re.compile(r"\s*(\d+)\s+(\S+)\s+(\S+)/(\S+)\s+(\S+)\s+(\S+)\s*(.*)")
_OTHER = re.compile(r"\((\S+) (\d+)\)")


@dataclass(frozen=True, kw_only=True, slots=True)
class EspeakVoice:
    """One row of `espeak-ng --voices`. `others` are further languages it may speak, with their priority."""

    id: str
    language: str
    name: str
    gender: str | None
    priority: int
    others: tuple[tuple[str, int], ...]


def program() -> str:
    """Where it is. Raises `MissingDependency`."""
    found = shutil.which(PROGRAM)
    if found is None:
        raise MissingDependency("espeak-ng is not installed", install=INSTALL)
    return found


def voices() -> tuple[EspeakVoice, ...]:
    """All languages and accents, in espeak-ng's order."""
    return _listed(program(), "--voices")


def variants() -> tuple[EspeakVoice, ...]:
    """Timbres that can be put on any voice: `en-us+Alicia`."""
    return _listed(program(), "--voices=variant")


def version() -> str:
    """As in `1.51`."""
    return _version(program())


def speak(text: str, arguments: tuple[str, ...], *, timeout: float) -> Sound:
    """Raises `ServiceError` (deadline_exceeded, internal) or `TooLarge`. `text` is well-formed Unicode without NUL."""
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as complaints:
        source.write(text.encode("utf-8"))
        source.seek(0)
        command = [program(), "-b", "1", "--stdin", "--stdout", *arguments]
        with subprocess.Popen(command, stdin=source, stdout=subprocess.PIPE, stderr=complaints) as process:
            output = _collected(process, timeout)
        complaints.seek(0)
        return _sound(output, process.returncode, complaints.read(2000).decode(errors="replace").strip())


def _collected(process: subprocess.Popen[bytes], timeout: float) -> bytes:
    """Everything it writes. At the deadline or the greatest length the process is killed."""
    late = threading.Event()

    def stop() -> None:
        late.set()
        process.kill()

    alarm = threading.Timer(timeout, stop)
    alarm.start()
    try:
        return _read_bounded(process)
    finally:
        alarm.cancel()
        process.kill()
        process.wait()
        if late.is_set():
            raise ServiceError(f"espeak-ng took more than {timeout:g} s", code=ErrorCode.DEADLINE_EXCEEDED)


def _read_bounded(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    output = bytearray()
    while chunk := process.stdout.read(_CHUNK):
        output += chunk
        if len(output) > MAX_SECONDS * 2 * 22050:
            raise TooLarge(
                f"the speech is longer than the {MAX_SECONDS // 3600} hours of local synthesis: divide the text"
            )
    process.wait()
    return bytes(output)


def _sound(output: bytes, status: int, complaint: str) -> Sound:
    if status != 0 or not output.startswith(b"RIFF"):
        last = complaint.splitlines()[-1] if complaint else "without a word"
        raise ServiceError(f"espeak-ng ended with status {status}: {last}", code=ErrorCode.INTERNAL)
    rate = int.from_bytes(output[24:28], "little")
    samples = output[_HEADER:]
    return Sound(samples=samples[: len(samples) // 2 * 2], rate=rate)


@lru_cache(maxsize=4)
def _version(path: str) -> str:
    found = re.search(r"text-to-speech: (\S+)", _said(path, "--version"))
    return found[1] if found else "unknown"


@lru_cache(maxsize=8)
def _listed(path: str, which: str) -> tuple[EspeakVoice, ...]:
    rows = [match for line in _said(path, which).splitlines()[1:] if (match := _ROW.fullmatch(line.rstrip()))]
    known: dict[str, EspeakVoice] = {}
    for priority, language, _, gender, name, file, rest in (row.groups() for row in rows):
        base = file.rpartition("/")[2]
        identity = language if language not in known and language != "variant" else base
        known[identity] = EspeakVoice(
            id=identity,
            language=language,
            name=name.replace("_", " ").strip(),
            gender={"M": "male", "F": "female"}.get(gender),
            priority=int(priority),
            others=tuple((code, int(rank)) for code, rank in _OTHER.findall(rest)),
        )
    return tuple(known.values())


def _said(path: str, argument: str) -> str:
    done = subprocess.run([path, argument], capture_output=True, timeout=20, check=False)
    return done.stdout.decode("utf-8", errors="replace")
