"""The sensor waits for any job of the account, in each of its three modes, and never submits one."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import AirflowSkipException, TaskDeferred
from airflow_runtime import IMAGE_URL, PROMPT, TaskInstance, resume, run_task, run_trigger
from submits import count_requests, set_connection_extra
from tasks import assert_contract, make_operator, make_sensor

from airflow_provider_runway.compat import AirflowException, AirflowFailException, AirflowSensorTimeout
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.exceptions import RunwayError
from airflow_provider_runway.hooks.runway import RunwayHook
from airflow_provider_runway.segmind.jobs import RECORD_LIFETIME_S, JobSummary
from airflow_provider_runway.segmind.wait_outcome import OutcomeKind, WaitOutcome, stopped_outcome
from airflow_provider_runway.sensors.runway import RunwayJobSensor
from airflow_provider_runway.task_deferral import MAX_TRIGGER_FAILURES, TRIGGER_FAILED, TRIGGER_GRACE_S

AIRFLOW_RELEASE = tuple(map(int, airflow_version.split(".")[:2]))

pytestmark = pytest.mark.usefixtures("connection", "quick")

#: The sensor's arguments for each way of waiting.
MODES: dict[str, dict[str, Any]] = {
    "deferrable": {},
    "poke": {"deferrable": False, "mode": "poke"},
    "reschedule": {"deferrable": False, "mode": "reschedule"},
}
in_each_mode = pytest.mark.parametrize("mode", MODES)


def submit() -> str:
    body = {"promptText": PROMPT, "promptImage": IMAGE_URL, "duration": 5, "seed": 7}
    with RunwayHook() as hook:
        return hook.submit("runway-gen3-alphaturbo", body).request_id


@in_each_mode
def test_a_job_is_waited_for_and_returned(gateway: Emulator, ti: TaskInstance, mode: str) -> None:
    gateway.add_fault("submit:job_latency:seconds=0.2")
    request_id = submit()
    result = run_task(partial(make_sensor, request_id, model="runway-gen3-alphaturbo", **MODES[mode]), ti)
    assert_contract(result)
    assert (result["request_id"], result["status"]) == (request_id, "COMPLETED")
    assert result["output_url"] == gateway.ledger()["jobs"][0]["output_url"]
    for key in ("request_id", "output_url", "output_urls"):
        assert ti.xcom(key) == result[key]
    assert gateway.ledger()["posts"] == 1


@in_each_mode
def test_a_job_older_than_its_record_is_found_in_the_history(gateway: Emulator, ti: TaskInstance, mode: str) -> None:
    request_id = submit()
    gateway.advance(7200)
    result = run_task(partial(make_sensor, request_id, **MODES[mode]), ti)
    assert_contract(result)
    assert (result["model"], result["seed"], result["cost"]) == ("runway-gen3-alphaturbo", 7, 0.5)


@in_each_mode
def test_the_whole_result_of_the_submitter_is_taken_over(gateway: Emulator, ti: TaskInstance, mode: str) -> None:
    submitted = make_operator(wait_for_completion=False).execute(TaskInstance(task_id="submit").context())
    result = run_task(partial(make_sensor, submitted, **MODES[mode]), ti)
    assert_contract(result)
    kept = ("request_id", "model", "seed", "submitted_at", "record_expires_at", "prompt_text")
    assert {name: result[name] for name in kept} == {name: submitted[name] for name in kept}


def test_the_trigger_polls_by_the_model_and_submission_time_of_the_submitters_result(ti: TaskInstance) -> None:
    submitted = make_operator(wait_for_completion=False).execute(TaskInstance(task_id="submit").context())
    with pytest.raises(TaskDeferred) as caught:
        make_sensor(submitted).execute(ti.context())
    arguments = caught.value.trigger.serialize()[1]
    assert arguments["model"] == submitted["model"]
    assert arguments["submitted_at"] is not None
    assert PROMPT not in json.dumps([arguments, caught.value.kwargs, list(ti.xcoms.values())])


@pytest.mark.parametrize("fault", ["rate_limited:times=2,window=0.05", "server_error:times=2", "html_200", "cut_body"])
@pytest.mark.parametrize("mode", ["deferrable", "poke"])
def test_an_unusable_response_does_not_end_the_wait(gateway: Emulator, ti: TaskInstance, mode: str, fault: str) -> None:
    request_id = submit()
    gateway.add_fault(f"status:{fault}")
    assert run_task(partial(make_sensor, request_id, **MODES[mode]), ti)["status"] == "COMPLETED"


@in_each_mode
def test_a_record_that_is_not_readable_yet_does_not_end_the_wait(
    gateway: Emulator, ti: TaskInstance, mode: str
) -> None:
    request_id = submit()
    gateway.add_fault("status:not_found:times=3")
    gateway.add_fault("history_one:not_found:times=3")
    assert run_task(partial(make_sensor, request_id, **MODES[mode]), ti)["status"] == "COMPLETED"


Situation = Callable[[Emulator, pytest.MonkeyPatch], str]


def after_fault(*faults: str, age_s: float = 0.0) -> Situation:
    """Return a situation: a job that was submitted with these faults, so many seconds ago."""

    def arrange(gateway: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
        for fault in faults:
            gateway.add_fault(fault)
        request_id = submit()
        gateway.advance(age_s)
        return request_id

    return arrange


def with_key(key: str) -> Situation:
    """Return a situation: the connection has another key than that of the submit."""

    def arrange(gateway: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
        request_id = submit()
        set_connection_extra(monkeypatch, fields={"password": key})
        return request_id

    return arrange


def with_id(request_id: str) -> Situation:
    """Return a situation: this id is waited for."""
    return lambda gateway, monkeypatch: request_id


#: Situation -> (how it is made, the error of the task). ``soft_fail`` may turn those in ``MAY_SKIP`` into a skip, and
#: no other.
ENDS: dict[str, tuple[Situation, type[BaseException]]] = {
    "timeout": (after_fault("submit:job_sticks"), AirflowSensorTimeout),
    "failed": (after_fault("submit:job_fails"), AirflowFailException),
    "blocked": (after_fault("submit:content_block"), AirflowFailException),
    "expired and failed": (after_fault("submit:job_fails", age_s=7200), AirflowFailException),
    "expired and history down": (after_fault("history_one:history_down:times=0", age_s=7200), AirflowSensorTimeout),
    "expired and unknown": (after_fault("history_one:not_found:times=0", age_s=7200), AirflowFailException),
    "completed without output": (after_fault("submit:lost_output"), AirflowFailException),
    "wrong key": (with_key("SG_wrong"), AirflowFailException),
    "no key": (with_key(""), AirflowException),  # a retry is free and may find the key again
    "unknown id": (with_id("7d4e3c2b-0000-4000-8000-000000000000"), AirflowFailException),
    "unsafe id": (with_id("../../v1/get-user-credits"), AirflowFailException),
    "empty id": (with_id(""), AirflowFailException),
    "unrendered id": (with_id("None"), AirflowFailException),
}
TIMEOUTS = {"timeout", "expired and history down"}
MAY_SKIP = TIMEOUTS | {"failed", "blocked", "expired and failed"}


def run_to_error(
    situation: str, gateway: Emulator, ti: TaskInstance, monkeypatch: pytest.MonkeyPatch, **arguments: Any
) -> type[BaseException]:
    request_id = ENDS[situation][0](gateway, monkeypatch)
    timeout = 10 if situation == "wrong key" else 0.3  # the connection is read once more after a 401
    with pytest.raises(Exception) as caught:  # noqa: PT011  its type is what the tests compare
        run_task(partial(make_sensor, request_id, timeout=timeout, **arguments), ti)
    return type(caught.value)


@pytest.mark.parametrize("situation", ENDS)
def test_each_end_without_an_output_fails_the_task(
    gateway: Emulator, ti: TaskInstance, monkeypatch: pytest.MonkeyPatch, situation: str
) -> None:
    assert run_to_error(situation, gateway, ti, monkeypatch) is ENDS[situation][1]


@pytest.mark.parametrize("mode", ["deferrable", "poke"])
@pytest.mark.parametrize("situation", ENDS)
def test_soft_fail_skips_only_a_failed_job_or_a_timeout(
    gateway: Emulator, ti: TaskInstance, monkeypatch: pytest.MonkeyPatch, situation: str, mode: str
) -> None:
    expected = AirflowSkipException if situation in MAY_SKIP else ENDS[situation][1]
    assert run_to_error(situation, gateway, ti, monkeypatch, soft_fail=True, **MODES[mode]) is expected


@pytest.mark.parametrize("switch", ["never_fail", "silent_fail"])
@pytest.mark.parametrize(("mode", "situation"), [("deferrable", "failed"), ("poke", "failed"), ("poke", "wrong key")])
def test_airflows_other_switches_skip_only_a_failed_job(
    gateway: Emulator, ti: TaskInstance, monkeypatch: pytest.MonkeyPatch, situation: str, mode: str, switch: str
) -> None:
    """Airflow looks at ``never_fail`` when a poke raises, and from Airflow 3.1 on after a deferral, too."""
    skips = situation in MAY_SKIP and switch == "never_fail" and (mode == "poke" or AIRFLOW_RELEASE >= (3, 1))
    expected = AirflowSkipException if skips else ENDS[situation][1]
    assert run_to_error(situation, gateway, ti, monkeypatch, **{switch: True}, **MODES[mode]) is expected


def test_rescheduling_ends_like_poking(gateway: Emulator, ti: TaskInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run_to_error("unknown id", gateway, ti, monkeypatch, **MODES["reschedule"]) is AirflowFailException


@pytest.mark.parametrize("soft_fail", [False, True])
def test_a_bug_in_the_trigger_is_retried_and_not_skipped(ti: TaskInstance, soft_fail: bool) -> None:
    event = stopped_outcome(JobSummary("0b1c"), RunwayError("a bug in this package")).to_event()
    with pytest.raises(AirflowException) as caught:
        make_sensor("0b1c", soft_fail=soft_fail).resume_execution("execute_complete", {"event": event}, ti.context())
    assert type(caught.value) is AirflowException


def test_the_timeout_is_the_lifetime_of_the_record_and_not_airflows_week() -> None:
    assert RunwayJobSensor(task_id="wait", request_id="0b1c").timeout == RECORD_LIFETIME_S == 3600


def test_it_defers_to_the_trigger_of_its_job(ti: TaskInstance) -> None:
    with pytest.raises(TaskDeferred) as caught:
        make_sensor("0b1c", model="runway-gen4-turbo", timeout=600).execute(ti.context())
    arguments = caught.value.trigger.serialize()[1]
    assert arguments.pop("deadline") == pytest.approx(time.time() + 600, abs=20)
    assert arguments == {
        "request_id": "0b1c",
        "runway_conn_id": "runway_default",
        "model": "runway-gen4-turbo",
        "submitted_at": None,
    }
    assert caught.value.timeout.total_seconds() == pytest.approx(600 + TRIGGER_GRACE_S, abs=1)


def test_a_stale_event_is_refused_and_never_skipped(ti: TaskInstance) -> None:
    other = JobSummary("another-job", output_urls=("https://a.example/1.mp4",))
    event = WaitOutcome(OutcomeKind.COMPLETED, other).to_event()
    with pytest.raises(AirflowException, match="another-job") as caught:
        make_sensor("0b1c", soft_fail=True).resume_execution("execute_complete", {"event": event}, ti.context())
    assert type(caught.value) is AirflowException
    assert ti.pushes == []


@pytest.mark.parametrize("event", [None, {"status": "done"}, "text"], ids=repr)
def test_an_event_of_another_form_is_refused_and_never_skipped(ti: TaskInstance, event: Any) -> None:
    with pytest.raises(AirflowFailException, match="'generate'"):
        make_sensor("0b1c", soft_fail=True).resume_execution("execute_complete", {"event": event}, ti.context())


def resume_after_trigger_failure(request_id: str, ti: TaskInstance, **arguments: Any) -> Any:
    sensor = make_sensor(request_id, **arguments)
    return sensor.resume_execution(TRIGGER_FAILED, {"error": "Trigger failure"}, ti.context())


def test_after_a_trigger_failure_a_finished_job_costs_one_poll(gateway: Emulator, ti: TaskInstance) -> None:
    request_id = submit()
    gateway.advance(60)
    assert_contract(resume_after_trigger_failure(request_id, ti))
    assert count_requests(gateway, "status") == 1


def test_after_a_trigger_failure_the_wait_keeps_its_deadline(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:job_sticks")
    request_id = submit()
    with pytest.raises(TaskDeferred) as first:
        make_sensor(request_id, timeout=600).execute(ti.context())
    with pytest.raises(TaskDeferred) as again:
        resume_after_trigger_failure(request_id, ti, timeout=600)
    assert again.value.trigger.serialize() == first.value.trigger.serialize()


@pytest.mark.parametrize("fault", ["submit:job_sticks", "status:server_error:times=0"], ids=["running", "no response"])
def test_the_number_of_new_deferrals_after_trigger_failures_is_limited(
    gateway: Emulator, ti: TaskInstance, fault: str
) -> None:
    gateway.add_fault(fault)
    request_id = submit()
    for _ in range(MAX_TRIGGER_FAILURES):
        with pytest.raises(TaskDeferred):
            resume_after_trigger_failure(request_id, ti, soft_fail=True)
    with pytest.raises(AirflowSensorTimeout):
        resume_after_trigger_failure(request_id, ti)


def test_a_wrong_key_after_a_trigger_failure_is_not_skipped(
    gateway: Emulator, ti: TaskInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = with_key("SG_wrong")(gateway, monkeypatch)
    with pytest.raises(AirflowFailException):
        resume_after_trigger_failure(request_id, ti, soft_fail=True)


def test_a_completed_event_needs_no_further_poll(gateway: Emulator, ti: TaskInstance) -> None:
    request_id = submit()
    with pytest.raises(TaskDeferred) as caught:
        make_sensor(request_id).execute(ti.context())
    event = run_trigger(caught.value.trigger)
    requests = count_requests(gateway)
    assert_contract(resume(make_sensor(request_id), ti, caught.value, event))
    assert count_requests(gateway) == requests


def test_on_kill_logs_that_the_job_goes_on(gateway: Emulator, logged: Callable[[], str]) -> None:
    make_sensor("0b1c").on_kill()
    assert "0b1c" in logged()
    assert gateway.http_requests() == []


def test_its_arguments_are_templated() -> None:
    assert set(RunwayJobSensor.template_fields) == {"request_id", "runway_conn_id", "model"}
