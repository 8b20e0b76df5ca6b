"""Machines of one's own beside the clouds: hardware, idling and work, each to the cent."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest

from cloudai.cli import main

LOCAL = """
[local]
hardware = "3600 USD"
life = "3 years"
power = "350 W"
idle_power = "50 W"
electricity = "0.20 USD/kWh"
throughput = { "speech.transcribe" = "40 hours/hour", photos = "10 images/second" }
"""
LINES = """
[[line]]
name = "calls"
operation = "speech.transcribe"
volume = "4000 hours"

[[line]]
name = "photos"
operation = "vision.detect_labels"
volume = "3.6M images"
"""


@pytest.fixture
def workload(tmp_path: Path) -> str:
    path = tmp_path / "own.toml"
    path.write_text(f"months = 2\n{LOCAL}{LINES}", encoding="utf-8")
    return str(path)


def document(capsys: pytest.CaptureFixture[str], *arguments: str):
    code = main(["estimate", *arguments, "--format", "json"])
    return code, json.loads(capsys.readouterr().out)


def test_hardware_and_idling_are_paid_once_and_work_by_the_hour(capsys, workload):
    code, found = document(capsys, workload, "--provider", "local")
    (option,) = found["options"]
    assert (code, option["provider"], option["complete"]) == (0, "local", True)
    hardware = Decimal(3600) / 36
    idling = Decimal(730) * 50 / 1000 * Decimal("0.20")
    work = Decimal(100 + 100) * 300 / 1000 * Decimal("0.20")
    assert Decimal(option["month"]["likely"]) == hardware + idling + work
    assert Decimal(option["total"]["likely"]) == 2 * (hardware + idling + work)
    assert [line["billed_quantity"] for line in option["lines"]] == ["200", "200"]


def test_every_slice_says_that_the_figures_are_ones_own(capsys, workload):
    _, found = document(capsys, workload, "--provider", "local")
    jsonschema.validate(found, json.loads(schema(capsys)))
    slices = [piece for line in found["options"][0]["lines"] for piece in line["slices"]]
    assert {(piece["source"], piece["confidence"], piece["overridden"]) for piece in slices} == {
        ("your own figures", "own", True)
    }
    assert any(text.startswith("Local: one machine at $3,600.00 over 36 months") for text in found["assumptions"])


def schema(capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["estimate", "--schema"]) == 0
    return capsys.readouterr().out


def test_local_is_a_column_and_a_choice_of_the_mix(capsys, workload):
    _, found = document(capsys, workload)
    assert [option["provider"] for option in found["options"]] == ["aws", "azure", "gcp", "local"]
    assert {choice["provider"] for choice in found["mix"]["choices"]} == {"local"}
    totals = [Decimal(option["total"]["likely"]) for option in found["options"]]
    assert Decimal(found["mix"]["total"]["likely"]) == min(totals)


def test_more_than_the_machines_can_do_has_no_known_price(capsys, workload):
    items = [workload, "--provider", "local", "--set", "calls.volume=40000 hours"]
    code, found = document(capsys, *items)
    assert (code, found["options"][0]["complete"]) == (4, False)
    code, found = document(capsys, *items, "--set", "local.machines=2")
    assert (code, found["options"][0]["complete"]) == (0, True)
    code, found = document(capsys, *items, "--set", "local.machines=2", "--set", "local.utilisation=50%")
    assert code == 4


def test_channels_and_languages_are_worked_one_by_one(capsys, workload):
    _, found = document(capsys, workload, "--provider", "local", "--set", "calls.channels=2")
    assert [line["billed_quantity"] for line in found["options"][0]["lines"]] == ["400", "200"]


def test_a_line_without_a_throughput_is_unknown(capsys, workload):
    text = Path(workload).read_text(encoding="utf-8").replace(', photos = "10 images/second"', "")
    Path(workload).write_text(text, encoding="utf-8")
    code, found = document(capsys, workload, "--provider", "local")
    assert code == 4
    assert "throughput" in found["options"][0]["lines"][1]["notes"][0]


def test_draws_count_machine_hours_as_the_estimate_does(capsys, workload):
    items = [workload, "--provider", "local", "--set", "calls.range=±50%", "--draws", "20"]
    _, found = document(capsys, *items)
    (swing,) = found["risk"]["options"][0]["tornado"]
    total = found["options"][0]["total"]
    assert (swing["low"], swing["high"]) == (total["low"], total["high"])


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('hardware = "3600 USD"', "hardware = 3600", 'hardware = "3200 USD"'),
        ('life = "3 years"', 'life = "soon"', "months or years"),
        ('power = "350 W"', 'power = "350 kW"', "not an amount in w"),
        ('idle_power = "50 W"', 'idle_power = "500 W"', "more than power"),
        ('electricity = "0.20 USD/kWh"', "", "local has no electricity"),
        ("photos =", "fotos =", "Did you mean 'photos'?"),
        ('"10 images/second"', '"10 pages/second"', "Write images per second"),
        ('"10 images/second"', '"10 images"', "Write images per second"),
        ("[local]", "[local]\nmaschines = 2", "Did you mean 'machines'?"),
        ("[local]", '[local]\nutilisation = "0%"', "above 0%"),
    ],
)
def test_a_wrong_figure_is_said_with_file_and_line(capsys, workload, old, new, says):
    text = Path(workload).read_text(encoding="utf-8")
    assert old in text
    Path(workload).write_text(text.replace(old, new, 1), encoding="utf-8")
    assert main(["estimate", workload]) == 2
    shown = capsys.readouterr().err
    assert says in shown
    assert "own.toml:" in shown
