"""A quick gateway, task instances, and Airflow's own accessors of outlet events."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
from task_fixtures import gateway, has_state_store, lineage_collector, logged, quick, ti  # noqa: F401


@pytest.fixture
def outlet_events() -> Any:
    """The real mapping that a task's context has."""
    name = "airflow.sdk.execution_time.context" if find_spec("airflow.sdk") is not None else "airflow.utils.context"
    return import_module(name).OutletEventAccessors()
