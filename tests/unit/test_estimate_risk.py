"""`--draws`: percentiles of the totals, what moves them, and a budget held against P95."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest

from cloudai.cli import main

WORKLOAD = """
name = "risky"
months = 3

[[line]]
name = "photos"
operation = "vision.detect_labels"
volume = "2M images/month"
growth = "5%/month"
range = "±30%"

[[line]]
name = "calls"
operation = "speech.transcribe"
volume = "1000 hours/month"
low = "900 hours/month"
high = "3000 hours/month"

[[line]]
name = "texts"
operation = "translation.translate"
volume = "2M characters/month"
"""


@pytest.fixture
def workload(tmp_path: Path) -> str:
    path = tmp_path / "risky.toml"
    path.write_text(WORKLOAD, encoding="utf-8")
    return str(path)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["estimate", *arguments]) == 0
    return capsys.readouterr().out


def document(capsys: pytest.CaptureFixture[str], *arguments: str):
    return json.loads(run(capsys, *arguments, "--format", "json"))


def numbers(spread) -> list[Decimal]:
    return [Decimal(spread[name]) for name in ("p5", "p50", "p95")]


def test_percentiles_lie_in_rising_order_between_low_and_high(capsys, workload):
    found = document(capsys, workload, "--draws", "500")
    for option, spread in zip(found["options"], found["risk"]["options"], strict=True):
        low, high = Decimal(option["total"]["low"]), Decimal(option["total"]["high"])
        assert option["provider"] == spread["provider"]
        assert low < numbers(spread)[0] < numbers(spread)[1] < numbers(spread)[2] < high
        assert Decimal(spread["dearest_month_p95"]) < numbers(spread)[2]


def test_one_range_alone_swings_from_low_to_high(capsys, workload):
    items = [workload, "--set", "calls.low=1000 hours", "--set", "calls.high=1000 hours", "--draws", "9"]
    found = document(capsys, *items)
    for option, spread in zip(found["options"], found["risk"]["options"], strict=True):
        (swing,) = spread["tornado"]
        assert (swing["low"], swing["high"]) == (option["total"]["low"], option["total"]["high"])


def test_what_moves_the_total_most_comes_first(capsys, workload):
    risk = document(capsys, workload, "--draws", "9")["risk"]
    assert risk["inputs"] == ["calls", "photos"]
    for spread in risk["options"]:
        widths = [Decimal(swing["high"]) - Decimal(swing["low"]) for swing in spread["tornado"]]
        assert widths == sorted(widths, reverse=True)
        assert all(width > 0 for width in widths)


def test_a_seed_gives_the_same_bytes_and_another_seed_others(capsys, workload):
    first, again, other = (
        run(capsys, workload, "--draws", "200", "--seed", seed, "--format", "json") for seed in ("7", "7", "8")
    )
    assert first == again
    assert first != other


def test_without_numpy_the_bytes_are_the_same(capsys, workload):
    items = ["estimate", workload, "--draws", "30", "--format", "json"]
    script = f"import sys; sys.modules['numpy'] = None; from cloudai.cli import main; sys.exit(main({items!r}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == run(capsys, *items[1:])


def test_moving_a_line_changes_no_draw(capsys, workload, tmp_path):
    head, *lines = WORKLOAD.split("[[line]]")
    other = tmp_path / "turned.toml"
    other.write_text("[[line]]".join([head, *reversed(lines)]), encoding="utf-8")
    risks = [document(capsys, path, "--draws", "50")["risk"] for path in (workload, str(other))]
    assert risks[0] == risks[1]


def test_draws_leave_the_rest_as_it_is_and_keep_to_the_schema(capsys, workload):
    found = document(capsys, workload, "--draws", "20")
    jsonschema.validate(found, json.loads(run(capsys, "--schema")))
    found.pop("risk")
    assert found == document(capsys, workload)


def test_without_ranges_every_percentile_is_the_total(capsys):
    found = document(capsys, "vision.detect_labels=3M images", "--draws", "20")
    assert found["risk"]["inputs"] == []
    for option, spread in zip(found["options"], found["risk"]["options"], strict=True):
        assert {spread["p5"], spread["p50"], spread["p95"]} == {option["total"]["likely"]}
    assert "No line has a range" in run(capsys, "vision.detect_labels=3M images", "--draws", "20")


@pytest.mark.parametrize("form", ["table", "markdown", "html"])
def test_people_see_the_percentiles_and_what_moves_them(capsys, workload, form):
    shown = run(capsys, workload, "--draws", "100", "--format", form)
    assert "P95" in shown
    assert "100 draws (seed 0)" in shown
    assert "least mix" in shown


@pytest.mark.parametrize(("per_month", "member"), [("", "p95"), ("/month", "dearest_month_p95")])
def test_a_budget_is_held_against_p95(capsys, workload, per_month, member):
    p95 = Decimal(document(capsys, workload, "--draws", "300")["risk"]["mix"][member])
    arguments = ["estimate", workload, "--draws", "300", "--budget-p95"]
    assert main([*arguments, f"{p95 + 1:.2f} USD{per_month}"]) == 0
    assert main([*arguments, f"{p95 - 1:.2f} USD{per_month}"]) == 3
    assert "P95 of the" in capsys.readouterr().err


def test_a_budget_on_p95_alone_draws_a_thousand_times(capsys, workload):
    assert document(capsys, workload, "--budget-p95", "10M USD".replace("M", "000000"))["risk"]["draws"] == 1000


@pytest.mark.parametrize("draws", ["-1", "1000001"])
def test_a_number_of_draws_out_of_reach_is_refused(capsys, workload, draws):
    assert main(["estimate", workload, "--draws", draws]) == 2
    assert "from 0 to 1,000,000" in capsys.readouterr().err
