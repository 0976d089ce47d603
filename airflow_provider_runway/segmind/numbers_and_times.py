"""Numbers and timestamps: how the API's JSON and headers write them, and how this package writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

#: Above this a number of seconds would be past the year 5000, so it is a number of milliseconds.
_MIN_MILLISECONDS = 1e11
#: Year, month, day, or a month by its name. "08/09/2026" may mean two days a month apart, and a text without a year
#: ("now", "12:30") would be completed from the clock of this machine.
_CLEAR_DATE = re.compile(
    r"\s*\d{4}[-/.]?\d{1,2}[-/.]?\d{1,2}(?!\d)|(?=.*\b\d{4}\b).*\b(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)",
    re.IGNORECASE,
)
#: HTTP dates begin with the day of the week: "Tue, 24 Nov 2026 22:15:00 GMT".
_WEEKDAY = re.compile(r"\s*(mon|tue|wed|thu|fri|sat|sun)[a-z]*,", re.IGNORECASE)
#: Hours, minutes and seconds.
_SECONDS = re.compile(r"\d{1,2}:\d{2}:\d{2}|T\d{6}")
_MINUTES = re.compile(r"\d{1,2}:\d{2}|T\d{4}")

#: How far the clocks of the world's time zones are ahead of UTC, and behind it.
MAX_ZONE_AHEAD_S = 14 * 3600.0
MAX_ZONE_BEHIND_S = 12 * 3600.0


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A point in time as someone wrote it down.

    :param seconds: epoch seconds; where no time zone was written, as if it were UTC.
    :param has_time_zone: whether a time zone was written, or none is needed because it is a number.
    :param precision_s: the unit that it was cut to: a second, a minute or a day.
    """

    seconds: float
    has_time_zone: bool = True
    precision_s: float = 1.0

    @property
    def earliest(self) -> float:
        """The earliest point in time (epoch seconds) that this can mean, in any time zone."""
        return self.seconds - (0.0 if self.has_time_zone else MAX_ZONE_AHEAD_S)

    @property
    def latest(self) -> float:
        """The latest point in time (epoch seconds) that this can mean, in any time zone."""
        return self.seconds + self.precision_s + (0.0 if self.has_time_zone else MAX_ZONE_BEHIND_S)


def parse_number(value: Any) -> float | None:
    """Return a finite number from a number or its text, else None."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < 1e15 else None


def parse_timestamp(value: Any) -> float | None:
    """Return epoch seconds from any form that :func:`parse_timestamp_details` reads. Without a zone UTC is meant."""
    found = parse_timestamp_details(value)
    return None if found is None else found.seconds


def parse_timestamp_details(value: Any) -> Timestamp | None:
    """Return a timestamp with what its text says about time zone and precision.

    Reads epoch seconds and milliseconds (as a number or as text), ISO 8601 with or without ``T`` or zone, and HTTP
    dates. Returns None for anything else, for a date that may be read in two ways, and for times that are thousands of
    years away.
    """
    if (number := parse_number(value)) is not None:
        seconds = number / 1000 if number > _MIN_MILLISECONDS else number
        return Timestamp(seconds) if abs(seconds) < _MIN_MILLISECONDS else None
    if not isinstance(value, str) or not _CLEAR_DATE.match(value):
        return None
    if _WEEKDAY.match(value):
        http_date = parse_http_date(value)
        return None if http_date is None else Timestamp(http_date)
    as_utc, as_another_zone = _parse_text(value, "UTC"), _parse_text(value, "Asia/Tokyo")
    if as_utc is None:
        return None
    precision_s = 1.0 if _SECONDS.search(value) else 60.0 if _MINUTES.search(value) else 86_400.0
    return Timestamp(as_utc, has_time_zone=as_utc == as_another_zone, precision_s=precision_s)


def parse_http_date(text: str | None) -> float | None:
    """Return epoch seconds from the date of an HTTP header, such as ``Date`` or ``Retry-After``; else None."""
    try:
        parsed = parsedate_to_datetime(text or "")
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def format_timestamp(seconds: float | None) -> str | None:
    """Return epoch seconds as ISO 8601 in UTC, to the second, as people read it in XCom and messages."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _parse_text(text: str, default_zone: str) -> float | None:
    import pendulum  # imported here because a DAG file that only imports an operator should not pay for it

    try:
        parsed = pendulum.parse(text.strip(), tz=default_zone, strict=False)
        return parsed.timestamp() if isinstance(parsed, pendulum.DateTime) else None
    except (ValueError, OverflowError):
        return None
