"""Airflow 2.11 has no task state store. There a killed task finds its job in the account's history."""

from __future__ import annotations

from pathlib import Path

import pytest
from kill_plan import BEFORE_DEFERRAL, BEFORE_POST, BEFORE_RESPONSE, BEFORE_RESULT, KillPlan
from payment_check import check_payments

from airflow_provider_runway.emulator import EmulatorControl
from local_airflow import EmulatorProcess, LocalAirflow

DAGS = Path(__file__).parent / "dags"
VENV_2 = Path(__file__).resolve().parents[2] / ".venv-2.11"
#: The points where a missing journal changes the outcome, and one where it must not.
POINTS = (BEFORE_POST, BEFORE_RESPONSE, BEFORE_DEFERRAL, BEFORE_RESULT)


@pytest.mark.skipif(not (VENV_2 / "bin" / "airflow").exists(), reason="no .venv-2.11: `make test` makes it")
@pytest.mark.timeout(700)
def test_on_airflow_2_a_killed_task_finds_its_job_in_the_history(
    tmp_path: Path, plan: KillPlan, emulator: EmulatorProcess
) -> None:
    plan.write({f"one_task[{index}]": {point: 1} for index, point in enumerate(POINTS)})
    EmulatorControl(emulator.url).reset()
    env = {
        "AIRFLOW_CONN_RUNWAY_DEFAULT": emulator.build_connection(timeout=[2, 10]),
        "RUNWAY_CHAOS_FOLDER": str(plan.folder),
        "RUNWAY_CHAOS_ONE_TASK_JOBS": str(len(POINTS)),
        "RUNWAY_CHAOS_TWO_TASK_JOBS": "1",
    }
    with LocalAirflow(tmp_path, DAGS, venv=VENV_2, env=env) as airflow:
        run = airflow.trigger("killed_jobs")
        state = airflow.wait_for_run(run, timeout_s=600)
        report = check_payments(airflow, emulator, run, len(POINTS), 1)
    assert len(plan.list_kills(run.run_id)) == len(POINTS)
    assert (state, report.is_correct) == ("success", True), report
