"""The price book as data: its form, and figures that providers publish, read with the standard library alone.

The loader is not used here on purpose: it and these tests are two readings of the same files.
"""

from __future__ import annotations

import datetime
import itertools
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

BOOK = Path(__file__).parents[2] / "pricing" / "cloudai_pricing" / "book"
REQUIRED = frozenset(
    [
        "provider",
        "service",
        "sku",
        "kind",
        "operations",
        "region",
        "unit",
        "effective_from",
        "as_of",
        "source",
        "confidence",
    ]
)
CONFIDENCES = frozenset(
    [
        "official_page",
        "official_feed_mirror",
        "third_party_citing_official",
        "third_party",
        "catalog",
        "vendor_sample",
        "derived",
    ]
)
FREE_KINDS = frozenset(["always", "always_as_credit", "first_12_months_legacy", "first_3_months", "f0_resource_only"])
ONLY_OTHER_VARIANTS_READ = frozenset(
    {
        ("aws", "speech.transcribe", "ap-northeast-1"),  # streaming
        ("azure", "translation.detect_language", "global"),  # Translator's; Azure Language is the default
    }
)

Row = dict[str, Any]


@cache
def book() -> tuple[Row, ...]:
    rows: list[Row] = []
    for path in sorted(BOOK.glob("*.toml")):
        rows += [row | {"file": path.name} for row in tomllib.loads(path.read_text(encoding="utf-8"))["price"]]
    return tuple(rows)


def name(row: Row) -> str:
    return f"{row['file']}: {row['provider']} {row['sku']!r} in {row['region']} from {row['effective_from']}"


def key(row: Row) -> tuple[str, ...]:
    return tuple(str(row.get(part)) for part in ("provider", "service", "sku", "region", "commitment"))


def wrong(check: Any) -> list[str]:
    return [name(row) for row in book() if not check(row)]


def decimals(row: Row) -> Iterator[object]:
    for tier in row.get("tiers", []):
        yield from tier.values()
    yield from (row.get("free", {}).get("quantity", "0"),)
    yield from (row.get("rounding", {}).get(part, "0") for part in ("increment", "minimum"))
    yield from (row.get("commitment", {}).get(part, "0") for part in ("fee", "included", "overage"))


# Form


def test_every_entry_has_what_a_reader_needs() -> None:
    assert len(book()) > 400
    assert wrong(lambda row: row.keys() >= REQUIRED and ("tiers" in row) != ("commitment" in row)) == []


def test_every_decimal_is_a_text_that_is_exact() -> None:
    assert wrong(lambda row: all(isinstance(n, str) and Decimal(n) >= 0 for n in decimals(row))) == []


def test_ladders_ascend_and_only_the_last_tier_may_be_open() -> None:
    def ascends(row: Row) -> bool:
        tiers = row.get("tiers", [])
        bounds = [Decimal(tier["up_to"]) for tier in tiers if "up_to" in tier]
        opens = [number for number, tier in enumerate(tiers) if "up_to" not in tier]
        return bounds == sorted(set(bounds)) and opens in ([], [len(tiers) - 1])

    assert wrong(ascends) == []


def test_prices_never_rise_along_a_ladder() -> None:
    def falls(row: Row) -> bool:
        prices = [Decimal(tier["price"]) for tier in row.get("tiers", [])]
        return prices == sorted(prices, reverse=True)

    assert wrong(falls) == []


def test_no_tier_costs_nothing() -> None:
    """What is free stands in `free`, where a reader can switch it off."""
    assert wrong(lambda row: all(Decimal(tier["price"]) > 0 for tier in row.get("tiers", []))) == []


def test_an_allowance_is_of_a_known_kind_and_within_the_first_tier() -> None:
    def known(row: Row) -> bool:
        free = row.get("free")
        if free is None:
            return True
        first = row["tiers"][0].get("up_to", "1e30")
        return free["kind"] in FREE_KINDS and free["per"] == "month" and 0 < Decimal(free["quantity"]) < Decimal(first)

    assert wrong(known) == []


def test_a_price_of_a_sku_stands_once_per_day() -> None:
    counts = Counter((*key(row), row["effective_from"]) for row in book())
    assert [each for each, count in counts.items() if count > 1] == []


def test_dates_are_days_and_nothing_is_read_before_it_is_in_force() -> None:
    def dated(row: Row) -> bool:
        since, read = (datetime.date.fromisoformat(row[part]) for part in ("effective_from", "as_of"))
        return since <= read

    assert wrong(dated) == []


def test_every_price_names_a_public_source() -> None:
    assert wrong(lambda row: row["source"].startswith("https://") and " " not in row["source"]) == []


def test_nothing_from_memory_ships() -> None:
    assert wrong(lambda row: row["confidence"] in CONFIDENCES) == []


def test_every_file_says_what_it_is_and_how_it_bills() -> None:
    heads = {path.name: path.read_text(encoding="utf-8").partition("[[price]]")[0] for path in BOOK.glob("*.toml")}
    assert [file for file, head in heads.items() if not head.startswith("# ") or len(head) < 150] == []
    assert [file for file, head in heads.items() if not file.startswith(("aws_", "gcp_", "azure_"))] == []


# What a line without a variant gets


def payg() -> Iterator[tuple[Row, str]]:
    for row in book():
        if row["kind"] == "usage" and "commitment" not in row:
            yield from ((row, operation) for operation in row["operations"] if not operation.startswith("other."))


def test_each_operation_of_a_provider_has_exactly_one_default_per_region() -> None:
    defaults: dict[tuple[str, str, str, frozenset[str]], set[str]] = defaultdict(set)
    for row, operation in payg():
        group = (row["provider"], operation, row["region"], frozenset(row.get("features", [])))
        defaults[group] |= {row["sku"]} if row.get("default") else set()
    odd = {group[:3] for group, skus in defaults.items() if len(skus) != 1}
    assert odd == ONLY_OTHER_VARIANTS_READ


def test_entries_that_compete_say_which_variant_they_are() -> None:
    groups: dict[tuple[object, ...], set[str | None]] = defaultdict(set)
    skus: dict[tuple[object, ...], set[str]] = defaultdict(set)
    for row, operation in payg():
        group = (row["provider"], operation, row["region"], frozenset(row.get("features", [])))
        groups[group].add(row.get("variant"))
        skus[group].add(row["sku"])
    assert [group for group, found in groups.items() if len(found) != len(skus[group])] == []
    assert [group for group, found in groups.items() if len(found) > 1 and None in found] == []


def test_entries_of_one_pool_climb_one_ladder() -> None:
    """What shares a counter has the same bounds; prices too, wherever a vendor speaks of one SKU."""
    ladders: dict[tuple[object, ...], set[str]] = defaultdict(set)
    for row in book():
        if "pool" in row and row["confidence"] != "derived":
            pool = (row["provider"], row["region"], row["service"], row["pool"], row["effective_from"])
            ladders[pool].add(str(row["tiers"]))
    assert [pool for pool, found in ladders.items() if len(found) > 1] == []


# Figures that providers publish, computed with the few lines that a ladder needs


def cost(row: Row, units: str, *, free: bool = False) -> Decimal:
    """Of the units of one month, the free ones masked if asked for."""
    start = Decimal(row["free"]["quantity"]) if free else Decimal(0)
    end, total, reached = Decimal(units), Decimal(0), Decimal(0)
    for tier in row["tiers"]:
        upper = min(end, Decimal(tier.get("up_to", "1e30")))
        total += max(upper - max(start, reached), Decimal(0)) * Decimal(tier["price"])
        reached = upper
    assert reached == end, f"{name(row)}: no price above {reached}"
    return total


def price(provider: str, sku: str, region: str = "global") -> Row:
    """The newest entry of a SKU."""
    found = [row for row in book() if (row["provider"], row["sku"], row["region"]) == (provider, sku, region)]
    assert found, f"no {sku} in {region}"
    return max(found, key=lambda row: str(row["effective_from"]))


@pytest.mark.parametrize(
    ("provider", "sku", "region", "units", "published"),
    [
        # 1M x 0.001 + 4M x 0.0008 + 30M x 0.0006 + 65M x 0.00025
        ("aws", "Group 2 image APIs", "us-east-1", "100_000_000", "38450"),
        ("aws", "Group 2 image APIs", "us-east-1", "30_000_000", "19200"),
        ("aws", "Group 1 image APIs", "us-east-1", "35_000_000", "22200"),
        ("aws", "Group 2 image APIs", "eu-central-1", "5_000_000", "5040"),
        ("aws", "Custom Labels inference unit", "us-east-1", "730", "2920"),
        ("aws", "Face vector storage", "us-east-1", "500_000", "5"),
        ("aws", "AnalyzeDocument FORMS+TABLES", "us-east-1", "5_000", "325"),
        ("aws", "AnalyzeDocument LAYOUT", "us-east-1", "1_000", "4"),
        ("aws", "AnalyzeDocument FORMS+TABLES+QUERIES", "us-east-1", "2_000_000", "125000"),
        ("aws", "DetectDocumentText", "us-east-1", "3_000_000", "2700"),
        ("aws", "Standard batch", "us-east-1", "3_600", "0.36"),
        ("aws", "Call Analytics, batch", "us-east-1", "120_000_000", "35250"),
        ("aws", "Neural voices", "us-east-1", "300_000", "4.8"),
        ("aws", "Real-time text", "us-east-1", "2_000_000", "30"),
        ("aws", "Active Custom Translation (parallel data, batch)", "us-east-1", "2_000_000", "120"),
        ("aws", "DetectDominantLanguage", "us-east-1", "6_000_000", "6"),
        ("gcp", "Form Parser", "global", "25_000", "750"),
        ("gcp", "v2 recognition, standard models", "global", "100_020", "1600.32"),
        ("gcp", "v2 recognition, standard models", "global", "2_500_000", "23000"),
        ("azure", "S1 Image Analysis Group 1", "eastus", "30_000_000", "18850"),
        ("azure", "S1 Image Analysis Group 2", "eastus", "3_000_000", "2700"),
        ("azure", "S0 batch transcription", "westeurope", "56", "10.08"),
        ("azure", "S0 real-time transcription", "westeurope", "20", "20"),
        ("azure", "S0 custom real-time transcription", "westeurope", "17", "20.4"),
        ("azure", "S0 conversation transcription, multichannel", "eastus", "9.5", "19.95"),
        ("azure", "S0 neural voices", "westeurope", "1_333_333", "19.999995"),
        ("azure", "S0 neural HD voices", "eastus", "1_000_000", "22"),
        ("azure", "S language detection records", "westeurope", "15_000_000_000", "5500"),
        ("azure", "S1 text translation", "global", "15_000", "0.15"),
    ],
)
def test_a_published_figure_is_reproduced(provider: str, sku: str, region: str, units: str, published: str) -> None:
    assert cost(price(provider, sku, region), units) == Decimal(published)


@pytest.mark.parametrize(
    ("sku", "units", "published"),
    [
        ("LABEL_DETECTION", "30_000_000", "32498.5"),
        ("OBJECT_LOCALIZATION", "1_000", "0"),
        ("DOCUMENT_TEXT_DETECTION", "21_600", "30.9"),
        ("TEXT_DETECTION", "5_000", "6"),
        ("FACE_DETECTION", "30_000_000", "22498.5"),
        ("NMT text", "575_000", "1.5"),
        ("Custom (AutoML) model text", "251_000_000", "20020"),
        ("Standard voices", "10_000_000", "24"),
        ("Enterprise Document OCR", "6_000_000", "8098.5"),
    ],
)
def test_a_published_figure_with_googles_free_part_is_reproduced(sku: str, units: str, published: str) -> None:
    """Tier bounds count from the first unit, free ones included."""
    assert cost(price("gcp", sku), units, free=True) == Decimal(published)


@pytest.mark.parametrize(
    ("sku", "region", "units", "published"),
    [
        ("Transcription commitment (Azure) 2K hours", "eastus", "2_100", "1680"),
        ("Transcription commitment (Azure) 50K hours", "eastus", "50_100", "25050"),
        ("Neural voice commitment (Azure) 400M characters", "eastus", "401_000_000", "3909.75"),
        ("Text commitment (Azure) 250M", "global", "250_000_000", "2055"),
    ],
)
def test_a_commitment_is_its_fee_and_the_overage(sku: str, region: str, units: str, published: str) -> None:
    terms = {part: Decimal(n) for part, n in price("azure", sku, region)["commitment"].items() if part != "per"}
    above = max(Decimal(units) - terms["included"], Decimal(0))
    assert terms["fee"] + above * terms["overage"] == Decimal(published)


def test_a_comprehend_unit_is_a_hundred_characters_and_a_request_at_least_three() -> None:
    row = price("aws", "DetectDominantLanguage", "us-east-1")
    assert Decimal(row["tiers"][0]["price"]) * 100 == Decimal("0.0001")
    assert row["rounding"] == {"increment": "100", "minimum": "300"}
    assert [Decimal(tier["up_to"]) / 100 for tier in row["tiers"] if "up_to" in tier] == [10_000_000, 50_000_000]


def test_speech_is_rounded_up_to_the_second_whatever_it_is_priced_by() -> None:
    rows = [row for row in book() if "speech.transcribe" in row["operations"] and row["kind"] in ("usage", "addon")]
    steps = {(row["rounding"]["increment"], row["rounding"].get("unit", row["unit"])) for row in rows}
    assert steps == {("1", "second")}


def test_what_multiplies_a_price_is_data() -> None:
    """Google bills each audio channel; every translator bills each target language."""
    channels = {row["per"] for row in book() if row["service"] == "Speech-to-Text"}
    assert channels == {"channel"}
    translators = ("translation.translate", "translation.translate_document")
    rows = [row for row in book() if set(row["operations"]) & set(translators)]
    assert {row.get("per") for row in rows} == {"target"}


def test_an_older_price_stays_readable_with_its_dates() -> None:
    rows = [row for row in book() if row["sku"] == "S0 neural HD voices" and row["region"] == "eastus"]
    dated = sorted((row["effective_from"], Decimal(row["tiers"][0]["price"]) * 10**6) for row in rows)
    assert [each for _, each in dated] == [Decimal(30), Decimal(22)]


@pytest.mark.parametrize(
    ("provider", "sku", "region", "hours", "published"),
    [
        ("aws", "ml.g4dn.xlarge", "us-east-1", "6", "4.416"),
        ("aws", "ml.g5.xlarge", "us-east-1", "1_460", "2055.68"),
        ("gcp", "n1-standard-16", "us-central1", "100", "76"),
    ],
)
def test_a_machine_costs_its_hours(provider: str, sku: str, region: str, hours: str, published: str) -> None:
    assert cost(price(provider, sku, region), hours).quantize(Decimal("0.001")) == Decimal(published)


@pytest.mark.parametrize(
    ("sku", "region", "gb", "published"),
    [
        ("Out to the internet", "us-east-2", "1_024", "83.16"),
        ("Out to the internet", "us-east-2", "500", "36"),
        ("Out to the internet, zone 1", "westeurope", "1_100", "87"),
    ],
)
def test_egress_is_free_up_to_100_gb_and_then_climbs(sku: str, region: str, gb: str, published: str) -> None:
    provider = "azure" if "zone" in sku else "aws"
    assert cost(price(provider, sku, region), gb, free=True) == Decimal(published)


def test_egress_of_google_and_storage_of_amazon_cost_what_their_examples_say() -> None:
    worldwide = price("gcp", "Premium tier, worldwide")
    assert cost(worldwide, "12_500").quantize(Decimal("0.01")) == Decimal("1317.44")
    assert cost(price("aws", "standard", "us-east-1"), "10_000") == Decimal(230)


def test_a_machine_says_what_is_in_it() -> None:
    machines = [row for row in book() if "instance" in row]
    assert len(machines) > 1000
    assert wrong(lambda row: "instance" not in row or (row["unit"] == "instance-hour" and "vcpus" in row)) == []
    assert wrong(lambda row: ("accelerator" in row) == ("accelerator_count" in row)) == []


def test_a_machine_is_sold_once_per_service_and_region() -> None:
    counts = Counter(
        (row["provider"], row["service"], row["instance"], row["region"], operation, row.get("spot", False))
        for row in book()
        if "instance" in row
        for operation in row["operations"]
    )
    assert [each for each, count in counts.items() if count > 1] == []


def test_a_spot_price_is_below_the_price_on_demand() -> None:
    """Some zones sell spot at the price on demand; a median above it would be a slip."""
    full = {
        (row["provider"], row["instance"], row["region"]): Decimal(row["tiers"][0]["price"])
        for row in book()
        if row["operations"] == ["other.virtual_machine"] and "instance" in row and not row.get("spot")
    }
    spot = [row for row in book() if row.get("spot")]
    assert len(spot) > 200
    dear = [
        name(row)
        for row in spot
        if Decimal(row["tiers"][0]["price"])
        > full.get((row["provider"], row["instance"], row["region"]), Decimal(10**6))
    ]
    assert dear == []


def test_a_ladder_that_was_not_read_to_the_end_stays_bounded() -> None:
    bounded = {(row["sku"], row["region"]) for row in book() if "tiers" in row and "up_to" in row["tiers"][-1]}
    assert {("Group 2 image APIs", "eu-central-1"), ("AnalyzeID", "us-east-1"), ("NMT text", "global")} <= bounded


def test_regions_of_one_sku_differ_in_price_only_where_the_feed_says_so() -> None:
    """Brazil and Switzerland are dearer on Azure; a slip of a factor of ten would stand out."""
    skus: dict[tuple[str, str, str], list[Decimal]] = defaultdict(list)
    for row in book():
        if row["kind"] in ("usage", "addon", "training", "hosting") and not row.get("spot"):
            skus[row["provider"], row["service"], row["sku"]].append(Decimal(row["tiers"][0]["price"]))
    assert [sku for sku, prices in skus.items() if max(prices) > 3 * min(prices)] == []
    assert any(len(set(prices)) > 1 for prices in itertools.chain(skus.values()))
