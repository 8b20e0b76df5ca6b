"""Many variants at once come to what each alone comes to, to the last digit, with numpy and without."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from cloudai_pricing.billing import Plan
from cloudai_pricing.book import Book
from cloudai_pricing.bulk import Variants, totals
from cloudai_pricing.draft import Draft
from cloudai_pricing.entries import build
from cloudai_pricing.entry_check import check
from cloudai_pricing.estimator import estimate
from cloudai_pricing.selection import Charge
from cloudai_pricing.variant_totals import variants
from cloudai_pricing.workload_file import check as check_workload

ROUNDINGS = (None, {"unit": "second", "increment": "15", "minimum": "15"}, {"increment": "0", "minimum": "0.01"})
KINDS = ("always", "first_2_months", "first_12_months")


@st.composite
def prices(draw, name: str):
    """A ladder in hours or minutes: open or not, with a free allowance, a rounding, a fee; maybe on a shared pool."""
    table: dict[str, object] = {
        "provider": "p",
        "service": "Speech",
        "sku": name,
        "kind": "usage",
        "operations": [f"other.{name}"],
        "region": "global",
        "unit": draw(st.sampled_from(["hour", "minute"])),
        "effective_from": "2026-01-01",
        "as_of": "2026-01-01",
        "source": "https://example.com",
        "confidence": "official_page",
    }
    if draw(st.integers(0, 3)) == 0:
        fee, included = draw(st.integers(1, 100)), draw(st.integers(1, 900))
        overage = {"overage": str(draw(st.integers(1, 9)))} if draw(st.booleans()) else {}
        terms = {"fee": str(fee), "per": "month", "included": str(included), **overage}
        table |= {"kind": "commitment", "commitment": terms}
    else:
        bounds = sorted(draw(st.sets(st.integers(1, 5000), max_size=3)))
        tiers = [{"up_to": str(bound), "price": str(draw(st.decimals("0.0000001", 5, places=7)))} for bound in bounds]
        if not tiers or draw(st.integers(0, 3)):
            tiers.append({"price": str(draw(st.decimals("0.0000001", 5, places=7)))})
        table["tiers"] = tiers
        if draw(st.booleans()):
            table["free"] = {"quantity": str(draw(st.integers(1, 900))), "kind": draw(st.sampled_from(KINDS))}
        if draw(st.booleans()):
            table |= {"pool": "all"}
    rounding = draw(st.sampled_from(ROUNDINGS))
    return dict(check(table | ({"rounding": rounding} if rounding else {}), where=f"p.toml:{name}"))


@st.composite
def lines(draw, count: int):
    unit = st.sampled_from(["hours", "minutes", "seconds"])
    return [
        {
            "name": f"line {at}",
            "operation": f"other.{draw(st.sampled_from('ab'))}",
            "volume": f"{draw(st.integers(0, 4000))} {draw(unit)}{draw(st.sampled_from(['', ' once']))}",
            "growth": draw(st.sampled_from(["0%", "5%", "-12.5%", "0.1%"])),
            "request": draw(st.sampled_from(["7 seconds", "4 min", "90 seconds"])),
            "sku": None,
        }
        for at in range(count)
    ]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_variants_equal_the_estimate_of_each(data):
    book = Book.of([data.draw(prices(name)) for name in "ab"])
    skus = {"other.a": "a", "other.b": "b"}
    tables = [{**table, "sku": skus[table["operation"]]} for table in data.draw(lines(data.draw(st.integers(1, 4))))]
    huge = data.draw(st.sampled_from([1, 1, 10**9]))
    amounts = st.integers(0, 10**7).map(lambda number: Decimal(number) / 1000 * huge)
    volumes = {
        str(table["name"]): data.draw(st.lists(amounts, min_size=3, max_size=3))
        for table in tables
        if data.draw(st.booleans()) or table is tables[0]
    }
    free = data.draw(st.sampled_from(["none", "always", "all"]))
    plan = check_workload(Draft(name="test", data={"name": "test", "months": 5, "line": tables}))
    found = variants(plan, volumes, book=book, free_tier=free)["p"]
    for at in range(3):
        changed = [
            {**table, "volume": _volume(table, volumes[table["name"]][at])} if table["name"] in volumes else table
            for table in tables
        ]
        alone = check_workload(Draft(name="test", data={"name": "test", "months": 5, "line": changed}))
        option = estimate(alone, book=book, free_tier=free).options[0]
        assert found.costs[at] == option.total.likely
        assert found.unknown[at] == (not option.complete)


def _volume(table, amount: Decimal) -> str:
    _, unit, *once = str(table["volume"]).split(" ")
    return " ".join([f"{amount:f}", unit, *once])


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_without_numpy_the_numbers_are_the_same(data):
    price = build(data.draw(prices("a")) | {"kind": "usage", "until": None})
    table = {**data.draw(lines(1))[0], "operation": "other.a", "sku": "a"}
    line = check_workload(Draft(name="test", data={"name": "test", "line": [table]})).lines[0]
    several = Variants([line], {line.name: data.draw(st.lists(st.integers(0, 10**7).map(Decimal), min_size=4))}, 4)
    plan = Plan(line=line, region="global", volumes=(), charges=(Charge(price=price, factor=Decimal("0.9")),))
    fast = totals([plan], several, "all", months_too=True, vectorised=True)
    assert fast == totals([plan], several, "all", months_too=True, vectorised=False)
