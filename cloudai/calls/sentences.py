"""Where a text may be cut: between paragraphs, sentences or lines, never within a sentence.

Not all borders are looked for, only those that are sure enough to translate both sides apart. That is why this is a
short list of rules and no library of UAX #29: its default rules end a sentence after "Mr. Smith" and at every line
break of a text wrapped at 72 columns, and a request of thousands of characters does not need every border.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final

from cloudai.calls.limits import check_text, utf8_size
from cloudai.errors import TooLarge

if TYPE_CHECKING:
    from cloudai.calls.limits import TextLimits

_FULL_STOPS: Final = ".\u2024\ufe52\uff0e"
"""Sentence_Break=ATerm of UAX #29: they end abbreviations too."""
_WIDE: Final = "\u3002\uff01\uff1f\uff61\ufe12\ufe15\ufe16\ufe56\ufe57"
"""Of scripts that write no space after a sentence."""
_OTHERS: Final = (
    "!?\u0589\u061d-\u061f\u06d4\u0700-\u0702\u07f9\u0837\u0839\u083d\u083e\u0964\u0965\u104a\u104b\u1362\u1367\u1368"
    "\u166e\u1735\u1736\u17d4\u17d5\u1803\u1809\u1944\u1945\u1aa8-\u1aab\u1b4e\u1b4f\u1b5a\u1b5b\u1b5e\u1b5f\u1b7d-\u1b7f"
    "\u1c3b\u1c3c\u1c7e\u1c7f\u203c\u203d\u2047-\u2049\u2cf9-\u2cfb\u2e2e\u2e3c\u2e53\u2e54\u2e60\u2e61\ua4ff\ua60e\ua60f"
    "\ua6f3\ua6f7\ua876\ua877\ua8ce\ua8cf\ua92f\ua9c8\ua9c9\uaa5d-\uaa5f\uaaf0\uaaf1\uabeb"
)
"""Sentence_Terminal of plane 0: https://www.unicode.org/Public/UCD/latest/ucd/PropList.txt (read 2026-11-21)."""
_CLOSING: Final = "\"'\u201d\u2019\u00bb\u203a)\\]}\uff09\uff3d\uff5d\u300d\u300f\u3011\u300b\u3009\u3015"
_ENDS = re.compile(rf"(?P<mark>[{_FULL_STOPS}{_WIDE}{_OTHERS}]+)(?P<close>[{_CLOSING}]*)(?P<space>\s*)")
_PARAGRAPH = re.compile(r"\n[^\S\n]*\n|[\f\u2029]")
_LINE = re.compile(r"[\n\u0085\u2028]")
_WORD = re.compile(r"[\w.]*\Z")
_BACK: Final = 30
"""No abbreviation is longer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A run of whole sentences. `before + text + after` of all pieces, in order, is the text they were cut from."""

    text: str
    start: int = 0
    """In code points of the whole text."""
    before: str = ""
    """White space between this and what came before."""
    after: str = ""
    """White space at the very end."""


@dataclass(frozen=True, slots=True)
class _Room:
    """`TextLimits` of a piece."""

    max_characters: int | None
    max_text_bytes: int | None
    source: str | None


def pieces(text: str, *, limits: TextLimits, whose: str) -> Sequence[Piece]:
    """As few pieces as cuts at the surest borders give, each within the limits.

    They are made of about one size where that takes no more of them: of a last piece of two words an engine would tell
    the language wrong. Raises `TooLarge` naming a sentence that is over the limits by itself.
    """
    borders = _borders(text)
    found = _cut(text, borders, limits, whose)
    share = 1.2 / len(found)
    room = _Room(
        _less(limits.max_characters, len(text) * share), _less(limits.max_text_bytes, utf8_size(text) * share), None
    )
    with suppress(TooLarge):
        even = _cut(text, borders, room, whose)
        if len(even) == len(found):
            return even
    return found


def _less(limit: int | None, wanted: float) -> int | None:
    return None if limit is None else min(limit, ceil(wanted))


def _cut(text: str, borders: Sequence[Sequence[int]], limits: TextLimits, whose: str) -> Sequence[Piece]:
    found: list[Piece] = []
    at, end = 0, len(text.rstrip())
    while at < end:
        start = _past_space(text, at)
        core = text[start : _stop(text, start, end, borders, limits, whose)].rstrip()
        before, at = text[at:start], start + len(core)
        found.append(Piece(text=core, start=start, before=before, after=text[end:] if at == end else ""))
    if not found:
        raise TooLarge(f"the text is {len(text):,} characters of white space: there is nothing in it")
    return found


def _past_space(text: str, at: int) -> int:
    while text[at].isspace():
        at += 1
    return at


def beginning(text: str, *, limits: TextLimits) -> str:
    """As much of a text as the limits allow, not within a word where there is a choice."""
    stripped = text.lstrip()
    room = stripped[: _reach(stripped, 0, limits)]
    cut = re.search(r"\s+\S*\Z", room)
    return room[: cut.start()] if cut and cut.start() > len(room) // 2 else room


def _reach(text: str, start: int, limits: TextLimits) -> int:
    """How far from `start` one request can go."""
    most = len(text) if limits.max_characters is None else start + limits.max_characters
    if limits.max_text_bytes is None:
        return min(most, len(text))
    window = text[start : min(most, start + limits.max_text_bytes)].encode()
    return start + len(window[: limits.max_text_bytes].decode(errors="ignore"))


def _stop(text: str, start: int, end: int, borders: Sequence[Sequence[int]], limits: TextLimits, whose: str) -> int:
    """The last border within reach, of the surest kind that there is."""
    reach = _reach(text, start, limits)
    if reach >= end:
        return end
    for kind in borders:
        place = bisect_right(kind, reach)
        if place and kind[place - 1] > start:
            return kind[place - 1]
    ends = [kind[place] for kind in borders if (place := bisect_right(kind, start)) < len(kind)]
    check_text(text[start : min([*ends, end])], limits=limits, whose=whose, what=f"the sentence at character {start:,}")
    raise AssertionError("a sentence within the limits was not taken")


def _borders(text: str) -> tuple[Sequence[int], ...]:
    """Where sentences end, by how sure that is: paragraphs, plain ends, line breaks, ends that may be abbreviations."""
    sure, likely = list[int](), list[int]()
    for match in _ENDS.finditer(text):
        kind = _kind(text, match)
        if kind is not None:
            (sure if kind else likely).append(match.end("close"))
    paragraphs = [match.start() for match in _PARAGRAPH.finditer(text)]
    lines = [match.start() for match in _LINE.finditer(text)]
    return paragraphs, sure, lines, likely


def _kind(text: str, match: re.Match[str]) -> bool | None:
    """Whether a mark ends a sentence: `True` surely, `False` likely, `None` no."""
    mark, close, space = match.group("mark", "close", "space")
    following = text[match.end() : match.end() + 1]
    if not following or not (space or (mark[-1] in _WIDE and not close)):
        return None
    only_stops = not mark.strip(_FULL_STOPS)
    if following.islower():
        return None if close or only_stops else False
    if not only_stops:
        return True
    word_found = _WORD.search(text, max(0, match.start() - _BACK), match.start())
    word = word_found.group() if word_found else ""
    short = len(word) <= 3
    if "." in word or (short and (word[:1].isdigit() or word[:1].isupper())):
        return None
    return not short and len(mark) == 1 and not word[:1].isupper()
