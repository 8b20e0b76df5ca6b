"""Code of other Pythons, and code with a wrong line: what can be parsed is scanned, what can't is told by its line."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudai.lockin import Scan, scan
from cloudai.lockin.mending import NotPython, mended

HEAD = "import boto3\nrek = boto3.client('rekognition')\n"
LINES = ["x = 1", "if x:", "    y = (", ")", 'f"{a["b"]}"', "\tz", "print 'a', b", "'''", "]"]
OTHERS = {
    "print": 'a = rek.detect_labels(Image={})\nprint "found %s" % a["Labels"]  # the first\n',
    "print after a colon": 'a = rek.detect_labels(Image={})\nif a: print a["Labels"]\n',
    "print to a stream": 'a = rek.detect_labels(Image={})\nprint >>out, a["Labels"]\nprint "done"\n',
    "except with a comma": 'try:\n    rek.detect_labels(Image={})["Labels"]\nexcept IOError, error:\n    pass\n',
    "two exceptions": 'try:\n    rek.detect_labels(Image={})["Labels"]\nexcept OSError, ValueError:\n    pass\n',
    "quotes within an f-string": 'a = rek.detect_labels(Image={})\nprint(f"{a["Labels"][0]} {1}", f"{a}")\n',
    "parameters of types": "def labels[T](a: T) -> T:\n    return rek.detect_labels(Image={})['Labels']\n",
    "tabs and blanks": "if rek:\n        a = rek.detect_labels(Image={})\n\tprint(a['Labels'])\n",
}


@pytest.mark.parametrize("case", OTHERS)
def test_code_of_another_python_is_read_whole(case: str, scanned: Callable[..., Scan]) -> None:
    found = scanned(a=HEAD + OTHERS[case])
    assert found.skipped == ()
    assert {f.name for f in found.finds} == {"rekognition", "detect_labels", "Image", "Labels"}


def test_a_wrong_line_is_told_and_the_others_are_scanned(scanned: Callable[..., Scan]) -> None:
    found = scanned(a=f"{HEAD}a = rek.detect_labels(Image={{}})\nb = = 3\nfor one in a['Labels']:\n    x y\n")
    assert [(skipped.line, skipped.reason[:24]) for skipped in found.skipped] == [
        (4, "a line can't be parsed: "),
        (6, "a line can't be parsed: "),
    ]
    assert ("Labels", 5) in {(find.name, find.line) for find in found.finds}


def test_a_block_that_comes_to_nothing_keeps_its_head(scanned: Callable[..., Scan]) -> None:
    found = scanned(a=f"{HEAD}if rek.detect_labels(Image={{}}):  # any\n    x y\n  z\nrek.detect_text(Image={{}})\n")
    assert {find.name for find in found.finds if find.kind == "operation"} == {"detect_labels", "detect_text"}


@pytest.mark.parametrize("text", ["using System;\nstring path;\n", "Dear all,\nthe model is trained.\nBye now\n"])
def test_what_is_another_language_is_no_python(text: str) -> None:
    with pytest.raises(NotPython, match="can't be parsed"):
        mended(text)


@given(st.lists(st.sampled_from(LINES)))
def test_lines_keep_their_numbers(lines: list[str]) -> None:
    text = "\n".join(lines)
    try:
        made = mended(text)
    except NotPython:
        return
    assert made.text.count("\n") == text.count("\n")
    assert ast.dump(ast.parse(made.text)) == ast.dump(made.tree)


def test_a_magic_goes_on_after_a_backslash(tmp_path: Path) -> None:
    install = ["!pip install boto3 \\\n", "    pandas \\\n", "    numpy\n"]
    ask = ["reply = !curl -X POST \\\n", "    https://example.org\n", *HEAD.splitlines(keepends=True)]
    cells = [{"cell_type": "code", "source": part} for part in (install, ask, ["rek.detect_text(Image={})\n"])]
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4}, indent=1), encoding="utf-8")
    found = scan(tmp_path)
    assert found.skipped == ()
    assert {find.name for find in found.finds} == {"boto3", "rekognition", "detect_text", "Image"}


def test_a_wrong_line_of_a_cell_leaves_the_rest_of_it(tmp_path: Path) -> None:
    source = [*HEAD.splitlines(keepends=True), "a = = 1\n", "rek.detect_text(Image={})\n"]
    cells = [{"cell_type": "code", "source": source}]
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4}, indent=1), encoding="utf-8")
    found = scan(tmp_path)
    (skipped,) = found.skipped
    assert skipped.reason.startswith("a line of cell 1 can't be parsed")
    assert "detect_text" in {find.name for find in found.finds}


def test_requirements_that_powershell_wrote_are_read(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("numpy==2.0\ngoogle-cloud-vision==3.7\n", encoding="utf-16")
    found = scan(tmp_path)
    assert [(find.name, find.line) for find in found.finds] == [("google-cloud-vision", 2)]
    assert found.skipped == ()
