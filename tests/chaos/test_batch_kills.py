"""A batch whose workers, triggerer and scheduler are killed pays each row once, and each row has its own video."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from batch_payments import check_batch
from kill_plan import BATCH_POINTS, KillPlan

from airflow_provider_runway.emulator import EmulatorControl
from airflow_provider_runway.emulator.options import TEST_KEY
from airflow_provider_runway.segmind.models import DEFAULT_MODEL
from local_airflow import EmulatorProcess, LocalAirflow
from local_airflow.component_kills import kill_components

ROWS = int(os.environ.get("RUNWAY_CHAOS_ROWS", "20"))
#: ``RUNWAY_SOAK_ROWS=200`` runs the soak, under at least 40 kills. It takes too long for each run of the tests.
SOAK_ROWS = int(os.environ.get("RUNWAY_SOAK_ROWS", "0"))
DAGS = Path(__file__).parent / "dags"
VENV_2 = Path(__file__).resolve().parents[2] / ".venv-2.11"


def add_job_of_account(emulator: EmulatorProcess) -> None:
    """Submit a job that fails, so that the history shows that it can be read, and nothing more is billed."""
    control = EmulatorControl(emulator.url)
    control.add_fault(call="submit", fault="job_fails", times=1)
    body = {"promptText": "not of the batch", "promptImage": "https://example.com/other.png", "seed": 1}
    headers = {"x-api-key": TEST_KEY}
    requests.post(f"{emulator.url}/v2/{DEFAULT_MODEL}", json=body, headers=headers, timeout=10).raise_for_status()
    control.clear_faults()


@contextmanager
def start_airflow(
    folder: Path, plan: KillPlan, emulator: EmulatorProcess, rows: int, *, is_airflow2: bool = False
) -> Iterator[LocalAirflow]:
    """Start an Airflow for one batch. On 2.11 there is no task state, and no journal but the batch's own."""
    env = {
        "AIRFLOW_CONN_RUNWAY_DEFAULT": emulator.build_connection(timeout=[2, 10]),
        "RUNWAY_CHAOS_FOLDER": str(plan.folder),
        "RUNWAY_CHAOS_ROWS": str(rows),
    }
    venv = VENV_2 if is_airflow2 else None
    with LocalAirflow(folder / "airflow", DAGS, venv=venv, env=env, parallelism=6) as airflow:
        yield airflow


@pytest.mark.timeout(700)
@pytest.mark.parametrize("is_airflow2", [False, True], ids=["3.3", "2.11"])
def test_a_batch_killed_at_each_point_pays_once_and_delivers(
    tmp_path: Path, plan: KillPlan, emulator: EmulatorProcess, is_airflow2: bool
) -> None:
    if is_airflow2 and not (VENV_2 / "bin" / "airflow").exists():
        pytest.skip("no .venv-2.11: `make unit-2.11` makes it")
    EmulatorControl(emulator.url).reset()
    add_job_of_account(emulator)
    plan.write({"generate[-1]": dict.fromkeys(BATCH_POINTS, 1)})
    with start_airflow(tmp_path, plan, emulator, ROWS, is_airflow2=is_airflow2) as airflow:
        run = airflow.trigger("killed_batch")
        state = airflow.wait_for_run(run, timeout_s=600)
        report = check_batch(emulator, airflow.get_xcom(run, "generate"), ROWS)
    assert len(plan.list_kills(run.run_id)) == len(BATCH_POINTS)
    assert (state, report.is_correct) == ("success", True), report


def choose_components(rng: random.Random) -> list[tuple[str, float]]:
    """Return components for a kill each, and the pause before it.

    A pause is longer than what a component needs to start. Without that, no trigger would ever end its wait.
    """
    chosen = [rng.choice(["triggerer", "triggerer", "scheduler"]) for _ in range(max(2, SOAK_ROWS // 7))]
    return [(component, rng.uniform(12, 25)) for component in chosen]


@pytest.mark.skipif(SOAK_ROWS == 0, reason="a long run, for which RUNWAY_SOAK_ROWS=200 asks")
@pytest.mark.timeout(2400)
def test_a_batch_under_random_kills_and_faults_pays_once_and_delivers(
    tmp_path: Path, plan: KillPlan, emulator: EmulatorProcess
) -> None:
    rng = random.Random(1)
    plan.write({"generate[-1]": dict.fromkeys(BATCH_POINTS, max(1, SOAK_ROWS // 50))})
    control = EmulatorControl(emulator.url)
    control.reset()
    control.clear_faults()
    add_job_of_account(emulator)
    control.add_fault(call="submit", fault="cut_after", probability=0.1)
    control.add_fault(call="submit", fault="rate_limited", probability=0.04, window=3)
    control.add_fault(call="status", fault="server_error", probability=0.05, status=502)
    control.add_fault(call="history", fault="server_error", probability=0.1, status=503)
    began_at = time.monotonic()
    with start_airflow(tmp_path, plan, emulator, SOAK_ROWS) as airflow:
        run = airflow.trigger("killed_batch")
        with kill_components(airflow, choose_components(rng)) as killed:
            state = airflow.wait_for_run(run, timeout_s=2100)
        manifest = airflow.get_xcom(run, "generate")
    control.clear_faults()
    report = check_batch(emulator, manifest, SOAK_ROWS)
    kills = len(plan.list_kills(run.run_id)) + len(killed)
    print(f"{report} after {kills} kills in {time.monotonic() - began_at:.0f} s")
    assert kills >= SOAK_ROWS // 5
    assert (state, report.is_correct) == ("success", True), report
