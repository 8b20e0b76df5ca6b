"""README's table of operations and docs/capabilities.md say what the capability files say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cloudai.capabilities import SUPPORT, builtin_capabilities
from cloudai.capability_table import FILES, SYMBOLS, TABLES, main, operations_table, refreshed
from cloudai_pricing.operations import operations

ROOT = Path(__file__).parents[2]
MARK = re.compile(r"<!-- table: (\S+) -->\n(.*?)\n?<!-- /table -->", re.DOTALL)


def marked(name: str) -> dict[str, str]:
    return dict(MARK.findall((ROOT / name).read_text(encoding="utf-8")))


def test_readme_has_the_table_of_operations_and_it_is_current() -> None:
    assert marked("README.md") == {"operations": operations_table(builtin_capabilities())}


def test_the_capabilities_page_is_current() -> None:
    assert marked("docs/capabilities.md") == {name: make(builtin_capabilities()) for name, make in TABLES.items()}


def test_write_brings_both_files_up_to_date_and_then_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "docs").mkdir()
    for name in FILES:
        text = (ROOT / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(MARK.sub(r"<!-- table: \1 -->\n<!-- /table -->", text), encoding="utf-8")
    root = ["--root", str(tmp_path)]
    assert main(root) == 1
    assert capsys.readouterr().err.count("is out of date: run this with --write") == 2
    assert main([*root, "--write"]) == 0
    assert main(root) == 0
    for name in FILES:
        assert (tmp_path / name).read_text(encoding="utf-8") == (ROOT / name).read_text(encoding="utf-8")


def test_every_table_has_as_many_cells_in_each_row_as_in_its_header() -> None:
    for make in TABLES.values():
        for block in make(builtin_capabilities()).split("\n\n"):
            lines = [re.split(r"(?<!\\)\|", line) for line in block.splitlines() if line.startswith("|")]
            assert len({len(cells) for cells in lines}) <= 1


def test_a_cell_has_a_word_beside_its_symbol() -> None:
    assert list(SYMBOLS) == list(SUPPORT)
    header, _, *body = operations_table(builtin_capabilities()).splitlines()
    assert header == "| operation | Amazon Web Services | Google Cloud | Microsoft Azure | This machine |"
    assert [row.split("`")[1] for row in body] == list(operations())
    shown = {f"{symbol} {word}" for word, symbol in SYMBOLS.items()}
    assert {cell.strip() for row in body for cell in row.split("|")[2:-1]} <= shown


def test_every_gap_has_its_reason_on_the_page() -> None:
    page = marked("docs/capabilities.md")["differences"]
    for provider, declared in builtin_capabilities().items():
        for operation in declared.operations.values():
            assert operation.support == "yes" or f"- {provider}, {operation.support}: {operation.reason}" in page


def test_a_mark_that_names_no_table_is_refused() -> None:
    with pytest.raises(KeyError, match="operatoins"):
        refreshed("<!-- table: operatoins -->\n<!-- /table -->", builtin_capabilities())
