"""`cloudai spend --against WORKLOAD.toml`: what was spent held against the plan, split into volume, mix and price."""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Sequence
from decimal import Decimal

from cloudai.cli.spend_show import SCHEMA, keep, period, read, write
from cloudai.cli.terminal import Grid, note
from cloudai.errors import InvalidInput
from cloudai.ledger import Books
from cloudai.ledger.periods import instant, moment
from cloudai.ledger.variance import Planned, Variance, actuals, plan_of, variances
from cloudai_pricing.diff import Effects
from cloudai_pricing.draft import read_file
from cloudai_pricing.estimator import estimate
from cloudai_pricing.exact import ZERO, cut, exactly, grouped, money, plain
from cloudai_pricing.workload_file import check

_COLUMNS = ("operation", "planned units", "units", "planned", "spent", "difference", "volume", "mix", "price")


def against(args: argparse.Namespace, books: Books) -> int:
    """Prints it. Raises `PlanError` for what is wrong in the workload."""
    assert books.store is not None
    if args.tag or args.backend or args.operation:
        raise InvalidInput("a plan is of everything: leave out --tag, --backend and --operation")
    books.store.expire(instant(books.present()))
    found = read(args, books, books.store)
    used = [one for one in books.store.used(found.since, found.until) if keep(args, one)]
    share = _share(args, books)
    planned = {name: plan.scaled(share) for name, plan in _plan(args).items()}
    rows = variances(planned, actuals(found.groups, used))
    write(args, _document(rows, share, found.since, found.until), _grid(rows))
    _notes(rows, share)
    return 0


def _plan(args: argparse.Namespace) -> dict[str, Planned]:
    """Of one month: the estimate of N months less that of the months before. A ledger knows no free allowances, so
    the plan is made without them."""
    month = args.plan_month
    if not 1 <= month <= 120:
        raise InvalidInput(f"--plan-month is 1 to 120, not {month}")
    workload = check(read_file(args.against))
    whole, less = (
        estimate(workload, providers=args.provider, months=count, free_tier="none") if count else None
        for count in (month, month - 1)
    )
    assert whole is not None
    return plan_of(whole, less)


def _share(args: argparse.Namespace, books: Books) -> Decimal:
    """How many months of the plan the period is, as far as it is over: parts of calendar months."""
    since, until = period(args, books)
    until = min(until, instant(books.present()))
    share, at = Decimal(0), since
    with exactly():
        while at < until:
            here = moment(at, books.present().tzinfo or datetime.UTC)
            first = here.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
            following = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
            begins, ends = instant(first), instant(following)
            share += cut(Decimal(min(until, ends) - at) / (ends - begins))
            at = ends
    return share


def _grid(rows: Sequence[Variance]) -> Grid:
    cells = [_cells(row) for row in rows]
    known = [row for row in rows if row.planned is not None]
    total = ZERO, ZERO, Effects()
    for row in known:
        total = total[0] + (row.planned or ZERO), total[1] + row.spent, total[2].plus(row.effects)
    effects = total[2]
    change = total[1] - total[0]
    cells.append(("total", "", "", _usd(total[0]), _usd(total[1]), _signed(change), *_effects(effects)))
    return Grid(_COLUMNS, tuple(cells))


def _cells(row: Variance) -> tuple[str, ...]:
    quantities = (
        f"{grouped(cut(row.planned_quantity, 2))} {row.unit}s",
        f"{grouped(cut(row.quantity, 2))} {row.unit}s",
    )
    if row.planned is None:
        return (row.operation, *quantities, "unknown", _usd(row.spent), "-", "-", "-", "-")
    return (row.operation, *quantities, _usd(row.planned), _usd(row.spent), _signed(row.spent - row.planned),
            *_effects(row.effects))  # fmt: skip


def _effects(effects: Effects) -> tuple[str, str, str]:
    return (_signed(effects.volume), _signed(effects.mix), _signed(effects.price))


def _usd(amount: Decimal) -> str:
    return money(cut(amount, 6))


def _signed(amount: Decimal) -> str:
    amount = cut(amount, 6)
    return f"{'-' if amount < 0 else '+'}{money(abs(amount))}" if amount else "-"


def _notes(rows: Sequence[Variance], share: Decimal) -> None:
    note(f"the plan of {plain(cut(share, 4))} months, without free allowances, as the ledger counts")
    if unpriced := [row.operation for row in rows if row.planned is None]:
        note(f"the plan has no price of {', '.join(unpriced)}: left out of the total")


def _document(rows: Sequence[Variance], share: Decimal, since: int, until: int) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "currency": "USD",
        "since": moment(since).isoformat(),
        "until": moment(until).isoformat(),
        "plan_months": plain(share),
        "against": [_plain(row) for row in rows],
    }


def _plain(row: Variance) -> dict[str, object]:
    known = row.planned is not None
    return {
        "operation": row.operation,
        "unit": row.unit,
        "planned_quantity": plain(row.planned_quantity),
        "quantity": plain(row.quantity),
        "planned": plain(row.planned) if row.planned is not None else None,
        "spent": plain(row.spent),
        "difference": plain(row.spent - row.planned) if row.planned is not None else None,
        "volume": plain(row.effects.volume) if known else None,
        "mix": plain(row.effects.mix) if known else None,
        "price": plain(row.effects.price) if known else None,
    }
