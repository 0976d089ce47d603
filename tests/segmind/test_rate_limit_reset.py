"""When the API listens again after a 429, in whatever form it tells it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.segmind.error_mapping import MAX_RESET_S, parse_rate_limit_reset
from airflow_provider_runway.segmind.timestamps import format_timestamp

NOW = 1_787_824_800.0  # 2026-08-27T10:00:00Z
IN_30 = NOW + 30


@pytest.mark.parametrize(
    ("headers", "reset_at"),
    [
        pytest.param({"x-rate-limit-reset-at-utc": "2026-08-27T10:00:30Z"}, IN_30, id="ISO"),
        pytest.param({"x-rate-limit-reset-at-utc": "2026-08-27T10:00:30"}, IN_30, id="ISO without a zone"),
        pytest.param({"x-rate-limit-reset-at-utc": "2026-08-27 10:00:30"}, IN_30, id="ISO without T"),
        pytest.param({"x-rate-limit-reset-at-utc": str(int(IN_30))}, IN_30, id="epoch seconds"),
        pytest.param({"x-rate-limit-reset-at-utc": str(int(IN_30 * 1000))}, IN_30, id="epoch milliseconds"),
        pytest.param({"retry-after": "30"}, IN_30, id="Retry-After in seconds"),
        pytest.param({"retry-after": "Thu, 27 Aug 2026 10:00:30 GMT"}, IN_30, id="Retry-After as a date"),
        pytest.param({"retry-after": "5", "x-rate-limit-reset-at-utc": str(IN_30)}, IN_30, id="the later one counts"),
        pytest.param({"retry-after": "-5"}, NOW, id="before now"),
        pytest.param({"x-rate-limit-reset-at-utc": "2020-01-01T00:00:00Z"}, NOW, id="long past"),
        pytest.param({"x-rate-limit-reset-at-utc": "2099-01-01T00:00:00Z"}, NOW + MAX_RESET_S, id="absurdly far"),
        pytest.param({"retry-after": "86400"}, NOW + MAX_RESET_S, id="a day"),
        pytest.param({"x-rate-limit-reset-at-utc": "soon", "retry-after": "?"}, None, id="garbage"),
        pytest.param({"x-rate-limit-reset-at-utc": "99999999999999999999"}, None, id="a number beyond every clock"),
        pytest.param({"retry-after": "Thu, 27 Aug 2026 10:00:00 +99999999999999"}, None, id="a zone beyond the earth"),
        pytest.param({"x-rate-limit-reset-at-utc": "now"}, None, id="no clock is asked for a word"),
        pytest.param({}, None, id="not said"),
    ],
)
def test_a_reset_is_read(headers: dict[str, str], reset_at: float | None) -> None:
    assert parse_rate_limit_reset(headers, NOW) == reset_at


@given(reset=st.text(), after=st.text())
@pytest.mark.filterwarnings("ignore::dateutil.parser.UnknownTimezoneWarning")
def test_reading_a_reset_never_raises_and_stays_near(reset: str, after: str) -> None:
    found = parse_rate_limit_reset({"x-rate-limit-reset-at-utc": reset, "retry-after": after}, NOW)
    assert found is None or NOW <= found <= NOW + MAX_RESET_S


@given(st.integers(min_value=-3600, max_value=3600))
def test_a_reset_that_was_written_is_found_within_its_bounds(seconds: int) -> None:
    written = format_timestamp(NOW + seconds) or ""
    wait_s = min(max(seconds, 0), MAX_RESET_S)
    assert parse_rate_limit_reset({"x-rate-limit-reset-at-utc": written}, NOW) == NOW + wait_s
