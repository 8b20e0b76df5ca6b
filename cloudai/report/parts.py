"""A page as data: figures, sections of tables, charts and lists. `render` makes HTML of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from cloudai.report.charts import Chart, Json, Table


class Figure(NamedTuple):
    """A number that the page opens with."""

    label: str
    value: str
    say: str = ""


class Listing(NamedTuple):
    """A list of sentences; `title` empty: none."""

    items: tuple[str, ...]
    title: str = ""


class Titled(NamedTuple):
    """A table with its title; `sums`: so many rows at its end are sums; `folded`: shown when it is asked for."""

    title: str
    table: Table
    sums: int = 0
    folded: bool = False


class Slider(NamedTuple):
    """The place of the volume slider; its tables are in `Page.tables`."""

    note: str
    kind: Literal["estimate", "plan", "exit"] = "estimate"


class Lines(NamedTuple):
    """Plain text as it is, line by line."""

    title: str
    text: str


Part = Titled | Chart | Listing | Slider | Lines


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading and what stands below it. `name`: its place in the page, letters only."""

    name: str
    title: str
    text: str = ""
    parts: Sequence[Part]


@dataclass(frozen=True, kw_only=True)
class Page:
    """A whole report. `command`: what gave it, as it can be typed; `tables`: price tables for the slider, or none."""

    title: str
    subtitle: str
    figures: tuple[Figure, ...]
    sections: tuple[Section, ...]
    command: str
    tables: Json | None = None
    providers: tuple[str, ...] = ()
