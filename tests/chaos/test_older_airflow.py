"""Airflow 2.11 has no store that survives a retry: there the account's history is asked instead."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from local_airflow import EmulatorProcess, LocalAirflow

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "dags"))

from conftest import Plan
from judge import judge
from mortal import BEFORE_ANSWER, BEFORE_DEFERRAL, BEFORE_POST, BEFORE_RESULT

from airflow_provider_runway.emulator import EmulatorControl

ROOT = Path(__file__).resolve().parents[2]
OLDER = ROOT / ".venv-2.11"
#: Where the absence of the journal makes a difference, and one place where it must not.
DEATHS = (BEFORE_POST, BEFORE_ANSWER, BEFORE_DEFERRAL, BEFORE_RESULT)


@pytest.mark.skipif(not (OLDER / "bin" / "airflow").exists(), reason="no .venv-2.11: `make test` makes it")
@pytest.mark.timeout(420)
def test_on_airflow_2_a_killed_task_finds_its_job_in_the_history(
    tmp_path: Path, plan: Plan, emulator: EmulatorProcess
) -> None:
    plan.write({f"one_task[{index}]": {point: 1} for index, point in enumerate(DEATHS)})
    EmulatorControl(emulator.url).reset()
    env = {
        "AIRFLOW_CONN_RUNWAY_DEFAULT": emulator.connection(),
        "RUNWAY_CHAOS_FOLDER": str(plan.folder),
        "RUNWAY_CHAOS_ONE": str(len(DEATHS)),
        "RUNWAY_CHAOS_TWO": "1",
    }
    with LocalAirflow(tmp_path, Path(__file__).parent / "dags", venv=OLDER, env=env) as airflow:
        run = airflow.trigger("chaos")
        state = airflow.wait_for_run(run, timeout_s=360)
        verdict = judge(airflow, emulator, run, len(DEATHS), 1)
    assert len(plan.graves(run.run_id)) == len(DEATHS)
    assert (state, verdict.clean) == ("success", True), verdict
