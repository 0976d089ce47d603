"""Workers are killed around each submit, and what was submitted is cleared: no job leaves beyond a ``cost_limit``."""

from __future__ import annotations

from collections import Counter

import pytest
from kill_plan import BATCH_POINTS, SUBMIT_POINTS, KillPlan

from airflow_provider_runway.batch import read_results
from airflow_provider_runway.emulator import EmulatorControl
from local_airflow import EmulatorProcess, LocalAirflow, Run

SINGLE = {f"single {index}": 1 for index in range(len(SUBMIT_POINTS))}
#: USD 2.00 pay for four rows of the batch, in their order.
ROWS = {f"batch {index}": 1 for index in range(4)}


def count_jobs(emulator: EmulatorProcess) -> Counter[str]:
    """Return how many jobs were accepted for each prompt."""
    return Counter(job["body"]["promptText"] for job in emulator.get_ledger()["jobs"])


def count_statuses(airflow: LocalAirflow, run: Run) -> Counter[str]:
    return Counter(row["status"] for row in read_results(airflow.get_xcom(run, "batch")))


@pytest.mark.timeout(900)
def test_no_job_leaves_beyond_a_limit_under_kills_and_clears(
    airflow: LocalAirflow, plan: KillPlan, emulator: EmulatorProcess
) -> None:
    EmulatorControl(emulator.url).reset()
    kills = {f"single[{index}]": {point: 1} for index, point in enumerate(SUBMIT_POINTS)}
    kills["batch[-1]"] = dict.fromkeys(BATCH_POINTS, 1)
    plan.write(kills)
    run = airflow.trigger("limited_jobs")
    assert airflow.wait_for_run(run, timeout_s=500) == "success"
    assert len(plan.list_kills(run.run_id)) == len(SUBMIT_POINTS) + len(BATCH_POINTS)
    assert count_jobs(emulator) == SINGLE | ROWS
    assert count_statuses(airflow, run) == {"success": 4, "not_submitted": 6}

    airflow.clear(run, None, only_failed=False)
    assert airflow.wait_for_run(run, timeout_s=300) == "failed"
    assert count_jobs(emulator) == SINGLE | ROWS, "a clear of a delivered job is a new job, which no limit pays for"
    states = airflow.get_task_states(run)
    assert {states[f"single[{index}]"] for index in range(len(SUBMIT_POINTS))} == {"failed"}
    assert states["batch"] == "success"
    assert count_statuses(airflow, run) == {"success": 4, "not_submitted": 6}
    refused = next(task for task in airflow.get_task_instances(run) if (task.task_id, task.map_index) == ("single", 0))
    log = airflow.get_task_log(run, "single", try_number=refused.try_number, map_index=0)
    assert "cost_limit is USD 0.50" in log
