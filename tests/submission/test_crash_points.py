"""The worker dies at each write of the journal in turn, and the next try never pays a second time."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from airflow_runtime import TaskInstance, WorkerDied
from submits import hold
from task_fixtures import SETTLED_S

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.exceptions import SubmitOutcomeUnknownError, ThrottledError

pytestmark = pytest.mark.usefixtures("connection", "quick")

Story = Callable[[Emulator, TaskInstance], None]


def _plain(gateway: Emulator, ti: TaskInstance) -> None:
    """A first try that goes well."""
    hold(ti, deliver=True)


def _answer_lost(gateway: Emulator, ti: TaskInstance) -> None:
    """The answer to the submit is lost, and the job is adopted."""
    if not gateway.faults():
        gateway.add_fault("submit:cut_after")
    hold(ti, deliver=True)


def _nothing_accepted(gateway: Emulator, ti: TaskInstance) -> None:
    """The first submit comes to nothing, and a second is sent."""
    if not gateway.faults():
        gateway.add_fault("submit:cut_before")
    hold(ti, deliver=True)


def _failed_before(gateway: Emulator, ti: TaskInstance) -> None:
    """The first job fails, which is not billed; the next try submits another one."""
    if not gateway.faults():
        gateway.add_fault("submit:job_fails")
    report = hold(ti)
    if _job(gateway, report.request_id)["billable"]:
        hold(ti, deliver=True)
        return
    gateway.advance(60)
    ti.retry()
    hold(ti, deliver=True)


def _reattached(gateway: Emulator, ti: TaskInstance) -> None:
    """A second try finds the job of the first."""
    hold(ti)
    ti.retry()
    hold(ti, deliver=True)


def _job(gateway: Emulator, request_id: str) -> dict[str, object]:
    return next(job for job in gateway.ledger()["jobs"] if job["request_id"] == request_id)


STORIES: list[Story] = [_plain, _answer_lost, _nothing_accepted, _failed_before, _reattached]
#: No story writes more often; a test below holds it to that.
MOST_WRITES = 6
CRASHES = range(1, MOST_WRITES + 1)


@pytest.mark.parametrize("crash_at", CRASHES)
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__doc__.rstrip("."))
def test_a_crash_at_a_write_of_the_journal_never_pays_twice(
    gateway: Emulator, ti: TaskInstance, story: Story, crash_at: int
) -> None:
    ti.store.crash_at = {crash_at}
    try:
        story(gateway, ti)
    except WorkerDied:
        ti.retry()
        story(gateway, ti)
    assert gateway.ledger()["billable"] == 1
    assert ti.store.entry["phase"] == "delivered"
    assert _job(gateway, ti.store.entry["request_id"])["billable"]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__doc__.rstrip("."))
def test_every_write_is_among_the_crash_points(gateway: Emulator, ti: TaskInstance, story: Story) -> None:
    story(gateway, ti)
    assert ti.store.writes <= MOST_WRITES


@pytest.mark.parametrize("crashes", [{1, 2}, {2, 3}, {2, 3, 4}, {1, 2, 3, 4, 5}], ids=str)
def test_one_crash_after_the_other_never_pays_twice(gateway: Emulator, ti: TaskInstance, crashes: set[int]) -> None:
    ti.store.crash_at = crashes
    for _ in range(len(crashes)):
        with pytest.raises(WorkerDied):
            hold(ti, deliver=True)
        ti.retry()
    hold(ti, deliver=True)
    assert gateway.ledger()["billable"] == 1


def test_the_intent_is_written_before_the_post(gateway: Emulator, ti: TaskInstance) -> None:
    ti.store.crash_at = {1}
    with pytest.raises(WorkerDied):
        hold(ti)
    assert gateway.ledger()["posts"] == 0


def test_the_id_is_written_before_anything_else_is_asked(gateway: Emulator, ti: TaskInstance) -> None:
    ti.store.crash_at = {2}
    with pytest.raises(WorkerDied):
        hold(ti)
    assert [request["call"] for request in gateway.requests()] == ["submit"]
    assert ti.store.entry["phase"] == "intent"


def test_a_post_that_may_have_been_on_its_way_for_long_is_given_its_time(gateway: Emulator, ti: TaskInstance) -> None:
    """The intent is older than a row takes to land, but the POST itself may have come after a long wait."""
    gateway.add_fault(f"submit:history_late:seconds={4 * SETTLED_S}")
    ti.store.crash_at = {2}
    with pytest.raises(WorkerDied):
        hold(ti)
    time.sleep(1.1 * SETTLED_S)
    ti.retry()
    with pytest.raises(SubmitOutcomeUnknownError, match="has not landed yet"):
        hold(ti)
    time.sleep(SETTLED_S)
    ti.retry()
    hold(ti)
    assert gateway.ledger()["posts"] == 1


def test_a_withdrawal_that_cannot_be_written_leaves_the_doubt(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:out_of_credits")
    ti.store.crash_at = {2}
    with pytest.raises(WorkerDied):
        hold(ti)
    ti.retry()
    hold(ti)
    assert gateway.ledger()["billable"] == 1


def test_a_submit_that_stays_throttled_leaves_no_doubt_behind(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:rate_limited:times=0,window=200")
    with pytest.raises(ThrottledError):
        hold(ti)
    assert ti.store.entry["phase"] == "withdrawn"
    assert gateway.ledger()["accepted"] == 0
