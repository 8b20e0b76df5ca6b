"""`cloudai estimate` beside its costs: what leaving each option takes, recomputed, and weighed in the mix."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import product
from pathlib import Path

import jsonschema
import pytest

import cloudai_pricing
from cloudai.cli import main
from cloudai_pricing.asjson import schema
from cloudai_pricing.exit_terms import DRAWS, USUAL_FACTORS, defaults, drawn

EXAMPLE = Path(__file__).parents[2] / "examples/01_estimate/support_portal.toml"
D = Decimal
LINES = """
[[line]]
name = "labels"
operation = "vision.detect_labels"
volume = "2M images"

[[line]]
name = "texts"
operation = "translation.translate"
volume = "6M characters"

[[line]]
name = "archive"
operation = "storage"
volume = "5 TB"
"""


def _estimate(capsys, *arguments: str):
    code = main(["estimate", *arguments, "--format", "json"])
    captured = capsys.readouterr()
    assert captured.out, captured.err
    return code, json.loads(captured.out)


def _workload(tmp_path: Path, head: str, lines: str = LINES) -> str:
    path = tmp_path / "work.toml"
    path.write_text(head + lines, encoding="utf-8")
    return str(path)


def _bill(found, provider: str, target: str, behind: str = "direct"):
    (option,) = [one for one in found["options"] if one["provider"] == provider]
    (exit_,) = [one for one in option["exit"]["targets"] if one["target"] == target]
    return exit_[behind]


def test_usual_factors_are_those_that_are_drawn() -> None:
    assert drawn((0.6, 1.0, 1.9), 0, DRAWS) == USUAL_FACTORS
    assert defaults()["spread"].value == "0.6, 1, 1.9"


def test_every_option_has_a_bill_and_the_document_keeps_its_schema(capsys) -> None:
    _, found = _estimate(capsys, str(EXAMPLE))
    jsonschema.validate(found, json.loads(schema()))
    for option in found["options"]:
        assert option["exit"]["targets"], option["provider"]
        assert len(option["exit"]["terms"]) == len(defaults())


def test_bill_of_an_option_recomputed_from_the_document(capsys, tmp_path) -> None:
    """Classes, lines and costs as the document has them; everything else anew, in floats."""
    _, found = _estimate(capsys, _workload(tmp_path, "[exit]\nengineers = 4\n"))
    bill = _bill(found, "gcp", "aws")
    rates = {1: (0.34, 0.5), 2: (0.57, 2), 3: (1.0, 5), 4: (0, 0)}
    code = sum(float(use["lines"]) * rates[use["class"]][0] / 18 for use in bill["uses"])
    checks = sum(rates[use["class"]][1] for use in bill["uses"])
    assert [use["operation"] for use in bill["uses"]] == ["vision.detect_labels", "translation.translate"]
    days = code + checks + 5
    monthly = {
        option["provider"]: sum(float(line["cost"]["likely"]) for line in option["lines"][:2]) / 12
        for option in found["options"]
    }
    tiers = [(100, 0.0), (1024, 0.12), (5120, 0.11)]  # the allowance does not count towards an exit in one go
    del tiers
    parallel = min(monthly["aws"], monthly["gcp"])
    dollars = bill["dollars"]
    assert float(bill["days"]["total"]) == pytest.approx(days)
    assert float(bill["weeks"]) == pytest.approx(days / 20, abs=1e-5)
    assert float(dollars["people"]) == pytest.approx(830 * days, abs=0.01)
    assert float(dollars["parallel"]) == pytest.approx(parallel, abs=0.01)
    total = 830 * days + parallel + float(dollars["egress"])
    assert float(dollars["total"]) == pytest.approx(total, abs=0.02)
    saving = monthly["gcp"] - monthly["aws"]
    assert float(bill["saving_per_month"]) == pytest.approx(saving, abs=0.01)
    assert (bill["break_even_months"] is None) == (saving <= 0)


def test_egress_is_the_book_s_ladder_for_what_is_stored(capsys, tmp_path) -> None:
    """5 TB out of us-east-1 in one month: all on the first tier of $0.09."""
    _, found = _estimate(capsys, _workload(tmp_path, ""))
    assert D(_bill(found, "aws", "gcp")["dollars"]["egress"]) == 5120 * D("0.09")


def test_the_law_waives_egress_of_an_eu_customer_from_its_day_on(capsys, tmp_path) -> None:
    for leave, paid in (("2027-01-11", True), ("2027-01-12", False)):
        head = f'[exit]\njurisdiction = "eu"\nleave = "{leave}"\n'
        _, found = _estimate(capsys, _workload(tmp_path, head))
        assert (D(_bill(found, "aws", "gcp")["dollars"]["egress"]) > 0) is paid


def test_behind_the_neutral_interface_the_headline_is_the_lower_one(capsys, tmp_path) -> None:
    path = _workload(tmp_path, "")
    _, direct = _estimate(capsys, path)
    _, neutral = _estimate(capsys, path, "--set", "exit.behind=neutral")
    for one, other in zip(direct["options"], neutral["options"], strict=True):
        assert D(other["exit"]["total"]) < D(one["exit"]["total"])
        assert (one["exit"]["behind"], other["exit"]["behind"]) == ("direct", "neutral")


def test_stuck_models_are_trained_anew_and_only_without_the_interface(capsys, tmp_path) -> None:
    head = '[exit]\nmodels = 2\nstuck_models = 1\nretraining = "1200 USD"\n'
    _, found = _estimate(capsys, _workload(tmp_path, head))
    assert D(_bill(found, "aws", "gcp")["dollars"]["retraining"]) == 1200
    assert D(_bill(found, "aws", "gcp")["days"]["models"]) == 6
    assert D(_bill(found, "aws", "gcp", "neutral")["dollars"]["retraining"]) == 0
    assert D(_bill(found, "aws", "gcp", "neutral")["days"]["models"]) == 2


@pytest.mark.parametrize("weigh", ["risk", "100%"])
def test_weighed_mix_is_the_least_of_all_assignments(weigh: str) -> None:
    """Against brute force over every assignment, each priced by an estimate of its own."""
    from dataclasses import replace

    from cloudai_pricing.exit_option import Exits
    from cloudai_pricing.exit_settings import ExitSettings, parse_weigh
    from cloudai_pricing.placement import MixRules
    from cloudai_pricing.selection import catalog_of

    workload = cloudai_pricing.load(EXAMPLE)
    workload = replace(workload, lines=workload.lines[:4], exit=ExitSettings(weigh=parse_weigh(weigh)))
    providers = ("aws", "azure", "gcp")
    exits = Exits(workload, catalog_of(None, None), workload.months)
    sums = {}
    for placed in product(providers, repeat=4):
        parts = {
            name: [line for line, where in zip(workload.lines, placed, strict=True) if where == name] for name in placed
        }
        cost = exits.platform() * len(parts)
        for name, lines in parts.items():
            some = replace(workload, lines=tuple(lines), exit=None)
            cost += cloudai_pricing.estimate(some, providers=[name], exits=False).options[0].total.likely
            cost += sum(exits.exposure(name, line) for line in lines)
        sums[placed] = cost
    best = min(sums.values())
    mix = cloudai_pricing.estimate(workload, providers=providers, mix_rules=MixRules(), exits=False).mix
    assert mix is not None
    assert sums[tuple(choice.provider or "" for choice in mix.choices)] == best


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("engineers = 0", "engineers"),
        ("enginers = 2", "Did you mean 'engineers'"),
        ('behind = "sdk"', "neither direct nor neutral"),
        ('data = "5 hours"', "5 TB"),
        ('leave = "soon"', "2027-03-01"),
        ('retraining = "1200"', "1200 USD"),
        ('weigh = "200%"', "0% to 100%"),
        ("models = 1\nstuck_models = 2", "more than models"),
        ("models = -1", "whole number"),
        ('adapted = { adaptor = "50%" }', "adapted.adapter"),
    ],
)
def test_a_wrong_key_is_refused_with_its_line(capsys, tmp_path, text: str, says: str) -> None:
    assert main(["estimate", _workload(tmp_path, f"[exit]\n{text}\n")]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert "work.toml:" in error


def test_table_and_markdown_show_the_bill_and_explain_prints_every_default(capsys) -> None:
    main(["estimate", str(EXAMPLE), "--explain"])
    shown = capsys.readouterr().out
    assert "to leave it again" in shown
    assert "What leaving would cost" in shown
    for term in defaults().values():
        assert term.key in shown
    main(["estimate", str(EXAMPLE), "--format", "markdown"])
    assert "What leaving would cost" in capsys.readouterr().out
