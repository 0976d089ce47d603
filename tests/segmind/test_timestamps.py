"""Numbers and moments are read in every form in which they may come, and nothing makes the readers raise."""

from __future__ import annotations

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.segmind.timestamps import format_timestamp, parse_number, parse_timestamp

WHEN = datetime(2026, 8, 27, 10, 0, 0, tzinfo=UTC).timestamp()
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


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("2026-08-27T10:00:00Z", id="ISO with Z"),
        pytest.param("2026-08-27T10:00:00.000Z", id="milliseconds"),
        pytest.param("2026-08-27T12:00:00+02:00", id="another zone"),
        pytest.param("2026-08-27T10:00:00", id="no zone means UTC"),
        pytest.param("2026-08-27 10:00:00", id="no T"),
        pytest.param(" 2026-08-27 10:00:00.000 ", id="blanks around"),
        pytest.param("2026-08-27 10:00:00 UTC", id="the zone as a word"),
        pytest.param("Thu, 27 Aug 2026 10:00:00 GMT", id="an HTTP date"),
        pytest.param(str(int(WHEN)), id="epoch seconds as text"),
        pytest.param(WHEN, id="epoch seconds"),
        pytest.param(int(WHEN * 1000), id="epoch milliseconds"),
        pytest.param(str(int(WHEN * 1000)), id="epoch milliseconds as text"),
    ],
)
def test_a_moment_is_read_in_every_form(text: object) -> None:
    assert parse_timestamp(text) == WHEN


@pytest.mark.parametrize(
    "value",
    [
        *("", " ", "soon", "now", "Thu", "12:30", "P1D", "2026-13-45", "nan", "inf", "1e400"),
        *("99999999999999999999", "9" * 30 + "-01-01", "2026-08-27T10:00:00+99:99", 1e14, -1e14, True, None, [], {}),
    ],
)
def test_what_is_no_moment_is_none(value: object) -> None:
    assert parse_timestamp(value) is None


@given(ANYTHING)
@pytest.mark.filterwarnings("ignore::dateutil.parser.UnknownTimezoneWarning")
def test_reading_a_moment_never_raises_and_it_can_be_written(value: object) -> None:
    moment = parse_timestamp(value)
    assert moment is None or math.isfinite(moment)


@given(st.datetimes(timezones=st.just(UTC)))
def test_what_is_written_is_read_again_to_the_second(moment: datetime) -> None:
    written = format_timestamp(moment.timestamp())
    assert written is not None
    assert parse_timestamp(written) == math.floor(moment.timestamp())


@pytest.mark.parametrize(
    ("value", "number"),
    [
        pytest.param("0.50", 0.5, id="text"),
        pytest.param(7, 7.0, id="whole"),
        pytest.param(" 7 ", 7.0, id="blanks"),
        pytest.param("7 USD", None, id="a unit"),
        pytest.param(True, None, id="truth is no number"),
        pytest.param("nan", None, id="nan"),
        pytest.param(float("inf"), None, id="infinity"),
        pytest.param(10**400, None, id="too large"),
        pytest.param([7], None, id="a list"),
        pytest.param(None, None, id="nothing"),
    ],
)
def test_a_number_is_read_from_itself_or_its_text(value: object, number: float | None) -> None:
    assert parse_number(value) == number


def test_no_moment_is_written_as_nothing() -> None:
    assert format_timestamp(None) is None
    assert format_timestamp(WHEN) == "2026-08-27T10:00:00+00:00"
