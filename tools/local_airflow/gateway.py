"""What can be asked of a running Airflow, whichever way it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol


class Run(NamedTuple):
    """A DAG run."""

    dag_id: str
    run_id: str


class TaskInstance(NamedTuple):
    """A task instance, as far as tests look at it."""

    task_id: str
    map_index: int
    state: str | None
    try_number: int
    max_tries: int

    @property
    def label(self) -> str:
        """``task``, or ``task[3]`` for a mapped one."""
        return self.task_id if self.map_index < 0 else f"{self.task_id}[{self.map_index}]"


class Gateway(Protocol):
    """The questions. ``rest.py`` asks them over HTTP (Airflow 3), ``inside.py`` with Airflow's own models (2.11)."""

    def health(self) -> dict[str, bool]:
        """Return for each component that reports a heartbeat whether it is a fresh one."""

    def dag_known(self, dag_id: str) -> bool:
        """Return whether the DAG has been parsed and stored."""

    def import_errors(self) -> dict[str, str]:
        """Return what failed to import: file name to traceback."""

    def set_paused(self, dag_id: str, paused: bool) -> None:
        """Pause or unpause a DAG."""

    def trigger(self, dag_id: str, conf: dict[str, Any], run_id: str) -> None:
        """Create a run."""

    def runs(self, dag_id: str) -> list[Run]:
        """Return the runs of a DAG, whatever made them."""

    def run_state(self, run: Run) -> str:
        """Return the state of a run."""

    def task_instances(self, run: Run) -> list[TaskInstance]:
        """Return all task instances of a run."""

    def xcom(self, run: Run, task_id: str, key: str, map_index: int) -> Any:
        """Return a value, or None where there is none."""

    def links(self, run: Run, task_id: str, map_index: int) -> dict[str, str]:
        """Return the extra links of a task: name to address, "" where there is none yet."""

    def task_log(self, run: Run, task_id: str, try_number: int, map_index: int) -> str:
        """Return the log of one try as text, the trigger's part of it included."""

    def clear(self, run: Run, task_ids: Sequence[str | tuple[str, int]] | None, only_failed: bool) -> None:
        """Clear tasks of a run (None: all of it), and set the run going again."""

    def mark(self, run: Run, task_id: str, state: str, map_index: int) -> None:
        """Set the state of a task by hand, as the buttons of the UI do."""

    def pool(self, name: str) -> dict[str, int]:
        """Return the slots of a pool: ``slots``, ``running``, ``queued``, ``scheduled``, ``deferred``, ``open``."""

    def close(self) -> None:
        """Let go of connections and helpers."""
