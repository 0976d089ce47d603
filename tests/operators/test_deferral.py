"""What goes from the worker to the triggerer and back, and what happens when the trigger fails."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow_runtime import IMAGE_URL, PROMPT, TaskInstance, resume, run_task, run_trigger
from submits import count_requests, get_only_job_id
from tasks import assert_contract, make_operator

from airflow_provider_runway.compat import AirflowException, AirflowFailException
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.exceptions import JobFailedError, RunwayError, list_error_classes
from airflow_provider_runway.segmind.jobs import JobSummary
from airflow_provider_runway.segmind.wait_outcome import OutcomeKind, WaitOutcome, stopped_outcome
from airflow_provider_runway.task_deferral import MAX_TRIGGER_FAILURES, TRIGGER_FAILED, TRIGGER_GRACE_S
from airflow_provider_runway.triggers.runway import RunwayJobTrigger

pytestmark = pytest.mark.usefixtures("connection", "quick")

TRIGGER_FAILURE = {"error": "Trigger failure", "traceback": ["Traceback", "it broke"]}


def defer(ti: TaskInstance, **arguments: Any) -> TaskDeferred:
    """Execute the task, which defers, and return the deferral."""
    with pytest.raises(TaskDeferred) as caught:
        make_operator(**arguments).execute(ti.context())
    return caught.value


def resume_after_trigger_failure(ti: TaskInstance, **arguments: Any) -> Any:
    return make_operator(**arguments).resume_execution(TRIGGER_FAILED, dict(TRIGGER_FAILURE), ti.context())


def defer_after_trigger_failure(ti: TaskInstance, **arguments: Any) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        resume_after_trigger_failure(ti, **arguments)
    return caught.value


def make_job(request_id: str = "0b1c") -> JobSummary:
    return JobSummary(request_id, submitted_at=time.time())


def test_a_waiting_task_defers_to_the_trigger_of_its_job(gateway: Emulator, ti: TaskInstance) -> None:
    deferred = defer(ti, timeout=600)
    assert isinstance(deferred.trigger, RunwayJobTrigger)
    submitted_at = ti.store.entry["at"]
    assert deferred.trigger.serialize()[1] == {
        "request_id": get_only_job_id(gateway),
        "runway_conn_id": "runway_default",
        "model": "runway-gen3-alphaturbo",
        "submitted_at": submitted_at,
        "deadline": submitted_at + 600,
    }
    assert deferred.method_name == "execute_complete"
    assert deferred.timeout.total_seconds() == pytest.approx(600 + TRIGGER_GRACE_S, abs=20)
    assert count_requests(gateway, "status") == 0, "the trigger polls, not the worker"


def test_the_stored_deferral_is_json_without_secrets(gateway: Emulator, ti: TaskInstance) -> None:
    deferred = defer(ti)
    stored = json.dumps([deferred.trigger.serialize(), deferred.kwargs])
    for secret in (gateway.test_key, PROMPT, IMAGE_URL):
        assert secret not in stored


def test_the_log_names_the_job_before_the_task_defers(ti: TaskInstance, logged: Callable[[], str]) -> None:
    defer(ti, timeout=600)
    (line,) = [line for line in logged().splitlines() if "waiting in the triggerer" in line]
    assert ti.store.entry["request_id"] in line


def test_deferrable_stays_true_whatever_airflow_is_configured_to(
    ti: TaskInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", "False")
    defer(ti)


def test_a_task_that_is_not_deferrable_polls_in_the_worker(gateway: Emulator, ti: TaskInstance) -> None:
    assert_contract(make_operator(deferrable=False).execute(ti.context()))
    assert count_requests(gateway, "status") >= 1


def test_after_the_deadline_the_worker_polls_once_and_does_not_defer(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:job_sticks")
    with pytest.raises(AirflowException, match="the deadline passed"):
        make_operator(timeout=0).execute(ti.context())
    assert count_requests(gateway, "status") == 1


@pytest.mark.parametrize(
    ("outcome", "is_final"),
    [
        (WaitOutcome(OutcomeKind.TIMEOUT, make_job(), "the deadline passed", "wait_expired"), False),
        (WaitOutcome(OutcomeKind.FAILED, make_job(), "it failed", JobFailedError.code), False),
        (WaitOutcome(OutcomeKind.FAILED, make_job(), "it was blocked", "content_blocked"), True),
        (WaitOutcome(OutcomeKind.EXPIRED, make_job(), "no record", "record_expired"), True),
        (WaitOutcome(OutcomeKind.ERROR, make_job(), "unheard of", "a_code_of_a_later_release"), False),
    ],
    ids=lambda value: getattr(value, "code", None),
)
def test_an_event_without_success_fails_the_task(ti: TaskInstance, outcome: WaitOutcome, is_final: bool) -> None:
    with pytest.raises(AirflowException, match=outcome.error) as caught:
        make_operator().execute_complete(ti.context(), outcome.to_event(), make_job().to_json())
    assert isinstance(caught.value, AirflowFailException) is is_final


def test_every_error_goes_through_the_event_as_its_code() -> None:
    for error in list_error_classes():
        event = json.loads(json.dumps(stopped_outcome(make_job(), error("because")).to_event()))
        assert type(WaitOutcome.from_event(event).to_error()) is error


def test_an_error_of_the_trigger_names_the_job_and_how_to_resume_it(ti: TaskInstance, logged: Any) -> None:
    event = stopped_outcome(make_job(), RunwayError("because")).to_event()
    with pytest.raises(AirflowException) as caught:
        make_operator().execute_complete(ti.context(), event, make_job().to_json())
    text = str(caught.value) + logged()
    for part in ("0b1c", "because", "without paying again"):
        assert part in text


def test_a_completed_event_needs_no_further_poll(gateway: Emulator, ti: TaskInstance) -> None:
    deferred = defer(ti)
    event = run_trigger(deferred.trigger)
    requests = count_requests(gateway)
    assert_contract(resume(make_operator(), ti, deferred, event))
    assert count_requests(gateway) == requests


def test_a_stale_event_is_refused_and_the_retry_resumes_the_right_job(gateway: Emulator, ti: TaskInstance) -> None:
    deferred = defer(ti)
    stale = WaitOutcome(OutcomeKind.COMPLETED, make_job("another-job")).to_event()
    with pytest.raises(AirflowException, match=get_only_job_id(gateway)):
        resume(make_operator(), ti, deferred, stale)
    assert "output_url" not in ti.pushes
    ti.retry()
    assert run_task(make_operator, ti)["request_id"] == get_only_job_id(gateway)


@pytest.mark.parametrize("event", [None, {}, {"status": "completed"}, {"status": "done", "job": {}}, "text"], ids=repr)
def test_an_event_of_another_form_is_refused(ti: TaskInstance, event: Any) -> None:
    with pytest.raises(AirflowFailException, match="'generate'"):
        make_operator().execute_complete(ti.context(), event, make_job().to_json())


def test_a_connection_that_is_gone_when_the_job_has_completed_does_not_hide_what_was_paid_for(
    gateway: Emulator, ti: TaskInstance, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    arguments = {"output_path": f"{tmp_path}/"}
    deferred = defer(ti, **arguments)
    event = run_trigger(deferred.trigger)
    with monkeypatch.context() as without:
        without.delenv("AIRFLOW_CONN_RUNWAY_DEFAULT")
        with pytest.raises(AirflowException, match="is completed and billed") as caught:
            resume(make_operator(**arguments), ti, deferred, event)
    assert not isinstance(caught.value, AirflowFailException), "a retry stores the video"
    request_id = get_only_job_id(gateway)
    for words in (request_id, "There is no connection 'runway_default'", "clear the task", "/outputs/"):
        assert words in str(caught.value)
    assert "Nothing was sent" not in str(caught.value)
    ti.retry()
    assert run_task(partial(make_operator, **arguments), ti)["request_id"] == request_id
    assert gateway.ledger()["posts"] == 1
    assert [path.name for path in tmp_path.iterdir()] == [f"{request_id}.mp4"]


def test_after_a_trigger_failure_a_finished_job_is_delivered(gateway: Emulator, ti: TaskInstance) -> None:
    defer(ti)
    gateway.advance(60)
    again = defer_after_trigger_failure(ti)
    result = resume(make_operator(), ti, again, run_trigger(again.trigger))
    assert_contract(result)
    assert result["request_id"] == get_only_job_id(gateway)
    assert gateway.ledger()["posts"] == 1


def test_after_a_trigger_failure_the_wait_keeps_its_job_its_facts_and_its_deadline(
    gateway: Emulator, has_state_store: bool, logged: Callable[[], str]
) -> None:
    gateway.add_fault("submit:job_sticks")
    ti = TaskInstance(has_store=has_state_store)
    first, again = defer(ti, timeout=600), defer_after_trigger_failure(ti, timeout=600)
    before, after = (deferred.trigger.serialize()[1] for deferred in (first, again))
    assert {name: after[name] for name in ("request_id", "model")} == {
        name: before[name] for name in ("request_id", "model")
    }
    assert after["deadline"] == before["deadline"]
    assert after["submitted_at"] == pytest.approx(before["submitted_at"], abs=1)
    assert again.kwargs["job"]["seed"] == first.kwargs["job"]["seed"]
    assert "Trigger failure" in logged()


def test_an_existing_job_keeps_its_deadline_after_a_trigger_failure(gateway: Emulator, ti: TaskInstance) -> None:
    arguments = {"request_id": "7d4e3c2b", "timeout": 600}
    first, again = defer(ti, **arguments), defer_after_trigger_failure(ti, **arguments)
    assert again.trigger.serialize() == first.trigger.serialize()


def test_repeated_trigger_failures_end_in_polling_by_the_worker(gateway: Emulator, ti: TaskInstance) -> None:
    defer(ti)
    for _ in range(MAX_TRIGGER_FAILURES):
        defer_after_trigger_failure(ti)
    result = resume_after_trigger_failure(ti)
    assert_contract(result)
    assert result["request_id"] == get_only_job_id(gateway)
    assert result["seed"] == gateway.ledger()["jobs"][0]["body"]["seed"]


def test_trigger_failures_are_counted_for_each_try_anew(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:job_sticks")
    for _ in range(2):
        defer(ti)
        for _ in range(MAX_TRIGGER_FAILURES):
            defer_after_trigger_failure(ti)
        ti.retry()


def test_a_trigger_failure_before_any_job_fails_the_task(ti: TaskInstance) -> None:
    with pytest.raises(BaseException, match="Trigger failure"):
        resume_after_trigger_failure(ti)


def test_after_a_trigger_failure_the_output_is_stored_too(gateway: Emulator, ti: TaskInstance, tmp_path: Any) -> None:
    make = partial(make_operator, output_path=f"{tmp_path}/clip.mp4", deferrable=False)
    defer(ti, output_path=f"{tmp_path}/clip.mp4")
    result = make().resume_execution(TRIGGER_FAILED, dict(TRIGGER_FAILURE), ti.context())
    assert result["output_path"] == f"{tmp_path}/clip.mp4"


def test_on_kill_logs_that_the_job_goes_on_and_is_billed(
    gateway: Emulator, ti: TaskInstance, logged: Callable[[], str]
) -> None:
    operator = make_operator()
    with pytest.raises(TaskDeferred):
        operator.execute(ti.context())
    requests = count_requests(gateway)
    operator.on_kill()
    (line,) = [line for line in logged().splitlines() if "the API has no cancel" in line]
    for part in (get_only_job_id(gateway), "is billed", "RunwayJobSensor(request_id="):
        assert part in line
    assert count_requests(gateway) == requests, "nothing remote is touched"


def test_on_kill_before_the_submit_logs_nothing_of_a_bill(logged: Callable[[], str]) -> None:
    make_operator().on_kill()
    assert "billed" not in logged()
