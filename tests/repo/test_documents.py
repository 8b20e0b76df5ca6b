"""Every block of README and the guides runs, in order, beside what it names; every link leads somewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = ["README.md", *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md")))]
BLOCK = re.compile(r"(?:<!-- run: (?P<mark>\w+) -->\n)?^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
INSTALLS = re.compile(r"^pip install [^&\n]*(&& )?|^apt install [^\n]*", re.MULTILINE)
RUN = {"README.md", "docs/guide.md", "docs/providers.md"}
"""Documents whose blocks are run; the others show formats."""


def blocks(name: str) -> list[tuple[str, str, str]]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return [(match["mark"] or "", match["kind"], match["text"]) for match in BLOCK.finditer(text)]


def run(kind: str, text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    if kind == "python":
        command = [sys.executable, "-c", text]
    else:
        command = ["bash", "-euo", "pipefail", "-c", INSTALLS.sub("", text)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env={**os.environ, "PATH": path}, check=False
    )


@pytest.mark.parametrize("name", sorted(RUN))
def test_every_block_runs(name: str, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    shutil.copy(ROOT / "examples" / "02_read_a_photo" / "photo.jpg", tmp_path)
    ran = 0
    for mark, kind, text in blocks(name):
        if mark == "test":
            continue  # this very run
        if kind == "toml":
            (tmp_path / "cloudai.toml").write_text(text, encoding="utf-8")
        elif kind in ("python", "bash"):
            done = run(kind, text, tmp_path)
            assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
            ran += 1
    assert ran > 0


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_leads_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    broken = [link for link in LINK.findall(text) if not (ROOT / name).parent.joinpath(link).exists()]
    assert broken == []


def test_the_two_commands_are_one_line_each() -> None:
    marked = {mark: text for mark, _, text in blocks("README.md") if mark}
    assert sorted(marked) == ["main", "test"]
    assert all(len(text.strip().splitlines()) == 1 for text in marked.values())
