"""Reads the account's history of many days: query by query, each of as many days as the server and the page limit take.

It is not known how the server's days begin and end. So queries overlap by a day, and reach a day beyond both ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from airflow_provider_runway.exceptions import BadInputError, NotFoundError, NoUsableResponseError, RunwayError
from airflow_provider_runway.history.query import MAX_DAYS, HistoryQuery
from airflow_provider_runway.history.rows import HistoryRow, merge_rows
from airflow_provider_runway.history.search import HistorySearch, search_history
from airflow_provider_runway.segmind.exchange import Exchange
from airflow_provider_runway.segmind.http import BaseUrls
from airflow_provider_runway.segmind.retry import RetryPolicy

#: Bound on the days that are read at once.
MAX_TOTAL_DAYS = 366
_DAY = timedelta(days=1)


def read_days(base_urls: BaseUrls, first: date, last: date, policy: RetryPolicy) -> Exchange[HistorySearch]:
    """Return the rows of these UTC days, both inclusive, and of a day more at both ends.

    Where a query has more pages than are read, it is split into two of half the days. ``is_whole`` of the result is
    False where a single day still has more, or where the server does not return all pages.

    :raises BadInputError: the days are in the wrong order, or more than :data:`MAX_TOTAL_DAYS`.
    :raises RunwayError: the history could not be read.
    """
    days = (last - first).days + 1
    if not 1 <= days <= MAX_TOTAL_DAYS:
        raise BadInputError(
            f"From {first} to {last} is {days} days; give 1 to {MAX_TOTAL_DAYS} days. Nothing was asked."
        )
    to_read = list(reversed(list(_split(first, last, MAX_DAYS - 2))))
    found: list[HistorySearch] = []
    error: RunwayError | None = None
    while to_read:
        start, end = to_read.pop()
        query = HistoryQuery(start - _DAY, end + _DAY)
        try:
            search = yield from search_history(base_urls, query, policy, with_page_zero=True)
        except (NotFoundError, NoUsableResponseError) as problem:
            if problem.facts.get("http_status") not in (204, 404):
                raise
            error = problem  # it may mean that there are no rows on these days, and proves it not
            continue
        if not search.is_whole and end > start and not {"from_date", "to_date"} & search.left_out:
            to_read += reversed(list(_split(start, end, ((end - start).days + 2) // 2)))
        else:
            found.append(search)
    if error is not None and not found:
        raise error
    return HistorySearch(
        rows=_merge(found),
        unreadable_count=max(search.unreadable_count for search in found),
        is_whole=error is None and all(search.is_whole for search in found),
        left_out=frozenset().union(*(search.left_out for search in found)),
        clock_offset_s=found[-1].clock_offset_s,
    )


def _split(first: date, last: date, days: int) -> Iterator[tuple[date, date]]:
    """Yield the days from the first to the last in parts of so many days."""
    while first <= last:
        end = min(first + (days - 1) * _DAY, last)
        yield first, end
        first = end + _DAY


def _merge(searches: list[HistorySearch]) -> list[HistoryRow]:
    """Return one row a request. A row without an id that two queries have is taken for the same one."""
    rows: list[HistoryRow] = []
    for search in searches:
        nameless = [row for row in rows if row.request_id is None]
        rows += [row for row in search.rows if row.request_id is not None or row not in nameless]
    return merge_rows(rows)
