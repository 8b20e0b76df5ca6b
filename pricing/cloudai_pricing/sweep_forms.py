"""A sweep as rows: for a spreadsheet, for Markdown, for a terminal, and as data for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from cloudai_pricing import words
from cloudai_pricing.ascsv import csv_text
from cloudai_pricing.asjson import range_data
from cloudai_pricing.documents import md_table
from cloudai_pricing.exact import grouped, plain
from cloudai_pricing.model import Estimate, Option
from cloudai_pricing.sweep import Step, Sweep


def _providers(sweep: Sweep) -> list[str]:
    """In the order in which they first appear: a step may lack one."""
    return list(dict.fromkeys(option.provider for step in sweep.steps for option in step.estimate.options))


def _option(estimate: Estimate, provider: str) -> Option | None:
    return next((option for option in estimate.options if option.provider == provider), None)


def to_csv(sweep: Sweep) -> str:
    """One row per step. An unknown total is an empty cell, and `complete` says where one is a lower bound."""
    providers = _providers(sweep)
    head = [*sweep.keys, *(f"{name} {what}" for name in providers for what in ("total", "complete"))]
    rows = []
    for step in sweep.steps:
        row = list(step.values)
        for name in providers:
            row += _cells(_option(step.estimate, name))
        mix = step.estimate.mix
        row += [words.cheapest_option(step.estimate) or "", "", "", ""]
        if mix is not None:
            row[-3:] = [plain(mix.total.likely), str(mix.complete).lower(), words.placed(step.estimate)]
        rows.append(row)
    return csv_text([*head, "cheapest", "mix total", "mix complete", "mix"], rows)


def _cells(option: Option | None) -> list[str]:
    if option is None or all(line.cost is None for line in option.lines):
        return ["", "false"]
    return [plain(option.total.likely), str(option.complete).lower()]


def table(sweep: Sweep) -> tuple[list[str], list[list[str]]]:
    """Head and rows for people: the unit of the varied keys in the head, the cheapest whole total ticked."""
    providers = _providers(sweep)
    units = [_unit({step.values[at] for step in sweep.steps}) for at in range(len(sweep.keys))]
    keys = [f"{key}, {unit}" if unit else key for key, unit in zip(sweep.keys, units, strict=True)]
    return [*keys, *providers, "least mix", "mix"], [_row(step, providers, units) for step in sweep.steps]


def _unit(values: set[str]) -> str:
    """What follows the number in all values: `images/month`."""
    units = {value.lstrip("0123456789.").strip() for value in values}
    return units.pop() if len(units) == 1 else ""


def _row(step: Step, providers: Sequence[str], units: Sequence[str]) -> list[str]:
    best = words.cheapest_option(step.estimate)
    cells = [_number(value, unit) for value, unit in zip(step.values, units, strict=True)]
    for name in providers:
        option = _option(step.estimate, name)
        total = words.UNKNOWN if option is None else words.sum_of(option.total, option)
        cells.append(f"✓ {total}" if name == best else total)
    mix = step.estimate.mix
    if mix is None:
        return [*cells, words.UNKNOWN, ""]
    return [*cells, words.mix_total(mix), words.placed(step.estimate)]


def _number(value: str, unit: str) -> str:
    """`1,000,000` of `1000000 images/month`, whose unit stands in the head."""
    number = value.removesuffix(unit).strip()
    return grouped(Decimal(number)) if number.replace(".", "", 1).isdigit() else value


def to_markdown(sweep: Sweep) -> str:
    """GitHub's Markdown."""
    head, rows = table(sweep)
    return f"### {title(sweep)}\n\n{md_table(head, rows, left=len(sweep.keys))}\n"


def title(sweep: Sweep) -> str:
    """What was varied, over which months, at which prices."""
    return f"{words.headline(sweep.steps[0].estimate)}, by {' and '.join(sweep.keys)}"


def to_data(sweep: Sweep) -> dict[str, object]:
    """The member `sweep` of the JSON document."""
    return {"keys": list(sweep.keys), "steps": [_step(step) for step in sweep.steps]}


def _step(step: Step) -> dict[str, object]:
    mix = step.estimate.mix
    return {
        "values": list(step.values),
        "options": [
            {"provider": option.provider, "complete": option.complete, "total": range_data(option.total)}
            for option in step.estimate.options
        ],
        "cheapest": words.cheapest_option(step.estimate),
        "mix": None
        if mix is None
        else {
            "complete": mix.complete,
            "total": range_data(mix.total),
            "choices": [{"name": choice.name, "provider": choice.provider} for choice in mix.choices],
        },
    }
