"""A risk as a table for people, and as data for JSON."""

from __future__ import annotations

from cloudai_pricing.exact import money, plain
from cloudai_pricing.risk import Risk, Spread, Swing

HEAD = ["", "P5", "P50", "P95", "moved most by"]
SHOWN = 2
"""Lines named as what moves a total most."""


def rows(risk: Risk) -> list[list[str]]:
    """A row per option, and one for the mix."""
    spreads = [*risk.options, *([risk.mix] if risk.mix is not None and len(risk.options) > 1 else [])]
    return [_row(spread) for spread in spreads]


def _row(spread: Spread) -> list[str]:
    sign = "" if spread.complete else ">= "
    moves = ", ".join(one.line for one in _moving(spread)[:SHOWN])
    costs = [f"{sign}{money(one)}" for one in (spread.p5, spread.p50, spread.p95)]
    return [spread.provider or "least mix", *costs, moves]


def _moving(spread: Spread) -> list[Swing]:
    return [one for one in spread.swings if one.low != one.high]


def _answer(risk: Risk) -> Spread | None:
    return risk.options[0] if len(risk.options) == 1 else risk.mix


TORNADO = ["line", "total at its low", "total at its high", "moves it by"]
"""The head of `tornado`."""


def tornado(risk: Risk) -> list[list[str]]:
    """What moves the answer (the mix, or the only option): one line at its low or high, the others likely."""
    spread = _answer(risk)
    moving = [] if spread is None else _moving(spread)
    return [[one.line, money(one.low), money(one.high), money(abs(one.high - one.low))] for one in moving]


def tornado_title(risk: Risk) -> str:
    """Which total the rows of `tornado` are of."""
    spread = _answer(risk)
    assert spread is not None
    return f"What moves the total of {spread.provider or 'the least mix'}, the most first"


def title(risk: Risk) -> str:
    """How it was drawn."""
    if not risk.inputs:
        return 'No line has a range: the total is one number in every draw. Add range = "±30%" to a line.'
    ranges = f"{len(risk.inputs)} line{'s' if len(risk.inputs) > 1 else ''} with a range"
    return f"Total in {risk.draws:,} draws (seed {risk.seed}), {ranges}, each triangular over low, likely, high"


def to_data(risk: Risk) -> dict[str, object]:
    """The member `risk` of the JSON document."""
    return {
        "draws": risk.draws,
        "seed": risk.seed,
        "distribution": "triangular",
        "inputs": list(risk.inputs),
        "options": [_spread(spread) for spread in risk.options],
        "mix": None if risk.mix is None else _spread(risk.mix),
    }


def _spread(spread: Spread) -> dict[str, object]:
    found: dict[str, object] = {} if spread.provider is None else {"provider": spread.provider}
    return found | {
        "complete": spread.complete,
        "p5": plain(spread.p5),
        "p50": plain(spread.p50),
        "p95": plain(spread.p95),
        "dearest_month_p95": plain(spread.month_p95),
        "tornado": [{"line": one.line, "low": plain(one.low), "high": plain(one.high)} for one in spread.swings],
    }
