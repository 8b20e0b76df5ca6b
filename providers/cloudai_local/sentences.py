"""A text cut into pieces that a translation model takes, with what stood between them, so that it can be rejoined."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_BORDER = re.compile(r"(\s*\n\s*|(?<=[.!?…])[^\S\n]+(?=[^\s\w]*[^\W\d_a-zà-öø-ÿ])|(?<=[。！？])(?=[^\s」』”’）]))")
"""Line breaks; a full stop before a letter that is no small one; a full stop of Chinese or Japanese."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """`before` is the white space that stood before it."""

    text: str
    before: str = ""


def pieces(text: str, *, fits: Callable[[str], bool]) -> Iterator[Piece]:
    """Sentences, and parts of those that don't fit, cut between words (or anywhere, where a word is too long).

    `"".join(piece.before + piece.text for piece in pieces(text, ...)) == text`.
    """
    parts = _BORDER.split(text)
    between = ""
    for index, part in enumerate(parts):
        if index % 2:
            between += part
            continue
        start, core, end = _trimmed(part)
        if not core:
            between += part
            continue
        for number, chunk in enumerate(_fitting(core, fits)):
            yield Piece(text=chunk.text, before=between + start if number == 0 else chunk.before)
        between = end
    if between:
        yield Piece(text="", before=between)


def _trimmed(part: str) -> tuple[str, str, str]:
    core = part.strip()
    at = part.find(core)
    return part[:at], core, part[at + len(core) :]


def _fitting(text: str, fits: Callable[[str], bool]) -> Iterator[Piece]:
    if fits(text) or len(text) < 2:
        yield Piece(text=text)
        return
    middle = len(text) // 2
    spaces = [match for match in re.finditer(r"\s+", text) if match.end() < len(text)]
    space = min(spaces, key=lambda match: abs(match.start() - middle), default=None)
    cut, after = (space.start(), space.end()) if space else (middle, middle)
    yield from _fitting(text[:cut], fits)
    for number, chunk in enumerate(_fitting(text[after:], fits)):
        yield Piece(text=chunk.text, before=text[cut:after] if number == 0 else chunk.before)
