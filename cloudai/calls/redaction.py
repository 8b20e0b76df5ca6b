"""What is taken out of a text before it leaves: built-in detectors, and a function of the user's own.

The detectors prefer missing something odd to blanking a harmless number: cards and IBANs must pass their check digits,
and a phone number must be written as one (`+49 30 901820`, `(030) 901820-12`). Finds become `[card]`, `[email]`, ...
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

Redact = Callable[[str], str]
"""A user's function: the text that may leave."""

_SUSPECT = re.compile(r"[\d@]")
"""Without one of these no detector finds anything."""
_CARD = re.compile(r"(?<![\w.+(-])[2-6]\d{3}(?:[ -]?\d){9,15}(?![\w-]|\.\d)")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?!\w)")
_EMAIL = re.compile(
    r"(?<![\w.+-])[\w.!#$%&'*+/=?^`{|}~-]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.){1,8}[^\W\d_]{2,24}(?![\w-]|\.\w)"
)
_PHONE = re.compile(
    r"(?<![\w.+/-])(?:\+\d{1,3}[ .-]?(?:\(0?\)[ .-]?)?(?:\(\d{1,5}\)|\d{1,5})|\(0?\d{1,5}\)|00\d{1,3}[ .-]\d{1,5})"
    r"(?:[ .-]?\d{1,6}){1,5}(?![\w/-]|[.,]\d)"
)

_COUNTRIES: Final[Mapping[int, str]] = {
    15: "NO",
    16: "BE",
    18: "DK FI FO GL NL",
    19: "MK SI",
    20: "AT BA EE KZ LT LU XK",
    21: "CH HR LI LV",
    22: "BG BH CR DE GB GE IE ME RS VA",
    23: "AE GI IL IQ TL",
    24: "AD CZ ES MD PK RO SA SE SK TN VG",
    25: "LY PT ST",
    26: "IS TR",
    27: "FR GR IT MC MR SM",
    28: "AL AZ BY CY DO GT HU LB PL SV",
    29: "BR EG PS QA UA",
    30: "JO KW MU",
    31: "MT SC",
    32: "LC",
}
IBAN_LENGTHS: Final = {country: length for length, countries in _COUNTRIES.items() for country in countries.split()}
"""Characters of an IBAN by country: the SWIFT IBAN registry,
https://www.swift.com/standards/data-standards/iban-international-bank-account-number, read 2026-11-21."""


def is_card(digits: str) -> bool:
    """Whether digits are a card number of 13 to 19 by Luhn's check (ISO/IEC 7812)."""
    if not 13 <= len(digits) <= 19 or len(set(digits)) == 1:
        return False
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (doubled + sum(int(digit) for digit in digits[-1::-2])) % 10 == 0


def is_iban(text: str) -> bool:
    """Whether letters and digits are an IBAN: its country's length, and 1 modulo 97 (ISO 13616)."""
    if len(text) != IBAN_LENGTHS.get(text[:2]):
        return False
    return int("".join(str(int(character, 36)) for character in text[4:] + text[:4])) % 97 == 1


def is_phone(digits: str) -> bool:
    """Whether there are as many digits as E.164 and national plans have: 7 to 15."""
    return 7 <= len(digits) <= 15


@dataclass(frozen=True, slots=True)
class Detector:
    """What it looks for, and what a find must be."""

    pattern: re.Pattern[str]
    check: Callable[[str], bool]
    """Given the find without spaces and punctuation."""
    keep: str = "0-9"
    """Characters that `check` is given."""


DETECTORS: Final[Mapping[str, Detector]] = {
    "iban": Detector(_IBAN, is_iban, keep="A-Z0-9"),
    "card": Detector(_CARD, is_card),
    "email": Detector(_EMAIL, bool, keep="@"),
    "phone": Detector(_PHONE, is_phone),
}
"""In the order they look: what one has found, the next does not see."""


def redact(texts: Iterable[str], names: Iterable[str], own: Redact | None) -> tuple[tuple[str, ...], Mapping[str, int]]:
    """The texts that may leave, and how much was taken out by detector (`own`: texts that the function changed)."""
    texts = tuple(texts)
    if own is None and not any(map(_SUSPECT.search, texts)):
        return texts, {}
    counts = Counter[str]()
    wanted = [(name, detector) for name, detector in DETECTORS.items() if name in set(names)]
    cleaned = []
    for text in texts:
        for name, detector in wanted if _SUSPECT.search(text) else ():
            text, found = _without(text, name, detector)  # noqa: PLW2901  # one text, from detector to detector
            counts[name] += found
        if own is not None:
            after = own(text)
            counts["own"] += after != text
            text = after  # noqa: PLW2901
        cleaned.append(text)
    return tuple(cleaned), {name: count for name, count in counts.items() if count}


def _without(text: str, name: str, detector: Detector) -> tuple[str, int]:
    found = 0

    def replace(match: re.Match[str]) -> str:
        nonlocal found
        if not detector.check(re.sub(f"[^{detector.keep}]", "", match[0])):
            return match[0]
        found += 1
        return f"[{name}]"

    return detector.pattern.sub(replace, text), found
