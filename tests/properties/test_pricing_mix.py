"""The mix is the assignment with the least total: held against trying them all."""

from __future__ import annotations

import itertools
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from cloudai_pricing.book import Book
from cloudai_pricing.draft import Draft
from cloudai_pricing.entry_check import check
from cloudai_pricing.estimator import estimate
from cloudai_pricing.workload_file import check as check_workload

OPERATIONS = ("vision.detect_labels", "vision.detect_faces", "vision.moderate")
Tables = list[dict[str, object]]


@st.composite
def entries(draw, provider: str):
    """Ladders for the operations, some on one pool, some with one allowance, one that may end, one with an add-on."""
    rows = []
    pooled = draw(st.booleans())
    credit = draw(st.booleans())
    for operation in OPERATIONS:
        bound = draw(st.integers(1, 2000))
        first, then = draw(st.integers(1, 100)), draw(st.integers(0, 100))
        open_end = draw(st.integers(0, 5)) > 0
        table: dict[str, object] = {
            "provider": provider,
            "service": "Vision",
            "sku": operation,
            "kind": "usage",
            "operations": [operation],
            "region": "global",
            "unit": "image",
            "tiers": [{"up_to": str(bound), "price": str(first)}, *([{"price": str(then)}] if open_end else [])],
            "effective_from": "2026-01-01",
            "as_of": "2026-01-01",
            "source": "https://example.com",
            "confidence": "official_page",
        }
        if pooled:
            table["pool"] = "all"
        if draw(st.booleans()):
            free: dict[str, object] = {"quantity": str(draw(st.integers(1, 1500))), "kind": "always"}
            table["free"] = free | ({"pool": "credit"} if credit else {})
        rows.append(dict(check(table, where=f"{provider}.toml:{operation}")))
    return rows


@st.composite
def workloads(draw):
    volumes = draw(st.lists(st.tuples(st.sampled_from(OPERATIONS), st.integers(1, 3000)), min_size=1, max_size=4))
    growth = draw(st.sampled_from(["0%/month", "10%/month"]))
    return [
        {"name": f"line {at}", "operation": operation, "volume": f"{volume} images", "growth": growth}
        for at, (operation, volume) in enumerate(volumes)
    ]


def whole(book: Book, provider: str, tables: Tables) -> tuple[int, Decimal]:
    """How many lines are not wholly priced, and the total, with a provider's share of the lines."""
    workload = check_workload(Draft(name="test", data={"name": "test", "months": 3, "line": tables}))
    option = estimate(workload, book=book, providers=[provider]).options[0]
    return sum(1 for line in option.lines if not line.complete), option.total.likely


def brute_force(book: Book, providers: tuple[str, ...], tables: Tables) -> tuple[int, Decimal]:
    best = None
    for assignment in itertools.product(providers, repeat=len(tables)):
        shares = [[t for t, p in zip(tables, assignment, strict=True) if p == provider] for provider in providers]
        parts = [whole(book, provider, share) for provider, share in zip(providers, shares, strict=True) if share]
        cost = (sum(unknown for unknown, _ in parts), sum((total for _, total in parts), Decimal(0)))
        best = cost if best is None or cost < best else best
    assert best is not None
    return best


@settings(max_examples=150, deadline=None)
@given(st.data(), workloads())
def test_the_mix_equals_brute_force(data, tables):
    providers = ("p", "q", "r")[: data.draw(st.integers(1, 3))]
    book = Book.of([row for provider in providers for row in data.draw(entries(provider))])
    workload = check_workload(Draft(name="test", data={"name": "test", "months": 3, "line": tables}))
    mix = estimate(workload, book=book).mix
    assert mix is not None
    unknown = sum(1 for choice in mix.choices if choice.line is None or not choice.line.complete)
    assert (unknown, mix.total.likely) == brute_force(book, providers, tables)
    assert mix.complete == (unknown == 0)


@settings(max_examples=40, deadline=None)
@given(st.data(), workloads())
def test_the_mix_is_never_dearer_than_one_provider_for_all(data, tables):
    book = Book.of([row for provider in ("p", "q") for row in data.draw(entries(provider))])
    workload = check_workload(Draft(name="test", data={"name": "test", "line": tables}))
    result = estimate(workload, book=book)
    assert result.mix is not None
    for option in result.options:
        if option.complete:
            assert result.mix.complete
            assert result.mix.total.likely <= option.total.likely


def test_a_search_that_must_stop_says_so_and_is_not_dearer_than_one_provider(monkeypatch):
    """Which lines fill two allowances best is a knapsack: no bound closes it at once."""
    monkeypatch.setattr("cloudai_pricing.mix.MOST_SUMS", 3)
    base: dict[str, object] = {
        "service": "Vision", "sku": "all", "kind": "usage", "operations": list(OPERATIONS), "region": "global",
        "unit": "image", "effective_from": "2026-01-01", "as_of": "2026-01-01", "source": "https://example.com",
        "confidence": "official_page",
    }  # fmt: skip
    allowances = {"p": "3333", "q": "4444"}
    entry = {
        name: base | {"provider": name, "tiers": [{"price": "1.5"}], "free": {"quantity": free, "kind": "always"}}
        for name, free in allowances.items()
    }
    book = Book.of([dict(check(table, where=f"{name}:1")) for name, table in entry.items()])
    tables: Tables = [
        {"name": f"line {at}", "operation": OPERATIONS[at % 3], "volume": f"{1000 + at * 7} images"} for at in range(20)
    ]
    result = estimate(check_workload(Draft(name="test", data={"months": 1, "line": tables})), book=book)
    assert result.mix is not None
    assert result.mix.total.likely <= min(option.total.likely for option in result.options)
    assert any("not proven" in text for text in result.assumptions)


def test_an_unknown_price_never_wins():
    """A ladder that ends costs nothing above its end only because nobody knows; the known provider is taken."""
    base: dict[str, object] = {
        "service": "Vision", "sku": "labels", "kind": "usage", "operations": ["vision.detect_labels"],
        "region": "global", "unit": "image", "effective_from": "2026-01-01", "as_of": "2026-01-01",
        "source": "https://example.com", "confidence": "official_page",
    }  # fmt: skip
    book = Book.of(
        [
            dict(check(base | {"provider": "ends", "tiers": [{"up_to": "10", "price": "1"}]}, where="a:1")),
            dict(check(base | {"provider": "known", "tiers": [{"price": "5"}]}, where="b:1")),
        ]
    )
    tables: Tables = [{"operation": "vision.detect_labels", "volume": "1000 images"}]
    workload = check_workload(Draft(name="test", data={"name": "test", "months": 1, "line": tables}))
    mix = estimate(workload, book=book).mix
    assert mix is not None
    assert (mix.choices[0].provider, mix.total.likely, mix.complete) == ("known", 5000, True)


def test_a_shared_ladder_beats_the_cheapest_of_each_line():
    """Each line alone is cheaper on q; together they reach p's cheap tier."""
    base: dict[str, object] = {
        "service": "Vision", "kind": "usage", "region": "global", "unit": "image", "effective_from": "2026-01-01",
        "as_of": "2026-01-01", "source": "https://example.com", "confidence": "official_page",
    }  # fmt: skip
    ladders = {"p": [{"up_to": "1000", "price": "2"}, {"price": "0.1"}], "q": [{"price": "1.5"}]}
    both = ["vision.detect_labels", "vision.moderate"]
    tables_of = {name: {"provider": name, "sku": "all", "operations": both, "tiers": ladders[name]} for name in ladders}
    book = Book.of([dict(check(base | table, where=f"{name}:1")) for name, table in tables_of.items()])
    tables: Tables = [{"name": name, "operation": name, "volume": "1000 images"} for name in both]
    workload = check_workload(Draft(name="test", data={"name": "test", "months": 1, "line": tables}))
    mix = estimate(workload, book=book).mix
    assert mix is not None
    assert [choice.provider for choice in mix.choices] == ["p", "p"]
    assert mix.total.likely == 2100
