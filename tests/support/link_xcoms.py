"""The XComs that links read in an Airflow 2 webserver, and whether this is Airflow 3, where none are read."""

from __future__ import annotations

from typing import Any

import pytest
from airflow_runtime import TaskInstance

try:
    from airflow.sdk.execution_time.xcom import XCom

    IS_AIRFLOW_3 = True
except ImportError:
    from airflow.models.xcom import XCom

    IS_AIRFLOW_3 = False


@pytest.fixture
def xcom_reads(ti: TaskInstance, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of XComs that links read. Airflow's XCom table needs a database, so the task instance stands in."""
    reads = []

    def get_value(*, ti_key: TaskInstance, key: str) -> Any:
        reads.append(key)
        return ti_key.xcom(key)

    monkeypatch.setattr(XCom, "get_value", get_value)
    return reads
