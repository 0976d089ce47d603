"""A local Airflow as tests use it: trigger runs, wait for them, and read task states, XComs and logs."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from local_airflow.airflow_client import Run, TaskInstance
from local_airflow.child_process import find_processes_in
from local_airflow.component_launcher import AirflowProcesses
from local_airflow.wait_until import wait_until

FINAL_STATES = frozenset({"success", "failed"})


class LocalAirflow(AirflowProcesses):
    """The components of an Airflow, and its DAG runs and tasks."""

    def wait_for_dag(self, dag_id: str, timeout_s: float = 180) -> None:
        """Wait until a DAG has been parsed. After the timeout the error contains the import errors."""

        def explain() -> str:
            return "\n".join(f"{name}:\n{text}" for name, text in self.client.get_import_errors().items())

        wait_until(lambda: self.client.has_dag(dag_id), timeout_s=timeout_s, what=f"DAG {dag_id}", explain=explain)

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None, run_id: str | None = None) -> Run:
        """Wait until a DAG has been parsed, unpause it and start a run of it."""
        self.unpause(dag_id)
        run = Run(dag_id, run_id or f"manual__{uuid.uuid4().hex[:12]}")
        self.client.trigger(dag_id, conf or {}, run.run_id)
        return run

    def unpause(self, dag_id: str) -> None:
        """Wait until a DAG has been parsed, and let its schedule make runs."""
        self.wait_for_dag(dag_id)
        self.client.set_paused(dag_id, False)

    def list_runs(self, dag_id: str) -> list[Run]:
        """Return all runs of a DAG: manual, scheduled and backfilled."""
        return self.client.list_runs(dag_id)

    def wait_for_run(self, run: Run, timeout_s: float = 120) -> str:
        """Wait for a run to end and return ``success`` or ``failed``."""

        def final_state() -> str | None:
            state = self.client.get_run_state(run)
            return state if state in FINAL_STATES else None

        return wait_until(
            final_state,
            timeout_s=timeout_s,
            interval_s=0.4,
            what=f"the end of {run}",
            explain=lambda: self._describe(run),
        )

    def wait_for_task(
        self, run: Run, task_id: str, *states: str, map_index: int = -1, timeout_s: float = 60
    ) -> TaskInstance:
        """Wait until a task is in one of ``states`` (by default a final one), and return it."""

        def find_task() -> TaskInstance | None:
            return next(
                (
                    task
                    for task in self.client.get_task_instances(run)
                    if (task.task_id, task.map_index) == (task_id, map_index) and task.state in (states or FINAL_STATES)
                ),
                None,
            )

        expected = " or ".join(states or sorted(FINAL_STATES))
        return wait_until(
            find_task,
            timeout_s=timeout_s,
            what=f"{task_id} {expected} in {run}",
            explain=lambda: self._describe(run),
        )

    def get_task_instances(self, run: Run) -> list[TaskInstance]:
        """Return the task instances of a run."""
        return self.client.get_task_instances(run)

    def get_task_states(self, run: Run) -> dict[str, str | None]:
        """Return the state of each task of a run; mapped tasks are named ``task[0]``."""
        return {task.label: task.state for task in self.client.get_task_instances(run)}

    def get_xcom(self, run: Run, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return an XCom value of a task, or None where there is none."""
        return self.client.get_xcom(run, task_id, key, map_index)

    def get_links(self, run: Run, task_id: str, map_index: int = -1) -> dict[str, str]:
        """Return a task's extra links: name to URL, "" where there is none yet."""
        return self.client.get_links(run, task_id, map_index)

    def get_task_log(self, run: Run, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """Return the log of one try, one line an entry, with the triggerer's lines in it."""
        return self.client.get_task_log(run, task_id, try_number, map_index)

    def clear(
        self, run: Run, task_ids: Sequence[str | tuple[str, int]] | None = None, *, only_failed: bool = False
    ) -> None:
        """Clear tasks and set the run to running again.

        :param task_ids: ``"task"`` or ``("task", map_index)``; None clears the whole run.
        """
        self.client.clear(run, task_ids, only_failed)

    def set_task_state(self, run: Run, task_id: str, state: str, map_index: int = -1) -> None:
        """Set a task to ``success`` or ``failed`` by hand."""
        self.client.set_task_state(run, task_id, state, map_index)

    def get_pool(self, name: str = "default_pool") -> dict[str, int]:
        """Return the slots of a pool: ``slots running queued scheduled deferred open``."""
        return self.client.get_pool(name)

    def _describe(self, run: Run) -> str:
        stopped = set(self._commands) - set(self.pids)
        return f"tasks: {self.get_task_states(run)}" + (f"; not running: {sorted(stopped)}" if stopped else "")


def recreate_home(home: Path) -> Path:
    """Delete a home folder and make an empty one.

    :raises RuntimeError: Processes still run in it.
    """
    if processes := find_processes_in(home.resolve()):
        raise RuntimeError(f"{home} is in use by {', '.join(f'{p.pid} ({p.name()})' for p in processes)}")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    return home
