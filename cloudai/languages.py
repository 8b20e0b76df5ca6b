"""Languages as BCP 47 tags in one form: for drivers, engines and anyone who compares two of them.

The form is the canonical one of BCP 47 (RFC 5646, CLDR aliases) with three choices on top:

- `no` is `nb`, and the usual member of a macrolanguage is its everyday code (`cmn` -> `zh`, `arb` -> `ar`): the table
  is in `languages.toml`.
- Chinese with a region says its script too, because services use the region to mean it: `zh-CN` -> `zh-Hans-CN`,
  `zh-TW` -> `zh-Hant-TW`. `zh` alone stays `zh`; `without_region` makes `zh-Hans` where the region means nothing more.
- A region that was given is kept, and none is invented: `pt-BR` and `pt` are two tags, which `matches` can compare.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from cloudai.errors import InvalidInput

if TYPE_CHECKING:
    from langcodes import Language

UNDETERMINED = "und"
"""The tag for a language that could not be told."""

_LONGEST = 100
"""Characters in a tag. Registered ones stay under 36 (RFC 5646, 4.4.1)."""
_FOR_DETECTION = frozenset({"auto", "detect", "autodetect"})


@lru_cache(maxsize=4096)
def normalise(tag: str) -> str:
    """The one form of a tag: `iw` -> `he`, `pt_br` -> `pt-BR`, `zho_Hant` -> `zh-Hant`, `no` -> `nb`.

    Raises `InvalidInput` for what is no tag or has a language, script or region that is not registered; the message
    names the nearest language.
    """
    return str(_parsed(tag))


def is_valid(tag: str) -> bool:
    """Whether `normalise` would take it."""
    try:
        normalise(tag)
    except InvalidInput:
        return False
    return True


def language_of(tag: str) -> str:
    """The language alone: `zh-Hant-TW` -> `zh`."""
    return _parsed(tag).language or UNDETERMINED


def parent(tag: str) -> str | None:
    """One subtag less, from the right (RFC 4647, lookup): `zh-Hant-TW` -> `zh-Hant` -> `zh` -> `None`."""
    head, _, _ = normalise(tag).rpartition("-")
    if len(head) > 2 and head[-2] == "-":
        head = head[:-2]
    return head if len(head) > 1 else None


def without_region(tag: str) -> str:
    """For services whose regions stand for scripts: `zh-TW` -> `zh-Hant`, `en-GB` -> `en`."""
    return str(_with(_parsed(tag), territory=None))


def matches(wanted: str, offered: str) -> bool:
    """Whether `offered` serves one who asked for `wanted`: the language and script are the same, and no region or
    variant contradicts. `en-GB` is served by `en` and `en` by `en-GB`; `pt-BR` is not by `pt-PT`, `zh-TW` not by `zh`.
    """
    want, have = _parsed(wanted), _parsed(offered)
    if want.language != have.language or _script(want) != _script(have):
        return False
    if want.territory and have.territory and want.territory != have.territory:
        return False
    return set(have.variants or ()) <= set(want.variants or ())


def best_match(wanted: str, offered: Iterable[str]) -> str | None:
    """The offered tag that serves `wanted` best, as it was offered; `None` when none does.

    The same tag first, then the one without a region, then the language's main region, then the first offered.
    """
    fitting = [tag for tag in offered if matches(wanted, tag)]
    exact, home = normalise(wanted), _parsed(wanted).maximize().territory

    def distance(tag: str) -> int:
        region = _parsed(tag).territory
        return 0 if normalise(tag) == exact else 1 if not region else 2 if region == home else 3

    return min(fitting, key=distance, default=None)


def display_name(tag: str, language: str = "en") -> str | None:
    """The name of a language: `pt-BR` -> `Portuguese (Brazil)` when the package `language_data` is installed.

    Without it only English names, and regions and scripts as their codes: `Portuguese (BR)`. `None`: not known.
    """
    parsed = _parsed(tag)
    if _has_names():
        name = parsed.display_name(normalise(language))
        return None if name.startswith("Unknown language") else name
    known = _table("names").get(parsed.language or "")
    if known is None or language_of(language) != "en":
        return None
    details = ", ".join(part for part in (parsed.script, parsed.territory) if part)
    return f"{known} ({details})" if details else known


def _script(language: Language) -> str | None:
    return language.script or language.maximize().script


@lru_cache(maxsize=4096)
def _parsed(tag: str) -> Language:
    from langcodes import Language
    from langcodes.tag_parser import LanguageTagError

    if len(tag) > _LONGEST:
        raise InvalidInput(f"{tag[:20]!r}... is no language tag, such as 'en' or 'pt-BR'")
    if tag.strip().lower() in _FOR_DETECTION:
        raise InvalidInput(f"{tag!r} is no language: leave it out to have the language detected")
    try:
        known = Language.get(tag.strip().replace("_", "-"))
    except LanguageTagError:
        raise InvalidInput(f"{tag!r} is no language tag, such as 'en' or 'pt-BR'{_nearest(tag)}") from None
    if known.extlangs or not known.is_valid():
        raise InvalidInput(f"unknown language {tag!r}{_nearest(tag)}")
    return _in_our_form(known)


def _in_our_form(known: Language) -> Language:
    usual = _table("same_as").get(known.language or "")
    if usual is not None:
        known = _with(known, language=usual)
    if known.language == "zh" and known.territory and not known.script:
        known = _with(known, script=known.maximize().script)
    return known.simplify_script()


def _with(known: Language, **parts: str | None) -> Language:
    return type(known).make(**{**known.to_dict(), **parts})


def _nearest(tag: str) -> str:
    """`; did you mean 'de' (German)?`, by the names first, then by the codes; empty when nothing is near."""
    names = _table("names")
    codes = {name.lower(): code for code, name in names.items()}
    word = tag.strip().lower()
    near = difflib.get_close_matches(word, codes, n=1, cutoff=0.7)
    if near:
        code = codes[near[0]]
    else:
        first = word.replace("_", "-").split("-")[0]
        by_code = difflib.get_close_matches(first, names, n=1, cutoff=0.5)
        if not by_code:
            return ""
        code = by_code[0]
    return f"; did you mean {code!r} ({names[code]})?"


@cache
def _table(name: str) -> Mapping[str, str]:
    import tomllib
    from pathlib import Path

    text = (Path(__file__).parent / "languages.toml").read_text(encoding="utf-8")
    table: dict[str, str] = tomllib.loads(text)[name]
    return table


@cache
def _has_names() -> bool:
    from importlib.util import find_spec

    return find_spec("language_data") is not None
