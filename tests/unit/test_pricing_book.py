"""The price book's reader: compiled and readable forms agree, prices are dated, duplicates and gaps are seen."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from pathlib import Path

import pytest

from cloudai_pricing import PlanError
from cloudai_pricing.book import COMPILED, FOLDER, Book, compiled_text, load_compiled
from cloudai_pricing.estimator import estimate
from cloudai_pricing.workload_file import load

EXAMPLE = Path(__file__).parents[2] / "examples" / "01_estimate" / "support_portal.toml"

ENTRY = """
[[price]]
provider = "acme"
service = "Vision"
sku = "labels"
kind = "usage"
operations = ["vision.detect_labels"]
region = "global"
unit = "image"
tiers = [{ price = "PRICE" }]
effective_from = "DATE"
as_of = "DATE"
source = "https://acme.example/prices"
confidence = "official_page"
"""


def entry(price: str, date: str) -> str:
    return ENTRY.replace("PRICE", price).replace("DATE", date)


def book(tmp_path: Path, *entries: str) -> Book:
    folder = tmp_path / "book"
    folder.mkdir(exist_ok=True)
    (folder / "acme.toml").write_text("".join(entries), encoding="utf-8")
    return Book.read(folder)


def test_the_compiled_book_says_what_the_readable_one_says():
    """Run `python -m cloudai_pricing.compile` after editing the book."""
    assert COMPILED.read_text(encoding="utf-8") == compiled_text(FOLDER)
    compiled = load_compiled()
    assert compiled is not None
    readable = Book.read(FOLDER)
    assert compiled.snapshot == readable.snapshot
    for operation in {name for row in readable.rows() for name in row["operations"]}:
        assert compiled.prices(operation) == readable.prices(operation)


def test_the_compiled_form_is_plain_text():
    for line in COMPILED.read_text(encoding="utf-8").splitlines():
        assert isinstance(json.loads(line), dict)


def test_a_compiled_form_of_other_files_is_not_used(tmp_path):
    folder = tmp_path / "book"
    folder.mkdir()
    (folder / "acme.toml").write_text(entry("0.1", "2026-01-01"), encoding="utf-8")
    compiled = tmp_path / "compiled.jsonl"
    compiled.write_text(compiled_text(folder), encoding="utf-8")
    assert load_compiled(compiled, folder) is not None
    (folder / "acme.toml").write_text(entry("0.2", "2026-01-01"), encoding="utf-8")
    assert load_compiled(compiled, folder) is None
    compiled.write_text("not json\n", encoding="utf-8")
    assert load_compiled(compiled, folder) is None


@pytest.mark.parametrize("wait", [-(10**9), 0, 10**9])
def test_a_changed_price_counts_whatever_the_clocks_of_the_files_say(tmp_path, wait):
    folder = tmp_path / "book"
    folder.mkdir()
    source, compiled = folder / "acme.toml", tmp_path / "compiled.jsonl"
    source.write_text(entry("0.1", "2026-01-01"), encoding="utf-8")
    compiled.write_text(compiled_text(folder), encoding="utf-8")
    source.write_text(entry("0.25", "2026-01-01"), encoding="utf-8")
    made = compiled.stat().st_mtime_ns + wait
    os.utime(source, ns=(made, made))
    assert load_compiled(compiled, folder) is None
    source.write_bytes(entry("0.1", "2026-01-01").encode().replace(b"\n", b"\r\n"))
    os.utime(source, ns=(made, made))
    assert load_compiled(compiled, folder) is not None


def test_prices_of_a_region_are_those_of_all_that_name_it():
    book = Book.shipped()
    every = book.prices("vision.detect_labels")
    here = book.prices("vision.detect_labels", "azure", "eastus", "westeurope")
    assert here
    assert here == tuple(p for p in every if p.provider == "azure" and p.region in ("eastus", "westeurope"))
    assert book.providers_of("vision.detect_labels") == {price.provider for price in every}
    assert book.prices("vision.detect_labels", "acme") == ()


def test_as_of_gives_the_price_in_force_that_day(tmp_path):
    found = book(tmp_path, entry("0.1", "2026-01-01"), entry("0.2", "2026-06-01"))

    def price(day: str) -> str:
        (only,) = found.at(day).prices("vision.detect_labels")
        return str(only.first_price)

    assert [price(day) for day in ("2026-01-01", "2026-05-31", "2026-06-01", "2030-01-01")] == [
        "0.1",
        "0.1",
        "0.2",
        "0.2",
    ]
    with pytest.raises(PlanError, match="It starts on 2026-01-01"):
        found.at("2025-12-31")


def test_a_price_of_the_future_is_not_in_force_yet(tmp_path):
    """The book is seen on the day of its newest reading: a price announced for later waits."""
    later = entry("0.2", "2027-01-01").replace('as_of = "2027-01-01"', 'as_of = "2026-02-01"')
    (only,) = book(tmp_path, entry("0.1", "2026-01-01"), later).prices("vision.detect_labels")
    assert str(only.first_price) == "0.1"


def test_adding_a_later_price_leaves_an_old_snapshot_as_it_was(tmp_path):
    before = book(tmp_path, entry("0.1", "2026-01-01")).at("2026-03-01").snapshot
    after = book(tmp_path, "# a comment that moves lines\n", entry("0.1", "2026-01-01"), entry("0.2", "2026-06-01"))
    assert after.at("2026-03-01").snapshot == before
    assert after.at("2026-07-01").snapshot.id != before.id


def test_an_old_estimate_is_run_again_to_the_byte(tmp_path):
    from cloudai_pricing.asjson import to_json
    from cloudai_pricing.draft import quick
    from cloudai_pricing.workload_file import check

    workload = check(quick(["vision.detect_labels=3M images"]))
    old = to_json(estimate(workload, book=book(tmp_path, entry("0.1", "2026-01-01")), as_of="2026-03-01"))
    grown = book(tmp_path, entry("0.1", "2026-01-01"), entry("0.2", "2026-06-01"))
    assert to_json(estimate(workload, book=grown, as_of="2026-03-01")) == old
    assert to_json(estimate(workload, book=grown)) != old


def test_one_price_twice_is_an_error_that_names_both_places(tmp_path):
    with pytest.raises(PlanError) as caught:
        book(tmp_path, entry("0.1", "2026-01-01"), entry("0.3", "2026-01-01"))
    assert "book/acme.toml:2 " in str(caught.value)
    assert "book/acme.toml:16 " in str(caught.value)
    assert str(caught.value).count("https://acme.example/prices") == 2


def test_two_skus_that_fit_equally_well_are_an_error_that_names_both(tmp_path):
    from cloudai_pricing.draft import quick
    from cloudai_pricing.workload_file import check

    other = entry("0.05", "2026-01-01").replace('"labels"', '"labels, again"')
    found = book(tmp_path, entry("0.1", "2026-01-01"), other)
    with pytest.raises(PlanError) as caught:
        estimate(check(quick(["vision.detect_labels=3M images"])), book=found)
    assert "book/acme.toml:2" in str(caught.value)
    assert "book/acme.toml:16" in str(caught.value)
    assert "'labels, again'" in str(caught.value)


def test_a_wrong_entry_is_named_by_file_and_line(tmp_path):
    with pytest.raises(PlanError, match=r"book/acme\.toml:10: price = 'cheap' is not a number"):
        book(tmp_path, entry("cheap", "2026-01-01"))


USED = sorted(
    {
        (option.provider, piece.sku, piece.region)
        for option in estimate(load(EXAMPLE)).options
        for line in option.lines
        for piece in line.slices
    }
)


@pytest.mark.parametrize(("provider", "sku", "region"), USED)
def test_deleting_a_price_in_use_never_lowers_a_total_silently(provider, sku, region):
    whole = estimate(load(EXAMPLE))
    assert whole.complete
    rows = [
        {key: value for key, value in row.items() if key != "until"}
        for row in Book.shipped().rows()
        if (row["provider"], row["sku"], row["region"]) != (provider, sku, region)
    ]
    less = estimate(load(EXAMPLE), book=Book.of(rows))
    (before,) = (option for option in whole.options if option.provider == provider)
    (after,) = (option for option in less.options if option.provider == provider)
    assert not less.complete
    assert not after.complete
    assert after.total.likely < before.total.likely
    missing = [line for line in after.lines if not line.complete]
    assert missing
    assert all(line.cost is None and line.notes for line in missing)


def test_spot_training_on_vertex_is_the_spot_machine_and_the_fee_on_the_list_price():
    """The fee of 15% is what training costs above the machine; nothing else makes a spot price of training."""
    rows = Book.shipped().rows()
    machines = {(row["instance"], row["region"], bool(row.get("spot"))): row for row in rows
                if row["service"] == "Compute Engine" and row.get("instance") and "commitment" not in row}  # fmt: skip
    spots = [row for row in rows if row["service"] == "Vertex AI training" and row.get("spot")]
    assert spots
    for row in spots:
        listed, spot = (
            Decimal(machines[row["instance"], row["region"], at]["tiers"][0]["price"]) for at in (False, True)
        )
        assert abs(Decimal(row["tiers"][0]["price"]) - spot - listed * Decimal("0.15")) < Decimal("0.000001")


def test_every_shipped_price_can_be_selected_without_ambiguity():
    """Per provider, operation, region, variant and features there is one base price, or one default."""
    from cloudai_pricing.selection import Catalog, Unpriced, Wanted, select

    shipped = Book.shipped()
    catalog = Catalog(book=shipped)
    for operation in {name for row in shipped.rows() for name in row["operations"]}:
        for price in shipped.prices(operation):
            wanted = Wanted(operation=operation, unit=price.unit, features=price.features, variant=price.variant)
            try:
                assert select(catalog, price.provider, price.region, wanted).charges
            except Unpriced:
                assert price.kind in ("addon", "commitment") or price.instance, price
