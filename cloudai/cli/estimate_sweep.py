"""`cloudai estimate --vary`: one row per step, in the form asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cloudai_pricing.asjson import to_json
from cloudai_pricing.errors import PlanError
from cloudai_pricing.model import Estimate
from cloudai_pricing.sweep import Sweep
from cloudai_pricing.sweep_forms import table, title, to_csv, to_data, to_markdown

FORMATS = ("table", "json", "csv", "markdown")


def check_format(name: str) -> None:
    """Raises `PlanError` for a form that a sweep does not have."""
    if name not in FORMATS:
        raise PlanError(f"--vary has no form {name}", fix=f"Use --format {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")


def sweep_text(form: str, base: Estimate, sweep: Sweep, *, to_file: bool) -> str:
    """The sweep as text. JSON is the document of the workload as it stands, with the member `sweep`."""
    if form == "json":
        return to_json(base, sweep=to_data(sweep))
    if form == "csv":
        return to_csv(sweep)
    if form == "markdown":
        return to_markdown(sweep)
    return _table(sweep, to_file=to_file)


def _table(sweep: Sweep, *, to_file: bool) -> str:
    from rich.text import Text

    from cloudai.cli.layout import indented, printed, rows_table

    head, rows = table(sweep)
    keys = tuple(range(len(sweep.keys)))
    shown = rows_table(head[:-1], [row[:-1] for row in rows], left=keys, flexible=keys)
    mixes = [Text("The mix", style="bold"), *(indented(text) for text in _mixes(sweep, rows))]
    return printed(lambda _: [Text(title(sweep), style="bold"), shown, *mixes], to_file=to_file)


def _mixes(sweep: Sweep, rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Where each line goes, from the step on at which that changes."""
    last = ""
    for step, row in zip(sweep.steps, rows, strict=True):
        if row[-1] != last:
            yield f"from {', '.join(step.values)}: {row[-1]}"
        last = row[-1]
