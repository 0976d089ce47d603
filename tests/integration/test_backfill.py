"""The backfill example in a real Airflow 3.3: `airflow backfill create`, a pool, and what each repetition pays."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from bucket import Bucket

from airflow_provider_runway.emulator import Emulator
from local_airflow import LocalAirflow, Run, until

DAG_ID = "runway_backfill"
DAYS = ("2026-01-01", "2026-01-02", "2026-01-03", "2026-01-04")
UNLUCKY, REMOVED = DAYS[3], DAYS[1]


@dataclass
class Story:
    """What was seen: the pool while jobs were under way, and the jobs of each date after each backfill."""

    pool: list[dict[str, int]] = field(default_factory=list)
    jobs: dict[str, dict[str, list[dict[str, Any]]]] = field(default_factory=dict)
    states: dict[str, dict[str, dict[str, str | None]]] = field(default_factory=dict)

    def paid(self, backfill: str) -> dict[str, int]:
        """Return the number of billable jobs of each date, all backfills so far together."""
        return {day: sum(job["billable"] for job in jobs) for day, jobs in self.jobs[backfill].items()}


class Teller:
    """Runs one backfill after another, and writes down what came of each."""

    def __init__(self, airflow: LocalAirflow, emulator: Emulator) -> None:
        self.airflow, self.emulator = airflow, emulator
        self.story = Story()

    def backfill(self, *options: str) -> None:
        """Create a backfill over the dates, on the command line."""
        dates = f"--from-date {DAYS[0]} --to-date {DAYS[-1]}"
        self.airflow.command(f"airflow backfill create --dag-id {DAG_ID} {dates} {' '.join(options)}")

    def runs(self) -> dict[str, Run]:
        """Return the run of each date."""
        found = {run.run_id.removeprefix("backfill__")[:10]: run for run in self.airflow.runs(DAG_ID)}
        return {day: found[day] for day in DAYS}

    def finish(self, name: str) -> None:
        """Wait until the runs have ended, and write down where they stand."""
        for run in self.runs().values():
            self.airflow.wait_for_run(run, timeout_s=200)
        self.story.states[name] = {day: self.airflow.task_states(run) for day, run in self.runs().items()}
        made = [job for job in self.emulator.ledger()["jobs"] if "sunflowers on " in job["body"]["promptText"]]
        self.story.jobs[name] = {day: [job for job in made if day in job["body"]["promptText"]] for day in DAYS}
        # The scheduler closes a finished backfill every 30 s only, and refuses the next one until then.
        call = self.airflow.gateway.call
        for backfill in call("GET", "/backfills", params={"dag_id": DAG_ID})["backfills"]:
            if backfill["completed_at"] is None:
                call("PUT", f"/backfills/{backfill['id']}/cancel")

    def fail_while_deferred(self, day: str) -> None:
        """Watch the pool until a date's task waits for its job, and fail it by hand."""
        run = self.runs()[day]

        def waits() -> bool:
            self.story.pool.append(self.airflow.pool("runway"))
            return self.airflow.task_states(run).get("video") == "deferred"

        until(waits, timeout_s=200, what=f"the deferral of {day}")
        self.airflow.mark(run, "video", "failed")


@pytest.fixture(scope="module")
def story(airflow: LocalAirflow, emulator: Emulator, bucket: Bucket, pool: str) -> Story:
    """Four backfills over the same dates: a first one in which a date fails, then one of each way to repeat it."""
    teller = Teller(airflow, emulator)
    emulator.add_fault(call="submit", fault="job_latency", match=f"on {UNLUCKY}", times=0, seconds=8)
    airflow.unpause(DAG_ID)
    teller.backfill()
    teller.fail_while_deferred(UNLUCKY)
    teller.finish("first")
    teller.backfill()
    teller.finish("none")
    teller.backfill("--reprocess-behavior failed")
    teller.finish("failed")
    bucket.remove(f"archive/{REMOVED}.mp4")
    teller.backfill("--reprocess-behavior completed")
    teller.finish("completed")
    return teller.story


# The four backfills are one after the other, so whichever test comes first waits for all of them.
pytestmark = pytest.mark.timeout(400)


def test_each_date_is_submitted_once(story: Story) -> None:
    assert story.paid("first") == dict.fromkeys(DAYS, 1)
    assert {day: states["video"] for day, states in story.states["first"].items()} == {
        day: "failed" if day == UNLUCKY else "success" for day in DAYS
    }


def test_deferred_tasks_count_in_the_pool(story: Story) -> None:
    taken = [seen["running"] + seen["queued"] + seen["deferred"] for seen in story.pool]
    assert all(many <= seen["slots"] for many, seen in zip(taken, story.pool, strict=True))
    assert any(seen["deferred"] for seen in story.pool)
    assert story.pool[0]["slots"] < len(DAYS)


def test_repeated_as_it_is_it_pays_nothing_and_touches_nothing(story: Story) -> None:
    assert story.paid("none") == story.paid("first")
    assert story.states["none"] == story.states["first"]


def test_repeated_for_the_failed_it_takes_up_the_job_that_was_paid_for(story: Story) -> None:
    assert story.paid("failed") == dict.fromkeys(DAYS, 1)
    assert {day: states["video"] for day, states in story.states["failed"].items()} == dict.fromkeys(DAYS, "success")


def test_repeated_for_all_it_pays_only_where_the_video_is_gone(story: Story, bucket: Bucket) -> None:
    assert story.paid("completed") == {day: 2 if day == REMOVED else 1 for day in DAYS}
    assert {day: states["video"] for day, states in story.states["completed"].items()} == {
        day: "success" if day == REMOVED else "skipped" for day in DAYS
    }
    assert {f"{day}.mp4" for day in DAYS} <= set(bucket.names("archive"))


def test_a_date_has_a_seed_of_its_own_and_keeps_it(story: Story) -> None:
    seeds = {day: {job["body"]["seed"] for job in jobs} for day, jobs in story.jobs["completed"].items()}
    assert seeds == {day: {26001 + number} for number, day in enumerate(DAYS)}
