"""Bad input: single files are skipped with the reason, a path that can't be read is an error."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

import pytest

from cloudai.errors import InvalidInput
from cloudai.lockin import Scan, scan

GOOD = 'import boto3\nboto3.client("polly").describe_voices()\n'


def reasons(found: Scan) -> dict[str, str]:
    return {skipped.file: skipped.reason for skipped in found.skipped}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "good.py").write_text(GOOD, encoding="utf-8")
    return tmp_path


def test_a_syntax_error_is_reported_with_its_line_and_the_rest_is_scanned(tree: Path) -> None:
    (tree / "bad.py").write_text("x = 1\ndef (:\n", encoding="utf-8")
    found = scan(tree)
    (skipped,) = found.skipped
    assert (skipped.file, skipped.line) == ("bad.py", 2)
    assert "can't be parsed" in skipped.reason
    assert [find.name for find in found.finds] == ["polly", "describe_voices"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"MZ\x00\x01\x02", "is binary"),
        ("é = 'boto3'\n".encode("latin-1"), "is not UTF-8"),
        ("x = 1\n".encode("utf-16"), "is UTF-16"),
        (b"x = '" + b"a" * 60_000 + b"'\n", "has a line of 60,006 characters"),
        (b"# coding: nothing-of-the-kind\n", "declares no encoding that can be read"),
        (b"x = " + b"(" * 5000 + b")" * 5000 + b"\n", ""),
    ],
)
def test_what_is_no_readable_python_is_skipped_with_the_reason(tree: Path, content: bytes, reason: str) -> None:
    (tree / "odd.py").write_bytes(content)
    found = scan(tree)
    assert reason in reasons(found)["odd.py"]
    assert len(found.finds) == 2


def test_latin_1_that_says_so_is_read(tree: Path) -> None:
    code = f"# -*- coding: latin-1 -*-\n# Größe\n{GOOD}"
    (tree / "declared.py").write_bytes(code.encode("latin-1"))
    assert len(scan(tree).finds) == 4


def test_links_that_go_round_are_reported_and_not_followed(tree: Path) -> None:
    (tree / "inner").mkdir()
    (tree / "inner" / "up").symlink_to(tree, target_is_directory=True)
    (tree / "round.py").symlink_to(tree / "round.py")
    (tree / "gone.py").symlink_to(tree / "nowhere.py")
    found = scan(tree)
    told = reasons(found)
    assert told["inner/up"] == "is a link to a folder above it"
    assert "can't be read" in told["round.py"]
    assert "can't be read" in told["gone.py"]
    assert len(found.finds) == 2


def test_a_named_pipe_is_not_opened(tree: Path) -> None:
    os.mkfifo(tree / "pipe.py")
    assert reasons(scan(tree))["pipe.py"] == "is no regular file"


def test_a_folder_that_does_not_exist_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="does not exist"):
        scan(tmp_path / "nowhere")


def test_a_folder_without_permission_is_an_error(tmp_path: Path) -> None:
    scan(tmp_path)  # everything is imported while everything may be read
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    as_root = os.geteuid() == 0
    if as_root:  # who reads everything
        os.seteuid(65534)
    try:
        with pytest.raises(InvalidInput, match="can't be read: Permission denied"):
            scan(closed)
    finally:
        if as_root:
            os.seteuid(0)
        closed.chmod(0o700)


def test_a_path_through_a_file_is_an_error(tree: Path) -> None:
    with pytest.raises(InvalidInput, match="can't be read"):
        scan(tree / "good.py" / "inner")


def test_a_file_of_another_kind_is_an_error(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    picture.write_bytes(b"\x89PNG")
    with pytest.raises(InvalidInput, match="not a file that is scanned"):
        scan(picture)


def test_installed_packages_and_version_control_are_left_out(tree: Path) -> None:
    for folder in (".git", "node_modules", "venv/lib/site-packages/boto3", "env2"):
        (tree / folder).mkdir(parents=True)
        (tree / folder / "code.py").write_text(GOOD, encoding="utf-8")
    (tree / "env2" / "pyvenv.cfg").write_text("home = /usr\n", encoding="utf-8")
    assert {find.file for find in scan(tree).finds} == {"good.py"}


def test_a_cell_that_cant_be_parsed_leaves_the_others(tree: Path) -> None:
    cells = [{"cell_type": "code", "source": text} for text in (["def (:\n"], GOOD.splitlines(keepends=True))]
    (tree / "n.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4}, indent=1), encoding="utf-8")
    found = scan(tree)
    assert "cell 1 can't be parsed" in reasons(found)["n.ipynb"]
    assert {find.cell for find in found.finds if find.file == "n.ipynb"} == {2}


def test_a_picture_in_a_notebooks_output_is_no_huge_line(tree: Path) -> None:
    output = {"output_type": "display_data", "data": {"image/png": "A" * 200_000}}
    cell = {"cell_type": "code", "source": GOOD.splitlines(keepends=True), "outputs": [output]}
    huge = {"cell_type": "code", "source": [f"x = '{'a' * 60_000}'"], "outputs": []}
    (tree / "n.ipynb").write_text(json.dumps({"cells": [cell, huge], "nbformat": 4}, indent=1), encoding="utf-8")
    found = scan(tree)
    assert reasons(found) == {"n.ipynb": "cell 2 has a line of 60,006 characters"}
    assert {find.cell for find in found.finds if find.file == "n.ipynb"} == {1}


@pytest.mark.parametrize(
    "lines",
    [
        ['rek = boto3.client("polly")  # which region?\n', "rek.describe_voices()\n"],
        ['text = ("%s %s"\n', "        % (1, 2))\n", 'boto3.client("polly").describe_voices()\n'],
        ['rek = boto3.client("polly")\n', "%time voices = rek.describe_voices()\n"],
        ["same = (1\n", "!= 2)\n", 'boto3.client("polly").describe_voices()\n'],
        ["boto3?\n", "!aws polly describe-voices\n", 'boto3.client("polly").describe_voices()\n'],
    ],
)
def test_magics_are_left_out_and_code_that_looks_like_them_is_kept(tree: Path, lines: list[str]) -> None:
    cells = [{"cell_type": "code", "source": ["%matplotlib inline\n", "import boto3\n", *lines]}]
    (tree / "n.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4}, indent=1), encoding="utf-8")
    found = scan(tree / "n.ipynb")
    assert found.skipped == ()
    assert {find.name for find in found.finds} == {"polly", "describe_voices"}


def test_a_file_that_a_cell_writes_is_read(tree: Path) -> None:
    cells = [{"cell_type": "code", "source": ["%%writefile train.py\n", *GOOD.splitlines(keepends=True)]}]
    (tree / "n.ipynb").write_text(json.dumps({"cells": cells, "nbformat": 4}, indent=1), encoding="utf-8")
    assert {find.name for find in scan(tree / "n.ipynb").finds} == {"polly", "describe_voices"}


def test_a_folder_within_that_cant_be_read_is_reported_and_the_rest_is_scanned() -> None:
    with tempfile.TemporaryDirectory() as name:
        root, closed = Path(name), Path(name, "closed")
        root.chmod(0o755)
        (root / "good.py").write_text(GOOD, encoding="utf-8")
        scan(root)  # everything is imported while everything may be read
        closed.mkdir(mode=0)
        as_root = os.geteuid() == 0
        if as_root:  # who reads everything
            os.seteuid(65534)
        try:
            found = scan(root)
        finally:
            if as_root:
                os.seteuid(0)
            closed.chmod(0o700)
    assert "can't be read" in reasons(found)["closed"]
    assert len(found.finds) == 2


@pytest.mark.parametrize("name", ["n.ipynb", "pyproject.toml", "Pipfile", "setup.cfg"])
def test_a_document_that_cant_be_parsed_is_skipped(tree: Path, name: str) -> None:
    (tree / name).write_text("{ [", encoding="utf-8")
    assert name in reasons(scan(tree))


def test_a_template_that_cant_be_parsed_is_skipped_with_its_line(tree: Path) -> None:
    (tree / "t.yaml").write_text("AWSTemplateFormatVersion: x\na: [\nb: }\n", encoding="utf-8")
    (skipped,) = scan(tree).skipped
    assert (skipped.file, skipped.reason) == ("t.yaml", "can't be parsed as a template")
    assert skipped.line is not None


def test_endless_recursion_in_the_scanned_code_ends(tree: Path) -> None:
    code = 'import boto3\ndef f(c, n):\n    return g({"x": c}, n + 1)\ndef g(c, n):\n    return f([c], n)\n'
    (tree / "r.py").write_text(f'{code}f(boto3.client("polly"), 0)\n', encoding="utf-8")
    (tree / "s.py").write_text("class A(A):\n    pass\nfrom s import *\nimport s\nA().x.y\n", encoding="utf-8")
    assert scan(tree).files == 3


def test_a_large_folder_reports_its_progress_file_by_file(tmp_path: Path) -> None:
    for number in range(2000):
        folder = tmp_path / f"p{number // 100}"
        folder.mkdir(exist_ok=True)
        (folder / f"m{number}.py").write_text(f"def f(x):\n    return x + {number}\n", encoding="utf-8")
    seen: list[tuple[int, int]] = []
    found = scan(tmp_path, progress=lambda done, total: seen.append((done, total)))
    assert found.files == 2000
    assert seen == [(number, 2000) for number in range(1, 2001)]
    assert found.finds == ()
