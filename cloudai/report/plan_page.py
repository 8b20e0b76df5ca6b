"""A plan as a page: the ways of every line, cost against volume with all crossings, the front, advice, assumptions."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from cloudai.report.charts import Chart, Curve, Curves, Front, Json, Mark, Months, Point, Rows, Series, Table, shortened
from cloudai.report.parts import Figure, Listing, Page, Part, Section, Slider, Titled
from cloudai.report.plan_tables import plan_tables
from cloudai_pricing import plan_words
from cloudai_pricing.exact import ZERO, grouped, money
from cloudai_pricing.plan_answer import BuildPlan, LinePlan, edges, stated
from cloudai_pricing.plan_ways import Way
from cloudai_pricing.units import plural

MOST_CURVES = 12
"""Lines whose curves are drawn: the dearest. The tables have all."""
MOST_WAYS = 6
"""Ways drawn of one line: the cheapest, and all that are cheapest somewhere."""
MOST_PIECES = 200
"""Corners drawn of one way: machines come one by one."""


def plan_page(found: BuildPlan, *, command: str = "cloudai plan") -> Page:
    """The page of a plan. `command`: the command line that gave it, as it can be typed."""
    tables = _tables(found)
    return Page(
        title=found.name,
        subtitle=f"Build, buy or both: {found.months} months, prices read up to {found.snapshot_date} "
        f"(snapshot {found.snapshot_id})",
        figures=tuple(_figures(found)),
        sections=tuple(section for section in _sections(found, slides=tables is not None) if section.parts),
        command=command,
        tables=tables,
        providers=tuple(dict.fromkeys(way.name for one in found.lines for way in one.ways)),
    )


def plan_charts(found: BuildPlan) -> tuple[Chart, ...]:
    """The charts of a plan, for a file: cost by month, the front, the curves of the dearest lines."""
    charts: list[Chart] = [_months(found)]
    if (front := plan_front(found)) is not None:
        charts.append(front)
    return (*charts, *(curves for one in _dearest(found)[:4] if (curves := plan_curves(one)) is not None))


def _figures(found: BuildPlan) -> Iterator[Figure]:
    known = "" if found.complete else ">= "
    least = "proven least" if found.exact else "the best that was found"
    yield Figure(f"{found.months} months", f"{known}{money(found.cost)}", f"{least}, set-up and people in it")
    if found.by_month:
        yield Figure("Dearest month", money(max(found.by_month)), "to run, without set-up")
    yield Figure("To leave it again", money(found.leaving), "people's time alone")
    built = sum(1 for one in found.lines if one.chosen is not None and one.chosen.kind != "managed")
    yield Figure("Built, not bought", f"{built} of {len(found.lines)} lines")


def _tables(found: BuildPlan) -> Json | None:
    tables = plan_tables(found)
    movable = any(one.line.machine is None and not one.line.operation.startswith("custom.") for one in found.lines)
    return {"kind": "plan", **tables} if tables is not None and movable else None


def _sections(found: BuildPlan, *, slides: bool) -> Iterator[Section]:
    ways = _without_gaps(Table(tuple(name or "chosen" for name in plan_words.WAYS), _ways(found), left=3))
    note = "Cheapest first. ✓: chosen; *: no other way of the line beats it in cost, leaving, latency and quality."
    yield Section(name="ways", title="The ways", text=note, parts=(Titled("", ways),))
    if slides:
        note = "Move the volume of a line; the choice of every line and every total is worked out anew, to the cent."
        yield Section(name="volumes", title="At other volumes", parts=(Slider(note, "plan"),))
    yield Section(name="crossings", title="Where the answer changes", parts=tuple(_changes(found)))
    moves = tuple(plan_words.moves(found))
    more = (Listing(moves, "What becomes the cheapest to run"),) if moves else ()
    yield Section(name="months", title="Cost by month", parts=(_months(found), *more))
    yield Section(name="front", title="Cost against leaving", parts=tuple(_front_parts(found)))
    if advice := tuple(plan_words.advice(found)):
        yield Section(name="advice", title="Advice", parts=(Listing(advice),))
    refused = tuple((one.line.name, way, why) for one in found.lines for way, why in sorted(one.refused.items()))
    if refused:
        table = Titled("Why these are no ways", Table(("line", "way", "because"), refused, left=3), folded=True)
        yield Section(name="refused", title="No way", parts=(table,))
    yield Section(name="sources", title="Sources of the prices", parts=tuple(_sources(found)))
    yield Section(name="assumed", title="Assumed", parts=tuple(_assumed(found)))


def _ways(found: BuildPlan) -> Rows:
    """Every row with the name of its line, for those who hear a table row by row."""
    rows, name = [], ""
    for row in plan_words.ways(found):
        name = row[0] or name
        rows.append((name, *row[1:]))
    return tuple(rows)


def _without_gaps(table: Table) -> Table:
    """A table without the columns of numbers in which nothing is known."""
    kept = [
        at for at in range(len(table.head)) if at < table.left or any(row[at] not in ("", "-") for row in table.rows)
    ]
    rows = tuple(tuple(row[at] for at in kept) for row in table.rows)
    return Table(tuple(table.head[at] for at in kept), rows, table.left)


def _changes(found: BuildPlan) -> Iterator[Part]:
    for one in _dearest(found)[:MOST_CURVES]:
        if (chart := plan_curves(one)) is not None:
            yield chart
    for whole in (False, True):
        if rows := plan_words.crossings(found, whole=whole):
            title = f"Over {found.months} months, by the volume of month 1" if whole else "By the month's volume"
            yield Titled(title, Table(tuple(plan_words.CROSSINGS), tuple(map(tuple, rows)), left=4))


def _dearest(found: BuildPlan) -> list[LinePlan]:
    """Lines by what their chosen way costs."""

    def cost(one: LinePlan) -> Decimal:
        return ZERO if one.chosen is None else one.chosen.total(found.months) or ZERO

    return sorted((one for one in found.lines if one.ways), key=lambda one: (-cost(one), one.line.name))


def plan_curves(one: LinePlan) -> Curves | None:
    """A month's cost of a line against its volume, per way; all crossings. None: a single way has no crossing."""
    if len(one.ways) < 2:
        return None
    line, crossed = one.line, edges(one.now)
    highest = max((edge.volume for edge in crossed), default=Fraction(0))
    top = max(Fraction(line.likely) * 2, min(highest * Fraction(6, 5), Fraction(line.likely) * 100), Fraction(1))
    best = {name for edge in crossed for name in (edge.before, edge.after)}
    shown = [way for at, way in enumerate(one.ways) if at < MOST_WAYS or way.name in best][: MOST_WAYS * 2]
    by_name = {way.name: way for way in one.ways}
    marks = []
    for edge in crossed:
        way = by_name.get(edge.after or "")
        cost = None if way is None else way.curve.cost(edge.volume + Fraction(1, 10**9))
        if cost is not None:
            what = f"{edge.after} costs less than {edge.before or 'nothing known'} from here on"
            marks.append(Mark(_shown(stated(line, edge.volume)), _amount(cost), what))
    said = "; ".join(f"above {grouped(mark.at)} {plural(line.unit)}: {mark.what}" for mark in marks[:4])
    return Curves(
        title=f"{shortened(line.name)} by volume",
        summary=f"One month, all in. {said or f'{one.now[0].best} costs least at every volume'}.",
        unit=plural(line.unit),
        now=line.stated(line.likely),
        curves=tuple(Curve(way.name, tuple(_corners(way, top))) for way in shown),
        crossings=tuple(marks),
    )


def _corners(way: Way, top: Fraction) -> Iterator[tuple[Decimal, Decimal]]:
    """Where a curve starts, bends and steps, up to `top`; at most `MOST_PIECES` pieces of it."""
    pieces = [piece for piece in way.curve.pieces if piece.start < top]
    step = -(-len(pieces) // MOST_PIECES) or 1
    for piece in pieces[::step]:
        end = top if piece.end is None else min(piece.end, top)
        for at in (piece.start, end):
            yield stated(way.line, at), _amount(piece.at + piece.slope * at)


def _amount(number: Fraction) -> Decimal:
    return Decimal(number.numerator) / Decimal(number.denominator)


def _shown(volume: Decimal) -> Decimal:
    return volume if volume < 1000 else volume.quantize(Decimal(1))


def _months(found: BuildPlan) -> Months:
    """The chosen ways by kind: what is run and what is called."""
    by_provider: dict[str, list[Decimal]] = {}
    for one in found.lines:
        if one.chosen is None:
            continue
        several = by_provider.setdefault(one.chosen.provider, [ZERO] * found.months)
        for month in range(found.months):
            several[month] += one.chosen.month(one.line.in_month(month + 1)[1]) or ZERO
    series = [Series(name, tuple(values)) for name, values in sorted(by_provider.items())]
    said = "; ".join(f"{one.name} from {money(one.values[0])} to {money(one.values[-1])}" for one in series)
    summary = f"What the chosen ways cost to run, each line alone on its tiers. {said}."
    return Months(title="Cost by month and provider", summary=summary, series=tuple(series))


def plan_front(found: BuildPlan) -> Front | None:
    """Whole plans by cost and by what leaving takes; None: there is but one."""
    if len(found.front) < 2:
        return None
    points = tuple(Point(f"plan {at}", one.cost, one.leaving, True) for at, one in enumerate(found.front, start=1))
    known = (
        "Every plan that nothing beats in both." if found.front_exact else "Plans that were found; there may be more."
    )
    return Front(
        title="Cost against leaving",
        summary=f"{known} From {money(points[0].x)} with {money(points[0].y)} to leave, to {money(points[-1].x)} with "
        f"{money(points[-1].y)}.",
        x=f"cost of {found.months} months, USD",
        y="bill for leaving, USD",
        points=points,
    )


def _front_parts(found: BuildPlan) -> Iterator[Part]:
    if (chart := plan_front(found)) is not None:
        yield chart
    rows = tuple((f"plan {at}", *row) for at, row in enumerate(plan_words.front(found), start=1))
    if rows:
        yield Titled("The plans", Table(("plan", *plan_words.FRONT), rows))


def _sources(found: BuildPlan) -> Iterator[Titled]:
    if rows := tuple(map(tuple, plan_words.sources(found))):
        yield Titled("", Table(tuple(plan_words.SOURCES), rows, left=3))


def _assumed(found: BuildPlan) -> Iterator[Part]:
    yield Listing(found.assumptions)
    if notes := tuple(plan_words.notes(found)):
        yield Listing(notes, "What the ways rest on")
    rows = tuple(map(tuple, plan_words.terms(found)))
    if rows:
        yield Titled("Taken for granted", Table(tuple(plan_words.TERMS), rows, left=5), folded=True)
