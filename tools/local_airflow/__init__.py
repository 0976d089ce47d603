"""A real Airflow for the demo and for tests, started from a virtual environment and gone without a trace."""

from local_airflow.component import Component, leftovers
from local_airflow.emulator import TEST_KEY, EmulatorProcess
from local_airflow.gateway import Run, TaskInstance
from local_airflow.harness import LocalAirflow, fresh
from local_airflow.waiting import DeadlineExceededError, until

__all__ = [
    "TEST_KEY",
    "Component",
    "DeadlineExceededError",
    "EmulatorProcess",
    "LocalAirflow",
    "Run",
    "TaskInstance",
    "fresh",
    "leftovers",
    "until",
]
