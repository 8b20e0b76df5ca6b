"""A plan in words: the rows of the tables that people read, and advice worded as such, with its numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from cloudai_pricing.exact import each, grouped, money, plain
from cloudai_pricing.plan_answer import BuildPlan, LinePlan, edges, stated
from cloudai_pricing.plan_commit import (
    CommitmentAdvice,
    ReservationAdvice,
    SpotAdvice,
    commitments,
    reservations,
    spots,
)
from cloudai_pricing.plan_curves import Stretch
from cloudai_pricing.plan_data import per_result, utilisation
from cloudai_pricing.plan_ways import KINDS, Way
from cloudai_pricing.units import factor, plural

WAYS = [
    "line",
    "",
    "way",
    "first month",
    "all months",
    "a good result",
    "to leave",
    "machines",
    "idle",
    "latency",
    "quality",
]
CROSSINGS = ["line", "above", "costs least", "until then"]
FRONT = ["all months", "to leave", "ways"]
SOURCES = ["source", "services", "read on"]
TERMS = ["term", "value", "because", "source", "as of"]
MOST_POINTS = 8


def headline(found: BuildPlan) -> str:
    """One line on the whole plan."""
    least = "least" if found.exact else "best found, not proven to be least"
    known = "" if found.complete else ">= "
    return (
        f"{found.name}: {known}{money(found.cost)} in {found.months} months ({least}), {money(found.leaving)} to leave"
    )


def ways(found: BuildPlan) -> list[list[str]]:
    """A row per line and way, cheapest first; the chosen one ticked, those on the line's front starred."""
    return [row for one in found.lines for row in _ways(one, found)]


def _ways(one: LinePlan, found: BuildPlan) -> Iterator[list[str]]:
    if not one.ways:
        yield [one.line.name, "", "no way has a known price", *[""] * 8]
    front = {way.name for way in one.front}
    for number, way in enumerate(one.ways):
        mark = ("✓" if way is one.chosen else "") + ("*" if way.name in front else "")
        yield [one.line.name if number == 0 else "", mark, f"{KINDS[way.kind]}: {way.name}", *_numbers(way, found)]


def _numbers(way: Way, found: BuildPlan) -> list[str]:
    volume, good = way.line.in_month(1)[1], way.goodness
    idle, result = way.idle_share(volume, utilisation(way, found)), per_result(way, volume)
    month, total = way.month(volume), way.total(found.months)
    return [
        "unknown" if month is None else money(month),
        "unknown" if total is None else money(total),
        "-" if result is None else each(result),
        money(way.leaving),
        str(way.replicas(volume) or "-"),
        "-" if idle is None else percent(idle),
        "-" if good.latency is None else f"{plain(good.latency * 1000)} ms",
        "-" if good.quality is None else plain(good.quality),
    ]


def crossings(found: BuildPlan, *, whole: bool) -> list[list[str]]:
    """A row per change of the answer: by a month's volume, or (`whole`) by month 1's volume over all months."""
    rows = []
    for one in found.lines:
        stretches: Sequence[Stretch] = one.over_the_months if whole else one.now
        for edge in edges(stretches):
            at = stated(one.line, edge.volume)
            shown = at if at < 1000 else at.quantize(Decimal(1))
            rows.append(
                [
                    one.line.name,
                    f"{grouped(shown)} {plural(one.line.unit)}",
                    edge.after or "unknown",
                    edge.before or "unknown",
                ]
            )
    return rows


def moves(found: BuildPlan) -> Iterator[str]:
    """In which month of the plan another way becomes the cheapest to run."""
    for one in found.lines:
        before = one.best_in(1)
        for month in range(2, found.months + 1):
            after = one.best_in(month)
            if after != before:
                now = after or "nothing known"
                yield f"{one.line.name}: from month {month} on {now} costs least to run, not {before}"
            before = after


def front(found: BuildPlan) -> list[list[str]]:
    """The plans that trade cost against leaving."""
    rows = []
    for point in found.front[:MOST_POINTS]:
        by_way: dict[str, list[str]] = {}
        for line, way in point.ways.items():
            by_way.setdefault(way, []).append(line)
        parts = [f"{way}: {_few(lines)}" for way, lines in sorted(by_way.items())]
        rows.append([money(point.cost), money(point.leaving), "; ".join(parts)])
    return rows


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def advice(found: BuildPlan) -> Iterator[str]:
    """Commitments, reservations and spot: advice, and what it rests on."""
    chosen = {one.line.name: one.chosen.name for one in found.lines if one.chosen is not None}
    yield from (_commitment(one) for one in commitments(found) if chosen.get(one.line) == one.way or not one.never)
    yield from (_reservation(one) for one in reservations(found))
    yield from (_spot(one) for one in spots(found))


def _commitment(one: CommitmentAdvice) -> str:
    size, unit = factor(one.unit), plural(one.unit)
    spans = [f"from {_volume(a / size)} to {_volume(b / size)} {unit} a month" for a, b in one.worth]
    where = " and ".join(spans) or "at no volume"
    saves = ", ".join(
        f"{money(saved)} at the {word} volume"
        for word, saved in (("low", one.low), ("likely", one.likely), ("high", one.high))
        if saved is not None
    )
    verb = (
        "Advice: commit"
        if one.always
        else "Advice: pay by use"
        if one.never
        else "Advice: commit only if sure of the volume"
    )
    return (
        f"{verb}: {one.line} on {one.way}, {one.sku} at {money(one.fee)} a month pays {where}; it saves {saves} a month"
    )


def _reservation(one: ReservationAdvice) -> str:
    pays = f"pays from {percent(one.break_even)} of a month's hours on"
    verb = "Advice: reserve" if one.saving > 0 else "Advice: do not reserve"
    always = f"{one.steady} run always, saving {money(one.saving)}"
    return f"{verb}: {one.line}, {one.sku} at {money(one.fee)} a month {pays}; {always}"


def _spot(one: SpotAdvice) -> str:
    verb = "Advice: spot" if one.saving > 0 else "Advice: on demand"
    bound = "" if one.break_even is None else f", as long as fewer than {percent(one.break_even)} are lost an hour"
    return (
        f"{verb}: {one.line} on {one.provider}, {money(one.spot)} an hour against {money(one.on_demand)}; with "
        f"{percent(one.interruptions)} lost an hour and a checkpoint every {plain(one.interval)} h an hour of work "
        f"takes {plain(one.overhead)}, saving {money(one.saving)} a month{bound}"
    )


def _volume(volume: Decimal) -> str:
    return grouped(volume if volume < 1000 else volume.quantize(Decimal(1)))


def percent(share: Decimal) -> str:
    """`12.5%`."""
    return f"{plain((share * 100).quantize(Decimal('0.1')))}%"


def terms(found: BuildPlan) -> list[list[str]]:
    """Every default with its reason, source and date."""
    return [
        [one.key, f"{one.value} {one.unit}", one.why, one.set_by or one.source, one.as_of]
        for one in found.settings.terms.values()
    ]


def sources(found: BuildPlan) -> list[list[str]]:
    """Where the prices of all ways were read, and when."""
    return [
        [one.source, ", ".join(one.services), one.first if one.first == one.last else f"{one.first} to {one.last}"]
        for one in found.sources
    ]


def notes(found: BuildPlan) -> Iterator[str]:
    """What the ways rest on, once each."""
    said = (f"{one.line.name}: {way.name}: {note}" for one in found.lines for way in one.ways for note in way.notes)
    yield from dict.fromkeys(said)
