"""The estimate's own writer of JSON writes what the standard library's does, to the byte."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudai_pricing.jsontext import indented

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)


@given(VALUES)
def test_it_writes_what_the_standard_library_writes(value: object) -> None:
    assert indented(value) == json.dumps(value, ensure_ascii=False, indent=2)


@pytest.mark.parametrize("value", [(), (1, ("a", {})), {"a": (), "b": [[]]}, '\u2028\x7f\x00"\\/é😀'])
def test_tuples_and_odd_signs_too(value: object) -> None:
    assert indented(value) == json.dumps(value, ensure_ascii=False, indent=2)
