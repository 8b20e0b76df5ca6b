"""What the provider would bill for the requests that a fault server answered: with each request's own rounding."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cloudai.testing.faults.server import Arrival


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One operation."""

    operation: str
    requests: int
    """Those that are billed."""
    unit: str
    quantity: Decimal
    cost: Decimal | None
    """USD; `None`: the price is not known, which is not the same as free."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bill:
    """Operations in alphabetical order."""

    lines: tuple[Line, ...]

    @property
    def cost(self) -> Decimal | None:
        """USD in all; `None` where one line's price is not known."""
        costs = [line.cost for line in self.lines]
        known = [cost for cost in costs if cost is not None]
        return sum(known, Decimal(0)) if len(known) == len(costs) else None

    @property
    def requests(self) -> int:
        """Billed requests."""
        return sum(line.requests for line in self.lines)


def bill_of(
    arrivals: Sequence[Arrival], provider: str, region: str | None, prices: Mapping[str, Decimal | str] | None
) -> Bill:
    """`prices`: operation -> USD per unit. Without it, the price book's list prices of the region."""
    groups: dict[str, Counter[tuple[str, Decimal, str | None]]] = defaultdict(Counter)
    for each in arrivals:
        if each.billed:
            groups[each.operation][each.unit, each.quantity, each.variant] += 1
    lines = [_line(operation, group, provider, region, prices) for operation, group in sorted(groups.items())]
    return Bill(lines=tuple(lines))


def _line(
    operation: str,
    group: Counter[tuple[str, Decimal, str | None]],
    provider: str,
    region: str | None,
    prices: Mapping[str, Decimal | str] | None,
) -> Line:
    cost: Decimal | None = Decimal(0)
    for (unit, quantity, variant), count in group.items():
        one = _price(operation, unit, quantity, variant, provider, region, prices)
        cost = None if one is None or cost is None else cost + one * count
    return Line(
        operation=operation,
        requests=group.total(),
        unit=next(iter(group))[0],
        quantity=sum((quantity * count for (_, quantity, _), count in group.items()), Decimal(0)),
        cost=cost,
    )


def _price(
    operation: str,
    unit: str,
    quantity: Decimal,
    variant: str | None,
    provider: str,
    region: str | None,
    prices: Mapping[str, Decimal | str] | None,
) -> Decimal | None:
    if prices is not None:
        return Decimal(prices[operation]) * quantity if operation in prices else None
    from cloudai_pricing.callcost import price_call

    return price_call(
        provider=provider,
        operation=operation,
        region=region,
        quantity=quantity,
        unit=unit,
        features=(),
        variant=variant,
    ).amount
