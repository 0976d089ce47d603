"""A test of a DAG of your own: it runs the DAG's task against an emulator, and counts what would be billed."""

import json
from datetime import datetime, timezone

import pytest
from airflow.providers.common.compat.sdk import dag

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.operators.runway import RunwayGenerateOperator


@dag(schedule=None, start_date=datetime(2026, 1, 1, tzinfo=timezone.utc))
def my_dag():
    RunwayGenerateOperator(
        task_id="video",
        prompt_text="The camera drifts over a field of sunflowers",
        prompt_image="https://segmind-sd-models.s3.amazonaws.com/display_images/runway-gen3-input.png",
        wait_for_completion=True,
        deferrable=False,
    )


@pytest.fixture
def emulator(monkeypatch):
    with Emulator(time_scale=0.01) as emulator:
        extra = {"storage_url": emulator.storage_url, "history_url": emulator.history_url}
        connection = {"conn_type": "runway", "host": emulator.url, "password": emulator.test_key, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_RUNWAY_DEFAULT", json.dumps(connection))
        yield emulator


def test_my_dag_makes_one_video(emulator):
    run = my_dag().test()
    assert run.state == "success"
    (job,) = emulator.ledger()["jobs"]
    assert job["billed"]


def test_my_dag_fails_where_the_content_is_refused(emulator):
    emulator.add_fault(call="submit", fault="out_of_credits")
    run = my_dag().test()
    assert run.state == "failed"
    assert emulator.ledger()["jobs"] == []
