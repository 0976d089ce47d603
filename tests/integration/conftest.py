"""One real Airflow 3.3, one emulator and one bucket for all tests here: starting them takes longer than most tests."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from bucket import Bucket, serving_bucket

from airflow_provider_runway.emulator import Emulator
from local_airflow import LocalAirflow

ROOT = Path(__file__).resolve().parents[2]
VENV_2 = ROOT / ".venv-2.11"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.integration)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(300))  # the first test also waits for Airflow's start


@pytest.fixture(scope="session")
def dags_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The DAG folder of ``airflow``: the examples, the DAGs of these tests, and files that a test adds."""
    folder = tmp_path_factory.mktemp("dags")
    (folder / "tests").symlink_to(Path(__file__).parent / "dags")
    (folder / "examples").symlink_to(ROOT / "dags")
    return folder


@pytest.fixture(scope="session")
def emulator() -> Iterator[Emulator]:
    """A Segmind emulator whose jobs take about three seconds. It runs in this process, so that tests can add faults."""
    with Emulator(time_scale=0.1, last_frame=True, last_frame_base_url="https://frames.example") as emulator:
        yield emulator


@pytest.fixture(scope="session")
def runway_default(emulator: Emulator) -> str:
    """An Airflow connection to ``emulator``, as JSON."""
    extra = {"storage_url": emulator.storage_url, "history_url": emulator.history_url}
    return json.dumps({"conn_type": "runway", "host": emulator.url, "password": emulator.test_key, "extra": extra})


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """An empty bucket."""
    with serving_bucket(tmp_path_factory.mktemp("bucket")) as bucket:
        yield bucket


@pytest.fixture(scope="session")
def airflow(
    tmp_path_factory: pytest.TempPathFactory, dags_folder: Path, runway_default: str, bucket: Bucket
) -> Iterator[LocalAirflow]:
    """A running Airflow 3.3 on SQLite with connections to the emulator and to the bucket."""
    env = {
        "AIRFLOW_CONN_RUNWAY_DEFAULT": runway_default,
        "AIRFLOW_CONN_RUNWAY_SECOND": runway_default,
        "AIRFLOW_CONN_AWS_DEFAULT": bucket.connection,
        "AIRFLOW_VAR_RUNWAY_VIDEOS": bucket.url,
    }
    with LocalAirflow(
        tmp_path_factory.mktemp("airflow"), dags_folder, env=env, parallelism=6, heartbeat_timeout_s=60
    ) as airflow:
        yield airflow


@pytest.fixture(scope="session")
def airflow2(tmp_path_factory: pytest.TempPathFactory, runway_default: str, bucket: Bucket) -> Iterator[LocalAirflow]:
    """A running Airflow 2.11 with those DAGs of these tests that it runs, too."""
    if not (VENV_2 / "bin" / "airflow").exists():
        pytest.skip(
            "no .venv-2.11, so nothing was tested on 2.11: `make unit-2.11` makes it where there is a Python for it"
        )
    folder = tmp_path_factory.mktemp("dags-2.11")
    for name in ("batching.py", "mapping.py", "waiting.py"):
        (folder / name).symlink_to(Path(__file__).parent / "dags" / name)
    (folder / "examples").symlink_to(ROOT / "dags")
    env = {"AIRFLOW_CONN_RUNWAY_DEFAULT": runway_default, "AIRFLOW_CONN_AWS_DEFAULT": bucket.connection}
    with LocalAirflow(
        tmp_path_factory.mktemp("airflow-2.11"), folder, venv=VENV_2, env=env, heartbeat_timeout_s=60
    ) as airflow2:
        yield airflow2


@pytest.fixture(scope="module", params=["3.3", "2.11"])
def airflow_major(request: pytest.FixtureRequest) -> LocalAirflow:
    """The Airflow 3.3 that the other tests share, then the 2.11."""
    airflow: LocalAirflow = request.getfixturevalue("airflow" if request.param == "3.3" else "airflow2")
    return airflow
