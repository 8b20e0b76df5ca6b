"""The corpus of the lock-in scan, and a way to scan code that a test has in a string."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from cloudai.lockin import Scan, scan

CORPUS = Path(__file__).parent / "corpus"
DAY = date(2026, 11, 21)


@pytest.fixture(scope="session")
def corpus() -> Path:
    return CORPUS


@pytest.fixture(scope="session")
def applications() -> Scan:
    """All four applications, scanned as one tree."""
    return scan(CORPUS / "apps", as_of=DAY)


@pytest.fixture
def scanned(tmp_path: Path) -> Callable[..., Scan]:
    """Files by name -> their scan."""

    def run(**files: str) -> Scan:
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            if not path.suffix:
                path = path.with_suffix(".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return scan(tmp_path, as_of=DAY)

    return run


@pytest.fixture
def marked(scanned: Callable[..., Scan]) -> Callable[[str], tuple[set[tuple[int, str]], set[tuple[int, str]]]]:
    """Code whose lines say behind `#:` what is found there -> what is found and what is said, by line and name."""
    kinds = ("operation", "parameter", "option", "result_field")

    def run(code: str) -> tuple[set[tuple[int, str]], set[tuple[int, str]]]:
        lines = enumerate(code.splitlines(), 1)
        said = {(number, name) for number, line in lines for name in line.partition("#: ")[2].split()}
        return {(find.line, find.name) for find in scanned(a=code).finds if find.kind in kinds}, said

    return run
