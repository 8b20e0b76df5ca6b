"""Apertium's stream format: text on the way in and out, so that several texts pass in one run, unharmed.

Whatever is not to be translated (markup, tabs, blank lines, the borders between texts, characters with a meaning of
their own) travels as a numbered *superblank*, `[17]`, and is put back by its number. Words that the dictionaries don't
have come back with a mark (`*`, `@` or `#`), which is taken off and counted.
See https://wiki.apertium.org/wiki/Apertium_stream_format.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

RESERVED = r"[\]\[{}^$/\\@<>]"
_IN = re.compile(rf"(?P<single> (?=\S))|(?P<space>\s+)|(?P<reserved>{RESERVED})|(?P<literal>[*#~\x00-\x1f\x7f-\x9f])")
_MARKED_UP = re.compile(
    r"\\(?P<escaped>.)|(?P<end>\[\])|\[(?P<blank>(?:[^\\\]]|\\.)*)\]|(?P<literal>[*#~\s])", re.DOTALL
)
_OUT = re.compile(
    r"\\(?P<escaped>.)|(?P<end>\.?\[\])|\[(?P<blank>\d+)\]|(?P<mark>[*@#])(?P<word>\w*)|(?P<rest>[^\\.\[*@#]+|.)",
    re.DOTALL,
)
_SENTENCE_END = ".[]"
"""A full stop for the translator only. `[]` marks it, so that it can be taken away again."""


class LostMarkup(Exception):
    """A superblank is missing, doubled or in another text after the translation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Translated:
    """Texts in order, and the words that Apertium's dictionaries don't have."""

    texts: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(slots=True)
class Stream:
    """One run: `add` texts, give `text()` to Apertium, and `read` what it says."""

    _parts: list[str] = field(default_factory=list)
    _blanks: list[str] = field(default_factory=list)
    _borders: list[int] = field(default_factory=list)

    def add_plain(self, text: str) -> None:
        """A plain text: blank lines end a sentence, single line breaks don't."""
        self._add(_IN.sub(self._plain, text))

    def add_marked_up(self, stream: str) -> None:
        """A text as one of Apertium's deformatters gives it (`apertium-deshtml`)."""
        self._add(_MARKED_UP.sub(self._marked_up, stream))

    def text(self) -> str:
        """What goes into `apertium -f none`."""
        return "".join(self._parts)

    def read(self, output: str) -> Translated:
        """Raises `LostMarkup` unless each text has the superblanks back that it came with."""
        texts: list[str] = []
        unknown: list[str] = []
        current: list[str] = []
        seen: set[int] = set()
        for match in _OUT.finditer(output.removesuffix("\n")):
            number = match["blank"]
            if number is None:
                current.append(_said(match))
                unknown += [match["word"]] if match["mark"] else []
            elif int(number) in self._borders:
                self._check(len(texts), int(number), seen)
                texts.append("".join(current))
                current, seen = [], set()
            else:
                current.append(self._blank(int(number), seen))
        if len(texts) != len(self._borders):
            raise LostMarkup
        return Translated(texts=tuple(texts), unknown=tuple(word for word in unknown if word))

    def _add(self, body: str) -> None:
        self._parts.append(body + _SENTENCE_END + self._new_blank(""))
        self._borders.append(len(self._blanks) - 1)

    def _new_blank(self, content: str) -> str:
        self._blanks.append(content)
        return f"[{len(self._blanks) - 1}]"

    def _plain(self, match: re.Match[str]) -> str:
        if match["single"]:
            return " "
        if match["reserved"]:
            return "\\" + match["reserved"]
        found = match[0]
        return (_SENTENCE_END if found.count("\n") > 1 else "") + self._new_blank(found)

    def _marked_up(self, match: re.Match[str]) -> str:
        if match["end"] or match["escaped"] or match["literal"] == " ":
            return match[0]
        if match["blank"] is not None:
            return self._new_blank(re.sub(r"\\(.)", r"\1", match["blank"], flags=re.DOTALL))
        return self._new_blank(match["literal"])

    def _blank(self, number: int, seen: set[int]) -> str:
        if number in seen or number >= len(self._blanks):
            raise LostMarkup
        seen.add(number)
        return self._blanks[number]

    def _check(self, place: int, border: int, seen: set[int]) -> None:
        expected = self._borders[place] if place < len(self._borders) else -1
        first = self._borders[place - 1] + 1 if place else 0
        if border != expected or seen != set(range(first, border)):
            raise LostMarkup


def batches(texts: Sequence[str], *, characters: int) -> Iterator[Sequence[int]]:
    """Places of texts that go through Apertium together: as many as fit, and at least one."""
    batch: list[int] = []
    size = 0
    for index, text in enumerate(texts):
        if batch and size + len(text) > characters:
            yield batch
            batch, size = [], 0
        batch.append(index)
        size += len(text)
    if batch:
        yield batch


def _said(match: re.Match[str]) -> str:
    if match["end"]:
        return ""
    return match["escaped"] or match["word"] or match["rest"] or ""
