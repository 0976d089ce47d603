"""The worker dies at each write of the journal in turn, and the next try never pays a second time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from airflow_runtime import TaskInstance, WorkerDied
from submits import count_own_posts, list_own_billable_ids, list_own_jobs, submit_or_resume

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.exceptions import ThrottledError

pytestmark = pytest.mark.usefixtures("connection", "quick")

Story = Callable[[Emulator, TaskInstance], None]


def submit_and_deliver(gateway: Emulator, ti: TaskInstance) -> None:
    """A first try goes well."""
    submit_or_resume(ti, deliver=True)


def lose_response(gateway: Emulator, ti: TaskInstance) -> None:
    """The response to the submit is lost, and the job is adopted."""
    if not gateway.faults():
        gateway.add_fault("submit:cut_after")
    submit_or_resume(ti, deliver=True)


def lose_submit(gateway: Emulator, ti: TaskInstance) -> None:
    """The first submit is not accepted, and a second is sent."""
    if not gateway.faults():
        gateway.add_fault("submit:cut_before")
    submit_or_resume(ti, deliver=True)


def fail_first_job(gateway: Emulator, ti: TaskInstance) -> None:
    """The first job fails, which is not billed, and the next try submits another one."""
    if not gateway.faults():
        gateway.add_fault("submit:job_fails")
    job = submit_or_resume(ti)
    if job.request_id in list_own_billable_ids(gateway):
        submit_or_resume(ti, deliver=True)
        return
    gateway.advance(60)
    ti.retry()
    submit_or_resume(ti, deliver=True)


def resume_in_second_try(gateway: Emulator, ti: TaskInstance) -> None:
    """A second try finds the job of the first."""
    submit_or_resume(ti)
    ti.retry()
    submit_or_resume(ti, deliver=True)


STORIES: list[Story] = [submit_and_deliver, lose_response, lose_submit, fail_first_job, resume_in_second_try]
#: No story writes more often; a test below checks that.
MAX_WRITES = 7


@pytest.mark.parametrize("crash_at", range(1, MAX_WRITES + 1))
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_a_crash_at_any_write_of_the_journal_never_pays_twice(
    gateway: Emulator, ti: TaskInstance, story: Story, crash_at: int
) -> None:
    ti.store.crash_at = {crash_at}
    try:
        story(gateway, ti)
    except WorkerDied:
        ti.retry()
        story(gateway, ti)
    assert list_own_billable_ids(gateway) == [ti.store.entry["request_id"]]
    assert ti.store.entry["phase"] == "delivered"


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_every_write_is_among_the_crash_points(gateway: Emulator, ti: TaskInstance, story: Story) -> None:
    story(gateway, ti)
    assert ti.store.writes <= MAX_WRITES


@pytest.mark.parametrize("crashes", [{2, 3}, {3, 4, 5}, {1, 2, 3, 4, 5, 6}], ids=str)
def test_one_crash_after_another_never_pays_twice(gateway: Emulator, ti: TaskInstance, crashes: set[int]) -> None:
    ti.store.crash_at = crashes
    for _ in range(len(crashes)):
        with pytest.raises(WorkerDied):
            submit_or_resume(ti, deliver=True)
        ti.retry()
    submit_or_resume(ti, deliver=True)
    assert len(list_own_billable_ids(gateway)) == 1


def test_the_start_and_the_intent_are_written_before_the_post(gateway: Emulator, ti: TaskInstance) -> None:
    for crash in (1, 2):
        ti.store.crash_at = {crash}
        with pytest.raises(WorkerDied):
            submit_or_resume(ti)
    assert count_own_posts(gateway) == 0


def test_the_id_is_written_before_anything_else_is_asked(gateway: Emulator, ti: TaskInstance) -> None:
    ti.store.crash_at = {3}
    with pytest.raises(WorkerDied):
        submit_or_resume(ti)
    assert {request["call"] for request in gateway.http_requests()} == {"submit"}
    assert ti.store.entry["phase"] == "intent"


def test_a_refusal_that_cannot_be_written_leaves_the_doubt(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:out_of_credits")
    ti.store.crash_at = {3}
    with pytest.raises(WorkerDied):
        submit_or_resume(ti)
    ti.retry()
    submit_or_resume(ti)
    assert len(list_own_jobs(gateway)) == 1


def test_a_submit_that_stays_throttled_leaves_no_doubt_behind(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:rate_limited:times=0,window=200")
    with pytest.raises(ThrottledError):
        submit_or_resume(ti)
    assert ti.store.entry["phase"] == "withdrawn"
    assert list_own_jobs(gateway) == []
