"""The price tables that the page of an estimate carries, so that its slider gives the bill to the last digit.

Numbers are decimal strings; what a volume is multiplied by before it is billed is a chain of whole ratios, each cut
to a billionth as `cloudai_pricing.exact.cut` does. `assets/engine.js` sums them as `cloudai_pricing.billing` does.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from cloudai_pricing.billing import FreeTier, Plan, allowance
from cloudai_pricing.entries import Price
from cloudai_pricing.exact import ONE, PLACES, exactly, plain
from cloudai_pricing.plans import Planned
from cloudai_pricing.selection import Charge
from cloudai_pricing.tiers import billed_of, counted, multiplier
from cloudai_pricing.units import factor, plural
from cloudai_pricing.workload import Line

Data = dict[str, object]
"""What becomes JSON in the page."""


def tables(several: Planned) -> Data:
    """The tables of a workload's plans."""
    with exactly():
        return _Tables(several).data()


class _Tables:
    def __init__(self, several: Planned) -> None:
        self._planned = several
        self._free_tier: FreeTier = several.free_tier
        self._numbers = {line.name: number for number, line in enumerate(several.workload.lines)}
        self._prices: dict[tuple[int, Decimal], int] = {}
        self._rows: list[Data] = []
        self._counters: dict[tuple[str, str, str], int] = {}
        self._growths: dict[Decimal, int] = {}
        self._places = 0

    def data(self) -> Data:
        providers = [
            {
                "provider": one.provider,
                "region": one.region,
                "complete": one.priced,
                "plans": [[self._numbers[plan.line.name], self._charges(plan)] for plan in one.plans],
            }
            for one in self._planned.providers
        ]
        lines = [self._line(line) for line in self._planned.workload.lines]
        return {
            "months": self._planned.months,
            "places": self._places,
            "lines": lines,
            "grown": [list(self._grown(growth)) for growth in self._growths],
            "prices": self._rows,
            "providers": providers,
        }

    def _line(self, line: Line) -> Data:
        growing = bool(line.growth) and not line.once
        return {
            "name": line.name,
            "unit": line.unit,
            "units": plural(line.unit),
            "factor": plain(factor(line.unit)),
            "base": plain(line.likely),
            "once": line.once,
            "grown": self._growths.setdefault(line.growth, len(self._growths)) if growing else None,
            "settable": line.machine is None and not line.operation.startswith("custom."),
        }

    def _grown(self, growth: Decimal) -> Iterator[str]:
        for month in range(self._planned.months):
            yield plain((ONE + growth) ** month)

    def _charges(self, plan: Plan) -> list[object]:
        return [
            [
                self._price(charge),
                [[str(over), str(under)] for over, under in ratios(plan, charge)],
                str(multiplier(charge.price, plan.line.channels, plan.line.targets) * plan.nodes),
            ]
            for charge in plan.charges
        ]

    def _price(self, charge: Charge) -> int:
        key = (id(charge.price), charge.factor)
        if key not in self._prices:
            self._prices[key] = len(self._rows)
            self._rows.append(self._row(charge.price, charge.factor))
        return self._prices[key]

    def _row(self, price: Price, share: Decimal) -> Data:
        ladder = list(_ladder(price))
        fee = None if price.commitment is None else self._money(price.commitment.fee * share)
        return {
            "size": plain(factor(price.unit)),
            "counter": self._counter(price.counter),
            "free_counter": self._counter(price.free_counter),
            "allowed": self._allowed(price),
            "fee": fee,
            "tiers": [
                [None if upper is None else plain(upper), None if each is None else self._money(each * share)]
                for upper, each in ladder
            ],
        }

    def _counter(self, name: tuple[str, str, str]) -> int:
        return self._counters.setdefault(name, len(self._counters))

    def _money(self, price: Decimal) -> str:
        text = plain(price)
        self._places = max(self._places, len(text.partition(".")[2]))
        return text

    def _allowed(self, price: Price) -> list[str]:
        """Base units that are free in each month; the last one holds for the months that follow."""
        months = range(1, self._planned.months + 1)
        found = [plain(allowance(price, month, self._free_tier)) for month in months]
        while len(found) > 1 and found[-1] == found[-2]:
            found.pop()
        return found


def _ladder(price: Price) -> Iterator[tuple[Decimal | None, Decimal | None]]:
    """Bounds and prices in rising order; None: no bound, no known price."""
    if price.commitment is None:
        yield from price.tiers
        return
    yield price.commitment.included, Decimal(0)
    yield None, price.commitment.overage


def ratios(plan: Plan, charge: Charge) -> Iterator[tuple[int, int]]:
    """What a volume is multiplied by, step by step, before it is billed: `Plan.units` without its last factor."""
    line, price = plan.line, charge.price
    if plan.pace is not None:
        yield _ratio(ONE, plan.pace)
    request = line.request
    share = counted(price, line.text)
    if share != ONE:
        yield _ratio(share, ONE)
        request = None if request is None else request * share
    if price.rounding is not None and request:
        billed = billed_of(price.rounding, request)
        if billed != request:
            yield _ratio(billed, request)


def _ratio(over: Decimal, under: Decimal) -> tuple[int, int]:
    (a, b), (c, d) = over.as_integer_ratio(), under.as_integer_ratio()
    return a * d, b * c


def exact(several: Planned) -> bool:
    """Whether all bounds are whole billionths: else the sums in the page could differ in the last digit."""
    prices = (charge.price for one in several.providers for plan in one.plans for charge in plan.charges)
    bounds = (upper for price in prices for upper, _ in _ladder(price) if upper is not None)
    return all(len(plain(bound).partition(".")[2]) <= PLACES for bound in bounds)
