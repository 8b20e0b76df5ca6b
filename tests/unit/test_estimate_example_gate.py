"""The example's workflow: its command line is run as a GitHub job would."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples" / "05_ci_budget_gate"
WORKFLOW = (FOLDER / "cloud-costs.yml").read_text(encoding="utf-8")


def gate(tmp_path: Path, **replaced: str) -> int:
    """The exit code of the workflow's command, in a folder with a copy of what it reads."""
    (block,) = re.findall(r"run: >-\n((?: {10}.*\n)+)", WORKFLOW)
    name, *arguments = shlex.split(block)
    assert name == "cloudai"
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    command = [sys.executable, "-m", "cloudai", *(replaced.get(one, one) for one in arguments)]
    environ = {**os.environ, "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    return subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, check=False).returncode


def test_the_plan_is_within_its_budget_and_the_job_shows_it(tmp_path):
    assert gate(tmp_path) == 0
    assert json.loads((tmp_path / "costs.json").read_text(encoding="utf-8"))["risk"]["draws"] == 1000
    assert ElementTree.parse(tmp_path / "costs.xml").getroot().get("failures") == "0"
    summary = (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert summary.startswith("### photo search")
    assert "P95" in summary


@pytest.mark.parametrize("budget", ["14000 USD", "16000 USD"])
def test_a_plan_over_either_budget_fails_the_job(tmp_path, budget):
    assert gate(tmp_path, **{budget: "1000 USD"}) == 3
    assert ElementTree.parse(tmp_path / "costs.xml").getroot().get("failures") == "1"
    assert (tmp_path / "summary.md").exists()


def test_the_readme_shows_the_command_of_the_workflow():
    (shown,) = re.findall(r"^cloudai estimate .*$", (FOLDER / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    words = shlex.split(shown)
    assert set(words) <= set(shlex.split(WORKFLOW, comments=True))
