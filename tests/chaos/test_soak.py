"""24 jobs under random kills and random faults, from a seed: no job is paid twice, none is lost.

CI runs one seed. ``RUNWAY_SOAK_SEEDS=1,2,3,4,5`` runs others; ``conftest.py`` has the variables for other databases,
forms of the history, and Airflow 2.11.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest
from kill_plan import ALL_POINTS, SUBMIT_POINTS, WAIT_POINTS, KillPlan, Kills
from payment_check import PaymentReport

from airflow_provider_runway.emulator import EmulatorControl
from local_airflow import EmulatorProcess, LocalAirflow, Run
from local_airflow.component_kills import kill_components

SEEDS = [int(seed) for seed in os.environ.get("RUNWAY_SOAK_SEEDS", "1").split(",")]
TASK_COUNT = 12
#: The probability that a task is killed at a point.
KILL_PROBABILITY = 0.2
#: (call, fault, probability, parameters)
FAULTS = (
    ("submit", "cut_after", 0.2, {}),
    ("submit", "server_error", 0.1, {"status": 503}),
    ("status", "server_error", 0.05, {"status": 502, "body": "html"}),
    ("status", "cut_body", 0.05, {}),
    ("result", "server_error", 0.05, {"status": 500}),
    ("result", "cut_before", 0.05, {}),
    ("history", "server_error", 0.1, {"status": 503}),
)


def choose_kills(rng: random.Random) -> Kills:
    """Return at least ten random kills of tasks."""
    candidates = [
        (f"{task}[{index}]", point)
        for task, points in (("one_task", ALL_POINTS), ("submit", SUBMIT_POINTS), ("wait", WAIT_POINTS))
        for index in range(TASK_COUNT)
        for point in points
    ]
    count = max(10, sum(rng.random() < KILL_PROBABILITY for _ in candidates))
    kills: Kills = {}
    for task, point in rng.sample(candidates, count):
        kills.setdefault(task, {})[point] = 1
    return kills


def choose_components(rng: random.Random) -> list[tuple[str, float]]:
    """Return the triggerer twice and the scheduler once, and the pause before each is killed."""
    return [(component, rng.uniform(8, 25)) for component in rng.sample(["triggerer", "triggerer", "scheduler"], 3)]


@pytest.mark.timeout(1000)
@pytest.mark.parametrize("seed", SEEDS)
def test_random_kills_and_faults_pay_once_and_lose_nothing(
    airflow: LocalAirflow,
    emulator: EmulatorProcess,
    plan: KillPlan,
    check_run: Callable[[Run], PaymentReport],
    seed: int,
) -> None:
    rng = random.Random(seed)
    plan.write(choose_kills(rng))
    control = EmulatorControl(emulator.url)
    control.reset()
    control.clear_faults()
    for call, fault, probability, parameters in FAULTS:
        control.add_fault(call=call, fault=fault, probability=probability, **parameters)
    run = airflow.trigger("killed_jobs")
    with kill_components(airflow, choose_components(rng)) as killed:
        state = airflow.wait_for_run(run, timeout_s=900)
    control.clear_faults()
    report = check_run(run)
    kills = len(plan.list_kills(run.run_id)) + len(killed)
    print(
        f"seed {seed}: {report.requested} jobs, {report.billable} billed, {report.delivered} delivered, {kills} kills"
    )
    assert kills >= 12
    assert (state, report.is_correct) == ("success", True), report
