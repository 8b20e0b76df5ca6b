"""What was spent: sums of a ledger over a period, by tag, backend and operation, and where the month is heading."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from cloudai.ledger.entries import State
from cloudai.ledger.store import Group, Store

DAY = 86_400_000_000
LOOK_BACK = 7
"""Days whose spending the forecast goes by: a whole week, because weekends differ."""
_SPENT = (State.SETTLED, State.UNKNOWN)


@dataclass(frozen=True, kw_only=True)
class Sum:
    """Micro-USD and attempts. `unknown` is the part of `spent` that nobody knows whether it was billed."""

    spent: int = 0
    reserved: int = 0
    unknown: int = 0
    attempts: int = 0
    unpriced: int = 0
    """Attempts without a known cost: with these, `spent` is a lower bound."""

    def plus(self, group: Group) -> Sum:
        """With a group of attempts."""
        return Sum(
            spent=self.spent + (group.amount if group.state in _SPENT else 0),
            reserved=self.reserved + (group.amount if group.state is State.RESERVED else 0),
            unknown=self.unknown + (group.amount if group.state is State.UNKNOWN else 0),
            attempts=self.attempts + group.attempts,
            unpriced=self.unpriced + group.unpriced,
        )


@dataclass(frozen=True, kw_only=True)
class Spending:
    """Of one period, from `since` up to `until` (microseconds since 1970)."""

    since: int
    until: int
    total: Sum
    by: Mapping[str, Mapping[str, Sum]]
    """`tag`, `backend`, `operation` -> name -> sum, the dearest first."""
    forecast: int | None
    """Micro-USD at the end of the period; None: it is over."""
    groups: Sequence[Group]


Keep = Callable[[Group], bool]


def spending(store: Store, *, since: int, until: int, now: int, keep: Keep = lambda _: True) -> Spending:
    """Reads the ledger. `keep` narrows it to some groups. Raises `LedgerFailure`."""
    groups = [group for group in store.groups(since, until) if keep(group)]
    total = _sum(groups)
    names = ("tag", "backend", "operation")
    return Spending(
        since=since,
        until=until,
        total=total,
        by={name: _by(groups, name) for name in names},
        forecast=_forecast(store, total, until, now, keep) if since <= now < until else None,
        groups=groups,
    )


def _sum(groups: Iterable[Group]) -> Sum:
    total = Sum()
    for group in groups:
        total = total.plus(group)
    return total


def _by(groups: Sequence[Group], name: str) -> Mapping[str, Sum]:
    sums: dict[str, Sum] = {}
    for group in groups:
        key = str(getattr(group, name))
        sums[key] = sums.get(key, Sum()).plus(group)
    return dict(sorted(sums.items(), key=lambda item: (-item[1].spent - item[1].reserved, item[0])))


def _forecast(store: Store, total: Sum, until: int, now: int, keep: Keep) -> int:
    """What is spent and reserved, and for the time that is left the pace of the last seven days (or since the first
    call, if that is later)."""
    recent = [group for group in store.groups(now - LOOK_BACK * DAY, now) if keep(group)]
    if not recent:
        return total.spent + total.reserved
    began = max(now - LOOK_BACK * DAY, min(group.day for group in recent) * DAY)
    pace = _sum(recent)
    elapsed = max(now - began, DAY // 24)
    return total.spent + total.reserved + (pace.spent + pace.reserved) * (until - now) // elapsed
