"""Start, stop and kill the components of a local Airflow: scheduler, triggerer, api-server, DAG processor, workers."""

from __future__ import annotations

import contextlib
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from local_airflow.airflow2_client import Airflow2Client
from local_airflow.airflow3_client import Airflow3Client
from local_airflow.airflow_client import AirflowClient
from local_airflow.airflow_settings import build_environment, find_airflow_version, find_free_port, shorten_lock_wait
from local_airflow.child_process import ChildProcess
from local_airflow.wait_until import WaitTimeoutError, wait_until

SQLITE_LOCKING = Path(__file__).with_name("sqlite_locking.py")


class AirflowProcesses:
    """An Airflow from a virtual environment, each component in a process of its own, as a context manager.

    All of them end with this process, also after an exception, Ctrl-C or SIGKILL (see ``process_tree_reaper.py``).

    :param home: The ``AIRFLOW_HOME``, with the database, ``logs/<component>.log`` and ``logs/tasks``. Existing files
        in it are kept and used; pass an empty folder for a new Airflow.
    :param dags_folder: The folder of the DAGs.
    :param venv: The virtual environment that has Airflow, by default the one of this process.
    :param env: Further variables, such as ``AIRFLOW_CONN_RUNWAY_DEFAULT`` or ``AIRFLOW__…``. They override all others.
    :param executor: On SQLite, Airflow 2.11 always gets the ``SequentialExecutor``.
    :param database_url: By default SQLite in ``home``; ``postgresql://…`` for an existing, empty database.
    :param parallelism: How many tasks can run at once (the executor's worker processes).
    :param heartbeat_timeout_s: After this long Airflow fails a task whose worker died (and retries it, if it may).
    :param start_timeout_s: How long the start of all components may take.
    :param components: The components to start, by default all. ``start`` starts others later.
    :param copies: How many of a component run: ``{"triggerer": 2}`` adds ``triggerer-2``. With the ``CeleryExecutor``
        there is a ``worker``, too; its broker and result backend come from ``env``.
    :param base_path: The path below which the api-server is, such as ``/team`` (Airflow 3).
    :param prepare: A command of the environment to run after the database migration, such as to create users.
    :param login: Name and password of the user that this acts as; by default every user is an admin (Airflow 3).
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
        start_timeout_s: float = 120,
        components: Sequence[str] | None = None,
        copies: Mapping[str, int] | None = None,
        base_path: str = "",
        login: tuple[str, str] | None = None,
        prepare: Sequence[str] = (),
    ) -> None:
        self.home = home.resolve()
        self.venv = (venv or Path(sys.prefix)).absolute()
        self.full_version = find_airflow_version(self.venv)
        major, minor, *_ = self.full_version.split(".")
        self.version = (int(major), int(minor))
        self.port = find_free_port()
        self.url = f"http://127.0.0.1:{self.port}{base_path}"
        self._login = login
        self._prepare = prepare
        self._start_timeout_s = start_timeout_s
        if self.version < (3, 0) and database_url is None:
            executor = "SequentialExecutor"
        self.env = build_environment(
            version=self.version,
            venv=self.venv,
            home=self.home,
            dags_folder=dags_folder.resolve(),
            executor=executor,
            database_url=database_url,
            parallelism=parallelism,
            url=self.url,
            heartbeat_timeout_s=heartbeat_timeout_s,
            extra=env or {},
        )
        self._commands = self._build_commands(copies or {}, has_workers=executor == "CeleryExecutor")
        self._initial_components = tuple(self._commands if components is None else components)
        self._components: dict[str, ChildProcess] = {}
        self._killed: list[ChildProcess] = []  # commands that have ended while tasks below them may still run
        self._client: AirflowClient | None = None

    def __enter__(self) -> Self:
        try:
            for folder in ("logs", "config"):
                (self.home / folder).mkdir(parents=True, exist_ok=True)
            shutil.copyfile(SQLITE_LOCKING, self.home / "config" / "airflow_local_settings.py")
            self._run_to_end("migrate", ["airflow", "db", "migrate"])
            if self._prepare:
                self._run_to_end("prepare", self._prepare)
            for name in self._initial_components:
                self.start(name)
            if self.version >= (3, 0):
                self._client = Airflow3Client(self.url, self._login)
            else:
                self._client = Airflow2Client(self.venv / "bin" / "python", self.env, self.home)
            self._wait_until_healthy("Airflow's start")
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def client(self) -> AirflowClient:
        """The client that reads and changes this Airflow."""
        if self._client is None:
            raise RuntimeError("This Airflow is not running")
        return self._client

    def stop(self) -> None:
        """Kill all components and their tasks."""
        if self._client is not None:
            self._client.close()
            self._client = None
        while self._components:
            self._components.popitem()[1].stop()
        while self._killed:
            self._killed.pop().stop()

    def start(self, component: str) -> ChildProcess:
        """Start a component that is not running. Its output is appended to its log."""
        if component in self._components:
            self._killed.append(self._components.pop(component))
        log = self.home / "logs" / f"{component}.log"
        env = shorten_lock_wait(self.env) if component.startswith("api-server") else self.env
        process = ChildProcess(component, self._commands[component], env, self.home, log)
        self._components[component] = process
        return process

    def kill(
        self,
        component: str,
        *,
        signal_number: signal.Signals = signal.SIGKILL,
        whole_tree: bool = True,
        restart: bool = True,
        grace_s: float = 10,
    ) -> None:
        """Kill a component and start it again.

        The scheduler's process tree contains the LocalExecutor's workers and the tasks that they run. They are killed
        with the whole tree, as in a container. Without it they go on as orphans and report to the api-server.

        :param signal_number: SIGTERM goes to the component alone, as at a deployment. After ``grace_s`` what still
            runs is killed, because the scheduler of Airflow 3.3.2 sometimes waits for its LocalExecutor for ever.
        :param restart: False leaves it stopped until :meth:`start`.
        """
        process = self._components.pop(component)
        self._killed.append(process)
        if signal_number != signal.SIGKILL:
            process.kill(signal_number, whole_tree=False)
            with contextlib.suppress(WaitTimeoutError):
                wait_until(lambda: not process.is_running, timeout_s=grace_s, what=f"the end of {component}")
        process.kill(whole_tree=whole_tree)
        wait_until(
            lambda: not process.is_running,
            timeout_s=30,
            what=f"the end of {component}",
            explain=process.read_log_tail,
        )
        if restart:
            self.start(component)
            if component == "api-server":
                self._wait_until_healthy("the api-server's restart")

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each running component."""
        return {name: process.pid for name, process in self._components.items() if process.is_running}

    def list_process_ids(self, component: str) -> list[int]:
        """Return the process ids of a component and of all its descendants."""
        return [process.pid for process in self._components[component].list_processes()]

    def read_component_log(self, component: str) -> str:
        """Return all output of a component, of earlier starts too."""
        return (self.home / "logs" / f"{component}.log").read_text(errors="replace")

    def run_command(self, line: str, timeout_s: float = 120) -> str:
        """Run a shell command in this Airflow's environment and return its output.

        :raises RuntimeError: It failed; the message has its output.
        """
        env = self.env | {"RUNWAY_COMMAND": line}  # see sqlite_locking.py
        process = subprocess.run(
            ["bash", "-c", line], env=env, cwd=self.home, capture_output=True, text=True, timeout=timeout_s
        )
        if process.returncode:
            raise RuntimeError(f"{line}\nexit code {process.returncode}\n{process.stdout}\n{process.stderr}")
        return process.stdout + process.stderr

    def _build_commands(self, copies: Mapping[str, int], *, has_workers: bool) -> dict[str, list[str]]:
        airflow = str(self.venv / "bin" / "airflow")
        # Logs are read from disk, so no component serves them: two Airflows on one machine would need the same ports.
        option = "--skip-serve-logs"
        commands = {"scheduler": [airflow, "scheduler", option], "triggerer": [airflow, "triggerer", option]}
        if self.version >= (3, 0):
            options = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
            commands = {"api-server": [airflow, "api-server", *options]} | commands
            commands["dag-processor"] = [airflow, "dag-processor"]
        if has_workers:
            commands["worker"] = [airflow, "celery", "worker", option]
        for name, count in copies.items():
            for number in range(2, count + 1):
                commands[f"{name}-{number}"] = commands[name]
        for name in [name for name in commands if name.startswith("worker")]:
            commands[name] = [*commands[name], "--celery-hostname", f"{name}@%h"]  # two on one host need two names
        return commands

    def _run_to_end(self, name: str, command: Sequence[str]) -> None:
        """Run a command of the environment, with a log of its own, until it ends."""
        log = self.home / "logs" / f"{name}.log"
        path = [str(self.venv / "bin" / command[0]), *command[1:]]
        process = ChildProcess(name, path, self.env, self.home, log)
        try:
            wait_until(
                lambda: process.has_ended, timeout_s=self._start_timeout_s, what=name, explain=process.read_log_tail
            )
        finally:
            process.stop()

    def _wait_until_healthy(self, what: str) -> None:
        wait_until(self._is_healthy, timeout_s=self._start_timeout_s, what=what, explain=self._read_log_tails)

    def _is_healthy(self) -> bool:
        ended = [process for process in self._components.values() if not process.is_running]
        if ended:
            raise RuntimeError("\n".join(f"Airflow's {each.name} has ended:\n{each.read_log_tail()}" for each in ended))
        health = self.client.get_health()
        kinds = {re.sub(r"-\d+$", "", name) for name in self._components}
        return all(health.get(kind, False) for kind in kinds - {"worker"})  # of workers, Airflow knows nothing

    def _read_log_tails(self) -> str:
        return "\n".join(f"--- {name}\n{process.read_log_tail()}" for name, process in self._components.items())
