"""`cloudai faults serve`: the address, the counts and the bill; Ctrl-C is its normal end."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from cloudai.cli import main

SERVE = (sys.executable, "-W", "error", "-m", "cloudai", "faults", "serve")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_counts_and_bill_come_at_ctrl_c(number: signal.Signals) -> None:
    with subprocess.Popen([*SERVE, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stderr is not None
        found = re.search(r"http://127.0.0.1:\d+", program.stderr.readline())
        assert found is not None
        for _ in range(3):
            assert httpx.post(f"{found[0]}/v1/vision.detect_labels", content=b'{"units": "2"}').status_code == 200
        program.send_signal(number)
        out, errors = program.communicate(timeout=60)
    assert (program.returncode, errors.strip()) == (0, "")
    counted = json.loads(out)
    assert counted["calls"] == {"vision.detect_labels": 3}
    assert counted["bill"]["lines"] == [
        {"operation": "vision.detect_labels", "requests": 3, "quantity": "6", "unit": "image", "cost": None}
    ]


def test_it_plays_a_script_and_shows_what_to_put_into_the_config(tmp_path: Path) -> None:
    script = tmp_path / "script.toml"
    script.write_text('provider = "aws"\n[[script]]\ndo = "status"\nstatus = 503\n')
    with subprocess.Popen([*SERVE, "--script", str(script)], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as program:
        assert program.stderr is not None
        head = b""
        while b"poll_seconds" not in head:
            head += program.stderr.readline()
        config = tmp_path / "cloudai.toml"
        config.write_text("[" + head.decode().partition("[")[2])
        translated = [sys.executable, "-m", "cloudai", "translate", "hello", "--to", "de", "--config", str(config)]
        done = subprocess.run(translated, capture_output=True, text=True, check=True)
        program.send_signal(signal.SIGINT)
        out, _ = program.communicate(timeout=60)
    assert done.stdout.strip() == "[de] hello"
    assert re.search(r"TranslateText\s+2", out.decode())
    assert re.search(r"translation.translate\s+1\s+5 character\s+0\.0000750*", out.decode())


def test_it_can_end_by_itself_and_says_when_nothing_came(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["faults", "serve", "--seconds", "0.01"]) == 0
    assert "no request arrived" in capsys.readouterr().out


def test_a_wrong_script_and_a_taken_port_are_wrong_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    script = tmp_path / "script.toml"
    script.write_text('[[script]]\ndo = "explode"\n')
    assert main(["faults", "serve", "--script", str(script)]) == 2
    assert "do = 'explode' is none of" in capsys.readouterr().err
