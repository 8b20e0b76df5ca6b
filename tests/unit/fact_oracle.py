"""The exit bill and the bill of a month, written once more from the model's formulae and the raw fact files.

Only TOML is read and only the standard library computes: nothing of `cloudai` or `cloudai_pricing`. Floats, so that not
even the rounding is shared.

    E = code + validation + models + platform        code = sum of lines x share written anew / lines a day
    W = E / (5 x engineers)                           S = rate x E + GB x price x (1 - waiver) + retraining
                                                          + months x min(C_s, C_t) + commitments
    B = S / (C_s - C_t)                               R = sum of min(1, pi_k + v H) x S_k, pi_k = 1 where it retires
    slack = days to the retirement - 7 W              range: triangular(0.6, 1, 1.9), 10,000 draws
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache
from math import ceil
from pathlib import Path

ROOT = Path(__file__).parents[2]
PRICES = ROOT / "pricing" / "cloudai_pricing"
ADAPTED = {0: 0.06, 1: 0.34, 2: 0.57, 3: 1.0, 4: 0.0}
"""Share of the lines that is written anew: the neutral interface, then classes 1 to 4."""
CHECKED = {0: 0.5, 1: 0.5, 2: 2.0, 3: 5.0, 4: 0.0}
LINES_A_DAY, RATE, PLATFORM, EXPORTED, STUCK = 18, 830, 5, 1, 5
RETIRES, SWITCHES = 0.035, 0.01


@cache
def rows() -> list[dict[str, object]]:
    """Every entry of the price book."""
    files = sorted((PRICES / "book").glob("*.toml"))
    return [row for file in files for row in tomllib.loads(file.read_text(encoding="utf-8"))["price"]]


def ladder(provider: str, region: str, operation: str, on: str) -> dict[str, object]:
    """The one entry that bills an operation by use, in force on a day."""
    found = [
        row
        for row in rows()
        if (row["provider"], row["kind"]) == (provider, "usage")
        and row["region"] in (region, "global")
        and operation in row["operations"]
        and not row.get("features")
        and (row.get("default") or "variant" not in row)
        and str(row["effective_from"]) <= on
    ]
    newest = max(str(row["effective_from"]) for row in found)
    (one,) = [row for row in found if str(row["effective_from"]) == newest]
    return one


def month(entries: Sequence[tuple[dict[str, object], float]]) -> float:
    """What entries bill for so many units: lines of one pool together, what is always free not."""
    pools: dict[str, tuple[dict[str, object], float]] = {}
    for row, units in entries:
        name = str(row.get("pool") or row["sku"])
        pools[name] = (row, pools.get(name, (row, 0.0))[1] + units)
    cost = 0.0
    for row, units in pools.values():
        free = row.get("free") or {}
        spared = float(str(free["quantity"]).replace("_", "")) if str(free.get("kind", "")).startswith("always") else 0
        cost += climbed(row["tiers"], units) - climbed(row["tiers"], min(units, spared))
    return cost


def climbed(tiers: Sequence[Mapping[str, str]], units: float) -> float:
    """Marginal tiers from the first unit on."""
    cost, start = 0.0, 0.0
    for tier in tiers:
        end = min(units, float(tier["up_to"].replace("_", ""))) if "up_to" in tier else units
        cost += max(end - start, 0.0) * float(tier["price"])
        start = end
    return cost


@cache
def declared(provider: str) -> dict[str, dict[str, object]]:
    """Operation -> what the provider declares."""
    file = ROOT / "providers" / f"cloudai_{provider}" / "capabilities.toml"
    return {row["name"]: row for row in tomllib.loads(file.read_text(encoding="utf-8"))["operation"]}


@cache
def floors() -> dict[str, int]:
    """Operation -> the best class that is judged possible."""
    judged = tomllib.loads((PRICES / "equivalence.toml").read_text(encoding="utf-8"))["floor"]
    return {name: row["class"] for row in judged for name in row["operations"]}


def kind(source: str, target: str, operation: str, until: date) -> int:
    """The class of an operation, 1 to 4."""
    here, there = declared(source)[operation], declared(target).get(operation)
    if there is None or there["support"] == "no":
        return 4
    ends = there.get("retires")
    if ends is not None and date.fromisoformat(str(ends)) <= until:
        return 4
    if there["support"] in ("partial", "preview", "gated"):
        return 3
    mine, theirs = here["semantics"], there["semantics"]
    differs = any(mine[form] not in ("none", theirs[form]) for form in mine)
    later = "sync" in here["mode"] and "sync" not in there["mode"]
    return max(2 if differs or later else 1, floors().get(operation, 1))


@dataclass(frozen=True, kw_only=True)
class Code:
    """What a code base uses: lines by operation, lines of no one in particular, models that stay with the vendor."""

    source: str
    lines: Mapping[str, int]
    shared: int
    stuck_models: int = 0


@dataclass(frozen=True, kw_only=True)
class Said:
    """What the user says of leaving."""

    on: date
    engineers: int = 2
    gigabytes: float = 0.0
    parallel_months: float = 1.0
    commitments: float = 0.0
    retraining: float = 0.0
    years: int = 3


@dataclass(frozen=True, kw_only=True)
class Bill:
    """An exit bill in floats; None: never, or nothing ends."""

    days: Mapping[str, float]
    weeks: float
    dollars: Mapping[str, float]
    total: float
    draws: tuple[float, float, float]
    saving: float
    break_even: float | None
    slack: float | None
    shares: tuple[float, ...]
    residual: float


def bill(code: Code, target: str, said: Said, costs: Mapping[str, float], *, neutral: bool = False) -> Bill:
    """One way out. `costs`: provider -> USD a month."""
    until = said.on + timedelta(days=int(said.years * 365.25))
    kinds = {name: kind(code.source, target, name, until) for name in code.lines}
    rates = {name: 0 if neutral and each < 3 else each for name, each in kinds.items()}
    own = sum(code.lines.values())
    lines = {name: count * (1 + code.shared / own) for name, count in code.lines.items()}
    written = {name: lines[name] * ADAPTED[rates[name]] / LINES_A_DAY for name in lines}
    checked = {name: CHECKED[rates[name]] for name in lines}
    days = {
        "code": sum(written.values()),
        "validation": sum(checked.values()),
        "models": code.stuck_models * (EXPORTED if neutral else STUCK),
        "platform": PLATFORM,
    }
    effort = sum(days.values())
    dollars = {
        "people": RATE * effort,
        "egress": said.gigabytes * 0.09,
        "retraining": 0.0 if neutral else code.stuck_models * said.retraining,
        "parallel": said.parallel_months * min(costs[code.source], costs[target]),
        "commitments": said.commitments,
    }
    total, weeks = sum(dollars.values()), effort / (5 * said.engineers)
    saving = costs[code.source] - costs[target]
    ends = {name: declared(code.source)[name].get("retires") for name in lines}
    dates = {name: date.fromisoformat(str(day)) for name, day in ends.items() if day is not None}
    first = min((day for day in dates.values() if day <= until), default=None)
    base = min(1.0, 1 - (1 - RETIRES) ** said.years + SWITCHES * said.years)
    mine = {name: RATE * (written[name] + checked[name]) for name in lines}
    rest = (total - sum(mine.values())) / len(lines)
    certain = {name for name, day in dates.items() if day <= until}
    residual = sum((1.0 if name in certain else base) * (mine[name] + rest) for name in lines)
    return Bill(
        days=days,
        weeks=weeks,
        dollars=dollars,
        total=total,
        draws=drawn(total),
        saving=saving,
        break_even=total / saving if saving > 0 else None,
        slack=None if first is None else (first - said.on).days - 7 * weeks,
        shares=tuple(sum(1 for each in kinds.values() if each == q) / len(kinds) for q in (1, 2, 3, 4)),
        residual=residual,
    )


@cache
def _factors() -> list[float]:
    source = random.Random(0)
    return sorted(source.triangular(0.6, 1.9, 1.0) for _ in range(10_000))


def drawn(total: float) -> tuple[float, float, float]:
    """P10, P50 and P90 of the draws, by nearest rank."""
    low, middle, high = (_factors()[ceil(10_000 * share) - 1] * total for share in (0.1, 0.5, 0.9))
    return low, middle, high


def adapter_cost(code: Code) -> float:
    """Bringing the code behind the neutral interface: the same semantics, on the same vendor."""
    return (sum(code.lines.values()) + code.shared) * ADAPTED[1] / LINES_A_DAY * RATE
