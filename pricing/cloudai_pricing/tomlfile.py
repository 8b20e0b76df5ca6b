"""A TOML document that knows on which line each key stands, so that errors can name file and line.

Used by the planner for workloads, overlays and the price book, and by `cloudai.config`. Standard library only:
`tomllib` reads the values; a small scan of the (then known to be valid) text finds the lines of its keys.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

KeyPath = tuple[str | int, ...]
"""A key path: `("backends", "aws-eu", "region")`; tables of an array by index: `("line", 0, "volume")`."""

MAX_BYTES = 8 * 1024 * 1024

_PART = re.compile(r"""[ \t]*(?:([A-Za-z0-9_-]+)|"((?:[^"\\]|\\.)*)"|'([^']*)')[ \t]*""")
_HEADER = re.compile(r"[ \t]*(\[\[?)")
_AT = re.compile(r"\(at line (\d+), column \d+\)")
# What may stand in a value, longest first: strings (which may hold brackets, hashes, newlines), comments, brackets.
_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*|[\[\]{}\n]', re.DOTALL
)


class TomlError(ValueError):
    """The file can't be read as TOML. `str()` is `NAME:LINE: reason`; `line` is None where there is none."""

    def __init__(self, name: str, line: int | None, reason: str) -> None:
        self.name = name
        self.line = line
        self.reason = reason
        super().__init__(f"{name}:{line}: {reason}" if line is not None else f"{name}: {reason}")


@dataclass(frozen=True, kw_only=True, slots=True)
class TomlFile:
    """`data` as `tomllib` gives it, `name` for messages, `line_of(path)` for places."""

    name: str
    data: Mapping[str, object]
    text: str = field(repr=False)
    _lines: dict[KeyPath, int] = field(default_factory=dict, repr=False)

    @classmethod
    def load(
        cls, path: str | Path, *, name: str | None = None, parse_float: Callable[[str], object] = float
    ) -> TomlFile:
        """Reads a file of at most 8 MiB, UTF-8 with or without a byte-order mark. Raises `TomlError`."""
        shown = str(path) if name is None else name
        try:
            with Path(path).open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise TomlError(shown, None, f"can't be read: {error.strerror or error}") from error
        if len(raw) > MAX_BYTES:
            raise TomlError(shown, None, f"is larger than {MAX_BYTES // 1024 // 1024} MiB: is this the right file?")
        return cls.parse(_decode(raw, shown), shown, parse_float=parse_float)

    @classmethod
    def parse(cls, text: str, name: str, *, parse_float: Callable[[str], object] = float) -> TomlFile:
        """Reads TOML text; `name` stands for the file in messages. Raises `TomlError`."""
        text = text.removeprefix("\ufeff").replace("\r\n", "\n")
        try:
            data = tomllib.loads(text, parse_float=parse_float)
        except RecursionError as error:
            raise TomlError(name, None, "is nested too deeply") from error
        except ValueError as error:  # TOMLDecodeError, and int() on thousands of digits
            raise _syntax_error(name, text, str(error)) from error
        return cls(name=name, data=data, text=text)

    def line_of(self, path: KeyPath) -> int | None:
        """The line (from 1) of a key or table; of the nearest table or key that holds it where it has none."""
        if not self._lines:
            self._lines.update(_scan(self.text))
        for length in range(len(path), 0, -1):
            if (found := self._lines.get(path[:length])) is not None:
                return found
        return None


def _decode(raw: bytes, name: str) -> str:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise TomlError(name, 1, "is UTF-16; save it as UTF-8")
    if b"\x00" in raw:
        raise TomlError(name, None, "is not a text file; a TOML file in UTF-8 is expected")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise TomlError(name, line, "is not UTF-8 text; save it as UTF-8") from error


def _syntax_error(name: str, text: str, reason: str) -> TomlError:
    """`tomllib` has the place only in its message (an attribute from Python 3.14 on)."""
    if match := _AT.search(reason):
        return TomlError(name, int(match.group(1)), f"is not valid TOML: {reason[: match.start()].strip()}")
    line = text.count("\n") + 1 if "end of document" in reason else None
    return TomlError(name, line, f"is not valid TOML: {reason}")


def _scan(text: str) -> dict[KeyPath, int]:
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
