"""The build step of the page's charts: fetches what `assets/vendored.toml` names from npm and checks it by hash.

    python -m cloudai.report.vendor            # exit code 1: a file here is not what the table says
    python -m cloudai.report.vendor --fetch    # asks npm (`npm pack`) and writes the files anew

To take a newer version, write it into the table, fetch, look at the page, and write down the hash that is printed.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ASSETS = Path(__file__).with_name("assets")


class Vendored(NamedTuple):
    """A file of an npm package; `path` is its place there, `name` its name here."""

    name: str
    package: str
    version: str
    path: str
    licence: str
    source: str
    sha256: str


def vendored() -> tuple[Vendored, ...]:
    """The table."""
    rows = tomllib.loads((ASSETS / "vendored.toml").read_text(encoding="utf-8"))["file"]
    return tuple(Vendored(**row) for row in rows)


def wrong(folder: Path = ASSETS) -> list[str]:
    """What is missing or not what the table says, in words."""
    found = []
    for one in vendored():
        path = folder / one.name
        digest = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "missing"
        if digest != one.sha256:
            found.append(f"{one.name} ({one.package} {one.version}): sha256 {digest}, not {one.sha256}")
    return found


def fetch(folder: Path = ASSETS) -> None:
    """Takes every file from its package at npm. Raises `CalledProcessError` where npm does not give it."""
    with tempfile.TemporaryDirectory() as scratch:
        for package in dict.fromkeys(f"{one.package}@{one.version}" for one in vendored()):
            command = ["npm", "pack", "--silent", "--pack-destination", scratch, package]
            name = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]
            with tarfile.open(Path(scratch) / name) as archive:
                for one in vendored():
                    if f"{one.package}@{one.version}" == package:
                        member = archive.extractfile(f"package/{one.path}")
                        assert member is not None, f"{package} has no file {one.path}"
                        (folder / one.name).write_bytes(member.read())


def main(arguments: Sequence[str]) -> int:
    """The command."""
    if "--fetch" in arguments:
        fetch()
    found = wrong()
    sys.stderr.writelines(f"{line}\n" for line in found)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
