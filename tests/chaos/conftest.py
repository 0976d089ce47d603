"""A real Airflow and an emulator that get hurt; booted once for each module."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_airflow import EmulatorProcess, LocalAirflow

ONE, TWO = 12, 12


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.chaos)


class Plan:
    """Who dies where, as the tasks read it, and who has died so far."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.write({})

    def write(self, deaths: dict[str, dict[str, int]]) -> None:
        """Replace the plan: ``{"task[map_index]": {"point": deaths}}``."""
        (self.folder / "plan.json").write_text(json.dumps(deaths))

    def graves(self, run_id: str) -> list[str]:
        """Return the deaths of a run."""
        return sorted(path.name for path in self.folder.iterdir() if path.name.startswith(run_id))


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """An empty plan."""
    return Plan(tmp_path_factory.mktemp("plan"))


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmulatorProcess]:
    """Jobs take about three seconds, and their history rows land up to five seconds late."""
    log = tmp_path_factory.mktemp("emulator") / "emulator.log"
    with EmulatorProcess(log, "--time-scale", "0.1", "--history-lag", "0.5-5", "--seed", "7") as emulator:
        yield emulator


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory, plan: Plan, emulator: EmulatorProcess) -> Iterator[LocalAirflow]:
    """Airflow on SQLite, or on the database that ``RUNWAY_TEST_DATABASE_URL`` names."""
    env = {
        "AIRFLOW_CONN_RUNWAY_DEFAULT": emulator.connection(),
        "RUNWAY_CHAOS_FOLDER": str(plan.folder),
        "RUNWAY_CHAOS_ONE": str(ONE),
        "RUNWAY_CHAOS_TWO": str(TWO),
    }
    with LocalAirflow(
        tmp_path_factory.mktemp("airflow"),
        Path(__file__).parent / "dags",
        env=env,
        parallelism=6,
        database_url=os.environ.get("RUNWAY_TEST_DATABASE_URL"),
    ) as airflow:
        yield airflow
