"""Airflow's context of one task execution, unpacked once into values and XCom functions.

Operators and sensors build a ``TaskContext`` first, and pass on parts of it; no other code sees Airflow's context.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.compat import (
    get_config,
    get_deployment_id,
    get_outlet_events,
    get_task_state_store,
    make_storage_path,
)
from airflow_provider_runway.inputs.job_request import JobIdentity
from airflow_provider_runway.inputs.prompt_image_upload import UPLOAD_XCOM_KEY, UploadCache
from airflow_provider_runway.links.runway import add_links_for_xcom
from airflow_provider_runway.spending.sibling_reservations import Reservation
from airflow_provider_runway.submission.journal import Journal
from airflow_provider_runway.submission.journal_files import JournalFile
from airflow_provider_runway.submission.journal_session import TaskAttempt

if TYPE_CHECKING:
    from airflow.providers.common.compat.sdk import Context

#: Under this key a task pushes the job that it waits for. It is stored in the XComs of waiting tasks, so it stays.
JOB_XCOM_KEY = "runway_job"
#: Under this key a mapped task pushes what it is about to spend, where the connection has a limit of the day.
RESERVATION_XCOM_KEY = "runway_reservation"


@dataclass(frozen=True, slots=True)
class TaskContext:
    """One execution of a task instance: its identity, this try, its XComs and its links.

    :param operator: the operator that is running, whose links follow the XComs; None: there are no links to show.
    :param outlet_events: Airflow's accessors of the events of the task's outlets.
    """

    attempt: TaskAttempt
    task_instance: Any = field(repr=False)
    read_identity: Callable[[], JobIdentity] = field(repr=False)
    operator: Any = field(default=None, repr=False)
    outlet_events: Any = field(default=None, repr=False)

    @property
    def identity(self) -> JobIdentity:
        """Which task instance this is. The first use in a process reads an Airflow Variable."""
        return self.read_identity()

    @classmethod
    def from_airflow(
        cls, context: Context, operator: Any = None, journal_entry: Mapping[str, Any] | None = None
    ) -> TaskContext:
        """Unpack Airflow's context of a running operator.

        :param journal_entry: what a deferral carried, where no journal keeps it.
        """
        ti = context["ti"]
        map_index = -1 if ti.map_index is None else ti.map_index

        def read_identity() -> JobIdentity:
            region_id = getattr(ti, "region_id", None)  # of a loop, from Airflow 3.4 on
            return JobIdentity(
                ti.dag_id,
                ti.task_id,
                ti.run_id,
                map_index,
                deployment_id=get_deployment_id(),
                region_id=None if region_id is None else str(region_id),
            )

        def pull_sibling_request_ids() -> list[str]:
            if map_index == -1:
                return []
            return [value for value in _pull_all(ti, "request_id") if isinstance(value, str)]

        return cls(
            attempt=TaskAttempt(
                try_number=ti.try_number,
                max_tries=ti.max_tries or 0,
                earliest_submit_at=_earliest_submit_at(context["dag_run"]),
                journal=_open_journal(context, read_identity),
                sibling_request_ids=pull_sibling_request_ids,
                carried_entry=journal_entry,
            ),
            task_instance=ti,
            read_identity=read_identity,
            operator=operator,
            outlet_events=get_outlet_events(context),
        )

    def push_xcom(self, key: str, value: Any) -> None:
        """Push an XCom of this task instance, and show the link that belongs to it."""
        self.task_instance.xcom_push(key=key, value=value)
        if self.operator is not None:
            add_links_for_xcom(self.operator, key, value)

    def pull_xcom(self, key: str) -> Any:
        """Return an XCom that this task instance pushed in this try, or None. Resuming a deferral keeps them."""
        ti = self.task_instance
        return ti.xcom_pull(task_ids=ti.task_id, key=key, map_indexes=ti.map_index)

    @property
    def map_index(self) -> int:
        """The index of a mapped task instance; -1 for another."""
        return -1 if self.task_instance.map_index is None else int(self.task_instance.map_index)

    def push_reservation(self, reservation: Reservation) -> None:
        """Tell mapped siblings what this task is about to spend."""
        self.push_xcom(RESERVATION_XCOM_KEY, reservation.to_json())

    def list_reservations(self) -> list[Reservation]:
        """Return what the mapped instances of this task have reserved, this one among them."""
        return [Reservation.from_json(value) for value in _pull_all(self.task_instance, RESERVATION_XCOM_KEY)]

    def make_shared_upload_cache(self) -> UploadCache:
        """Return the cache of uploaded images that the mapped instances of this task share through XComs."""
        written: list[dict[str, Any]] = []

        def write_entry(entry: dict[str, Any]) -> None:
            written.append(entry)
            self.push_xcom(UPLOAD_XCOM_KEY, entry if len(written) == 1 else written)

        return UploadCache(read_entries=lambda: _pull_all(self.task_instance, UPLOAD_XCOM_KEY), write_entry=write_entry)


def _open_journal(context: Mapping[str, Any], read_identity: Callable[[], JobIdentity]) -> Journal | None:
    """Return the task instance's journal: files where ``[runway] journal_path`` is set, else Airflow's own store."""
    if (folder := get_config("runway", "journal_path")) is not None:
        return Journal(JournalFile(folder, make_storage_path, read_identity))
    store = get_task_state_store(context)
    return None if store is None else Journal(store)


def _pull_all(ti: Any, key: str) -> list[Any]:
    """Return an XCom of all map indexes of a task. Airflow gives the value itself where there is only one."""
    pulled = ti.xcom_pull(task_ids=ti.task_id, key=key)
    if pulled is None:
        return []
    return [pulled] if isinstance(pulled, str | Mapping) else list(pulled)


def _earliest_submit_at(run: Any) -> float:
    """Return the epoch second before which no try of this run can have submitted anything.

    Clearing a finished run moves its start date (``clear_task_instances`` of Airflow 2.11.2 and 3.3.2), so
    the dates that it was due count for a run that was ever cleared.
    """
    names = ["start_date"] if not getattr(run, "clear_number", 0) else ["start_date", "run_after", "data_interval_end"]
    dates = [date.timestamp() for name in names if (date := getattr(run, name, None)) is not None]
    return min(dates, default=0.0)
