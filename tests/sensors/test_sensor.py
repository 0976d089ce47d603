"""The sensor waits for any job of the account, in each of its three ways, and never submits."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import pytest
from airflow import __version__ as airflow_version
from airflow.providers.common.compat.sdk import AirflowSkipException, TaskDeferred
from airflow_runtime import PICTURE_URL, PROMPT, TaskInstance, event_of, resume, run_task
from submits import count, set_extra
from tasks import assert_contract, sense

from airflow_provider_runway.compat import AirflowException, AirflowFailException, AirflowSensorTimeout
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.exceptions import RunwayError
from airflow_provider_runway.hooks.runway import RunwayHook
from airflow_provider_runway.segmind.job_summary import JobSummary
from airflow_provider_runway.segmind.jobs import RECORD_LIFETIME_S
from airflow_provider_runway.segmind.wait_outcome import OutcomeKind, WaitOutcome, stopped_outcome
from airflow_provider_runway.sensors.runway import RunwayJobSensor
from airflow_provider_runway.waiting import MAX_TRIGGER_FAILURES, TRIGGER_FAILED, TRIGGER_GRACE_S

AIRFLOW_3 = int(airflow_version.split(".")[0]) >= 3

pytestmark = pytest.mark.usefixtures("connection", "quick")

#: The ways of waiting: the sensor's arguments for each.
WAYS: dict[str, dict[str, Any]] = {
    "deferrable": {},
    "poke": {"deferrable": False, "mode": "poke"},
    "reschedule": {"deferrable": False, "mode": "reschedule"},
}


def submit() -> str:
    body = {"promptText": PROMPT, "promptImage": PICTURE_URL, "duration": 5, "seed": 7}
    with RunwayHook() as hook:
        return hook.submit("runway-gen3-alphaturbo", body).request_id


@pytest.mark.parametrize("way", WAYS)
def test_a_job_is_waited_for_and_handed_on(gateway: Emulator, ti: TaskInstance, way: str) -> None:
    gateway.add_fault("submit:job_latency:seconds=0.2")
    request_id = submit()
    outcome = run_task(partial(sense, request_id, model="runway-gen3-alphaturbo", **WAYS[way]), ti)
    assert_contract(outcome)
    assert (outcome["request_id"], outcome["status"]) == (request_id, "COMPLETED")
    assert outcome["output_url"] == gateway.ledger()["jobs"][0]["output_url"]
    for key in ("request_id", "output_url", "output_urls"):
        assert ti.xcom(key) == outcome[key]
    assert gateway.ledger()["posts"] == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_job_older_than_its_record_is_found_in_the_history(gateway: Emulator, ti: TaskInstance, way: str) -> None:
    request_id = submit()
    gateway.advance(7200)
    outcome = run_task(partial(sense, request_id, **WAYS[way]), ti)
    assert_contract(outcome)
    assert (outcome["model"], outcome["seed"], outcome["cost"]) == ("runway-gen3-alphaturbo", 7, 0.5)


@pytest.mark.parametrize("rule", ["rate_limited:times=2,window=0.05", "server_error:times=2", "html_200", "cut_body"])
@pytest.mark.parametrize("way", WAYS)
def test_no_usable_answer_is_no_end(gateway: Emulator, ti: TaskInstance, way: str, rule: str) -> None:
    request_id = submit()
    gateway.add_fault(f"status:{rule}")
    assert run_task(partial(sense, request_id, **WAYS[way]), ti)["status"] == "COMPLETED"


def _timeout(gateway: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    gateway.add_fault("submit:job_sticks")
    return submit()


def _job_failed(gateway: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    gateway.add_fault("submit:job_fails")
    return submit()


def _blocked(gateway: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    gateway.add_fault("submit:content_block")
    return submit()


def _bad_key(gateway: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    request_id = submit()
    set_extra(monkeypatch, fields={"password": "SG_wrong"})
    return request_id


def _no_key(gateway: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    request_id = submit()
    set_extra(monkeypatch, fields={"password": ""})
    return request_id


def _unknown_id(gateway: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    return "7d4e3c2b-0000-4000-8000-000000000000"


def _bad_id(gateway: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    return "../../v1/get-user-credits"


def _no_id(gateway: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    return ""


def _lost_output(gateway: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    gateway.add_fault("submit:lost_output")
    return submit()


def _expired(gateway: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    request_id = submit()
    gateway.advance(7200)
    return request_id


def _expired_and_history_down(gateway: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    gateway.add_fault("history_one:history_down:times=0")
    return _expired(gateway, monkeypatch)


def _expired_and_forgotten(gateway: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    gateway.add_fault("history_one:not_found:times=0")
    return _expired(gateway, monkeypatch)


def _expired_and_failed(gateway: Emulator, monkeypatch: pytest.MonkeyPatch) -> str:
    gateway.add_fault("submit:job_fails")
    return _expired(gateway, monkeypatch)


Befall = Callable[[Emulator, pytest.MonkeyPatch], str]
#: What befalls the job -> what the task ends with; None: with the job's outcome. Airflow's switches for skipping
#: may turn the ends in ``MAY_SKIP`` into a skip, and no other.
ENDS: dict[str, tuple[Befall, type[BaseException] | None]] = {
    "the timeout": (_timeout, AirflowSensorTimeout),
    "a failed job": (_job_failed, AirflowFailException),
    "a blocked job": (_blocked, AirflowFailException),
    "an expired record, in the history": (_expired, None),
    "an expired record, failed in the history": (_expired_and_failed, AirflowFailException),
    "an expired record, no answer of the history": (_expired_and_history_down, AirflowSensorTimeout),
    "an expired record, not in the history": (_expired_and_forgotten, AirflowFailException),
    "a wrong key": (_bad_key, AirflowFailException),
    "no key": (_no_key, AirflowFailException),
    "an id that nobody knows": (_unknown_id, AirflowFailException),
    "an id that is none": (_bad_id, AirflowFailException),
    "an empty id": (_no_id, AirflowFailException),
    "a job that is billed and shows no output": (_lost_output, AirflowFailException),
}
LATENESS = {"the timeout", "an expired record, no answer of the history"}
MAY_SKIP = LATENESS | {"a failed job", "a blocked job", "an expired record, failed in the history"}


def skips(switch: str, end: str, way: str) -> bool:
    """Does Airflow itself skip, where we let it?

    ``soft_fail`` always does. ``never_fail`` is about what a poke raises: never about lateness, which Airflow finds
    by itself between the pokes, and about a deferral's end from Airflow 3 on.
    """
    if end not in MAY_SKIP or switch != "never_fail":
        return end in MAY_SKIP and switch == "soft_fail"
    return AIRFLOW_3 if way == "deferrable" else end not in LATENESS


@pytest.mark.parametrize(
    ("way", "end", "switch"),
    [
        pytest.param(*it, id=", ".join(filter(None, it)))
        for it in product(WAYS, ENDS, ("", "soft_fail", "never_fail", "silent_fail"))
    ],
)
def test_only_the_jobs_own_end_and_lateness_may_be_skipped(
    gateway: Emulator, ti: TaskInstance, monkeypatch: pytest.MonkeyPatch, way: str, end: str, switch: str
) -> None:
    befall, hard = ENDS[end]
    request_id = befall(gateway, monkeypatch)
    expected = AirflowSkipException if skips(switch, end, way) else hard
    switches = {switch: True} if switch else {}
    raised, outcome = None, None
    try:
        outcome = run_task(partial(sense, request_id, timeout=0.3, **switches, **WAYS[way]), ti)
    except Exception as error:
        raised = type(error)
    assert raised is expected
    assert (outcome is None) is (expected is not None)


@pytest.mark.parametrize("soft_fail", [False, True])
def test_a_fault_of_ours_is_worth_a_retry_and_no_skip(ti: TaskInstance, soft_fail: bool) -> None:
    event = stopped_outcome(JobSummary("0b1c"), RunwayError("a fault in this package")).to_event()
    with pytest.raises(AirflowException) as caught:
        sense("0b1c", soft_fail=soft_fail).resume_execution("execute_complete", {"event": event}, ti.context())
    assert type(caught.value) is AirflowException


def test_the_timeout_is_the_hour_of_the_record_and_not_airflows_week() -> None:
    assert RunwayJobSensor(task_id="wait", request_id="0b1c").timeout == RECORD_LIFETIME_S == 3600


def test_it_defers_to_the_trigger_of_its_job(ti: TaskInstance) -> None:
    with pytest.raises(TaskDeferred) as caught:
        sense("0b1c", model="runway-gen4-turbo", timeout=600).execute(ti.context())
    arguments = caught.value.trigger.serialize()[1]
    assert arguments.pop("deadline") == pytest.approx(time.time() + 600, abs=20)
    assert arguments == {
        "request_id": "0b1c",
        "runway_conn_id": "runway_default",
        "model": "runway-gen4-turbo",
        "submitted_at": None,
    }
    assert caught.value.timeout.total_seconds() == pytest.approx(600 + TRIGGER_GRACE_S, abs=1)
    assert "SG_" not in json.dumps(arguments)


def test_a_stale_event_is_refused_and_never_skipped(ti: TaskInstance) -> None:
    stale = WaitOutcome(
        OutcomeKind.COMPLETED, JobSummary("another-job", output_urls=("https://a.example/1.mp4",))
    ).to_event()
    with pytest.raises(AirflowException, match="stale") as caught:
        sense("0b1c", soft_fail=True).resume_execution("execute_complete", {"event": stale}, ti.context())
    assert type(caught.value) is AirflowException
    assert ti.pushes == []


@pytest.mark.parametrize("event", [None, {}, {"status": "done"}, "text"], ids=repr)
def test_what_is_no_event_of_ours_is_refused_and_never_skipped(ti: TaskInstance, event: Any) -> None:
    with pytest.raises(AirflowFailException, match="'generate'"):
        sense("0b1c", soft_fail=True).resume_execution("execute_complete", {"event": event}, ti.context())


def lose_trigger(request_id: str, ti: TaskInstance, **arguments: Any) -> Any:
    return sense(request_id, **arguments).resume_execution(TRIGGER_FAILED, {"error": "Trigger failure"}, ti.context())


def test_a_lost_trigger_costs_one_look_when_the_job_is_done(gateway: Emulator, ti: TaskInstance) -> None:
    request_id = submit()
    gateway.advance(60)
    assert_contract(lose_trigger(request_id, ti))
    assert count(gateway, "status") == 1


@pytest.mark.parametrize("rule", ["submit:job_sticks", "status:server_error:times=0"], ids=["alive", "no answer"])
def test_lost_triggers_of_a_job_that_has_not_ended_are_replaced_a_few_times(
    gateway: Emulator, ti: TaskInstance, rule: str
) -> None:
    gateway.add_fault(rule)
    request_id = submit()
    for _ in range(MAX_TRIGGER_FAILURES):
        with pytest.raises(TaskDeferred):
            lose_trigger(request_id, ti, soft_fail=True)
    with pytest.raises(AirflowSensorTimeout) as caught:
        lose_trigger(request_id, ti)
    assert "without paying again" in str(caught.value)


def test_a_lost_trigger_and_a_wrong_key_are_no_skip(
    gateway: Emulator, ti: TaskInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    request_id = _bad_key(gateway, monkeypatch)
    with pytest.raises(AirflowFailException):
        lose_trigger(request_id, ti, soft_fail=True)


def test_a_completed_event_needs_no_second_look(gateway: Emulator, ti: TaskInstance) -> None:
    request_id = submit()
    with pytest.raises(TaskDeferred) as caught:
        sense(request_id).execute(ti.context())
    event = event_of(caught.value.trigger)
    before = count(gateway)
    assert_contract(resume(sense(request_id), ti, caught.value, event))
    assert count(gateway) == before


def test_a_kill_says_that_the_job_goes_on(gateway: Emulator, said: Callable[[], str]) -> None:
    sense("0b1c").on_kill()
    assert "0b1c" in said()
    assert gateway.requests() == []


def test_its_arguments_are_templated() -> None:
    assert set(RunwayJobSensor.template_fields) == {"request_id", "runway_conn_id", "model"}
