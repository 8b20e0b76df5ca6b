"""A `Page` as one HTML file: style, scripts, charts' data and price tables are in it, and nothing is ever loaded.

The page's own policy forbids everything but the scripts that are in it, by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from html import escape
from importlib.resources import files

from cloudai.report.charts import Curves, Front, Json, Months, Table, Tornado, Waterfall
from cloudai.report.parts import Lines, Listing, Page, Part, Section, Slider, Titled
from cloudai.report.slider import slider

SCRIPTS = ("d3.min.js", "plot.umd.min.js", "engine.js", "choice.js", "leaving.js", "report.js", "sliders.js")


def html(page: Page) -> str:
    """The whole file. The same page gives the same bytes."""
    scripts = [asset(name) for name in SCRIPTS]
    body = _Body()
    sections = "\n".join(body.section(section) for section in page.sections)
    data = {
        "charts": body.charts,
        "names": list(page.providers),
        "command": page.command,
        "tables": page.tables,
    }
    return "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy(scripts)}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="color-scheme" content="light dark">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{escape(page.title)}</title>",
            f"<style>{asset('report.css')}</style>",
            "</head>",
            "<body>",
            '<a class="skip" href="#main">To the content</a>',
            _header(page),
            '<main id="main" tabindex="-1">',
            _figures(page),
            sections,
            "</main>",
            _FOOTER,
            f'<script type="application/json" id="data">{_json(data)}</script>',
            *(f"<script>{script}</script>" for script in scripts),
            "</body>",
            "</html>",
            "",
        ]
    )


@cache
def asset(name: str) -> str:
    """A file that is part of every page."""
    return files("cloudai.report").joinpath("assets", name).read_text(encoding="utf-8")


def policy(scripts: Sequence[str]) -> str:
    """What the page may do: run these scripts, have a style. No loading, no sending, no frames, no `eval`."""
    hashes = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{one}'" for one in hashes)
    return f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def _json(data: Json) -> str:
    """JSON that can't end the element it stands in."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _header(page: Page) -> str:
    links = "".join(f'<li><a href="#{one.name}">{escape(one.title)}</a></li>' for one in page.sections)
    return (
        f'<header><div class="top"><h1><bdi>{escape(page.title)}</bdi></h1>'
        '<button type="button" id="theme" class="needs-script">Dark colours</button></div>'
        f'<p class="soft">{escape(page.subtitle)}</p>'
        f'<nav aria-label="On this page"><ul>{links}</ul></nav></header>'
    )


def _figures(page: Page) -> str:
    rows = "".join(
        f'<div><dt>{escape(one.label)}</dt><dd class="big">{escape(_together(one.value))}</dd>'
        + (f'<dd class="say">{escape(one.say)}</dd>' if one.say else "")
        + "</div>"
        for one in page.figures
    )
    return f'<dl class="figures">{rows}</dl>' if rows else ""


_FOOTER = (
    "<footer><p>Made by cloudai; nothing was loaded to show it, and nothing is sent. Amounts are list prices in USD"
    " without taxes, unless an own price is marked. Charts by Observable Plot and D3 (ISC licence).</p></footer>"
)


class _Body:
    """Sections as HTML; the charts' data on the way."""

    def __init__(self) -> None:
        self.charts: list[Json] = []

    def section(self, section: Section) -> str:
        parts = "\n".join(self._part(part, section.title) for part in section.parts)
        text = f"<p>{escape(section.text)}</p>" if section.text else ""
        return f'<section id="{section.name}"><h2>{escape(section.title)}</h2>{text}\n{parts}</section>'

    def _part(self, part: Part, heading: str) -> str:
        match part:
            case Titled():
                return _titled(part, heading)
            case Listing():
                return _listing(part)
            case Slider():
                return f"<p>{escape(part.note)}</p>{slider(part.kind)}"
            case Lines():
                return f'<h3>{escape(part.title)}</h3><code class="command">{escape(part.text)}</code>'
            case _:
                return self._chart(part)

    def _chart(self, chart: Months | Waterfall | Tornado | Front | Curves) -> str:
        name = f"chart{len(self.charts) + 1}"
        self.charts.append({"id": name, "label": f"{chart.title}. {chart.summary}", **chart.data()})
        return (
            f"<figure><figcaption><strong>{escape(chart.title)}</strong> "
            f'<span class="say">{escape(chart.summary)}</span></figcaption>'
            f'<div class="chart needs-script" id="{name}"></div>'
            f"<details><summary>{escape(chart.title)}: the numbers</summary>{_table(chart.title, chart.table())}"
            "</details></figure>"
        )


def _titled(part: Titled, heading: str) -> str:
    table = _table(part.title or heading, part.table, sums=part.sums)
    if part.folded:
        return f"<details><summary>{escape(part.title)}</summary>{table}</details>"
    return f"<h3>{escape(part.title)}</h3>{table}" if part.title else table


def _listing(part: Listing) -> str:
    title = f"<h3>{escape(part.title)}</h3>" if part.title else ""
    return f'{title}<ul class="plain">{"".join(f"<li>{escape(item)}</li>" for item in part.items)}</ul>'


LONG = 28
"""A column of words of which one has more signs gets more room."""


def _table(title: str, table: Table, *, sums: int = 0) -> str:
    kinds = [_kind(table, at) for at in range(len(table.head))]
    head = "".join(
        f'<th scope="col"{_class(kind)}>{escape(cell)}</th>' if cell else f"<td{_class(kind)}></td>"
        for cell, kind in zip(table.head, kinds, strict=True)
    )
    first_sum = len(table.rows) - sums
    body = "\n".join(_row(row, kinds, is_sum=at >= first_sum) for at, row in enumerate(table.rows))
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(title)}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>"
    )


def _kind(table: Table, column: int) -> str:
    """The classes of a column: numbers have none."""
    if column >= table.left:
        return ""
    return "w long" if any(len(row[column]) > LONG for row in table.rows) else "w"


def _class(kinds: str) -> str:
    return f' class="{kinds}"' if kinds else ""


def _row(row: Sequence[str], kinds: Sequence[str], *, is_sum: bool) -> str:
    return f"<tr{_class('sum' if is_sum else '')}>{''.join(_cells(row, kinds))}</tr>"


def _cells(row: Sequence[str], kinds: Sequence[str]) -> Iterator[str]:
    for at, (cell, kind) in enumerate(zip(row, kinds, strict=True)):
        more = " best" if cell.endswith(" ✓") else ""
        more += " gap" if cell.startswith(">=") or cell in ("unknown", "not offered") else ""
        if at == 0:
            yield f'<th scope="row"{_class(kind + more)}>{_text(cell)}</th>'
        else:
            yield f"<td{_class((kind + more).strip())}>{_text(cell)}</td>"


def _text(cell: str) -> str:
    """A cell; a source becomes a link. `bdi`: a name from right to left does not turn its neighbours round."""
    if cell.startswith("https://"):
        address, space, rest = cell.partition(" ")
        return f'<a href="{escape(address)}" rel="noreferrer">{_broken(address)}</a>{space}{_broken(rest)}'
    return _broken(cell) if cell.isascii() else f"<bdi>{_broken(cell)}</bdi>"


LONGEST = 40
"""A word of more signs may be broken there: it would make its column as wide as itself."""


def _broken(text: str) -> str:
    """Escaped, with places to break in words that are very long."""
    if len(text) <= LONGEST:
        return escape(text)
    return re.sub(r"\S+", lambda word: "<wbr>".join(map(escape, _pieces(word.group()))), text)


def _pieces(word: str) -> Iterator[str]:
    for start in range(0, len(word), LONGEST):
        yield word[start : start + LONGEST]


def _together(amount: str) -> str:
    """An amount whose `>=` stays on its line."""
    return amount.replace(">= ", ">=\N{NO-BREAK SPACE}")
