"""Dates as news sources write them. What cannot be read with certainty is unknown, never now."""

import re
import warnings
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from dateutil import parser as dateutil_parser
from dateutil.parser import UnknownTimezoneWarning

_ZONES_IN_HOURS = {
    "UTC": 0, "UT": 0, "GMT": 0, "Z": 0, "WET": 0, "WEST": 1, "BST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3,
    "MSK": 3, "GST": 4, "PKT": 5, "ICT": 7, "WIB": 7, "HKT": 8, "SGT": 8, "AWST": 8, "JST": 9, "KST": 9, "AEST": 10,
    "AEDT": 11, "NZST": 12, "NZDT": 13, "NST": -3.5, "NDT": -2.5, "BRT": -3, "ART": -3, "AST": -4, "ADT": -3,
    "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7, "AKST": -9, "AKDT": -8,
    "HST": -10,
}  # fmt: skip
"""Names that mean one zone: those of RFC 2822 as it defines them, and others that no two regions share in news."""

_ZONES = {name: timezone(timedelta(hours=hours)) for name, hours in _ZONES_IN_HOURS.items()}
_EPOCH_SECONDS = re.compile(r"\d{9,10}(?:\.\d+)?")
_EPOCH_MILLISECONDS = re.compile(r"\d{12,13}")
_YEAR_FIRST = re.compile(r"(?P<year>\d{4})[/.-](?P<month>\d{1,2})[/.-](?P<day>\d{1,2})(?!\d)")
_OFFSET_FROM_GMT = re.compile(r"\b(?:GMT|UTC)\s?(?=[+-]\d)")
_DEFAULTS = (datetime(2001, 1, 1), datetime(2002, 2, 2))
_MAX_LENGTH = 100


def parse_time(value: Any) -> datetime | None:
    """Read the time at which an article was published.

    ISO 8601, RFC 2822, seconds or milliseconds since 1970, and the common forms of dates with and without a time are
    read; without a zone, a time is UTC. None when it is absent, not a date, incomplete (a year or a day is missing),
    when day and month could be swapped (``05/06/2023``), or when the zone's name is unknown or has several meanings.

    Returns:
        The time in UTC, or None.
    """
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    text = str(value).strip()
    if not text or len(text) > _MAX_LENGTH:
        return None
    try:
        return _read(text)
    except (ValueError, OverflowError, ArithmeticError):
        return None


def _read(text: str) -> datetime | None:
    if _EPOCH_SECONDS.fullmatch(text):
        return datetime.fromtimestamp(float(text), UTC)
    if _EPOCH_MILLISECONDS.fullmatch(text):
        return datetime.fromtimestamp(int(text) / 1000, UTC)
    if text.isdecimal() and len(text) != 8:
        return None
    text = _OFFSET_FROM_GMT.sub("", text)
    if year_first := _YEAR_FIRST.match(text):
        year, month, day = (int(number) for number in year_first.groups())
        text = f"{year:04}-{month:02}-{day:02}{text[year_first.end() :]}"
    try:
        return _in_utc(datetime.fromisoformat(text))
    except ValueError:
        pass
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnknownTimezoneWarning)
        try:
            # A part that is absent is taken from the default, and the day may be the first or the second number: the
            # text says the same under both choices of each, or it does not say when it was.
            readings = {
                _in_utc(dateutil_parser.parse(text, default=default, dayfirst=day_first, tzinfos=_ZONES))
                for default in _DEFAULTS
                for day_first in ((False,) if year_first else (False, True))
            }
        except UnknownTimezoneWarning:
            return None
    return readings.pop() if len(readings) == 1 else None


def _in_utc(moment: datetime) -> datetime:
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)
