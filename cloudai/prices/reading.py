"""JSON that a feed sent, parsed at the border: each value is of the type asked for, or the feed is malformed."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import NoReturn, cast

_LARGEST = Decimal("1e18")


class Malformed(ValueError):
    """A feed's document is not what its description says. `str()` says which part."""


def parse(text: str) -> object:
    """JSON with every fraction as `Decimal`. Raises `Malformed`."""
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise Malformed(f"it is not JSON from line {error.lineno}, column {error.colno} on (cut off?)") from error
    except RecursionError as error:
        raise Malformed("it is nested too deeply") from error
    except ValueError as error:  # int() on thousands of digits
        raise Malformed(str(error)) from error


def _refuse(constant: str) -> NoReturn:
    raise Malformed(f"{constant} is not a number")


def table(value: object, what: str) -> Mapping[str, object]:
    """A JSON object."""
    if not isinstance(value, dict):
        raise Malformed(f"{what} is not an object")
    return cast("Mapping[str, object]", value)


def items(value: object, what: str) -> Sequence[object]:
    """A JSON array; a key that is not there is an empty one (proto3 JSON leaves empty fields out)."""
    if value is None:
        return ()
    if not isinstance(value, list):
        raise Malformed(f"{what} is not a list")
    return cast("Sequence[object]", value)


def text(row: Mapping[str, object], key: str, default: str | None = None) -> str:
    """A string; without a default it must be there."""
    value = row.get(key, default)
    if not isinstance(value, str):
        raise Malformed(f"{key} = {str(value)[:60]!r} is not a text")
    return value


def number(row: Mapping[str, object], key: str, default: str | None = None) -> Decimal:
    """A finite number that is not negative, written as a JSON number or as text."""
    value = row.get(key, default)
    try:
        if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
            raise InvalidOperation
        found = Decimal(value)
        if not found.is_finite() or not 0 <= found <= _LARGEST:
            raise InvalidOperation
    except InvalidOperation as error:
        raise Malformed(f"{key} = {str(value)[:60]!r} is not a price or a quantity") from error
    return found


def day(row: Mapping[str, object], key: str) -> str:
    """The ISO day of a timestamp (`2026-09-11T20:14:32Z`)."""
    value = text(row, key)
    try:
        return datetime.date.fromisoformat(value[:10]).isoformat()
    except ValueError as error:
        raise Malformed(f"{key} = {value[:60]!r} is not a time") from error
