"""Reading an overlay file: strict, with file and line in every message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from cloudai_pricing.book import with_ends
from cloudai_pricing.entries import Row, build
from cloudai_pricing.entry_check import check
from cloudai_pricing.errors import PlanError, nearest
from cloudai_pricing.exact import ZERO
from cloudai_pricing.overlay import Discount, Overlay
from cloudai_pricing.regions import neutral_regions, region_of
from cloudai_pricing.tomlfile import TomlError, TomlFile

if TYPE_CHECKING:
    from cloudai_pricing.savings import SavingsPlan


_TABLES = ("price", "discount", "savings_plan")


def load_overlay(path: str | Path) -> Overlay:
    """Reads an overlay file. Raises `PlanError` with file and line."""
    try:
        return parse_overlay(TomlFile.load(path, parse_float=str))
    except TomlError as error:
        raise PlanError(error.reason, file=error.name, line=error.line) from error


def parse_overlay(file: TomlFile) -> Overlay:
    """Reads an overlay document. Raises `PlanError` with file and line."""
    for key in file.data:
        if key not in _TABLES:
            fix = nearest(key, _TABLES)
            raise PlanError(
                f"unknown key {key!r} in a price overlay", fix=fix, file=file.name, line=file.line_of((key,))
            )
    rows = []
    for number, table in _tables(file, "price"):
        line = file.line_of(("price", number))
        try:
            rows.append(check(table, where=f"{file.name}:{line}", own=True))
        except PlanError as error:
            raise error.at(file.name, file.line_of(("price", number, *error.path))) from error
    ended = with_ends(rows)
    prices = tuple(build({key: value for key, value in row.items() if key != "until"}) for row in map(_placed, ended))
    name = Path(file.name).name
    return Overlay(name=name, prices=prices, discounts=_discounts(file), savings=_savings(file))


def _placed(row: Row) -> Row:
    """With the provider's own region for a neutral one."""
    region = str(row["region"])
    if region not in neutral_regions():
        return row
    return {**row, "region": region_of(region, str(row["provider"])) or region}


def _tables(file: TomlFile, key: str) -> Sequence[tuple[int, object]]:
    tables = file.data.get(key, [])
    if not isinstance(tables, list):
        raise PlanError(
            f"{key} is not a list of tables", fix=f"Write [[{key}]]", file=file.name, line=file.line_of((key,))
        )
    return list(enumerate(tables))


def _savings(file: TomlFile) -> tuple[SavingsPlan, ...]:
    if "savings_plan" not in file.data:
        return ()
    from cloudai_pricing.savings import parse_savings  # few have one

    found: dict[str, SavingsPlan] = {}
    for number, table in _tables(file, "savings_plan"):
        line = file.line_of(("savings_plan", number))
        try:
            plan = parse_savings(table, where=f"{file.name}:{line}")
        except PlanError as error:
            raise error.at(file.name, file.line_of(("savings_plan", number, *error.path))) from error
        if plan.name in found:
            fix = "Give each its own name"
            raise PlanError(f"two savings plans are called {plan.name!r}", fix=fix, file=file.name, line=line)
        found[plan.name] = plan
    return tuple(found.values())


def _discounts(file: TomlFile) -> tuple[Discount, ...]:
    found: dict[tuple[str, str], Discount] = {}
    for number, table in _tables(file, "discount"):
        line = file.line_of(("discount", number))
        try:
            discount = _discount(table)
        except PlanError as error:
            raise error.at(file.name, file.line_of(("discount", number, *error.path))) from error
        key = (discount.provider, discount.service)
        if key in found:
            raise PlanError(f"two discounts for {' '.join(key)}", fix="Keep one", file=file.name, line=line)
        found[key] = discount
    return tuple(found.values())


def _discount(table: object) -> Discount:
    if not isinstance(table, Mapping):
        raise PlanError("a discount is a table", fix="Write [[discount]] above it")
    for key in table:
        if key not in ("provider", "service", "percent"):
            fix = nearest(str(key), ("provider", "service", "percent"))
            raise PlanError(f"unknown key {key!r} in a discount", fix=fix, path=(str(key),))
    provider, service, percent = table.get("provider"), table.get("service", "*"), table.get("percent")
    if not isinstance(provider, str) or not isinstance(service, str):
        raise PlanError("a discount has no provider", fix='Add a line provider = "aws"')
    try:
        value = Decimal(str(percent).rstrip("%"))
        if isinstance(percent, bool) or not ZERO <= value <= 100:
            raise ValueError
    except (ArithmeticError, ValueError) as error:
        raise PlanError(
            f"percent = {percent!r} is not from 0 to 100", fix='Write percent = "12"', path=("percent",)
        ) from error
    return Discount(provider=provider, service=service, percent=value)
