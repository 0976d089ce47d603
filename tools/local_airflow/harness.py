"""A real Airflow on this machine, as a context manager: booted, asked, hurt on purpose, and gone without a trace."""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from local_airflow.component import Component, leftovers
from local_airflow.gateway import Gateway, Run, TaskInstance
from local_airflow.legacy import LegacyGateway
from local_airflow.rest import RestGateway
from local_airflow.settings import airflow_release, environment, free_port
from local_airflow.waiting import DeadlineExceededError, until

ENDED = frozenset({"success", "failed"})
SQLITE_MANNERS = Path(__file__).with_name("sqlite_manners.py")


class LocalAirflow:
    """Airflow 3 or 2.11 out of a virtual environment, each component a process of its own.

    Nothing survives it: not an exception, Ctrl-C, nor the SIGKILL of the process that made it (see ``keeper.py``).

    :param home: The ``AIRFLOW_HOME``, with the database, ``logs/<component>.log`` and ``logs/tasks``. What is in the
        folder is kept and used: hand in a fresh one for a fresh Airflow.
    :param dags_folder: Where the DAGs are.
    :param venv: The environment that has Airflow; by default the one this runs in.
    :param env: Variables on top, such as ``AIRFLOW_CONN_RUNWAY_DEFAULT`` or any ``AIRFLOW__…``; they win.
    :param executor: On SQLite Airflow 2.11 has only the ``SequentialExecutor``, whatever is asked for.
    :param database_url: By default SQLite in ``home``; ``postgresql://…`` for an existing, empty database.
    :param parallelism: Tasks that can run at once (the executor's worker processes).
    :param heartbeat_timeout_s: A task whose worker died is given up (and retried, if it may) after this long.
    :param boot_timeout_s: How long everything may take to be up.
    :param components: Which to start, by default all; ``start`` starts others later.
    """

    def __init__(
        self,
        home: Path,
        dags_folder: Path,
        *,
        venv: Path | None = None,
        env: Mapping[str, str] | None = None,
        executor: str = "LocalExecutor",
        database_url: str | None = None,
        parallelism: int = 8,
        heartbeat_timeout_s: int = 15,
        boot_timeout_s: float = 120,
        components: Sequence[str] | None = None,
    ) -> None:
        self.home = home.resolve()
        self.venv = (venv or Path(sys.prefix)).absolute()
        self.full_version = airflow_release(self.venv)
        major, minor, *_ = self.full_version.split(".")
        self.version = (int(major), int(minor))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._boot_timeout_s = boot_timeout_s
        if self.version < (3, 0) and database_url is None:
            executor = "SequentialExecutor"
        self.env = environment(
            version=self.version,
            venv=self.venv,
            home=self.home,
            dags_folder=dags_folder.resolve(),
            executor=executor,
            database_url=database_url,
            parallelism=parallelism,
            port=self.port,
            heartbeat_timeout_s=heartbeat_timeout_s,
            extra=env or {},
        )
        self._commands = self._command_lines()
        self._wanted = tuple(self._commands if components is None else components)
        self._components: dict[str, Component] = {}
        self._killed: list[Component] = []  # commands that are dead while tasks of theirs may still run
        self._gateway: Gateway | None = None

    # Coming and going

    def __enter__(self) -> Self:
        try:
            for folder in ("logs", "config"):
                (self.home / folder).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(SQLITE_MANNERS, self.home / "config" / "airflow_local_settings.py")
            self._migrate()
            for name in self._wanted:
                self.start(name)
            if self.version >= (3, 0):
                self._gateway = RestGateway(self.url)
            else:
                self._gateway = LegacyGateway(self.venv / "bin" / "python", self.env, self.home)
            until(self._up, timeout_s=self._boot_timeout_s, what="Airflow's start", explain=self._tails)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Kill everything, at once: what a test leaves running is of no more interest."""
        if self._gateway is not None:
            self._gateway.close()
            self._gateway = None
        while self._components:
            self._components.popitem()[1].stop()
        while self._killed:
            self._killed.pop().stop()

    def start(self, component: str) -> Component:
        """Start a component that is not running; its log goes on where it ended."""
        if component in self._components:
            self._killed.append(self._components.pop(component))
        log = self.home / "logs" / f"{component}.log"
        started = Component(component, self._commands[component], self.env, self.home, log)
        self._components[component] = started
        return started

    def kill(
        self,
        component: str,
        *,
        number: signal.Signals = signal.SIGKILL,
        whole_tree: bool = True,
        restart: bool = True,
        grace_s: float = 10,
    ) -> None:
        """Kill a component and start it again.

        The scheduler's tree has the LocalExecutor's workers and the tasks they run in it. With the whole tree, as when
        a container is killed, they die too; without it they go on as orphans and report to the api-server.

        :param number: SIGTERM goes to the component alone, as at a deployment; what is not gone ``grace_s`` later is
            killed: the scheduler of Airflow 3.3.2 sometimes waits for its LocalExecutor for ever.
        :param restart: False leaves it dead until :meth:`start`.
        """
        victim = self._components.pop(component)
        self._killed.append(victim)
        if number != signal.SIGKILL:
            victim.kill(number, whole_tree=False)
            with contextlib.suppress(DeadlineExceededError):
                until(lambda: not victim.alive, timeout_s=grace_s, what=f"the end of {component}")
        victim.kill(whole_tree=whole_tree)
        until(lambda: not victim.alive, timeout_s=30, what=f"the end of {component}", explain=victim.tail)
        if restart:
            self.start(component)
            if component == "api-server":
                until(self._up, timeout_s=self._boot_timeout_s, what="the api-server's return", explain=self._tails)

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each running component."""
        return {name: component.pid for name, component in self._components.items() if component.alive}

    def processes(self, component: str) -> list[int]:
        """Return the process ids of a component and of all that descends from it."""
        return [process.pid for process in self._components[component].processes()]

    def component_log(self, component: str) -> str:
        """Return what a component has written so far, over all its lives."""
        return (self.home / "logs" / f"{component}.log").read_text(errors="replace")

    # Runs and tasks

    def wait_for_dag(self, dag_id: str, timeout_s: float = 60) -> None:
        """Wait until a DAG has been parsed; an import error that stays ends the wait with its traceback."""

        def explain() -> str:
            return "\n".join(f"{name}:\n{text}" for name, text in self.gateway.import_errors().items())

        until(lambda: self.gateway.dag_known(dag_id), timeout_s=timeout_s, what=f"DAG {dag_id}", explain=explain)

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None, run_id: str | None = None) -> Run:
        """Unpause a DAG and start a run of it; waits for the DAG to be parsed first."""
        self.unpause(dag_id)
        run = Run(dag_id, run_id or f"manual__{uuid.uuid4().hex[:12]}")
        self.gateway.trigger(dag_id, conf or {}, run.run_id)
        return run

    def unpause(self, dag_id: str) -> None:
        """Let a DAG's own schedule make runs; waits for the DAG to be parsed first."""
        self.wait_for_dag(dag_id)
        self.gateway.set_paused(dag_id, False)

    def runs(self, dag_id: str) -> list[Run]:
        """Return the runs of a DAG, whatever made them."""
        return self.gateway.runs(dag_id)

    def wait_for_run(self, run: Run, timeout_s: float = 120) -> str:
        """Wait for a run to end and return ``success`` or ``failed``."""

        def ended() -> str | None:
            state = self.gateway.run_state(run)
            return state if state in ENDED else None

        return until(
            ended, timeout_s=timeout_s, every_s=0.4, what=f"the end of {run}", explain=lambda: self._story(run)
        )

    def wait_for_task(
        self, run: Run, task_id: str, *states: str, map_index: int = -1, timeout_s: float = 60
    ) -> TaskInstance:
        """Wait until a task is in one of ``states`` (by default an ended one), and return it."""

        def there() -> TaskInstance | None:
            return next(
                (
                    task
                    for task in self.gateway.task_instances(run)
                    if (task.task_id, task.map_index) == (task_id, map_index) and task.state in (states or ENDED)
                ),
                None,
            )

        wanted = " or ".join(states or sorted(ENDED))
        return until(there, timeout_s=timeout_s, what=f"{task_id} {wanted} in {run}", explain=lambda: self._story(run))

    def task_instances(self, run: Run) -> list[TaskInstance]:
        """Return the task instances of a run."""
        return self.gateway.task_instances(run)

    def task_states(self, run: Run) -> dict[str, str | None]:
        """Return the state of each task of a run; mapped ones are named ``task[0]``."""
        return {task.label: task.state for task in self.gateway.task_instances(run)}

    def xcom(self, run: Run, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        """Return what a task pushed; None where it pushed nothing."""
        return self.gateway.xcom(run, task_id, key, map_index)

    def links(self, run: Run, task_id: str, map_index: int = -1) -> dict[str, str]:
        """Return a task's extra links: name to address, "" where there is none yet."""
        return self.gateway.links(run, task_id, map_index)

    def task_log(self, run: Run, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """Return the log of one try, a line an entry, with the trigger's part of it."""
        return self.gateway.task_log(run, task_id, try_number, map_index)

    def clear(
        self, run: Run, task_ids: Sequence[str | tuple[str, int]] | None = None, *, only_failed: bool = False
    ) -> None:
        """Clear tasks (``"task"`` or ``("task", map_index)``; None: the whole run), and set the run going again."""
        self.gateway.clear(run, task_ids, only_failed)

    def mark(self, run: Run, task_id: str, state: str, map_index: int = -1) -> None:
        """Set a task to ``success`` or ``failed`` by hand."""
        self.gateway.mark(run, task_id, state, map_index)

    def pool(self, name: str = "default_pool") -> dict[str, int]:
        """Return the slots of a pool: ``slots running queued scheduled deferred open``."""
        return self.gateway.pool(name)

    def command(self, line: str, timeout_s: float = 120) -> str:
        """Run a command line in this Airflow's environment, as a person at a terminal does; return what it printed.

        :raises RuntimeError: It failed; the message has its output.
        """
        env = self.env | {"RUNWAY_COMMAND": line}  # see sqlite_manners.py
        ended = subprocess.run(
            ["bash", "-c", line], env=env, cwd=self.home, capture_output=True, text=True, timeout=timeout_s
        )
        if ended.returncode:
            raise RuntimeError(f"{line}\nexit code {ended.returncode}\n{ended.stdout}\n{ended.stderr}")
        return ended.stdout + ended.stderr

    @property
    def gateway(self) -> Gateway:
        """Whatever answers questions about this Airflow."""
        if self._gateway is None:
            raise RuntimeError("This Airflow is not running")
        return self._gateway

    # Inside

    def _command_lines(self) -> dict[str, list[str]]:
        airflow = str(self.venv / "bin" / "airflow")
        # Two Airflows on one machine must not fight for the ports that serve logs: ours are read from disk.
        quiet = "--skip-serve-logs"
        commands = {"scheduler": [airflow, "scheduler", quiet], "triggerer": [airflow, "triggerer", quiet]}
        if self.version >= (3, 0):
            where = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
            commands = {"api-server": [airflow, "api-server", *where]} | commands
            commands["dag-processor"] = [airflow, "dag-processor"]
        return commands

    def _migrate(self) -> None:
        log = self.home / "logs" / "migrate.log"
        migrate = Component("migrate", [str(self.venv / "bin" / "airflow"), "db", "migrate"], self.env, self.home, log)
        try:
            until(lambda: migrate.gone, timeout_s=self._boot_timeout_s, what="the database", explain=migrate.tail)
        finally:
            migrate.stop()

    def _up(self) -> bool:
        dead = [component for component in self._components.values() if not component.alive]
        if dead:
            raise RuntimeError("\n".join(f"Airflow's {c.name} ended by itself:\n{c.tail()}" for c in dead))
        assert self._gateway is not None
        health = self._gateway.health()
        return all(health.get(name, False) for name in self._components)

    def _tails(self) -> str:
        return "\n".join(f"--- {name}\n{component.tail()}" for name, component in self._components.items())

    def _story(self, run: Run) -> str:
        dead = set(self._commands) - set(self.pids)
        return f"tasks: {self.task_states(run)}" + (f"; not running: {sorted(dead)}" if dead else "")


def fresh(home: Path) -> Path:
    """Empty a home folder, unless something still works in it."""
    if busy := leftovers(home.resolve()):
        raise RuntimeError(f"{home} is in use by {', '.join(f'{p.pid} ({p.name()})' for p in busy)}")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    return home
