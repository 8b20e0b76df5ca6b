"""Whatever is given, the user sees one or two lines and an exit code: never a traceback."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from cloudai.cli import main
from cloudai.cli.commands import TABLE

FAKE = '[backends.test]\nprovider = "fake"\n'


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cloudai.toml").write_text(FAKE)
    jpeg = io.BytesIO()
    Image.new("RGB", (400, 300), "red").save(jpeg, "JPEG")
    Path("good.png").write_bytes(png())
    Path("empty.png").write_bytes(b"")
    Path("text.png").write_text("this is text, whatever its name says\n")
    Path("cut.jpg").write_bytes(jpeg.getvalue()[: len(jpeg.getvalue()) // 2])
    Path("header-only.jpg").write_bytes(jpeg.getvalue()[:12])
    Path("folder.png").mkdir()


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "white").save(buffer, "PNG")
    return buffer.getvalue()


def told(status: int, err: str) -> str:
    """The message, checked to be short, on stderr, and without a traceback."""
    lines = [line for line in err.splitlines() if line.startswith("cloudai: ")]
    assert status in (1, 2)
    assert len(lines) == 1
    assert len(err.splitlines()) <= 3
    assert "Traceback" not in err
    assert "internal error" not in err
    return lines[0]


@pytest.mark.parametrize(
    ("argv", "status", "said"),
    [
        (["vision", "read-text", "empty.png"], 2, "empty"),
        (["vision", "read-text", "text.png"], 2, "text.png"),
        (["vision", "read-text", "header-only.jpg"], 2, "header-only.jpg"),
        (["vision", "read-text", "missing.png"], 2, "missing.png"),
        (["vision", "read-text", "folder.png"], 2, "folder.png"),
        (["vision", "read-text", "good.png", "--backend", "nowhere"], 2, "nowhere"),
        (["vision", "read-text", "good.png", "--config", "missing.toml"], 2, "missing.toml"),
        (["vision", "read-text", "good.png", "--min-confidence", "2"], 2, "min_confidence"),
        (["vision", "detect-labels", "good.png", "--max-results", "many"], 2, "--max-results"),
        (["vision", "read-document", "good.png", "--feature", "tabels"], 2, "tabels"),
        (["vision", "read-text", "http://127.0.0.1:1/a.png"], 2, "127.0.0.1"),
        (["vision", "read-text", "https://user:pw@[::1"], 2, ""),
        (["transcribe", "good.png"], 2, "good.png"),
        (["synthesize", "hello", "-o", "a.wav", "--rate", "100"], 2, "rate"),
        (["custom", "predict", "flowers"], 2, "--tensors"),
        (["custom", "predict", "flowers", "--tensors", "text.png"], 2, "text.png"),
        (["custom", "predict", "flowers", "--tensors", "missing.npz"], 2, "missing.npz"),
        (["custom", "train", "missing.toml"], 2, "missing.toml"),
        (["custom", "train", "text.png"], 2, "text.png"),
        (["custom", "train", "cloudai.toml"], 2, ""),
        (["operations", "--operation", "vision.read_txt"], 2, "vision.read_text"),
        (["operations", "--provider", "awz"], 2, "aws"),
        (["backends", "tset"], 2, "test"),
        (["config", "show", "--config", "text.png"], 2, "text.png"),
        (["config", "check", "--config", "missing.toml"], 2, "config init"),
        (["config", "init", "no/such/folder.toml"], 2, "no/such"),
        (["config"], 2, "VERB"),
        (["completion", "ksh"], 2, "ksh"),
        (["estimate", "missing.toml"], 2, "missing.toml"),
        (["estimate", "text.png"], 2, "text.png"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_input_is_one_message(
    argv: list[str], status: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == status
    assert said in told(status, capsys.readouterr().err)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[backends",
        "backends = 3",
        "[backends.a]\nregion = 'x'",
        "[backends.a]\nprovider = 'fakr'",
        "[backends.a]\nprovider = 'fake'\nregoin = 'x'",
        "[backends.a]\nprovider = 'fake'\napi_key = '${CLOUDAI_TEST_NOT_SET}'",
        "[backends.a]\nprovider = 'fake'\n[routes]\n'vision.*' = 'b'",
        "[routes]\n'visoin.*' = 'local'",
        "[policy]\ntimeout = 20",
        "[budget]\nmonthly = '500 EUR'",
        "\x00",
    ],
)
def test_a_wrong_config_is_one_message_that_names_the_file(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("cloudai.toml").write_text(text)
    status = main(["config", "check"])
    err = capsys.readouterr().err
    if text:
        assert status == 2
        assert "cloudai.toml" in told(status, err)


def test_a_cut_picture_fails_without_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    main(["vision", "read-text", "cut.jpg", "--resize"])
    assert "Traceback" not in capsys.readouterr().err


def test_lone_surrogates_are_wrong_input(capsys: pytest.CaptureFixture[str]) -> None:
    """What a shell hands over for bytes that are not UTF-8."""
    assert main(["translate", "caf\udce9", "--to", "en"]) == 2
    told(2, capsys.readouterr().err)


def test_a_file_name_that_is_not_utf_8_can_be_named() -> None:
    name = b"caf\xe9.png"
    Path(os.fsdecode(name)).write_bytes(b"nothing")
    done = subprocess.run([sys.executable, "-m", "cloudai.cli", "vision", "read-text", name], capture_output=True)
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr
    assert b"caf\\udce9.png" in done.stderr


def test_an_error_nobody_foresaw_is_two_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "odd_cli.py").write_text(
        "class Odd:\n    def configure(self, parser): pass\n    def run(self, args): raise ZeroDivisionError('a\\nb')\n"
        "COMMAND = Odd()\n"
    )
    info = tmp_path / "odd-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[cloudai.commands]\nodd = odd_cli:COMMAND\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert main(["odd"]) == 1
    err = capsys.readouterr().err
    assert err == "cloudai: internal error: ZeroDivisionError: a\nRun it again with --debug to see where.\n"


WORDS = st.one_of(
    st.sampled_from([row.name for row in TABLE if row.name not in ("estimate", "local", "doctor")]),
    st.sampled_from(
        ["read-text", "translate", "voices", "show", "check", "--json", "--to", "de", "--", "-", "-o", "x"]
    ),
    st.sampled_from(["good.png", "empty.png", "text.png", "*.png", "--jobs", "2", "--option", "fake.seed=1", "--raw"]),
    st.text(max_size=8),
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(argv=st.lists(WORDS, max_size=6))
def test_no_command_line_raises(argv: list[str], capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    stdin, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(b"from a pipe"), encoding="utf-8")
    try:
        status = main(argv)
    finally:
        sys.stdin = stdin
    err = capsysbinary.readouterr().err
    assert status in (0, 1, 2)
    assert b"Traceback" not in err
    assert b"internal error" not in err
    assert status == 0 or err


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
@given(data=st.binary(max_size=64), name=st.sampled_from(["a.png", "a.wav", "a.pdf", "a.npz", "a.json", "a.toml"]))
def test_no_file_raises(data: bytes, name: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    Path(name).write_bytes(data)
    for argv in (
        ["vision", "read-text", name],
        ["transcribe", name],
        ["vision", "read-document", name],
        ["custom", "predict", "m", "--tensors", name],
        ["custom", "train", name],
        ["config", "show", "--config", name],
    ):
        status = main([*argv, "--json"] if argv[0] == "vision" else argv)
        err = capsysbinary.readouterr().err
        assert status in (0, 2), err
        assert b"Traceback" not in err
        assert b"internal error" not in err


def test_a_json_answer_is_alone_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    for argv in (["backends"], ["config", "show"], ["config", "check"], ["vision", "caption", "good.png"]):
        assert main([*argv, "--json"]) == 0
        json.loads(capsys.readouterr().out)
