"""What is printed: tables, notes, and costs that are never made up."""

from __future__ import annotations

import sys
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudai.cli.notes import cost_text, plain, usage_text
from cloudai.cli.terminal import Grid, coloured, show
from cloudai.cli.verbs import option, option_tables
from cloudai.errors import InvalidInput
from cloudai.types.results import Money, Usage
from cloudai.types.vision import ReadTextResult

CELL = st.text(st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=200)


def paid(amount: str | None) -> ReadTextResult:
    return ReadTextResult(cost=None if amount is None else Money(amount=Decimal(amount)))


def test_an_unknown_cost_is_unknown() -> None:
    assert cost_text([paid(None)]) == "cost unknown"
    assert cost_text([paid(None), paid(None)]) == "cost unknown"


def test_a_cost_that_is_known_to_be_nothing_is_zero() -> None:
    assert cost_text([paid("0")]) == "cost 0 USD"


def test_a_sum_that_lacks_one_is_a_lower_bound() -> None:
    assert cost_text([paid("0.0010"), paid(None), paid("0.0015")]) == "cost >= 0.0025 USD (unknown for 1 of 3)"


def test_costs_are_added_exactly() -> None:
    assert cost_text([paid("0.1"), paid("0.2")]) == "cost 0.3 USD"


@given(st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=0, max_value=10**12))
def test_a_plain_number_is_the_same_number_without_an_exponent(value: Decimal) -> None:
    assert Decimal(plain(value)) == value
    assert "E" not in plain(value)


def test_usage_is_summed_by_unit() -> None:
    used = [Usage(meter="m", unit=unit, quantity=Decimal(n)) for unit, n in (("image", 1), ("second", 4), ("image", 2))]
    assert usage_text(used) == "3 images, 4 seconds"
    assert usage_text(used[:1]) == "1 image"


@given(rows=st.lists(st.tuples(CELL, CELL), min_size=1, max_size=5))
def test_no_cell_of_a_piped_table_is_cut(rows: list[tuple[str, str]]) -> None:
    import io
    from contextlib import redirect_stdout

    buffer = io.StringIO()
    with redirect_stdout(buffer):
        show([Grid(("first", "second"), tuple(rows))])
    lines = buffer.getvalue().splitlines()
    for row in rows:
        assert any(all(cell.strip() in line for cell in row) for line in lines)


def test_markup_in_a_cell_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    show([Grid(("a",), (("[red]not red[/red]",),))])
    assert "[red]not red[/red]" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"FORCE_COLOR": "1"}, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ({"NO_COLOR": ""}, False),
    ],
)
def test_colour_follows_the_two_variables(
    environment: dict[str, str], wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert coloured(sys.stderr) is wanted


def test_options_are_by_provider_nested_and_typed() -> None:
    given = [option(text) for text in ("local.engine=espeak-ng", "aws.MaxLabels=5", "aws.Filter.On=true", 'x.s="5"')]
    assert option_tables(given) == {
        "local": {"engine": "espeak-ng"},
        "aws": {"MaxLabels": 5, "Filter": {"On": True}},
        "x": {"s": "5"},
    }


def test_an_option_through_a_value_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"--option aws\.a\.b"):
        option_tables([option("aws.a=1"), option("aws.a.b=2")])
