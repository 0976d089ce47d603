"""The fixtures of the submission tests: an account with another job, and short timeouts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from submits import add_neighbour, set_connection_extra
from task_fixtures import has_state_store, logged, quick, ti

from airflow_provider_runway.emulator import Emulator

__all__ = ["gateway", "has_state_store", "logged", "quick", "short_timeouts", "ti"]


@pytest.fixture
def gateway() -> Iterator[Emulator]:
    """A gateway whose jobs take thousandths of their usual time, and whose history shows a job of somebody else."""
    with Emulator(time_scale=0.001) as emulator:
        add_neighbour(emulator)
        yield emulator


@pytest.fixture(autouse=True)
def short_timeouts(request: pytest.FixtureRequest) -> None:
    """A lost submit cannot be judged while its response may still come."""
    if "connection" in request.fixturenames:
        request.getfixturevalue("connection")
        set_connection_extra(request.getfixturevalue("monkeypatch"), timeout=[0.5, 0.5])
