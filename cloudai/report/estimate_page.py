"""An estimate as a page: the bill, the slider, cost by month, what leaving costs, what moves the total, the sources."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from cloudai.report.charts import (
    Chart,
    Curve,
    Curves,
    Front,
    Json,
    Months,
    Series,
    Swing,
    Table,
    Tornado,
    front,
    shortened,
)
from cloudai.report.exit_parts import exit_parts
from cloudai.report.parts import Figure, Lines, Listing, Page, Part, Section, Slider, Titled
from cloudai_pricing import documents, words
from cloudai_pricing.diff import Diff
from cloudai_pricing.exact import each, grouped, money
from cloudai_pricing.model import Estimate, LineCost, Option, Slice
from cloudai_pricing.plans import Planned


def estimate_page(
    estimate: Estimate, *, several: Planned | None = None, diff: Diff | None = None, command: str = "cloudai estimate"
) -> Page:
    """The page of an estimate. `several`: the plans that it was billed by, for the slider; None: no slider.

    `command`: the command line that gave it, as it can be typed.
    """
    return Page(
        title=estimate.name,
        subtitle=words.headline(estimate).removeprefix(f"{estimate.name}: ").capitalize(),
        figures=tuple(_figures(estimate)),
        sections=tuple(section for section in _sections(estimate, several, diff) if section.parts),
        command=command,
        tables=_tables(several),
        providers=tuple(option.provider for option in estimate.options),
    )


def estimate_charts(estimate: Estimate, several: Planned | None = None) -> tuple[Chart, ...]:
    """The charts of an estimate, for a file; with `several` also cost against volume of its dearest line."""
    charts: list[Chart] = [_months(estimate)]
    if several is not None and (curves := volume_curves(several, _dearest(estimate))) is not None:
        charts.append(curves)
    charts += [chart for chart in (exit_front(estimate), tornado(estimate)) if chart is not None]
    return tuple(charts)


def _tables(several: Planned | None) -> Json | None:
    if several is None:
        return None
    from cloudai.report.tables import exact, tables

    return {"kind": "estimate", **tables(several)} if exact(several) and several.providers else None


def _figures(estimate: Estimate) -> Iterator[Figure]:
    months = "in all" if estimate.months == 1 else f"in {estimate.months} months"
    best = _best(estimate)
    if best is not None:
        total = words.sum_of(best.total, best)
        span = f", {words.span(best.total)}" if not best.total.certain else ""
        which = "The least on one provider" if len(estimate.options) > 1 else "The bill"
        yield Figure(which, total, f"{best.provider} {best.region}, {months}{span}")
    mix = documents.mix_words(estimate)
    if mix is not None and estimate.mix is not None:
        used = sorted({choice.provider for choice in estimate.mix.choices if choice.provider is not None})
        yield Figure("Least mix", mix[0], f"{' and '.join(used) or 'nobody'}, {months}")
    if best is not None and estimate.months > 1:
        yield Figure("Dearest month", money(best.dearest_month), f"{best.provider}, the likely case")
    if best is not None and best.exit is not None:
        bill = best.exit.least
        say = f"{best.provider} to {bill.target}, {grouped(bill.weeks.quantize(Decimal('0.1')))} weeks"
        yield Figure("To leave it again", f"{'' if bill.complete else '>= '}{money(bill.total)}", say)


def _best(estimate: Estimate) -> Option | None:
    """The cheapest whole option, else the first."""
    name = words.cheapest_option(estimate)
    return next((one for one in estimate.options if one.provider == name), next(iter(estimate.options), None))


def _sections(estimate: Estimate, several: Planned | None, diff: Diff | None) -> Iterator[Section]:
    yield Section(name="bill", title="The bill", parts=tuple(_bill(estimate, diff)))
    if _tables(several) is not None:
        note = (
            "Move the volume of a line; every total is computed anew, to the cent, from the price tables in this page."
        )
        yield Section(name="volumes", title="At other volumes", parts=(Slider(note),))
    crossed = words.crossing_rows(estimate)
    table = Table(tuple(words.CROSSINGS), tuple(map(tuple, crossed)), left=3)
    changes = [Titled("Where the price changes", table)] if crossed else []
    yield Section(name="months", title="Cost by month", parts=(_months(estimate), *changes))
    yield Section(name="leaving", title="What leaving would cost", parts=tuple(_leaving(estimate)))
    yield Section(name="risk", title="What moves the total", parts=tuple(_risk(estimate)))
    yield Section(name="lines", title="Line by line", text="Every price that was used.", parts=tuple(_lines(estimate)))
    yield Section(
        name="sources",
        title="Sources of the prices",
        parts=(Titled("", sources(estimate)),) if _priced(estimate) else (),
    )
    yield Section(name="assumed", title="Assumed", parts=(Listing(estimate.assumptions),))


def _bill(estimate: Estimate, diff: Diff | None) -> Iterator[Part]:
    head, rows = documents.summary(estimate)
    lines = len(estimate.options[0].lines) if estimate.options else 0
    yield Titled("", Table(tuple(head), tuple(map(tuple, rows))), sums=len(rows) - lines)
    if mix := documents.mix_words(estimate):
        placed = tuple(_choices(estimate))
        yield Titled(
            f"Least mix: {mix[0]}", Table(("line", "goes to", "cost"), placed, left=2), folded=len(placed) > 12
        )
    if gaps := tuple(documents.gaps(estimate)):
        yield Listing(gaps, "What is not known")
    if diff is not None:
        from cloudai_pricing import diff_words

        yield Lines("What changed", "\n".join(diff_words.to_lines(diff)))


def _choices(estimate: Estimate) -> Iterator[tuple[str, str, str]]:
    assert estimate.mix is not None
    for choice in estimate.mix.choices:
        where = f"{choice.provider} {choice.region}" if choice.provider else "nobody"
        whole = choice.line is not None and choice.line.complete
        yield choice.name, where, words.amount(choice.cost, complete=whole)


def _months(estimate: Estimate) -> Months:
    series = [
        Series(
            f"{option.provider}",
            tuple(month.likely for month in option.by_month),
            () if option.total.certain else tuple(month.low for month in option.by_month),
            () if option.total.certain else tuple(month.high for month in option.by_month),
            option.complete,
        )
        for option in estimate.options
        if any(line.cost is not None for line in option.lines)
    ]
    ends = (f"{one.name} from {money(one.values[0])} to {money(one.values[-1])}" for one in series)
    said = "; ".join(ends) if estimate.months > 1 else "; ".join(f"{one.name} {money(one.values[0])}" for one in series)
    ranged = " Shaded: from the low to the high case." if any(one.low for one in series) else ""
    return Months(title="Cost by month and provider", summary=f"{said}.{ranged}", series=tuple(series))


def _leaving(estimate: Estimate) -> Iterator[Part]:
    exits = [(option, option.exit) for option in estimate.options if option.exit is not None]
    if not exits:
        return
    chart = exit_front(estimate)
    if chart is not None:
        yield chart
    yield from exit_parts([one for _, one in exits])


def exit_front(estimate: Estimate) -> Front | None:
    """Cost against the bill for leaving; None: fewer than two options have both."""
    known = [
        (option.provider, option.total.likely, option.exit.least.total)
        for option in estimate.options
        if option.exit is not None and option.complete
    ]
    if len(known) < 2:
        return None
    points = front(known)
    best = " and ".join(point.name for point in points if point.best)
    return Front(
        title="Cost against the bill for leaving",
        summary=f"Less is better in both; nothing beats {best}.",
        x=f"cost of {estimate.months} months, USD",
        y="bill for leaving, USD",
        points=points,
    )


def _risk(estimate: Estimate) -> Iterator[Part]:
    if (chart := tornado(estimate)) is not None:
        yield chart
    if estimate.risk is not None:
        from cloudai_pricing import risk_words

        rows = tuple(map(tuple, risk_words.rows(estimate.risk)))
        yield Titled(risk_words.title(estimate.risk), Table(tuple(risk_words.HEAD), rows))


MOST_SWINGS = 15
"""Bars of a tornado; the rest moves little."""


def tornado(estimate: Estimate) -> Tornado | None:
    """What moves the mix (the one option, where there is no mix); None: no draws, or no line has a range."""
    if estimate.risk is None:
        return None
    mixed = estimate.mix is not None and estimate.risk.mix is not None and len(estimate.options) > 1
    spread = estimate.risk.mix if mixed else next(iter(estimate.risk.options), None)
    total = estimate.mix.total if mixed and estimate.mix is not None else next(one.total for one in estimate.options)
    if spread is None or not spread.swings:
        return None
    swings = tuple(Swing(one.line, one.low, one.high) for one in spread.swings[:MOST_SWINGS])
    first = swings[0]
    return Tornado(
        title=f"What moves the total of {'the mix' if mixed else spread.provider}",
        summary=f"Each line from its low to its high, the others likely. {shortened(first.name)} moves it the most, "
        f"from {money(first.low)} to {money(first.high)}.",
        likely=total.likely,
        swings=swings,
    )


def _lines(estimate: Estimate) -> Iterator[Titled]:
    numbers = {source: at for at, source in enumerate(_sources(estimate), start=1)}
    head = ("line", "sku", "tier", "quantity", "unit", "unit price", "cost", "source")
    for option in estimate.options:
        rows = [
            (
                line.name,
                *_slice(piece),
                f"[{numbers[piece.source]}] {piece.as_of}, {piece.confidence.replace('_', ' ')}",
            )
            for line in option.lines
            for piece in line.slices
        ]
        if rows:
            yield Titled(f"{option.provider} {option.region}: prices", Table(head, tuple(rows), left=2), folded=True)
        if notes := [(line.name, note) for line in option.lines for note in documents.remarks(line)]:
            title = f"{option.provider} {option.region}: notes"
            yield Titled(title, Table(("line", "note"), tuple(notes), left=2), folded=True)


def _slice(piece: Slice) -> tuple[str, ...]:
    return (
        f"{piece.service}: {piece.sku}{' (own)' if piece.overridden else ''}",
        words.tier(piece),
        grouped(words.rounded(piece.quantity)),
        piece.unit,
        each(piece.unit_price),
        money(piece.cost),
    )


def _priced(estimate: Estimate) -> bool:
    return bool(_sources(estimate))


def _sources(estimate: Estimate) -> dict[str, list[tuple[LineCost, Slice]]]:
    """Source -> what was priced by it, in the order of the options."""
    found: dict[str, list[tuple[LineCost, Slice]]] = {}
    for option in estimate.options:
        for line in option.lines:
            for piece in line.slices:
                found.setdefault(piece.source, []).append((line, piece))
    return found


def sources(estimate: Estimate) -> Table:
    """Where the prices were read, when, and how sure that is."""
    rows = []
    for number, (source, several) in enumerate(_sources(estimate).items(), start=1):
        pieces = [piece for _, piece in several]
        services = ", ".join(dict.fromkeys(piece.service for piece in pieces))
        dates = sorted({piece.as_of for piece in pieces})
        sure = ", ".join(sorted({piece.confidence.replace("_", " ") for piece in pieces}))
        read = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
        rows.append((f"[{number}]", source, services, read, sure))
    return Table(("no.", "source", "services", "read on", "how"), tuple(rows), left=5)


def _dearest(estimate: Estimate) -> str:
    """The line that costs the most anywhere."""
    lines = [line for option in estimate.options for line in option.lines if line.cost is not None]
    return max(lines, key=lambda line: line.cost.likely if line.cost else Decimal(0)).name if lines else ""


def volume_curves(several: Planned, name: str) -> Curves | None:
    """One month of a line alone against its volume, up to three times what is planned; None: nobody prices it."""
    from cloudai.report.volumes import curves_of

    found = curves_of(several, name)
    if found is None:
        return None
    line, curves, edges, crossings = found
    names: dict[str, Curve] = {curve.name: curve for curve in curves}
    said = "; ".join(f"{grouped(one.at)} {line.unit}: {one.what}" for one in crossings) or "the cheapest stays the same"
    return Curves(
        title=f"{shortened(name)} by volume",
        summary=f"One month of the line alone; {said}.",
        unit=line.unit,
        now=line.now,
        curves=tuple(names.values()),
        edges=edges,
        crossings=crossings,
    )
