"""Which bytes a media request gets."""

from __future__ import annotations

import pytest

from airflow_provider_runway.videos.media_reader import ByteRange, RangeNotSatisfiableError, parse_range


def test_a_range_is_read(subtests: pytest.Subtests) -> None:
    for case, header, size, wanted in (
        ("no header", None, 100, None),
        ("the first ten", "bytes=0-9", 100, ByteRange(0, 9)),
        ("open, to the end", "bytes=90-", 100, ByteRange(90, 99)),
        ("open, and longer than is sent at once", "bytes=0-", 100, ByteRange(0, 49)),
        ("closed, as long as it is", "bytes=0-99", 100, ByteRange(0, 99)),
        ("past the end", "bytes=90-1000", 100, ByteRange(90, 99)),
        ("the last ten", "bytes=-10", 100, ByteRange(90, 99)),
        ("the last ones of a shorter file", "bytes=-1000", 100, ByteRange(0, 99)),
        ("several ranges are ignored", "bytes=0-1,5-6", 100, None),
        ("backwards is ignored", "bytes=9-1", 100, None),
        ("no number is ignored", "bytes=-", 100, None),
        ("another unit is ignored", "lines=1-2", 100, None),
        ("other digits are ignored", "bytes=٣-٤", 100, None),
    ):
        with subtests.test(case):
            assert parse_range(header, size, max_open_length=50) == wanted


def test_a_range_outside_of_the_file_is_refused(subtests: pytest.Subtests) -> None:
    for header, size in (("bytes=100-", 100), ("bytes=100-200", 100), ("bytes=-0", 100), ("bytes=0-", 0)):
        with subtests.test(header=header, size=size), pytest.raises(RangeNotSatisfiableError):
            parse_range(header, size, max_open_length=50)
