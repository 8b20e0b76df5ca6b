"""Ranges: of a volume, of hours, runs and replicas; what they make of low, likely and high."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from cloudai.cli import main
from cloudai_pricing.draft import Draft
from cloudai_pricing.workload import Line
from cloudai_pricing.workload_file import check


def line(**keys: object) -> Line:
    return check(Draft(name="test", data={"line": [keys]})).lines[0]


def cases(one: Line) -> tuple[Decimal, Decimal, Decimal]:
    return one.stated(one.low), one.stated(one.likely), one.stated(one.high)


TRAIN: dict[str, object] = {"operation": "custom.train", "accelerator": "L4"}
DEPLOY: dict[str, object] = {"operation": "custom.deploy", "accelerator": "L4"}
PHOTOS: dict[str, object] = {"operation": "vision.detect_labels"}
SPEECH: dict[str, object] = {"operation": "speech.transcribe"}


@pytest.mark.parametrize(
    ("keys", "low", "likely", "high"),
    [
        (PHOTOS | {"volume": "1M..3M images/month"}, 10**6, 2 * 10**6, 3 * 10**6),
        (PHOTOS | {"volume": "900k images .. 3M images"}, 900_000, 1_950_000, 3 * 10**6),
        (PHOTOS | {"volume": "2M images", "range": "±25%"}, 1_500_000, 2 * 10**6, 2_500_000),
        (SPEECH | {"volume": "600 min..20 hours"}, 10, 15, 20),
        ({"operation": "storage", "volume": "1..3 TB"}, 1024, 2048, 3072),
        (TRAIN | {"hours": 6, "runs": "4..12/month"}, 24, 48, 72),
        (TRAIN | {"hours": "4..8", "runs": "8/month"}, 32, 48, 64),
        (TRAIN | {"hours": "90 min .. 3 hours", "runs": "2..4/month"}, 3, Decimal("6.75"), 12),
        (TRAIN | {"hours": 10, "range": "±10%"}, 9, 10, 11),
        (TRAIN | {"hours": "6"}, 6, 6, 6),
        (DEPLOY | {"hours": "24/7", "replicas": "2..6"}, 1460, 2920, 4380),
        (DEPLOY | {"hours": "100..300 hours/month"}, 100, 200, 300),
        (DEPLOY | {"hours": "office .. 24/7", "replicas": "1..2"}, 217, Decimal("710.25"), 1460),
        (DEPLOY | {"hours": "office", "replicas": 2, "range": "±50%"}, 217, 434, 651),
    ],
)
def test_a_range_gives_low_mean_and_high(keys, low, likely, high):
    assert cases(line(**keys)) == (low, likely, high)


def test_the_mean_is_read_back(capsys):
    arguments = ["custom.deploy=24/7", "--set", "line.accelerator=L4", "--set", "line.replicas=2..6"]
    assert main(["estimate", *arguments, "--provider", "aws", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "custom.deploy: 730 hours/month x 4 (2 to 6; likely: their mean) replicas" in found["assumptions"][-1]
    total = {case: Decimal(cost) for case, cost in found["options"][0]["total"].items()}
    assert total["low"] * 2 == total["likely"]
    assert total["low"] * 3 == total["high"]


@pytest.mark.parametrize("schedule", ["24/7", "office"])
def test_the_quick_form_takes_a_schedule(capsys, schedule):
    arguments = [f"custom.deploy={schedule}", "--set", "custom.deploy.accelerator=L4", "--provider", "aws"]
    assert main(["estimate", *arguments]) == 0
    assert f"{730 if schedule == '24/7' else 217} hours/month x 1 replica" in capsys.readouterr().out


def test_hours_of_a_machine_are_instance_hours(capsys):
    assert main(["estimate", "custom.train=90 min", "--set", "line.accelerator=L4", "--provider", "aws"]) == 0
    assert "custom.train: 1.5 instance-hours/month." in capsys.readouterr().out


def test_a_machine_that_is_not_named_is_asked_for(capsys):
    assert main(["estimate", "custom.train=10 hours", "--provider", "aws"]) == 4
    assert "--set LINE.accelerator=L4" in capsys.readouterr().out


def test_a_wrong_unit_for_a_machine_shows_hours(capsys):
    assert main(["estimate", "custom.train=10 images", "--provider", "aws"]) == 2
    assert 'Write it like "100 hours/month"' in capsys.readouterr().err


@pytest.mark.parametrize(
    ("sheet", "reads"),
    [
        ("storage=3 TB", "storage: 3 TB = 3,072 GB-months/month."),
        ("storage=500 GiB", "storage: 500 GiB = 500 GB-months/month."),
        ("egress=1.5 TB/month", "egress: 1.5 TB = 1,536 GB/month."),
        ("egress=2 TiB once", "egress: 2 TiB = 2,048 GB once."),
        ("egress=10 GB/day", "egress: 10 GB/day = 304.166666667 GB/month."),
    ],
)
def test_data_is_read_back_in_what_is_counted(capsys, sheet, reads):
    assert main(["estimate", sheet, "--provider", "aws"]) == 0
    assert reads in capsys.readouterr().out


def test_a_range_of_hours_is_drawn(capsys):
    arguments = ["custom.train=10 hours", "--set", "line.accelerator=L4", "--set", "line.volume=5..15 hours"]
    assert main(["estimate", *arguments, "--provider", "aws", "--draws", "200", "--format", "json"]) == 0
    (spread,) = json.loads(capsys.readouterr().out)["risk"]["options"]
    assert Decimal(spread["p5"]) < Decimal(spread["p50"]) < Decimal(spread["p95"])
    assert spread["tornado"][0]["line"] == "custom.train"


def test_another_services_own_unit_is_priced_by_an_overlay_in_the_same_unit(capsys, tmp_path):
    own = tmp_path / "own.toml"
    own.write_text(
        '[[price]]\nprovider = "aws"\noperations = ["other.faces"]\nregion = "global"\nunit = "face-months"\n'
        'tiers = [{ price = "0.00001" }]\n'
    )
    arguments = ["--provider", "aws", "--prices", str(own), "--months", "1"]
    assert main(["estimate", "other.faces=500k face-months", *arguments]) == 0
    assert "$5.00" in capsys.readouterr().out
    assert main(["estimate", "other.faces=500k faces", *arguments]) == 4
    assert "priced per face-month: say how many face-months, not faces" in capsys.readouterr().out
