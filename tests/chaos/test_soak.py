"""Random deaths and faults, from a seed: 24 jobs, and the emulator's ledger is the judge.

``RUNWAY_SOAK_SEEDS=1,2,3,4,5`` runs more seeds than the one that CI does.
"""

from __future__ import annotations

import os
import random
import sys
import threading
from pathlib import Path

import pytest

from local_airflow import EmulatorProcess, LocalAirflow

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent / "dags"))

from conftest import ONE, TWO, Plan
from judge import judge
from mortal import AFTER_EVENT, BEFORE_RESULT, POINTS

from airflow_provider_runway.emulator import EmulatorControl

SEEDS = [int(seed) for seed in os.environ.get("RUNWAY_SOAK_SEEDS", "1").split(",")]
#: The chance that a task dies at one point; each of 12 submitting pairs passes up to 6 points.
DEATH = 0.2
#: (call, fault, probability, parameters)
WEATHER = (
    ("submit", "cut_after", 0.2, {}),
    ("submit", "server_error", 0.1, {"status": 503}),
    ("status", "server_error", 0.05, {"status": 502, "body": "html"}),
    ("status", "cut_body", 0.05, {}),
    ("result", "server_error", 0.05, {"status": 500}),
    ("result", "cut_before", 0.05, {}),
    ("history", "server_error", 0.1, {"status": 503}),
)


def deaths(jitter: random.Random) -> dict[str, dict[str, int]]:
    """Return who dies where: at least ten tasks' deaths, whatever the dice say."""
    places = [(f"one_task[{index}]", point) for index in range(ONE) for point in POINTS]
    places += [(f"submit[{index}]", point) for index in range(TWO) for point in POINTS if point != AFTER_EVENT]
    places += [(f"wait[{index}]", point) for index in range(TWO) for point in (AFTER_EVENT, BEFORE_RESULT)]
    chosen = jitter.sample(places, max(10, sum(jitter.random() < DEATH for _ in places)))
    plan: dict[str, dict[str, int]] = {}
    for task, point in chosen:
        plan.setdefault(task, {})[point] = 1
    return plan


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", SEEDS)
def test_a_soak_of_kills_and_faults_pays_once_and_delivers_all(
    airflow: LocalAirflow, emulator: EmulatorProcess, plan: Plan, seed: int
) -> None:
    jitter = random.Random(seed)
    plan.write(deaths(jitter))
    control = EmulatorControl(emulator.url)
    control.reset()
    control.clear_faults()
    for call, fault, probability, parameters in WEATHER:
        control.add_fault(call=call, fault=fault, probability=probability, **parameters)
    run = airflow.trigger("chaos")
    stopped = threading.Event()
    kills: list[str] = []

    def strike() -> None:
        for component in jitter.sample(["triggerer", "triggerer", "scheduler"], 3):
            if stopped.wait(jitter.uniform(8, 25)):
                return
            airflow.kill(component)
            kills.append(component)

    striker = threading.Thread(target=strike)
    striker.start()
    try:
        state = airflow.wait_for_run(run, timeout_s=540)
    finally:
        stopped.set()
        striker.join(timeout=60)
    control.clear_faults()
    verdict = judge(airflow, emulator, run, ONE, TWO)
    died = len(plan.graves(run.run_id)) + len(kills)
    print(f"seed {seed}: {verdict.asked} asked, {verdict.billable} billed, {verdict.delivered} delivered, {died} kills")
    assert died >= 12
    assert (state, verdict.clean) == ("success", True), verdict
