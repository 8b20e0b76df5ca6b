"""`cloudai deploy`, `predict` and `endpoints`, on this machine: what they print, and their exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "serving"))

from served import scale

from cloudai.cli import main

Say = Callable[..., tuple[int, str, str]]


@pytest.fixture
def say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Say]:
    """Runs a command with a config of its own: exit code, output, notes."""
    scale(tmp_path / "twice", 2.0)
    scale(tmp_path / "thrice", 3.0)
    np.savez(tmp_path / "x.npz", x=np.ones((1, 4), np.float32))
    places = f'endpoints = "{tmp_path}/endpoints"\nmodels = "{tmp_path}/models"\nhourly_price = "0.25"'
    (tmp_path / "cloudai.toml").write_text(
        f'[backends.here]\nprovider = "local"\n{places}\n[routes]\n"custom.*" = ["here"]\n'
    )

    def run(*words: str) -> tuple[int, str, str]:
        code = main([*words, "--config", str(tmp_path / "cloudai.toml")])
        found = capsys.readouterr()
        return code, found.out, found.err

    yield run
    run("endpoints", "delete", "digits")


def test_a_model_is_deployed_listed_asked_shared_and_deleted(say: Say, tmp_path: Path) -> None:
    code, out, _ = say("deploy", str(tmp_path / "twice"), "--name", "digits", "--model-version", "a", "--dry-run")
    assert (code, "0.25 USD per hour" in out) == (0, True)
    assert "no endpoints" in "".join(say("endpoints", "list")[1:])
    code, out, err = say("deploy", str(tmp_path / "twice"), "--name", "digits", "--model-version", "a", "--wait")
    assert code == 0
    assert "0.25 USD per hour" in err  # before
    assert "0.25 USD per hour" in out  # after
    assert "2.0, 2.0" in say("predict", "digits", "--tensors", str(tmp_path / "x.npz"))[1]
    second = ("--model-version", "b", "--traffic", "a=90,b=10", "--json")
    code, out, _ = say("deploy", str(tmp_path / "thrice"), "--name", "digits", *second)
    assert {each["version"]: each["traffic"] for each in json.loads(out)["versions"]} == {"a": 90, "b": 10}
    assert "a 90 %, b 10 %" in say("endpoints", "list")[1]
    say("endpoints", "traffic", "digits", "b=100")
    assert "3.0, 3.0" in say("predict", "digits", "--tensors", str(tmp_path / "x.npz"))[1]
    (found,) = json.loads(say("endpoints", "list", "--json")[1])
    assert found["ref"]["name"] == "digits"
    assert say("endpoints", "delete", "digits")[0] == 0
    assert "no endpoints" in "".join(say("endpoints", "list")[1:])


@pytest.mark.parametrize(
    "words",
    [
        ("deploy", "./nowhere", "--name", "digits"),
        ("deploy", "./nowhere", "--name", "no name"),
        ("deploy", "./nowhere", "--name", "digits", "--traffic", "a:90"),
        ("endpoints", "show", "nobody"),
        ("endpoints", "delete", "nobody"),
    ],
)
def test_wrong_input_is_exit_code_2(say: Say, words: tuple[str, ...]) -> None:
    code, out, err = say(*words)
    assert (code, out) == (2, "")
    assert err
    assert "Traceback" not in err


def test_a_file_that_is_no_npz_is_told_as_such(say: Say, tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"junk")
    code, _, err = say("predict", "digits", "--tensors", str(tmp_path / "x.npz"))
    assert (code, "it is no .npz, which is a zip file of arrays" in err, "pickle" in err) == (2, True, False)
