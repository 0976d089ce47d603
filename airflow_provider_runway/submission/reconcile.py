"""Did a submit whose answer was lost become a job? The account's history is asked until it must know.

No I/O: a flow for either transport, and the choice among the rows as a function.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_runway.exceptions import RunwayError
from airflow_provider_runway.inputs.identity import digest_of, same_body
from airflow_provider_runway.segmind.exchange import Exchange, Sleep, find_requests, run_step
from airflow_provider_runway.segmind.history import HistoryQuery, HistoryRow
from airflow_provider_runway.segmind.http import BaseUrls
from airflow_provider_runway.segmind.jobs import JobState
from airflow_provider_runway.segmind.retry import RetryPolicy
from airflow_provider_runway.submission.decision import HistoryLookup

#: A record can land late; "a while" is all that is known (SDK 1.3.0). A submit older than this
#: without a row is taken for one that never became a job.
SETTLED_S = 90.0
#: Pauses between the looks of a young submit; the last one repeats.
PAUSES_S = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
#: Rows that were seen half landed when the submit had to have settled are waited for so much longer.
LANDING_S = 120.0
#: How far the gateway's clock may be behind ours.
SKEW_S = 120.0


@dataclass(frozen=True, slots=True)
class LostSubmit:
    """The submit that is looked for.

    :param sent_at: epoch seconds, the earliest moment of the POST. :param sent_until: the latest; None: now.
    :param settled_at: epoch seconds after which a missing row means "no job".
    :param ignoring: fields that may differ from try to try, such as an uploaded picture's URL.
    :param image: (field, digest of its value) where the value itself was not kept.
    :param other_request_ids: request ids that belong to other jobs.
    :param failures: this many failed jobs with this body account for every earlier try.
    """

    model: str
    body: Mapping[str, Any] = field(repr=False)
    sent_at: float
    settled_at: float
    sent_until: float | None = None
    ignoring: frozenset[str] = frozenset()
    image: tuple[str, str] | None = None
    other_request_ids: frozenset[str] = frozenset()
    failures: int | None = None


@dataclass(frozen=True, slots=True)
class LookupResult:
    """What the history says. ``row`` is the job to adopt, ``others`` were as likely but farther in time."""

    history: HistoryLookup
    row: HistoryRow | None = None
    others: tuple[str, ...] = ()
    why: str = ""


def find_lost_submit(base_urls: BaseUrls, lost: LostSubmit, policy: RetryPolicy, now: float) -> Exchange[LookupResult]:
    """Ask the history until the submit shows up, or until it surely never will.

    On a busy account there always are rows of other jobs that have not landed. Only those that were there when
    the submit's own row had to be can be it; they are waited for, and nothing is submitted while one is left.

    :param now: epoch seconds at the first look.
    """
    pauses = iter(PAUSES_S)
    suspects: frozenset[str] | None = None
    while True:
        until = now if lost.sent_until is None else min(now, lost.sent_until)
        try:
            query = HistoryQuery.from_timestamps(lost.sent_at, until, lost.model)
            rows = yield from find_requests(base_urls, query, policy, lost.sent_at - SKEW_S)
        except RunwayError as problem:
            return LookupResult(HistoryLookup.UNAVAILABLE, why=str(problem))
        ours = candidates(rows, lost)
        if ours:
            return LookupResult(HistoryLookup.FOUND, ours[0], tuple(row.request_id for row in ours[1:]))
        if lost.failures is not None and len(failed_rows(rows, lost)) >= lost.failures:
            return LookupResult(HistoryLookup.ABSENT, why="every earlier try became a job that failed")
        if now >= lost.settled_at:
            landing = frozenset(row.request_id for row in incomplete_rows(rows, lost))
            suspects = landing if suspects is None else suspects & landing
            if not suspects:
                return LookupResult(HistoryLookup.ABSENT, why="no row of it has landed in time")
            if now >= lost.settled_at + LANDING_S:
                return LookupResult(HistoryLookup.UNAVAILABLE, why=f"the row of {min(suspects)} has not landed yet")
        pause_s = next(pauses, PAUSES_S[-1])
        now = yield from run_step(Sleep(pause_s, "The history has no row of this submit yet; it may still land."))


def candidates(rows: Iterable[HistoryRow], lost: LostSubmit) -> list[HistoryRow]:
    """Return the jobs that can be the lost submit's, the nearest in time first, then by id.

    A failed job is none: it is not billed, and nothing can be had from it.
    """
    ours = [row for row in _in_window(rows, lost) if row.state is not JobState.FAILED and _matches(row, lost)]
    return sorted(ours, key=lambda row: (abs((row.created_at or lost.sent_at) - lost.sent_at), row.request_id))


def failed_rows(rows: Iterable[HistoryRow], lost: LostSubmit) -> list[HistoryRow]:
    """Return the failed jobs with the lost body."""
    return [row for row in _in_window(rows, lost) if row.state is JobState.FAILED and _matches(row, lost)]


def incomplete_rows(rows: Iterable[HistoryRow], lost: LostSubmit) -> list[HistoryRow]:
    """Return the rows that say too little yet to exclude that they are the lost submit's."""
    return [row for row in _in_window(rows, lost) if not row.is_complete and row.model in (None, lost.model)]


def _in_window(rows: Iterable[HistoryRow], lost: LostSubmit) -> list[HistoryRow]:
    oldest = lost.sent_at - SKEW_S
    newest = math.inf if lost.sent_until is None else lost.sent_until + SKEW_S
    return [
        row
        for row in rows
        if row.request_id not in lost.other_request_ids
        and (row.created_at is None or oldest <= row.created_at <= newest)
    ]


def _matches(row: HistoryRow, lost: LostSubmit) -> bool:
    if row.model != lost.model or row.body is None or not same_body(lost.body, row.body, lost.ignoring):
        return False
    if lost.image is None:
        return True
    name, digest = lost.image
    return digest_of(row.body.get(name)) == digest
