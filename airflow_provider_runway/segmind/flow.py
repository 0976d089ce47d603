"""Conversations with the API as generators: they yield what to do, and are sent what happened.

Both transports drive the same generators, so a rule about asking again stands here once. A driver
answers :class:`Send` with a :class:`Heard`, and every other step with a :class:`Woke`.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from itertools import count
from typing import TypeVar

from airflow_provider_runway.exceptions import BadInput, SubmissionUnknown, Unanswered
from airflow_provider_runway.segmind import calls
from airflow_provider_runway.segmind.calls import Call
from airflow_provider_runway.segmind.history import MOST_PAGES, MOST_ROWS_A_PAGE, HistoryQuery, HistoryRow, merge
from airflow_provider_runway.segmind.refusals import error_for
from airflow_provider_runway.segmind.retry import RetryPolicy, may_repeat, pause_after
from airflow_provider_runway.segmind.wire import Answer, Endpoints, Fault, Request

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Send:
    """Send this request once, following no redirect."""

    request: Request


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait. ``because`` goes into the log; an ordinary wait has none."""

    seconds: float
    because: str = ""


@dataclass(frozen=True, slots=True)
class Tell:
    """Write a line into the log: ``problem`` makes it a warning."""

    line: str
    problem: bool = False


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of a Send. ``dice`` is a random number from 0 up to 1: randomness is handed in."""

    outcome: Answer | Fault
    dice: float = 0.5


@dataclass(frozen=True, slots=True)
class Clock:
    """Say what time it is."""


@dataclass(frozen=True, slots=True)
class Woke:
    """It is now ``at``, in epoch seconds: time is handed in."""

    at: float


Step = Send | Pause | Tell | Clock
Flow = Generator[Step, Heard | Woke, T]


def when(step: Pause | Tell | Clock) -> Flow[float]:
    """Do a step that is no request, and return the time after it (epoch seconds)."""
    woke = yield step
    if not isinstance(woke, Woke):
        raise TypeError("only a Send is answered with what was heard")
    return woke.at


def carry_out(call: Call[T], policy: RetryPolicy) -> Flow[T]:
    """Send a call until it has a usable answer, within the policy.

    :raises Refused: the API said no. :raises Unanswered: a replayable call ran out of attempts, or a
        submit was certainly not accepted. :raises SubmissionUnknown: a submit may have been accepted.
    """
    began: float | None = None
    for attempt in count(1):
        heard = yield Send(call.request)
        if not isinstance(heard, Heard):
            raise TypeError("a Send is answered with what was heard")
        now = heard.outcome.at
        began = now if began is None else began
        try:
            if isinstance(heard.outcome, Fault):
                raise error_for(call.request, heard.outcome)
            return call.read(call.request, heard.outcome)
        except Unanswered as error:
            if not may_repeat(call.request, error):
                raise SubmissionUnknown(
                    f"{error} A submit is never repeated blindly: it may have become a job, and be billed.",
                    at=now,
                    **error.facts,
                ) from error
            pause_s = pause_after(policy, error, attempt, now - began, now, heard.dice)
            if pause_s is None:
                raise
            problem = error
        yield Pause(pause_s, str(problem))
    raise AssertionError("count() does not end")


def find_requests(
    at: Endpoints, query: HistoryQuery, policy: RetryPolicy, since: float | None = None
) -> Flow[list[HistoryRow]]:
    """Turn the history's pages, newest rows first, until the last one; one row a request.

    A short page is not taken for the last: the server may send fewer rows than it was asked for.

    :param since: epoch seconds; pages that are older altogether are not asked for.
    :raises BadInput: more rows than :data:`MOST_PAGES` pages hold; a part must not pass for the whole.
    """
    rows: list[HistoryRow] = []
    sent = 0
    for number in range(1, MOST_PAGES + 1):
        page = yield from carry_out(calls.history_page(at, query, number), policy)
        rows += page.rows
        sent += page.sent
        if page.sent == 0 or (page.total is not None and sent >= page.total):
            return merge(rows)
        if since is not None and all(row.created_at is not None and row.created_at < since for row in page.rows):
            return merge(rows)
    raise BadInput(
        f"The history has more than {MOST_PAGES} pages of {MOST_ROWS_A_PAGE} rows for this query; "
        "ask for fewer days, or for one model."
    )
