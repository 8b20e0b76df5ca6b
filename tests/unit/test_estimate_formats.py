"""The other forms of an estimate: all from one model, each safe for what reads it."""

from __future__ import annotations

import csv
import html.parser
import io
import json
from decimal import Decimal
from pathlib import Path

import jsonschema
import pytest

from cloudai.cli import main

EXAMPLE = str(Path(__file__).parents[2] / "examples" / "01_estimate" / "support_portal.toml")
HALF_PRICED = ["vision.detect_labels=3M images", "vision.detect_landmarks=1k images", "--provider", "aws"]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["estimate", *arguments]) in (0, 4)
    return capsys.readouterr().out


def rows(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(run(capsys, *arguments))))


def document(capsys: pytest.CaptureFixture[str], *arguments: str):
    return json.loads(run(capsys, *arguments, "--format", "json"))


@pytest.mark.parametrize(
    "arguments",
    [
        [EXAMPLE],
        [EXAMPLE, "--region", "eu", "--months", "1", "--free-tier", "all"],
        HALF_PRICED,
        ["speech.voices=3 requests", "vision.detect_labels=0 images"],
        ["other.thing=3 units"],
    ],
)
def test_the_json_is_valid_by_its_schema(capsys, arguments):
    schema = json.loads(run(capsys, "--schema"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document(capsys, *arguments), schema)


def test_compute_lines_are_valid_by_the_schema_too(capsys, tmp_path):
    path = tmp_path / "workload.toml"
    path.write_text('[[line]]\noperation = "custom.deploy"\naccelerator = "L4"\nhours = "office"\nreplicas = "2..6"\n')
    found = document(capsys, str(path))
    jsonschema.validate(found, json.loads(run(capsys, "--schema")))
    assert any(line["candidates"] for option in found["options"] for line in option["lines"] if "candidates" in line)


def test_csv_rows_add_up_to_the_options(capsys):
    found = rows(capsys, EXAMPLE, "--format", "csv")
    for option in document(capsys, EXAMPLE)["options"]:
        costs = [Decimal(row["cost"]) for row in found if row["provider"] == option["provider"]]
        assert sum(costs) == Decimal(option["total"]["likely"])


def test_an_unknown_price_is_an_empty_cell_and_never_a_zero(capsys):
    for form in ("csv", "focus"):
        (row,) = [row for row in rows(capsys, *HALF_PRICED, "--format", form) if "landmarks" in "".join(row.values())]
        assert row.get("cost", row.get("BilledCost")) == ""


def test_focus_list_price_times_quantity_is_list_cost(capsys):
    found = rows(capsys, EXAMPLE, "--format", "focus")
    assert found
    for row in found:
        assert Decimal(row["ListUnitPrice"]) * Decimal(row["PricingQuantity"]) == Decimal(row["ListCost"])
        assert Decimal(row["ContractedUnitPrice"]) * Decimal(row["PricingQuantity"]) == Decimal(row["ContractedCost"])
        assert row["BillingCurrency"] == "USD"
    mix = document(capsys, EXAMPLE)["mix"]
    assert sum(Decimal(row["BilledCost"]) for row in found) == Decimal(mix["total"]["likely"])


def test_focus_keeps_the_list_price_beside_a_discount(capsys, tmp_path):
    path = tmp_path / "deal.toml"
    path.write_text('[[discount]]\nprovider = "aws"\npercent = "10"\n', encoding="utf-8")
    arguments = ["vision.detect_labels=3M images", "--provider", "aws", "--prices", str(path), "--format", "focus"]
    for row in rows(capsys, *arguments):
        assert Decimal(row["EffectiveCost"]) == Decimal(row["ListCost"]) * Decimal("0.9")


def test_focus_has_a_recurring_row_for_the_fee_of_a_commitment(capsys, tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(
        '[[price]]\nprovider = "acme"\noperations = ["speech.transcribe"]\nregion = "global"\nunit = "hour"\n'
        'commitment = { fee = "1600", per = "month", included = "2000", overage = "0.8" }\n',
        encoding="utf-8",
    )
    arguments = ["speech.transcribe=2100 hours", "--provider", "acme", "--prices", str(path), "--months", "2"]
    found = rows(capsys, *arguments, "--format", "focus")
    assert [(row["ChargeFrequency"], row["BilledCost"]) for row in found] == [
        ("Recurring", "3200"),
        ("Usage-Based", "0"),
        ("Usage-Based", "160"),
    ]


def test_a_cell_that_a_spreadsheet_would_run_is_text(capsys, tmp_path):
    path = tmp_path / "workload.toml"
    path.write_text('[[line]]\nname = "=cmd|calc"\noperation = "vision.detect_labels"\nvolume = "1k images"\n')
    for form in ("csv", "focus"):
        text = run(capsys, str(path), "--format", form, "--provider", "aws")
        assert "'=cmd|calc" in text
        assert ",=cmd" not in text


def test_markdown_and_html_escape_what_users_write(capsys, tmp_path):
    path = tmp_path / "workload.toml"
    name = "<script>alert(1)</script> | [a](b) *c*"
    path.write_text(f'[[line]]\nname = \'{name}\'\noperation = "vision.detect_labels"\nvolume = "1k images"\n')
    page = run(capsys, str(path), "--format", "html", "--provider", "aws")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; | [a](b) *c*" in page
    text = run(capsys, str(path), "--format", "markdown", "--provider", "aws")
    assert "\\<script>alert(1)\\</script> \\| \\[a](b) \\*c\\*" in text


def test_what_is_unknown_is_an_item_of_a_list_and_no_quotation(capsys):
    text = run(capsys, *HALF_PRICED, "--format", "markdown")
    assert "\n- \\>= aws: vision.detect\\_landmarks: " in text


class Links(html.parser.HTMLParser):
    """Everything a page would load, and what it links to."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag in ("link", "img", "iframe") or "src" in values:
            self.loads.append(tag)
        if tag == "a":
            self.links.append(values.get("href") or "")


def test_html_loads_nothing_and_links_every_source(capsys):
    links = Links()
    links.feed(run(capsys, EXAMPLE, "--format", "html"))
    assert links.loads == []
    for option in document(capsys, EXAMPLE)["options"]:
        for line in option["lines"]:
            assert {piece["source"] for piece in line["slices"]} <= set(links.links)


@pytest.mark.parametrize("form", ["table", "markdown", "html"])
def test_what_is_unknown_is_shown_as_a_lower_bound(capsys, form):
    text = run(capsys, *HALF_PRICED, "--format", form).replace("&gt;", ">")
    assert ">= $31,200.00" in text
    assert "landmarks" in text.replace("\\", "")


@pytest.mark.parametrize("form", ["table", "markdown", "html", "csv", "focus", "json"])
def test_every_form_is_the_same_bytes_twice(capsys, form):
    assert run(capsys, EXAMPLE, "--format", form) == run(capsys, EXAMPLE, "--format", form)


def test_the_cheapest_of_each_line_and_of_all_is_ticked(capsys):
    text = run(capsys, EXAMPLE)
    options = document(capsys, EXAMPLE)["options"]
    assert text.count("✓") == len(options[0]["lines"]) + 1


def test_a_table_in_a_pipe_has_no_colour_and_is_not_cut(capsys):
    text = run(capsys, EXAMPLE, "--explain")
    assert "\x1b" not in text
    assert "…" not in text


def test_the_mix_is_the_sum_of_its_choices(capsys):
    mix = document(capsys, EXAMPLE)["mix"]
    assert sum(Decimal(choice["cost"]["likely"]) for choice in mix["choices"]) == Decimal(mix["total"]["likely"])
    assert sum(Decimal(month["cost"]["likely"]) for month in mix["by_month"]) == Decimal(mix["total"]["likely"])
