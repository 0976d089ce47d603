"""Reads the account's history: the calls for a page and for one row, and a search that reads page after page."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

from airflow_provider_runway.exceptions import BadInputError, NotFoundError, NoUsableResponseError, RefusedError
from airflow_provider_runway.history.query import MAX_ROWS_PER_PAGE, HistoryQuery
from airflow_provider_runway.history.rows import HistoryRow, Page, merge_rows, parse_page, parse_single_row
from airflow_provider_runway.segmind.api_calls import ApiCall
from airflow_provider_runway.segmind.exchange import Exchange, execute
from airflow_provider_runway.segmind.http import BaseUrls, Request
from airflow_provider_runway.segmind.retry import RetryPolicy

#: Bound on the pages that are read for one query.
MAX_PAGES = 50


def make_history_page_call(base_urls: BaseUrls, query: HistoryQuery, page: int) -> ApiCall[Page]:
    """Ask for one page of the account's requests: ``GET {history}``."""
    return ApiCall(Request("history", "GET", base_urls.history, query=query.to_query_parameters(page)), parse_page)


def make_history_row_call(base_urls: BaseUrls, request_id: str) -> ApiCall[HistoryRow]:
    """Ask for one request of any age: ``GET {history}/{request_id}``."""
    request = Request("history_one", "GET", base_urls.make_history_row_url(request_id))
    return ApiCall(request, partial(parse_single_row, request_id=request_id))


@dataclass(frozen=True, slots=True)
class HistorySearch:
    """What a search of the history returned.

    :param rows: one row a request, newest first, where the server sorts as it was asked to.
    :param unreadable_count: items that were no rows; nothing is known of them.
    :param is_whole: whether all rows of the query were read, so that a missing row means something.
    :param left_out: the filters that the server refused.
    :param clock_offset_s: the server's clock minus ours.
    """

    rows: list[HistoryRow] = field(default_factory=list)
    unreadable_count: int = 0
    is_whole: bool = True
    left_out: frozenset[str] = frozenset()
    clock_offset_s: float | None = None


def search_history(
    base_urls: BaseUrls,
    query: HistoryQuery,
    policy: RetryPolicy,
    since: float | None = None,
    *,
    with_page_zero: bool = False,
) -> Exchange[HistorySearch]:
    """Read the history's pages, newest rows first, until the last one.

    Only an empty page is taken for the end: the server may send fewer rows than it was asked for, and what it means by
    a total is not known. A filter that the server refuses is left out, and the query is repeated.

    :param since: epoch seconds by our clock; once the rows are seen to come newest first, older pages are not read.
    :param with_page_zero: also ask for page 0, because it is not known whether pages begin with 0 or 1.
    """
    pages, query, is_whole = yield from _read_pages(base_urls, query, policy, since)
    if with_page_zero and (page := (yield from _read_page_zero(base_urls, query, policy))) is not None:
        pages = [page, *pages] if not pages or page.rows != pages[0].rows else pages
    return _summarize_pages(pages, query, is_whole)


def _read_page_zero(base_urls: BaseUrls, query: HistoryQuery, policy: RetryPolicy) -> Exchange[Page | None]:
    """Return page 0; None where the server refuses it, because its pages begin with 1."""
    try:
        return (yield from execute(make_history_page_call(base_urls, query, 0), policy))
    except RefusedError:
        return None


def _read_pages(
    base_urls: BaseUrls, query: HistoryQuery, policy: RetryPolicy, since: float | None
) -> Exchange[tuple[list[Page], HistoryQuery, bool]]:
    """Return the pages from 1 on, the query without refused filters, and whether these are all its pages."""
    pages: list[Page] = []
    while len(pages) < MAX_PAGES:
        try:
            page = yield from execute(make_history_page_call(base_urls, query, len(pages) + 1), policy)
        except (NotFoundError, NoUsableResponseError) as error:
            if pages and error.facts.get("http_status") in (204, 404):
                # It may mean that there are no more rows. The rows so far count, but a missing row means nothing
                # unless the server's total says that these are all.
                total = pages[0].total
                return pages, query, total is not None and sum(page.row_count for page in pages) >= total
            raise
        except RefusedError as refusal:
            reduced_query = query.leave_out_filter(str(refusal)) if _may_be_about_a_filter(refusal) else None
            if reduced_query is None:
                raise
            query = reduced_query
            pages.clear()  # page numbers of another query mean other rows
            continue
        if pages and page.row_count > 0 and page.rows == pages[-1].rows:
            # Either the server repeats its last page, or it knows no pages and may have more rows than it sends.
            return pages, query, len(pages) > 1 or pages[0].total == pages[0].row_count
        pages.append(page)
        if page.row_count == 0 or (since is not None and _is_last_page_older(pages, since)):
            return pages, query, True
    return pages, query, False


def find_requests(
    base_urls: BaseUrls, query: HistoryQuery, policy: RetryPolicy, since: float | None = None
) -> Exchange[list[HistoryRow]]:
    """Return the rows of :func:`search_history` that have a request id.

    :raises BadInputError: not all rows could be read; a part must not pass for the whole.
    """
    search = yield from search_history(base_urls, query, policy, since)
    if not search.is_whole:
        raise BadInputError(
            f"The history has more than {MAX_PAGES} pages of {MAX_ROWS_PER_PAGE} rows for this query, repeats its "
            "pages, or does not return a later one; ask for fewer days, or for one model."
        )
    return [row for row in search.rows if row.request_id is not None]


def _may_be_about_a_filter(refusal: RefusedError) -> bool:
    return refusal.facts.get("http_status") in (400, 406, 422)


def _is_last_page_older(pages: list[Page], since: float) -> bool:
    """Is the last page, and so every later one, older than this? Only where the rows are seen to be sorted."""
    last = pages[-1]
    since += last.clock_offset_s or 0.0
    if last.unreadable_count or any(row.created_between is None for row in last.rows):
        return False
    times = [row.created_at for page in pages for row in page.rows if row.created_at is not None]
    is_newest_first = times == sorted(times, reverse=True) and times[0] > times[-1]
    return is_newest_first and all(row.created_between[1] < since for row in last.rows if row.created_between)


def _summarize_pages(pages: list[Page], query: HistoryQuery, is_whole: bool) -> HistorySearch:
    offsets = [page.clock_offset_s for page in pages if page.clock_offset_s is not None]
    return HistorySearch(
        rows=merge_rows(row for page in pages for row in page.rows),
        unreadable_count=sum(page.unreadable_count for page in pages),
        is_whole=is_whole,
        left_out=query.left_out,
        clock_offset_s=offsets[-1] if offsets else None,
    )
