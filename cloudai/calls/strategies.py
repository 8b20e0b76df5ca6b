"""The order in which a route's backends are asked, by its strategy. Whoever throttled just now is asked last."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cloudai.backends import Candidate, Plan
    from cloudai.calls.job import Job
    from cloudai.routes import Route
    from cloudai.types.results import Model

EXPLORED: Final = 0.05
"""Share of a `fastest` route's calls that ask another first, so that a backend that got faster is seen."""
Order = Callable[["Route", Sequence["Candidate"], "Job", "Model"], Sequence["Candidate"]]


def in_order(plan: Plan, job: Job, request: Model) -> Sequence[Candidate]:
    """The candidates of a plan as its route's strategy asks them."""
    candidates = plan.candidates
    if len(candidates) == 1 or plan.route is None:
        return candidates
    ordered = STRATEGIES[plan.route.strategy](plan.route, candidates, job, request)
    cooling = [chosen for chosen in ordered if job.engine.lane(chosen, job.operation).limiter.cooling]
    if not cooling:
        return ordered
    return [*(chosen for chosen in ordered if chosen not in cooling), *cooling]


def _ordered(route: Route, candidates: Sequence[Candidate], job: Job, request: Model) -> Sequence[Candidate]:
    return candidates


def _weighted(route: Route, candidates: Sequence[Candidate], job: Job, request: Model) -> Sequence[Candidate]:
    """Weighted rendezvous hashing (Schindelhauer and Schomaker, 2005): a key moves only when weights change."""
    key = job.options.get("key")
    draws = (_draw(key, chosen) for chosen in candidates)
    scores = {
        chosen.backend.name: _score(route.weights.get(chosen.backend.name, 1.0), draw)
        for chosen, draw in zip(candidates, draws, strict=True)
    }
    return sorted(candidates, key=lambda chosen: scores[chosen.backend.name], reverse=True)


def _draw(key: str | None, chosen: Candidate) -> float:
    """In (0, 1): by chance, or the same each time for a key."""
    if key is None:
        return 1.0 - random.random()  # noqa: S311  # shares traffic, guards nothing
    digest = blake2b(f"{chosen.backend.name}\0{key}".encode(), digest_size=8).digest()
    return (int.from_bytes(digest) + 0.5) / 2**64


def _score(weight: float, draw: float) -> float:
    """A weight of 0 comes last, whatever was drawn: a fallback only."""
    return -weight / math.log(draw) if weight and draw < 1.0 else (math.inf if weight else -1.0)


def _cheapest(route: Route, candidates: Sequence[Candidate], job: Job, request: Model) -> Sequence[Candidate]:
    """By what this request may cost at this month's tier; unknown comes last. The route's order settles ties."""
    costs = {chosen.backend.name: _cost(chosen, job, request) for chosen in candidates}
    return sorted(candidates, key=lambda chosen: costs[chosen.backend.name])


def _cost(chosen: Candidate, job: Job, request: Model) -> float:
    """Micro-USD; infinite where a price is not known."""
    from cloudai_pricing.callcost import tier_ratio

    bound = job.engine.bound(chosen, job.operation, request).amount
    if not bound:
        return math.inf if bound is None else 0.0
    backend = chosen.backend
    used = job.engine.month.used(backend.name)
    ratio = tier_ratio(provider=backend.provider, operation=job.operation, region=backend.region, used=used)
    return math.inf if ratio is None else float(bound * ratio)


def _fastest(route: Route, candidates: Sequence[Candidate], job: Job, request: Model) -> Sequence[Candidate]:
    """By p90 of the last answers; one that has not been measured yet is measured first."""
    if random.random() < EXPLORED:  # noqa: S311  # which backend to measure again
        first = random.choice(candidates)  # noqa: S311
        return [first, *(chosen for chosen in candidates if chosen is not first)]
    measured = {
        chosen.backend.name: job.engine.lane(chosen, job.operation).latencies.quantile(0.9) or 0.0
        for chosen in candidates
    }
    return sorted(candidates, key=lambda chosen: measured[chosen.backend.name])


STRATEGIES: Final[Mapping[str, Order]] = {
    "ordered": _ordered,
    "weighted": _weighted,
    "cheapest": _cheapest,
    "fastest": _fastest,
    "hedged": _ordered,
}
