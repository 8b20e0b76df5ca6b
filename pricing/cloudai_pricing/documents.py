"""An estimate as Markdown (for a pull request), and the rows of cells that its page is made of as well."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cloudai_pricing import diff_words, words
from cloudai_pricing.diff import Diff
from cloudai_pricing.exact import each, grouped, money
from cloudai_pricing.model import Estimate, LineCost, Option, Slice

Rows = list[list[str]]


def to_markdown(estimate: Estimate, *, diff: Diff | None = None, explain: bool = False) -> str:
    """GitHub's Markdown."""
    head, rows = summary(estimate)
    parts = [f"### {md_text(words.headline(estimate))}", md_table(head, rows, left=1)]
    if mix := mix_words(estimate):
        parts.append(f"**Least mix: {md_text(mix[0])}** ({md_text(mix[1])})")
    for heading, columns, lines in tables(estimate):
        parts += [f"**{md_text(heading)}**", md_table(columns, lines, left=1)]
    if unknown := "\n".join(md_item(gap) for gap in gaps(estimate)):
        parts.append(unknown)
    if diff is not None:
        parts.append(diff_words.to_markdown(diff))
    if explain:
        for option, line in _lines(estimate):
            parts.append(f"#### {md_text(f'{option.provider} {option.region}: {line.name}')}")
            if line.slices:
                parts.append(md_table(_SLICE_HEAD, [_slice(piece) for piece in line.slices], left=1))
            parts.append("\n".join(md_item(remark) for remark in remarks(line)))
    assumed = "\n".join(md_item(text) for text in estimate.assumptions)
    parts.append(f"<details><summary>Assumed</summary>\n\n{assumed}\n\n</details>")
    return "\n\n".join(parts) + "\n"


def tables(estimate: Estimate) -> Iterator[tuple[str, list[str], Rows]]:
    """The tables that not every estimate has, with their headings."""
    if estimate.risk is not None:
        from cloudai_pricing import risk_words

        yield risk_words.title(estimate.risk), risk_words.HEAD, risk_words.rows(estimate.risk)
        if moved := risk_words.tornado(estimate.risk):
            yield risk_words.tornado_title(estimate.risk), risk_words.TORNADO, moved
    if any(option.exit is not None for option in estimate.options):
        from cloudai_pricing import exit_words

        yield exit_words.TITLE, exit_words.HEAD, exit_words.rows(estimate.options)
    if crossed := words.crossing_rows(estimate):
        yield "Where the price changes", words.CROSSINGS, crossed


def summary(estimate: Estimate) -> tuple[list[str], Rows]:
    """A row per line, then the first month, the total, and its range where it has one."""
    options = estimate.options
    rows = []
    for number, line in enumerate(options[0].lines if options else ()):
        best = words.cheapest(estimate, number)
        cells = [_cell(option.lines[number], best=option.provider == best) for option in options]
        rows.append([line.name, words.volume(line), *cells])
    rows.append(["first month", "", *(words.sum_of(option.month, option) for option in options)])
    best = words.cheapest_option(estimate)
    totals = [words.sum_of(option.total, option) + (" ✓" if option.provider == best else "") for option in options]
    rows.append([f"{estimate.months} months", "", *totals])
    if any(option.exit is not None for option in options):
        from cloudai_pricing import exit_words

        rows.append(["to leave it again", "", *(exit_words.cell(option) for option in options)])
    if any(not option.total.certain for option in options):
        rows.append(["low to high", "", *(words.span(option.total) for option in options)])
    return ["line", "volume", *(f"{option.provider} {option.region}" for option in options)], rows


def _cell(line: LineCost, *, best: bool) -> str:
    if line.cost is None:
        return words.UNKNOWN if line.offered else "not offered"
    own = " (own)" if any(piece.overridden for piece in line.slices) else ""
    return words.amount(line.cost, complete=line.complete) + own + (" ✓" if best else "")


def mix_words(estimate: Estimate) -> tuple[str, str] | None:
    """The mix's total, and where each line goes; None: there is nothing to mix."""
    if estimate.mix is None or len(estimate.options) < 2:
        return None
    return words.mix_total(estimate.mix), words.placed(estimate)


def gaps(estimate: Estimate) -> Iterator[str]:
    """What is not known, and what is out of the mix, each with its reason."""
    for option in estimate.options:
        yield from (f">= {option.provider}: {gap}" for gap in words.gaps(option))
        yield from (f"not in the mix: {option.provider}: {reason}" for reason in words.left_out(option))


def remarks(line: LineCost) -> list[str]:
    """Unit prices, the machines that would do, and the notes."""
    return [text for text in (words.unit_prices(line), *words.candidates(line), *line.notes) if text]


def _lines(estimate: Estimate) -> Iterator[tuple[Option, LineCost]]:
    return ((option, line) for option in estimate.options for line in option.lines)


_SLICE_HEAD = ["sku", "from", "to", "quantity", "unit", "unit price", "cost", "source", "date", "confidence"]


def _slice(piece: Slice) -> list[str]:
    return [
        f"{piece.service}: {piece.sku}{' (own)' if piece.overridden else ''}",
        grouped(piece.start),
        "" if piece.end is None else grouped(piece.end),
        grouped(piece.quantity),
        piece.unit,
        each(piece.unit_price),
        money(piece.cost),
        piece.source,
        piece.as_of,
        piece.confidence,
    ]


def md_text(text: str) -> str:
    """Text that Markdown takes as it is."""
    for sign in ("\\", "|", "*", "_", "`", "<", "["):
        text = text.replace(sign, f"\\{sign}")
    return text.replace("\n", " ")


def md_item(text: str) -> str:
    """An item of a list; a `>` at its start would make it a quotation."""
    quoted = "\\" if text.startswith(">") else ""
    return f"- {quoted}{md_text(text)}"


def md_table(head: Sequence[str], rows: Rows, *, left: int) -> str:
    """A table of GitHub's Markdown; `left`: so many columns are aligned left."""
    marks = ["---" if column < left else "---:" for column in range(len(head))]
    table = [[md_text(cell) for cell in head], marks, *([md_text(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(row)} |" for row in table)
