"""When a download that broke off may go on: only where the same version of the file can be named."""

from __future__ import annotations

import pytest

from airflow_provider_runway.outputs.range_requests import PartialFile, part_of, total_of

OLD, NEW = "Sun, 22 Nov 2026 20:00:00 GMT", "Sun, 22 Nov 2026 20:05:00 GMT"
PART = PartialFile(100, '"v1"', 300)


@pytest.mark.parametrize(
    ("headers", "validator"),
    [
        pytest.param({"etag": '"v1"'}, '"v1"', id="a strong ETag"),
        pytest.param({"etag": '"v1"', "accept-ranges": "bytes", "content-encoding": "identity"}, '"v1"', id="all said"),
        pytest.param({"last-modified": OLD, "date": NEW}, OLD, id="a date that is long enough ago"),
        pytest.param({"etag": 'W/"v1"', "last-modified": OLD, "date": NEW}, None, id="a weak ETag, whatever the date"),
        pytest.param({"etag": "v1"}, None, id="an ETag without quotes"),
        pytest.param({"last-modified": NEW, "date": NEW}, None, id="a date of the same minute"),
        pytest.param({"last-modified": OLD}, None, id="a date, and no date of the answer"),
        pytest.param({"last-modified": "yesterday", "date": NEW}, None, id="a date that is none"),
        pytest.param({}, None, id="nothing"),
        pytest.param({"etag": '"v1"', "accept-ranges": "none"}, None, id="a server without parts"),
        pytest.param({"etag": '"v1"', "content-encoding": "gzip"}, None, id="packed bytes"),
    ],
)
def test_only_a_version_that_can_be_named_is_gone_on_with(headers: dict[str, str], validator: str | None) -> None:
    part = part_of(headers, 100, 300)
    assert part == (None if validator is None else PartialFile(100, validator, 300))
    assert part is None or part.headers() == {"Range": "bytes=100-", "If-Range": validator}


def test_of_nothing_there_is_no_part() -> None:
    assert part_of({"etag": '"v1"'}, 0, 300) is None


@pytest.mark.parametrize(
    ("headers", "fits"),
    [
        pytest.param({"content-range": "bytes 100-299/300"}, True, id="the rest"),
        pytest.param({"content-range": "bytes 100-299/300", "etag": '"v1"'}, True, id="the rest of this version"),
        pytest.param({"content-range": "bytes 100-299/*"}, True, id="the rest, the whole not said"),
        pytest.param({"content-range": "bytes 101-299/300"}, False, id="it begins elsewhere"),
        pytest.param({"content-range": "bytes 100-199/300"}, False, id="it ends early"),
        pytest.param({"content-range": "bytes 100-399/400"}, False, id="of a longer file"),
        pytest.param({"content-range": "bytes 100-299/300", "etag": '"v2"'}, False, id="of another version"),
        pytest.param({"content-range": "bytes */300"}, False, id="no part"),
        pytest.param({}, False, id="nothing said"),
    ],
)
def test_only_exactly_the_rest_is_put_behind_the_beginning(headers: dict[str, str], fits: bool) -> None:
    assert PART.goes_on(headers) is fits


def test_where_the_whole_was_not_said_any_end_fits() -> None:
    assert PartialFile(100, '"v1"', None).goes_on({"content-range": "bytes 100-299/300"})


@pytest.mark.parametrize(
    ("headers", "total"),
    [
        ({"content-length": "300"}, 300),
        ({"content-length": "200", "content-range": "bytes 100-299/300"}, 300),
        ({"content-length": "200", "content-range": "bytes 100-299/*"}, None),
        ({"content-length": "300", "content-encoding": "gzip"}, None),
        ({"content-length": "many"}, None),
        ({}, None),
    ],
)
def test_the_length_of_the_whole_is_read(headers: dict[str, str], total: int | None) -> None:
    assert total_of(headers) == total
