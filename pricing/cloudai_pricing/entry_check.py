"""The strict reading of a price entry: every wrong key, value and ladder is an error that says the fix."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import cast, get_args

from cloudai_pricing.entries import PER_MONTH, Kind, Per, Row
from cloudai_pricing.errors import PlanError, nearest
from cloudai_pricing.exact import LARGEST, ONE, ZERO, grouped, plain
from cloudai_pricing.operations import billable
from cloudai_pricing.units import UNITS, base_of, convertible, parse_unit, plural

Check = Callable[[str, object], object]

# TOML key -> whether it must be there. Overlays may leave out what stands in `_OWN`.
_KEYS: Mapping[str, bool] = {
    "provider": True, "service": True, "sku": True, "kind": True, "operations": True, "features": False,
    "includes": False, "variant": False, "default": False, "region": True, "unit": True, "pool": False, "tiers": False,
    "free": False, "rounding": False, "counts": False, "commitment": False, "per": False, "note": False,
    "currency": False, "instance": False, "accelerator": False, "accelerator_count": False, "vcpus": False,
    "memory_gb": False,
    "spot": False, "effective_from": True, "as_of": True, "source": True, "confidence": True,
}  # fmt: skip
_OWN: Mapping[str, str] = {
    "service": "own",
    "kind": "usage",
    "effective_from": "1970-01-01",
    "as_of": "1970-01-01",
    "source": "own price",
    "confidence": "own",
}
_EVERY = frozenset({"vision.*", "speech.*", "translation.*", "custom.*", "other.*"})
"""All operations of a service, in overlays."""
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")


def check(table: object, *, where: str, own: bool = False) -> Row:
    """One `[[price]]` table as a row for `entries.build`. `own`: from an overlay, where the key may be short.

    Raises `PlanError` without a place: the reader of the file knows it.
    """
    if not isinstance(table, Mapping):
        raise PlanError("a price is a table", fix="Write [[price]] above it")
    for key in table:
        if key not in _KEYS:
            raise PlanError(f"unknown key {key!r} in a price", fix=nearest(str(key), _KEYS), path=(str(key),))
    row = dict(_OWN) | {"sku": _own_sku(table)} | dict(table) if own else dict(table)
    for key, needed in _KEYS.items():
        if needed and key not in row:
            raise PlanError(f"a price has no {key!r}", fix=f'Add a line {key} = "..."')
    clean = {key: _checked(key, value) for key, value in row.items()}
    clean |= {"where": where, "own": own}
    _check_whole(clean)
    return clean


def _own_sku(table: Mapping[str, object]) -> str:
    """A name for an own price that has none: what it is a price of, so that two of them are not taken for one."""
    lists = [table.get(key) for key in ("operations", "features")]
    names = [str(name) for one in lists if isinstance(one, list) for name in one]
    return " ".join(["own price", *names, *([str(table["variant"])] if "variant" in table else [])])


def _checked(key: str, value: object) -> object:
    try:
        return _CHECKS.get(key, _text)(key, value)
    except PlanError as error:
        raise error.about(key) from error


# One check per key: the value as plain data (text, lists, tables of decimal strings), or a PlanError.


def _text(key: str, value: object) -> object:
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise PlanError(f"{key} = {value!r} is not a text of one line", fix=f'Write {key} = "..."')
    return value


def _name(key: str, value: object) -> object:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise PlanError(f"{key} = {value!r} is not a name", fix="Use small letters, digits, - and _")
    return value


def _number(key: str, value: object) -> str:
    """A number that is not negative, as an exact decimal string. Written as "0.001", 1 or 0.001."""
    try:
        number = Decimal(value.replace("_", "")) if isinstance(value, str) else Decimal(cast("int", value))
    except (InvalidOperation, TypeError, ValueError):
        number = Decimal("NaN")
    if isinstance(value, bool) or not number.is_finite() or number > LARGEST:
        raise PlanError(f"{key} = {str(value)[:40]!r} is not a number", fix=f'Write it like {key} = "0.0015"')
    if number < 0:
        raise PlanError(f"{key} = {value!r} is negative")
    return plain(number)


def _date(key: str, value: object) -> object:
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value.isoformat()
    try:
        if isinstance(value, str) and _DATE.fullmatch(value):
            return datetime.date.fromisoformat(value).isoformat()
    except ValueError:
        pass
    raise PlanError(f"{key} = {value!r} is not a day", fix=f'Write it like {key} = "2026-03-01"')


def _flag(key: str, value: object) -> object:
    if not isinstance(value, bool):
        raise PlanError(f"{key} = {value!r} is neither true nor false")
    return value


def _whole(key: str, value: object) -> object:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise PlanError(f"{key} = {value!r} is not a whole number")
    return value


def _choice(*known: str) -> Check:
    def check(key: str, value: object) -> object:
        if value not in known:
            raise PlanError(f"unknown {key} {value!r}", fix=nearest(str(value), known))
        return value

    return check


def _names(key: str, value: object) -> object:
    if not isinstance(value, list) or not all(isinstance(name, str) and _NAME.fullmatch(name) for name in value):
        raise PlanError(f"{key} = {value!r} is not a list of names", fix=f'Write it like {key} = ["diarization"]')
    return value


def _operations(key: str, value: object) -> object:
    written = cast("list[object]", value) if isinstance(value, list) else []
    every = [name for name in written if isinstance(name, str) and name in _EVERY]
    names = cast("list[str]", _names(key, [name for name in written if name not in every] if every else value))
    if not names and not every:
        raise PlanError("operations is empty", fix='Write it like operations = ["vision.detect_labels"]')
    for name in names:
        if name not in billable() and not name.startswith("other."):
            raise PlanError(f"unknown operation {name!r}", fix=nearest(name, billable()))
    return [*names, *every]


def _table(key: str, value: object, needed: Sequence[str], known: Sequence[str]) -> Mapping[str, object]:
    if not isinstance(value, Mapping):
        raise PlanError(f"{key} = {value!r} is not a table", fix=f"Write it like {key} = {{ {needed[0]} = ... }}")
    for name in value:
        if name not in known:
            raise PlanError(f"unknown key {name!r} in {key}", fix=nearest(str(name), known))
    for name in needed:
        if name not in value:
            raise PlanError(f"{key} has no {name!r}")
    return value


def _tiers(key: str, value: object) -> object:
    """Marginal tiers: each starts where the one before ends, only the last may be open."""
    if not isinstance(value, list) or not value:
        raise PlanError("tiers is not a list of tiers", fix='Write it like tiers = [{ price = "0.001" }]')
    tiers: list[Row] = []
    reached: Decimal | None = ZERO
    for item in value:
        table = _table("tiers", item, ("price",), ("from", "up_to", "price"))
        if reached is None:
            raise PlanError("a tier follows an open one", fix="Only the last tier may have no up_to")
        if "from" in table and (start := Decimal(_number("from", table["from"]))) != reached:
            wrong = "leave a gap" if start > reached else "overlap"
            raise PlanError(
                f"tiers {wrong} between {plain(reached)} and {plain(start)}", fix="Start each at the last up_to"
            )
        up_to = _number("up_to", table["up_to"]) if "up_to" in table else None
        if up_to is not None and Decimal(up_to) <= reached:
            raise PlanError(
                f"tiers overlap: up_to = {up_to} does not follow {plain(reached)}", fix="Order tiers by up_to"
            )
        reached = Decimal(up_to) if up_to is not None else None
        tiers.append({"up_to": up_to, "price": _number("price", table["price"])})
    return tiers


def _free(key: str, value: object) -> object:
    table = _table(key, value, ("quantity", "kind"), ("quantity", "per", "kind", "pool"))
    if table.get("per", "month") != "month":
        raise PlanError(f"free.per = {table['per']!r} is not known", fix='Allowances are per = "month"')
    row = {"quantity": _number("quantity", table["quantity"]), "kind": _text("kind", table["kind"])}
    return row | ({"pool": _text("pool", table["pool"])} if "pool" in table else {})


def _rounding(key: str, value: object) -> object:
    table = _table(key, value, (), ("increment", "minimum", "unit"))
    row = {name: _number(name, table.get(name, "0")) for name in ("increment", "minimum")}
    if not table:
        raise PlanError("rounding is empty", fix='Write it like rounding = { increment = "1", minimum = "15" }')
    return row | ({"unit": str(_unit("unit", table["unit"]))} if "unit" in table else {})


def _counts(key: str, value: object) -> object:
    table = _table(key, value, ("chinese",), ("chinese", "markup", "uncounted"))
    row: dict[str, object] = {"chinese": _number("chinese", table["chinese"])}
    if "markup" in table:
        row["markup"] = _flag("markup", table["markup"])
    if "uncounted" in table:
        if not row.get("markup"):
            raise PlanError("uncounted names tags that do not count where the others do", fix="Write markup = true")
        row["uncounted"] = _names("uncounted", table["uncounted"])
    return row


def _unit(key: str, value: object) -> object:
    """A unit of ours, as people write it (`GB`, `hours`); of `other.*` operations any word."""
    name, times = parse_unit(str(_text(key, value)), any_name=True)
    if times != 1:
        raise PlanError(
            f"{key} = {value!r} is {grouped(times)} {plural(name)}", fix=f"Give the price per {plural(name, ONE)}"
        )
    return name


def _committed(key: str, value: object) -> object:
    table = _table(key, value, ("fee", "included"), ("fee", "per", "included", "overage"))
    if (per := table.get("per", "month")) not in PER_MONTH:
        raise PlanError(f"commitment.per = {per!r} is not known", fix=f"Fees are per {', '.join(PER_MONTH)}")
    row: dict[str, object] = {
        name: _number(name, table[name]) for name in ("fee", "included", "overage") if name in table
    }
    return row | ({} if per == "month" else {"per": str(per)})


_CHECKS = {
    "provider": _name, "region": _name, "kind": _choice(*get_args(Kind)), "operations": _operations,
    "features": _names, "includes": _names, "variant": _name, "default": _flag, "unit": _unit,
    "tiers": _tiers, "free": _free, "rounding": _rounding, "counts": _counts, "commitment": _committed,
    "per": _choice(*get_args(Per)),
    "currency": _choice("USD"), "accelerator_count": _whole, "vcpus": _number, "memory_gb": _number, "spot": _flag,
    "effective_from": _date, "as_of": _date,
}  # fmt: skip


def _check_whole(row: Row) -> None:
    unit = str(row["unit"])
    if unit not in UNITS and not all(name.startswith("other.") for name in cast("Sequence[str]", row["operations"])):
        fix = nearest(unit, [plural(known) for known in UNITS])
        raise PlanError(f"unknown unit {unit!r}", fix=fix, path=("unit",))
    rounding = row.get("rounding")
    if isinstance(rounding, Mapping) and not convertible(str(rounding.get("unit", row["unit"])), str(row["unit"])):
        raise PlanError(f"rounding is in {rounding['unit']}, the price per {row['unit']}", fix="Use units that convert")
    if "counts" in row and base_of(unit) != "character":
        raise PlanError(f"counts is for prices per character, not per {unit}", fix="Drop it", path=("counts",))
    every = [name for name in cast("Sequence[str]", row["operations"]) if name in _EVERY]
    if every and not row["own"]:
        raise PlanError(f"{every[0]!r} is for overlays", fix="Name each operation", path=("operations",))
    if "tiers" not in row and "commitment" not in row:
        raise PlanError("a price has neither tiers nor a commitment", fix='Write tiers = [{ price = "0.001" }]')
    if "tiers" in row and "commitment" in row:
        raise PlanError("a price has both tiers and a commitment", fix="Make two entries of it")
    tiers = cast("Sequence[Row]", row.get("tiers", ()))
    if "free" in row and tiers and tiers[0]["price"] == "0":
        raise PlanError("the free units stand twice: in free and as a tier of price 0", fix="Keep free, drop the tier")
    if row["kind"] == "addon" and not row.get("features"):
        raise PlanError("an addon names no features", fix='Write features = ["..."]: what triggers it')
