"""One real Airflow 3.3 and one emulator for all the tests here: booting takes longer than most of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from airflow_provider_runway.emulator import Emulator
from local_airflow import LocalAirflow

ROOT = Path(__file__).resolve().parents[2]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture(scope="session")
def dags_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that ``airflow`` reads: the examples, the DAGs of these tests, and what a test writes into it."""
    folder = tmp_path_factory.mktemp("dags")
    (folder / "tests").symlink_to(Path(__file__).parent / "dags")
    if (ROOT / "dags").is_dir():
        (folder / "examples").symlink_to(ROOT / "dags")
    return folder


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """A Segmind emulator whose jobs take about three seconds. In this process, so that a test can order faults."""
    with Emulator(time_scale=0.1) as emulator:
        yield emulator


def connection_to(emulator: Emulator, **extra: object) -> str:
    """Return the JSON of an Airflow connection, for ``AIRFLOW_CONN_…``."""
    hosts = {"storage_url": emulator.storage_url, "history_url": emulator.history_url}
    fields = {"conn_type": "runway", "host": emulator.url, "password": emulator.test_key, "extra": hosts | extra}
    return json.dumps(fields)


@pytest.fixture(scope="session")
def airflow(tmp_path_factory: pytest.TempPathFactory, dags_folder: Path, emulator: Emulator) -> Iterator[LocalAirflow]:
    """A running Airflow 3.3 on SQLite whose ``runway_default`` leads to ``emulator``."""
    env = {"AIRFLOW_CONN_RUNWAY_DEFAULT": connection_to(emulator)}
    with LocalAirflow(tmp_path_factory.mktemp("airflow"), dags_folder, env=env, parallelism=6) as airflow:
        yield airflow
