"""Stores the videos of a batch's finished jobs, several at a time, and writes each row's result into the journal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.exceptions import DownloadFailedError, RunwayError
from airflow_provider_runway.outputs.store import store_outputs

if TYPE_CHECKING:
    from airflow_provider_runway.batch.batch_rows import BatchRow
    from airflow_provider_runway.segmind.jobs import JobSummary
    from airflow_provider_runway.transports.client_settings import ClientSettings

#: Downloads under way at once.
THREAD_COUNT = 8


@dataclass(frozen=True, slots=True)
class FinishedJob:
    """A row's completed job. :param output_path: where its video is stored."""

    row: BatchRow
    job: JobSummary
    output_path: str


class QuietLog:
    """Takes the lines about single files, of which a batch has thousands: only the warnings are kept."""

    def __init__(self, warn: Callable[..., Any]) -> None:
        self.warning = warn

    def info(self, message: str, /, *values: Any) -> None:
        """Leave out what is said of each file."""


def store_videos(
    jobs: Sequence[FinishedJob],
    settings: ClientSettings,
    max_bytes: int,
    log: QuietLog,
    on_result: Callable[[FinishedJob, JobSummary, RunwayError | None], None],
    is_killed: Callable[[], bool],
) -> None:
    """Store the videos of finished jobs. ``on_result`` is called with each as soon as it is stored, from any thread.

    :param on_result: takes the job, its summary with the paths, and the error where it could not be stored.
    :param is_killed: says whether the task is being ended, so that nothing more is begun.
    """

    def store(each: FinishedJob) -> None:
        if is_killed():
            return
        try:
            stored = store_outputs(
                each.job, each.output_path, None, settings, log, max_bytes, custom_id=each.row.custom_id
            )
        except DownloadFailedError as problem:
            on_result(each, each.job, problem)
        else:
            on_result(each, each.job.add_output_paths([file.path for file in stored]), None)

    with ThreadPoolExecutor(THREAD_COUNT, thread_name_prefix="runway-store") as pool:
        list(pool.map(store, jobs))
