"""What an exit bill takes for granted: `exit_defaults.toml` read, and what the user set of it.

Every term has a unit, a reason, a source and a date; `Terms.said()` gives those rows for printing beside a bill.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import NamedTuple

from cloudai_pricing.errors import PlanError, nearest
from cloudai_pricing.exact import ZERO, plain

FILE = Path(__file__).with_name("exit_defaults.toml")
DRAWS = 10_000
_USUAL = ((0.6, 1.0, 1.9), 0, DRAWS)
USUAL_FACTORS = (Decimal("0.825495"), Decimal("1.136564"), Decimal("1.550274"))
"""P10, P50 and P90 of the shipped spread: drawing them takes longer than an estimate. A test draws them."""
KINDS = ("same", "adapter", "workaround", "none")
"""The words of classes 1 to 4: how far an operation of the source has its like at the target."""
_SHARES = ("adapted.", "retirement_rate", "switch_rate", "waiver")
_POSITIVE = ("lines_per_day", "engineers", "horizon_years")


class Term(NamedTuple):
    """One assumption; `set_by`: empty, or where the user set it."""

    key: str
    value: str
    unit: str
    why: str
    source: str
    as_of: str
    set_by: str = ""


@cache
def defaults() -> Mapping[str, Term]:
    """The shipped terms by key, in the order of the file."""
    rows = tomllib.loads(FILE.read_text(encoding="utf-8"))["default"]
    return {str(row["key"]): Term(**{key: str(value) for key, value in row.items()}) for row in rows}


@dataclass(frozen=True, kw_only=True)
class Terms:
    """All assumptions of a bill. Percentages are read as shares: `share("waiver")` of "100" is 1."""

    terms: Mapping[str, Term] = field(default_factory=defaults)

    def number(self, key: str) -> Decimal:
        """A term as it is written."""
        return Decimal(self.terms[key].value)

    def share(self, key: str) -> Decimal:
        """A term in percent as a share of one."""
        return self.number(key) / 100

    @property
    def spread(self) -> tuple[float, float, float]:
        """Least, mode and most of the triangular draw."""
        low, mode, high = (float(part) for part in self.terms["spread"].value.split(","))
        return low, mode, high

    def having(self, values: Mapping[str, str], *, set_by: str) -> Terms:
        """With some terms set by the user. Raises `PlanError` for an unknown key or a value out of range."""
        found = dict(self.terms)
        for key, value in values.items():
            if key not in found:
                raise PlanError(f"unknown term of the exit bill {key!r}", fix=nearest(key, found), path=("exit", key))
            found[key] = found[key]._replace(value=_checked(key, value), set_by=set_by)
        return Terms(terms=found)

    def said(self) -> tuple[Term, ...]:
        """Every term, for printing."""
        return tuple(self.terms.values())


def _checked(key: str, value: str) -> str:
    if key == "spread":
        return _checked_spread(value)
    text = value.strip().removesuffix("%").strip()
    try:
        number = Decimal(text.replace("_", ""))
    except ArithmeticError:
        number = Decimal("NaN")
    wrong = not number.is_finite() or number < 0 or (key in _POSITIVE and not number)
    if wrong or (key.startswith(_SHARES) and number > 100) or number > Decimal("1e12"):
        term = defaults()[key]
        fix = f'Write it like {key} = "{term.value}"'
        raise PlanError(f"{key} = {value!r} is no number of {term.unit}", fix=fix, path=("exit", key))
    return plain(number)


def _checked_spread(value: str) -> str:
    parts = [part.strip() for part in value.split(",")]
    try:
        low, mode, high = (Decimal(part) for part in parts)
    except (ArithmeticError, ValueError):
        low, mode, high = Decimal(1), ZERO, ZERO
    if not ZERO < low <= mode <= high or not high.is_finite():
        raise PlanError(f"spread = {value!r} is not least, mode, most", fix='Write it like spread = "0.6, 1, 1.9"',
                        path=("exit", "spread"))  # fmt: skip
    return ", ".join(plain(part) for part in (low, mode, high))


@cache
def percentiles(spread: tuple[float, float, float], seed: int = 0, draws: int = DRAWS) -> tuple[Decimal, ...]:
    """P10, P50 and P90 of the factor on a bill, by nearest rank over the draws. The same seed, the same numbers."""
    if (spread, seed, draws) == _USUAL:
        return USUAL_FACTORS
    return drawn(spread, seed, draws)


def drawn(spread: tuple[float, float, float], seed: int, draws: int) -> tuple[Decimal, ...]:
    """`percentiles`, by drawing."""
    import random

    low, mode, high = spread
    source = random.Random(seed)  # noqa: S311  # reproducible draws, no secret
    found = sorted(source.triangular(low, high, mode) for _ in range(draws))
    ranks = (-(-draws * percent // 100) - 1 for percent in (10, 50, 90))
    return tuple(Decimal(f"{found[rank]:.6f}") for rank in ranks)
