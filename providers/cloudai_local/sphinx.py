"""pocketsphinx under a grammar: the only way it is used here, because on free speech two words of three are wrong.

A decoder is built for each call (a tenth of a second): it adapts to what it hears, and a result should not depend on
who spoke before.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cloudai.errors import InvalidInput

if TYPE_CHECKING:
    from pocketsphinx import Decoder

RATE = 16_000
FRAMES_PER_SECOND = 100
SEARCH = "grammar"
MAX_GRAMMAR = 100_000
"""Characters."""

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_NO_WORDS = re.compile(r"<[^>]*>|\{[^}]*\}|/[\d.eE+-]*/|#JSGF[^;]*;|\bgrammar\s[^;]*;|\bpublic\b|\\.")
_WORD = re.compile(r"[^\s|()\[\]*+=;\"]+")
_IMPORT = re.compile(r"\bimport\s*<")
_EXAMPLE = "#JSGF V1.0; grammar g; public <command> = yes | no;"


@dataclass(frozen=True, kw_only=True, slots=True)
class SpokenWord:
    """Times in seconds from the start of the audio; `confidence` is its posterior probability within the grammar."""

    text: str
    start: float
    end: float
    confidence: float


def grammar_of(phrases: Iterable[str]) -> str:
    """Any number of these phrases one after the other, as JSGF. Raises `InvalidInput` for a phrase without words."""
    spoken = []
    for phrase in phrases:
        words = re.findall(r"[a-z0-9']+", phrase.lower())
        if not words:
            raise InvalidInput(f"phrases: {phrase!r} has no English words")
        spoken.append(" ".join(words))
    return f"#JSGF V1.0; grammar phrases; public <said> = ({' | '.join(dict.fromkeys(spoken))})+;"


def hear(samples: bytes, grammar: str) -> Iterator[tuple[SpokenWord, ...]]:
    """What was said in each stretch of speech; `samples` are mono, 16-bit, 16 kHz.

    Empty for a stretch that is no sentence of the grammar. Raises `InvalidInput` for a wrong grammar.
    """
    from pocketsphinx import Segmenter

    decoder = _decoder(grammar)
    sentences = decoder.get_fsg(SEARCH)
    for stretch in Segmenter(sample_rate=RATE).segment(io.BytesIO(samples)):
        decoder.start_utt()
        decoder.process_raw(stretch.pcm, full_utt=True)
        decoder.end_utt()
        words = tuple(_words(decoder, stretch.start_time))
        yield words if sentences.accept(" ".join(word.text for word in words)) else ()


def _decoder(grammar: str) -> Decoder:
    from pocketsphinx import Decoder

    if len(grammar) > MAX_GRAMMAR:
        raise InvalidInput(f"the grammar has {len(grammar):,} characters; the limit is {MAX_GRAMMAR:,}")
    bare = _COMMENT.sub(" ", grammar)
    if _IMPORT.search(bare):
        raise InvalidInput("a grammar may not import another: write its rules into it")
    decoder = Decoder(lm=None, loglevel="FATAL")
    unknown = sorted({word for word in _WORD.findall(_NO_WORDS.sub(" ", bare)) if decoder.lookup_word(word) is None})
    try:
        decoder.add_jsgf_string(SEARCH, grammar)
    except (ValueError, RuntimeError) as error:
        if unknown:
            said = f"not in its English dictionary (lower case): {', '.join(unknown[:8])}"
        else:
            said = f"it is not JSGF such as {_EXAMPLE}"
        raise InvalidInput(f"pocketsphinx can't use this grammar: {said}") from error
    decoder.activate_search(SEARCH)
    return decoder


def _words(decoder: Decoder, offset: float) -> Iterator[SpokenWord]:
    """Without the fillers `<s>`, `<sil>`, `[NOISE]`; a pronunciation's number, `two(2)`, is not part of the word."""
    if decoder.hyp() is None:
        return
    for part in decoder.seg():
        if not part.word.startswith(("<", "[", "(")):
            yield SpokenWord(
                text=re.sub(r"\(\d+\)$", "", part.word),
                start=offset + part.start_frame / FRAMES_PER_SECOND,
                end=offset + (part.end_frame + 1) / FRAMES_PER_SECOND,
                confidence=min(max(float(part.prob), 0.0), 1.0),
            )
