"""Savings plans of the user: so much an hour, used or not, for machines at the plan's own rates; above it, list prices.

One plan covers machines of many kinds, so what it includes is counted in dollars at its rates (`plan-dollar`): an hour
of a machine takes its rate of them. The clouds count hour by hour and nothing is carried over; a month is counted here
as if all its hours were alike, or the `hours` in which the machines run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from cloudai_pricing.entries import PER_MONTH, Commitment, Price
from cloudai_pricing.errors import PlanError, nearest
from cloudai_pricing.exact import LARGEST, ONE, PRICE_PLACES, ZERO, cut, grouped, plain
from cloudai_pricing.regions import GLOBAL
from cloudai_pricing.selection import Charge
from cloudai_pricing.units import MONTH_HOURS

if TYPE_CHECKING:
    from cloudai_pricing.billing import Plan

KEYS = ("name", "provider", "services", "fee", "per", "percent", "rates", "hours")
UNIT = "plan-dollar"


class SavingsPlan(NamedTuple):
    """USD `fee` a month for machines of `services` of a provider, at `rates` (USD an hour) or `percent` off list."""

    name: str
    provider: str
    services: tuple[str, ...]
    fee: Decimal
    percent: Decimal | None
    rates: Mapping[str, Decimal]
    """Instance -> USD an hour."""
    hours: Decimal
    """Of a month of 730, those in which the machines run."""
    where: str

    @property
    def included(self) -> Decimal:
        """What can be used of the plan in a month, USD at its rates."""
        return cut(self.fee * self.hours / MONTH_HOURS)

    def rate(self, price: Price) -> Decimal | None:
        """What an hour of a machine takes of the plan; None: the plan does not cover it."""
        if (price.provider, price.own, price.spot) != (self.provider, False, False) or not price.flat:
            return None
        if price.service not in self.services or price.instance is None:
            return None
        listed = price.first_price
        rate = self.rates.get(price.instance)
        if rate is None and self.percent is not None:
            rate = listed * (ONE - self.percent / 100)
        return rate if rate is not None and ZERO < rate < listed else None


def covered(plans: Sequence[SavingsPlan], plan: Plan) -> Plan:
    """A line's plan with its machines billed through the first savings plan that covers them, else as it is."""
    if len(plan.charges) != 1:
        return plan
    (charge,) = plan.charges
    for savings in plans:
        rate = savings.rate(charge.price)
        if rate is not None:
            return plan._replace(charges=(_charge(savings, charge, rate),), pace=ONE / rate)
    return plan


def _charge(savings: SavingsPlan, charge: Charge, rate: Decimal) -> Charge:
    price = charge.price
    listed = price.first_price * charge.factor
    terms = Commitment(fee=savings.fee, included=savings.included, overage=cut(listed / rate, PRICE_PLACES))
    note = (
        f"{price.instance}: {plain(cut(rate))} plan-dollars an hour; above the plan {plain(listed)} USD, the list price"
    )
    made = Price(
        provider=price.provider,
        service=price.service,
        sku=savings.name,
        kind="commitment",
        operations=price.operations,
        region=GLOBAL,
        unit=UNIT,
        tiers=(),
        effective_from=price.effective_from,
        as_of=price.as_of,
        source=price.source,
        confidence="own",
        where=savings.where,
        pool=f"savings/{savings.name}",
        commitment=terms,
        note=note if charge.factor == ONE else f"{note} with your discount",
        own=True,
    )
    return Charge(made)


def assumed(savings: SavingsPlan) -> str:
    """What is taken for granted of a plan, in words."""
    spread = (
        "all 730 hours of a month are taken to be alike"
        if savings.hours == MONTH_HOURS
        else f"usable in the {grouped(savings.hours)} hours of a month in which its machines run"
    )
    return (
        f"{savings.name}: {grouped(savings.fee)} USD a month, used or not, in months in which a line runs that it "
        f"covers; {spread}; what is above it is billed at list prices."
    )


# Reading


def parse_savings(table: object, *, where: str) -> SavingsPlan:
    """One `[[savings_plan]]` table. Raises `PlanError` with the key."""
    if not isinstance(table, Mapping):
        raise PlanError("a savings plan is a table", fix="Write [[savings_plan]] above it")
    for key in table:
        if key not in KEYS:
            raise PlanError(f"unknown key {key!r} in a savings plan", fix=nearest(str(key), KEYS), path=(str(key),))
    percent = _number(table, "percent", most=Decimal("99.999")) if "percent" in table else None
    rates = _rates(table.get("rates", {}))
    if percent is None and not rates:
        raise PlanError("a savings plan has neither percent nor rates", fix='Write percent = "27", or rates = { ... }')
    per = table.get("per", "hour")
    if per not in PER_MONTH:
        raise PlanError(f"per = {per!r} is not known", fix=f"Fees are per {', '.join(PER_MONTH)}", path=("per",))
    times, over = PER_MONTH[str(per)]
    return SavingsPlan(
        name=_text(table, "name"),
        provider=_text(table, "provider"),
        services=_services(table.get("services")),
        fee=cut(_number(table, "fee", most=LARGEST) * times / over),
        percent=percent,
        rates=rates,
        hours=_hours(table.get("hours", "24/7")),
        where=where,
    )


def _text(table: Mapping[str, object], key: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise PlanError(f"a savings plan has no {key}", fix=f'Write {key} = "..."', path=(key,))
    return value


def _services(value: object) -> tuple[str, ...]:
    names = [name for name in value if isinstance(name, str)] if isinstance(value, list) else []
    if not names or not isinstance(value, list) or len(names) != len(value):
        fix = 'Write it like services = ["SageMaker hosting", "SageMaker training"], as slices name them'
        raise PlanError(f"services = {value!r} is not a list of services", fix=fix, path=("services",))
    return tuple(names)


def _number(table: Mapping[str, object], key: str, *, most: Decimal) -> Decimal:
    value = table.get(key)
    try:
        number = Decimal(str(value).rstrip("%").replace("_", ""))
        if isinstance(value, bool) or not ZERO < number <= most:
            raise ValueError
    except (ArithmeticError, ValueError) as error:
        fix = f'Write it like {key} = "2.40"'
        raise PlanError(
            f"{key} = {str(value)[:40]!r} is not above 0 (and at most {plain(most)})", fix=fix, path=(key,)
        ) from error
    return number


def _rates(value: object) -> dict[str, Decimal]:
    if not isinstance(value, Mapping):
        fix = 'Write rates = { "ml.g5.xlarge" = "1.04" }: USD an hour'
        raise PlanError(f"rates = {value!r} is not a table", fix=fix, path=("rates",))
    try:
        return {str(name): _number(value, str(name), most=LARGEST) for name in value}
    except PlanError as error:
        raise error.about("rates") from error


def _hours(value: object) -> Decimal:
    from cloudai_pricing.workload_values import parse_schedule

    try:
        hours = parse_schedule(value)
    except PlanError as error:
        raise error.about("hours") from error
    if not hours:
        raise PlanError("hours is none at all", fix='Write it like hours = "office"', path=("hours",))
    return hours
