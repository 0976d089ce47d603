"""Jobs of three DAGs that wait on one connection: each task's log has its own job's lines and no other's."""

from __future__ import annotations

import re

import pytest

from airflow_provider_runway.emulator import Emulator
from local_airflow import LocalAirflow, Run

DAGS = ("waiting_first", "waiting_second", "waiting_third")
#: Long enough that all jobs wait at the same time. On SQLite, Airflow 2.11 runs one task at a time.
LATENCY_S = {3: 45, 2: 100}

pytestmark = pytest.mark.timeout(600)


def read_job_lines(log: str) -> list[tuple[str, str]]:
    """Return the (request id, status) of every line about a change of status."""
    return re.findall(r"Job ([0-9a-f-]{36}): (QUEUED|PROCESSING|COMPLETED)\b", log)


def test_each_task_log_has_the_lines_of_its_own_job_and_no_others(
    airflow_major: LocalAirflow, emulator: Emulator
) -> None:
    label = f"waiting{airflow_major.version[0]}"
    seconds = LATENCY_S[airflow_major.version[0]]
    emulator.add_fault(call="submit", fault="job_latency", match=label, times=0, seconds=seconds)
    runs = [airflow_major.trigger(dag_id, {"label": label}) for dag_id in DAGS]
    for run in runs:
        assert airflow_major.wait_for_run(run, timeout_s=400) == "success", airflow_major.get_task_states(run)

    logs: dict[tuple[Run, str], str] = {}
    job_of: dict[tuple[Run, str], str] = {}
    for run in runs:
        for task in airflow_major.get_task_instances(run):
            logs[run, task.task_id] = airflow_major.get_task_log(run, task.task_id)
            job_of[run, task.task_id] = airflow_major.get_xcom(run, task.task_id)["request_id"]
    waiting = [key for key in logs if key[1] != "submit"]
    assert len({job_of[key] for key in waiting}) == 6

    for key in waiting:
        lines = read_job_lines(logs[key])
        assert {request_id for request_id, _ in lines} == {job_of[key]}, key
        assert {"PROCESSING", "COMPLETED"} <= {status for _, status in lines}, key
