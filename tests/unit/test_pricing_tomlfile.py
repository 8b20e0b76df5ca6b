"""A TOML document that knows its lines."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from cloudai_pricing.tomlfile import TomlError, TomlFile

DOCUMENT = '''\
# a comment
months = 12
[backends."aws.eu"]
note = """
[not.a.table]
key = 3 """
routes = [ # ]
  "a",
]
policy.retry = { note = "[", count = 3 }

[[line]]
name = "photos"
[line.extra]
k = 2
[[line]]
name = 'calls'
"qu\\u006fted" = 1
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("months",), 2),
        (("backends",), 3),
        (("backends", "aws.eu", "note"), 4),
        (("backends", "aws.eu", "routes"), 7),
        (("backends", "aws.eu", "policy", "retry", "count"), 10),
        (("line", 0), 12),
        (("line", 0, "name"), 13),
        (("line", 0, "extra", "k"), 15),
        (("line", 1, "name"), 17),
        (("line", 1, "quoted"), 18),
        (("line", 1, "missing"), 16),
        (("nowhere",), None),
    ],
)
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_each_key_has_its_line(path, line, newline):
    file = TomlFile.parse(DOCUMENT.replace("\n", newline), "x.toml")
    assert file.line_of(path) == line


def test_a_byte_order_mark_is_no_part_of_the_document(tmp_path: Path):
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xef\xbb\xbfmonths = 3\r\n")
    assert TomlFile.load(path).data == {"months": 3}


def test_numbers_can_be_read_exactly():
    assert TomlFile.parse("a = 0.1", "x", parse_float=Decimal).data == {"a": Decimal("0.1")}


@pytest.mark.parametrize(
    ("content", "line", "says"),
    [
        (b"a = 1\nb =\n", 2, "not valid TOML"),
        (b"a = 1\na = 2\n", 2, "not valid TOML"),
        (b"a = [1,\n2", 2, "not valid TOML"),
        (b"a = 1\n\xff\xe9\n", 2, "UTF-8"),
        ("a = 1".encode("utf-16"), 1, "UTF-16"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", None, "not a text file"),
        (b"a = " + b"[" * 20000, None, "nested too deeply"),
        (b"a = " + b"9" * 5000, None, "not valid TOML"),
    ],
)
def test_what_cannot_be_read_says_where_and_why(tmp_path: Path, content, line, says):
    path = tmp_path / "x.toml"
    path.write_bytes(content)
    with pytest.raises(TomlError) as caught:
        TomlFile.load(path)
    assert caught.value.line == line
    assert says in caught.value.reason


def test_a_missing_file_says_so(tmp_path: Path):
    with pytest.raises(TomlError, match="No such file"):
        TomlFile.load(tmp_path / "none.toml")
