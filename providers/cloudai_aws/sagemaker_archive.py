"""`model.tar.gz` unpacked without trust: plain files inside the folder, within bounds, and nothing else."""

from __future__ import annotations

import tarfile
import zlib
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from cloudai.errors import ErrorCode, ServiceError, TooLarge

MAX_BYTES = 64 * 1024**3
MAX_FILES = 100_000
_CHUNK = 1 << 20


def unpack(archive: BinaryIO, folder: Path, *, max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES) -> None:
    """Writes the archive's files below `folder`.

    Raises `ServiceError` for a file outside of it, a link, a device, or an archive that can't be read, and `TooLarge`
    past the bounds. What was written until then stays.
    """
    try:
        with tarfile.open(fileobj=archive, mode="r|gz") as opened:
            _unpacked(opened, folder, max_bytes, max_files)
    except (tarfile.TarError, zlib.error, EOFError) as error:
        raise _wrong(f"it is no sound tar.gz ({error})") from error
    except OSError as error:
        if type(error).__name__ != "BadGzipFile":
            raise
        raise _wrong(f"it is no sound tar.gz ({error})") from error


def _unpacked(opened: tarfile.TarFile, folder: Path, left: int, files: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for member in opened:
        if member.isdir():
            continue
        target = _inside(folder, member)
        left, files = left - member.size, files - 1
        if left < 0 or files < 0:
            raise TooLarge("the model's archive holds more than is taken out of one")
        target.parent.mkdir(parents=True, exist_ok=True)
        source = opened.extractfile(member)
        if source is None:
            raise _wrong(f"{member.name!r} can't be read")
        with target.open("wb") as out:
            while part := source.read(_CHUNK):
                out.write(part)


def _inside(folder: Path, member: tarfile.TarInfo) -> Path:
    path = PurePosixPath(member.name)
    if not member.isfile():
        raise _wrong(f"{member.name!r} is a link or a device")
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or "\0" in member.name or not path.parts:
        raise _wrong(f"{member.name!r} is not inside of it")
    target = folder.joinpath(*path.parts)
    if target.is_symlink() or not target.parent.resolve().is_relative_to(folder.resolve()):
        raise _wrong(f"{member.name!r} is not inside of it")
    return target


def _wrong(reason: str) -> ServiceError:
    return ServiceError(f"the model's archive is not taken: {reason}", code=ErrorCode.INTERNAL, retryable=False)
