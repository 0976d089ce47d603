"""Conversations with the API as generators: they yield what to do, and are sent what happened.

Both transports drive the same generators, so a rule about asking again stands here once. A driver
answers :class:`Send` with a :class:`Received`, and every other step with a :class:`Resumed`.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from airflow_provider_runway.exceptions import BadInputError, NoUsableResponseError, SubmitOutcomeUnknownError
from airflow_provider_runway.segmind import endpoints
from airflow_provider_runway.segmind.endpoints import ApiCall
from airflow_provider_runway.segmind.error_mapping import map_failure_to_error
from airflow_provider_runway.segmind.history import MAX_PAGES, MAX_ROWS_PER_PAGE, HistoryQuery, HistoryRow, merge_rows
from airflow_provider_runway.segmind.http import BaseUrls, Request, Response, TransportFailure
from airflow_provider_runway.segmind.retry import RetryPolicy, compute_retry_delay_s, may_retry

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Send:
    """Send this request once, following no redirect."""

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
class Received:
    """What came of a Send. ``jitter`` is a random number from 0 up to 1: randomness is handed in."""

    outcome: Response | TransportFailure
    jitter: float = 0.5


@dataclass(frozen=True, slots=True)
class GetTime:
    """Say what time it is."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """It is ``now``, in epoch seconds: time is handed in."""

    now: float


Step = Send | Sleep | LogLine | GetTime
Exchange = Generator[Step, Received | Resumed, T]


def run_step(step: Sleep | LogLine | GetTime) -> Exchange[float]:
    """Do a step that is no request, and return the time after it (epoch seconds)."""
    woke = yield step
    if not isinstance(woke, Resumed):
        raise TypeError("only a Send is answered with what was heard")
    return woke.now


def execute(call: ApiCall[T], policy: RetryPolicy) -> Exchange[T]:
    """Send a call until it has a usable answer, within the policy.

    :raises RefusedError: the API said no. :raises NoUsableResponseError: a replayable call ran out of attempts, or a
        submit was certainly not accepted. :raises SubmitOutcomeUnknownError: a submit may have been accepted.
    """
    began: float | None = None
    for attempt in count(1):
        heard = yield Send(call.request)
        if not isinstance(heard, Received):
            raise TypeError("a Send is answered with what was heard")
        now = heard.outcome.received_at
        began = now if began is None else began
        try:
            if isinstance(heard.outcome, TransportFailure):
                raise map_failure_to_error(call.request, heard.outcome)
            return call.parse(call.request, heard.outcome)
        except NoUsableResponseError as error:
            if not may_retry(call.request, error):
                raise SubmitOutcomeUnknownError(
                    f"{error} A submit is never repeated blindly: it may have become a job, and be billed.",
                    at=now,
                    **error.facts,
                ) from error
            pause_s = compute_retry_delay_s(policy, error, attempt, now - began, now, heard.jitter)
            if pause_s is None:
                raise
            problem = error
        yield Sleep(pause_s, str(problem))
    raise AssertionError("count() does not end")


def find_requests(
    base_urls: BaseUrls, query: HistoryQuery, policy: RetryPolicy, since: float | None = None
) -> Exchange[list[HistoryRow]]:
    """Turn the history's pages, newest rows first, until the last one; one row a request.

    A short page is not taken for the last: the server may send fewer rows than it was asked for.

    :param since: epoch seconds; pages that are older altogether are not asked for.
    :raises BadInputError: more rows than :data:`MAX_PAGES` pages hold; a part must not pass for the whole.
    """
    rows: list[HistoryRow] = []
    sent = 0
    for number in range(1, MAX_PAGES + 1):
        page = yield from execute(endpoints.make_history_page_call(base_urls, query, number), policy)
        rows += page.rows
        sent += page.sent
        if page.sent == 0 or (page.total is not None and sent >= page.total):
            return merge_rows(rows)
        if since is not None and all(row.created_at is not None and row.created_at < since for row in page.rows):
            return merge_rows(rows)
    raise BadInputError(
        f"The history has more than {MAX_PAGES} pages of {MAX_ROWS_PER_PAGE} rows for this query; "
        "ask for fewer days, or for one model."
    )
