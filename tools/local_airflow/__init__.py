"""Run a real Airflow, 3.x or 2.11, on this machine for tests and for the demo."""

from local_airflow.airflow_client import Run, TaskInstance
from local_airflow.child_process import ChildProcess, find_processes_in
from local_airflow.dag_run_driver import LocalAirflow, recreate_home
from local_airflow.emulator_process import TEST_KEY, EmulatorProcess
from local_airflow.wait_until import WaitTimeoutError, wait_until

__all__ = [
    "TEST_KEY",
    "ChildProcess",
    "EmulatorProcess",
    "LocalAirflow",
    "Run",
    "TaskInstance",
    "WaitTimeoutError",
    "find_processes_in",
    "recreate_home",
    "wait_until",
]
