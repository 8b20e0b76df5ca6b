"""A scan and its exit bills as a page: what leaving costs, what stands in the way, what ends, and every find."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from cloudai.lockin import words
from cloudai.lockin.rules import Verdict
from cloudai.lockin.scanned import Scan
from cloudai.report.charts import Chart, Front, Table, front
from cloudai.report.exit_parts import bills, terms_table, waterfall
from cloudai.report.exit_tables import exit_tables
from cloudai.report.parts import Figure, Listing, Page, Part, Section, Slider, Titled
from cloudai_pricing import exit_words
from cloudai_pricing.exact import money
from cloudai_pricing.exit_bill import Comparison
from cloudai_pricing.exit_terms import Terms
from cloudai_pricing.plans import Planned

MOST_FINDS = 2000
"""Finds in the page; JSON and SARIF have all."""


def exit_page(
    scan: Scan,
    exits: Sequence[Comparison],
    terms: Terms,
    *,
    verdicts: Sequence[Verdict] = (),
    several: Planned | None = None,
    command: str = "cloudai lockin",
) -> Page:
    """The page of a scan with its exit bills, the least of each vendor first.

    `several`: the plans of the workload that gave the monthly costs, for the slider. `command`: as it can be typed.
    """
    tables = None if several is None or not several.providers else exit_tables(several, exits, terms)
    sections = _sections(scan, exits, terms, verdicts, slides=tables is not None)
    return Page(
        title="Lock-in",
        subtitle=words.headline(scan),
        figures=tuple(_figures(scan, exits)),
        sections=tuple(section for section in sections if section.parts),
        command=command,
        tables=None if tables is None else {"kind": "exit", **tables},
        providers=tuple(dict.fromkeys((*scan.providers, *scan.targets))),
    )


def exit_charts(exits: Sequence[Comparison]) -> tuple[Chart, ...]:
    """The charts of the least way out of each vendor, for a file."""
    return tuple(waterfall(one.direct) for one in _least(exits))


def _least(exits: Sequence[Comparison]) -> list[Comparison]:
    """The first way out of each vendor: it takes the most at the least cost."""
    found: dict[str, Comparison] = {}
    for one in exits:
        found.setdefault(one.direct.source, one)
    return list(found.values())


def _figures(scan: Scan, exits: Sequence[Comparison]) -> Iterator[Figure]:
    for one in _least(exits):
        bill = one.direct
        say = f"for {bill.target}, {exit_words.number(bill.weeks)} weeks"
        yield Figure(f"To leave {bill.source}", exit_words.total(bill), say)
        yield Figure("Behind cloudai", exit_words.total(one.neutral), f"leaving {bill.source} for {bill.target}")
    if scan.neutral_share is not None:
        yield Figure("Portable calls", words.percent(scan.neutral_share), "go through cloudai without options")
    due = sum(1 for one in scan.retirements if one.in_range)
    if due:
        yield Figure("Retirements", str(due), f"within {scan.horizon_months} months")


def _sections(
    scan: Scan, exits: Sequence[Comparison], terms: Terms, verdicts: Sequence[Verdict], *, slides: bool
) -> Iterator[Section]:
    rules = tuple((one.rule, _HOLDS[one.holds], one.text) for one in verdicts)
    ruled = (Titled("", Table(("rule", "", "because"), rows=rules, left=3)),) if rules else ()
    yield Section(name="rules", title="Rules", parts=ruled)
    yield Section(name="bill", title="What leaving would cost", parts=tuple(_bill(exits)))
    if slides:
        note = "Move the volume of a line: months of running both, the saving and what stays at risk follow it."
        yield Section(name="volumes", title="At other volumes", parts=(Slider(note, "exit"),))
    yield _tables("used", "What is used", words.operation_head(scan), words.operation_rows(scan), left=2)
    yield _tables("shares", "Portable shares of the calls", words.SHARE_HEAD, words.share_rows(scan))
    yield _tables("gaps", "What stands in the way", words.GAP_HEAD, words.gap_rows(scan), left=5)
    yield _tables("retirements", "Retirements", words.RETIREMENT_HEAD, words.retirement_rows(scan), left=6)
    yield _tables("models", "Custom models", words.MODEL_HEAD, words.model_rows(scan), left=5)
    yield Section(name="finds", title="Finds", parts=tuple(_finds(scan)))
    yield Section(name="assumed", title="Assumed", parts=(terms_table(terms),) if exits else ())


_HOLDS = {True: "holds", False: "fails", None: "can't be told"}


def _bill(exits: Sequence[Comparison]) -> Iterator[Part]:
    for one in _least(exits):
        yield waterfall(one.direct)
        yield waterfall(one.neutral)
    if (chart := ways_out(exits)) is not None:
        yield chart
    if exits:
        yield bills(exits)
    missing = dict.fromkeys(
        f"leaving {one.direct.source} for {one.direct.target}: {text}" for one in exits for text in one.direct.missing
    )
    if missing:
        yield Listing(tuple(missing), "What the bills leave out")


def ways_out(exits: Sequence[Comparison]) -> Front | None:
    """Ways out on which nothing stays behind, by cost and by what stays at risk; None: fewer than two."""
    known = [
        (f"{one.direct.source} to {one.direct.target}", one.direct.total, one.direct.residual)
        for one in exits
        if not one.direct.shares.none
    ]
    if len(known) < 2:
        return None
    points = front(known)
    least = points[0]
    return Front(
        title="Ways out by cost and risk",
        summary=f"The cheapest that takes all along: {least.name}, {money(least.x)}; {money(least.y)} at risk else.",
        x="exit bill, USD",
        y="at risk by staying, USD",
        points=points,
    )


def _tables(name: str, title: str, head: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> Section:
    known = tuple(tuple(row) for row in rows)
    return Section(name=name, title=title, parts=(Titled("", Table(tuple(head), known, left=left)),) if known else ())


def _finds(scan: Scan) -> Iterator[Part]:
    rows = tuple(
        (f"{one.file}:{one.line}", one.provider, one.service, one.topic or one.operation, one.kind, one.name)
        for one in scan.finds[:MOST_FINDS]
    )
    head = ("place", "provider", "service", "operation", "kind", "name")
    if rows:
        more = f" (the first {MOST_FINDS:,} of {len(scan.finds):,})" if len(scan.finds) > MOST_FINDS else ""
        yield Titled(f"All finds{more}", Table(head, rows, left=6), folded=True)
    if scan.skipped:
        skipped = tuple(
            (one.file if one.line is None else f"{one.file}:{one.line}", one.reason) for one in scan.skipped
        )
        yield Titled("Skipped", Table(("file", "why"), skipped, left=2), folded=True)
