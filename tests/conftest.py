"""An Airflow home of the tests' own, a clean environment, and a gateway on loopback."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest
from hypothesis import settings

# How long an example takes says how busy the machine is, and nothing else.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

# Before anything imports Airflow: it reads its home and its configuration when it is imported.
_HOME = tempfile.mkdtemp(prefix="runway-tests-")
os.environ["AIRFLOW_HOME"] = _HOME
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "False"
os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = f"sqlite:///{_HOME}/airflow.db"
os.environ["AIRFLOW_VAR_RUNWAY_DEPLOYMENT_ID"] = "the deployment of the tests"
os.environ["AIRFLOW__METRICS__TIMER_UNIT_CONSISTENCY"] = "True"  # Airflow 2.11 warns at import without it

from airflow_provider_runway.emulator import Emulator

AIRFLOW_RELEASE = tuple(map(int, version("apache-airflow").split(".")[:2]))


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, connection or proxy of the machine reaches a test."""
    for name in list(os.environ):
        if name.startswith("AIRFLOW_CONN_") or name.lower().endswith("_proxy") or name == "SEGMIND_API_KEY":
            monkeypatch.delenv(name)
    if AIRFLOW_RELEASE < (3, 1):  # it asks its database for connections, and these tests have none
        monkeypatch.setattr("airflow.secrets.metastore.MetastoreBackend.get_connection", lambda *_, **__: None)


@pytest.fixture
def empty_connection_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow's database has no connections. (Unit tests have no database, and on Airflow 2 its backend then fails.)"""
    monkeypatch.setattr("airflow.secrets.metastore.MetastoreBackend.get_connection", lambda *_, **__: None)


@pytest.fixture
def gateway() -> Iterator[Emulator]:
    """A gateway whose jobs take hundredths of their usual time."""
    with Emulator(time_scale=0.01) as emulator:
        yield emulator


@pytest.fixture
def connection(gateway: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    """The connection ``runway_default`` to the gateway, and its id."""
    set_connection(monkeypatch, gateway)
    return "runway_default"


def set_connection(monkeypatch: pytest.MonkeyPatch, gateway: Emulator, **changes: object) -> None:
    """Point ``runway_default`` at a gateway; ``changes`` replace fields of the connection."""
    extra = {"storage_url": gateway.storage_url, "history_url": gateway.history_url}
    fields = {"conn_type": "runway", "host": gateway.url, "password": gateway.test_key, "extra": extra, **changes}
    monkeypatch.setenv("AIRFLOW_CONN_RUNWAY_DEFAULT", json.dumps(fields))


@pytest.fixture
def image_file(tmp_path: Path) -> Path:
    """A small PNG file; only its first bytes are those of an image."""
    path = tmp_path / "image.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    return path
