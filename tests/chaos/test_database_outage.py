"""Airflow's database goes away while jobs wait, and the connection is stored in it: no job fails, none is lost.

Needs a PostgreSQL on this machine, in which a database is made; skipped where there is none.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from airflow_provider_runway.emulator import Emulator
from local_airflow import LocalAirflow, wait_until
from local_airflow.temporary_databases import MissingServerError, make_postgres_database, run_on_postgres

ROOT = Path(__file__).resolve().parents[2]
DAGS = Path(__file__).parent / "dags"
JOBS = 5
OUTAGE_S = 20

pytestmark = pytest.mark.timeout(500)


@pytest.fixture
def database() -> Iterator[tuple[str, str]]:
    """The name and the URL of an empty database, which is dropped at the end."""
    with ExitStack() as stack:
        try:
            made = stack.enter_context(make_postgres_database("runway_outage"))
        except MissingServerError as problem:
            pytest.skip(str(problem))
        yield made


def interrupt_database(name: str, seconds: float) -> None:
    """End all sessions of a database, and refuse new ones for a while."""
    run_on_postgres(
        f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
    )
    time.sleep(seconds)
    run_on_postgres(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def restart_ended_components(airflow: LocalAirflow, names: list[str]) -> list[str]:
    """Start the components that the outage ended, as systemd or Kubernetes would, and return their names."""
    ended = [name for name in names if name not in airflow.pids]
    for name in ended:
        airflow.start(name)
    return ended


@pytest.mark.parametrize("venv", [".venv", ".venv-2.11"])
def test_jobs_that_wait_while_the_database_is_down_all_end_at_the_first_try(
    tmp_path: Path, database: tuple[str, str], venv: str
) -> None:
    if not (ROOT / venv / "bin" / "airflow").exists():
        pytest.skip(f"no {venv}: `make unit-2.11` makes it")
    database_name, database_url = database
    with (
        Emulator(time_scale=1.0) as emulator,
        LocalAirflow(
            tmp_path,
            DAGS,
            venv=ROOT / venv,
            database_url=database_url,
            env={"RUNWAY_CHAOS_FOLDER": str(tmp_path)},
            heartbeat_timeout_s=120,
        ) as airflow,
    ):
        extra = {"storage_url": emulator.storage_url, "history_url": emulator.history_url}
        connection = {"conn_type": "runway", "host": emulator.url, "password": emulator.test_key, "extra": extra}
        (tmp_path / "connections.json").write_text(json.dumps({"runway_stored": connection}))
        airflow.run_command(f"{airflow.venv}/bin/airflow connections import connections.json")
        emulator.add_fault(call="submit", fault="job_latency", times=0, seconds=75)
        components = list(airflow.pids)
        run = airflow.trigger("stored_connection")
        wait_until(
            lambda: [task.state for task in airflow.get_task_instances(run)] == ["deferred"] * JOBS,
            timeout_s=90,
            what="all jobs to wait",
            explain=lambda: str(airflow.get_task_states(run)),
        )
        airflow.kill("triggerer", restart=False)  # the one that starts next reads the connection during the outage
        airflow.start("triggerer")
        interrupt_database(database_name, OUTAGE_S)
        restarted = restart_ended_components(airflow, components)
        print(f"{airflow.full_version}: restarted {restarted}")
        deadline = time.monotonic() + 300
        while (state := airflow.client.get_run_state(run)) not in ("success", "failed"):
            assert time.monotonic() < deadline, airflow.get_task_states(run)
            time.sleep(2)
            restarted += restart_ended_components(airflow, components)
        tasks = airflow.get_task_instances(run)
        jobs = {job["request_id"]: job["output_url"] for job in emulator.ledger()["jobs"]}
        results = [airflow.get_xcom(run, "generate", map_index=index) for index in range(JOBS)]
    assert (state, [task.try_number for task in tasks]) == ("success", [1] * JOBS)
    assert {result["request_id"]: result["output_url"] for result in results} == jobs
    assert len(jobs) == JOBS
