"""A whole plan against brute force: every way recomputed from the rows of the book and the workload's own numbers.

The oracle uses fractions and no sum of the planner: ladders, machines, people, looks, months. Crossings are held
against a scan of the oracle's costs, on both sides of each and between them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import pairwise, product
from math import ceil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloudai_pricing.book import Book
from cloudai_pricing.draft import Draft
from cloudai_pricing.entry_check import check
from cloudai_pricing.errors import PlanError
from cloudai_pricing.plan import plan
from cloudai_pricing.plan_answer import BuildPlan
from cloudai_pricing.plan_curves import Stretch
from cloudai_pricing.plan_settings import parse_plan
from cloudai_pricing.workload_file import check as check_workload

F = Fraction
OPERATIONS = {"photos": "vision.detect_labels", "faces": "vision.detect_faces"}
REGIONS = {"aws": {"us": "us-east-1", "eu": "eu-west-1"}, "gcp": {"us": "us-central1", "eu": "europe-west1"}}
HOURS, RATE = 730, 830
PEOPLE = {"managed": F(0), "endpoint": F(1, 2), "cloud": F(1), "own": F(3, 2)}
SETUP = {"managed": 0, "endpoint": 5, "cloud": 10, "own": 15}
RECORD = {
    "schema": "cloudai.measure/1", "date": "2026-11-21", "idle_watts": None, "hardware": {"cpu": "A CPU", "gpu": None},
    "best": {"batch": 8, "samples_per_second": 1, "watts": None}, "single": {"p50_ms": 9.5},
    "model": {"sha256": "0" * 64},
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """Tiers as (upper bound, price), and free units."""

    tiers: tuple[tuple[int | None, Fraction], ...]
    free: int

    def cost(self, units: Fraction) -> Fraction:
        return self._paid(units) - self._paid(min(units, F(self.free)))

    def _paid(self, units: Fraction) -> Fraction:
        cost, start = F(0), F(0)
        for upper, price in self.tiers:
            end = units if upper is None else min(units, F(upper))
            cost += max(end - start, F(0)) * price
            start = end
        return cost


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is drawn. `pooled`: both operations climb one ladder on a provider's region."""

    ladders: Mapping[tuple[str, str], Ladder]
    pooled: bool
    hourly: Mapping[tuple[str, str], Fraction]
    """(kind, provider) -> USD an hour, in the us only."""
    volumes: Mapping[str, int]
    growth: int
    months: int
    pace: int
    """Photos an hour of one machine with a model of one's own; from a record: 3,600."""
    measured: bool
    errors: Mapping[str, int]
    """Percent by provider; `self`: of one's own model."""
    look: Fraction
    replicas: int
    utilisation: int
    machines: int
    training: int
    retraining: int
    regions: tuple[str, ...]
    exclude: tuple[str, ...]
    needs: bool
    """Photos need what Google lacks."""
    max_exit: int | None

    def volume(self, line: str, month: int) -> Fraction:
        return self.volumes[line] * (1 + F(self.growth, 100)) ** month


cents = st.integers(1, 400).map(lambda number: F(number, 100))


@st.composite
def ladders(draw: st.DrawFn) -> Ladder:
    bounds = sorted(draw(st.lists(st.integers(20, 4000), max_size=2, unique=True)))
    prices = draw(st.lists(cents, min_size=len(bounds) + 1, max_size=len(bounds) + 1))
    return Ladder(tiers=tuple(zip([*bounds, None], prices, strict=True)), free=draw(st.sampled_from([0, 0, 50, 700])))


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    spots = [(provider, region) for provider, several in REGIONS.items() for region in several.values()]
    measured = draw(st.booleans())
    return Problem(
        ladders={spot: draw(ladders()) for spot in spots},
        pooled=draw(st.booleans()),
        hourly={(kind, name): draw(cents) for kind in ("endpoint", "cloud") for name in REGIONS},
        volumes={line: draw(st.integers(1, 5000)) for line in OPERATIONS},
        growth=draw(st.sampled_from([0, 50])),
        months=draw(st.integers(1, 4)),
        pace=3600 if measured else draw(st.integers(1, 9)),
        measured=measured,
        errors={name: draw(st.integers(0, 20)) for name in (*REGIONS, "self")},
        look=draw(cents),
        replicas=draw(st.integers(1, 3)),
        utilisation=draw(st.integers(30, 100)),
        machines=draw(st.integers(1, 2)),
        training=draw(st.integers(0, 900)),
        retraining=draw(st.integers(0, 90)),
        regions=draw(st.sampled_from([("us",), ("us", "eu")])),
        exclude=draw(st.sampled_from([(), ("gcp",), ("local",)])),
        needs=draw(st.booleans()),
        max_exit=draw(st.sampled_from([None, None, 9000, 14000, 20000])),
    )


def row(provider: str, region: str, operation: str, tiers: object, **more: object) -> Mapping[str, object]:
    return {
        "provider": provider, "service": "S", "sku": f"{operation} {region}", "kind": "usage", "region": region,
        "operations": [operation], "unit": "image", "tiers": tiers, "effective_from": "2026-01-01",
        "as_of": "2026-01-01", "source": "https://example.com", "confidence": "official_page", **more,
    }  # fmt: skip


def book(problem: Problem) -> Book:
    rows = []
    for (provider, region), ladder in problem.ladders.items():
        tiers = [{**({"up_to": str(end)} if end else {}), "price": str(float(price))} for end, price in ladder.tiers]
        free = {"free": {"quantity": str(ladder.free), "kind": "always"}} if ladder.free else {}
        pool = {"pool": "all"} if problem.pooled else {}
        if free and problem.pooled:
            free["free"]["pool"] = "all"
        rows += [row(provider, region, operation, tiers, **free, **pool) for operation in OPERATIONS.values()]
    for (kind, provider), hourly in problem.hourly.items():
        operation = {"endpoint": "custom.deploy", "cloud": "other.virtual_machine"}[kind]
        machine = {"kind": "hosting", "unit": "instance-hour", "instance": "m", "accelerator": "L4",
                   "accelerator_count": 1, "sku": f"{kind} m"}  # fmt: skip
        rows.append(row(provider, REGIONS[provider]["us"], operation, [{"price": str(float(hourly))}], **machine))
    return Book.of([dict(check(one, where=f"t:{number}")) for number, one in enumerate(rows)])


def solved(problem: Problem, folder: Path) -> BuildPlan:
    """The planner's answer. Raises `PlanError` where no plan keeps `max_exit`."""
    lines = [
        {
            "name": name,
            "operation": operation,
            "volume": f"{problem.volumes[name]} images/month",
            **({"growth": f"{problem.growth}%/month"} if problem.growth else {}),
            **({"needs": ["emotions"]} if problem.needs and name == "photos" else {}),
        }
        for name, operation in OPERATIONS.items()
    ]
    local = {"hardware": "3600 USD", "life": "36 months", "power": "300 W", "idle_power": "100 W",
             "electricity": "0.20 USD/kWh", "machines": problem.machines, "utilisation": "100%",
             "throughput": {"photos": f"{problem.pace} images/hour"}}  # fmt: skip
    own = {
        "line": "photos", "accelerator": "L4", "error": f"{problem.errors['self']}%",
        "training": f"{problem.training} USD", "retraining": f"{problem.retraining} USD/month",
        **({"measured": "r.json"} if problem.measured else {"throughput": f"{problem.pace} images/hour"}),
    }  # fmt: skip
    quality = [
        {"line": name, "provider": provider, "error": f"{problem.errors[provider]}%"}
        for name in OPERATIONS
        for provider in REGIONS
    ]
    table = {
        "regions": list(problem.regions), "exclude": list(problem.exclude), "look": f"{float(problem.look)} USD",
        "min_replicas": problem.replicas, "utilisation": problem.utilisation, "self": [own], "quality": quality,
        **({"max_exit": f"{problem.max_exit} USD"} if problem.max_exit else {}),
    }  # fmt: skip
    data = {"name": "t", "region": "us", "months": problem.months, "local": local, "line": lines}
    workload = check_workload(Draft(name="t", data=data))
    (folder / "r.json").write_text(json.dumps(RECORD), encoding="utf-8")
    has = {"": "yes", "emotions": "yes"}
    lacks = {"": "yes", "emotions": "no"}
    capabilities = {
        "aws": dict.fromkeys(OPERATIONS.values(), has),
        "gcp": dict.fromkeys(OPERATIONS.values(), lacks),
    }
    return plan(workload, parse_plan(table, workload, folder), book=book(problem), capabilities=capabilities)


class Oracle:
    """Costs by hand. A way is (kind, provider, region)."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem

    def ways(self, line: str) -> dict[str, tuple[str, str, str]]:
        """Name -> way, of all that the constraints leave."""
        found: dict[str, tuple[str, str, str]] = {}
        for provider in (name for name in REGIONS if name not in self.problem.exclude):
            for region in (REGIONS[provider][one] for one in self.problem.regions):
                if not (self.problem.needs and line == "photos" and provider == "gcp"):
                    found[f"{provider} {region}"] = ("managed", provider, region)
                if line == "photos" and region == REGIONS[provider]["us"]:
                    for kind in ("endpoint", "cloud"):
                        found[f"{kind} {provider} {region} m"] = (kind, provider, region)
        if line == "photos" and "local" not in self.problem.exclude:
            found["own hardware"] = ("own", "local", "")
        return found

    def alone(self, line: str, way: tuple[str, str, str], volume: Fraction) -> Fraction:
        """A month of a line that stands alone."""
        kind, provider, region = way
        if kind == "managed":
            return self.problem.ladders[provider, region].cost(volume) + self.looks(way, volume)
        return self.machines(way, volume) + self.looks(way, volume) + PEOPLE[kind] * RATE + self.problem.retraining

    def machines(self, way: tuple[str, str, str], volume: Fraction) -> Fraction:
        kind, provider, _ = way
        if kind == "own":
            count = max(self.problem.machines, ceil(volume / (self.problem.pace * HOURS)))
            work = volume / self.problem.pace * F(200, 1000) * F(1, 5)
            return count * (F(3600, 36) + F(100, 1000) * F(1, 5) * HOURS) + work
        able = self.problem.pace * HOURS * F(self.problem.utilisation, 100)
        return max(self.problem.replicas, ceil(volume / able)) * self.problem.hourly[kind, provider] * HOURS

    def looks(self, way: tuple[str, str, str], volume: Fraction) -> Fraction:
        kind, provider, _ = way
        error = self.problem.errors[provider if kind == "managed" else "self"]
        return volume * F(error, 100) * self.problem.look

    def once(self, way: tuple[str, str, str]) -> Fraction:
        kind = way[0]
        return F(SETUP[kind] * RATE + (0 if kind == "managed" else self.problem.training))

    def whole(self, placed: Mapping[str, tuple[str, str, str]]) -> Fraction:
        """All months of a plan, shared ladders counted."""
        cost = sum((self.once(way) for way in placed.values()), F(0))
        for month in range(self.problem.months):
            shared: dict[tuple[str, str, str], Fraction] = {}
            for line, way in placed.items():
                volume = self.problem.volume(line, month)
                if way[0] != "managed":
                    cost += self.alone(line, way, volume)
                    continue
                cost += self.looks(way, volume)
                key = (way[1], way[2], "" if self.problem.pooled else line)
                shared[key] = shared.get(key, F(0)) + volume
            cost += sum((self.problem.ladders[one[0], one[1]].cost(units) for one, units in shared.items()), F(0))
        return cost

    def by_first(self, line: str, way: tuple[str, str, str], volume: Fraction) -> Fraction:
        """All months of a line alone, by the volume of month 1."""
        grown = 1 + F(self.problem.growth, 100)
        volumes = (volume * grown**month for month in range(self.problem.months))
        return self.once(way) + sum((self.alone(line, way, each) for each in volumes), F(0))


@settings(max_examples=60, deadline=None)
@given(problem=problems())
def test_a_plan_is_the_least_of_all_that_keep_the_constraints(problem: Problem, tmp_path_factory) -> None:
    oracle = Oracle(problem)
    by_line = {line: oracle.ways(line) for line in OPERATIONS}
    free = solved(Problem(**{**problem.__dict__, "max_exit": None}), tmp_path_factory.mktemp("free"))
    leaving = {one.line.name: {way.name: F(way.leaving) for way in one.ways} for one in free.lines}
    assert leaving.keys() == by_line.keys()
    assert {line: set(ways) for line, ways in leaving.items()} == {line: set(ways) for line, ways in by_line.items()}
    costs = []
    for names in product(*by_line.values()):
        placed = {line: by_line[line][name] for line, name in zip(by_line, names, strict=True)}
        clouds = {way[1] for way in placed.values() if way[0] != "own"}
        left = sum((leaving[line][name] for line, name in zip(by_line, names, strict=True)), F(0))
        left += F(free.platform) * len(clouds)
        if problem.max_exit is None or left <= problem.max_exit:
            costs.append(oracle.whole(placed))
    if not costs:
        with pytest.raises(PlanError, match="can be left"):
            solved(problem, tmp_path_factory.mktemp("bound"))
        return
    found = free if problem.max_exit is None else solved(problem, tmp_path_factory.mktemp("bound"))
    assert found.exact
    assert abs(F(found.cost) - min(costs)) < F(1, 10**6)
    chosen = {one.line.name: one.chosen.name for one in found.lines if one.chosen is not None}
    assert abs(oracle.whole({line: by_line[line][name] for line, name in chosen.items()}) - min(costs)) < F(1, 10**6)
    assert problem.max_exit is None or found.leaving <= problem.max_exit


Costs = Mapping[str, Callable[[Fraction], Fraction]]
"""Way -> its cost by volume."""


def assert_scan(stretches: list[Stretch], costs: Costs, between: int = 5) -> None:
    """Each stretch's best is the least just above its start, at its end, and at points between."""
    assert stretches[0].start == 0
    for before, after in pairwise(stretches):
        assert before.end == after.start
        assert before.best != after.best
    for one in stretches:
        step = (one.end - one.start) / between
        for volume in (one.start + step / 10**6, *(one.start + step * part for part in range(1, between + 1))):
            several = {name: cost(volume) for name, cost in costs.items()}
            assert one.best is not None
            assert several[one.best] - min(several.values()) < F(1, 10**6)


@settings(max_examples=40, deadline=None)
@given(problem=problems())
def test_crossings_are_those_of_a_scan_now_and_over_the_months(problem: Problem, tmp_path_factory) -> None:
    oracle = Oracle(problem)
    found = solved(Problem(**{**problem.__dict__, "max_exit": None}), tmp_path_factory.mktemp("plan"))
    for one in found.lines:
        assert one.now[-1].end > 9 * problem.volume(one.line.name, problem.months - 1)
        assert one.over_the_months[-1].end == 10 * problem.volumes[one.line.name]
        ways = oracle.ways(one.line.name)
        assert_scan(one.now, {name: partial(oracle.alone, one.line.name, way) for name, way in ways.items()})
        assert_scan(
            one.over_the_months, {name: partial(oracle.by_first, one.line.name, way) for name, way in ways.items()}
        )
        for month in range(1, problem.months + 1):
            volume = problem.volume(one.line.name, month - 1)
            costs = {name: oracle.alone(one.line.name, way, volume) for name, way in ways.items()}
            best = one.best_in(month)
            assert best is not None
            assert costs[best] - min(costs.values()) < F(1, 10**6)


def test_a_ladder_of_rising_tiers_crosses_machines_more_than_once(tmp_path) -> None:
    """$1 to 1,000, $4 to 2,000, then $0.01, against machines of $730 for 730 photos each and a day of people, $830.

    Use costs v, then 1,000 + 4 (v - 1,000), then 5,000 + (v - 2,000) / 100; n machines 830 + 730 n up to 730 n photos.
    Two machines, 2,290, meet use at 1,322.5 and are full at 1,460; three, 3,020, meet it at 1,505; six, 5,210 from
    3,650 on, are dearer than use again.
    """
    flat = Ladder(tiers=((1000, F(1)), (2000, F(4)), (None, F(1, 100))), free=0)
    dear = Ladder(tiers=((None, F(4)),), free=0)
    spots = [(provider, region) for provider, several in REGIONS.items() for region in several.values()]
    problem = Problem(
        ladders={spot: flat if spot == ("aws", "us-east-1") else dear for spot in spots}, pooled=False,
        hourly={(kind, name): F(1) if (kind, name) == ("cloud", "aws") else F(400) for kind in ("endpoint", "cloud")
                for name in REGIONS}, volumes={"photos": 1500, "faces": 1}, growth=0, months=1, pace=1, measured=False,
        errors={"aws": 0, "gcp": 0, "self": 0}, look=F(1), replicas=1, utilisation=100, machines=1, training=0,
        retraining=0, regions=("us",), exclude=("local", "gcp"), needs=False, max_exit=None,
    )  # fmt: skip
    found = solved(problem, tmp_path)
    (photos,) = [one for one in found.lines if one.line.name == "photos"]
    cloud, use = "cloud aws us-east-1 m", "aws us-east-1"
    changes = [(one.best, float(one.start)) for one in photos.now]
    assert changes == [(use, 0.0), (cloud, 1322.5), (use, 1460.0), (cloud, 1505.0), (use, 3650.0)]
