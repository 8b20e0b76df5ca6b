"""An estimate as the gate of a pipeline."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from cloudai.cli import main

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "01_estimate" / "support_portal.toml")


def failures(path: Path) -> dict[str, str]:
    suite = ElementTree.parse(path).getroot()
    found = {case.get("name") or "": case.find("failure") for case in suite}
    failed = {name: failure.text or "" for name, failure in found.items() if failure is not None}
    assert int(suite.get("failures") or 0) == len(failed)
    assert int(suite.get("tests") or 0) == len(list(suite))
    return failed


def test_junit_has_a_case_per_line_and_one_for_the_budget(tmp_path, capsys):
    path = tmp_path / "junit.xml"
    assert main(["estimate", EXAMPLE, "--junit", str(path), "--budget", "1000000 USD"]) == 0
    assert failures(path) == {}
    assert len(list(ElementTree.parse(path).getroot())) == 3 * 6 + 1
    assert main(["estimate", EXAMPLE, "--junit", str(path), "--budget", "10 USD"]) == 3
    assert "over budget" in failures(path)["budget"]


def test_junit_fails_a_line_without_a_price(tmp_path, capsys):
    path = tmp_path / "junit.xml"
    items = ["vision.detect_labels=3M images", "speech.transcribe=10 hours", "--provider", "aws", "--region", "brazil"]
    assert main(["estimate", *items, "--junit", str(path)]) == 4
    assert "there is one in" in failures(path)["speech.transcribe"]


def test_junit_escapes_what_users_write(tmp_path, capsys):
    workload, path = tmp_path / "w.toml", tmp_path / "junit.xml"
    name = "a <b> & 'c'"
    workload.write_text(f'[[line]]\nname = "{name}"\noperation = "vision.detect_labels"\nvolume = "1k images"\n')
    assert main(["estimate", str(workload), "--junit", str(path), "--provider", "aws"]) == 0
    assert name in {case.get("name") for case in ElementTree.parse(path).getroot()}


def test_a_github_job_gets_the_markdown_on_its_page(tmp_path, capsys, monkeypatch):
    page = tmp_path / "summary.md"
    page.write_text("before\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    assert main(["estimate", EXAMPLE, "--format", "json"]) == 0
    assert page.read_text(encoding="utf-8").startswith("before\n### support portal")
    assert main(["estimate", EXAMPLE, "--budget", "10 USD"]) == 3
    assert "\n> **over budget: the total is $" in page.read_text(encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "no" / "such" / "folder"))
    assert main(["estimate", EXAMPLE, "--format", "json"]) == 0
