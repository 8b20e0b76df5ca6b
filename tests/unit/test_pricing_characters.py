"""Characters as each provider bills them: Chinese ones once or twice, tags of SSML and HTML or not."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cloudai_pricing import PlanError
from cloudai_pricing.billing import bill
from cloudai_pricing.book import Book
from cloudai_pricing.bulk import Variants, totals
from cloudai_pricing.draft import Draft, quick
from cloudai_pricing.entry_check import check
from cloudai_pricing.estimator import estimate
from cloudai_pricing.exact import exactly
from cloudai_pricing.model import Estimate, LineCost
from cloudai_pricing.quotes import quote_lines
from cloudai_pricing.selection import Catalog
from cloudai_pricing.units import base_of
from cloudai_pricing.workload_file import check as check_workload

SPEECH = {"name": "voice", "operation": "speech.synthesize", "volume": "20M characters"}
TEXT_OPERATIONS = frozenset(
    {"speech.synthesize", "translation.translate", "translation.detect_language", "translation.translate_document"}
)


def estimated(book: Book | None = None, **keys: object) -> Estimate:
    workload = check_workload(Draft(name="test", data={"months": 1, "line": [SPEECH | keys]}))
    return estimate(workload, book=book, providers=[] if book is None else ["acme"])


def lines(**keys: object) -> dict[str, LineCost]:
    return {option.provider: option.lines[0] for option in estimated(None, **keys).options}


def acme(**more: object) -> Book:
    table: dict[str, object] = {
        "provider": "acme", "service": "Voices", "sku": "voices", "kind": "usage", "operations": ["speech.synthesize"],
        "region": "global", "unit": "character", "tiers": [{"price": "0.01"}], "effective_from": "2026-01-01",
        "as_of": "2026-01-01", "source": "https://acme.example", "confidence": "official_page",
    }  # fmt: skip
    return Book.of([check(table | more, where="book:1")])


@pytest.mark.parametrize(
    ("shares", "aws", "azure", "gcp"),
    [
        ({}, 20_000_000, 20_000_000, 20_000_000),
        ({"chinese": "40%"}, 20_000_000, 28_000_000, 20_000_000),
        ({"markup": "15%"}, 17_000_000, 20_000_000, 20_000_000),
        ({"chinese": "40%", "markup": "15%"}, 17_000_000, 28_000_000, 20_000_000),
    ],
)
def test_the_voices_of_three_clouds_bill_one_text_as_differently_many_characters(shares, aws, azure, gcp):
    found = lines(**shares)
    assert {name: line.billed_quantity for name, line in found.items()} == {"aws": aws, "azure": azure, "gcp": gcp}
    assert all(line.quantity == 20_000_000 for line in found.values())
    assert found["azure"].cost is not None
    assert found["azure"].cost.likely == azure * Decimal("0.000015")


def test_translators_bill_chinese_characters_once_and_tags_too():
    found = lines(operation="translation.translate", chinese="60%", markup="20%")
    assert {line.billed_quantity for line in found.values()} == {Decimal(20_000_000)}


def test_what_was_read_stands_in_the_assumptions_and_what_it_does_in_the_notes():
    found = estimated(chinese="40%", markup="15%")
    assert any("40% of it Chinese characters, 15% of it markup" in text for text in found.assumptions)
    notes = {option.provider: " | ".join(option.lines[0].notes) for option in found.options}
    assert "tags are not billed | 1,000 characters of it are billed as 850" in notes["aws"]
    assert "counts as 2 | tags are billed, but not speak and voice" in notes["azure"]
    assert "1,000 characters of it are billed as 1,400" in notes["azure"]


def test_without_the_keys_the_notes_say_what_they_are_for():
    found = lines()
    assert any('give chinese = "...%"' in note for note in found["azure"].notes)
    assert any('give markup = "...%"' in note for note in found["aws"].notes)


def test_the_quick_form_takes_the_keys_too():
    draft = quick(["speech.synthesize=10k characters"]).with_set("speech.synthesize.chinese=50%")
    result = estimate(check_workload(draft), providers=["azure"], months=1)
    assert result.options[0].lines[0].billed_quantity == 15_000


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"operation": "speech.transcribe", "volume": "20 hours", "chinese": "40%"}, "stated in hours here"),
        ({"operation": "vision.read_text", "volume": "20 images", "markup": "40%"}, "stated in images here"),
        ({"operation": "translation.translate_document", "volume": "20 pages", "chinese": "4%"}, "in pages here"),
        ({"chinese": "120%"}, "not from 0% to 100%"),
        ({"markup": "-1%"}, "not from 0% to 100%"),
        ({"chinese": "0.4"}, "not a percentage"),
        ({"chinese": 0.4}, "not a percentage"),
        ({"chinese": "10%..20%"}, "takes no range"),
        ({"chinese": "60%", "markup": "41%"}, "more than 100% of the text"),
    ],
)
def test_a_share_that_means_nothing_is_refused(keys, message):
    with pytest.raises(PlanError, match=message):
        estimated(**keys)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"markup": True}, "counts has no 'chinese'"),
        ({"chinese": "2", "wide": "2"}, "unknown key 'wide'"),
        ({"chinese": "-1"}, "negative"),
        ({"chinese": "2", "markup": "no"}, "neither true nor false"),
        ({"chinese": "2", "uncounted": ["mark"]}, "tags that do not count where the others do"),
    ],
)
def test_a_rule_that_is_not_one_is_refused(counts, message):
    with pytest.raises(PlanError, match=message):
        acme(counts=counts)


def test_counts_are_of_prices_per_character_only():
    with pytest.raises(PlanError, match="prices per character, not per hour"):
        acme(counts={"chinese": "2"}, unit="hour", operations=["speech.transcribe"])


@pytest.mark.parametrize(
    ("counts", "billed", "note"),
    [
        ({"chinese": "1.5", "markup": False}, 100, None),
        ({"chinese": "3"}, 140, "whether tags are billed was not read: they are counted"),
        (None, 100, "whether Chinese characters and tags count otherwise was not read"),
    ],
)
def test_an_own_rule_bills_by_its_own_factor_and_what_was_not_read_counts_once(counts, billed, note):
    book = acme(**({} if counts is None else {"counts": counts}))
    (option,) = estimated(book, volume="100 characters", chinese="20%", markup="10%").options
    assert option.lines[0].billed_quantity == billed
    assert note is None or any(note in text for text in option.lines[0].notes)


def test_a_request_is_rounded_up_after_its_characters_are_counted():
    """100 characters, 30 of them Chinese: billed as 130, in steps of 100 as 200."""
    book = acme(counts={"chinese": "2"}, rounding={"increment": "100", "minimum": "300"})
    (option,) = estimated(book, volume="1000 characters", request="100 characters", chinese="30%").options
    assert option.lines[0].billed_quantity == 3000
    (option,) = estimated(book, volume="1000 characters", request="500 characters", chinese="30%").options
    assert option.lines[0].billed_quantity == 1400


def test_many_variants_at_once_count_characters_as_one_estimate_does():
    book = acme(counts={"chinese": "2", "markup": False}, rounding={"increment": "100", "minimum": "0"})
    line = SPEECH | {"request": "130 characters", "chinese": "33%", "markup": "7%", "growth": "3%/month"}
    workload = check_workload(Draft(name="test", data={"months": 5, "line": [line]}))
    (quote,) = quote_lines(workload, Catalog(book=book), "acme", {"voice": "global", "": "global"}, 5)
    plan = quote.plan
    assert plan is not None
    with exactly():
        alone = sum(bill([plan], 5, "always")["voice"].likely, Decimal(0))
        assert alone > plan.line.likely * 5 * Decimal("0.01")
        variants = Variants(workload.lines, {"voice": [plan.line.likely]}, 5)
        for vectorised in (True, False):
            assert totals([plan], variants, "always", vectorised=vectorised).costs == (alone,)


def test_every_shipped_price_per_character_says_how_it_counts():
    rows = [row for row in Book.shipped().rows() if base_of(str(row["unit"])) == "character"]
    silent = [row["where"] for row in rows if TEXT_OPERATIONS.intersection(row["operations"]) and "counts" not in row]  # type: ignore[arg-type]
    assert not silent
    assert sum("counts" in row for row in rows) > 90


def test_no_note_says_again_what_counts_say():
    for row in Book.shipped().rows():
        if "counts" in row:
            assert "twice" not in str(row.get("note")), row["where"]
            assert "SSML tags" not in str(row.get("note")), row["where"]
