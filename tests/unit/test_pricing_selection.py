"""Which price bills a line: features, add-ons, variants, regions, own prices, capability data."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cloudai_pricing import PlanError
from cloudai_pricing.book import Book
from cloudai_pricing.draft import Draft
from cloudai_pricing.entries import build
from cloudai_pricing.entry_check import check
from cloudai_pricing.estimator import estimate
from cloudai_pricing.model import LineCost
from cloudai_pricing.overlay import Overlay
from cloudai_pricing.workload_file import check as check_workload


def row(sku: str, price: str = "1", **more: object) -> dict[str, object]:
    table: dict[str, object] = {
        "provider": "acme", "service": "Speech", "sku": sku, "kind": "usage", "operations": ["speech.transcribe"],
        "region": "global", "unit": "minute", "tiers": [{"price": price}], "effective_from": "2026-01-01",
        "as_of": "2026-01-01", "source": "https://acme.example", "confidence": "official_page",
    }  # fmt: skip
    return dict(check({key: value for key, value in (table | more).items() if value is not None}, where=f"book:{sku}"))


Rows = list[dict[str, object]]


def line(rows: Rows, *, own: Rows | None = None, capabilities=None, **more) -> LineCost:
    table = {"name": "calls", "operation": "speech.transcribe", "volume": "100 minutes"} | more
    workload = check_workload(Draft(name="test", data={"months": 1, "line": [table]}))
    overlay = Overlay(name="own", prices=tuple(build(row | {"own": True}) for row in own or []))
    result = estimate(workload, book=Book.of(rows), overlay=overlay, providers=["acme"], capabilities=capabilities)
    return result.options[0].lines[0]


def skus(found: LineCost) -> list[str]:
    return [piece.sku for piece in found.slices]


BASE = row("base")
ADDON = row("redaction", "0.5", kind="addon", features=["pii_redaction"])


def test_an_addon_comes_on_top_when_its_feature_is_asked_for():
    assert skus(line([BASE, ADDON])) == ["base"]
    found = line([BASE, ADDON], features=["pii_redaction"])
    assert skus(found) == ["base", "redaction"]
    assert found.cost is not None
    assert found.cost.likely == 150


def test_a_feature_that_nothing_prices_leaves_a_lower_bound():
    found = line([BASE], features=["diarization"])
    assert not found.complete
    assert found.cost is not None
    assert found.cost.likely == 100
    assert "no price for diarization" in found.notes[0]


def test_a_feature_that_the_price_includes_costs_nothing_more():
    assert line([row("base", includes=["diarization"])], features=["diarization"]).complete


@pytest.mark.parametrize(("support", "complete"), [("yes", True), ("partial", True), ("no", False), ("gated", False)])
def test_capability_data_says_what_is_in_the_price(support, complete):
    capabilities = {"acme": {"speech.transcribe": {"": "yes", "diarization": support}}}
    assert line([BASE], features=["diarization"], capabilities=capabilities).complete is complete


def test_a_feature_that_is_charged_for_in_another_region_is_not_in_the_price_here():
    capabilities = {"acme": {"speech.transcribe": {"": "yes", "pii_redaction": "yes"}}}
    elsewhere = ADDON | {"region": "us-east-1"}
    found = line([BASE, elsewhere], features=["pii_redaction"], region="eu-west-1", capabilities=capabilities)
    assert not found.complete


def test_two_names_of_one_meter_are_no_ambiguity():
    rows = [
        row(f"{one}", "3", pool="forms", features=[one], includes=[other]) for one, other in (("a", "b"), ("b", "a"))
    ]
    assert line(rows, features=["a", "b"]).complete


def test_a_usage_price_with_exactly_the_features_takes_the_place_of_the_base():
    rows = [BASE, row("tables", "2", features=["tables"]), row("both", "3", features=["tables", "forms"])]
    assert skus(line(rows)) == ["base"]
    assert skus(line(rows, features=["tables"])) == ["tables"]
    assert skus(line(rows, features=["forms", "tables"])) == ["both"]


def test_the_default_is_taken_and_a_variant_by_name():
    rows = [row("standard", variant="standard"), row("neural", "2", variant="neural", default=True)]
    assert skus(line(rows)) == ["neural"]
    assert skus(line(rows, variant="standard")) == ["standard"]
    assert skus(line(rows, variant={"acme": "standard", "other": "x"})) == ["standard"]
    assert skus(line(rows, sku="standard")) == ["standard"]
    found = line(rows, variant="studio")
    assert found.cost is None
    assert "there are neural, standard" in found.notes[0]


def test_without_a_default_no_variant_is_taken_and_the_reason_says_how_to_choose():
    for rows in ([row("standard", variant="standard"), row("neural", variant="neural")], [row("hd", variant="hd")]):
        found = line(rows)
        assert found.cost is None
        assert "choose by variant" in found.notes[0]


def test_two_prices_that_are_no_variants_are_an_error():
    with pytest.raises(PlanError, match=r"2 prices fit equally well: acme Speech 'one'.* and acme Speech 'two'"):
        line([row("one"), row("two")])


def test_an_addon_with_a_variant_goes_with_that_base_only():
    addon = row("streaming diarization", "0.5", kind="addon", features=["diarization"], variant="streaming")
    rows = [row("batch", variant="batch", default=True), row("streaming", variant="streaming"), addon]
    assert skus(line(rows, variant="streaming", features=["diarization"])) == ["streaming", "streaming diarization"]
    assert not line(rows, features=["diarization"]).complete


def test_a_price_of_the_region_goes_before_one_of_all_regions():
    rows = [row("everywhere"), row("here", "2", region="us-east-1")]
    assert skus(line(rows, region="us-east-1")) == ["here"]
    assert skus(line(rows, region="eu-west-1")) == ["everywhere"]


def test_an_own_price_takes_the_place_of_the_book_s():
    found = line([row("listed", region="us-east-1")], own=[row("agreed", "0.5")], region="us-east-1")
    assert skus(found) == ["agreed"]
    assert all(piece.overridden for piece in found.slices)


def test_a_commitment_is_bought_only_when_named():
    committed = row("2,000 hours", kind="commitment", tiers=None, unit="hour",
                    commitment={"fee": "1600", "included": "2000", "overage": "0.8"})  # fmt: skip
    assert skus(line([BASE, committed])) == ["base"]
    found = line([BASE, committed], sku="2,000 hours", volume="2100 hours")
    assert found.cost is not None
    assert found.cost.likely == 1680
    assert line([BASE, committed], sku="2,000 hours", volume="1 hour").cost.likely == 1600  # type: ignore[union-attr]


def test_a_price_in_another_unit_says_which_unit_it_wants():
    rows = [row("by request", operations=["translation.translate_document"], unit="character")]
    found = line(rows, operation="translation.translate_document", volume="100 pages")
    assert found.cost is None
    assert "say how many characters, not pages" in found.notes[0]


@pytest.mark.parametrize(("per", "key"), [("channel", "channels"), ("target", "targets")])
def test_units_are_billed_per_channel_or_target_language(per, key):
    found = line([row("base", per=per)], **{key: 3})
    assert found.billed_quantity == 300
    assert line([BASE], **{key: 3}).billed_quantity == 100


def test_a_line_that_lies_wholly_above_a_ladder_has_no_cost_rather_than_none_to_pay():
    ends = row("ends", tiers=[{"up_to": "100", "price": "1"}])
    tables = [{"name": name, "operation": "speech.transcribe", "volume": "100 minutes"} for name in ("a", "b")]
    workload = check_workload(Draft(name="test", data={"months": 1, "line": tables}))
    first, second = estimate(workload, book=Book.of([ends])).options[0].lines
    assert first.complete
    assert (second.complete, second.cost) == (False, None)


def test_minimum_and_increment_count_per_request():
    found = line([row("base", rounding={"increment": "1", "minimum": "15", "unit": "second"})], request="4 seconds")
    assert found.billed_quantity == Decimal(375)


def test_what_a_line_needs_keeps_a_provider_out_of_the_mix():
    offered = {"acme": {"": "yes"}, "best": {"": "yes", "srt": "yes"}}
    capabilities = {provider: {"speech.transcribe": features} for provider, features in offered.items()}
    rows = [BASE, row("dear", "9", provider="best")]
    table = {"operation": "speech.transcribe", "volume": "100 minutes", "needs": ["srt"]}
    workload = check_workload(Draft(name="test", data={"months": 1, "line": [table]}))
    result = estimate(workload, book=Book.of(rows), capabilities=capabilities)
    assert result.mix is not None
    assert result.mix.choices[0].provider == "best"
    assert "acme lacks srt" in result.options[0].lines[0].notes[0]


def machine(sku: str, price: str, count: int, **more: object) -> dict[str, object]:
    name = sku.removesuffix(" spot")
    own = {"kind": "training", "operations": ["custom.train"], "unit": "instance-hour", "instance": name}
    return row(sku, price, accelerator="L4", accelerator_count=count, **own, **more)


MACHINES = [
    machine("g6.xlarge", "1", 1),
    machine("g6.12xlarge", "4.6", 4),
    machine("g6.48xlarge", "13", 8),
    machine("g6.12xlarge spot", "2", 4, spot=True),
]


def train_line(**more: object) -> LineCost:
    table = {"name": "model", "operation": "custom.train", "hours": 6, "runs": "8/month"} | more
    workload = check_workload(Draft(name="test", data={"months": 1, "line": [table]}))
    return estimate(workload, book=Book.of(MACHINES), providers=["acme"]).options[0].lines[0]


def test_the_cheapest_instance_that_holds_the_accelerators_is_taken():
    found = train_line(accelerator="L4", count=4)
    assert [(one.sku, one.chosen) for one in found.candidates] == [("g6.12xlarge", True), ("g6.48xlarge", False)]
    assert found.cost is not None
    assert found.cost.likely == Decimal("4.6") * 48


def test_spot_prices_are_taken_when_asked_for():
    found = train_line(accelerator="L4", count=4, spot=True)
    assert found.cost is not None
    assert found.cost.likely == 96


def test_more_accelerators_than_any_instance_has_take_several():
    found = train_line(accelerator="nvidia-l4", count=16)
    assert found.candidates[0].nodes == 16
    assert found.cost is not None
    assert found.cost.likely == 16 * 48
    assert "no single instance" in found.notes[0]


def test_an_unknown_accelerator_says_which_are_priced():
    found = train_line(accelerator="H900")
    assert found.cost is None
    assert "there are L4" in found.notes[0]
