"""What the charts show, as data: the page draws them in the browser, `plots` in a file, and each is also a table.

Amounts are USD. Every chart says in one sentence what it shows, for those who can't see it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from cloudai_pricing.exact import grouped, money

Rows = tuple[tuple[str, ...], ...]
Json = dict[str, object]


class Table(NamedTuple):
    """A head and rows of texts; the first `left` columns are words."""

    head: tuple[str, ...]
    rows: Rows
    left: int = 1


class Series(NamedTuple):
    """One provider's amounts, one per month; `low` and `high` are empty where the inputs have no range."""

    name: str
    values: tuple[Decimal, ...]
    low: tuple[Decimal, ...] = ()
    high: tuple[Decimal, ...] = ()
    complete: bool = True


@dataclass(frozen=True, kw_only=True)
class Months:
    """Cost by month, a line per provider."""

    title: str
    summary: str
    series: tuple[Series, ...]

    def table(self) -> Table:
        count = max((len(one.values) for one in self.series), default=0)
        rows = (
            (str(at + 1), *(_amount(one.values[at], complete=one.complete) for one in self.series))
            for at in range(count)
        )
        return Table(("month", *(one.name for one in self.series)), tuple(rows))

    def data(self) -> Json:
        return {
            "kind": "months",
            "rows": [
                {
                    "name": one.name,
                    "month": at,
                    "cost": float(cost),
                    "low": float(one.low[at - 1]) if one.low else None,
                    "high": float(one.high[at - 1]) if one.high else None,
                }
                for one in self.series
                for at, cost in enumerate(one.values, start=1)
            ],
        }


class Step(NamedTuple):
    """A part of a sum."""

    name: str
    amount: Decimal


@dataclass(frozen=True, kw_only=True)
class Waterfall:
    """How parts add up to a whole; `p10` and `p90` say how sure it is."""

    title: str
    summary: str
    steps: tuple[Step, ...]
    p10: Decimal | None = None
    p90: Decimal | None = None

    @property
    def total(self) -> Decimal:
        return sum((step.amount for step in self.steps), Decimal(0))

    def table(self) -> Table:
        rows = [(step.name, money(step.amount)) for step in self.steps]
        rows.append(("total", money(self.total)))
        if self.p10 is not None and self.p90 is not None:
            rows.append(("10% to 90% of draws", f"{money(self.p10)} to {money(self.p90)}"))
        return Table(("component", "USD"), tuple(rows))

    def data(self) -> Json:
        rows: list[Json] = []
        reached = Decimal(0)
        for step in self.steps:
            rows.append({"name": step.name, "from": float(reached), "to": float(reached + step.amount), "sum": False})
            reached += step.amount
        rows.append({"name": "total", "from": 0.0, "to": float(reached), "sum": True})
        span = None if self.p10 is None or self.p90 is None else [float(self.p10), float(self.p90)]
        return {"kind": "waterfall", "rows": rows, "span": span}


class Swing(NamedTuple):
    """The whole when one input is at its low or at its high and all others are likely."""

    name: str
    low: Decimal
    high: Decimal


@dataclass(frozen=True, kw_only=True)
class Tornado:
    """What moves a total, the most first. `likely` is the total as it stands."""

    title: str
    summary: str
    likely: Decimal
    swings: tuple[Swing, ...]

    def table(self) -> Table:
        rows = ((one.name, money(one.low), money(one.high), money(one.high - one.low)) for one in self.swings)
        return Table(("line", "total at its low", "total at its high", "swing"), tuple(rows))

    def data(self) -> Json:
        rows = [{"name": one.name, "low": float(one.low), "high": float(one.high)} for one in self.swings]
        return {"kind": "tornado", "likely": float(self.likely), "rows": rows}


class Point(NamedTuple):
    """A choice: what it costs, what leaving it costs; `best`: nothing is better in both."""

    name: str
    x: Decimal
    y: Decimal
    best: bool


@dataclass(frozen=True, kw_only=True)
class Front:
    """Choices by two numbers of which less is better, and those that nothing beats in both."""

    title: str
    summary: str
    x: str
    y: str
    points: tuple[Point, ...]

    def table(self) -> Table:
        rows = ((one.name, money(one.x), money(one.y), "yes" if one.best else "no") for one in self.points)
        return Table(("choice", self.x, self.y, "on the front"), tuple(rows))

    def data(self) -> Json:
        rows = [{"name": one.name, "x": float(one.x), "y": float(one.y), "best": one.best} for one in self.points]
        return {"kind": "front", "x": self.x, "y": self.y, "rows": rows}


class Curve(NamedTuple):
    """A cost at rising volumes; straight between them."""

    name: str
    points: tuple[tuple[Decimal, Decimal], ...]


class Mark(NamedTuple):
    """A volume at which something changes, and what."""

    at: Decimal
    cost: Decimal
    what: str


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Cost against volume: where prices change (`edges`), where another choice becomes the cheapest (`crossings`)."""

    title: str
    summary: str
    unit: str
    now: Decimal | None
    curves: tuple[Curve, ...]
    edges: tuple[Mark, ...] = ()
    crossings: tuple[Mark, ...] = ()

    def table(self) -> Table:
        rows = [(f"{grouped(one.at)} {self.unit}", money(one.cost), one.what) for one in self.crossings]
        rows += [(f"{grouped(one.at)} {self.unit}", money(one.cost), one.what) for one in self.edges]
        return Table(("volume in a month", "cost of the month", "what changes"), tuple(rows))

    def data(self) -> Json:
        return {
            "kind": "curves",
            "unit": self.unit,
            "now": None if self.now is None else float(self.now),
            "rows": [
                {"name": curve.name, "x": float(x), "y": float(y)} for curve in self.curves for x, y in curve.points
            ],
            "edges": [{"x": float(one.at), "y": float(one.cost), "what": one.what} for one in self.edges],
            "crossings": [{"x": float(one.at), "y": float(one.cost), "what": one.what} for one in self.crossings],
        }


Chart = Months | Waterfall | Tornado | Front | Curves


def _amount(cost: Decimal, *, complete: bool) -> str:
    return money(cost) if complete else f">= {money(cost)}"


def front(points: list[tuple[str, Decimal, Decimal]]) -> tuple[Point, ...]:
    """Which of (name, x, y) nothing beats: no other is as good in both and better in one. By x."""
    found = [
        Point(name, x, y, not any(a <= x and b <= y and (a, b) != (x, y) for _, a, b in points))
        for name, x, y in points
    ]
    return tuple(sorted(found, key=lambda one: (one.x, one.y, one.name)))


def shortened(name: str, most: int = 60) -> str:
    """A name that fits a sentence."""
    return name if len(name) <= most else f"{name[: most - 1]}…"
