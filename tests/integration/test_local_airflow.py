"""The harness: what its users rely on, once each, on a real Airflow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from local_airflow import DeadlineExceededError, LocalAirflow, leftovers

DAGS = Path(__file__).parent / "dags"
TOOLS = Path(__file__).resolve().parents[2] / "tools"


def test_a_deferrable_task_runs_through(airflow: LocalAirflow) -> None:
    run = airflow.trigger("nap")

    assert airflow.wait_for_run(run) == "success"
    assert airflow.task_states(run) == {"sleep": "success"}
    assert airflow.xcom(run, "sleep") == {"slept": "well"}
    assert airflow.xcom(run, "sleep", "no such key") is None
    log = airflow.task_log(run, "sleep")
    assert "Going to sleep" in log
    assert "trigger starting" in log
    assert "Awake again" in log


def test_a_deferred_task_holds_no_slot(airflow: LocalAirflow) -> None:
    run = airflow.trigger("long_nap")

    airflow.wait_for_task(run, "sleep", "deferred")

    assert airflow.pool()["running"] == 0
    assert airflow.pool()["deferred"] == 1
    assert airflow.wait_for_run(run) == "success"


@pytest.mark.chaos
def test_a_killed_triggerer_comes_back_and_takes_its_triggers_up_again(airflow: LocalAirflow) -> None:
    run = airflow.trigger("long_nap")
    airflow.wait_for_task(run, "sleep", "deferred")
    before = airflow.pids["triggerer"]

    airflow.kill("triggerer")

    assert airflow.pids["triggerer"] != before
    assert airflow.wait_for_run(run) == "success"


@pytest.mark.chaos
def test_a_killed_api_server_answers_again(airflow: LocalAirflow) -> None:
    airflow.kill("api-server")

    assert airflow.wait_for_run(airflow.trigger("nap")) == "success"


def test_clearing_runs_a_task_again(airflow: LocalAirflow) -> None:
    run = airflow.trigger("nap")
    airflow.wait_for_run(run)

    airflow.clear(run, ["sleep"])

    assert airflow.wait_for_run(run) == "success"
    assert [task.try_number for task in airflow.task_instances(run)] == [2]


def test_an_import_error_is_told_by_whoever_waits_for_the_dag(airflow: LocalAirflow, dags_folder: Path) -> None:
    broken = dags_folder / "broken.py"
    broken.write_text("from airflow.providers.common.compat.sdk import DAG\nraise ValueError('on purpose')\n")
    try:
        with pytest.raises(DeadlineExceededError, match="on purpose"):
            airflow.wait_for_dag("broken", timeout_s=8)
    finally:
        broken.unlink()


def test_nothing_is_left_after_an_error(tmp_path: Path) -> None:
    def boot_and_fail() -> None:
        with LocalAirflow(tmp_path, DAGS, components=("api-server", "scheduler"), parallelism=2) as airflow:
            assert set(airflow.pids) == {"api-server", "scheduler"}
            assert leftovers(tmp_path)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        boot_and_fail()

    assert leftovers(tmp_path) == []
    assert (tmp_path / "logs" / "scheduler.log").stat().st_size > 0


def test_a_component_that_cannot_start_ends_the_boot_with_its_log(tmp_path: Path) -> None:
    env = {"AIRFLOW__CORE__EXECUTOR": "NoSuchExecutor"}

    with (
        pytest.raises(RuntimeError, match=r"(?s)scheduler ended by itself.*NoSuchExecutor"),
        LocalAirflow(tmp_path, DAGS, components=("scheduler",), env=env),
    ):
        pass

    assert leftovers(tmp_path) == []


def test_a_savepoint_on_sqlite_has_its_turn_before_it_reads(tmp_path: Path) -> None:
    code = """
import sqlite3, sys, sqlalchemy
import local_airflow.sqlite_manners
other = sqlite3.connect(sys.argv[1], timeout=0)
with sqlalchemy.create_engine(f"sqlite:///{sys.argv[1]}").connect() as connection, connection.begin_nested():
    try:
        other.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as problem:
        print(problem)
"""
    told = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "turns.db")],
        env={"PYTHONPATH": str(TOOLS), "RUNWAY_COMMAND": "this"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == "database is locked\n"
