"""Waits for the jobs of a batch together, until its worker should be woken. Used by the trigger, and by a worker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.batch.row_state import format_outcome
from airflow_provider_runway.batch.wave_size_and_timing import Progress, has_enough_to_store, is_worth_waking
from airflow_provider_runway.exceptions import NoUsableResponseError, RunwayError
from airflow_provider_runway.segmind.wait_outcome import OutcomeKind, WaitOutcome, stopped_outcome
from airflow_provider_runway.triggers.poller import get_poller

if TYPE_CHECKING:
    from airflow_provider_runway.batch.waiting_jobs_file import WaitingJob
    from airflow_provider_runway.transports.client_settings import Log

#: How often the ends that were seen are written down, and how often the progress is logged.
SAVE_INTERVAL_S, PROGRESS_INTERVAL_S = 30.0, 60.0
#: Warnings about single jobs that are logged. Thousands of jobs can have the same trouble.
MAX_WARNINGS = 20

#: Writes lines about rows into the batch's journal.
Save = Callable[[dict[str, bytes]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class WaveEnd:
    """What was seen until the worker is woken. The ends themselves are in the journal."""

    ended: int
    completed: int
    out: int


class FirstWarningsLog:
    """The log of one wait among thousands: no ordinary lines, and only the first warnings."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._warning_count = 0

    def info(self, message: str, /, *values: Any) -> None:
        """Leave out what is said of each job."""

    def warning(self, message: str, /, *values: Any) -> None:
        """Log one of the first warnings."""
        self._warning_count += 1
        if self._warning_count <= MAX_WARNINGS:
            self._log.warning(message, *values)
        if self._warning_count == MAX_WARNINGS:
            self._log.warning("Further warnings about single jobs are left out.")


class WaveWait:
    """One wait for many jobs, through the poller that all jobs of the connection share.

    :param progress: of the batch when the wait begins. :param wake_at: epoch seconds, see ``is_worth_waking``.
    :param save: writes the ends of waits into the journal.
    """

    def __init__(
        self,
        conn_id: str,
        jobs: Sequence[WaitingJob],
        progress: Progress,
        wake_at: float,
        try_number: int,
        save: Save,
        log: Log,
    ) -> None:
        self._conn_id = conn_id
        self._jobs = jobs
        self._progress = replace(progress, out=len(jobs))
        self._wake_at = wake_at
        self._try_number = try_number
        self._save = save
        self._log = log
        self._job_log = FirstWarningsLog(log)
        self._unsaved: dict[str, bytes] = {}
        self._ended = self._completed = 0
        self._has_failed_to_save = self._has_enough = False
        self._changed = asyncio.Event()

    async def run(self) -> WaveEnd:
        """Wait until a worker should be woken, and return what was seen. All of it is in the journal then.

        :raises NoUsableResponseError: the journal's storage did not take it.
        """
        waits = [asyncio.create_task(self._wait(job)) for job in self._jobs]
        next_save_at = time.time() + SAVE_INTERVAL_S
        next_line_at = time.time() + PROGRESS_INTERVAL_S
        try:
            while not self._is_worth_waking():
                now = time.time()
                if now >= next_line_at:
                    next_line_at = now + PROGRESS_INTERVAL_S
                    self._log.info("Batch: %s.", self._progress.describe(now))
                if now >= next_save_at:
                    next_save_at = now + SAVE_INTERVAL_S
                    await self._save_seen()
                due = [next_save_at, next_line_at, *([self._wake_at] if self._wake_at > now else [])]
                self._changed.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), max(min(due) - now, 0.01))
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        await self._save_seen(is_last=True)
        return WaveEnd(self._ended, self._completed, self._progress.out)

    def _is_worth_waking(self) -> bool:
        progress = self._progress
        return is_worth_waking(time.time(), self._wake_at, out=progress.out, ended=self._ended, to_go=progress.to_go)

    async def _wait(self, job: WaitingJob) -> None:
        summary = job.to_summary()
        try:
            outcome = await get_poller(self._conn_id).wait(summary, job.deadline, self._job_log)
        except RunwayError as error:
            outcome = stopped_outcome(summary, error)
        except Exception as bug:
            self._log.warning("Job %s: its wait failed (%s).", job.request_id, type(bug).__name__)
            outcome = stopped_outcome(summary, RunwayError(f"an error in this package ({type(bug).__name__})"))
        self._on_outcome(job, outcome)

    def _on_outcome(self, job: WaitingJob, outcome: WaitOutcome) -> None:
        is_completed = outcome.kind is OutcomeKind.COMPLETED
        self._unsaved[job.custom_id] = format_outcome(job.custom_id, outcome, self._try_number)
        self._ended += 1
        self._completed += is_completed
        self._progress = replace(
            self._progress,
            out=self._progress.out - 1,
            done=self._progress.done + 1,
            failed=self._progress.failed + (not is_completed),
            cost=self._progress.cost + (outcome.job.cost or 0.0),
        )
        # Without this check, thousands of jobs would wake the loop for each of them.
        had_enough, self._has_enough = self._has_enough, has_enough_to_store(self._ended, self._progress.out)
        if self._progress.out == 0 or self._has_enough > had_enough:
            self._changed.set()

    async def _save_seen(self, *, is_last: bool = False) -> None:
        """Write the ends that were seen into the journal. A restarted trigger polls the other jobs again."""
        if not self._unsaved:
            return
        lines = dict(self._unsaved)
        try:
            await self._save(lines)
        except NoUsableResponseError as problem:
            if is_last:
                raise
            if not self._has_failed_to_save:
                self._log.warning("%s It is tried again.", problem)
            self._has_failed_to_save = True
            return
        for custom_id in lines:
            del self._unsaved[custom_id]
