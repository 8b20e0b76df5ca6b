"""What is said beside results on stderr: usage, cost, who answered, and what could not be honoured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from cloudai.cli.terminal import note, warn

if TYPE_CHECKING:
    from cloudai.types.results import Result, Usage


def note_warnings(result: Result, *, about: str, told: set[str]) -> None:
    """Those of one of several results; each is told once, with the first input it holds for, and put into `told`."""
    for warning in result.warnings:
        if warning.message not in told:
            told.add(warning.message)
            warn(f"{about}: {warning.message}")


def note_result(result: Result, *, quiet: bool) -> None:
    """Its warnings, one a line, and one line of facts: `local: 1 image, cost unknown, 0.32 s`."""
    for warning in result.warnings:
        warn(warning.message)
    if not quiet:
        where = f"{result.backend} ({result.region})" if result.region else result.backend
        facts = [usage_text(result.usage), cost_text([result]), f"{result.latency:.2f} s"]
        if result.attempts > 1:
            facts.append(f"{result.attempts} attempts")
        note(f"{where}: {', '.join(fact for fact in facts if fact)}")


def note_total(done: Sequence[Result], failed: Sequence[str], *, quiet: bool) -> None:
    """What several calls came to; failures are always told."""
    if failed:
        note(f"{len(failed)} of {len(done) + len(failed)} failed: {', '.join(failed)}")
    if done and not quiet:
        facts = [usage_text(used for result in done for used in result.usage), cost_text(done)]
        note(f"{len(done)} done: {', '.join(fact for fact in facts if fact)}")


def usage_text(usage: Iterable[Usage]) -> str:
    """`2 images, 40 seconds`: units summed."""
    sums: dict[str, Decimal] = {}
    for used in usage:
        sums[used.unit] = sums.get(used.unit, Decimal(0)) + used.quantity
    return ", ".join(f"{plain(quantity)} {unit}{'' if quantity == 1 else 's'}" for unit, quantity in sums.items())


def cost_text(results: Sequence[Result]) -> str:
    """The sum; an unknown cost is said to be unknown, and what is known beside it is a lower bound."""
    known = [result.cost for result in results if result.cost is not None]
    if not known:
        return "cost unknown"
    sums: dict[str, Decimal] = {}
    for cost in known:
        sums[cost.currency] = sums.get(cost.currency, Decimal(0)) + cost.amount
    total = " + ".join(f"{plain(amount)} {currency}" for currency, amount in sums.items())
    missing = len(results) - len(known)
    return f"cost {total}" if not missing else f"cost >= {total} (unknown for {missing} of {len(results)})"


def plain(value: Decimal) -> str:
    """Without exponent and trailing zeros."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
