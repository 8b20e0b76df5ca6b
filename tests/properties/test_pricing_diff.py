"""A change splits into price, volume, mix and assumption effects that add up exactly, whatever changed."""

from __future__ import annotations

import json
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from cloudai_pricing.asjson import document
from cloudai_pricing.book import Book
from cloudai_pricing.diff import Change, compare
from cloudai_pricing.draft import Draft
from cloudai_pricing.entry_check import check
from cloudai_pricing.estimator import estimate
from cloudai_pricing.exact import ZERO
from cloudai_pricing.model import Estimate
from cloudai_pricing.workload_file import check as check_workload

OPERATIONS = ("vision.detect_labels", "vision.moderate", "vision.read_text")
MICROS = st.integers(0, 10**5).map(lambda micros: str(Decimal(micros).scaleb(-6)))


@st.composite
def row(draw: st.DrawFn, provider: str, operation: str) -> dict[str, object]:
    bounds = sorted(draw(st.sets(st.integers(1, 10**5), max_size=2)))
    tiers: list[dict[str, str]] = [{"up_to": str(bound), "price": draw(MICROS)} for bound in bounds]
    table: dict[str, object] = {
        "provider": provider,
        "service": "Vision",
        "sku": operation,
        "kind": "usage",
        "operations": [operation],
        "region": "global",
        "unit": "image",
        "tiers": [*tiers, {"price": draw(MICROS)}],
        "effective_from": "2026-01-01",
        "as_of": "2026-01-02",
        "source": "https://example.com/prices",
        "confidence": "official_page",
    }
    if draw(st.booleans()):
        table["pool"] = "one"
    if draw(st.booleans()) and Decimal(str(table["tiers"][0]["price"])):  # type: ignore[index]
        table["free"] = {"quantity": str(draw(st.integers(1, 5000))), "kind": "always"}
    return dict(check(table, where=f"book/{provider}.toml:{operation}"))


@st.composite
def estimates(draw: st.DrawFn) -> Estimate:
    """A few lines on one to three providers, each with its own prices; some lines are not priced."""
    providers = draw(st.lists(st.sampled_from("pqr"), min_size=1, max_size=3, unique=True))
    operations = draw(st.lists(st.sampled_from(OPERATIONS), min_size=1, max_size=3, unique=True))
    rows = [draw(row(provider, operation)) for provider in providers for operation in operations if draw(st.booleans())]
    names = draw(st.lists(st.sampled_from("abcd"), min_size=1, max_size=3, unique=True))
    lines = [
        {
            "name": name,
            "operation": draw(st.sampled_from(operations)),
            "volume": f"{draw(st.integers(0, 10**6))} images/month",
            "growth": f"{draw(st.integers(-20, 30))}%",
        }
        for name in names
    ]
    data = {"name": "test", "months": draw(st.integers(1, 4)), "line": lines}
    book = Book.of(rows or [draw(row("p", operations[0]))])
    return estimate(check_workload(Draft(name="test", data=data)), book=book)


def assert_adds_up(change: Change) -> None:
    assert sum(change.effects, ZERO) == (change.after or ZERO) - (change.before or ZERO) == change.amount


@settings(max_examples=200, deadline=None)
@given(estimates(), estimates())
def test_effects_add_up_whatever_changed(before, after):
    found = compare(json.loads(json.dumps(document(before))), after)
    for option in found.options:
        assert_adds_up(option.total)
        for line in option.lines:
            assert_adds_up(line)
        assert sum((line.amount for line in option.lines), ZERO) == option.total.amount
    if found.mix is not None:
        assert_adds_up(found.mix)


@settings(max_examples=40, deadline=None)
@given(estimates())
def test_nothing_changed_has_no_effect(one):
    found = compare(json.loads(json.dumps(document(one))), one)
    changes = [option.total for option in found.options] + ([found.mix] if found.mix else [])
    assert all(not any(change.effects) and change.sign == "=" for change in changes)
