"""Typed quantities: `2.4M images/month`, `1500 hours`, `300M characters`, `4 min`, `8/month`, `5%/month`, `±30%`.

A bare number is refused: vendors quote per 1, 1,000 and 1,000,000, and guessing which was meant is how bills surprise.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal, NamedTuple

from cloudai_pricing.errors import PlanError, nearest
from cloudai_pricing.exact import LARGEST, ONE, ZERO, cut, grouped

MONTH_HOURS = Decimal(730)
OFFICE_HOURS = Decimal(217)
"""10 hours on 5 days a week, 52 weeks over 12 months, rounded up."""

Period = Literal["second", "minute", "hour", "day", "week", "month", "year", "once"]

# Unit -> (the unit it is converted to, how many of those it is). Units convert only where these agree.
_BASE: Mapping[str, tuple[str, Decimal]] = {
    "second": ("second", ONE),
    "minute": ("second", Decimal(60)),
    "hour": ("second", Decimal(3600)),
    "image": ("image", ONE),
    "page": ("page", ONE),
    "character": ("character", ONE),
    "record": ("record", ONE),
    "request": ("request", ONE),
    "unit": ("unit", ONE),
    "instance-hour": ("instance-hour", ONE),
    "node-hour": ("instance-hour", ONE),
    "gb": ("gb", ONE),
    "gb-month": ("gb-month", ONE),
    "gb-hour": ("gb-second", Decimal(3600)),
    "gb-second": ("gb-second", ONE),
    "vcpu-hour": ("vcpu-hour", ONE),
    "token": ("token", ONE),
    "month": ("month", ONE),
}
UNITS = frozenset(_BASE)

_ALIASES: Mapping[str, str] = {
    **{f"{unit}s": unit for unit in _BASE},
    "s": "second", "sec": "second", "secs": "second",
    "min": "minute", "mins": "minute",
    "h": "hour", "hr": "hour", "hrs": "hour",
    "img": "image", "imgs": "image", "photo": "image", "photos": "image", "picture": "image", "pictures": "image",
    "char": "character", "chars": "character",
    "call": "request", "calls": "request", "transaction": "request", "transactions": "request",
    "gib": "gb", "gibs": "gb", "gib-month": "gb-month", "gib-months": "gb-month", "gib-hour": "gb-hour",
    "gib-hours": "gb-hour", "gib-second": "gb-second", "gib-seconds": "gb-second",
}  # fmt: skip

# Written units that are a multiple of one of ours. A cloud's GB of storage and traffic is 1,024 MB, its TB 1,024 GB.
_MULTIPLES: Mapping[str, tuple[str, Decimal]] = {
    name + ending: (unit, times)
    for unit, endings in (("gb", ("", "s")), ("gb-month", ("-month", "-months")))
    for ending in endings
    for names, times in (
        (("kb", "kib"), ONE / 1024**2),
        (("mb", "mib"), ONE / 1024),
        (("tb", "tib"), Decimal(1024)),
        (("pb", "pib"), Decimal(1024**2)),
    )
    for name in names
}

_MAGNITUDES: Mapping[str, Decimal] = {
    "k": Decimal(1000), "thousand": Decimal(1000), "M": Decimal(10**6), "million": Decimal(10**6),
    "B": Decimal(10**9), "bn": Decimal(10**9), "billion": Decimal(10**9), "K": Decimal(1000),
}  # fmt: skip

_PERIODS: Mapping[str, tuple[Period, Decimal]] = {
    "second": ("second", MONTH_HOURS * 3600),
    "minute": ("minute", MONTH_HOURS * 60),
    "hour": ("hour", MONTH_HOURS),
    "day": ("day", MONTH_HOURS / 24),
    "week": ("week", MONTH_HOURS / 168),
    "month": ("month", ONE),
    "year": ("year", ONE / 12),
}
_NUMBER = r"[0-9][0-9_,]*(?:\.[0-9_]+)?"
_QUANTITY = re.compile(rf"\s*([+-]?{_NUMBER})\s*(.*?)\s*", re.DOTALL)
_PER = re.compile(r"(?:\s*/\s*|\s+(?:per|a|an|each)\s+)([A-Za-z]+)$")
_OWN_UNIT = re.compile(r"[a-z][a-z0-9-]{0,39}")
_PERCENT = re.compile(rf"\s*([+-]?{_NUMBER})\s*%\s*")


class Quantity(NamedTuple):
    """An amount of a unit, as read; `period` is None where none was written.

    `written`: where another unit was written than is counted, the words: `3 TB` of 3,072 GB.
    """

    amount: Decimal
    unit: str
    period: Period | None = None
    written: str = ""

    def __str__(self) -> str:
        per = {None: "", "once": " once"}.get(self.period, f"/{self.period}")
        return f"{grouped(self.amount)} {plural(self.unit, self.amount)}{per}"

    def monthly(self) -> Decimal:
        """Units in one month of 730 hours (a one-off quantity as it is)."""
        if self.period in (None, "month", "once"):
            return self.amount
        assert self.period is not None
        if self.period == "day":
            return cut(self.amount * MONTH_HOURS / 24)
        if self.period == "week":
            return cut(self.amount * MONTH_HOURS / 168)
        if self.period == "year":
            return cut(self.amount / 12)
        return cut(self.amount * _PERIODS[self.period][1])

    def to(self, unit: str) -> Decimal:
        """The amount in another unit. Raises `PlanError` where units don't convert."""
        if not convertible(self.unit, unit):
            raise PlanError(f"{self} is not a number of {plural(unit)}")
        return cut(self.amount * factor(self.unit) / factor(unit))


def base_of(unit: str) -> str:
    """The unit that this one is counted in: `second` for `hour`."""
    return _BASE[unit][0] if unit in _BASE else unit


def factor(unit: str) -> Decimal:
    """How many of its base one of this unit is: 3600 for `hour`."""
    return _BASE[unit][1] if unit in _BASE else ONE


def convertible(one: str, other: str) -> bool:
    """Whether quantities of one unit can be stated in the other."""
    return base_of(one) == base_of(other)


def plural(unit: str, amount: Decimal | None = None) -> str:
    """`images`, `instance-hours`, `GB`, `GB-months`."""
    name = unit.replace("gb", "GB", 1)
    if name == "GB" or (amount is not None and amount == 1):
        return name
    return f"{name[:-1]}ies" if name.endswith("y") and name[-2:-1] not in "aeiou" else f"{name}s"


def parse_number(text: str) -> Decimal:
    """`1_500`, `1,500`, `2.5`. Raises `PlanError` for anything else, also `1,5` (is it 1.5 or 15?)."""
    if not re.fullmatch(rf"[+-]?{_NUMBER}", text):
        raise PlanError(f"{text!r} is not a number", fix="Write it like 1500, 1_500 or 2.5")
    if "," in text and not re.fullmatch(r"[+-]?[0-9]{1,3}(,[0-9]{3})+(\.[0-9]+)?", text):
        raise PlanError(f"{text!r} can be read in two ways", fix="Write a decimal point as . and thousands as _")
    number = Decimal(text.replace(",", "").replace("_", ""))
    if abs(number) > LARGEST:
        raise PlanError(f"{text[:40]} is larger than any real workload", fix="Check the number of zeros")
    return number


def parse_unit(text: str, *, any_name: bool = False) -> tuple[str, Decimal]:
    """The unit a word names, and how many of it one of the word is: `TB` is 1,024 gb.

    `any_name`: a word that is no unit of ours is a unit of its own, that converts to no other.
    """
    word = _word(text)
    if word in _BASE:
        return word, ONE
    if word in _ALIASES:
        return _ALIASES[word], ONE
    if word in _MULTIPLES:
        return _MULTIPLES[word]
    if any_name and _OWN_UNIT.fullmatch(word):
        return _singular(word), ONE
    raise PlanError(f"unknown unit {text.strip()!r}", fix=nearest(word, [plural(unit) for unit in _BASE]))


def _singular(word: str) -> str:
    if word.endswith("ies") and len(word) > 4:
        return f"{word[:-3]}y"
    return word if word.endswith("ss") else word.removesuffix("s")


def _word(text: str) -> str:
    return re.sub(r"[\s_]+", "-", text.strip().lower())


def parse_quantity(text: object, *, example: str = "2.4M images/month", any_name: bool = False) -> Quantity:
    """Reads a quantity with its unit. `any_name` as for `parse_unit`. Raises `PlanError` that says how to write it."""
    if isinstance(text, (int, float, Decimal)) and not isinstance(text, bool):
        raise PlanError(f"{text} of what?", fix=f'Write the unit, like "{example}"')
    match = _QUANTITY.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise PlanError(f"{_shown(text)} is not a quantity", fix=f'Write it like "{example}"')
    amount, rest = parse_number(match.group(1)), match.group(2)
    rest, period = _split_period(rest)
    times, rest = split_magnitude(rest)
    if not rest:
        raise PlanError(f"{match.group().strip()!r}: of what?", fix=f'Write the unit, like "{example}"')
    if rest[0].isdigit():
        raise PlanError(f"{text!r} can be read in two ways", fix="Write thousands as _ : 1_000")
    unit, multiple = parse_unit(rest, any_name=any_name)
    stated = amount * times
    amount = stated * multiple
    if amount < ZERO:
        raise PlanError(f"{text!r} is negative")
    if amount > LARGEST:
        raise PlanError(f"{text!r} is larger than any real workload", fix="Check the number of zeros")
    if amount and not cut(amount):
        raise PlanError(f"{text!r} is too little to plan with", fix="Check the number of zeros")
    data = unit.startswith("gb") and _word(rest) not in (unit, f"{unit}s")
    written = f"{grouped(stated)} {rest}" if data else ""
    return Quantity(amount=cut(amount), unit=unit, period=period, written=written)


def parse_rate(text: object, *, example: str) -> tuple[Decimal, Decimal]:
    """`8/month` or `8 per week` (a count with no unit of its own): the count as written, and per month."""
    match = _QUANTITY.fullmatch(text) if isinstance(text, str) else None
    if match is not None:
        rest, period = _split_period(match.group(2))
        amount = parse_number(match.group(1))
        if period is not None and period != "once" and rest in ("", "run", "runs") and amount >= ZERO:
            return amount, Quantity(amount=amount, unit="unit", period=period).monthly()
    raise PlanError(f"{_shown(text)} is not a count per period", fix=f'Write it like "{example}"')


def parse_percent(text: object, *, example: str) -> Decimal:
    """`30%` as 0.3. Raises `PlanError`."""
    match = _PERCENT.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise PlanError(f"{_shown(text)} is not a percentage", fix=f'Write it like "{example}"')
    return parse_number(match.group(1)) / 100


def _split_period(text: str) -> tuple[str, Period | None]:
    word = text.rstrip().lower()
    for ending in (" once", " in total"):
        if word.endswith(ending):
            return text.rstrip()[: -len(ending)], "once"
    match = _PER.search(text)
    if match is None:
        return text, None
    name = match.group(1).lower()
    name = {"mo": "month", "yr": "year", "min": "minute", "sec": "second", "s": "second", "h": "hour"}.get(name, name)
    if name not in _PERIODS:
        raise PlanError(f"unknown period {match.group(1)!r}", fix=nearest(name, _PERIODS))
    return text[: match.start()], _PERIODS[name][0]


def split_magnitude(text: str) -> tuple[Decimal, str]:
    """`M images` -> a million, `images`. A lone `m` is refused: it means minutes to some, a million to others."""
    word, _, rest = text.strip().partition(" ")
    for name in (word, word.lower()):
        if name in _MAGNITUDES:
            return _MAGNITUDES[name], rest.strip()
    if word == "m":
        raise PlanError("'m' can mean a million or minutes", fix="Write M or min")
    return ONE, text.strip()


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
