"""`--vary`: every step is the estimate that `--set` would give."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import jsonschema
import pytest

from cloudai.cli import main
from cloudai_pricing.sweep import parse_vary

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "01_estimate" / "support_portal.toml")
VARY = ["--vary", "product photos.volume=1M..9M images/month:3"]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["estimate", *arguments]) == 0
    return capsys.readouterr().out


def test_each_step_is_the_estimate_of_its_value(capsys):
    found = json.loads(run(capsys, EXAMPLE, *VARY, "--format", "json"))
    assert [step["values"] for step in found["sweep"]["steps"]] == [
        ["1000000 images/month"],
        ["5000000 images/month"],
        ["9000000 images/month"],
    ]
    for step in found["sweep"]["steps"]:
        change = f"product photos.volume={step['values'][0]}"
        alone = json.loads(run(capsys, EXAMPLE, "--set", change, "--format", "json"))
        assert [one["total"] for one in step["options"]] == [one["total"] for one in alone["options"]]
        assert step["mix"]["total"] == alone["mix"]["total"]
        assert step["cheapest"] in ("aws", "azure", "gcp")


def test_a_sweep_leaves_the_document_as_it_is_and_keeps_to_the_schema(capsys):
    plain = json.loads(run(capsys, EXAMPLE, "--format", "json"))
    found = json.loads(run(capsys, EXAMPLE, *VARY, "--format", "json"))
    jsonschema.validate(found, json.loads(run(capsys, "--schema")))
    found.pop("sweep")
    assert all(option.pop("exit") for option in plain["options"])
    assert all(option.pop("exit") is None for option in found["options"])  # worked out for one estimate, not for many
    assert found == plain


def test_set_holds_in_every_step(capsys):
    steps = json.loads(run(capsys, EXAMPLE, *VARY, "--set", "months=1", "--format", "json"))["sweep"]["steps"]
    alone = json.loads(run(capsys, EXAMPLE, "--set", "product photos.volume=9M images", "--months", "1",
                           "--format", "json"))  # fmt: skip
    assert steps[-1]["mix"]["total"] == alone["mix"]["total"]


def test_two_keys_are_varied_in_all_pairs(capsys):
    items = ["vision.detect_labels=1M images", "--vary", "line.volume=1M..2M images:2", "--vary", "months=1..3:3"]
    rows = list(csv.DictReader(io.StringIO(run(capsys, *items, "--format", "csv"))))
    assert [(row["line.volume"], row["months"]) for row in rows] == [
        (f"{millions}000000 images", str(months)) for millions in (1, 2) for months in (1, 2, 3)
    ]
    assert {row["cheapest"] for row in rows} <= {"aws", "azure", "gcp"}
    assert all(row["mix"] for row in rows)


@pytest.mark.parametrize("form", ["table", "markdown"])
def test_a_table_and_markdown_have_a_row_per_step(capsys, form):
    shown = run(capsys, EXAMPLE, *VARY, "--format", form)
    assert "product photos.volume, images/month" in shown
    for volume in ("1,000,000", "5,000,000", "9,000,000"):
        assert shown.count(volume) == 1
    assert shown.count("✓") == 3


def test_the_mix_of_a_sweep_is_told_where_it_changes(capsys):
    arguments = ["vision.detect_labels=1M images", "--only", "aws", "--only", "azure"]
    shown = run(capsys, *arguments, "--vary", "line.volume=1k..20M images:5")
    assert (
        "from 1000 images: vision.detect_labels on aws\n  from 5000750 images: vision.detect_labels on azure" in shown
    )


def test_values_between_whole_ends_are_whole():
    assert parse_vary("a.volume=1k..2k images:4").values == ("1000 images", "1333 images", "1667 images", "2000 images")
    assert parse_vary("a.growth=0.5%..2%/month:4").values == ("0.5%/month", "1%/month", "1.5%/month", "2%/month")
    assert parse_vary("a.growth=0%..5%/month:3").values == ("0%/month", "2.5%/month", "5%/month")
    assert parse_vary("months=1..3:9").values == ("1", "2", "3")


@pytest.mark.parametrize(
    ("vary", "says"),
    [
        (["line.volume=1M images"], "LOW..HIGH:STEPS"),
        (["line.volume=1M..2M images:1"], "from 2 to 1000"),
        (["line.volume=low..high images:3"], "not numbers"),
        (["line.volume=1M pages..2M images:3"], "one unit"),
        (["line.volume=1M..2M hours:3"], "counted in images"),
        (["photo.volume=1M..2M images:3"], "--vary"),
        (["line.volume=1M..2M images:100", "months=1..12:12"], "more than 1000"),
        (["months=1..2:2"] * 3, "3 times"),
    ],
)
def test_what_can_not_be_varied_is_said_with_exit_code_2(capsys, vary, says):
    flags = [part for text in vary for part in ("--vary", text)]
    assert main(["estimate", "vision.detect_labels=3M images", *flags]) == 2
    shown = capsys.readouterr()
    assert says in shown.err
    assert shown.out == ""


def test_a_sweep_has_no_focus_rows(capsys):
    assert main(["estimate", EXAMPLE, *VARY, "--format", "focus"]) == 2
    assert "--format table, json, csv or markdown" in capsys.readouterr().err
