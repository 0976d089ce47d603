"""Airflow 3.4 empties the task state store on a clear. Here its rows are deleted before each retry, on a real 3.3."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

import pytest

from airflow_provider_runway.emulator import Emulator
from local_airflow import LocalAirflow

pytestmark = pytest.mark.timeout(400)


def delete_task_state(airflow: LocalAirflow, dag_id: str) -> int:
    """Delete all task state of a DAG from the database, and return how many rows there were."""
    with closing(sqlite3.connect(airflow.home / "airflow.db", timeout=60)) as database, database:
        return database.execute("delete from task_state_store where dag_id = ?", (dag_id,)).rowcount


def test_a_job_whose_task_state_is_deleted_before_each_retry_is_paid_once(
    airflow: LocalAirflow, emulator: Emulator
) -> None:
    prompt = "a job that outlives its timeout"
    emulator.add_fault(call="submit", fault="job_latency", match=prompt, times=1, seconds=45)
    run = airflow.trigger("outliving")
    deleted_before: dict[int, int] = {}  # the number of a try that failed -> rows that were deleted after it
    deadline = time.monotonic() + 300
    while (state := airflow.client.get_run_state(run)) not in ("success", "failed") and time.monotonic() < deadline:
        (task,) = airflow.get_task_instances(run)
        if task.state == "up_for_retry" and task.try_number not in deleted_before:
            deleted_before[task.try_number] = delete_task_state(airflow, run.dag_id)
        time.sleep(0.2)
    jobs = [job["request_id"] for job in emulator.ledger()["jobs"] if job["body"]["promptText"] == prompt]
    assert state == "success"
    assert len(deleted_before) >= 2
    assert all(count >= 1 for count in deleted_before.values())
    assert len(jobs) == 1
    assert airflow.get_xcom(run, "generate")["request_id"] == jobs[0]
