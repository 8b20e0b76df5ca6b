"""The optimum of a plan against brute force over every assignment, each billed on its own; the solver too."""

from __future__ import annotations

from decimal import Decimal
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from cloudai.solver import available, segments_of, solve
from cloudai_pricing.billing import Plan, total
from cloudai_pricing.draft import Draft
from cloudai_pricing.entries import Free, Price, Tier
from cloudai_pricing.exact import ZERO, exactly
from cloudai_pricing.mix import assign
from cloudai_pricing.mix_offers import sharing as shared
from cloudai_pricing.plan import plan
from cloudai_pricing.plan_settings import PlanSettings
from cloudai_pricing.pool import pool_of
from cloudai_pricing.selection import Charge
from cloudai_pricing.workload import Line
from cloudai_pricing.workload_file import check as check_workload

MONTHS = 3
D = Decimal


@st.composite
def prices(draw: st.DrawFn, provider: str) -> Price:
    edges = sorted(draw(st.lists(st.integers(10, 900), max_size=3, unique=True)))
    each = sorted(draw(st.lists(st.integers(1, 40), min_size=len(edges) + 1, max_size=len(edges) + 1)), reverse=True)
    tiers = tuple(Tier(up_to=D(edge), price=D(one) / 8) for edge, one in zip([*edges, None], each, strict=True) if edge)
    free = draw(st.sampled_from([None, 50, 300]))
    return Price(
        provider=provider, service="s", sku="one", kind="usage", operations=("other.x",), region="r", unit="unit",
        tiers=(*tiers, Tier(up_to=None, price=D(each[-1]) / 8)), effective_from="2026-01-01", as_of="2026-01-01",
        source="", confidence="own", where="", free=None if free is None else Free(quantity=D(free), kind="always"),
    )  # fmt: skip


@st.composite
def problems(
    draw: st.DrawFn, most: int
) -> tuple[dict[str, dict[str, Plan]], list[str], dict[tuple[str, str], Decimal]]:
    """Lines that all share one ladder on each of two or three providers, and what each adds beside it there."""
    names = [f"l{number}" for number in range(draw(st.integers(2, most)))]
    plans: dict[str, dict[str, Plan]] = {}
    extra: dict[tuple[str, str], Decimal] = {}
    lines = {}
    for name in names:
        volume = D(draw(st.integers(1, 600)))
        growth = D(draw(st.sampled_from(["0", "0.5"])))
        lines[name] = Line(
            name=name,
            operation="other.x",
            unit="unit",
            low=volume,
            likely=volume,
            high=volume,
            reading="",
            growth=growth,
        )
    for provider in ("a", "b", "c")[: draw(st.integers(2, 3))]:
        price = draw(prices(provider))
        for name, line in lines.items():
            volumes = tuple(line.in_month(month) for month in range(1, MONTHS + 1))
            plans.setdefault(provider, {})[name] = Plan(
                line=line, region="r", volumes=volumes, charges=(Charge(price),)
            )
            extra[provider, name] = D(draw(st.integers(0, 500)))
    return plans, names, extra


def _cost(plans, placed, extra) -> Decimal:
    cost = sum((extra[provider, name] for name, provider in placed.items()), ZERO)
    for provider in set(placed.values()):
        mine = [plans[provider][name] for name, where in placed.items() if where == provider]
        cost += total(mine, MONTHS, "always")[1]
    return cost


def _brute(plans, names, extra) -> Decimal:
    several = (dict(zip(names, placed, strict=True)) for placed in product(plans, repeat=len(names)))
    return min(_cost(plans, placed, extra) for placed in several)


@settings(max_examples=60, deadline=None)
@given(problems(4))
def test_choice_with_costs_beside_the_price_is_the_least_of_all(problem) -> None:
    plans, names, extra = problem
    with exactly():
        found = assign(plans, names, MONTHS, "always", extra)
        assert found.exact
        assert _cost(plans, dict(found.providers), extra) == _brute(plans, names, extra)


@settings(max_examples=40, deadline=None)
@given(problems(5))
def test_the_solver_finds_a_least_one_too(problem) -> None:
    plans, names, extra = problem
    assert available(), "scipy is a dependency of the tests"
    with exactly():
        groups = {one: shared(list(lines.values()), "always") for one, lines in plans.items()}
        homes, pools = {}, {}
        for provider, several in groups.items():
            for number, members in enumerate(several):
                homes |= {(provider, plan.line.name): (provider, number) for plan in members}
                pools[provider, number] = pool_of(members, MONTHS, "always")
        found = solve(homes, pools, names, extra, 10.0)
        assert found is not None
        assert found.exact
        least = _brute(plans, names, extra)
        assert _cost(plans, dict(found.providers), extra) - least <= least * D("1e-6")


@settings(max_examples=60, deadline=None)
@given(prices("a"), st.lists(st.integers(1, 600), min_size=1, max_size=4), st.integers(1, 3000))
def test_segments_cost_what_the_ladder_costs(price: Price, volumes: list[int], at: int) -> None:
    with exactly():
        plans = []
        for number, volume in enumerate(volumes):
            line = Line(name=f"l{number}", operation="other.x", unit="unit", low=D(volume), likely=D(volume),
                        high=D(volume), reading="")  # fmt: skip
            plans.append(
                Plan(
                    line=line,
                    region="r",
                    volumes=((line.low, line.likely, line.high),) * MONTHS,
                    charges=(Charge(price),),
                )
            )
        pool = pool_of(plans, MONTHS, "always")
        assert pool is not None
        for one in segments_of(pool, 0, 3000.0):
            if one.low < at <= one.high:
                assert abs(one.at + one.slope * at - float(pool.ladder.cost(D(at), pool.free[0])[0])) < 1e-6
                break
        else:
            raise AssertionError(f"no segment holds {at}")


def test_200_lines_in_three_regions_are_proven_least_without_a_solver() -> None:
    """The shipped book: bounds close every group, with a growth on each line and tiers that all of them share."""
    operations = (("vision.detect_labels", "M images"), ("vision.detect_faces", "M images"),
                  ("vision.moderate", "M images"), ("speech.transcribe", "k hours"),
                  ("translation.translate", "M characters"))  # fmt: skip
    lines = [
        {"name": f"line {at}", "operation": name, "volume": f"{at + 1}{unit}", "growth": f"{at % 7}%/month"}
        for at, (name, unit) in ((at, operations[at % 5]) for at in range(200))
    ]
    workload = check_workload(Draft(name="t", data={"name": "t", "region": "us", "months": 12, "line": lines}))
    found = plan(workload, PlanSettings(regions=("us", "eu", "uk")), solver=None, front=False)
    assert found.exact
    assert found.complete
    assert {way.provider for one in found.lines for way in one.ways} == {"aws", "azure", "gcp"}
