"""`--vary`: the same workload at several values of one key, or of two (then at every pair of them).

`photos.volume=1M..10M images/month:20`: 20 values from 1 to 10 million, both ends among them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import product

from cloudai_pricing.draft import Draft
from cloudai_pricing.errors import PlanError
from cloudai_pricing.exact import cut, exactly, plain
from cloudai_pricing.model import Estimate
from cloudai_pricing.units import parse_number, split_magnitude

MOST_STEPS = 1000
"""Estimates of one sweep, all pairs counted."""
_FORM = re.compile(r"\s*([^=]+?)\s*=\s*(.+?)\s*\.\.\s*(.+?)\s*:\s*([0-9]{1,6})\s*")
_END = re.compile(r"([0-9][0-9_,]*(?:\.[0-9_]+)?)\s*(.*)", re.DOTALL)
_EXAMPLE = "Write it like --vary 'photos.volume=1M..10M images/month:20'"


@dataclass(frozen=True, kw_only=True)
class Vary:
    """One key with its values in rising or falling order, each as `--set` would be given it."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Step:
    """The estimate at one value of each varied key."""

    values: tuple[str, ...]
    estimate: Estimate


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """All steps, the last key varying fastest."""

    keys: tuple[str, ...]
    steps: tuple[Step, ...]


def parse_vary(text: str) -> Vary:
    """`LINE.key=LOW..HIGH UNIT:STEPS`. Between whole ends values are whole, percents excepted. Raises `PlanError`."""
    match = _FORM.fullmatch(text)
    if match is None:
        raise PlanError(f"--vary {text!r} is not LINE.key=LOW..HIGH:STEPS", fix=_EXAMPLE)
    key, low, high, steps = match.groups()
    count = int(steps)
    if not 2 <= count <= MOST_STEPS:
        raise PlanError(f"--vary {text!r}: {count} steps are not from 2 to {MOST_STEPS}")
    with exactly():
        first, last, unit = _ends(text, low, high)
        values = [first + (last - first) * at / (count - 1) for at in range(count)]
        whole = all(end == end.to_integral_value() for end in (first, last)) and not unit.startswith("%")
        numbers = [value.to_integral_value() if whole else cut(value) for value in values]
    return Vary(key=key, values=tuple(f"{plain(number)}{unit}" for number in dict.fromkeys(numbers)))


def _ends(text: str, low: str, high: str) -> tuple[Decimal, Decimal, str]:
    """Both ends as numbers of one unit, and the unit with the space before it."""
    found = [_END.fullmatch(end) for end in (low, high)]
    if found[0] is None or found[1] is None:
        raise PlanError(f"--vary {text!r}: the ends are not numbers", fix=_EXAMPLE)
    numbers, units = [], []
    for match in (found[0], found[1]):
        times, unit = split_magnitude(match.group(2))
        numbers.append(parse_number(match.group(1)) * times)
        units.append(unit)
    if not units[1].startswith(units[0]):
        raise PlanError(f"--vary {text!r} goes from {units[0]} to {units[1]}", fix="Write both in one unit")
    return numbers[0], numbers[1], units[1] if units[1][:1] in ("", "%") else f" {units[1]}"


def sweep(draft: Draft, varied: Sequence[Vary], run: Callable[[Draft], Estimate]) -> Sweep:
    """`run` on the draft at every combination of values. Raises `PlanError`, also for more than 1,000 of them."""
    count = 1
    for vary in varied:
        count *= len(vary.values)
    if count > MOST_STEPS:
        raise PlanError(f"{count} combinations are more than {MOST_STEPS}", fix="Take fewer steps")
    steps = []
    for values in product(*(vary.values for vary in varied)):
        changed = draft
        for vary, value in zip(varied, values, strict=True):
            changed = changed.with_set(f"{vary.key}={value}", flag="--vary")
        steps.append(Step(values=values, estimate=run(changed)))
    return Sweep(keys=tuple(vary.key for vary in varied), steps=tuple(steps))
