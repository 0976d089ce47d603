"""The requests that a poller sends, and what their responses mean for the jobs that wait.

The requests run in a context that belongs to no task. What concerns one job runs in the context of its own wait.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from airflow_provider_runway.exceptions import RunwayError, ThrottledError, UnauthorizedError
from airflow_provider_runway.hooks.price_warnings import warn_of_contradicted_price
from airflow_provider_runway.segmind.jobs import JobState, JobStatus
from airflow_provider_runway.segmind.numbers_and_times import parse_number
from airflow_provider_runway.segmind.wait_outcome import OutcomeKind, WaitOutcome
from airflow_provider_runway.transports.client_settings import log_step
from airflow_provider_runway.triggers import metrics
from airflow_provider_runway.triggers.history_pages import HistoryPageReader, has_single_output, make_outcome
from airflow_provider_runway.triggers.pending_job import ContextLog, PendingJob

if TYPE_CHECKING:
    from airflow_provider_runway.history.rows import HistoryRow
    from airflow_provider_runway.transports.aiohttp_transport import AiohttpTransport
    from airflow_provider_runway.triggers.poller_connection import PollerConnection

log = logging.getLogger(__name__)


class Reschedule(Protocol):
    """Schedules the next poll of a job, or ends its wait after the deadline."""

    def __call__(self, job: PendingJob, *, at_once: bool = False) -> None: ...


class PollRequests:
    """Sends one request at a time for a poller, and applies its response.

    :param jobs: all jobs that wait. The poller adds and removes them.
    :param is_queued: says whether a job is in the queue, and not polled just now.
    """

    def __init__(
        self,
        conn_id: str,
        connection: PollerConnection,
        jobs: set[PendingJob],
        is_queued: Callable[[PendingJob], bool],
        reschedule: Reschedule,
    ) -> None:
        self.conn_id = conn_id
        self.pages = HistoryPageReader()
        self._connection = connection
        self._jobs = jobs
        self._is_queued = is_queued
        self._reschedule = reschedule

    async def read_page(self, transport: AiohttpTransport, oldest_started_at: float) -> None:
        """Read a page of the history, and end or reschedule the jobs whose rows it has."""
        loop, paging = asyncio.get_running_loop(), self.pages.paging
        jobs: dict[str, list[PendingJob]] = {}
        for job in self._jobs:
            jobs.setdefault(job.request_id, []).append(job)
        metrics.count_history_page(self.conn_id)
        since = time.time() - (loop.time() - oldest_started_at)
        try:
            rows = await self.pages.read(
                transport, jobs.keys() | paging.completed_but_unlisted_ids, since, time.time(), log
            )
        except ThrottledError as error:
            self._on_throttled(error, time.time())
            return
        except RunwayError as error:
            paging.on_failure(loop.time())
            log.info("Connection %s: jobs are polled singly for a while. %s", self.conn_id, error)
            return
        except Exception:
            paging.on_failure(loop.time())
            log.exception("Connection %s: a page of the history was not understood", self.conn_id)
            return
        settled, ended = 0, set(rows.ended)
        for request_id, row in rows.completed.items():
            for job in jobs.get(request_id, ()):
                settled += not job.outcome.done()
                if has_single_output(job.state.summary.model):
                    job.run_in_context(self._on_completed_row, job, row)
                else:
                    ended.add(request_id)
        paging.on_page(loop.time(), set(rows.completed), settled)
        for request_id in ended | (rows.running if paging.is_trusted else set()):
            for job in jobs.get(request_id, ()):
                if self._is_queued(job):
                    job.is_completed = job.is_completed or request_id in ended
                    job.last_polled_age_s = loop.time() - job.started_at
                    self._reschedule(job)

    def _on_completed_row(self, job: PendingJob, row: HistoryRow) -> None:
        """End a wait whose row in the history says all that there is to say."""
        if job.outcome.done():
            return
        status = JobStatus(job.request_id, JobState.COMPLETED, JobState.COMPLETED.value)
        _, line = job.state.on_status(status, time.time())
        if line is not None:
            log_step(line, job.log)
        metrics.count_job_settled_by_page(self.conn_id)
        self.finish(job, make_outcome(job.state.summary, row, time.time()))

    async def read_connection(self) -> None:
        """Read the connection. While it cannot be read, every job's poll counts as one without a response."""
        try:
            await self._connection.read()
        except RunwayError as error:
            for job in list(self._jobs):
                job.run_in_context(self._on_connection_error, job, error)
        except Exception as bug:
            for job in list(self._jobs):
                job.fail(bug)

    def _on_connection_error(self, job: PendingJob, error: RunwayError) -> None:
        outcome, line, _ = job.state.on_error(error, time.time())
        if line is not None:
            log_step(line, job.log)
        if outcome is not None:
            self.finish(job, outcome)

    async def poll(self, job: PendingJob, transport: AiohttpTransport, version: int) -> None:
        """Send one request for a job, and schedule its next one or end its wait. A bug ends this wait alone."""
        try:
            exchange = job.make_exchange(transport.settings.base_urls)
            metrics.count_poll(self.conn_id)
            job.last_polled_age_s = asyncio.get_running_loop().time() - job.started_at
            try:
                result = await transport.run(exchange, ContextLog(job.log, job.context))
            except UnauthorizedError as error:
                job.run_in_context(self._on_unauthorized, job, error, version)
            except RunwayError as error:
                job.run_in_context(self._on_poll_error, job, error)
            else:
                job.run_in_context(self._on_poll_result, job, result)
        except Exception as bug:
            job.fail(bug)

    def _on_poll_result(self, job: PendingJob, result: WaitOutcome | JobStatus) -> None:
        job.rejected_version = None
        outcome, line = job.state.on_status(result, time.time())
        if line is not None:
            log_step(line, job.log)
        if outcome is not None:
            if outcome.kind is OutcomeKind.COMPLETED:
                self.pages.paging.on_single_end(job.request_id, self._compute_end_time(job, outcome))
            self.finish(job, outcome)
            return
        is_completed = not isinstance(result, WaitOutcome) and result.state is JobState.COMPLETED
        job.is_completed = is_completed and not job.is_completed
        self._reschedule(job)

    def _on_unauthorized(self, job: PendingJob, error: UnauthorizedError, version: int) -> None:
        """Read the connection again, because its key may have been changed, but only once for each job."""
        if job.rejected_version is not None:
            self._on_poll_error(job, error)
            return
        job.rejected_version = version
        job.log.warning("Job %s: %s The connection is read again.", job.request_id, error)
        self._connection.invalidate(version)
        self._reschedule(job)

    def _compute_end_time(self, job: PendingJob, outcome: WaitOutcome) -> float:
        """Return when a job ended, on the loop's clock; now, where its record does not say."""
        now, total_s = asyncio.get_running_loop().time(), parse_number((outcome.job.metrics or {}).get("total_time"))
        return now if total_s is None else min(job.started_at + total_s, now)

    def _on_poll_error(self, job: PendingJob, error: RunwayError) -> None:
        outcome, line, _ = job.state.on_error(error, time.time())
        is_throttled = isinstance(error, ThrottledError)
        if isinstance(error, ThrottledError):
            self._on_throttled(error, time.time())
        elif line is not None:  # a 429 concerns the account and not this job, so it is not logged
            log_step(line, job.log)
        if outcome is not None:
            self.finish(job, outcome)
        else:
            self._reschedule(job, at_once=is_throttled)

    def _on_throttled(self, error: ThrottledError, epoch_now: float) -> None:
        metrics.count_throttled(self.conn_id)
        if self._connection.rate_limiter is not None:
            now = asyncio.get_running_loop().time()
            reset_at = None if error.reset_at is None else now + max(error.reset_at - epoch_now, 0.0)
            self._connection.rate_limiter.on_throttled(now, reset_at)

    def finish(self, job: PendingJob, outcome: WaitOutcome) -> None:
        """End a wait, and learn from a completed job."""
        if job.outcome.done():
            return
        if outcome.kind is OutcomeKind.COMPLETED:
            total_s = parse_number((outcome.job.metrics or {}).get("total_time"))
            if total_s is not None:
                job.latency.add_sample(total_s)
            metrics.count_completed_job(self.conn_id, outcome.job)
            warn_of_contradicted_price(job.log, outcome.job.model, outcome.job.cost)
        job.outcome.set_result(outcome)
