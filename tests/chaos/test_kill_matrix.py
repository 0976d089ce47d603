"""Kill tasks at each named point, the triggerer and the scheduler: no job is paid twice, none is lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from kill_plan import ALL_POINTS, SUBMIT_POINTS, WAIT_POINTS, KillPlan
from payment_check import PaymentReport

from airflow_provider_runway.emulator import EmulatorControl
from local_airflow import EmulatorProcess, LocalAirflow, Run

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(autouse=True)
def empty_ledger(emulator: EmulatorProcess, plan: KillPlan) -> None:
    """Each test begins with an empty ledger and an empty plan."""
    EmulatorControl(emulator.url).reset()
    plan.write({})


def test_a_task_killed_at_each_point_pays_once_and_delivers(
    airflow: LocalAirflow, plan: KillPlan, check_run: Callable[[Run], PaymentReport]
) -> None:
    kills = {f"one_task[{index}]": {point: 1} for index, point in enumerate(ALL_POINTS)}
    kills |= {f"submit[{index}]": {point: 1} for index, point in enumerate(SUBMIT_POINTS)}
    kills |= {f"wait[{index}]": {point: 1} for index, point in enumerate(WAIT_POINTS)}
    plan.write(kills)
    run = airflow.trigger("killed_jobs")
    state = airflow.wait_for_run(run, timeout_s=480)
    report = check_run(run)
    assert len(plan.list_kills(run.run_id)) == len(kills)
    assert (state, report.is_correct) == ("success", True), report


def test_a_triggerer_killed_while_jobs_wait_loses_none(
    airflow: LocalAirflow, check_run: Callable[[Run], PaymentReport]
) -> None:
    run = airflow.trigger("killed_jobs")
    airflow.wait_for_task(run, "one_task", "deferred", map_index=0, timeout_s=60)
    airflow.kill("triggerer")
    state = airflow.wait_for_run(run, timeout_s=480)
    report = check_run(run)
    assert (state, report.is_correct) == ("success", True), report


def test_a_scheduler_killed_with_its_workers_pays_once_and_delivers(
    airflow: LocalAirflow, check_run: Callable[[Run], PaymentReport]
) -> None:
    run = airflow.trigger("killed_jobs")
    airflow.wait_for_task(run, "submit", "running", "success", map_index=1, timeout_s=60)
    airflow.kill("scheduler")
    state = airflow.wait_for_run(run, timeout_s=480)
    report = check_run(run)
    assert (state, report.is_correct) == ("success", True), report
