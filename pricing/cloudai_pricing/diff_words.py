"""A diff for people (lines of text, Markdown) and for programs (plain data)."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from cloudai_pricing.diff import Change, Diff, Effects
from cloudai_pricing.exact import ZERO, money, plain


def signed(number: Decimal) -> str:
    """`+$12.00`, `-$3.50`, `$0.00`."""
    return money(number) if not number else f"{'+' if number > 0 else '-'}{money(abs(number))}"


def to_lines(diff: Diff) -> Iterator[str]:
    """One line per total and per line that changed, under `Change since ...`."""
    yield f"Change since {diff.name}, prices read up to {diff.since}"
    for option in diff.options:
        yield _text(option.total)
        yield from (f"  {_text(line)}" for line in option.lines if line.sign != "=")
    if diff.mix is not None:
        yield _text(diff.mix)


def to_markdown(diff: Diff) -> str:
    """A fenced `diff` block: GitHub colours its signs."""
    return "\n".join(["```diff", *to_lines(diff), "```"])


def to_data(diff: Diff) -> dict[str, object]:
    """For the JSON document, under `diff`."""
    return {
        "name": diff.name,
        "since": diff.since,
        "options": [
            {**_data(option.total, "provider"), "lines": [_data(line, "name") for line in option.lines]}
            for option in diff.options
        ],
        "mix": None if diff.mix is None else _data(diff.mix, "name"),
    }


def _data(change: Change, key: str) -> dict[str, object]:
    return {
        key: change.name,
        "before": None if change.before is None else plain(change.before),
        "after": None if change.after is None else plain(change.after),
        "change": plain(change.amount),
        "effects": {name: plain(part) for name, part in change.effects._asdict().items()},
    }


def _text(change: Change) -> str:
    before, after = ("-" if cost is None else money(cost) for cost in (change.before, change.after))
    return f"{change.sign} {change.name}: {before} -> {after} ({signed(change.amount)}{_why(change.effects)})"


def _why(effects: Effects) -> str:
    parts = [f"{name} {signed(part)}" for name, part in effects._asdict().items() if part != ZERO]
    return f": {', '.join(parts)}" if parts else ""
