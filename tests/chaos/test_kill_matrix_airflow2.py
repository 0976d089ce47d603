"""Airflow 2.11 has no task state store. A killed task finds its job in journal files, or in the account's history."""

from __future__ import annotations

from pathlib import Path

import pytest
from kill_plan import ALL_POINTS, BEFORE_DEFERRAL, BEFORE_POST, BEFORE_RESPONSE, BEFORE_RESULT, KillPlan
from payment_check import check_payments

from airflow_provider_runway.emulator import EmulatorControl
from local_airflow import EmulatorProcess, LocalAirflow

DAGS = Path(__file__).parent / "dags"
VENV_2 = Path(__file__).resolve().parents[2] / ".venv-2.11"
#: The points where a missing journal changes the outcome, and one where it must not.
POINTS = (BEFORE_POST, BEFORE_RESPONSE, BEFORE_DEFERRAL, BEFORE_RESULT)


pytestmark = [
    pytest.mark.skipif(not (VENV_2 / "bin" / "airflow").exists(), reason="no .venv-2.11: `make unit-2.11` makes it"),
    pytest.mark.timeout(700),
]


@pytest.mark.parametrize(("has_journal", "points"), [(False, POINTS), (True, ALL_POINTS)], ids=["history", "journal"])
def test_on_airflow_2_a_killed_task_finds_its_job(
    tmp_path: Path, plan: KillPlan, emulator: EmulatorProcess, has_journal: bool, points: tuple[str, ...]
) -> None:
    plan.write({f"one_task[{index}]": {point: 1} for index, point in enumerate(points)})
    EmulatorControl(emulator.url).reset()
    env = {
        "AIRFLOW_CONN_RUNWAY_DEFAULT": emulator.build_connection(timeout=[2, 10]),
        "RUNWAY_CHAOS_FOLDER": str(plan.folder),
        "RUNWAY_CHAOS_ONE_TASK_JOBS": str(len(points)),
        "RUNWAY_CHAOS_TWO_TASK_JOBS": "1",
    }
    if has_journal:
        env["AIRFLOW__RUNWAY__JOURNAL_PATH"] = str(tmp_path / "journal")
    with LocalAirflow(tmp_path / "airflow", DAGS, venv=VENV_2, env=env) as airflow:
        run = airflow.trigger("killed_jobs")
        state = airflow.wait_for_run(run, timeout_s=600)
        report = check_payments(airflow, emulator, run, len(points), 1)
    assert len(plan.list_kills(run.run_id)) == len(points)
    assert (state, report.is_correct) == ("success", True), report
    journal_files = list((tmp_path / "journal").glob("*.json"))
    assert len(journal_files) == (len(points) + 1 if has_journal else 0)
