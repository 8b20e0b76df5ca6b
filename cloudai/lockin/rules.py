"""Rules for CI, `--fail-on`: when is a scan not good enough?

portable<80%         the share of calls of classes 1 and 2 (F_1 + F_2) at the best target is below 80%
portable:gcp<80%     ... at this target
neutral<50%          the share of calls that go through cloudai, without options, is below 50%
retirement<180d      something in use ends within 180 days, or has ended
exit>50000 USD       the exit bills (P50) of all providers in use, to the cheapest target, are above this
exit:gcp>50000 USD   ... to this target
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Literal

from cloudai.errors import InvalidInput
from cloudai.lockin.scanned import Scan

_RULE = re.compile(
    r"\s*(portable|neutral|retirement|exit)(?::([a-z]+))?\s*(<=|>=|<|>)\s*([\d_,]+(?:\.\d+)?)\s*(%|days?|d|USD|\$)?\s*"
)
_UNITS = {"portable": "%", "neutral": "%", "retirement": "d", "exit": "USD"}
_SIGNS = {"portable": ("<", "<="), "neutral": ("<", "<="), "retirement": ("<", "<="), "exit": (">", ">=")}
_EXAMPLES = "portable<80%, retirement<180d, exit>50000 USD"

Bill = tuple[Decimal | None, bool]
"""Dollars (None: not known) and whether that is the whole bill, not a lower bound."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rule:
    """One condition under which a scan fails. `target` empty: the best there is."""

    text: str
    measure: Literal["portable", "neutral", "retirement", "exit"]
    target: str
    inclusive: bool
    limit: Decimal


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What a rule says of a scan. `holds` None: it can't be told."""

    rule: str
    holds: bool | None
    text: str


def parse_rule(text: str) -> Rule:
    """Raises `InvalidInput` that says how a rule is written."""
    match = _RULE.fullmatch(text)
    if match is None:
        raise InvalidInput(f"--fail-on {text!r} is no rule: write it like {_EXAMPLES}")
    measure, target, sign, number, unit = match.groups()
    wanted = _UNITS[measure]
    given = {"day": "d", "days": "d", "$": "USD", None: ""}.get(unit, unit)
    if given != wanted:
        raise InvalidInput(f"--fail-on {text!r}: {measure} is in {wanted}, as in {_EXAMPLES}")
    if sign not in _SIGNS[measure]:
        raise InvalidInput(f"--fail-on {text!r}: {measure} fails {_SIGNS[measure][0]} a limit, as in {_EXAMPLES}")
    if target and measure in ("neutral", "retirement"):
        raise InvalidInput(f"--fail-on {text!r}: {measure} has no target")
    value = Decimal(number.replace("_", "").replace(",", ""))
    return Rule(text=text.strip(), measure=measure, target=target or "", inclusive="=" in sign, limit=value)  # type: ignore[arg-type]  # the words of the expression above


def judge(rules: Sequence[Rule], scan: Scan, bills: Mapping[str, Bill] | None = None) -> tuple[Verdict, ...]:
    """Each rule held against a scan; `bills`: the exit bill by target, None: there is none.

    Raises `InvalidInput` for a rule about a target that was not asked for.
    """
    return tuple(_judge(rule, scan, bills) for rule in rules)


def _judge(rule: Rule, scan: Scan, bills: Mapping[str, Bill] | None) -> Verdict:
    if rule.target and rule.target not in scan.targets:
        raise InvalidInput(f"--fail-on {rule.text!r}: {rule.target} is none of the targets {', '.join(scan.targets)}")
    match rule.measure:
        case "portable":
            return _portable(rule, scan)
        case "neutral":
            return _below(rule, scan.neutral_share, "of the calls go through cloudai without options")
        case "retirement":
            return _retirement(rule, scan)
        case "exit":
            return _exit(rule, bills)


def _portable(rule: Rule, scan: Scan) -> Verdict:
    shares = {t: s.portable for t, s in scan.shares.items() if s.portable is not None and rule.target in ("", t)}
    if not shares:
        return Verdict(rule=rule.text, holds=True, text="no call would have to move")
    best = max(shares, key=lambda target: shares[target] or Fraction(0))
    return _below(rule, shares[best], f"of the calls are had at {best} as they are or through an adapter")


def _below(rule: Rule, share: Fraction | None, what: str) -> Verdict:
    if share is None:
        return Verdict(rule=rule.text, holds=True, text="there is no call of an AI service")
    limit = Fraction(rule.limit) / 100
    failed = share <= limit if rule.inclusive else share < limit
    return Verdict(rule=rule.text, holds=not failed, text=f"{float(share):.1%} {what}")


def _retirement(rule: Rule, scan: Scan) -> Verdict:
    dated = [found for found in scan.retirements if found.days is not None]
    soon = [
        found for found in dated
        if found.days is not None and (found.days <= rule.limit if rule.inclusive else found.days < rule.limit)
    ]  # fmt: skip
    if not soon:
        return Verdict(rule=rule.text, holds=True, text="nothing in use ends that soon")
    told = "; ".join(f"{f.provider} {f.service}: {f.feature} ends {f.ends}, used in {f.places[0]}" for f in soon)
    return Verdict(rule=rule.text, holds=False, text=told)


def _exit(rule: Rule, bills: Mapping[str, Bill] | None) -> Verdict:
    chosen = {t: bill for t, bill in (bills or {}).items() if rule.target in ("", t) and bill[0] is not None}
    if not chosen:
        return Verdict(rule=rule.text, holds=None, text="the exit bill is not known")
    cheapest = min(chosen, key=lambda target: chosen[target][0] or Decimal(0))
    amount, complete = chosen[cheapest]
    assert amount is not None
    failed = amount >= rule.limit if rule.inclusive else amount > rule.limit
    short = "" if complete else ", with what is not offered or not known there left out: see the bill"
    text = f"leaving for {cheapest} costs {'' if complete else 'at least '}{amount:,.0f} USD{short}"
    return Verdict(rule=rule.text, holds=False if failed else (True if complete else None), text=text)
