"""The local Airflow for tests: each thing that tests rely on, once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from local_airflow import LocalAirflow, WaitTimeoutError, find_processes_in

DAGS = Path(__file__).parent / "dags"
TOOLS = Path(__file__).resolve().parents[2] / "tools"


def test_a_deferrable_task_runs_through(airflow: LocalAirflow) -> None:
    run = airflow.trigger("short_deferral")

    assert airflow.wait_for_run(run) == "success"
    assert airflow.get_task_states(run) == {"defer": "success"}
    assert airflow.get_xcom(run, "defer") == {"result": "done"}
    assert airflow.get_xcom(run, "defer", "no such key") is None
    log = airflow.get_task_log(run, "defer")
    assert "Deferring" in log
    assert "trigger starting" in log
    assert "Resumed" in log


def test_a_deferred_task_holds_no_slot(airflow: LocalAirflow) -> None:
    run = airflow.trigger("long_deferral")

    airflow.wait_for_task(run, "defer", "deferred")

    assert airflow.get_pool()["running"] == 0
    assert airflow.get_pool()["deferred"] == 1
    assert airflow.wait_for_run(run) == "success"


@pytest.mark.chaos
def test_a_killed_triggerer_restarts_and_continues_its_triggers(airflow: LocalAirflow) -> None:
    run = airflow.trigger("long_deferral")
    airflow.wait_for_task(run, "defer", "deferred")
    before = airflow.pids["triggerer"]

    airflow.kill("triggerer")

    assert airflow.pids["triggerer"] != before
    assert airflow.wait_for_run(run) == "success"


@pytest.mark.chaos
def test_a_killed_api_server_restarts(airflow: LocalAirflow) -> None:
    airflow.kill("api-server")

    assert airflow.wait_for_run(airflow.trigger("short_deferral")) == "success"


def test_clearing_runs_a_task_again(airflow: LocalAirflow) -> None:
    run = airflow.trigger("short_deferral")
    airflow.wait_for_run(run)

    airflow.clear(run, ["defer"])

    assert airflow.wait_for_run(run) == "success"
    assert [task.try_number for task in airflow.get_task_instances(run)] == [2]


def test_waiting_for_a_dag_that_cannot_be_imported_raises_its_import_error(
    airflow: LocalAirflow, dags_folder: Path
) -> None:
    broken = dags_folder / "broken.py"
    broken.write_text("from airflow.providers.common.compat.sdk import DAG\nraise ValueError('on purpose')\n")
    try:
        with pytest.raises(WaitTimeoutError, match="on purpose"):
            airflow.wait_for_dag("broken", timeout_s=8)
    finally:
        broken.unlink()


def test_no_process_runs_on_after_an_error(tmp_path: Path) -> None:
    def start_and_fail() -> None:
        with LocalAirflow(tmp_path, DAGS, components=("api-server", "scheduler"), parallelism=2) as airflow:
            assert set(airflow.pids) == {"api-server", "scheduler"}
            assert find_processes_in(tmp_path)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        start_and_fail()

    assert find_processes_in(tmp_path) == []
    assert (tmp_path / "logs" / "scheduler.log").stat().st_size > 0


def test_a_component_that_cannot_start_raises_an_error_with_its_log(tmp_path: Path) -> None:
    env = {"AIRFLOW__CORE__EXECUTOR": "NoSuchExecutor"}

    with (
        pytest.raises(RuntimeError, match=r"(?s)scheduler has ended.*NoSuchExecutor"),
        LocalAirflow(tmp_path, DAGS, components=("scheduler",), env=env),
    ):
        pass

    assert find_processes_in(tmp_path) == []


def test_a_savepoint_on_sqlite_takes_the_write_lock_first(tmp_path: Path) -> None:
    code = """
import sqlite3, sys, sqlalchemy
import local_airflow.sqlite_locking
other = sqlite3.connect(sys.argv[1], timeout=0)
with sqlalchemy.create_engine(f"sqlite:///{sys.argv[1]}").connect() as connection, connection.begin_nested():
    try:
        other.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as problem:
        print(problem)
"""
    process = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "locking.db")],
        env={"PYTHONPATH": str(TOOLS), "RUNWAY_COMMAND": "this"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout == "database is locked\n"
