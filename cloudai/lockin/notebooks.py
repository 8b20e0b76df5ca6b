"""Notebooks as Python sources: the code cells one after the other, magics left out, lines those of the file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cloudai.lockin.modules import Source, Unreadable, check_lines, parsed, source
from cloudai.lockin.requirements import installed
from cloudai.lockin.scanned import Find

_MAGIC = re.compile(r"^\s*(?:%{1,2}[A-Za-z_]|!(?!=)|\?)|^\s*[\w.*]+\?{1,2}\s*$")
_ASSIGNED = re.compile(r"^(\s*[\w, ]+=\s*)(?:%[A-Za-z_]|!).*$")
_TIMED = re.compile(r"^(\s*)%(?:time|timeit|prun|memit)\s+([^-\s].*)$", re.DOTALL)
_PYTHON_CELLS = ("%%time", "%%capture", "%%timeit", "%%prun", "%%memit", "%%python")
"""Cell magics that run the cell, as `%%writefile x.py` keeps it."""


@dataclass(frozen=True, slots=True)
class Notebook:
    """What a notebook comes to. `skipped`: cells that can't be parsed, by the line of the file, with the reason."""

    source: Source
    packages: tuple[tuple[str, int, int], ...]
    """Packages of `!pip install`, with line and cell."""
    skipped: tuple[tuple[int, str], ...]


def read_notebook(file: str, text: str) -> Notebook:
    """Raises `Unreadable` for what is no notebook of version 3 or 4."""
    cells = list(_cells(text))
    lines = _Lines(text)
    kept: list[str] = []
    numbers, of_cell = dict[int, int](), dict[int, int]()
    packages: list[tuple[str, int, int]] = []
    skipped: list[tuple[int, str]] = []
    for index, cell in cells:
        places = [lines.of(part) for part in cell]
        packages += [(name, places[at - 1], index) for name, at in installed("".join(cell))]
        code = _without_magics(cell)
        try:
            check_lines("".join(code))
            made = parsed("".join(code))
        except Unreadable as problem:
            skipped.append((places[0] if places else 1, f"cell {index} {problem.reason}"))
            continue
        skipped += [(places[line - 1], f"a line of cell {index} {reason}") for line, reason in made.lost]
        for part, place in zip(made.text.splitlines(), places, strict=False):
            kept.append(f"{part}\n")
            numbers[len(kept)], of_cell[len(kept)] = place, index
    whole = source(file, "".join(kept))
    whole.lines, whole.cells = numbers, of_cell
    return Notebook(whole, tuple(packages), tuple(skipped))


def _cells(text: str) -> Iterator[tuple[int, list[str]]]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable("is no JSON") from error
    sheets = document.get("worksheets") if isinstance(document, dict) else None
    found = document.get("cells") if isinstance(document, dict) else None
    if found is None and isinstance(sheets, list):
        found = [cell for sheet in sheets if isinstance(sheet, dict) for cell in sheet.get("cells", ())]
    if not isinstance(found, list):
        raise Unreadable("is no notebook: it has no cells")
    for index, cell in enumerate(found, 1):
        if isinstance(cell, dict) and cell.get("cell_type") == "code":
            content = cell.get("source", cell.get("input", ""))
            joined = "".join(map(str, content)) if isinstance(content, list) else str(content)
            yield index, joined.splitlines(keepends=True)


def _without_magics(lines: Sequence[str]) -> list[str]:
    first = next((line for line in lines if line.strip()), "")
    written = first.startswith("%%writefile") and first.rstrip().endswith(".py")
    if first.startswith("%%") and not first.startswith(_PYTHON_CELLS) and not written:
        return ["\n"] * len(lines)
    return list(_plain_lines(lines))


def _plain_lines(lines: Sequence[str]) -> Iterator[str]:
    """Without magics, and without what a backslash adds to them."""
    going = False
    for line in lines:
        if going:
            going = line.rstrip().endswith("\\")
            yield "\n"
            continue
        plain = _plain(line)
        going = plain != line and not _TIMED.match(line) and line.rstrip().endswith("\\")
        yield plain


def _plain(line: str) -> str:
    timed = _TIMED.match(line)
    if timed is not None:
        return f"{timed[1]}{timed[2]}"
    assigned = _ASSIGNED.match(line)
    if assigned is not None:
        return f"{assigned[1]}None\n"
    if _MAGIC.search(line):
        return f"{line[: len(line) - len(line.lstrip())]}pass\n"
    return line


class _Lines:
    """Where a line of code stands in the notebook's file: looked for in order."""

    def __init__(self, text: str) -> None:
        self._lines = text.splitlines()
        self._at = 0

    def of(self, code: str) -> int:
        wanted = json.dumps(code)[1:-1]
        plain = json.dumps(code, ensure_ascii=False)[1:-1]
        for offset in range(self._at, len(self._lines)):
            line = self._lines[offset]
            if wanted.strip() and (wanted in line or plain in line):
                self._at = offset if line.count("\\n") > 1 else offset + 1
                return offset + 1
        return min(self._at + 1, max(len(self._lines), 1))


def notebook_finds(file: str, notebook: Notebook) -> Iterator[Find]:
    """Packages that cells install."""
    from cloudai.lockin.catalog import of_package

    for name, line, cell in notebook.packages:
        found = of_package(name)
        if found is not None:
            service = found[1].id if found[1] is not None else ""
            yield Find(file=file, line=line, provider=found[0], service=service, operation="", kind="dependency",
                       name=name, cell=cell)  # fmt: skip
