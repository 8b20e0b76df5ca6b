"""`cloudai prices refresh`: reads the providers' feeds, shows what changed, and writes a snapshot when told to."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from cloudai.cli.failures import FAILED
from cloudai.cli.terminal import Shown, complain, note, show, warn
from cloudai.errors import InvalidInput, MissingDependency
from cloudai.prices import mapping, snapshot
from cloudai_pricing.book import Book

if TYPE_CHECKING:
    from cloudai.prices.feed import Request, Step
    from cloudai.prices.refresh import Outcome

_SHOWN = 20
"""Remarks of one kind that are listed; more are counted."""


def run(args: argparse.Namespace) -> int:
    """0 when all that was asked for was read; 1 when a feed failed or contradicts the book."""
    from cloudai.prices.refresh import refresh

    meters = mapping.load(args.mapping)
    request = _request(args)
    known = snapshot.stored()
    previous = snapshot.read(known[-1].path) if known else []
    today = datetime.now(UTC).date().isoformat()
    with _bar() as step:
        outcome = refresh(request, meters, previous, today=today, step=step)
    show(_report(args, outcome))
    if args.workload and outcome.changes:
        from cloudai.cli.prices_diff import workload_parts

        old = snapshot.over(Book.shipped(), previous)
        show(["\n", *workload_parts(args.workload, old, snapshot.over(Book.shipped(), outcome.rows))])
    _complain(outcome)
    if outcome.fresh:
        _write(args, outcome, today)
    wrong = outcome.failures or any(remark.wrong for remark in outcome.remarks)
    return FAILED if wrong else 0


@contextmanager
def _bar() -> Iterator[Step]:
    """Counts the documents that were read; how many there will be, no feed says. On stderr, only on a terminal."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (BarColumn(), TextColumn("{task.completed:.0f} documents read"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=None)
        yield lambda: progress.advance(task)


def _request(args: argparse.Namespace) -> Request:
    from cloudai.prices.feed import Request

    key = args.google_api_key or os.environ.get("GOOGLE_API_KEY") or None
    providers = list(dict.fromkeys(args.provider))
    if not providers:
        providers = ["aws", "azure", *(["gcp"] if key else [])]
        if not key:
            note("gcp is left out: its catalog needs an API key ($GOOGLE_API_KEY)")
    if "gcp" in providers and not key:
        raise InvalidInput("Google's catalog needs an API key: set GOOGLE_API_KEY\n"
                           "See: https://cloud.google.com/billing/v1/how-tos/catalog-api")  # fmt: skip
    if "aws" in providers and args.api == "query" and not _has("boto3"):
        raise MissingDependency(
            "AWS's query API is asked by boto3, which is not here", install="pip install 'cloudai[aws]'"
        )
    given = {name: getattr(args, f"{name}_url") or os.environ.get(f"CLOUDAI_{name.upper()}_PRICES_URL")
             for name in ("aws", "azure", "gcp")}  # fmt: skip
    return Request(
        providers=tuple(providers),
        services=tuple(args.service),
        regions=frozenset(args.region) or None,
        bases={name: url for name, url in given.items() if url},
        google_api_key=key,
        trusted=args.trust_feed,
        aws_api=args.api,
    )


def _has(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


def _report(args: argparse.Namespace, outcome: Outcome) -> Iterable[Shown]:
    from cloudai.cli.prices_diff import parts

    yield from parts(outcome.changes, every=args.all)
    other = len(outcome.unmapped)
    yield f"{outcome.fresh} prices read anew, {other} that are no SKU of the book, {outcome.unused} unused"
    if args.unmapped:
        yield from (f"? {price}" for price in sorted(outcome.unmapped, key=str))
    yield from (f"not in the feed: {meter}" for meter in outcome.missing)
    held = [remark.text for remark in outcome.remarks if not remark.wrong]
    yield from (f"held back: {text}" for text in held[:_SHOWN])
    if len(held) > _SHOWN:
        yield f"held back: {len(held) - _SHOWN} more"


def _complain(outcome: Outcome) -> None:
    for remark in outcome.remarks:
        if remark.wrong:
            complain(remark.text)
    for provider, error in outcome.failures:
        complain(f"{provider}: {error}")
    if outcome.failures:
        warn("a feed that failed changes nothing: its prices stay as they were")


def _write(args: argparse.Namespace, outcome: Outcome, today: str) -> None:
    if not args.yes and not _agreed(len(outcome.rows)):
        return
    title = f"cloudai price snapshot of {today}: {len(outcome.rows)} entries, {outcome.fresh} of them read that day"
    made = snapshot.write(outcome.rows, day=today, title=title)
    note(f"wrote {made.path}")


def _agreed(count: int) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        note("nothing was written: --yes writes the snapshot")
        return False
    sys.stderr.write(f"Write a snapshot of {count} prices? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
