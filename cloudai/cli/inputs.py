"""What the user named as input: files, patterns that the shell left alone, addresses, text, standard input."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from cloudai.errors import InvalidInput

STDIN = "-"


@dataclass(frozen=True, slots=True)
class Input:
    """One input: what the client is given, and what it is called in messages and JSON Lines."""

    label: str
    source: str | Sequence[str] | IO[bytes] | None


def file_inputs(words: Sequence[str]) -> list[Input]:
    """Patterns expanded and sorted, each file once. Raises `InvalidInput` for a pattern that matches nothing."""
    names = list(dict.fromkeys(name for word in words for name in _expand(word)))
    return [Input("stdin", _binary_stdin()) if name == STDIN else Input(name, name) for name in names]


def is_pattern(word: str) -> bool:
    """Whether it stands for files by `*`, `?` or `[...]`: not an address, and no file of that very name."""
    return glob.has_magic(word) and "://" not in word and not os.path.lexists(word)


def _expand(word: str) -> list[str]:
    if not is_pattern(word):
        return [word]
    found = sorted(name for name in glob.glob(word, recursive=True) if os.path.isfile(name))  # noqa: PTH113, PTH207
    if not found:
        raise InvalidInput(f"no file matches {word!r}")
    return found


def text_input(words: str | Sequence[str]) -> Input:
    """One text, several, or the whole of standard input without its last line end."""
    if words in (STDIN, [STDIN]):
        read = _text_stdin()
        return Input("stdin", read if isinstance(words, str) else [read])
    if not isinstance(words, str) and STDIN in words:
        raise InvalidInput("give texts, or - for standard input, not both")
    return Input("text", words)


def _binary_stdin() -> IO[bytes]:
    if sys.stdin is None or sys.stdin.isatty():
        raise InvalidInput("- reads the file from standard input, which is a terminal: redirect a file into it")
    return sys.stdin.buffer


def _text_stdin() -> str:
    try:
        text = sys.stdin.buffer.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"standard input is not UTF-8 text: {error}") from None
    return text.removesuffix("\n").removesuffix("\r")
