"""Airflow 2.11 asked through a helper that runs inside its environment (``inside.py``)."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local_airflow.gateway import Run, TaskInstance

INSIDE = Path(__file__).with_name("inside.py")


class LegacyGateway:
    """:param python: The interpreter that has Airflow 2.11.

    :param env: The environment the components run with.
    :param home: The ``AIRFLOW_HOME`` of it.
    """

    def __init__(self, python: Path, env: Mapping[str, str], home: Path) -> None:
        self._task_logs = home / "logs" / "tasks"
        self._log = (home / "logs" / "inside.log").open("ab")
        self._helper = subprocess.Popen(
            [str(python), "-P", str(INSIDE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=dict(env),
            cwd=home,
            text=True,
            start_new_session=True,
        )

    def ask(self, question: str, **arguments: Any) -> Any:
        """Ask the helper; it starts in some seconds, and the first question waits for that."""
        assert self._helper.stdin is not None
        assert self._helper.stdout is not None
        self._helper.stdin.write(json.dumps({"ask": question, **arguments}) + "\n")
        self._helper.stdin.flush()
        line = self._helper.stdout.readline()
        if not line:
            raise RuntimeError(f"The helper inside Airflow 2.11 is gone; see {self._log.name}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"{question}: {answer['error']}; see {self._log.name}")
        return answer["value"]

    def health(self) -> dict[str, bool]:
        return dict(self.ask("health"))

    def dag_known(self, dag_id: str) -> bool:
        return bool(self.ask("dag_known", dag_id=dag_id))

    def import_errors(self) -> dict[str, str]:
        return dict(self.ask("import_errors"))

    def set_paused(self, dag_id: str, paused: bool) -> None:
        self.ask("set_paused", dag_id=dag_id, paused=paused)

    def trigger(self, dag_id: str, conf: dict[str, Any], run_id: str) -> None:
        self.ask("trigger", dag_id=dag_id, conf=conf, run_id=run_id)

    def runs(self, dag_id: str) -> list[Run]:
        return [Run(dag_id, run_id) for run_id in self.ask("runs", dag_id=dag_id)]

    def run_state(self, run: Run) -> str:
        return str(self.ask("run_state", **run._asdict()))

    def task_instances(self, run: Run) -> list[TaskInstance]:
        return [TaskInstance(*row) for row in self.ask("task_instances", **run._asdict())]

    def xcom(self, run: Run, task_id: str, key: str, map_index: int) -> Any:
        return self.ask("xcom", **run._asdict(), task_id=task_id, key=key, map_index=map_index)

    def links(self, run: Run, task_id: str, map_index: int) -> dict[str, str]:
        return dict(self.ask("links", **run._asdict(), task_id=task_id, map_index=map_index))

    def task_log(self, run: Run, task_id: str, try_number: int, map_index: int) -> str:
        folder = self._task_logs / f"dag_id={run.dag_id}" / f"run_id={run.run_id}" / f"task_id={task_id}"
        if map_index >= 0:
            folder /= f"map_index={map_index}"
        # attempt=1.log is the worker's, attempt=1.log.trigger.7.log the triggerer's.
        parts = sorted(folder.glob(f"attempt={try_number}.log*"), key=lambda path: path.name)
        return "\n".join(part.read_text(errors="replace") for part in parts)

    def clear(self, run: Run, task_ids: Sequence[str | tuple[str, int]] | None, only_failed: bool) -> None:
        wanted = None if task_ids is None else list(task_ids)
        self.ask("clear", **run._asdict(), task_ids=wanted, only_failed=only_failed)

    def mark(self, run: Run, task_id: str, state: str, map_index: int) -> None:
        self.ask("mark", **run._asdict(), task_id=task_id, state=state, map_index=map_index)

    def pool(self, name: str) -> dict[str, int]:
        return dict(self.ask("pool", name=name))

    def close(self) -> None:
        for pipe in (self._helper.stdin, self._helper.stdout):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._helper.kill()
        self._helper.wait(timeout=10)
        self._log.close()
