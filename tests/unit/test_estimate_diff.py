"""`--diff`: what changed since a saved estimate, split into effects that add up exactly."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import jsonschema
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


def test_the_document_with_a_diff_keeps_to_the_schema(capsys, old):
    assert main(["estimate", "--schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    main(["estimate", EXAMPLE, "--diff", old, "--provider", "gcp", "--free-tier", "none", "--format", "json"])
    found = json.loads(capsys.readouterr().out)
    jsonschema.validate(found, schema)
    assert found["diff"]["options"]


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


OWN_MACHINES = """
[[line]]
name = "calls"
operation = "speech.transcribe"
volume = "1500 hours"
[[line]]
name = "photos"
operation = "vision.detect_labels"
volume = "1M images"
[local]
hardware = "3200 USD"
life = "36 months"
power = "350 W"
idle_power = "60 W"
electricity = "0.30 USD/kWh"
machines = 1
throughput = { "speech.transcribe" = "40 hours/hour", photos = "5 images/second" }
"""


@pytest.mark.parametrize(
    ("old_text", "new_text", "effects", "change"),
    [
        ('"3200 USD"', '"5000 USD"', {"price"}, "600"),
        ('"36 months"', '"24 months"', {"price"}, "533.333333328"),
        ('"0.30 USD/kWh"', '"0.50 USD/kWh"', {"price"}, None),
        ('"350 W"', '"500 W"', {"price"}, None),
        ('"60 W"', '"100 W"', {"price"}, None),
        ("machines = 1", "machines = 2", {"assumption"}, None),
        ('"40 hours/hour"', '"20 hours/hour"', {"assumption"}, "39.15"),
        ('"1500 hours"', '"3000 hours"', {"volume"}, "39.15"),
        (', photos = "5 images/second"', "", {"assumption"}, None),
        ('"3200 USD"', '"0 USD"', {"price"}, None),
    ],
)
def test_what_own_machines_change_is_said_by_its_cause(capsys, tmp_path, old_text, new_text, effects, change):
    before, after, saved = tmp_path / "a.toml", tmp_path / "b.toml", tmp_path / "old.json"
    before.write_text(OWN_MACHINES, encoding="utf-8")
    assert old_text in OWN_MACHINES
    after.write_text(OWN_MACHINES.replace(old_text, new_text), encoding="utf-8")
    assert main(["estimate", str(before), "--format", "json", "--output", str(saved)]) == 0
    main(["estimate", str(after), "--diff", str(saved), "--format", "json"])
    found = json.loads(capsys.readouterr().out)["diff"]
    (local,) = [option for option in found["options"] if option["provider"] == "local"]
    for one in (*found["options"], *local["lines"], found["mix"]):
        assert_adds_up(one)
    assert only(local) == effects
    assert change is None or Decimal(local["change"]) == Decimal(change)


def test_machines_that_come_new_are_an_assumption_and_no_volume(capsys, tmp_path):
    before, after, saved = tmp_path / "a.toml", tmp_path / "b.toml", tmp_path / "old.json"
    before.write_text(OWN_MACHINES.partition("[local]")[0], encoding="utf-8")
    after.write_text(OWN_MACHINES, encoding="utf-8")
    assert main(["estimate", str(before), "--format", "json", "--output", str(saved)]) == 0
    assert main(["estimate", str(after), "--diff", str(saved), "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)["diff"]
    assert {option["provider"]: only(option) for option in found["options"]} == {
        "aws": set(), "azure": set(), "gcp": set(), "local": {"assumption"}
    }  # fmt: skip
    assert only(found["mix"]) == {"mix"}


@pytest.mark.parametrize(
    "more", [["--vary", "product photos.volume=1M..2M images:2"], ["--format", "csv"], ["--format", "focus"]]
)
def test_a_diff_is_refused_where_it_could_not_be_shown(capsys, old, more):
    assert main(["estimate", EXAMPLE, "--diff", old, *more]) == 2
    assert "--diff" in capsys.readouterr().err


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
