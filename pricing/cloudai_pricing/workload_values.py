"""The values of a workload file, one parser per kind: each takes what TOML gave and says what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from cloudai_pricing.errors import PlanError, nearest
from cloudai_pricing.exact import ONE, ZERO, cut, grouped
from cloudai_pricing.operations import billable
from cloudai_pricing.units import (
    MONTH_HOURS,
    OFFICE_HOURS,
    Quantity,
    base_of,
    convertible,
    factor,
    parse_number,
    parse_percent,
    parse_quantity,
    parse_rate,
    plural,
)
from cloudai_pricing.workload import MOST_MONTHS

_BARE = re.compile(r"[0-9][0-9_,.]*\s*(?:k|K|M|B|bn|thousand|million|billion)?")
_UNIT = re.compile(r"[+-]?[0-9][0-9_,.]*\s*(?:(?:k|K|M|B|bn|thousand|million|billion)\b)?\s*(.*)", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Span:
    """A number in three cases: as written `2..6` low, mean and high, else three times the same."""

    low: Decimal
    likely: Decimal
    high: Decimal

    def __str__(self) -> str:
        if self.low == self.high:
            return grouped(self.likely)
        return f"{grouped(self.likely)} ({grouped(self.low)} to {grouped(self.high)}; likely: their mean)"


def ends_of(value: object) -> tuple[object, object]:
    """`1M..3M images/month` as `1M images/month` and `3M images/month`; a value that is no range twice."""
    if not isinstance(value, str) or ".." not in value:
        return value, value
    low, _, high = (part.strip() for part in value.partition(".."))
    unit = _UNIT.fullmatch(high)
    return (f"{low} {unit.group(1)}".strip() if unit and _BARE.fullmatch(low) else low), high


def parse_span(value: object, parser: Callable[[object], Decimal]) -> Span:
    """A number, or two that `..` stands between."""
    first, last = ends_of(value)
    low, high = parser(first), parser(last)
    if low > high:
        raise PlanError(f"{value!r} does not rise", fix="Write the lower end first")
    return Span(low=low, likely=low if low == high else cut((low + high) / 2), high=high)


def parse_months(value: object) -> int:
    """A number of months from 1 to 120."""
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_MONTHS:
        raise PlanError(f"months = {value!r} is not a whole number from 1 to {MOST_MONTHS}")
    return value


def parse_text(value: object) -> str:
    odd = [sign for sign in value if not sign.isprintable()] if isinstance(value, str) else []
    if odd and "\n" not in odd:
        raise PlanError(f"{odd[0]!r} in a text of one line can't be seen", fix="Write it without")
    if not isinstance(value, str) or not value.strip() or len(value) > 200 or odd:
        raise PlanError(f"{str(value)[:60]!r} is not a text of one line", fix="Put it in quotes")
    return value


def parse_flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise PlanError(f"{value!r} is neither true nor false")
    return value


def parse_operation(value: object) -> str:
    name = parse_text(value)
    if name in billable() or (name.startswith("other.") and len(name) > len("other.")):
        return name
    raise PlanError(f"unknown operation {name!r}", fix=nearest(name, billable()))


def parse_names(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(name, str) and name for name in value):
        raise PlanError(f"{value!r} is not a list of names", fix='Write it like ["diarization"]')
    return tuple(dict.fromkeys(value))


def parse_count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 100_000:
        raise PlanError(f"{value!r} is not a whole number from 1 to 100,000")
    return value


def parse_growth(value: object) -> Decimal:
    text = value.strip() if isinstance(value, str) else value
    if isinstance(text, str) and "/" in text:
        text, _, period = text.partition("/")
        if period.strip() not in ("month", "mo"):
            raise PlanError("growth is per month: it compounds monthly", fix='Write it like growth = "5%/month"')
    share = parse_percent(text, example="5%/month")
    if not Decimal(-1) < share <= 10:
        raise PlanError(f"{value!r} is not a growth between -100% and 1000% a month")
    return share


def parse_share(value: object) -> Decimal:
    """A part of the whole, from 0% to 100%."""
    share = parse_percent(value, example="40%")
    if not ZERO <= share <= ONE:
        raise PlanError(f"{value!r} is not from 0% to 100%")
    return share


def parse_range(value: object) -> tuple[Decimal, Decimal]:
    text = value.strip() if isinstance(value, str) else value
    for sign in ("±", "+-", "+/-"):
        if isinstance(text, str) and text.startswith(sign):
            share = parse_percent(text.removeprefix(sign), example="±30%")
            if not ZERO <= share <= ONE:
                raise PlanError(f"{value!r} is not from ±0% to ±100%")
            return ONE - share, ONE + share
    raise PlanError(f"{value!r} is not a range", fix='Write it like "±30%", or use low = and high =')


def parse_request(value: object, unit: str) -> Decimal | None:
    quantity = parse_quantity(value, example="4 min" if base_of(unit) == "second" else f"500 {plural(unit)}")
    if not convertible(quantity.unit, unit):
        raise PlanError(
            f"{quantity} is no part of {plural(unit)}", fix=f"Write the mean size of one request in {plural(unit)}"
        )
    if quantity.period is not None or not quantity.amount:
        raise PlanError(f"{value!r} is not the size of one request", fix='Write it like "4 min"')
    return quantity.amount * factor(quantity.unit)


def parse_region(value: object) -> tuple[str, Mapping[str, str]]:
    """One for all, or a table with one per provider."""
    if isinstance(value, Mapping):
        return "us", {str(provider): parse_text(region) for provider, region in value.items()}
    return parse_text(value), {}


def parse_variant(value: object) -> tuple[str | None, Mapping[str, str]]:
    if isinstance(value, Mapping):
        return None, {str(provider): parse_text(variant) for provider, variant in value.items()}
    return parse_text(value), {}


def parse_schedule(value: object) -> Decimal:
    """Hours a month that an endpoint is up."""
    if value == "24/7":
        return MONTH_HOURS
    if value == "office":
        return OFFICE_HOURS
    if value in ("always", "always on", "always-on"):
        raise PlanError(f"{value!r} is not a schedule", fix='Write "24/7"')
    quantity = parse_quantity(value, example="300 hours/month")
    hours = Quantity(amount=quantity.to("hour"), unit="hour", period=quantity.period).monthly()
    if hours > MONTH_HOURS or quantity.period in ("second", "minute", "hour", "once"):
        raise PlanError(
            f"{value!r} is not a part of a month of 730 hours", fix='Write "24/7", "office" or "300 hours/month"'
        )
    return hours


def parse_duration(value: object) -> Decimal:
    """Hours of one run: 6, 1.5, "90 min"."""
    if isinstance(value, str) and _BARE.fullmatch(value):
        value = parse_number(value)
    if isinstance(value, (int, Decimal)) and not isinstance(value, bool):
        number = Decimal(value)
        if not number.is_finite() or not ZERO < number <= 100_000:
            raise PlanError(f"{value} is not a number of hours above 0")
        return number
    quantity = parse_quantity(value, example="6 hours")
    if quantity.period is not None:
        raise PlanError(f"{value!r} is not the length of one run", fix='Write hours = 6 and runs = "8/month"')
    return quantity.to("hour")


def parse_runs(value: object) -> Decimal:
    """Runs a month: "8/month", "2/week"."""
    return parse_rate(value, example="8/month")[1]


def parse_replicas(value: object) -> Decimal:
    """Machines that are up: 3, or an end of "2..6"."""
    count = int(value) if isinstance(value, str) and value.isdigit() and len(value) < 10 else value
    try:
        return Decimal(parse_count(count))
    except PlanError as error:
        raise PlanError(f"{value!r} is not a number of replicas", fix='Write it like 3 or "2..6"') from error
