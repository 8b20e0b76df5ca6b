"""The months and days that budgets renew in: instants (microseconds since 1970, UTC) of the user's own time zone."""

from __future__ import annotations

import datetime
from enum import StrEnum
from typing import NamedTuple

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)


class Every(StrEnum):
    """How often a budget renews."""

    MONTH = "monthly"
    DAY = "daily"


class Period(NamedTuple):
    """From `starts` up to, not with, `ends`."""

    starts: int
    ends: int


def zone_of(name: str) -> datetime.tzinfo:
    """A time zone by its IANA name. Raises `ValueError`."""
    if name == "UTC":
        return datetime.UTC
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(f"{name!r} is not a time zone such as UTC or Europe/Berlin") from error


def instant(moment: datetime.datetime) -> int:
    """Microseconds since 1970, exactly."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(at: int, zone: datetime.tzinfo = datetime.UTC) -> datetime.datetime:
    """The instant as a date and time there."""
    return (_EPOCH + at * _MICROSECOND).astimezone(zone)


def period_of(every: Every, at: int, zone: datetime.tzinfo) -> Period:
    """The month or day that holds an instant. A day of a change of the clocks has 23 or 25 hours."""
    here = moment(at, zone)
    first = datetime.datetime(here.year, here.month, 1 if every is Every.MONTH else here.day, tzinfo=zone)
    return Period(instant(first), instant(_next(every, first)))


def _next(every: Every, first: datetime.datetime) -> datetime.datetime:
    """Midnight of the next month or day: by the calendar, not by counting hours."""
    if every is Every.DAY:
        day = first.date() + datetime.timedelta(days=1)
    else:
        day = (first.date() + datetime.timedelta(days=32)).replace(day=1)
    return datetime.datetime(day.year, day.month, day.day, tzinfo=first.tzinfo)
