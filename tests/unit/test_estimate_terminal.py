"""The table as a terminal of 60, 80 or 120 columns shows it: nothing cut, no amount broken."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.text import Text

from cloudai.cli import main

WORKLOAD = """
name = "portal"
months = 24
[[line]]
name = "product photos of the shop and its marketplace partners"
operation = "vision.detect_labels"
volume = "2.4M images"
growth = "8%/month"
range = "±30%"
[[line]]
name = "通話の録音"
operation = "speech.transcribe"
volume = "1500 hours"
[[line]]
name = "defect endpoint"
operation = "custom.deploy"
accelerator = "L4"
replicas = "2..6"
hours = "24/7"
[local]
hardware = "3200 USD"
life = "36 months"
power = "350 W"
electricity = "0.30 USD/kWh"
throughput = { "speech.transcribe" = "40 hours/hour" }
"""


@pytest.fixture
def workload(tmp_path: Path) -> str:
    path = tmp_path / "workload.toml"
    path.write_text(WORKLOAD, encoding="utf-8")
    return str(path)


def shown(columns: int, *arguments: str) -> list[str]:
    """Lines as a terminal of so many columns is given them, without colour."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color"} | {"COLUMNS": "", "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-m", "cloudai", "estimate", *arguments]
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL, env=environment) as process:
        os.close(theirs)
        found = b""
        try:
            while piece := os.read(ours, 65536):
                found += piece
        except OSError:  # Linux says so when the other end is closed
            pass
        process.wait()
    os.close(ours)
    return [Text.from_ansi(line).plain.rstrip() for line in found.decode("utf-8").splitlines()]


def totals(capsys: pytest.CaptureFixture[str], workload: str) -> list[str]:
    main(["estimate", workload, "--format", "json"])
    found = json.loads(capsys.readouterr().out)
    return [f"${float(option['total']['likely']):,.2f}" for option in found["options"]]


@pytest.mark.parametrize("columns", [60, 80, 120])
@pytest.mark.parametrize("more", [(), ("--explain", "--draws", "50")])
def test_nothing_is_cut_and_every_total_is_whole(capsys, workload, columns, more):
    lines = shown(columns, workload, *more)
    assert max(cell_len(line) for line in lines) <= columns
    text = "\n".join(lines)
    assert "…" not in text
    assert all(total in text for total in totals(capsys, workload))
    assert "Where the price changes" in text


def test_a_narrow_terminal_has_volumes_below_the_names_and_providers_in_turn(workload):
    lines = shown(60, workload)
    assert sum(line.startswith(" line") for line in lines) >= 2
    assert "   36,000 hours" in [line[:15] for line in lines]


def test_a_wide_one_has_a_line_in_one_row(workload):
    (row,) = [line for line in shown(160, workload) if line.strip().startswith("通話の録音 *")]
    assert "36,000 hours" in row
    assert row.count("$") == 4


def test_what_is_billed_by_use_has_a_star(workload):
    lines = shown(160, workload)
    assert any("通話の録音 *" in line for line in lines)
    assert not any("defect endpoint *" in line for line in lines)
    assert "* billed by use, the rest by time or by commitment" in lines


def test_a_pipe_has_no_age_of_the_prices_a_terminal_has(capsys, workload):
    main(["estimate", workload, "--as-of", "2026-10-01"])
    assert " old" not in capsys.readouterr().out.splitlines()[0]
    assert " days old" in " ".join(shown(120, workload, "--as-of", "2026-10-01")[:2])
