"""An emulator and a real Airflow whose processes the tests kill; started once for each module."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from kill_plan import KillPlan
from payment_check import PaymentReport, check_payments

from local_airflow import EmulatorProcess, LocalAirflow, Run

DAGS = Path(__file__).parent / "dags"

VENV_2 = Path(__file__).resolve().parents[2] / ".venv-2.11"
ONE_TASK_JOBS = TWO_TASK_JOBS = 12

#: Returns the payment report of a run.
CheckRun = Callable[[Run], PaymentReport]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.chaos)


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> KillPlan:
    """An empty plan."""
    plan = KillPlan(tmp_path_factory.mktemp("plan"))
    plan.write({})
    return plan


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    """Jobs take about three seconds, and their history rows are complete up to five seconds later.

    ``RUNWAY_TEST_HISTORY_FORM`` names another form of the history than the plain one.
    """
    log = tmp_path_factory.mktemp("emulator") / "emulator.log"
    form = os.environ.get("RUNWAY_TEST_HISTORY_FORM", "plain")
    options = ("--time-scale", "0.1", "--history-form", form, "--history-lag", "0.5-5", "--seed", "7")
    with EmulatorProcess(log, *options) as emulator:
        yield emulator


@pytest.fixture(scope="module")
def airflow(
    tmp_path_factory: pytest.TempPathFactory, plan: KillPlan, emulator: EmulatorProcess
) -> Iterator[LocalAirflow]:
    """Airflow 3.3 on SQLite.

    ``RUNWAY_TEST_DATABASE_URL`` names another database. With ``RUNWAY_TEST_AIRFLOW=2.11`` it is that Airflow, with
    the journal in files.
    """
    home = tmp_path_factory.mktemp("airflow")
    is_airflow2 = os.environ.get("RUNWAY_TEST_AIRFLOW") == "2.11"
    env = {
        "AIRFLOW_CONN_RUNWAY_DEFAULT": emulator.build_connection(timeout=[2, 10]),
        "RUNWAY_CHAOS_FOLDER": str(plan.folder),
        "RUNWAY_CHAOS_ONE_TASK_JOBS": str(ONE_TASK_JOBS),
        "RUNWAY_CHAOS_TWO_TASK_JOBS": str(TWO_TASK_JOBS),
    }
    if is_airflow2:
        env["AIRFLOW__RUNWAY__JOURNAL_PATH"] = str(tmp_path_factory.mktemp("journal"))
    with LocalAirflow(
        home,
        DAGS,
        venv=VENV_2 if is_airflow2 else None,
        env=env,
        parallelism=6,
        database_url=os.environ.get("RUNWAY_TEST_DATABASE_URL"),
    ) as airflow:
        yield airflow


@pytest.fixture(scope="module")
def check_run(airflow: LocalAirflow, emulator: EmulatorProcess) -> CheckRun:
    """Compares a run's results with the emulator's ledger."""
    return partial(check_payments, airflow, emulator, one_task_jobs=ONE_TASK_JOBS, two_task_jobs=TWO_TASK_JOBS)
