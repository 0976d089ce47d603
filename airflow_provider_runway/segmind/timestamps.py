"""Numbers and moments as other people's JSON and headers write them, and as we write them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

#: Above this a number of seconds would be past the year 5000: it is milliseconds.
_MILLISECONDS_FROM = 1e11
#: What is no number and names no year ("now", "12:30") would be completed from the machine's own clock.
_YEAR = re.compile(r"\d{4}")


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
    """Return epoch seconds from epoch (milli)seconds, or from ISO 8601 with or without ``T`` or zone.

    Without a zone UTC is meant: the header that this was written for says so in its name. What is
    no moment, or one thousands of years away, is None.
    """
    if (number := parse_number(value)) is not None:
        seconds = number / 1000 if number > _MILLISECONDS_FROM else number
        return seconds if abs(seconds) < _MILLISECONDS_FROM else None
    if not isinstance(value, str) or not _YEAR.search(value):
        return None
    import pendulum  # here, because a DAG file that only imports an operator should not pay for it

    try:
        parsed = pendulum.parse(value.strip(), tz="UTC", strict=False)
        return parsed.timestamp() if isinstance(parsed, pendulum.DateTime) else None
    except (ValueError, OverflowError):
        return None


def format_timestamp(moment: float | None) -> str | None:
    """Return epoch seconds as ISO 8601 in UTC, to the second: what people read in XCom and messages."""
    return None if moment is None else datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")
