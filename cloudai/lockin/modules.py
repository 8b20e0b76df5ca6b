"""Python sources: read, parsed, and found by the names under which they import one another."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from cloudai.lockin.mending import Mended, NotPython, mended

MAX_LINE = 50_000
"""Longer lines are data, not code."""


class Unreadable(Exception):
    """Why a file is skipped; `line` where that is known."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


@dataclass(eq=False, slots=True)
class Source:
    """One parsed file. `lines` maps lines of the tree to those of the file (notebooks), `cells` to cells."""

    file: str
    tree: ast.Module
    lines: Mapping[int, int] | None = None
    cells: Mapping[int, int] | None = None
    imports: list[tuple[str, int]] = field(default_factory=list)
    """Modules that are imported, with the line."""
    lost: tuple[tuple[int, str], ...] = ()
    """Lines that could not be parsed, with the reason."""

    def line(self, number: int) -> int:
        """The file's own line."""
        return number if self.lines is None else self.lines.get(number, 1)


def decoded(data: bytes, *, python: bool = False, notebook: bool = False, marked: bool = False) -> str:
    """The text of a file. Raises `Unreadable` for what is not text, or not in the encoding it says.

    So is a line that is data; not in notebooks, whose outputs hold pictures: there `check_lines` is for each cell.
    `marked`: UTF-16 by its mark is read too, as pip does (`pip freeze > requirements.txt` in PowerShell writes it).
    """
    if marked and data[:2] in (b"\xff\xfe", b"\xfe\xff") and data[2:4] != b"\x00\x00":
        return data.decode("utf-16", errors="replace")
    if data[:4] in (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff") or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise Unreadable("is UTF-16 or UTF-32, not UTF-8")
    if b"\x00" in data:
        raise Unreadable("is binary")
    encoding = "utf-8-sig"
    if python:
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        except SyntaxError as error:
            raise Unreadable("is not UTF-8, and declares no encoding that can be read") from error
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise Unreadable(f"is not {encoding.removesuffix('-sig').upper()}", line) from error
    if not notebook:
        check_lines(text)
    return text


def check_lines(text: str) -> None:
    """Raises `Unreadable` for a line that is data, not code."""
    if len(text) <= MAX_LINE:
        return
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > MAX_LINE:
            raise Unreadable(f"has a line of {len(line):,} characters", number)


def parsed(text: str) -> Mended:
    """The syntax tree, and the lines that it lacks with the reason. Raises `Unreadable` for what is no Python."""
    try:
        return mended(text)
    except NotPython as error:
        raise Unreadable(error.reason, error.line) from error


def source(file: str, text: str) -> Source:
    """A parsed file with its imports."""
    made = parsed(text)
    found = Source(file, made.tree, lost=made.lost)
    found.imports = list(_imports(made.tree))
    return found


def _imports(tree: ast.Module) -> Iterable[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield f"{node.module or ''}.{alias.name}", node.lineno


_IMPORT = re.compile(r"^[ \t]*(?:from[ \t]+([.\w]+)[ \t]+import[ \t]+(.*)|import[ \t]+(.*))$", re.MULTILINE)
_WORD = re.compile(r"\w+")


def imported_words(text: str) -> frozenset[str]:
    """Every name in import statements, without parsing: to see cheaply whether a file may use another one."""
    return frozenset(
        word for match in _IMPORT.finditer(text) for part in match.groups("") for word in _WORD.findall(part)
    )


class Tree:
    """The sources of one scan, by module name."""

    def __init__(self, sources: Iterable[Source]) -> None:
        self.sources = tuple(sources)
        self._by_name: dict[str, list[Source]] = {}
        for entry in self.sources:
            parts = _module_parts(entry.file)
            for start in range(len(parts)):
                self._by_name.setdefault(".".join(parts[start:]), []).append(entry)

    def find(self, name: str, user: Source) -> Source | None:
        """The module of that name nearest to its user: with the longest common folder."""
        found = [entry for entry in self._by_name.get(name, ()) if entry is not user]
        if not found:
            return None
        folder = PurePosixPath(user.file).parent.parts
        return max(found, key=lambda entry: (_common(PurePosixPath(entry.file).parts, folder), -len(entry.file)))

    def relative(self, user: Source, level: int, name: str) -> Source | None:
        """`from ..name import`: a module by its place."""
        folder = PurePosixPath(user.file).parent
        for _ in range(level - 1):
            folder = folder.parent
        stem = folder.joinpath(*name.split(".")) if name else folder
        wanted = {f"{stem}.py", f"{stem}/__init__.py"}
        last = name.rpartition(".")[2] if name else folder.name
        return next((s for s in self._by_name.get(last, ()) if s.file in wanted), None) or next(
            (s for s in self.sources if s.file in wanted), None
        )

    def above(self, user: Source, name: str) -> list[Source]:
        """Files of a name in the folders of a source, from its own up."""
        parents = {f"{folder}/{name}" if str(folder) != "." else name for folder in PurePosixPath(user.file).parents}
        found = [entry for entry in self._by_name.get(name.partition(".")[0], ()) if entry.file in parents]
        return sorted((entry for entry in found if entry is not user), key=lambda entry: -len(entry.file))


def _module_parts(file: str) -> tuple[str, ...]:
    path = PurePosixPath(file)
    parts = (*path.parts[:-1], path.stem)
    return parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts


def _common(left: tuple[str, ...], right: tuple[str, ...]) -> int:
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count
