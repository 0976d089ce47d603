"""Retry is not clear: what each kind of clear costs, in a real Airflow 3.3. The emulator's ledger is the judge.

The stories are mostly waiting, so they are all told at once, and each test hears how its own one ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from airflow_provider_runway.emulator import Emulator
from local_airflow import LocalAirflow, Run, until


def jobs(emulator: Emulator, prompt: str) -> list[str]:
    """Return the ids of the jobs with a prompt, the oldest first."""
    return [job["request_id"] for job in emulator.ledger()["jobs"] if job["body"]["promptText"] == prompt]


def slow(emulator: Emulator, raw_status: str, seconds: float) -> None:
    """Let the jobs of a run take so long."""
    emulator.add_fault(call="submit", fault="job_latency", match=raw_status, times=0, seconds=seconds)


def held(airflow: LocalAirflow, run: Run, task_id: str) -> str:
    """Return the id of the job that a task has returned."""
    return str(airflow.xcom(run, task_id)["request_id"])


def delivered(airflow: LocalAirflow, emulator: Emulator) -> None:
    run = airflow.trigger("clears", {"raw_status": "delivered"})
    assert airflow.wait_for_run(run) == "success"
    airflow.clear(run, ["deferred", "submit", "wait"])
    assert airflow.wait_for_run(run) == "success"
    for task in ("deferred", "submit"):
        made = jobs(emulator, f"{task} delivered")
        assert len(made) == 2
        assert held(airflow, run, task) == made[1]
    assert held(airflow, run, "wait") == held(airflow, run, "submit")
    assert len(jobs(emulator, "polling delivered")) == 1
    airflow.clear(run)
    assert airflow.wait_for_run(run) == "success"
    assert [len(jobs(emulator, f"{task} delivered")) for task in ("deferred", "polling", "submit")] == [3, 2, 3]


def waiting(airflow: LocalAirflow, emulator: Emulator) -> None:
    slow(emulator, "waiting", 25)
    run = airflow.trigger("clears", {"raw_status": "waiting"})
    airflow.wait_for_task(run, "deferred", "deferred")
    airflow.wait_for_task(run, "wait", "deferred")
    airflow.wait_for_task(run, "polling", "running")
    until(lambda: airflow.xcom(run, "polling", "request_id"), timeout_s=60, what="the id of the job that is polled")
    (polled,) = jobs(emulator, "polling waiting")
    airflow.clear(run, ["deferred", "polling", "wait"])
    assert airflow.wait_for_run(run, timeout_s=180) == "success"
    for task in ("deferred", "polling", "submit"):
        (made,) = jobs(emulator, f"{task} waiting")
        assert held(airflow, run, task) == made
    assert held(airflow, run, "polling") == polled


def failing(airflow: LocalAirflow, emulator: Emulator) -> None:
    emulator.add_fault(call="submit", fault="job_fails", match="deferred failing", times=1)
    run = airflow.trigger("clears", {"raw_status": "failing"})
    assert airflow.wait_for_run(run, timeout_s=180) == "success"
    made = jobs(emulator, "deferred failing")
    assert len(made) == 2
    assert held(airflow, run, "deferred") == made[1]
    airflow.mark(run, "wait", "failed")
    airflow.clear(run, ["wait"])
    assert airflow.wait_for_run(run) == "success"
    assert len(jobs(emulator, "submit failing")) == 1


def handmade(airflow: LocalAirflow, emulator: Emulator) -> None:
    slow(emulator, "handmade", 20)
    run = airflow.trigger("clears", {"raw_status": "handmade"})
    airflow.wait_for_task(run, "deferred", "deferred")
    airflow.mark(run, "deferred", "failed")
    airflow.clear(run, ["deferred"])
    assert airflow.wait_for_run(run, timeout_s=180) == "success"
    (made,) = jobs(emulator, "deferred handmade")
    assert held(airflow, run, "deferred") == made


#: A story by its word, told in a thread of its own.
Stories = dict[str, "Future[None]"]


@pytest.fixture(scope="module")
def stories(airflow: LocalAirflow, emulator: Emulator) -> Iterator[Stories]:
    """All of them, on their way."""
    tellers: tuple[Callable[[LocalAirflow, Emulator], None], ...] = (delivered, waiting, failing, handmade)
    with ThreadPoolExecutor(len(tellers)) as threads:
        yield {teller.__name__: threads.submit(teller, airflow, emulator) for teller in tellers}


@pytest.mark.timeout(300)
def test_clearing_what_was_delivered_asks_for_a_new_job_also_for_a_whole_run(stories: Stories) -> None:
    stories["delivered"].result()


@pytest.mark.timeout(300)
def test_clearing_what_waits_finds_the_job_again(stories: Stories) -> None:
    stories["waiting"].result()


@pytest.mark.timeout(300)
def test_a_retry_after_a_failed_job_submits_anew_and_a_clear_of_a_failed_task_finds_its_job(stories: Stories) -> None:
    stories["failing"].result()


@pytest.mark.timeout(300)
def test_a_deferred_task_that_was_failed_by_hand_and_cleared_finds_its_job(stories: Stories) -> None:
    stories["handmade"].result()
