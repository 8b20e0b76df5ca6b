"""AWS's language codes and BCP 47, both ways, by the tables of `languages.toml`. Pure functions, no I/O."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

from cloudai.errors import InvalidInput, Unsupported
from cloudai.languages import UNDETERMINED, best_match, language_of, normalise

AUTO = "auto"


@lru_cache(maxsize=1024)
def from_aws(code: str, service: str) -> str:
    """BCP 47, normalised: Translate's `zh-TW` is `zh-Hant`, Transcribe's `he-IL` stays, Polly's `arb` is `ar`."""
    meant = _table(service).get("means", {}).get(code, code)
    try:
        return normalise(meant)
    except InvalidInput:
        return UNDETERMINED


@lru_cache(maxsize=1024)
def to_aws(tag: str, service: str) -> str:
    """The code that serves `tag` best. Raises `Unsupported` when the language is known but not in this script or
    region; a language that the tables don't know is sent as it is: AWS may have learned it."""
    wanted = normalise(tag)
    offered = _codes(service)
    found = best_match(wanted, offered)
    if found is not None:
        return offered[found]
    if language_of(wanted) in {language_of(form) for form in offered}:
        near = ", ".join(form for form in offered if language_of(form) == language_of(wanted))
        raise Unsupported(f"Amazon {service.title()} has {near}, not {wanted}")
    if service == "translate" and len(language_of(wanted)) <= 5:
        return language_of(wanted)
    raise Unsupported(f"Amazon {service.title()} does not have {wanted}")


def voice_for(tag: str) -> tuple[str, str, str]:
    """Polly's default voice for a language: id, engine and its code."""
    code = to_aws(tag, "polly")
    voice = _table("polly")["voices"][code]
    return voice["id"], voice["engine"], code


def engine_of(voice: str) -> str | None:
    """The engine of a voice that is somebody's default; `None`: to be looked up."""
    return next((each["engine"] for each in _table("polly")["voices"].values() if each["id"] == voice), None)


def display_code(tag: str) -> str | None:
    """How Translate is told the language of names; `None`: it has no names in that language."""
    wanted = normalise(tag)
    offered = {from_aws(code, "translate"): code for code in _table("translate")["names_in"]}
    found = best_match(wanted, offered)
    return None if found is None else offered[found]


@cache
def _codes(service: str) -> Mapping[str, str]:
    """BCP 47 -> code. Of two that mean the same, the one that says so by itself: `en-GB`, not `en-AB`."""
    table = _table(service)
    codes = list(table.get("codes") or table["voices"])
    said_otherwise = set(table.get("means", {}))
    offered: dict[str, str] = {}
    for code in sorted(codes, key=lambda code: code in said_otherwise):
        offered.setdefault(from_aws(code, service), code)
    return offered


@cache
def _table(service: str) -> Mapping[str, Any]:
    text = files("cloudai_aws").joinpath("languages.toml").read_text(encoding="utf-8")
    table: dict[str, Any] = tomllib.loads(text)[service]
    return table
