"""Finds out from the account's history whether a lost submit became a job. A flow without I/O, for either transport.

It concludes that nothing was accepted only where the history was shown to be readable, every row of that time is
surely another job's, and the row would be there by now. In every other case it says so, and nothing more is paid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from airflow_provider_runway.exceptions import NotFoundError, NoUsableResponseError, RunwayError
from airflow_provider_runway.history.query import HistoryQuery
from airflow_provider_runway.history.rows import HistoryRow
from airflow_provider_runway.history.search import HistorySearch, search_history
from airflow_provider_runway.segmind.exchange import Exchange, SleepStep, run_step
from airflow_provider_runway.segmind.http import BaseUrls
from airflow_provider_runway.segmind.jobs import RECORD_LIFETIME_S
from airflow_provider_runway.segmind.models import MODELS, expected_latency_s
from airflow_provider_runway.segmind.retry import RetryPolicy
from airflow_provider_runway.segmind.timing import get_timing
from airflow_provider_runway.submission.decision_input import HistoryLookup
from airflow_provider_runway.submission.row_matching import CLOCK_TOLERANCE_S, LostSubmit, RowsBySeed, match_rows

#: A job that takes so many times its model's mean is not expected any more. In the latency model of ``polling``
#: fewer than one job in a thousand takes four times the mean; the rest is room for queues.
LATE_LATENCY_FACTOR = 12.0
#: Pages of rows that are so much older than the submit are not read, if the rows come newest first.
PAGES_MARGIN_S = 2 * CLOCK_TOLERANCE_S


@dataclass(frozen=True, slots=True)
class LookupTimes:
    """When the history can tell. Times are epoch seconds of our clock.

    :param accepted_until: until when the gateway can have accepted the submit.
    :param settled_at: from when on a missing row means that there is no job.
    :param give_up_at: from when on nothing more is expected of rows that are incomplete, or of a history that is down.
        Only an incomplete row that may be another job's is waited for longer: until that job must have ended.
    """

    sent_from: float
    accepted_until: float
    settled_at: float
    give_up_at: float

    @classmethod
    def for_submit(cls, model: str, sent_from: float, accepted_until: float) -> LookupTimes:
        """Return the times of a submit that was sent and accepted between two times, if at all."""
        lag_s = get_timing().history_lag_s
        settled_at = accepted_until + max_latency_s(model) + lag_s
        return cls(sent_from, accepted_until, settled_at, settled_at + lag_s)

    def may_be_completed(self, row: HistoryRow, api_now: float) -> bool:
        """Can an incomplete row still get what it lacks? It can until its job must have ended, and its row be whole.

        A row that is vague about its time is taken for an old one: it must not hold up the verdict for hours.

        :param api_now: epoch seconds of the API's clock.
        """
        landed_after_s = self.settled_at - self.accepted_until
        return row.created_between is not None and api_now < row.created_between[0] + landed_after_s

    def next_lookup_at(self, now: float) -> float:
        """Return when to ask again: less and less often, and at the times at which something is decided.

        Once the row would be there, it is asked often: on a busy account any lookup can meet a row of another job
        that is not complete yet, and one lookup without such a row settles it.
        """
        pause_s = get_timing().history_pauses_s[-1]
        if now < self.settled_at:
            pause_s = max(pause_s, (now - self.accepted_until) / 2)
        milestones = [at for at in (self.settled_at, self.give_up_at) if at > now]
        return min([now + pause_s, *milestones[:1]])


@dataclass(frozen=True, slots=True)
class LookupResult:
    """What the history says, and why. ``row`` is the job to adopt, ``others`` are more jobs of the same submit."""

    history: HistoryLookup
    row: HistoryRow | None = None
    others: tuple[str, ...] = ()
    why: str = ""
    asked_at: float = 0.0


def max_latency_s(model: str) -> float:
    """Return the seconds after which a job of this model must have ended; the record's hour for a model not known."""
    if model in MODELS:
        return LATE_LATENCY_FACTOR * expected_latency_s(model)
    return RECORD_LIFETIME_S * get_timing().latency_scale


def find_lost_submit(
    base_urls: BaseUrls,
    lost: LostSubmit,
    times: LookupTimes,
    policy: RetryPolicy,
    now: float,
    pauses_s: Sequence[float] = (),
) -> Exchange[LookupResult]:
    """Ask the history whether the submit became a job: once, and once more after each pause.

    :param lost: what to search for; its times are those of our clock, and are moved to the API's here.
    :param now: epoch seconds at the first request.
    """
    remaining = list(pauses_s)
    while True:
        (result,) = yield from find_lost_submits(base_urls, [(lost, times)], policy, now)
        if result.history is not HistoryLookup.NOT_SETTLED or not remaining:
            return result
        now = yield from run_step(SleepStep(remaining.pop(0), "The history has no row of this submit yet."))


def find_lost_submits(
    base_urls: BaseUrls, submits: Sequence[tuple[LostSubmit, LookupTimes]], policy: RetryPolicy, now: float
) -> Exchange[list[LookupResult]]:
    """Ask the history once which of some submits became jobs; return one result for each, in their order.

    :param submits: at least one; their times are those of our clock.
    :param now: epoch seconds.
    """
    sent_from = min(times.sent_from for _, times in submits)
    give_up_at = max(times.give_up_at for _, times in submits)
    try:
        # Without a filter by model: nothing is known of how the history writes a model's name.
        query = HistoryQuery.from_timestamps(sent_from, max(sent_from, min(now, give_up_at)))
        oldest = sent_from - PAGES_MARGIN_S
        search = yield from search_history(base_urls, query, policy, since=oldest, with_page_zero=True)
    except RunwayError as problem:
        return [judge_failed_search(problem, times, now) for _, times in submits]
    offset_s = search.clock_offset_s or 0.0
    rows_by_seed = RowsBySeed(search.rows)
    return [
        judge_search(
            replace(search, rows=rows_by_seed.select(lost)),
            shift_to_api_clock(lost, offset_s),
            times,
            now,
            api_now=now + offset_s,
            is_readable=rows_by_seed.has_identifiable_row,
        )
        for lost, times in submits
    ]


def judge_search(
    search: HistorySearch, lost: LostSubmit, times: LookupTimes, now: float, *, api_now: float, is_readable: bool
) -> LookupResult:
    """Return what one search of the history proves about one submit.

    :param search: its rows may lack those that are another submit's by their seed.
    :param api_now: ``now`` on the API's clock.
    :param is_readable: whether any row of the whole search was complete.
    """
    matched = match_rows(search.rows, lost)
    is_settled = now >= times.settled_at
    waiting = HistoryLookup.UNCLEAR if now >= times.give_up_at else HistoryLookup.NOT_SETTLED
    ours = matched.ours
    if not ours and len(matched.alone) == 1 and not matched.unclear:
        ours = matched.alone
    if ours and all(row.request_id for row in ours):
        others = tuple(row.request_id for row in ours[1:] if row.request_id)
        return LookupResult(HistoryLookup.FOUND, ours[0], others, asked_at=now)
    if ours:
        return LookupResult(waiting, why="a row that matches has no request id", asked_at=now)
    if not is_settled:
        return LookupResult(HistoryLookup.NOT_SETTLED, why="its row may still appear", asked_at=now)
    if doubtful := (*matched.alone, *matched.unlikely, *matched.unclear):
        # A busy account always has rows of jobs that still run. A lookup that meets one is no reason to give up.
        if is_readable and any(times.may_be_completed(row, api_now) for row in matched.unclear):
            waiting = HistoryLookup.NOT_SETTLED
        return LookupResult(waiting, why=_describe_doubtful_rows(doubtful), asked_at=now)
    if search.unreadable_count:
        return LookupResult(waiting, why=f"{search.unreadable_count} rows cannot be read", asked_at=now)
    if not search.is_whole:
        return LookupResult(waiting, why="not all of its rows can be read", asked_at=now)
    if not is_readable:
        return LookupResult(waiting, why="the history shows no complete row of this account at all", asked_at=now)
    return LookupResult(HistoryLookup.ABSENT, why="every row is another job's", asked_at=now)


def _describe_doubtful_rows(rows: Sequence[HistoryRow]) -> str:
    names = ", ".join(row.request_id or "one without a request id" for row in rows[:3])
    return f"{len(rows)} of its rows may be this job's or another's ({names}{', …' if len(rows) > 3 else ''})"


def judge_failed_search(problem: RunwayError, times: LookupTimes, now: float) -> LookupResult:
    """Return what it means that the history did not respond (more can come), or refused (nothing more will)."""
    may_come = isinstance(problem, (NoUsableResponseError, NotFoundError))  # 404 may mean "no rows"
    may_respond_later = may_come and now < times.give_up_at
    if may_respond_later or now < times.accepted_until:
        return LookupResult(HistoryLookup.NOT_SETTLED, why=str(problem), asked_at=now)
    return LookupResult(HistoryLookup.UNCLEAR, why=str(problem), asked_at=now)


def shift_to_api_clock(lost: LostSubmit, offset_s: float) -> LostSubmit:
    """Return the submit with its times on the API's clock, which is ``offset_s`` ahead of ours."""
    return replace(lost, sent_from=lost.sent_from + offset_s, latest_row_at=lost.latest_row_at + offset_s)
