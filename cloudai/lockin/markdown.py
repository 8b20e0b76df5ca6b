"""A scan as Markdown: for a pull request, a wiki, the page of a CI job."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from cloudai.lockin import words
from cloudai.lockin.rules import Verdict
from cloudai.lockin.scanned import Scan

if TYPE_CHECKING:
    from cloudai.lockin.leaving import Leaving


def to_markdown(scan: Scan, verdicts: Sequence[Verdict] = (), bill: Leaving | None = None) -> str:
    """One document with a head, tables, and every find with its place."""
    return "\n".join(_lines(scan, verdicts, bill)).rstrip() + "\n"


def _lines(scan: Scan, verdicts: Sequence[Verdict], bill: Leaving | None) -> Iterator[str]:
    yield from ("# Lock-in", "", words.headline(scan), "")
    for verdict in verdicts:
        mark = {True: "holds", False: "**fails**", None: "can't be told"}[verdict.holds]
        yield f"- `{verdict.rule}` {mark}: {_cell(verdict.text)}"
    if verdicts:
        yield ""
    yield from _section("What is used", words.operation_head(scan), words.operation_rows(scan))
    yield from _section("Portable shares of the calls", words.SHARE_HEAD, words.share_rows(scan))
    yield from _section("What stands in the way", words.GAP_HEAD, words.gap_rows(scan))
    yield from _section("Coupled lines", words.COUPLING_HEAD, words.coupling_rows(scan))
    yield from _section("Retirements", words.RETIREMENT_HEAD, words.retirement_rows(scan))
    yield from _section("Custom models", words.MODEL_HEAD, words.model_rows(scan))
    if bill is not None:
        from cloudai.lockin import leaving
        from cloudai_pricing import exit_words

        yield from _section(exit_words.TITLE, leaving.HEAD, leaving.rows(bill))
        yield from _section("What the bills leave out", ("from", "to", "what"), leaving.gaps(bill))
        yield from _section("What the bills take for granted", exit_words.ASSUMED, exit_words.assumed(bill.terms))
    yield from _section("Finds", words.FIND_HEAD, words.find_rows(scan))
    skipped = ((s.file if s.line is None else f"{s.file}:{s.line}", s.reason) for s in scan.skipped)
    yield from _section("Skipped", ("file", "why"), skipped)


def _section(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    known = list(rows)
    if known:
        yield from (f"## {title}", "", _row(head), _row(["---"] * len(head)))
        yield from map(_row, known)
        yield ""


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
