"""Client of a running Airflow 2.11: it talks to a helper process inside that Airflow's environment."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local_airflow.airflow_client import Run, TaskInstance

HELPER = Path(__file__).with_name("airflow2_helper.py")


class Airflow2Client:
    """Sends requests to ``airflow2_helper.py`` as JSON lines.

    :param python: The Python interpreter that has Airflow 2.11.
    :param env: The environment of the Airflow's components.
    :param home: Its ``AIRFLOW_HOME``.
    """

    def __init__(self, python: Path, env: Mapping[str, str], home: Path) -> None:
        self._task_logs = home / "logs" / "tasks"
        self._log = (home / "logs" / "airflow2_helper.log").open("ab")
        self._helper = subprocess.Popen(
            [str(python), "-P", str(HELPER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=dict(env),
            cwd=home,
            text=True,
            start_new_session=True,
        )

    def _call(self, function: str, **arguments: Any) -> Any:
        """Call a function of the helper. The helper starts within some seconds; the first call waits for that."""
        assert self._helper.stdin is not None
        assert self._helper.stdout is not None
        self._helper.stdin.write(json.dumps({"function": function, **arguments}) + "\n")
        self._helper.stdin.flush()
        line = self._helper.stdout.readline()
        if not line:
            raise RuntimeError(f"The helper process of Airflow 2.11 has ended; see {self._log.name}")
        response = json.loads(line)
        if "error" in response:
            raise RuntimeError(f"{function}: {response['error']}; see {self._log.name}")
        return response["value"]

    def get_health(self) -> dict[str, bool]:
        return dict(self._call("get_health"))

    def has_dag(self, dag_id: str) -> bool:
        return bool(self._call("has_dag", dag_id=dag_id))

    def get_import_errors(self) -> dict[str, str]:
        return dict(self._call("get_import_errors"))

    def set_paused(self, dag_id: str, paused: bool) -> None:
        self._call("set_paused", dag_id=dag_id, paused=paused)

    def trigger(self, dag_id: str, conf: dict[str, Any], run_id: str) -> None:
        self._call("trigger", dag_id=dag_id, conf=conf, run_id=run_id)

    def list_runs(self, dag_id: str) -> list[Run]:
        return [Run(dag_id, run_id) for run_id in self._call("list_runs", dag_id=dag_id)]

    def get_run_state(self, run: Run) -> str:
        return str(self._call("get_run_state", **run._asdict()))

    def get_task_instances(self, run: Run) -> list[TaskInstance]:
        return [TaskInstance(*row) for row in self._call("get_task_instances", **run._asdict())]

    def get_xcom(self, run: Run, task_id: str, key: str, map_index: int) -> Any:
        return self._call("get_xcom", **run._asdict(), task_id=task_id, key=key, map_index=map_index)

    def get_links(self, run: Run, task_id: str, map_index: int) -> dict[str, str]:
        return dict(self._call("get_links", **run._asdict(), task_id=task_id, map_index=map_index))

    def get_task_log(self, run: Run, task_id: str, try_number: int, map_index: int) -> str:
        folder = self._task_logs / f"dag_id={run.dag_id}" / f"run_id={run.run_id}" / f"task_id={task_id}"
        if map_index >= 0:
            folder /= f"map_index={map_index}"
        # attempt=1.log is the worker's, attempt=1.log.trigger.7.log the triggerer's.
        parts = sorted(folder.glob(f"attempt={try_number}.log*"), key=lambda path: path.name)
        return "\n".join(part.read_text(errors="replace") for part in parts)

    def clear(self, run: Run, task_ids: Sequence[str | tuple[str, int]] | None, only_failed: bool) -> None:
        ids = None if task_ids is None else list(task_ids)
        self._call("clear", **run._asdict(), task_ids=ids, only_failed=only_failed)

    def set_task_state(self, run: Run, task_id: str, state: str, map_index: int) -> None:
        self._call("set_task_state", **run._asdict(), task_id=task_id, state=state, map_index=map_index)

    def get_pool(self, name: str) -> dict[str, int]:
        return dict(self._call("get_pool", name=name))

    def close(self) -> None:
        for pipe in (self._helper.stdin, self._helper.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._helper.kill()
        self._helper.wait(timeout=10)
        self._log.close()
