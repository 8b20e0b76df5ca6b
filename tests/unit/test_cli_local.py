"""`cloudai local models` against a hub on loopback: pull, list, add, remove, and what is seen when it goes wrong."""

from __future__ import annotations

import hashlib
import json
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cloudai.cli import main

WEIGHTS = bytes(range(256)) * 4096

CATALOGUE = """\
[models.tiny]
title = "A tiny model"
licence = "MIT"
source = "https://example.com/tiny"
repository = "acme/tiny"
manifest = '''
task = "faces"
'''
as_of = "2026-11-21"
pins = "made in the test"

[[models.tiny.files]]
path = "weights.onnx"
size = {size}
sha256 = "{sha256}"
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
        """Nothing on the test's stderr."""


@pytest.fixture(autouse=True)
def _hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A hub with one model, named by the environment, and a catalogue that pins it."""
    file = tmp_path / "hub" / "acme" / "tiny" / "resolve" / "main" / "weights.onnx"
    file.parent.mkdir(parents=True)
    file.write_bytes(WEIGHTS)
    catalogue = tmp_path / "catalogue.toml"
    catalogue.write_text(CATALOGUE.format(size=len(WEIGHTS), sha256=hashlib.sha256(WEIGHTS).hexdigest()))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "hub")))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("CLOUDAI_MODEL_HUB", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("CLOUDAI_MODEL_CATALOGUE", str(catalogue))
    yield
    server.shutdown()
    server.server_close()


def listed(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, dict[str, object]]:
    assert main(["local", "models", "list", "--json", *argv]) == 0
    return {row["name"]: row for row in json.loads(capsys.readouterr().out)}


def test_a_model_is_pulled_listed_and_removed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["local", "models", "pull", "tiny"]) == 0
    out, err = capsys.readouterr()
    assert (out, err.startswith("tiny is in ")) == ("", True)
    model = listed(capsys)["tiny"]
    assert (Path(str(model["path"])) / "weights.onnx").read_bytes() == WEIGHTS
    assert (model["task"], model["problem"]) == ("faces", None)
    assert main(["local", "models", "remove", "tiny"]) == 0
    assert listed(capsys) == {}


def test_what_can_be_pulled_is_listed_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["local", "models", "list"]) == 0
    assert "cloudai local models list --all" in capsys.readouterr().out
    models = listed(capsys, "--all")
    assert models["tiny"]["installed"] is False
    assert "whisper-base" in models
    main(["local", "models", "pull", "tiny"])
    capsys.readouterr()
    assert listed(capsys, "--all")["tiny"]["installed"] is True


def test_a_pull_has_a_progress_bar_on_a_terminal() -> None:
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "cloudai.cli", "local", "models", "pull", "tiny"]
    process = subprocess.Popen(command, stderr=slave, stdout=subprocess.DEVNULL, env={**os.environ, "TERM": "xterm"})
    os.close(slave)
    seen = b""
    while True:
        try:
            chunk = os.read(master, 65536)
        except OSError:  # the other end is closed
            break
        if not chunk:
            break
        seen += chunk
    os.close(master)
    assert process.wait() == 0
    assert b"weights.onnx" in seen


def test_a_folder_is_added_under_a_name_and_only_forgotten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "model.toml").write_text('task = "faces"\n')
    assert main(["local", "models", "add", str(folder), "--name", "my-faces"]) == 0
    assert listed(capsys)["my-faces"]["target"] == str(folder)
    assert main(["local", "models", "remove", "my-faces"]) == 0
    assert (folder / "model.toml").exists()


def test_weights_that_are_not_those_pinned_are_not_installed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "hub/acme/tiny/resolve/main/weights.onnx").write_bytes(b"x" * len(WEIGHTS))
    assert main(["local", "models", "pull", "tiny"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("cloudai: ")
    assert "Traceback" not in err
    assert main(["local", "models", "list"]) == 0
    assert "not complete" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["pull", "tinny"], "tinny"),
        (["pull", "../up"], "../up"),
        (["add", "no-such-folder"], "no-such-folder"),
        (["remove", "tiny"], "there are: none"),
    ],
)
def test_a_wrong_name_is_one_message(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["local", "models", *argv]) == 2
    err = capsys.readouterr().err
    assert err.startswith("cloudai: ")
    assert said in err
    assert len(err.splitlines()) <= 2
