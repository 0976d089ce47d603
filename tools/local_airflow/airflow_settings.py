"""Environment variables for a small Airflow whose loops and timeouts are short.

All of its configuration is here, as ``AIRFLOW__SECTION__KEY`` variables. No file is written, and no Airflow setting of
the person who runs this reaches it.
"""

from __future__ import annotations

import base64
import os
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path

#: Seconds until an unchanged DAG file is parsed again. New and changed files are parsed at once. Parsing all of them
#: every 30 s, the default, takes more CPU than running their tasks.
DAG_REPARSE_INTERVAL_S = 600
#: How long a process waits for SQLite's lock.
LOCK_TIMEOUT_S = 60
#: Shorter than a call of a task to the api-server may take (5 s), which is repeated then.
API_SERVER_LOCK_TIMEOUT_S = 3

#: (major, minor)
Version = tuple[int, int]


def find_airflow_version(venv: Path) -> str:
    """Return the release of the Airflow installed in ``venv``, such as ``3.3.2``."""
    for info in venv.glob("lib/python3*/site-packages/apache_airflow-[0-9]*.dist-info"):
        return info.name.removeprefix("apache_airflow-").removesuffix(".dist-info")
    raise FileNotFoundError(f"No Airflow is installed in {venv}")


def find_free_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def build_environment(
    *,
    version: Version,
    venv: Path,
    home: Path,
    dags_folder: Path,
    executor: str,
    database_url: str | None,
    parallelism: int,
    url: str,
    heartbeat_timeout_s: int,
    extra: Mapping[str, str],
) -> dict[str, str]:
    """Return the whole environment of Airflow's processes. Variables in ``extra`` override all others."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AIRFLOW", "_AIRFLOW")) and name not in ("VIRTUAL_ENV", "PYTHONHOME", "PYTHONWARNINGS")
    }
    settings = _common_settings(home, dags_folder, executor, database_url, parallelism) | (
        _airflow3_settings(url, heartbeat_timeout_s) if version >= (3, 0) else _airflow2_settings(heartbeat_timeout_s)
    )
    return (
        inherited
        | {
            "AIRFLOW_HOME": str(home),
            "PATH": f"{venv / 'bin'}{os.pathsep}{inherited.get('PATH', os.defpath)}",
            "NO_COLOR": "1",
            "PYTHONUNBUFFERED": "1",
        }
        | {f"AIRFLOW__{name}": str(value) for name, value in settings.items()}
        | dict(extra)
    )


def shorten_lock_wait(env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the api-server, which may not wait long for SQLite's lock.

    Its event loop itself writes the log of actions. A request that holds the lock needs that loop to commit, so both
    wait until the timeout, and meanwhile tasks fail whose calls have timed out. What the timeout refuses is repeated.
    """
    url = env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"]
    short = url.replace(f"?timeout={LOCK_TIMEOUT_S}", f"?timeout={API_SERVER_LOCK_TIMEOUT_S}")
    return {**env, "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": short}


def _common_settings(
    home: Path, dags_folder: Path, executor: str, database_url: str | None, parallelism: int
) -> dict[str, object]:
    # SQLAlchemy 2.1 reads a bare postgresql:// as psycopg 3, but psycopg2 is installed here.
    url = database_url or f"sqlite:///{home}/airflow.db?timeout={LOCK_TIMEOUT_S}"
    url = url.replace("postgresql://", "postgresql+psycopg2://", 1)
    return {
        "CORE__DAGS_FOLDER": dags_folder,
        "CORE__EXECUTOR": executor,
        "CORE__PARALLELISM": parallelism,
        "CORE__LOAD_EXAMPLES": False,
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": True,  # a schedule must not start runs by itself
        "CORE__FERNET_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
        "DATABASE__SQL_ALCHEMY_CONN": url,
        "DATABASE__LOAD_DEFAULT_CONNECTIONS": False,
        "LOGGING__BASE_LOG_FOLDER": home / "logs" / "tasks",
        "LOGGING__COLORED_CONSOLE_LOG": False,
        "USAGE_DATA_COLLECTION__ENABLED": False,
        # Intervals of the loops. The defaults are meant for hundreds of DAGs.
        "SCHEDULER__SCHEDULER_HEARTBEAT_SEC": 1,
        "SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": 0.2,
        "SCHEDULER__JOB_HEARTBEAT_SEC": 2,
        "SCHEDULER__TRIGGER_TIMEOUT_CHECK_INTERVAL": 2,
        "TRIGGERER__JOB_HEARTBEAT_SEC": 2,
        # How soon a component that died is noticed.
        "SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": 5,
        "SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": 10,
        "TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": 10,
    }


def _airflow3_settings(url: str, heartbeat_timeout_s: int) -> dict[str, object]:
    return {
        "API__BASE_URL": url,
        "API__SECRET_KEY": secrets.token_urlsafe(48),
        "API__MAXIMUM_PAGE_LIMIT": 1000,
        "API_AUTH__JWT_SECRET": secrets.token_urlsafe(64),
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": True,
        "DAG_PROCESSOR__REFRESH_INTERVAL": 2,
        "DAG_PROCESSOR__BUNDLE_REFRESH_CHECK_INTERVAL": 1,
        "DAG_PROCESSOR__PARSING_PROCESSES": 1,
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": DAG_REPARSE_INTERVAL_S,
        "LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": "logs/dag_processor",
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": heartbeat_timeout_s,
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": 2,
        "WORKERS__MIN_HEARTBEAT_INTERVAL": 2,
    }


def _airflow2_settings(heartbeat_timeout_s: int) -> dict[str, object]:
    return {
        "SCHEDULER__DAG_DIR_LIST_INTERVAL": 2,
        "SCHEDULER__PARSING_PROCESSES": 1,
        "SCHEDULER__MIN_FILE_PROCESS_INTERVAL": DAG_REPARSE_INTERVAL_S,
        "SCHEDULER__LOCAL_TASK_JOB_HEARTBEAT_SEC": 2,
        "SCHEDULER__SCHEDULER_ZOMBIE_TASK_THRESHOLD": heartbeat_timeout_s,
        "SCHEDULER__ZOMBIE_DETECTION_INTERVAL": 2,
        "LOGGING__DAG_PROCESSOR_MANAGER_LOG_LOCATION": "logs/dag_processor_manager.log",
        "SCHEDULER__CHILD_PROCESS_LOG_DIRECTORY": "logs/dag_processor",
    }
