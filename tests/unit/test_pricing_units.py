"""Quantities as people write them, and those that are refused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from cloudai_pricing import PlanError
from cloudai_pricing.exact import money
from cloudai_pricing.units import convertible, parse_percent, parse_quantity, parse_rate


@pytest.mark.parametrize(
    ("text", "monthly", "unit"),
    [
        ("2.4M images/month", "2400000", "image"),
        ("2.4 million images per month", "2400000", "image"),
        ("1500 hours", "1500", "hour"),
        ("1,500 hours", "1500", "hour"),
        ("1_500 h", "1500", "hour"),
        ("300M characters", "300000000", "character"),
        ("300M chars a month", "300000000", "character"),
        ("4 min", "4", "minute"),
        ("12 pages/year", "1", "page"),
        ("24 images/day", "730", "image"),
        ("1 image/hour", "730", "image"),
        ("3 TB", "3072", "gb"),
        ("3 TiB", "3072", "gb"),
        ("3TB/month", "3072", "gb"),
        ("500 GiB", "500", "gb"),
        ("2 PB", "2097152", "gb"),
        ("512 MB", "0.5", "gb"),
        ("1 TB-month", "1024", "gb-month"),
        ("730 instance-hours", "730", "instance-hour"),
        ("730 instance hours", "730", "instance-hour"),
        ("10 GB once", "10", "gb"),
        ("5bn characters", "5000000000", "character"),
        ("1 call", "1", "request"),
    ],
)
def test_a_quantity_is_read_with_its_unit_and_period(text, monthly, unit):
    found = parse_quantity(text)
    assert (found.monthly(), found.unit) == (Decimal(monthly), unit)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("261", "of what?"),
        ("3M", "of what?"),
        (261, "of what?"),
        (2.5, "of what?"),
        (True, "not a quantity"),
        (None, "not a quantity"),
        ([], "not a quantity"),
        ("", "not a quantity"),
        ("images", "not a quantity"),
        ("3m images", "Write M or min"),
        ("1,5 images", "two ways"),
        ("1 000 images", "two ways"),
        ("-1 images", "negative"),
        ("3 imges", "Did you mean 'images'?"),
        ("3 images/fortnight", "unknown period"),
        ("10000000000000000000 images", "number of zeros"),
        ("0.0000000001 images", "too little to plan with"),
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(text, says):
    with pytest.raises(PlanError) as caught:
        parse_quantity(text)
    assert says in str(caught.value)


def test_what_is_written_in_a_unit_of_data_is_kept_beside_what_is_counted():
    assert (str(parse_quantity("3 TB")), parse_quantity("3 TB").written) == ("3,072 GB", "3 TB")
    assert parse_quantity("2k GiB").written == "2,000 GiB"
    assert parse_quantity("5 GB").written == ""


def test_a_unit_of_ones_own_is_read_only_where_it_may_be():
    assert parse_quantity("26,280 processor-hours", any_name=True)[:2] == (Decimal(26280), "processor-hour")
    assert parse_quantity("1 image", any_name=True).unit == "image"
    assert not convertible("processor-hour", "hour")
    with pytest.raises(PlanError, match="unknown unit 'processor-hours'"):
        parse_quantity("26,280 processor-hours")


def test_units_convert_only_within_their_kind():
    assert parse_quantity("90 min").to("hour") == Decimal("1.5")
    assert parse_quantity("2 hours").to("second") == 7200
    assert convertible("node-hour", "instance-hour")
    assert not convertible("hour", "instance-hour")
    with pytest.raises(PlanError, match="not a number of pages"):
        parse_quantity("3 images").to("page")


def test_rates_and_percents():
    assert parse_rate("8/month", example="8/month") == (8, 8)
    assert parse_rate("2 runs per day", example="8/month")[1] == Decimal("60.833333333")
    assert parse_percent("2.5%", example="5%") == Decimal("0.025")
    for wrong in ("8", "8 images/month", 8, "-1/month", "8 once"):
        with pytest.raises(PlanError, match="count per period"):
            parse_rate(wrong, example="8/month")


@pytest.mark.parametrize(
    ("number", "shown"),
    [("1234.5", "$1,234.50"), ("-206.65", "-$206.65"), ("0.0042", "$0.0042"), ("-0.0042", "-$0.0042"), ("0", "$0.00")],
)
def test_an_amount_has_its_sign_before_the_currency_and_no_cost_is_shown_as_nothing(number: str, shown: str) -> None:
    assert money(Decimal(number)) == shown
