"""The progress bar of a long scan: there on a terminal (a real pseudo-terminal), nowhere else."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

FILES = 20_000


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20,000 files, one of them with a call."""
    folder = tmp_path_factory.mktemp("many")
    for number in range(FILES):
        inner = folder / f"p{number // 200}"
        inner.mkdir(exist_ok=True)
        (inner / f"m{number}.py").write_text(f"def f(x):\n    return x + {number}\n", encoding="utf-8")
    call = 'import boto3\nboto3.client("rekognition").detect_labels(Image={"Bytes": b""})\n'
    (folder / "p0" / "m0.py").write_text(call, encoding="utf-8")
    return folder


def on_terminal(arguments: list[str], output: Path) -> str:
    """What a command writes to a stderr that is a terminal; its stdout goes to a file."""
    reading, writing = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": "100"}
    environment.pop("NO_COLOR", None)
    with output.open("wb") as file:
        done = subprocess.Popen([sys.executable, "-m", "cloudai", *arguments], stdout=file, stderr=writing,
                                env=environment)  # fmt: skip
    os.close(writing)
    shown = bytearray()
    while True:
        try:
            part = os.read(reading, 65536)
        except OSError:  # the other end is closed: on Linux that is how a terminal ends
            break
        if not part:
            break
        shown += part
    os.close(reading)
    assert done.wait() == 0, shown.decode(errors="replace")
    return shown.decode(errors="replace")


def test_a_scan_of_20_000_files_shows_a_bar_on_a_terminal_and_takes_it_away(many: Path, tmp_path: Path) -> None:
    shown = on_terminal(["lockin", str(many), "--format", "json"], tmp_path / "found.json")
    assert f"/{FILES}" in shown
    counts = {int(part.split()[-1]) for part in shown.split(f"/{FILES}")[:-1] if part.split()[-1].isdigit()}
    assert len(counts) > 2
    assert max(counts) <= FILES
    assert "\x1b[2K" in shown  # the line is erased at the end
    assert json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))["files"] == FILES


def test_quiet_shows_none_on_a_terminal(many: Path, tmp_path: Path) -> None:
    assert on_terminal(["lockin", str(many / "p1"), "--quiet"], tmp_path / "found") == ""


def test_no_bar_where_stderr_is_no_terminal(many: Path) -> None:
    arguments = [sys.executable, "-m", "cloudai", "lockin", str(many / "p1"), "--format", "json"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert json.loads(done.stdout)["files"] == 200
