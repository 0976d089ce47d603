"""The fixtures that every folder with tasks shares, and the one place where a sensor asks Airflow's database."""

from __future__ import annotations

import contextlib

import pytest
from airflow_runtime import TaskInstance
from task_fixtures import gateway, has_state_store, logged, quick
from task_fixtures import ti as task_instance

__all__ = ["gateway", "has_state_store", "logged", "quick", "task_instance", "ti"]


@pytest.fixture
def ti(monkeypatch: pytest.MonkeyPatch) -> TaskInstance:
    """A task instance that also knows when its sensor was rescheduled first.

    Airflow 3 asks the task instance itself; Airflow 2.11 reads a table, for which the task instance stands in.
    """
    instance = TaskInstance()
    with contextlib.suppress(ImportError, AttributeError):
        monkeypatch.setattr("airflow.sensors.base._orig_start_date", lambda **_: instance.first_reschedule)
    return instance
