"""What a retry and each kind of clear cost, in a real Airflow 3.3, by the emulator's ledger.

The scenarios mostly wait, so a fixture runs them at the same time and takes snapshots. The tests compare the snapshots.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest

from airflow_provider_runway.emulator import Emulator
from local_airflow import LocalAirflow, Run, wait_until

#: The first test waits for all scenarios.
pytestmark = pytest.mark.timeout(300)

#: All scenarios share the executor's slots, so a task may start late.
WAIT_S = 120
DAG_ID = "clearing"
SUBMITTING_TASKS = ("deferred", "polling", "submit")


@dataclass
class Snapshot:
    """The jobs of a run so far, and the job whose result each task has returned."""

    run_state: str
    jobs: dict[str, list[str]]
    returned: dict[str, str | None]


@dataclass
class Scenario:
    """One run of the DAG, and what was seen after each step.

    :param label: Ends the prompts of the run's jobs.
    """

    airflow: LocalAirflow
    emulator: Emulator
    label: str
    snapshots: list[Snapshot] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._run: Run | None = None

    @property
    def run(self) -> Run:
        """The run, once it has been triggered."""
        assert self._run is not None
        return self._run

    def trigger(self, *, job_seconds: float | None = None) -> None:
        """Start the run; ``job_seconds`` is the latency of its jobs."""
        if job_seconds is not None:
            self.emulator.add_fault(call="submit", fault="job_latency", match=self.label, times=0, seconds=job_seconds)
        self._run = self.airflow.trigger(DAG_ID, {"label": self.label})

    def finish(self) -> None:
        """Wait until the run ends and record a snapshot."""
        state = self.airflow.wait_for_run(self.run, timeout_s=180)
        results = {task: self.airflow.get_xcom(self.run, task) for task in (*SUBMITTING_TASKS, "wait")}
        self.snapshots.append(
            Snapshot(
                run_state=state,
                jobs={task: self.list_jobs(task) for task in SUBMITTING_TASKS},
                returned={task: result and result["request_id"] for task, result in results.items()},
            )
        )

    def list_jobs(self, task: str) -> list[str]:
        """Return the ids of the jobs that a task has submitted, oldest first."""
        prompt = f"{task} {self.label}"
        return [job["request_id"] for job in self.emulator.ledger()["jobs"] if job["body"]["promptText"] == prompt]


def clear_delivered(scenario: Scenario) -> None:
    scenario.trigger()
    scenario.finish()
    scenario.airflow.clear(scenario.run, ["deferred", "submit", "wait"])
    scenario.finish()
    scenario.airflow.clear(scenario.run)
    scenario.finish()


def clear_waiting(scenario: Scenario) -> None:
    airflow = scenario.airflow
    scenario.trigger(job_seconds=25)
    airflow.wait_for_task(scenario.run, "deferred", "deferred", timeout_s=WAIT_S)
    airflow.wait_for_task(scenario.run, "wait", "deferred", timeout_s=WAIT_S)
    airflow.wait_for_task(scenario.run, "polling", "running", timeout_s=WAIT_S)
    wait_until(
        lambda: airflow.get_xcom(scenario.run, "polling", "request_id"),
        timeout_s=WAIT_S,
        what="the request id of the task that polls",
    )
    airflow.clear(scenario.run, ["deferred", "polling", "wait"])
    scenario.finish()


def retry_failed_job(scenario: Scenario) -> None:
    scenario.emulator.add_fault(call="submit", fault="job_fails", match=f"deferred {scenario.label}", times=1)
    scenario.trigger()
    scenario.finish()
    scenario.airflow.set_task_state(scenario.run, "wait", "failed")
    scenario.airflow.clear(scenario.run, ["wait"])
    scenario.finish()


def clear_failed_by_hand(scenario: Scenario) -> None:
    scenario.trigger(job_seconds=20)
    scenario.airflow.wait_for_task(scenario.run, "deferred", "deferred", timeout_s=WAIT_S)
    scenario.airflow.set_task_state(scenario.run, "deferred", "failed")
    scenario.airflow.clear(scenario.run, ["deferred"])
    scenario.finish()


@pytest.fixture(scope="module")
def snapshots(airflow: LocalAirflow, emulator: Emulator) -> dict[str, list[Snapshot]]:
    """The snapshots of each scenario, by its function's name."""
    steps: tuple[Callable[[Scenario], None], ...] = (
        clear_delivered,
        clear_waiting,
        retry_failed_job,
        clear_failed_by_hand,
    )
    scenarios = {step.__name__: Scenario(airflow, emulator, step.__name__) for step in steps}
    with ThreadPoolExecutor(len(steps)) as threads:
        list(threads.map(lambda step: step(scenarios[step.__name__]), steps))
    return {name: scenario.snapshots for name, scenario in scenarios.items()}


def test_every_run_succeeds(snapshots: dict[str, list[Snapshot]]) -> None:
    states = {name: [snapshot.run_state for snapshot in taken] for name, taken in snapshots.items()}
    assert states == {name: ["success"] * len(taken) for name, taken in states.items()}


def test_clearing_delivered_tasks_submits_new_jobs_for_them_only(snapshots: dict[str, list[Snapshot]]) -> None:
    after = snapshots["clear_delivered"][1]
    assert {task: len(jobs) for task, jobs in after.jobs.items()} == {"deferred": 2, "polling": 1, "submit": 2}
    for task in ("deferred", "submit"):
        assert after.returned[task] == after.jobs[task][1]
    assert after.returned["wait"] == after.returned["submit"]


def test_clearing_a_delivered_run_submits_new_jobs_for_all_its_tasks(snapshots: dict[str, list[Snapshot]]) -> None:
    after = snapshots["clear_delivered"][2]
    assert {task: len(jobs) for task, jobs in after.jobs.items()} == {"deferred": 3, "polling": 2, "submit": 3}


def test_clearing_waiting_tasks_resumes_their_jobs(snapshots: dict[str, list[Snapshot]]) -> None:
    (after,) = snapshots["clear_waiting"]
    for task in SUBMITTING_TASKS:
        assert [after.returned[task]] == after.jobs[task]


def test_a_retry_after_a_failed_job_submits_a_new_one(snapshots: dict[str, list[Snapshot]]) -> None:
    after = snapshots["retry_failed_job"][0]
    assert len(after.jobs["deferred"]) == 2
    assert after.returned["deferred"] == after.jobs["deferred"][1]


def test_clearing_a_failed_sensor_finds_the_same_job(snapshots: dict[str, list[Snapshot]]) -> None:
    after = snapshots["retry_failed_job"][1]
    assert [after.returned["wait"]] == after.jobs["submit"]


def test_clearing_a_task_that_was_failed_by_hand_resumes_its_job(snapshots: dict[str, list[Snapshot]]) -> None:
    (after,) = snapshots["clear_failed_by_hand"]
    assert [after.returned["deferred"]] == after.jobs["deferred"]
