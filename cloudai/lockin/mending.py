"""Parses code that this Python's grammar does not take: of Python 2, of newer Pythons, or with a line that is wrong.

Each line that a syntax error names is written anew where it is known how, else left out and told; lines keep their
numbers. Notebooks for other languages and text come to nothing: too many of their lines are wrong.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass

MOST = 30
"""Lines that are left out, at most: with more it is no Python."""
_TRIES = 100
_PRINT = re.compile(r"^(\s*)((?:[^#'\"]*[:;]\s*)?)print\s+(?:>>\s*[\w.]+\s*,\s*)?([^\s=(,.].*|\(.*)$")
_EXCEPT = re.compile(r"^(\s*except\s+)([^:(]+),\s*(\w+)\s*:")
_TYPED = re.compile(r"^(\s*(?:async\s+)?(?:def|class)\s+\w+)\[.*?\](?=[(:])")
_OPEN = re.compile(r"after .* on line (\d+)")
_QUOTED = re.compile(r"(?i)(?<![\w\"'])(?:f|rf|fr)([\"'])(?!\1\1)")


class NotPython(Exception):
    """Why, and the line."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


@dataclass(frozen=True, slots=True)
class Mended:
    """A tree, the text that it is of, and the lines left out of it with the reason."""

    tree: ast.Module
    text: str
    lost: tuple[tuple[int, str], ...] = ()


def mended(text: str) -> Mended:
    """The tree of a text, as much of it as can be parsed. Raises `NotPython`."""
    try:
        return Mended(_tree(text), text)
    except SyntaxError as error:
        return _Mending(text).parse(error)


def _tree(text: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ast.parse(text)
    except (RecursionError, MemoryError) as error:
        raise NotPython("is nested too deeply") from error
    except ValueError as error:
        if isinstance(error, SyntaxError):
            raise
        raise NotPython(f"can't be parsed: {error}") from error


class _Mending:
    """One text that could not be parsed as it stands."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._mended: dict[int, int] = {}
        """Line -> how often it was changed."""
        self._lost: dict[int, str] = {}

    def parse(self, first: SyntaxError) -> Mended:
        error = first
        for _ in range(_TRIES):
            if not self._change(error) or self._too_much():
                break
            text = "\n".join(self._lines)
            try:
                return Mended(_tree(text), text, tuple(sorted(self._lost.items())))
            except SyntaxError as another:
                error = another
        raise NotPython(f"can't be parsed: {first.msg}", first.lineno)

    def _too_much(self) -> bool:
        return len(self._lost) > min(MOST, sum(1 for line in self._lines if line.strip()) / 2)

    def _change(self, error: SyntaxError) -> bool:
        """The named line written anew; False: there is none, or nothing more can be done to it."""
        if isinstance(error, TabError):
            before, self._lines = self._lines, [line.expandtabs(8) for line in self._lines]
            return before != self._lines
        number = error.lineno or 0
        if not 1 <= number <= len(self._lines):
            return False
        header = _OPEN.search(error.msg)
        if header is not None and "expected an indented block" in error.msg:
            return self._filled(int(header[1]))
        line, changes = self._lines[number - 1], self._mended.get(number, 0)
        self._mended[number] = changes + 1
        if number not in self._lost:
            for known in _REWRITES if changes < len(_REWRITES) else ():
                written = known(line)
                if written != line:
                    self._lines[number - 1] = written
                    if known is not _quotes:  # where one line is of Python 2, others are too
                        self._lines = [known(each) for each in self._lines]
                    return True
        return self._left_out(number, line, error.msg)

    def _left_out(self, number: int, line: str, reason: str) -> bool:
        indent = line[: len(line) - len(line.lstrip())]
        if not line.strip():
            return False
        self._lines[number - 1] = "" if number in self._lost else f"{indent}pass"
        self._lost.setdefault(number, f"can't be parsed: {reason}")
        return True

    def _filled(self, number: int) -> bool:
        """A block whose lines are left out."""
        line = self._lines[number - 1]
        if line.rstrip().endswith("pass"):
            return False
        self._lines[number - 1] = f"{line.partition('#')[0].rstrip()} pass"
        return True


def _print(line: str) -> str:
    """`print "a", b` of Python 2."""
    found = _PRINT.match(line)
    if found is None:
        return line
    given, comment, rest = found[3].rstrip().rstrip("\\").partition(" #")
    return f"{found[1]}{found[2]}print({given.rstrip()}){comment}{rest}"


def _caught(line: str) -> str:
    """`except Error, error:` of Python 2, `except One, Other:` of Python 3.14."""
    found = _EXCEPT.match(line)
    if found is None:
        return line
    name, rest = found[3], line[found.end() :]
    return f"{found[1]}({found[2]}, {name}):{rest}" if name[0].isupper() else f"{found[1]}{found[2]} as {name}:{rest}"


def _typed(line: str) -> str:
    """`def first[T](items: list[T]) -> T:` of Python 3.12."""
    return _TYPED.sub(r"\1", line)


def _quotes(line: str) -> str:
    """`f"{answer["Labels"]}"` of Python 3.12: the inner quotes become the other ones."""
    found, at = list[str](), 0
    while (start := _QUOTED.search(line, at)) is not None:
        found.append(line[at : start.end()])
        inner, at = _inside(line, start.end(), start[1])
        found.append(inner)
    return "".join([*found, line[at:]])


def _inside(line: str, at: int, quote: str) -> tuple[str, int]:
    """The rest of one f-string with its closing quote, and where it ends."""
    found, depth = list[str](), 0
    other = "'" if quote == '"' else '"'
    while at < len(line):
        sign = line[at]
        if sign == "\\" and not depth:
            found.append(line[at : at + 2])
            at += 2
            continue
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if sign == quote and depth <= 0:
            return "".join([*found, sign]), at + 1
        found.append(other if sign == quote else sign)
        at += 1
    return "".join(found), at


_REWRITES: tuple[Callable[[str], str], ...] = (_print, _caught, _typed, _quotes)
