"""Tesseract's table of words (`tsv`) as pages > blocks > lines > words."""

from __future__ import annotations

import csv
import io
import subprocess
from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import groupby

from cloudai.driver import Call, Driver, ReadText
from cloudai.errors import ErrorCode, Fault
from cloudai.languages import normalise
from cloudai.types.geometry import Box, Region
from cloudai.types.results import Notice, Usage
from cloudai.types.vision import Block, Line, Page, ReadTextRequest, ReadTextResult, Word
from cloudai_tesseract.provider import TesseractOptions

Row = Mapping[str, str]
LANGUAGES = {"en": "eng", "de": "deu", "fr": "fra", "es": "spa", "it": "ita", "pt": "por", "nl": "nld"}
"""BCP 47 primary language -> Tesseract's trained data."""


class TesseractDriver(Driver, ReadText):
    """One program, one process a call."""

    def __init__(self, *, program: str, found: str | None) -> None:
        self._program = program
        self._found = found

    @property
    def client(self) -> str:
        """The program's path: there is no client object."""
        return self._found or self._program

    def unavailable(self) -> Mapping[str, str]:
        """Nothing works without the program."""
        if self._found:
            return {}
        return {"vision.read_text": f"the program {self._program!r} is not installed; apt install tesseract-ocr"}

    def classify(self, error: Exception) -> Fault | None:
        """What the process's end means."""
        if isinstance(error, subprocess.TimeoutExpired):
            return Fault(code=ErrorCode.DEADLINE_EXCEEDED, message=f"no answer within {error.timeout:g} s")
        if isinstance(error, subprocess.CalledProcessError):
            reason = error.stderr.decode(errors="replace").strip().splitlines()
            return Fault(code=ErrorCode.INVALID_INPUT, message=reason[-1] if reason else f"exit {error.returncode}")
        return None

    def close(self) -> None:
        """Nothing stays open."""

    def read_text(self, request: ReadTextRequest, call: Call) -> ReadTextResult:
        """Reads one image."""
        languages, notices = self._languages(request.languages)
        options = call.options if isinstance(call.options, TesseractOptions) else TesseractOptions()
        command = [self.client, "-", "-", "--psm", str(options.psm), *languages, "tsv"]
        done = subprocess.run(
            command, input=request.image.content, capture_output=True, check=True, timeout=call.timeout
        )
        table = done.stdout.decode()
        return ReadTextResult(
            pages=tuple(_pages(table, request.min_confidence)),
            usage=(Usage(meter="vision.read_text", unit="image", quantity=Decimal(1)),),
            model="tesseract",
            warnings=notices,
            raw=table if call.raw else None,
        )

    def _languages(self, wanted: tuple[str, ...]) -> tuple[list[str], tuple[Notice, ...]]:
        known = [LANGUAGES[tag] for tag in (normalise(each).split("-")[0] for each in wanted) if tag in LANGUAGES]
        if len(known) == len(wanted):
            return (["-l", "+".join(known)] if known else []), ()
        return [], (Notice(code="option_ignored", message=f"no trained data for all of {', '.join(wanted)}"),)


def _pages(table: str, least: float | None) -> Iterable[Page]:
    rows = csv.DictReader(io.StringIO(table), delimiter="\t", quoting=csv.QUOTE_NONE)
    for number, group in groupby(rows, key=lambda row: row["page_num"]):
        page, *rest = group
        width, height = int(page["width"]), int(page["height"])
        words = [row for row in rest if row["level"] == "5" and row["text"].strip()]
        kept = [row for row in words if least is None or float(row["conf"]) >= 100 * least]
        blocks = tuple(
            Block(lines=tuple(_line(list(line), width, height) for _, line in groupby(block, key=_line_key)))
            for _, block in groupby(kept, key=lambda row: row["block_num"])
        )
        yield Page(number=int(number), width=width, height=height, blocks=blocks)


def _line_key(row: Row) -> tuple[str, str]:
    return row["par_num"], row["line_num"]


def _line(rows: list[Row], width: int, height: int) -> Line:
    words = tuple(
        Word(text=row["text"], region=Region(box=_box(row, width, height)), confidence=float(row["conf"]) / 100)
        for row in rows
    )
    return Line(text=" ".join(word.text for word in words), words=words)


def _box(row: Row, width: int, height: int) -> Box:
    left, top, w, h = (int(row[name]) for name in ("left", "top", "width", "height"))
    return Box.from_pixels(left, top, w, h, width=width, height=height)
