"""The trigger that waits for many jobs of one batch, and wakes its worker when there is enough to do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from airflow_provider_runway.compat import BaseTrigger, TriggerEvent, make_storage_path, run_in_thread
from airflow_provider_runway.exceptions import RunwayError
from airflow_provider_runway.segmind.timing import get_timing


class RunwayBatchTrigger(BaseTrigger):
    """Polls the jobs of a batch that are out, and yields one event: go on.

    The ids are read from the batch's journal, and how the jobs ended is written there, because neither fits into a
    deferral. The event is ``{"status": "wave" or "error", "ended", "completed", "out", "error"}``.

    :param runway_conn_id: a connection to the account that submitted the jobs.
    :param journal_folder: the folder of the batch's journal: a path or a URL.
    :param outcomes_file: the name of the file in it that this trigger writes.
    :param try_number: of the task. :param wake_at: epoch seconds from which on a worker finds enough to do.
    :param progress: of the batch, for the log.
    """

    def __init__(
        self,
        runway_conn_id: str,
        journal_folder: str,
        outcomes_file: str,
        try_number: int,
        wake_at: float,
        progress: Mapping[str, float],
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.runway_conn_id = runway_conn_id
        self.journal_folder = journal_folder
        self.outcomes_file = outcomes_file
        self.try_number = try_number
        self.wake_at = wake_at
        self.progress = progress

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what another process needs to continue the wait; no key, prompt or image, and no ids."""
        return (
            f"{type(self).__module__}.{type(self).__qualname__}",
            {
                "runway_conn_id": self.runway_conn_id,
                "journal_folder": self.journal_folder,
                "outcomes_file": self.outcomes_file,
                "try_number": self.try_number,
                "wake_at": self.wake_at,
                "progress": dict(self.progress),
            },
        )

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield exactly one event. A cancellation (restart, rebalancing) passes through and yields none."""
        started_at = time.monotonic()
        try:
            event = await self._wait()
        except RunwayError as error:
            event = {"status": "error", "error": str(error)}
        except Exception as bug:
            # An exception that leaves a trigger resumes the task as ``__fail__`` and without our kwargs.
            self.log.exception("Batch: the trigger failed")
            event = {"status": "error", "error": f"an error in this package ({type(bug).__name__})"}
        # The scheduler can fail a task whose event comes before its worker has exited (apache/airflow#72716).
        await asyncio.sleep(started_at + get_timing().min_wait_s - time.monotonic())
        yield TriggerEvent(event)  # type: ignore[no-untyped-call]

    async def _wait(self) -> dict[str, Any]:
        # Parsing a DAG file must not import these.
        from airflow_provider_runway.batch.atomic_record_files import RecordFolder
        from airflow_provider_runway.batch.waiting_jobs_file import read_waiting_jobs
        from airflow_provider_runway.batch.wave_size_and_timing import Progress
        from airflow_provider_runway.triggers.wave_wait import WaveWait

        folder = RecordFolder(self.journal_folder, make_storage_path)
        jobs = await run_in_thread(read_waiting_jobs, folder, self.outcomes_file)
        lines: dict[str, bytes] = {}
        if (saved := await run_in_thread(folder.read, self.outcomes_file)) is not None:
            lines[""] = saved

        async def save(new_lines: dict[str, bytes]) -> None:
            lines.update(new_lines)
            await run_in_thread(folder.write, self.outcomes_file, b"".join(lines.values()))

        progress = Progress.from_json(self.progress)
        # No event may come before that anyway, so the jobs are polled until then.
        wake_at = max(self.wake_at, time.time() + get_timing().min_wait_s)
        wait = WaveWait(self.runway_conn_id, jobs, progress, wake_at, self.try_number, save, self.log)
        end = await wait.run()
        return {
            "status": "wave",
            "ended": end.ended,
            "completed": end.completed,
            "out": end.out,
            "error": None,
        }

    async def on_kill(self) -> None:
        """Log that the jobs go on. Airflow 3.3 and later call this when a person ends the task."""
        self.log.warning(
            "The task was ended. %d jobs that were out go on, and are billed when they complete; the API has no "
            "cancel. The batch's journal in %s keeps their ids: clear the task to have their videos without paying "
            "again.",
            int(self.progress.get("out", 0)),
            self.journal_folder,
        )
