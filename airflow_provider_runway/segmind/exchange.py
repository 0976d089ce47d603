"""Exchanges with the API as generators: they yield the next step, and are sent its result. No I/O happens here.

Both transports drive the same generators, so a rule about retries is written once. A transport answers
:class:`Send` with a :class:`Received`, and every other step with a :class:`Resumed`.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar

from airflow_provider_runway.exceptions import (
    BadInputError,
    NotFoundError,
    NoUsableResponseError,
    RefusedError,
    SubmitOutcomeUnknownError,
)
from airflow_provider_runway.segmind import endpoints
from airflow_provider_runway.segmind.endpoints import ApiCall
from airflow_provider_runway.segmind.error_mapping import map_failure_to_error
from airflow_provider_runway.segmind.history import (
    MAX_PAGES,
    MAX_ROWS_PER_PAGE,
    HistoryQuery,
    HistoryRow,
    Page,
    merge_rows,
)
from airflow_provider_runway.segmind.http import BaseUrls, Request, Response, TransportFailure
from airflow_provider_runway.segmind.retry import RetryPolicy, compute_retry_delay_s, may_retry

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Send:
    """Send this request once, following no redirect, and not later than its ``not_after``."""

    request: Request


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait. ``because`` goes into the log; an ordinary wait has none."""

    seconds: float
    because: str = ""


@dataclass(frozen=True, slots=True)
class LogLine:
    """Write a line into the log: ``problem`` makes it a warning."""

    line: str
    problem: bool = False


@dataclass(frozen=True, slots=True)
class GetTime:
    """Say what time it is."""


@dataclass(frozen=True, slots=True)
class Received:
    """The result of a Send. ``jitter`` is a random number from 0 up to 1: randomness is handed in."""

    outcome: Response | TransportFailure
    jitter: float = 0.5


@dataclass(frozen=True, slots=True)
class Resumed:
    """The result of any other step: ``now`` is the time in epoch seconds, which is handed in like this."""

    now: float


Step = Send | Sleep | LogLine | GetTime
Exchange = Generator[Step, Received | Resumed, T]


def run_step(step: Sleep | LogLine | GetTime) -> Exchange[float]:
    """Do a step that is no request, and return the time after it (epoch seconds)."""
    resumed = yield step
    if not isinstance(resumed, Resumed):
        raise TypeError("only a Send is answered with Received")
    return resumed.now


def execute(call: ApiCall[T], policy: RetryPolicy) -> Exchange[T]:
    """Send a call until it has a usable response, within the policy, and return what its parser returns.

    :raises RefusedError: the API refused it. :raises NoUsableResponseError: an idempotent call ran out of attempts,
        or a submit was certainly not accepted. :raises SubmitOutcomeUnknownError: a submit may have been accepted.
    """
    request = call.request
    started_at: float | None = None
    for attempt in count(1):
        received = yield Send(request)
        if not isinstance(received, Received):
            raise TypeError("a Send is answered with Received")
        now = received.outcome.received_at
        started_at = now if started_at is None else started_at
        try:
            if isinstance(received.outcome, TransportFailure):
                raise map_failure_to_error(request, received.outcome)
            return call.parse(request, received.outcome)
        except NoUsableResponseError as error:
            if not may_retry(request, error):
                raise SubmitOutcomeUnknownError(
                    f"{error} The submit is not repeated, because it may have become a job that is billed.",
                    at=now,
                    **error.facts,
                ) from error
            pause_s = compute_retry_delay_s(policy, error, attempt, now - started_at, now, received.jitter)
            if pause_s is None or request.has_expired(now + pause_s):
                raise
            problem = error
        yield Sleep(pause_s, str(problem))
    raise AssertionError("count() does not end")


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
        return (yield from execute(endpoints.make_history_page_call(base_urls, query, 0), policy))
    except RefusedError:
        return None


def _read_pages(
    base_urls: BaseUrls, query: HistoryQuery, policy: RetryPolicy, since: float | None
) -> Exchange[tuple[list[Page], HistoryQuery, bool]]:
    """Return the pages from 1 on, the query without refused filters, and whether these are all its pages."""
    pages: list[Page] = []
    while len(pages) < MAX_PAGES:
        try:
            page = yield from execute(endpoints.make_history_page_call(base_urls, query, len(pages) + 1), policy)
        except (NotFoundError, NoUsableResponseError) as error:
            if pages and error.facts.get("http_status") in (204, 404):
                # It may mean that there are no more rows. The rows so far count, but a missing row means nothing
                # unless the server has told that these are all.
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
