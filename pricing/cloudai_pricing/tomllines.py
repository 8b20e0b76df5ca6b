"""On which line each key of a TOML document stands: a small scan of text that `tomllib` has found to be valid."""

from __future__ import annotations

import re
import tomllib

from cloudai_pricing.tomlfile import KeyPath

_PART = re.compile(r"""[ \t]*(?:([A-Za-z0-9_-]+)|"((?:[^"\\]|\\.)*)"|'([^']*)')[ \t]*""")
_HEADER = re.compile(r"[ \t]*(\[\[?)")
# What may stand in a value, longest first: strings (which may hold brackets, hashes, newlines), comments, brackets.
_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*|[\[\]{}\n]', re.DOTALL
)


def lines_of(text: str) -> dict[KeyPath, int]:
    """Lines of all keys that start a line, of tables and of tables in arrays. Keys of inline tables are not kept."""
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    position, line = 0, 1
    while position < len(text):
        start = position
        header = _HEADER.match(text, position)
        if header:
            keys, position = _keys(text, header.end())
            table = _place(keys, counts, array=header.group(1) == "[[")
            for length in range(1, len(table) + 1):
                lines.setdefault(table[:length], line)
        elif (pair := _keys(text, position))[0] and text.startswith("=", pair[1]):
            position = pair[1] + 1
            for length in range(1, len(pair[0]) + 1):
                lines.setdefault(table + pair[0][:length], line)
        position = _skip_value(text, position)
        line += text.count("\n", start, position)
    return lines


def _keys(text: str, position: int) -> tuple[tuple[str, ...], int]:
    """The dotted key at a position and where it ends."""
    keys: list[str] = []
    while match := _PART.match(text, position):
        bare, basic, literal = match.groups()
        keys.append(bare or (tomllib.loads(f'k = "{basic}"')["k"] if basic is not None else literal or ""))
        position = match.end()
        if not text.startswith(".", position):
            break
        position += 1
    return tuple(keys), position


def _place(keys: tuple[str, ...], counts: dict[KeyPath, int], *, array: bool) -> KeyPath:
    """The path of a table header: parts that are arrays of tables get the index of their latest table."""
    path: KeyPath = ()
    for number, key in enumerate(keys):
        path += (key,)
        if array and number == len(keys) - 1:
            counts[path] = counts.get(path, -1) + 1
        if path in counts:
            path += (counts[path],)
    return path


def _skip_value(text: str, position: int) -> int:
    """The start of the next statement: past the newline that no string or bracket holds."""
    depth = 0
    while match := _TOKEN.search(text, position):
        position = match.end()
        piece = match.group()
        if piece == "\n" and depth <= 0:
            return position
        depth += (piece in "[{") - (piece in "]}")
    return len(text)
