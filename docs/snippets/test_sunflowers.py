"""A test of the DAG in sunflowers.py: it runs against an emulator, and the emulator says what would be billed."""

import json

import pytest
from sunflowers import sunflowers  # a file in Airflow's DAGs folder, where dag.test() looks for it

from airflow_provider_runway.emulator import Emulator


@pytest.fixture
def emulator(monkeypatch):
    with Emulator(time_scale=0.01) as emulator:
        extra = {"storage_url": emulator.storage_url, "history_url": emulator.history_url}
        connection = {"conn_type": "runway", "host": emulator.url, "password": emulator.test_key, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_RUNWAY_DEFAULT", json.dumps(connection))
        yield emulator


def test_the_dag_makes_one_video(emulator):
    assert sunflowers().test().state == "success"
    (job,) = emulator.ledger()["jobs"]
    assert job["billed"]


def test_an_empty_account_fails_the_task_before_anything_is_billed(emulator):
    emulator.add_fault(call="submit", fault="out_of_credits")
    assert sunflowers().test().state == "failed"
    assert emulator.ledger()["jobs"] == []
