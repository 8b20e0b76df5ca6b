"""The `[budget]` table: what it may say, and file and line of what it may not."""

from __future__ import annotations

import datetime
import tomllib
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloudai.errors import ConfigError
from cloudai.ledger import BudgetSettings, budget_settings, dollars, micro
from cloudai.ledger.periods import Every, instant, moment, period_of
from cloudai.ledger.settings import parse_money


def read(text: str) -> BudgetSettings:
    return budget_settings(tomllib.loads(text), lambda *path: "cloudai.toml:" + ".".join(str(part) for part in path))


WHOLE = """
monthly = "500 USD"
daily = "50 USD"
on_exceed = "warn"
on_unknown_price = "allow"
on_ledger_error = "warn"
warn_at = ["80%", "50%"]
ledger = "team.sqlite"
synchronous = "full"
reservation_ttl = "30m"
timezone = "Europe/Berlin"
[[limit]]
tag = "team-a"
operation = "vision.*"
monthly = "20 USD"
"""


def test_every_key_is_read() -> None:
    settings = read(WHOLE)
    assert [(limit.every, limit.amount, limit.tag, limit.operation) for limit in settings.limits] == [
        (Every.MONTH, 500_000_000, "", "*"),
        (Every.DAY, 50_000_000, "", "*"),
        (Every.MONTH, 20_000_000, "team-a", "vision.*"),
    ]
    assert (settings.on_exceed, settings.on_unknown_price, settings.on_ledger_error) == ("warn", "allow", "warn")
    assert (settings.warn_at, settings.ledger, settings.synchronous) == ((50, 80), "team.sqlite", "full")
    assert (settings.reservation_ttl, settings.timezone) == (1800.0, "Europe/Berlin")
    assert settings.limits[2].origin == "cloudai.toml:limit.0.monthly"


def test_an_empty_table_refuses_what_it_can_not_count() -> None:
    settings = read("")
    assert settings == BudgetSettings()
    assert (settings.on_exceed, settings.on_unknown_price, settings.on_ledger_error) == ("refuse", "refuse", "refuse")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('monthli = "5 USD"', "cloudai.toml:monthli: unknown key 'monthli' in [budget]: did you mean 'monthly'?"),
        ('monthly = "5"', "cloudai.toml:monthly: monthly = '5' is not an amount such as \"500 USD\""),
        ("monthly = 500", "monthly = 500 is not an amount"),
        ('monthly = "-5 USD"', "is not an amount"),
        ('monthly = "5 EUR"', "is not an amount"),
        ('monthly = "0.0000001 USD"', "finer than a millionth"),
        ('monthly = "9999999999 USD"', "above 1,000,000,000 USD"),
        ('on_exceed = "refus"', "unknown on_exceed 'refus': did you mean 'refuse'?"),
        ('on_ledger_error = "allow"', "unknown on_ledger_error 'allow'"),
        ('warn_at = ["50"]', "list of percentages"),
        ('warn_at = ["0%"]', "list of percentages"),
        ('warn_at = ["150%"]', "list of percentages"),
        ('ledger = "mysql://x"', "no ledger speaks mysql://"),
        ('ledger = ""', "ledger is"),
        ('timezone = "Mars/Olympus"', "'Mars/Olympus' is not a time zone"),
        ('reservation_ttl = "soon"', "is not a duration"),
        ("keep = 7", "62 (two months) or more"),
        ('[limit]\nmonthly = "5 USD"', "with two brackets"),
        ('[[limit]]\ntag = "a"', 'needs monthly = "20 USD" or daily'),
        ('[[limit]]\ntga = "a"', "cloudai.toml:limit.0.tga: unknown key 'tga' in [budget]: did you mean 'tag'?"),
        ('[[limit]]\ntag = ""\nmonthly = "5 USD"', "tag is a name"),
        ('[[limit]]\noperation = "vison.*"\nmonthly = "5 USD"', "matches no operation: did you mean 'vision.*'?"),
        ('monthly = "5 USD"\n[[limit]]\nmonthly = "6 USD"', "there is a monthly budget already"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert said in str(caught.value)
    assert str(caught.value).startswith("cloudai.toml:")


def test_a_password_in_the_address_of_a_ledger_is_not_shown() -> None:
    settings = read('ledger = "postgresql://me:hunter2@db/x?password=hunter2"')
    assert settings.safe_ledger() == "postgresql://db/x"


@given(st.decimals(min_value=0, max_value=10**8, places=9))
def test_money_in_a_ledger_is_never_less_than_the_amount_and_less_than_a_micro_more(amount: object) -> None:
    from decimal import Decimal

    assert isinstance(amount, Decimal)
    assert Decimal(0) <= dollars(micro(amount)) - amount < Decimal("0.000001")


@given(st.integers(min_value=0, max_value=10**15))
def test_every_amount_of_micro_dollars_can_be_written_as_a_limit(amount: int) -> None:
    assert parse_money(f"{dollars(amount):f} USD") == amount


@given(
    st.integers(min_value=946_684_800_000_000, max_value=4_102_444_800_000_000),  # the years 2000 to 2100
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland", "America/Havana"]),
    st.sampled_from(Every),
)
def test_periods_hold_their_instant_and_follow_each_other_without_a_gap(at: int, zone_name: str, every: Every) -> None:
    zone = ZoneInfo(zone_name)
    period = period_of(every, at, zone)
    assert period.starts <= at < period.ends
    assert period_of(every, period.ends, zone).starts == period.ends
    assert period_of(every, period.ends - 1, zone) == period
    assert moment(period.starts, zone).day == (1 if every is Every.MONTH else moment(at, zone).day)


def test_the_day_of_the_change_to_winter_time_has_25_hours() -> None:
    zone = ZoneInfo("Europe/Berlin")
    noon = instant(datetime.datetime(2026, 10, 25, 12, tzinfo=zone))
    period = period_of(Every.DAY, noon, zone)
    assert period.ends - period.starts == 25 * 3600 * 1_000_000
