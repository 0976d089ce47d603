"""The backfill example in a real Airflow 3.3: `airflow backfill create`, and what each repetition costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from bucket import Bucket

from airflow_provider_runway.emulator import Emulator
from local_airflow import LocalAirflow, Run, wait_until

#: The first test waits for all four backfills, which run one after the other.
pytestmark = pytest.mark.timeout(400)

DAG_ID = "runway_backfill"
DAYS = ("2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04")
FAILED_DAY, REMOVED_DAY = DAYS[3], DAYS[1]
MAX_ACTIVE_RUNS = 2


@dataclass
class Records:
    """Numbers of unfinished jobs; jobs and task states of each date after each backfill, by the backfill's name."""

    unfinished: list[int] = field(default_factory=list)
    jobs: dict[str, dict[str, list[dict[str, Any]]]] = field(default_factory=dict)
    states: dict[str, dict[str, dict[str, str | None]]] = field(default_factory=dict)
    run_ids: list[str] = field(default_factory=list)

    def count_billable(self, backfill: str) -> dict[str, int]:
        """Return the number of billable jobs of each date, earlier backfills included."""
        return {day: sum(job["billable"] for job in jobs) for day, jobs in self.jobs[backfill].items()}


class BackfillRunner:
    """Runs one backfill after another, and records the results of each."""

    def __init__(self, airflow: LocalAirflow, emulator: Emulator) -> None:
        self.airflow, self.emulator = airflow, emulator
        self.records = Records()

    def create_backfill(self, *options: str) -> None:
        """Create a backfill over the dates, on the command line."""
        dates = f"--from-date {DAYS[0]} --to-date {DAYS[-1]} --max-active-runs {MAX_ACTIVE_RUNS}"
        self.airflow.run_command(f"airflow backfill create --dag-id {DAG_ID} {dates} {' '.join(options)}")

    def find_runs(self) -> dict[str, Run]:
        """Return the run of each date."""
        runs = {run.run_id.removeprefix("backfill__")[:10]: run for run in self.airflow.list_runs(DAG_ID)}
        return {day: runs[day] for day in DAYS}

    def finish(self, name: str) -> None:
        """Wait until the runs have ended, and record their states and jobs."""
        for run in self.find_runs().values():
            self.airflow.wait_for_run(run, timeout_s=200)
        self.records.states[name] = {day: self.airflow.get_task_states(run) for day, run in self.find_runs().items()}
        jobs = self.list_jobs()
        self.records.jobs[name] = {day: [job for job in jobs if day in job["body"]["promptText"]] for day in DAYS}
        # The scheduler completes a finished backfill every 30 s only, and refuses the next one until then.
        call = self.airflow.client.call
        for backfill in call("GET", "/backfills", params={"dag_id": DAG_ID})["backfills"]:
            if backfill["completed_at"] is None:
                call("PUT", f"/backfills/{backfill['id']}/cancel")

    def list_jobs(self) -> list[dict[str, Any]]:
        """Return the jobs of all dates."""
        return [job for job in self.emulator.ledger()["jobs"] if "sunflowers on " in job["body"]["promptText"]]

    def fail_while_deferred(self, day: str) -> None:
        """Count unfinished jobs until a date's task is deferred, and fail the task by hand."""
        run = self.find_runs()[day]

        def is_deferred() -> bool:
            states = [job["state"] for job in self.list_jobs()]
            self.records.unfinished.append(sum(state in ("QUEUED", "PROCESSING") for state in states))
            return self.airflow.get_task_states(run).get("video") == "deferred"

        wait_until(is_deferred, timeout_s=200, what=f"the deferral of {day}")
        self.airflow.set_task_state(run, "video", "failed")


@pytest.fixture(scope="module")
def records(airflow: LocalAirflow, emulator: Emulator, bucket: Bucket) -> Records:
    """Four backfills over the same dates: one in which a date fails, then one with each way to repeat it."""
    runner = BackfillRunner(airflow, emulator)
    emulator.add_fault(call="submit", fault="job_latency", match=f"on {FAILED_DAY}", times=0, seconds=8)
    airflow.unpause(DAG_ID)
    runner.create_backfill()
    runner.fail_while_deferred(FAILED_DAY)
    runner.finish("first")
    runner.create_backfill()
    runner.finish("none")
    runner.create_backfill("--reprocess-behavior failed")
    runner.finish("failed")
    bucket.remove(f"archive/{REMOVED_DAY}.mp4")
    runner.create_backfill("--reprocess-behavior completed")
    runner.finish("completed")
    runner.records.run_ids = sorted(run.run_id[:20] for run in airflow.list_runs(DAG_ID))
    return runner.records


def test_each_date_is_submitted_once(records: Records) -> None:
    assert records.count_billable("first") == dict.fromkeys(DAYS, 1)
    assert {day: states["video"] for day, states in records.states["first"].items()} == {
        day: "failed" if day == FAILED_DAY else "success" for day in DAYS
    }


def test_no_more_jobs_are_unfinished_than_runs_may_be_active(records: Records) -> None:
    assert max(records.unfinished) == MAX_ACTIVE_RUNS


def test_unpausing_starts_no_run_beside_those_of_the_backfill(records: Records) -> None:
    assert records.run_ids == [f"backfill__{day}" for day in DAYS]


def test_repeated_without_options_it_pays_and_changes_nothing(records: Records) -> None:
    assert records.count_billable("none") == records.count_billable("first")
    assert records.states["none"] == records.states["first"]


def test_repeated_for_failed_dates_it_resumes_the_job_that_was_paid_for(records: Records) -> None:
    assert records.count_billable("failed") == dict.fromkeys(DAYS, 1)
    assert {day: states["video"] for day, states in records.states["failed"].items()} == dict.fromkeys(DAYS, "success")


def test_repeated_for_all_dates_it_pays_only_where_the_video_is_missing(records: Records, bucket: Bucket) -> None:
    assert records.count_billable("completed") == {day: 2 if day == REMOVED_DAY else 1 for day in DAYS}
    assert {day: states["video"] for day, states in records.states["completed"].items()} == {
        day: "success" if day == REMOVED_DAY else "skipped" for day in DAYS
    }
    assert {f"{day}.mp4" for day in DAYS} <= set(bucket.names("archive"))


def test_each_date_keeps_its_own_seed(records: Records) -> None:
    seeds = {day: {job["body"]["seed"] for job in jobs} for day, jobs in records.jobs["completed"].items()}
    assert seeds == {day: {26001 + number} for number, day in enumerate(DAYS)}
