"""The guide's files are read as it says."""

from __future__ import annotations

import re
from pathlib import Path

from cloudai_pricing.draft import Draft
from cloudai_pricing.overlay_file import parse_overlay
from cloudai_pricing.tomlfile import TomlFile
from cloudai_pricing.workload_file import check

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "estimate.md").read_text(encoding="utf-8")
WORKLOAD, OVERLAY, LOCAL = re.findall(r"^```toml\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


def test_the_workload_of_the_guide_is_one():
    file = TomlFile.parse(WORKLOAD, "docs/estimate.md")
    assert len(check(Draft(name=file.name, data=file.data, file=file)).lines) == 8


def test_the_machines_of_the_guide_go_with_its_workload():
    file = TomlFile.parse(f"{LOCAL}\n{WORKLOAD.partition('months = 12')[2]}", "docs/estimate.md")
    local = check(Draft(name=file.name, data=file.data, file=file)).local
    assert local is not None
    assert len(local.throughput) == 2


def test_the_overlay_of_the_guide_is_one():
    overlay = parse_overlay(TomlFile.parse(OVERLAY, "docs/estimate.md", parse_float=str))
    assert (len(overlay.prices), len(overlay.discounts)) == (2, 1)


def test_the_guide_names_every_flag_of_the_help(capsys):
    from cloudai.cli import main

    assert main(["estimate", "--help"]) == 0
    flags = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out)) - {"--help", "--output", "--debug"}
    assert {flag for flag in flags if flag not in GUIDE} == set()


def test_the_library_lines_of_the_guide_run(monkeypatch, capsys):
    (lines,) = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(ROOT)
    exec(lines, {})
    assert "azure" in capsys.readouterr().out
