"""Which bytes a media request gets."""

from __future__ import annotations

import pytest

from airflow_provider_runway.videos.byte_ranges import ByteRange, RangeNotSatisfiableError, parse_range


@pytest.mark.parametrize(
    ("header", "size", "wanted"),
    [
        pytest.param(None, 100, None, id="no header"),
        pytest.param("bytes=0-9", 100, ByteRange(0, 9), id="the first ten"),
        pytest.param("bytes=90-", 100, ByteRange(90, 99), id="open, to the end"),
        pytest.param("bytes=0-", 100, ByteRange(0, 49), id="open, and longer than is sent at once"),
        pytest.param("bytes=0-99", 100, ByteRange(0, 99), id="closed, as long as it is"),
        pytest.param("bytes=90-1000", 100, ByteRange(90, 99), id="past the end"),
        pytest.param("bytes=-10", 100, ByteRange(90, 99), id="the last ten"),
        pytest.param("bytes=-1000", 100, ByteRange(0, 99), id="the last ones of a shorter file"),
        pytest.param("bytes=0-1,5-6", 100, None, id="several ranges are ignored"),
        pytest.param("bytes=9-1", 100, None, id="backwards is ignored"),
        pytest.param("bytes=-", 100, None, id="no number is ignored"),
        pytest.param("lines=1-2", 100, None, id="another unit is ignored"),
        pytest.param("bytes=٣-٤", 100, None, id="other digits are ignored"),
    ],
)
def test_a_range_is_read(header: str | None, size: int, wanted: ByteRange | None) -> None:
    assert parse_range(header, size, max_open_length=50) == wanted


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=100-", 100), ("bytes=100-200", 100), ("bytes=-0", 100), ("bytes=0-", 0)]
)
def test_a_range_outside_of_the_file_is_refused(header: str, size: int) -> None:
    with pytest.raises(RangeNotSatisfiableError):
        parse_range(header, size, max_open_length=50)
