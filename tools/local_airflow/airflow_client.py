"""The requests that a test can make of a running Airflow, the same for both majors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol


class Run(NamedTuple):
    """A DAG run."""

    dag_id: str
    run_id: str


class TaskInstance(NamedTuple):
    """The fields of a task instance that tests read."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    max_tries: int

    @property
    def label(self) -> str:
        """``task``, or ``task[3]`` for a mapped one."""
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"


class AirflowClient(Protocol):
    """Reads and changes a running Airflow.

    ``airflow3_client.py`` does it over the REST API, ``airflow2_client.py`` with Airflow 2.11's own models.
    """

    def get_health(self) -> dict[str, bool]:
        """Return for each component whether its last heartbeat is recent."""

    def has_dag(self, dag_id: str) -> bool:
        """Return whether the DAG has been parsed and stored."""

    def get_import_errors(self) -> dict[str, str]:
        """Return the import errors: file name to traceback."""

    def set_paused(self, dag_id: str, paused: bool) -> None:
        """Pause or unpause a DAG."""

    def trigger(self, dag_id: str, conf: dict[str, Any], run_id: str) -> None:
        """Create a run."""

    def list_runs(self, dag_id: str) -> list[Run]:
        """Return all runs of a DAG: manual, scheduled and backfilled."""

    def get_run_state(self, run: Run) -> str:
        """Return the state of a run."""

    def get_task_instances(self, run: Run) -> list[TaskInstance]:
        """Return all task instances of a run."""

    def get_xcom(self, run: Run, task_id: str, key: str, map_index: int) -> Any:
        """Return an XCom value, or None where there is none."""

    def get_links(self, run: Run, task_id: str, map_index: int) -> dict[str, str]:
        """Return the extra links of a task: name to URL, "" where there is none yet."""

    def get_task_log(self, run: Run, task_id: str, try_number: int, map_index: int) -> str:
        """Return the log of one try as text, with the triggerer's lines in it."""

    def clear(self, run: Run, task_ids: Sequence[str | tuple[str, int]] | None, only_failed: bool) -> None:
        """Clear tasks of a run (None: all of them), and set the run to running again."""

    def set_task_state(self, run: Run, task_id: str, state: str, map_index: int) -> None:
        """Set the state of a task by hand, as the buttons of the UI do."""

    def get_pool(self, name: str) -> dict[str, int]:
        """Return the slots of a pool: ``slots``, ``running``, ``queued``, ``scheduled``, ``deferred``, ``open``."""

    def close(self) -> None:
        """Close connections and helper processes."""
