"""Reads pages of the account's history for a poller, and says what their rows mean for the jobs that wait."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from airflow_provider_runway.exceptions import BadRequestError, RunwayError, ThrottledError
from airflow_provider_runway.history.query import FILTERS, MAX_ROWS_PER_PAGE, HistoryQuery
from airflow_provider_runway.history.rows import HistoryRow, merge_rows
from airflow_provider_runway.history.search import make_history_page_call
from airflow_provider_runway.polling.history_page_policy import HistoryPaging, is_clearly_completed
from airflow_provider_runway.segmind.exchange import execute
from airflow_provider_runway.segmind.jobs import JobState, JobSummary
from airflow_provider_runway.segmind.models import BUILT_IN_MODELS
from airflow_provider_runway.segmind.retry import NO_RETRY
from airflow_provider_runway.segmind.wait_outcome import OutcomeKind, WaitOutcome

if TYPE_CHECKING:
    from airflow_provider_runway.transports.aiohttp_transport import AiohttpTransport
    from airflow_provider_runway.transports.client_settings import Log

#: Pages of one reading: enough for 2,000 waiting jobs, as many as a batch has out.
MAX_PAGES_PER_READING = 20
#: A latency in a row is at least this share of the job's age when the row was read.
MIN_LATENCY_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class PageRows:
    """The rows of a page by request id.

    :param completed: rows that say beyond doubt that their job completed.
    :param ended: the ids of rows that say that their job ended, but not all about it: those are polled singly.
    :param running: the ids of rows that say that their job has not ended.
    """

    completed: dict[str, HistoryRow]
    ended: set[str]
    running: set[str]


class HistoryPageReader:
    """Reads one page after the other, and remembers which filters the server refused."""

    def __init__(self) -> None:
        self.paging = HistoryPaging()
        self._left_out: frozenset[str] = frozenset()
        self._page = 1

    async def read(
        self, transport: AiohttpTransport, request_ids: Collection[str], since: float, now: float, log: Log
    ) -> PageRows:
        """Read the next page and return its rows about these jobs; times are epoch seconds.

        :raises ThrottledError: 429. :raises RunwayError: the page was refused, or cannot be read.
        """
        query = replace(HistoryQuery.from_timestamps(since, now), left_out=self._left_out)
        call = make_history_page_call(transport.settings.base_urls, query, self._page)
        try:
            page = await transport.run(execute(call, NO_RETRY), log)
        except ThrottledError:
            raise
        except RunwayError as error:
            self._page = 1
            if isinstance(error, BadRequestError) and (narrower := query.leave_out_filter(str(error))) is not None:
                self._left_out = narrower.left_out if narrower.left_out < frozenset(FILTERS) else frozenset()
            raise
        rows = {row.request_id: row for row in merge_rows(page.rows) if row.request_id in request_ids}
        is_full = page.row_count >= MAX_ROWS_PER_PAGE
        may_be_on_next_page = is_full and len(rows) < len(request_ids) and self._page < MAX_PAGES_PER_READING
        self._page = self._page + 1 if may_be_on_next_page else 1
        return group_rows_by_job_state(rows.values())


def group_rows_by_job_state(rows: Collection[HistoryRow]) -> PageRows:
    """Return rows by what they say of their jobs."""
    completed = {row.request_id: row for row in rows if row.request_id is not None and is_clearly_completed(row)}
    others = [row for row in rows if row.request_id is not None and row.request_id not in completed]
    ended = {row.request_id for row in others if row.state in (JobState.COMPLETED, JobState.FAILED) or row.output_urls}
    states = (JobState.QUEUED, JobState.PROCESSING)
    running = {row.request_id for row in others if row.state in states and row.request_id not in ended}
    return PageRows(completed, {each for each in ended if each}, {each for each in running if each})


def has_single_output(model: str | None) -> bool:
    """Return whether a model surely makes one output a job. The history has a row for each, and some may be missing."""
    return model is not None and model in BUILT_IN_MODELS and "image" not in model


def make_outcome(summary: JobSummary, row: HistoryRow, seen_at: float) -> WaitOutcome:
    """Return the outcome of a job whose row is clear. Fields that the row lacks are left out of it.

    So is a latency that cannot be one in seconds, because the unit is known from the vendor's SDK alone.
    """
    done = row.add_to_summary(summary, seen_at)
    if summary.submitted_at is not None and row.latency_s is not None:
        age_s = seen_at - summary.submitted_at
        if not MIN_LATENCY_SHARE * age_s <= row.latency_s <= age_s + 2:
            done = replace(done, metrics=summary.metrics)
    return WaitOutcome(OutcomeKind.COMPLETED, replace(done, status=JobState.COMPLETED.value))
