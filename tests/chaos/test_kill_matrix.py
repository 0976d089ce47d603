"""Kills the task at each named point, and the triggerer while jobs wait: nothing is paid twice, nothing lost."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from local_airflow import EmulatorProcess, LocalAirflow

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "dags"))

from conftest import ONE, TWO, Plan
from judge import judge
from mortal import AFTER_EVENT, BEFORE_RESULT, POINTS

from airflow_provider_runway.emulator import EmulatorControl


@pytest.mark.timeout(300)
def test_a_task_killed_at_each_point_pays_once_and_delivers(
    airflow: LocalAirflow, emulator: EmulatorProcess, plan: Plan
) -> None:
    deaths = {f"one_task[{index}]": {point: 1} for index, point in enumerate(POINTS)}
    deaths |= {f"submit[{index}]": {point: 1} for index, point in enumerate(POINTS) if point != AFTER_EVENT}
    deaths |= {f"wait[{index}]": {point: 1} for index, point in enumerate((AFTER_EVENT, BEFORE_RESULT))}
    plan.write(deaths)
    EmulatorControl(emulator.url).reset()
    run = airflow.trigger("chaos")
    state = airflow.wait_for_run(run, timeout_s=240)
    verdict = judge(airflow, emulator, run, ONE, TWO)
    assert len(plan.graves(run.run_id)) == sum(len(points) for points in deaths.values())
    assert (state, verdict.clean) == ("success", True), verdict


@pytest.mark.timeout(300)
def test_a_triggerer_killed_while_jobs_wait_loses_none(
    airflow: LocalAirflow, emulator: EmulatorProcess, plan: Plan
) -> None:
    plan.write({})
    EmulatorControl(emulator.url).reset()
    run = airflow.trigger("chaos")
    airflow.wait_for_task(run, "one_task", "deferred", map_index=0, timeout_s=60)
    airflow.kill("triggerer")
    state = airflow.wait_for_run(run, timeout_s=240)
    verdict = judge(airflow, emulator, run, ONE, TWO)
    assert (state, verdict.clean) == ("success", True), verdict


@pytest.mark.timeout(300)
def test_a_scheduler_killed_with_its_workers_pays_once_and_delivers(
    airflow: LocalAirflow, emulator: EmulatorProcess, plan: Plan
) -> None:
    plan.write({})
    EmulatorControl(emulator.url).reset()
    run = airflow.trigger("chaos")
    airflow.wait_for_task(run, "submit", "running", "success", map_index=1, timeout_s=60)
    airflow.kill("scheduler")
    state = airflow.wait_for_run(run, timeout_s=240)
    verdict = judge(airflow, emulator, run, ONE, TWO)
    assert (state, verdict.clean) == ("success", True), verdict
