"""What becomes of feed prices: the mapping, which price is the newer, what changed, and the files they are kept in."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cloudai.prices import snapshot
from cloudai.prices.changes import compare, in_force, newer, price_of
from cloudai.prices.entry import in_book_units
from cloudai.prices.feed import FeedPrice, ladder
from cloudai.prices.mapping import INSTANCE, load
from cloudai.prices.match import match
from cloudai_pricing import Book, PlanError, estimate, load_overlay
from cloudai_pricing.draft import quick
from cloudai_pricing.entries import Row, Tier
from cloudai_pricing.workload_file import check

BATCH = next(
    row for row in Book.shipped().rows() if (row["sku"], row["region"]) == ("S0 batch transcription", "eastus")
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLOUDAI_PRICES", str(tmp_path / "prices"))
    return tmp_path / "prices"


def row(price: str = "0.18", *, since: str = "2026-01-01", read: str = "2026-11-01", **more: object) -> Row:
    """An entry for batch transcription."""
    plain = {key: value for key, value in BATCH.items() if key not in ("until", "where") and value is not None}
    tiers = [{"up_to": None, "price": price}]
    return {**plain, "tiers": tiers, "effective_from": since, "as_of": read, "where": "here", "own": False, **more}


# The mapping


def test_every_sku_of_the_mapping_is_in_the_book() -> None:
    book = {(row["provider"], row["service"], row["sku"]) for row in Book.shipped().rows()}
    services = {(provider, service) for provider, service, _ in book}
    for group in load().groups:
        assert (group.provider, group.service) in services
        for targets in group.meters.values():
            named = [target.sku for target in targets if target.sku and INSTANCE not in target.sku]
            assert [sku for sku in named if (group.provider, group.service, sku) not in book] == []


def test_no_meter_of_the_mapping_is_two_skus_in_two_places() -> None:
    seen: dict[tuple[str, str, str, str | None], str] = {}
    for group in load().groups:
        for product in group.products:
            for meter, targets in group.meters.items():
                for unit in {target.unit for target in targets}:
                    key = (group.provider, product, meter, unit)
                    assert seen.setdefault(key, group.service) == group.service


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[map]]\nprovider = "oracle"\n', "unknown provider 'oracle'"),
        ('[[map]]\nprovider = "aws"\n', "service = None"),
        ('[[map]]\nprovider = "aws"\nservice = "Polly"\nproduct = ["x"]\nmeters = 3\n', "meters is not a list"),
        (
            '[[map]]\nprovider = "aws"\nservice = "Polly"\nproduct = ["x"]\nmeters = [{ meter = "m", size = "0" }]\n',
            "size = '0'",
        ),
        ('[[mpa]]\nprovider = "aws"\n', "unknown key 'mpa'"),
        ("map = 3\n", "map is not a list"),
        ("map = [", "not valid TOML"),
    ],
)
def test_a_wrong_mapping_is_named_with_file_and_fix(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "more.toml"
    path.write_text(text)
    with pytest.raises(PlanError, match=said.replace("[", r"\[")) as caught:
        load([path])
    assert "more.toml" in str(caught.value)


def test_a_mapping_of_the_users_own_comes_on_top(tmp_path: Path) -> None:
    path = tmp_path / "more.toml"
    path.write_text(
        '[[map]]\nprovider = "gcp"\nproduct = ["Cloud Vision API"]\nservice = "Cloud Vision"\n'
        'meters = [{ meter = "AAAA-BBBB-CCCC", unit = "count", skus = ["LABEL_DETECTION"] }]\n'
    )
    price = FeedPrice(
        provider="gcp",
        product="Cloud Vision API",
        meter="AAAA-BBBB-CCCC",
        region="global",
        unit="count",
        tiers=ladder({Decimal(0): Decimal(0), Decimal(1000): Decimal("0.0016")}),
        effective_from="2026-11-01",
        as_of="2026-11-25",
        source="here",
        id="x",
    )
    (entry,) = match([price], load([path]), in_force(Book.shipped())).rows
    assert entry["sku"] == "LABEL_DETECTION"
    assert entry["free"] == {"quantity": "1000", "kind": "always"}


# Units


starts = st.lists(st.integers(1, 10**6), max_size=4, unique=True)


@given(starts, st.sampled_from(["1", "1000", "1000000", "0.5"]), st.integers(0, 10**7))
def test_a_volume_costs_the_same_in_units_of_the_feed_and_of_the_book(
    bounds: list[int], size: str, volume: int
) -> None:
    prices = {Decimal(start): Decimal(100 - number) for number, start in enumerate([0, *sorted(bounds)])}
    tiers = ladder(prices)

    def cost(steps: tuple[Tier, ...], units: Decimal) -> Decimal:
        total = reached = Decimal(0)
        for tier in steps:
            upper = units if tier.up_to is None else min(units, tier.up_to)
            total += max(Decimal(0), upper - reached) * tier.price
            reached = max(reached, upper)
        return total

    assert cost(tiers, Decimal(volume)) == cost(in_book_units(tiers, Decimal(size)), volume * Decimal(size))


# Newer or older


days = st.sampled_from(["2025-01-01", "2026-01-01", "2026-06-01", "2026-11-01"])


@given(days, days, days, days, st.sampled_from(["0.18", "0.2"]), st.booleans())
def test_a_newer_price_is_never_replaced_by_an_older(
    since: str, read: str, before_since: str, before_read: str, price: str, trusted: bool
) -> None:
    assume(since <= read and before_since <= before_read)
    before = row(since=before_since, read=before_read)
    taken, held = newer([row(price, since=since, read=read)], [before], trusted=trusted)
    for entry in taken:
        assert str(entry["effective_from"]) >= before_since or price == "0.18"
        assert str(entry["as_of"]) >= before_read
        assert trusted or price == "0.18" or since >= before_since
    assert len(held) == (price != "0.18" and taken == [])


def test_a_later_reading_of_an_earlier_price_is_told_and_only_taken_when_the_user_says_so() -> None:
    before = row("0.2", since="2026-09-22", read="2026-09-22")
    feed = row("0.3", since="2025-07-01", read="2026-11-01")
    taken, (remark,) = newer([feed], [before])
    assert taken == []
    assert "0.3 per hour (since 2025-07-01, read 2026-11-01) is older than 0.2 per hour" in remark.text
    ((entry,), held) = newer([feed], [before], trusted=True)
    assert (entry["effective_from"], held) == ("2026-11-01", [])


def test_an_equal_price_is_read_anew_and_keeps_its_day() -> None:
    ((entry,), _) = newer([row(since="2020-01-01", read="2026-11-01")], [row(since="2024-05-01", read="2025-08-25")])
    assert (entry["effective_from"], entry["as_of"]) == ("2024-05-01", "2026-11-01")


# What changed


def test_changes_are_added_removed_and_changed_with_percent() -> None:
    other = row(region="westus")
    (change,) = compare([row("0.2")], [row("0.25")])
    assert (change.kind, change.percent) == ("~", Decimal("25.0"))
    assert [change.kind for change in compare([row()], [row(), other])] == ["+"]
    assert [change.kind for change in compare([row(), other], [row()])] == ["-"]
    assert compare([row()], [row(read="2026-11-20", source="elsewhere")]) == ()


def test_a_change_in_a_later_tier_has_its_percent() -> None:
    tiers = [{"up_to": "10", "price": "2"}, {"up_to": None, "price": "1"}]
    lower = [{"up_to": "10", "price": "2"}, {"up_to": None, "price": "0.9"}]
    (change,) = compare([row(tiers=tiers)], [row(tiers=lower)])
    assert change.percent == Decimal("-10.0")


# Files


texts = st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: text.isprintable() and text.strip() != "")


@given(texts, texts, st.decimals(0, 10, places=12), st.lists(st.integers(1, 9), min_size=0, max_size=3))
def test_a_snapshot_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, note: str, source: str, price: Decimal, steps: list[int]
) -> None:
    bounds = [sum(steps[: number + 1]) for number in range(len(steps))]
    tiers = [{"up_to": str(bound), "price": f"{price:f}"} for bound in bounds] + [{"up_to": None, "price": "0.1"}]
    entry = row(note=note, source=source, tiers=tiers)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLOUDAI_PRICES", str(tmp_path_factory.mktemp("prices")))
        made = snapshot.write([entry], day="2026-11-25", title="a test")
        (again,) = snapshot.read(made.path)
    same = {"where": "here"}
    assert price_of({**again, **same}) == price_of({**entry, **same})


def test_snapshots_are_listed_by_day_and_number(home: Path) -> None:
    names = ["2026-11-25", "2026-11-25.2", "2026-11-25.10", "2026-02-01"]
    home.mkdir()
    for name in [*names, "notes", "2026-11-25 copy"]:
        (home / f"{name}.toml").write_text("")
    assert [one.id for one in snapshot.stored()] == [names[3], names[0], names[1], names[2]]
    assert snapshot.find("latest").id == "2026-11-25.10"


def test_a_file_that_is_there_is_never_touched(home: Path) -> None:
    home.mkdir()
    (home / "2026-11-25.toml").write_text("mine")
    made = snapshot.write([row()], day="2026-11-25", title="a test")
    assert made.id == "2026-11-25.2"
    assert (home / "2026-11-25.toml").read_text() == "mine"
    assert sorted(path.name for path in home.iterdir()) == ["2026-11-25.2.toml", "2026-11-25.toml"]


def test_more_than_a_file_may_hold_is_refused_before_anything_is_written(home: Path) -> None:
    with pytest.raises(PlanError, match="Narrow it"):
        snapshot.write([row(note="x" * 1_000_000)] * 9, day="2026-11-25", title="a test")
    assert not home.exists()


def test_the_book_under_a_snapshot_keeps_its_past() -> None:
    over = snapshot.over(Book.shipped(), [row("0.25", since="2026-11-22", read="2026-11-25")])
    assert over.as_of == "2026-11-25"
    costs = []
    for day in ("2026-11-21", "2026-11-25"):
        prices = over.at(day).prices("speech.transcribe")
        costs += [price.first_price for price in prices if (price.sku, price.region) == (BATCH["sku"], "eastus")]
    assert costs == [Decimal("0.18"), Decimal("0.25")]
    assert over.at("2026-11-21").snapshot.date == Book.shipped().snapshot.date


def test_a_snapshot_prices_a_workload_alike_as_part_of_the_book_and_as_an_overlay(home: Path) -> None:
    known = [entry for entry in in_force(Book.shipped()) if "speech.transcribe" in str(entry["operations"])]
    azure = [entry for entry in known if entry["provider"] == "azure"]
    fresh = row("0.25", since="2026-11-22", read="2026-11-25")
    kept = [entry for entry in azure if (entry["sku"], entry["region"]) != (fresh["sku"], fresh["region"])]
    made = snapshot.write([*kept, fresh], day="2026-11-25", title="a test")
    workload = check(quick(["speech.transcribe=100 hours"]))
    whole = estimate(workload, book=snapshot.book_of("latest"), providers=["azure"], region="eastus", months=1)
    laid = estimate(workload, overlay=load_overlay(made.path), providers=["azure"], region="eastus", months=1)
    assert whole.options[0].total.likely == laid.options[0].total.likely == Decimal(25)


@pytest.mark.parametrize("name", ["yesterday", "2026-01-01", "latest", "missing.toml"])
def test_a_snapshot_that_is_not_there_is_told_with_the_fix(name: str) -> None:
    with pytest.raises(PlanError):
        snapshot.book_of(name)
