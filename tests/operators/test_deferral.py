"""Between the worker and the triggerer: what goes over, what comes back, and what is lost on the way."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow_runtime import PICTURE_URL, PROMPT, TaskInstance, event_of, resume, run_task
from submits import count, only_job
from tasks import assert_contract, generate

from airflow_provider_runway.compat import AirflowException, AirflowFailException
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.exceptions import RunwayError, list_error_classes
from airflow_provider_runway.segmind.job_summary import JobSummary
from airflow_provider_runway.segmind.wait_outcome import OutcomeKind, WaitOutcome, stopped_outcome
from airflow_provider_runway.triggers.runway import RunwayJobTrigger
from airflow_provider_runway.waiting import MAX_TRIGGER_FAILURES, TRIGGER_FAILED, TRIGGER_GRACE_S

pytestmark = pytest.mark.usefixtures("connection", "quick")

TRIGGER_LOST = {"error": "Trigger failure", "traceback": ["Traceback", "it broke"]}


def defer(ti: TaskInstance, **arguments: Any) -> TaskDeferred:
    """Execute the task, which defers, and return the deferral."""
    with pytest.raises(TaskDeferred) as caught:
        generate(**arguments).execute(ti.context())
    return caught.value


def lose_trigger(ti: TaskInstance, **arguments: Any) -> Any:
    return generate(**arguments).resume_execution(TRIGGER_FAILED, dict(TRIGGER_LOST), ti.context())


def test_a_task_that_waits_defers_to_the_trigger_of_its_job(gateway: Emulator, ti: TaskInstance) -> None:
    deferred = defer(ti, timeout=600)
    trigger = deferred.trigger
    assert isinstance(trigger, RunwayJobTrigger)
    submitted_at = ti.store.entry["at"]
    assert trigger.serialize()[1] == {
        "request_id": only_job(gateway),
        "runway_conn_id": "runway_default",
        "model": "runway-gen3-alphaturbo",
        "submitted_at": submitted_at,
        "deadline": submitted_at + 600,
    }
    assert deferred.method_name == "execute_complete"
    assert deferred.timeout.total_seconds() == pytest.approx(600 + TRIGGER_GRACE_S, abs=20)
    assert count(gateway, "status") == 0, "the trigger looks, not the worker"


def test_what_is_stored_for_the_deferral_is_json_and_holds_no_secret(gateway: Emulator, ti: TaskInstance) -> None:
    deferred = defer(ti)
    stored = json.dumps([deferred.trigger.serialize(), deferred.kwargs])
    for secret in (gateway.test_key, PROMPT, PICTURE_URL):
        assert secret not in stored


def test_the_log_says_which_job_and_until_when_before_the_worker_leaves(
    ti: TaskInstance, said: Callable[[], str]
) -> None:
    defer(ti, timeout=600)
    line = next(line for line in said().splitlines() if "waiting in the triggerer" in line)
    assert ti.store.entry["request_id"] in line


def test_deferrable_is_plainly_true_whatever_airflow_is_configured_to(
    ti: TaskInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", "False")
    defer(ti)


def test_a_task_that_is_not_deferrable_polls_in_the_worker(gateway: Emulator, ti: TaskInstance) -> None:
    assert_contract(generate(deferrable=False).execute(ti.context()))
    assert count(gateway, "status") >= 1


def test_a_deadline_that_has_passed_is_not_deferred_for(gateway: Emulator, ti: TaskInstance) -> None:
    """A retry after the deadline looks once, here, instead of going through the triggerer for one look."""
    gateway.add_fault("submit:job_sticks")
    with pytest.raises(AirflowException, match="the deadline passed"):
        generate(timeout=0).execute(ti.context())
    assert count(gateway, "status") == 1


def _report(request_id: str = "0b1c") -> JobSummary:
    return JobSummary(request_id, submitted_at=time.time())


EVENTS = {
    "timeout": (WaitOutcome(OutcomeKind.TIMEOUT, _report(), "the deadline passed", "wait_expired"), AirflowException),
    "failed": (WaitOutcome(OutcomeKind.FAILED, _report(), "it failed", "job_failed"), AirflowException),
    "blocked": (WaitOutcome(OutcomeKind.FAILED, _report(), "it was blocked", "content_blocked"), AirflowFailException),
    "lost output": (WaitOutcome(OutcomeKind.FAILED, _report(), "no output", "output_lost"), AirflowFailException),
    "expired": (WaitOutcome(OutcomeKind.EXPIRED, _report(), "no record", "record_expired"), AirflowFailException),
    "error": (stopped_outcome(_report(), RunwayError("a fault")), AirflowException),
    "an error of a later release": (
        WaitOutcome(OutcomeKind.ERROR, _report(), "unheard of", "unheard_of"),
        AirflowException,
    ),
}


@pytest.mark.parametrize("name", EVENTS)
def test_an_event_that_is_no_success_fails_the_task(ti: TaskInstance, name: str) -> None:
    ending, kind = EVENTS[name]
    with pytest.raises(AirflowException) as caught:
        generate().execute_complete(ti.context(), ending.to_event(), _report().to_json())
    assert type(caught.value) is kind
    assert str(caught.value) == ending.error


@pytest.mark.parametrize("error", list_error_classes(), ids=lambda error: error.code)
def test_an_error_goes_through_the_event_as_its_code(ti: TaskInstance, error: type[RunwayError]) -> None:
    event = json.loads(json.dumps(stopped_outcome(_report(), error("because")).to_event()))
    with pytest.raises(AirflowException) as caught:
        generate().execute_complete(ti.context(), event, _report().to_json())
    assert isinstance(caught.value.__cause__, error)
    for part in ("0b1c", "because", "without paying again"):
        assert part in str(caught.value)


def test_a_completed_event_needs_no_second_look(gateway: Emulator, ti: TaskInstance) -> None:
    deferred = defer(ti)
    event = event_of(deferred.trigger)
    before = count(gateway)
    assert_contract(resume(generate(), ti, deferred, event))
    assert count(gateway) == before


def test_a_stale_event_is_refused(gateway: Emulator, ti: TaskInstance) -> None:
    deferred = defer(ti)
    stale = WaitOutcome(OutcomeKind.COMPLETED, _report("another-job")).to_event()
    with pytest.raises(AirflowException, match="stale") as caught:
        resume(generate(), ti, deferred, stale)
    assert only_job(gateway) in str(caught.value)
    assert "output_url" not in ti.pushes
    ti.retry()
    assert run_task(generate, ti)["request_id"] == only_job(gateway), "the retry goes on with the right one"


@pytest.mark.parametrize("event", [None, {}, {"status": "completed"}, {"status": "done", "job": {}}, "text"], ids=repr)
def test_what_is_no_event_of_ours_is_refused(ti: TaskInstance, event: Any) -> None:
    with pytest.raises(AirflowFailException, match="'generate'"):
        generate().execute_complete(ti.context(), event, _report().to_json())


def test_a_lost_trigger_costs_nothing_when_the_job_is_done(gateway: Emulator, ti: TaskInstance) -> None:
    defer(ti)
    gateway.advance(60)
    with pytest.raises(TaskDeferred) as again:
        lose_trigger(ti)
    outcome = resume(generate(), ti, again.value, event_of(again.value.trigger))
    assert_contract(outcome)
    assert outcome["request_id"] == only_job(gateway)
    assert gateway.ledger()["posts"] == 1


def test_a_lost_trigger_of_a_living_job_is_deferred_for_again(
    gateway: Emulator, newest_airflow: bool, said: Callable[[], str]
) -> None:
    gateway.add_fault("submit:job_sticks")
    ti = TaskInstance(has_store=newest_airflow)
    first = defer(ti, timeout=600).trigger.serialize()[1]
    with pytest.raises(TaskDeferred) as caught:
        lose_trigger(ti, timeout=600)
    again = caught.value.trigger.serialize()[1]
    assert again["request_id"] == first["request_id"]
    assert again["deadline"] == pytest.approx(first["deadline"], abs=20)
    assert "Trigger failure" in said()


def test_triggers_that_are_lost_again_and_again_have_an_end(gateway: Emulator, ti: TaskInstance) -> None:
    defer(ti)
    for _ in range(MAX_TRIGGER_FAILURES):
        with pytest.raises(TaskDeferred):
            lose_trigger(ti)
    outcome = lose_trigger(ti)
    assert_contract(outcome)
    assert outcome["request_id"] == only_job(gateway)
    assert outcome["seed"] == gateway.ledger()["jobs"][0]["body"]["seed"]


def test_a_next_try_may_lose_as_many_triggers_again(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:job_sticks")
    defer(ti)
    for _ in range(MAX_TRIGGER_FAILURES):
        with pytest.raises(TaskDeferred):
            lose_trigger(ti)
    ti.retry()
    defer(ti)
    with pytest.raises(TaskDeferred):
        lose_trigger(ti)


def test_a_lost_trigger_of_a_job_that_nobody_remembers_fails_as_airflow_has_it(ti: TaskInstance) -> None:
    with pytest.raises(BaseException, match="Trigger failure"):
        lose_trigger(ti)


def test_a_lost_trigger_stores_the_file_too(gateway: Emulator, ti: TaskInstance, tmp_path: Any) -> None:
    make = partial(generate, output_path=f"{tmp_path}/clip.mp4", deferrable=False)
    with pytest.raises(TaskDeferred):
        generate(output_path=f"{tmp_path}/clip.mp4").execute(ti.context())
    outcome = make().resume_execution(TRIGGER_FAILED, dict(TRIGGER_LOST), ti.context())
    assert outcome["output_path"] == f"{tmp_path}/clip.mp4"


def test_a_kill_says_that_the_job_goes_on_and_is_billed(
    gateway: Emulator, ti: TaskInstance, said: Callable[[], str]
) -> None:
    operator = generate()
    with pytest.raises(TaskDeferred):
        operator.execute(ti.context())
    before = count(gateway)
    operator.on_kill()
    line = next(line for line in said().splitlines() if "the API has no cancel" in line)
    for part in (only_job(gateway), "is billed", "RunwayJobSensor(request_id="):
        assert part in line
    assert count(gateway) == before, "nothing remote is touched"


def test_a_kill_before_the_submit_has_nothing_to_say(said: Callable[[], str]) -> None:
    generate().on_kill()
    assert "billed" not in said()
