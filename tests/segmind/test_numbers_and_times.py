"""Numbers and timestamps are read in every form that may come, and nothing makes the parsers raise."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.segmind.numbers_and_times import (
    Timestamp,
    format_timestamp,
    parse_http_date,
    parse_number,
    parse_timestamp,
    parse_timestamp_details,
)

TIME = datetime(2026, 8, 27, 10, 0, 0, tzinfo=UTC).timestamp()
HOUR = 3600.0
ANYTHING = st.one_of(
    st.text(),
    st.text("0123456789-:TZ+. ", max_size=30),
    st.from_regex(r"\d{1,30}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:\d\d)?", fullmatch=True),
    st.integers(),
    st.floats(),
    st.none(),
    st.booleans(),
    st.lists(st.integers()),
)


def test_a_timestamp_is_read_with_its_zone_and_precision(subtests: pytest.Subtests) -> None:
    for case, text, expected in (
        ("ISO with Z", "2026-08-27T10:00:00Z", Timestamp(TIME)),
        ("another zone", " 2026-08-27T12:00:00.000+02:00 ", Timestamp(TIME)),
        ("the zone as a word", "2026-08-27 10:00:00 UTC", Timestamp(TIME)),
        ("no zone and no T", "2026-08-27 10:00:00", Timestamp(TIME, has_time_zone=False)),
        ("minutes", "2026-08-27T10:00", Timestamp(TIME, False, 60.0)),
        ("minutes with a zone", "2026-08-27T10:00Z", Timestamp(TIME, True, 60.0)),
        ("a day", "2026-08-27", Timestamp(TIME - 10 * HOUR, False, 86_400.0)),
        ("an HTTP date", "Thu, 27 Aug 2026 10:00:00 GMT", Timestamp(TIME)),
        ("a month by its name", "Aug 27, 2026 10:00 AM", Timestamp(TIME, False, 60.0)),
        ("slashes, the year first", "2026/08/27 10:00:00+00:00", Timestamp(TIME)),
        ("epoch seconds", TIME, Timestamp(TIME)),
        ("epoch milliseconds as text", str(int(TIME * 1000)), Timestamp(TIME)),
    ):
        with subtests.test(case):
            assert parse_timestamp_details(text) == expected
            assert parse_timestamp(text) == expected.seconds


def test_a_timestamp_without_a_zone_may_mean_any_zone() -> None:
    known, unknown = Timestamp(TIME), Timestamp(TIME, has_time_zone=False, precision_s=60.0)
    assert (known.earliest, known.latest) == (TIME, TIME + 1)
    assert (unknown.earliest, unknown.latest) == (TIME - 14 * HOUR, TIME + 12 * HOUR + 60)


def test_what_is_no_timestamp_is_none() -> None:
    texts = ("", "soon", "12:30", "P1D", "2026-13-45", "inf", "9" * 30 + "-01-01", "2026-08-27T10:00:00+99:99")
    for value in (*texts, "08/09/2026 10:00:00", "27.08.2026", "Thu, 99 Foo 2026 10:00:00 GMT", 1e14, True, None, []):
        assert parse_timestamp(value) is None


@given(ANYTHING)
@pytest.mark.filterwarnings("ignore::dateutil.parser.UnknownTimezoneWarning")
def test_parsing_a_timestamp_never_raises(value: object) -> None:
    found = parse_timestamp(value)
    assert found is None or math.isfinite(found)


@given(st.none() | st.text())
def test_parsing_an_http_date_never_raises(text: str | None) -> None:
    found = parse_http_date(text)
    assert found is None or math.isfinite(found)


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_is_read_again_to_the_second(time: datetime) -> None:
    written = format_timestamp(time.timestamp())
    assert parse_timestamp(written) == math.floor(time.timestamp())


def test_no_timestamp_is_written_as_nothing() -> None:
    assert format_timestamp(None) is None
    assert format_timestamp(TIME) == "2026-08-27T10:00:00+00:00"


def test_a_number_is_read_from_itself_or_its_text(subtests: pytest.Subtests) -> None:
    for value, number in (
        (" 0.50 ", 0.5),
        (7, 7.0),
        ("7 USD", None),
        (True, None),
        ("nan", None),
        (10**400, None),
        ([7], None),
        (None, None),
    ):
        with subtests.test(value=value, number=number):
            assert parse_number(value) == number
