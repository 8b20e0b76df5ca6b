"""The mix as it is shown: the search under the user's rules, and the lines billed where it places them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import combinations
from typing import NamedTuple

from cloudai_pricing.billing import FreeTier
from cloudai_pricing.exact import ZERO
from cloudai_pricing.linecost import free_line
from cloudai_pricing.mix import Assignment, assign
from cloudai_pricing.mix_offers import Extra, sharing
from cloudai_pricing.model import NOTHING, Choice, LineCost, Mix
from cloudai_pricing.operations import billable
from cloudai_pricing.options import bill_lines, month_sums
from cloudai_pricing.quotes import Quote
from cloudai_pricing.workload import Line, Workload


class Weighing(NamedTuple):
    """What is weighed beside the price, USD: per (provider, line), and for each provider that is used at all."""

    lines: Extra
    provider: Decimal

    def of(self, mix: Mix) -> Decimal:
        """What a mix weighs beside its price."""
        used = {choice.provider for choice in mix.choices if choice.provider is not None}
        placed = ((choice.provider, choice.name) for choice in mix.choices if choice.provider is not None)
        return sum((self.lines.get(one, ZERO) for one in placed), self.provider * len(used))


class MixRules(NamedTuple):
    """What the mix must keep to. `most`: at most so many providers (0: any number)."""

    only: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    most: int = 0

    def allows(self, provider: str) -> bool:
        """Whether the mix may use a provider."""
        return provider not in self.exclude and (not self.only or provider in self.only)


def mix_of(
    workload: Workload,
    quotes: Mapping[str, Sequence[Quote]],
    alone: Mapping[str, Sequence[LineCost]],
    months: int,
    free_tier: FreeTier,
    rules: MixRules,
    weighing: Weighing | None = None,
) -> tuple[Mix | None, bool]:
    """The mix, and whether it is proven least (of price and what is weighed beside it)."""
    able = {
        provider: {quote.line.name: quote.plan for quote in several if quote.plan is not None and not quote.lacks}
        for provider, several in quotes.items()
        if rules.allows(provider)
    }
    if not able:
        return None, True
    names = [line.name for line in workload.lines]
    most = min(rules.most or len(able), len(able))
    mixes = []
    extra = None if weighing is None else weighing.lines
    fewest = most if weighing is None or not weighing.provider else 1
    for few in (few for size in range(fewest, most + 1) for few in combinations(sorted(able), size)):
        assignment = assign({provider: able[provider] for provider in few}, names, months, free_tier, extra)
        mixes.append((_mixed(workload, quotes, alone, assignment, months, free_tier), assignment.exact))
    best, _ = min(mixes, key=lambda one: _rank(one[0], weighing))
    return best, all(exact for _, exact in mixes)


def _rank(mix: Mix, weighing: Weighing | None) -> tuple[int, Decimal]:
    beside = ZERO if weighing is None else weighing.of(mix)
    return sum(not _whole(choice) for choice in mix.choices), mix.total.likely + beside


def _whole(choice: Choice) -> bool:
    return choice.line is not None and choice.line.complete


def _mixed(
    workload: Workload,
    quotes: Mapping[str, Sequence[Quote]],
    alone: Mapping[str, Sequence[LineCost]],
    assignment: Assignment,
    months: int,
    free_tier: FreeTier,
) -> Mix:
    placed: dict[str, tuple[str, str, LineCost]] = {}
    for provider, several in quotes.items():
        mine = [quote for quote in several if assignment.providers.get(quote.line.name) == provider]
        for quote, line in zip(mine, _again(mine, several, alone[provider], months, free_tier), strict=True):
            placed[line.name] = (provider, quote.region, line)
    choices = tuple(_choice(line, placed.get(line.name), months) for line in workload.lines)
    by_month = month_sums([choice.line for choice in choices if choice.line is not None], months)
    complete = all(_whole(choice) for choice in choices)
    return Mix(complete=complete, month=by_month[0], by_month=by_month, total=sum(by_month, NOTHING), choices=choices)


def _again(
    mine: Sequence[Quote], several: Sequence[Quote], alone: Sequence[LineCost], months: int, free_tier: FreeTier
) -> list[LineCost]:
    """Some of a provider's lines: as in its option where all that they share with is here too, else billed anew."""
    names = {quote.line.name for quote in mine}
    anew: set[str] = set()
    for group in sharing([quote.plan for quote in several if quote.plan is not None], free_tier):
        members = {plan.line.name for plan in group}
        anew |= set() if members <= names else members
    known = {line.name: line for line in alone}
    again = bill_lines([quote for quote in mine if quote.line.name in anew], months, free_tier)
    known |= {line.name: line for line in again}
    return [known[quote.line.name] for quote in mine]


def _choice(line: Line, placed: tuple[str, str, LineCost] | None, months: int) -> Choice:
    if placed is not None:
        provider, region, cost = placed
        return Choice(name=line.name, provider=provider, region=region, cost=cost.cost, line=cost)
    operation = billable().get(line.operation)
    if operation is not None and operation.free:
        free = free_line(line, months, ("free of charge",))
        return Choice(name=line.name, provider=None, region=None, cost=free.cost, line=free)
    return Choice(name=line.name, provider=None, region=None, cost=None)
