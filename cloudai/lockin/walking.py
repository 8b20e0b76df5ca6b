"""The files of a folder that a scan reads: sorted; links to folders and other people's code are left out."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cloudai.errors import InvalidInput
from cloudai.lockin.requirements import is_manifest
from cloudai.lockin.scanned import Skipped

LEFT_OUT = frozenset({
    ".git", ".hg", ".svn", ".tox", ".nox", ".venv", "venv", ".env", "env", "node_modules", "__pycache__",
    "site-packages",
    ".mypy_cache", ".pytest_cache", ".ruff_cache", ".ipynb_checkpoints", ".terraform", ".eggs", ".idea", ".vscode",
})  # fmt: skip
"""Folders of tools and of installed packages."""
MAX_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file worth reading: `name` relative to the scanned folder."""

    path: Path
    name: str
    form: str
    """`python`, `notebook`, `manifest`, `terraform` or `template`."""


class Walk:
    """Candidates of a path, and what was skipped on the way."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.skipped: list[Skipped] = []
        self._seen: set[tuple[int, int]] = set()

    def candidates(self) -> list[Candidate]:
        """Raises `InvalidInput` when the path does not exist or can't be read."""
        try:
            mode = self.root.stat().st_mode
            if stat.S_ISDIR(mode):
                next(self.root.iterdir(), None)
        except FileNotFoundError as error:
            raise InvalidInput(f"{self.root} does not exist: name a folder or a file to scan") from error
        except OSError as error:
            raise InvalidInput(f"{self.root} can't be read: {error.strerror or error}") from error
        if stat.S_ISDIR(mode):
            return list(self._folder(self.root, ""))
        return self._single()

    def _single(self) -> list[Candidate]:
        form = form_of(self.root.name, "")
        if form is None:
            raise InvalidInput(
                f"{self.root}: not a file that is scanned (Python, notebook, requirements, Terraform, CloudFormation)"
            )
        if not os.access(self.root, os.R_OK):
            raise InvalidInput(f"{self.root} can't be read: permission denied")
        return [Candidate(self.root, self.root.name, form)]

    def _folder(self, folder: Path, prefix: str) -> Iterator[Candidate]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            here = folder.stat()
        except OSError as error:
            self._skip(prefix.rstrip("/") or ".", f"can't be read: {error.strerror or error}")
            return
        if (here.st_dev, here.st_ino) in self._seen:
            self._skip(prefix.rstrip("/"), "is a link to a folder that was scanned already")
            return
        self._seen.add((here.st_dev, here.st_ino))
        for entry in entries:
            yield from self._entry(entry, prefix)

    def _entry(self, entry: os.DirEntry[str], prefix: str) -> Iterator[Candidate]:
        name = f"{prefix}{entry.name}"
        try:
            if entry.is_dir(follow_symlinks=True):
                if entry.is_symlink():
                    self._link(entry, name)
                elif entry.name not in LEFT_OUT and not Path(entry.path, "pyvenv.cfg").exists():
                    yield from self._folder(Path(entry.path), f"{name}/")
                return
            form = form_of(entry.name, prefix.rstrip("/"))
            if form is None:
                return
            status = entry.stat()
        except OSError as error:
            self._skip(name, f"can't be read: {error.strerror or error}")
            return
        if not stat.S_ISREG(status.st_mode):
            self._skip(name, "is no regular file")
        elif status.st_size > MAX_BYTES:
            self._skip(name, f"has {status.st_size:,} bytes")
        else:
            yield Candidate(Path(entry.path), name, form)

    def _link(self, entry: os.DirEntry[str], name: str) -> None:
        """Linked folders are not entered: what is within is scanned at its own place, what is outside is not ours."""
        target = os.path.realpath(entry.path)
        loop = os.path.realpath(self.root).startswith(target)
        self._skip(name, "is a link to a folder above it" if loop else "is a link to another folder")

    def _skip(self, name: str, reason: str) -> None:
        self.skipped.append(Skipped(file=name, reason=reason))


def form_of(name: str, folder: str) -> str | None:
    """What kind of file a name stands for; None: none that is scanned."""
    lower = name.lower()
    if is_manifest(name, folder):
        return "manifest"
    if lower.endswith((".py", ".pyw", ".pyi")):
        return None if lower.endswith(".pyi") else "python"
    if lower.endswith(".ipynb"):
        return "notebook"
    if lower.endswith((".tf", ".tf.json")):
        return "terraform"
    if lower.endswith((".yaml", ".yml", ".json", ".template")):
        return "template"
    return None
