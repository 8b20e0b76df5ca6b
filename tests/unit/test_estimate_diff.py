"""`--diff`: what changed since a saved estimate, split into effects that add up exactly."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from cloudai.cli import main

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "01_estimate" / "support_portal.toml")


@pytest.fixture
def old(tmp_path: Path) -> str:
    path = tmp_path / "old.json"
    assert main(["estimate", EXAMPLE, "--format", "json", "--output", str(path)]) == 0
    return str(path)


def diff(capsys: pytest.CaptureFixture[str], old: str, *arguments: str):
    code = main(["estimate", EXAMPLE, "--diff", old, "--format", "json", *arguments])
    assert code in (0, 4)
    return json.loads(capsys.readouterr().out)["diff"]


def parts(change) -> dict[str, Decimal]:
    return {name: Decimal(part) for name, part in change["effects"].items()}


def assert_adds_up(change) -> None:
    before, after = Decimal(change["before"] or 0), Decimal(change["after"] or 0)
    assert after - before == Decimal(change["change"]) == sum(parts(change).values())


def only(change) -> set[str]:
    return {name for name, part in parts(change).items() if part}


OWN = """
[[price]]
provider = "aws"
service = "Rekognition Image"
sku = "Group 2 image APIs"
operations = ["vision.detect_labels", "vision.moderate", "vision.read_text"]
region = "us-east-1"
unit = "image"
pool = "rekognition.group2"
tiers = [{ up_to = "1_000_000", price = "0.0009" }, { up_to = "5_000_000", price = "0.0007" }, { price = "0.0005" }]
"""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--set", "product photos.volume=9M images/month"],
        ["--set", "spoken answers.variant=standard"],
        ["--free-tier", "none"],
        ["--region", "eu"],
        ["--months", "3"],
        ["--provider", "gcp"],
        ["--set", "product photos.name=pictures"],
    ],
)
def test_effects_add_up_exactly(capsys, old, arguments):
    found = diff(capsys, old, *arguments)
    for option in found["options"]:
        assert_adds_up(option)
        for line in option["lines"]:
            assert_adds_up(line)
    assert_adds_up(found["mix"])


def test_nothing_changed_says_so(capsys, old):
    found = diff(capsys, old)
    assert all(not only(option) for option in found["options"])
    assert not only(found["mix"])


def test_more_volume_is_a_volume_effect(capsys, old):
    found = diff(capsys, old, "--set", "call recordings.volume=3000 hours/month")
    for option in found["options"]:
        assert only(option) == {"volume"}


def test_another_price_is_a_price_effect(capsys, old, tmp_path):
    path = tmp_path / "own.toml"
    path.write_text('[[discount]]\nprovider = "gcp"\nservice = "*"\npercent = "10"\n', encoding="utf-8")
    found = diff(capsys, old, "--prices", str(path))
    changed = {option["provider"]: only(option) for option in found["options"]}
    assert changed == {"aws": set(), "azure": set(), "gcp": {"price"}}


def test_no_allowance_is_an_assumption_effect(capsys, old):
    found = diff(capsys, old, "--free-tier", "none")
    changed = {option["provider"]: only(option) for option in found["options"]}
    assert changed == {"aws": set(), "azure": set(), "gcp": {"assumption"}}


def test_lines_come_and_go_with_plus_and_minus(capsys, old):
    assert main(["estimate", EXAMPLE, "--diff", old, "--set", "product photos.name=pictures"]) == 0
    shown = capsys.readouterr().out
    assert "+ pictures: - -> $" in shown
    assert "- product photos: $" in shown


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("{}", "is not an estimate"),
        ("[1]", "is not an estimate"),
        ('{"schema": "cloudai.estimate/1"}', "has not the form"),
        ('{"schema": "cloudai.estimate/1", "name": 1, "options": [{"a": []}], "mix": 3, "snapshot": {}}', "the form"),
    ],
)
def test_a_wrong_old_file_is_said(capsys, tmp_path, content, says):
    path = tmp_path / "old.json"
    path.write_text(content, encoding="utf-8")
    assert main(["estimate", EXAMPLE, "--diff", str(path)]) == 2
    shown = capsys.readouterr().err
    assert "old.json" in shown
    assert says in shown


def test_a_missing_old_file_is_said(capsys):
    assert main(["estimate", EXAMPLE, "--diff", "nowhere.json"]) == 2
    assert "nowhere.json: can't be read" in capsys.readouterr().err
