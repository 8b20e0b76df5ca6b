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


class TomlError(ValueError):
    """The file can't be read as TOML. `str()` is `NAME:LINE: reason`; `line` is None where there is none."""

    def __init__(self, name: str, line: int | None, reason: str) -> None:
        self.name = name
        self.line = line
        self.reason = reason
        super().__init__(f"{name}:{line}: {reason}" if line is not None else f"{name}: {reason}")


@dataclass(frozen=True, kw_only=True)
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
            from cloudai_pricing.tomllines import lines_of  # only mistakes ask for lines

            self._lines.update(lines_of(self.text))
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
    if match := re.search(r"\(at line (\d+), column \d+\)", reason):
        return TomlError(name, int(match.group(1)), f"is not valid TOML: {reason[: match.start()].strip()}")
    line = text.count("\n") + 1 if "end of document" in reason else None
    return TomlError(name, line, f"is not valid TOML: {reason}")
