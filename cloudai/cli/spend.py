"""`cloudai spend`: what the ledger says was spent, what is reserved, where the month is heading, against the plan.

Exit codes: 0 fine; 2 bad input; 3 with `--budget`: a budget is exceeded.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from cloudai.errors import CloudAIError, InvalidInput

if TYPE_CHECKING:
    from cloudai.ledger import Books, BudgetSettings

OVER_BUDGET = 3
FORMATS = ("table", "json", "csv", "focus")


def configure(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    from cloudai.cli.parser import completes_files

    parser.description = "What the ledger of [budget] says was spent, what is reserved and where the month is heading."
    parser.epilog = """\
examples:
  cloudai spend
  cloudai spend --month 2026-10 --tag team-a --format csv
  cloudai spend --against portal.toml
  cloudai spend --budget
  cloudai spend --unknown, then: cloudai spend --settle 1234=0.0015

exit codes: 0 fine, 2 bad input, 3 (with --budget) a budget is exceeded"""
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--budget", action="store_true", help="how each budget stands; exceeded: exit code 3")
    completes_files(
        what.add_argument("--against", metavar="WORKLOAD.toml", help="by how much volume, mix and price differ from it")
    )
    what.add_argument("--unknown", action="store_true", help="list the attempts whose outcome nobody knows")
    what.add_argument("--settle", action="append", default=[], metavar="ID=USD",
                      help="say what such an attempt has cost (repeatable); all=0: none was billed")  # fmt: skip
    when = parser.add_mutually_exclusive_group()
    when.add_argument("--month", metavar="YYYY-MM", help="this month (default: the present one)")
    when.add_argument("--since", metavar="DATE", help="from this day up to now")
    for name in ("tag", "backend", "operation"):
        parser.add_argument(f"--{name}", metavar="NAME", help=f"only this {name}")
    parser.add_argument("--provider", action="append", default=[], metavar="NAME",
                        help="with --against: plan with this one only (repeatable)")  # fmt: skip
    parser.add_argument("--plan-month", type=int, default=1, metavar="N",
                        help="with --against: the N-th month of the plan (default: 1)")  # fmt: skip
    parser.add_argument("--ledger", metavar="PLACE", help="this ledger, whatever the config says")
    parser.add_argument("--format", choices=FORMATS, default="table", help="how to print it (default: table)")
    completes_files(parser.add_argument("--output", metavar="FILE", help="write to a file instead of standard output"))


def run(args: argparse.Namespace) -> int:
    """Reads the ledger (with `--settle` also writes to it) and prints. Raises `InvalidInput` where there is none."""
    from cloudai.ledger import LedgerFailure

    books = books_of(args.ledger)
    try:
        return _shown(args, books)
    except LedgerFailure as failure:
        raise CloudAIError(f"the ledger can't be read: {failure}") from failure
    finally:
        books.close()


def _shown(args: argparse.Namespace, books: Books) -> int:
    if args.against and not (args.settle or args.unknown or args.budget):
        from cloudai.cli.spend_against import against

        return against(args, books)
    from cloudai.cli import spend_show

    return spend_show.run(args, books)


def books_of(ledger: str | None) -> Books:
    """The books of the configuration, or those of a ledger that was named."""
    from dataclasses import replace

    from cloudai.config import load_config
    from cloudai.ledger import BudgetSettings, open_books

    config = load_config()
    settings = config.budget
    if settings is None and ledger is None:
        raise InvalidInput("no ledger is kept: add [budget] to cloudai.toml (docs/budget.md), or name one by --ledger")
    settings = settings or BudgetSettings()
    if ledger is not None:
        settings = replace(settings, ledger=ledger)
    folder = config.source.absolute().parent if config.source is not None and ledger is None else None
    if settings.ledger == "memory":
        raise InvalidInput("a ledger in memory ends with its process: there is nothing to read")
    books = open_books(settings, folder=folder)
    _is_there(books, settings)
    return books


def _is_there(books: Books, settings: BudgetSettings) -> None:
    """Looking must not make a file."""
    from cloudai.ledger.sqlite import SqliteStore

    if isinstance(books.store, SqliteStore) and not books.store.path.exists():
        raise InvalidInput(f"there is no ledger at {books.store.path} yet: the first call within a [budget] makes it")
