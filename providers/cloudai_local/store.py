"""The user's own models: pulled by name from a hub, or added as a folder that stays where it is.

The library of `cloudai local models pull|add|list|remove`. Everything lies in `folders.cache_folder()`:

    NAME/model.toml, ...     pulled. `model.toml` is written last: without it the folder is not a model yet
    NAME -> /some/folder     added: a link, nothing is copied
    .NAME.lock               held while one process pulls it
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cloudai.errors import CloudAIError, ErrorCode, InvalidInput, ServiceError
from cloudai_local import download
from cloudai_local.catalogue import Entry, PinnedFile, catalogue, checked_name, entry
from cloudai_local.folders import Task, cache_folder, read_folder

HUB = "https://huggingface.co"
"""Files are at `HUB/REPOSITORY/resolve/REVISION/PATH`. `CLOUDAI_MODEL_HUB` names a mirror."""

__all__ = ["HUB", "Entry", "Installed", "Progress", "add", "catalogue", "installed", "pull", "remove"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """How far a pull is. Bytes are those of the whole model."""

    name: str
    file: str
    done: int
    total: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Installed:
    """One model in the cache. `problem` says why it can't be used; `target` is where an added folder lies."""

    name: str
    path: Path
    task: Task | None
    size: int
    target: Path | None = None
    problem: str | None = None


def pull(
    name: str,
    *,
    folder: Path | None = None,
    hub: str | None = None,
    own: Path | None = None,
    progress: Callable[[Progress], None] = lambda _: None,
) -> Path:
    """Fetch a model of the catalogue (`own`: the user's) into `folder` (the cache) and return its folder.

    What is there already and right is not fetched again; a broken pull goes on where it stopped. Raises
    `InvalidInput` (`not_found`) for an unknown name and `ServiceError` as `download.fetch` does, with `conflict` when
    another process is pulling it or a folder of that name was added.
    """
    wanted = entry(checked_name(name), own)
    base = hub or os.environ.get("CLOUDAI_MODEL_HUB") or HUB
    download.require_safe(base)
    root = folder or cache_folder()
    target = root / name
    if target.is_symlink():
        raise ServiceError(f"{name} is a folder that was added; remove it first", code=ErrorCode.CONFLICT)
    target.mkdir(parents=True, exist_ok=True)
    with _only_one(root, name):
        _require_space(target, wanted)
        _fetch_all(name, wanted, base, target, progress)
        _write_whole(target / "model.toml", _manifest(wanted))
    return target


def add(path: Path, name: str | None = None, *, folder: Path | None = None) -> Path:
    """Register a folder with a `model.toml` under `name` (its own). It is linked, not copied.

    Raises `InvalidInput` when there is no sound `model.toml`, or the name is taken (`conflict`).
    """
    source = path.expanduser().resolve()
    if not source.is_dir():
        raise InvalidInput(f"{path} is no folder", code=ErrorCode.NOT_FOUND)
    read_folder(source)
    root = folder or cache_folder()
    link = root / checked_name(name or source.name)
    root.mkdir(parents=True, exist_ok=True)
    if link.is_symlink() and link.resolve() == source:
        return link
    try:
        link.symlink_to(source, target_is_directory=True)
    except FileExistsError:
        message = f"there is a model {link.name!r} already; remove it, or give another name"
        raise InvalidInput(message, code=ErrorCode.CONFLICT) from None
    return link


def installed(*, folder: Path | None = None) -> tuple[Installed, ...]:
    """What the cache holds, by name, with what is broken or incomplete."""
    root = folder or cache_folder()
    if not root.is_dir():
        return ()
    found = (path for path in root.iterdir() if not path.name.startswith(".") and (path.is_dir() or path.is_symlink()))
    return tuple(_looked_at(path) for path in sorted(found))


def remove(name: str, *, folder: Path | None = None) -> None:
    """Delete a pulled model; an added folder is only forgotten. Raises `InvalidInput` (`not_found`)."""
    root = folder or cache_folder()
    path = root / checked_name(name)
    if path.is_symlink():
        path.unlink()
    elif path.is_dir():
        with _only_one(root, name):
            (path / "model.toml").unlink(missing_ok=True)
            shutil.rmtree(path)
    else:
        there = ", ".join(model.name for model in installed(folder=root)) or "none"
        raise InvalidInput(f"no model {name!r} in {root}; there are: {there}", code=ErrorCode.NOT_FOUND)


# --- pulling ----------------------------------------------------------------------------------------


def _fetch_all(name: str, wanted: Entry, base: str, target: Path, progress: Callable[[Progress], None]) -> None:
    before = 0
    with download.open_client() as client:
        for file in wanted.files:
            said = _Reporter(name=name, file=file, before=before, total=wanted.size, progress=progress)
            pinned = download.Pinned(
                url=wanted.url(base, file), path=target / file.path, size=file.size, sha256=file.sha256
            )
            if not download.is_right(pinned.path, size=file.size, sha256=file.sha256):
                download.fetch(client, pinned, arrived=said)
            said(file.size)
            before += file.size


@dataclass(frozen=True, kw_only=True, slots=True)
class _Reporter:
    """Turns the bytes of one file into those of the model."""

    name: str
    file: PinnedFile
    before: int
    total: int
    progress: Callable[[Progress], None]

    def __call__(self, there: int) -> None:
        self.progress(Progress(name=self.name, file=self.file.path, done=self.before + there, total=self.total))


def _require_space(target: Path, wanted: Entry) -> None:
    there = sum(file.stat().st_size for file in target.rglob("*") if file.is_file())
    free = shutil.disk_usage(target).free
    if wanted.size - there > free:
        message = f"{target} needs {(wanted.size - there) / 1e6:,.0f} MB, and {free / 1e6:,.0f} MB are free"
        raise ServiceError(message, code=ErrorCode.QUOTA_EXHAUSTED)


def _manifest(wanted: Entry) -> str:
    head = f"# {wanted.title}\n# Licence {wanted.licence}, {wanted.source}, revision {wanted.revision}\n"
    return head + wanted.manifest.strip() + "\n"


def _write_whole(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


@contextmanager
def _only_one(root: Path, name: str) -> Iterator[None]:
    """Held by one process (and one thread) at a time; the system lets go of it when the process ends."""
    path = root / f".{name}.lock"
    with path.open("a+b") as file:
        try:
            _lock(file.fileno())
        except OSError:
            message = f"another process is busy with {name} in {root}; wait for it"
            raise ServiceError(message, code=ErrorCode.CONFLICT) from None
        yield


if sys.platform == "win32":

    def _lock(descriptor: int) -> None:
        import msvcrt

        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:

    def _lock(descriptor: int) -> None:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


# --- looking ----------------------------------------------------------------------------------------


def _looked_at(path: Path) -> Installed:
    target = path.readlink() if path.is_symlink() else None
    task, problem = None, None
    if not path.exists():
        problem = f"{target} is gone: remove it"
    elif target is None and not (path / "model.toml").exists():
        problem = "not complete: pull it again"
    else:
        try:
            task = read_folder(path).task
        except CloudAIError as error:
            problem = error.message
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    return Installed(name=path.name, path=path, task=task, size=size, target=target, problem=problem)
