"""`--draws`: what the ranges of the lines do to the totals, by drawing volumes many times, and by moving one at a time.

A draw takes each line's volume from the triangular distribution over low, likely and high (one number for all months;
growth is on top of it), lines independently of each other. The mix stays the one of the likely case. The draws come
from `random.Random(seed)`, lines in the order of their names; everything after them is exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import sqrt
from random import Random
from typing import NamedTuple

from cloudai_pricing.billing import FreeTier, Plan
from cloudai_pricing.bulk import Totals, Variants, totals
from cloudai_pricing.exact import ZERO, cut, exactly
from cloudai_pricing.model import Mix, Option
from cloudai_pricing.workload import Line

MOST_DRAWS = 1_000_000
USUAL_DRAWS = 1000


class Swing(NamedTuple):
    """The total when one line is at its low or high and all others are likely."""

    line: str
    low: Decimal
    high: Decimal


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A total that is not exceeded in 5, 50 and 95% of the draws (nearest rank), and what moves it, the most first.

    Lower bounds where not `complete`. `month_p95` is of the dearest month. `provider` None: the mix.
    """

    provider: str | None
    complete: bool
    p5: Decimal
    p50: Decimal
    p95: Decimal
    month_p95: Decimal
    swings: tuple[Swing, ...]


@dataclass(frozen=True, kw_only=True)
class Risk:
    """The spreads of all options and of the mix (None where there is no mix)."""

    draws: int
    seed: int
    inputs: tuple[str, ...]
    """Lines with a range. Without any, all percentiles of a total are one."""
    options: tuple[Spread, ...]
    mix: Spread | None


class Asked(NamedTuple):
    """How many draws, from which seed."""

    draws: int
    seed: int


class Share(NamedTuple):
    """The plans of one provider in an answer; `complete`: all that the answer needs of it has a price."""

    plans: Sequence[Plan]
    complete: bool


class Drawing:
    """All volumes: the draws first, then two variants per line with a range, at its low and at its high."""

    def __init__(self, lines: Sequence[Line], months: int, asked: Asked) -> None:
        self.asked = asked
        self.inputs = sorted((line for line in lines if line.low != line.high), key=lambda line: line.name)
        random = Random(asked.seed)  # noqa: S311  # a simulation that must be the same each time, not a secret
        drawn = {line.name: [_drawn(line, random.random()) for _ in range(asked.draws)] for line in self.inputs}
        for moved in self.inputs:
            for line in self.inputs:
                same = line is moved
                drawn[line.name] += [line.low if same else line.likely, line.high if same else line.likely]
        self._variants = Variants(lines, drawn, months)

    def risk(
        self, plans: Mapping[str, Mapping[str, Plan]], options: Sequence[Option], mix: Mix | None, free_tier: FreeTier
    ) -> Risk:
        """The spreads of all options and the mix. `plans`: provider -> line name -> what bills it."""
        spreads = []
        for option in options:
            whole = Share(plans=tuple(plans[option.provider].values()), complete=option.complete)
            spreads.append(self.spread(option.provider, [whole], free_tier))
        mixed = None
        if mix is not None:
            placed: dict[str, list[Plan]] = {}
            for choice in mix.choices:
                if choice.provider is not None:
                    placed.setdefault(choice.provider, []).append(plans[choice.provider][choice.name])
            shares = [Share(plans=several, complete=mix.complete) for several in placed.values()]
            mixed = self.spread(None, shares, free_tier)
        inputs = tuple(line.name for line in self.inputs)
        asked = self.asked
        return Risk(draws=asked.draws, seed=asked.seed, inputs=inputs, options=tuple(spreads), mix=mixed)

    def spread(self, provider: str | None, shares: Sequence[Share], free_tier: FreeTier) -> Spread:
        """Of an answer that is the sum of several providers' shares."""
        with exactly():
            parts = [totals(share.plans, self._variants, free_tier, months_too=True) for share in shares if share.plans]
            costs = _added([list(part.costs) for part in parts], self._variants.count)
            months = [_added(list(several), self._variants.count) for several in _month_by_month(parts)]
            dearest = [max(several) for several in zip(*months, strict=True)] or [ZERO]
        count = self.asked.draws if self.inputs else 1
        ranked = sorted(costs[:count])
        moved = costs[self.asked.draws :] if self.inputs else []
        swings = [Swing(line.name, *moved[2 * at : 2 * at + 2]) for at, line in enumerate(self.inputs)]
        return Spread(
            provider=provider,
            complete=all(share.complete for share in shares) and not any(any(part.unknown) for part in parts),
            p5=percentile(ranked, 5),
            p50=percentile(ranked, 50),
            p95=percentile(ranked, 95),
            month_p95=percentile(sorted(dearest[:count]), 95),
            swings=tuple(sorted(swings, key=lambda one: (one.low - one.high, one.line))),
        )


def percentile(ranked: Sequence[Decimal], share: int) -> Decimal:
    """The least of the ranked numbers that `share` percent of them do not exceed."""
    return ranked[max(-(-len(ranked) * share // 100) - 1, 0)]


def _drawn(line: Line, uniform: float) -> Decimal:
    """The volume below which `uniform` of the triangular distribution lies."""
    width = line.high - line.low
    peak = float((line.likely - line.low) / width)
    share = sqrt(uniform * peak) if uniform < peak else 1 - sqrt((1 - uniform) * (1 - peak))
    return line.low + cut(width * Decimal(share))


def _added(columns: Sequence[Sequence[Decimal]], count: int) -> list[Decimal]:
    return [sum(several, ZERO) for several in zip(*columns, strict=True)] if columns else [ZERO] * count


def _month_by_month(parts: Sequence[Totals]) -> list[tuple[tuple[Decimal, ...], ...]]:
    """Per month the costs of all parts."""
    return list(zip(*(part.by_month for part in parts), strict=True))
