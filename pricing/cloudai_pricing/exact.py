"""Exact money: one decimal context, one place where a number that doesn't end is cut, one way to write a number.

Sums and products are exact. Only a division (a day's volume into a month's, seconds into hours, growth over many
months) can give a number without end; it is cut to 9 places by `cut` (prices to 15), and everything after it is exact
again.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Context, Decimal, InvalidOperation, localcontext

ZERO = Decimal(0)
ONE = Decimal(1)
PLACES = 9
PRICE_PLACES = 15
LARGEST = Decimal("1e18")
"""No quantity may pass this: it is a slip of the pen, and keeps every product within the context's digits."""

_CONTEXT = Context(prec=80, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation])
_STEPS = {places: Decimal(1).scaleb(-places) for places in range(PRICE_PLACES + 1)}


def exactly() -> AbstractContextManager[Context]:
    """The context that all sums of the planner are done in: 80 digits are more than any product has."""
    return localcontext(_CONTEXT)


def cut(number: Decimal, places: int = PLACES) -> Decimal:
    """To at most so many decimal places; a number that has no more stays as it is."""
    short = number.quantize(_STEPS[places], ROUND_HALF_EVEN, _CONTEXT)
    return number if short == number else short


def ceiling(number: Decimal, step: Decimal) -> Decimal:
    """The smallest multiple of `step` that is not below `number`."""
    whole = (number / step).to_integral_value(rounding=ROUND_CEILING)
    return whole * step


def plain(number: Decimal) -> str:
    """`1200.5`: no exponent, no trailing zeros, no minus zero."""
    if not number:
        return "0"
    text = format(number, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


def grouped(number: Decimal) -> str:
    """`1,200.5`, for people."""
    return f"{Decimal(plain(number)):,f}"


def money(number: Decimal) -> str:
    """`$1,234.56`, `-$3.00`; small amounts with the places they need (`$0.0042`); never `$0.00` for what costs."""
    if number < 0:
        return f"-{money(-number)}"
    if number and number < Decimal("0.01"):
        return f"${plain(Decimal(f'{number:.2g}'))}"
    return f"${number:,.2f}"


def each(number: Decimal) -> str:
    """A unit price for people: `$0.000016`, `$0.016`, `$1.50`; to six significant digits."""
    text = plain(Decimal(f"{number:.6g}"))
    whole, _, places = text.partition(".")
    return f"${whole}.{places.ljust(2, '0')}" if number else "free"
