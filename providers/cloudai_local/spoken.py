"""What the synthesis engines share: text that can be spoken, and language tags."""

from __future__ import annotations

import re

from cloudai.errors import InvalidInput, TooLarge
from cloudai.languages import is_valid, normalise

MAX_CHARACTERS = 100_000
"""Of one call: near two hours of speech."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def speakable(text: str) -> str:
    """The text with control characters as spaces. Raises `InvalidInput` for none or for lone surrogates, `TooLarge`."""
    if len(text) > MAX_CHARACTERS:
        raise TooLarge(f"{len(text):,} characters are over the {MAX_CHARACTERS:,} of local synthesis: divide the text")
    for place, letter in enumerate(text):
        if "\ud800" <= letter <= "\udfff":
            raise InvalidInput(f"the text has a lone surrogate at {place}: it was decoded wrongly")
    cleaned = _CONTROL.sub(" ", text)
    if not cleaned.strip():
        raise InvalidInput("there is no text to speak")
    return cleaned


def bcp47(tag: str) -> str:
    """As everywhere in cloudai; of a tag that is not BCP 47 (espeak-ng's `chr-US-Qaaa-x-west`) its beginning."""
    parts = tag.replace("_", "-").split("-")
    whole = (("-".join(parts[:length])) for length in range(len(parts), 0, -1))
    return next((normalise(part) for part in whole if is_valid(part)), "und")


def covers(wanted: str, tag: str) -> bool:
    """Whether `tag` is the language wanted, or one of its regions."""
    asked, found = wanted.replace("_", "-").lower(), tag.lower()
    return found == asked or found.startswith(f"{asked}-")
