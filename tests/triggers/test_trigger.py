"""The trigger: one event whatever happens, no POST however often it runs, and no secret in its event."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from airflow_runtime import IMAGE_URL, PROMPT, rebuild_trigger, run_trigger
from submits import count_requests, set_connection_extra
from tasks import CONTRACT

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.hooks.runway import RunwayHook
from airflow_provider_runway.segmind import timing
from airflow_provider_runway.segmind.jobs import RECORD_LIFETIME_S
from airflow_provider_runway.triggers import pending_job, poller, poller_connection
from airflow_provider_runway.triggers.runway import RunwayJobTrigger

pytestmark = pytest.mark.usefixtures("connection", "quick")

BODY = {"promptText": PROMPT, "promptImage": IMAGE_URL, "duration": 5, "seed": 7}


def submit(**body: Any) -> str:
    with RunwayHook() as hook:
        return hook.submit("runway-gen3-alphaturbo", {**BODY, **body}).request_id


def make_trigger(request_id: str, timeout_s: float = 20, **arguments: Any) -> RunwayJobTrigger:
    now = time.time()
    return RunwayJobTrigger(request_id, model="runway-gen3-alphaturbo", deadline=now + timeout_s, **arguments)


def test_it_is_rebuilt_from_its_serialized_form() -> None:
    trigger = RunwayJobTrigger("0b1c", "another", "runway-gen4-turbo", 1.5e9, 1.6e9)
    again = rebuild_trigger(trigger)
    assert type(again) is RunwayJobTrigger
    assert again.serialize() == trigger.serialize()


def test_only_the_request_id_is_required() -> None:
    assert rebuild_trigger(RunwayJobTrigger("0b1c")).serialize()[1] == {
        "request_id": "0b1c",
        "runway_conn_id": "runway_default",
        "model": None,
        "submitted_at": None,
        "deadline": None,
    }


def test_running_twice_costs_nothing_and_yields_the_same_event(gateway: Emulator) -> None:
    trigger = make_trigger(submit())
    first, second = run_trigger(trigger), run_trigger(trigger)
    assert first["status"] == second["status"] == "completed"
    assert {**first["job"], "completed_at": None} == {**second["job"], "completed_at": None}
    assert gateway.ledger()["posts"] == 1
    assert {request["method"] for request in gateway.http_requests()[1:]} == {"GET"}


def test_two_runs_at_once_both_yield_an_event(gateway: Emulator) -> None:
    """Airflow may run the same trigger in two places."""
    trigger = make_trigger(submit())

    async def both() -> list[Any]:
        return await asyncio.gather(*[anext(rebuild_trigger(trigger).run()) for _ in range(2)])

    assert [event.payload["status"] for event in asyncio.run(both())] == ["completed", "completed"]


#: Faults of the job or of the polls -> the event's status and a part of its error.
OUTCOMES: dict[str, tuple[list[str], str, str]] = {
    "completed": ([], "completed", ""),
    "failed": (["submit:job_fails:error=out of memory"], "failed", "out of memory"),
    "content blocked": (["submit:content_block"], "failed", "would be refused again"),
    "no output anywhere": (["submit:lost_output"], "failed", "completed without an output"),
    "no output in the record": (["result:lost_output:times=0"], "completed", ""),
    "running at the deadline": (["submit:job_sticks"], "timeout", "the deadline passed"),
    "expired, and not in the history": (
        ["status:record_expired:times=0", "history_one:not_found:times=0"],
        "expired",
        "no record of it",
    ),
    "expired, and in the history": (["status:record_expired:times=0"], "completed", ""),
    "a rejected key": (["status:refuse_auth:times=0"], "error", "401"),
    "a forbidden model": (["status:forbidden:times=0"], "error", "403"),
    "429 for ever": (["status:rate_limited:times=0,window=0.1"], "timeout", "the deadline passed"),
    "5xx for a while": (["status:server_error:times=3,status=503", "result:server_error"], "completed", ""),
    "5xx for ever": (["status:server_error:times=0,status=500"], "timeout", "the deadline passed"),
    "an undocumented status": (["status:unknown_status:times=3,state=PAUSED"], "completed", ""),
}


@pytest.mark.parametrize("name", OUTCOMES)
def test_each_outcome_is_one_event_without_a_secret(gateway: Emulator, name: str) -> None:
    faults, status, error = OUTCOMES[name]
    for fault in faults:
        gateway.add_fault(fault)
    request_id = submit()
    event = run_trigger(make_trigger(request_id, timeout_s=0.6 if status == "timeout" else 20))
    assert list(event) == ["status", "request_id", "job", "error"]
    assert (event["status"], event["request_id"]) == (status, request_id)
    assert set(event["job"]) == {*CONTRACT, "code"} - {"prompt_text"}
    if status == "completed":
        assert event["error"] is None
        assert event["job"]["output_url"] == gateway.ledger()["jobs"][0]["output_url"]
    else:
        assert error in event["error"]
        assert request_id in event["error"]
    assert gateway.ledger()["posts"] == 1
    for secret in (gateway.test_key, PROMPT, IMAGE_URL):  # Airflow logs events whole
        assert secret not in json.dumps(event)


@pytest.mark.parametrize("call", ["status", "result"])
def test_a_rejected_key_is_read_again_once(gateway: Emulator, call: str) -> None:
    gateway.add_fault(f"{call}:refuse_auth")
    assert run_trigger(make_trigger(submit()))["status"] == "completed"


def test_the_key_that_was_read_again_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = "SG_0000000000000001", "SG_0000000000000002"
    with Emulator(time_scale=0.001, keys=[new]) as gateway:
        set_connection_extra(
            monkeypatch, fields={"host": gateway.url, "password": new}, history_url=gateway.history_url
        )
        request_id = submit()
        set_connection_extra(monkeypatch, fields={"password": old})
        read = poller_connection.RunwayAsyncHook.get_async_conn

        async def rotate_after_the_first_read(hook: Any) -> Any:
            transport = await read(hook)
            set_connection_extra(monkeypatch, fields={"password": new})
            return transport

        monkeypatch.setattr(poller_connection.RunwayAsyncHook, "get_async_conn", rotate_after_the_first_read)
        assert run_trigger(make_trigger(request_id))["status"] == "completed"
        assert next(request["status"] for request in gateway.http_requests() if request["call"] == "status") == 401


def test_a_key_that_stays_rejected_is_used_twice_and_no_more(gateway: Emulator) -> None:
    gateway.add_fault("status:refuse_auth:times=0")
    request_id = submit()
    event = run_trigger(make_trigger(request_id))
    assert (event["status"], event["job"]["code"]) == ("error", "unauthorized")
    assert count_requests(gateway, "status") == 2
    assert "goes on and is billed when it completes" in event["error"]


@pytest.mark.usefixtures("empty_connection_table")
def test_a_missing_connection_is_an_event(gateway: Emulator) -> None:
    event = run_trigger(RunwayJobTrigger("0b1c", "elsewhere"))
    assert (event["status"], event["job"]["code"]) == ("error", "bad_connection")
    assert gateway.http_requests() == []


@pytest.mark.parametrize("request_id", ["", "../v1/other"])
def test_an_unusable_request_id_is_an_event(gateway: Emulator, request_id: str) -> None:
    event = run_trigger(make_trigger(request_id))
    assert (event["status"], event["job"]["code"]) == ("error", "bad_input")
    assert gateway.http_requests() == []


def test_a_bug_in_this_package_is_an_event(
    gateway: Emulator, monkeypatch: pytest.MonkeyPatch, logged: Callable[[], str]
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(pending_job, "poll_status", fail)
    event = run_trigger(make_trigger("0b1c"))
    assert (event["status"], event["job"]["code"]) == ("error", "error")
    assert "ZeroDivisionError" in event["error"]
    assert "without paying again" in event["error"]
    assert "the trigger failed" in logged()


def test_a_cancellation_passes_through_and_yields_no_event(gateway: Emulator) -> None:
    """A restart of the triggerer does not end the wait, and nothing remote changes."""
    gateway.add_fault("submit:job_sticks")
    trigger = make_trigger(submit())

    async def cancel_run() -> None:
        wait = asyncio.ensure_future(anext(trigger.run()))
        async with asyncio.timeout(10):
            while not count_requests(gateway, "status"):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        assert not wait.done()
        wait.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wait

    asyncio.run(cancel_run())
    assert {request["method"] for request in gateway.http_requests()[1:]} == {"GET"}


@pytest.mark.parametrize("timeout_s", [-100.0, 0.0])
def test_a_past_deadline_still_gets_one_poll(gateway: Emulator, timeout_s: float) -> None:
    request_id = submit()
    gateway.advance(60)
    assert run_trigger(make_trigger(request_id, timeout_s))["status"] == "completed"
    gateway.add_fault("submit:job_sticks")
    before = count_requests(gateway, "status")
    assert run_trigger(make_trigger(submit(seed=8), timeout_s))["status"] == "timeout"
    assert count_requests(gateway, "status") == before + 1


def test_without_a_deadline_it_waits_for_the_lifetime_of_the_record(
    gateway: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []
    real = poller.Poller.wait

    async def wait(self: poller.Poller, report: Any, deadline: float, log: Any) -> Any:
        seen.append(deadline - time.time())
        return await real(self, report, deadline, log)

    monkeypatch.setattr(poller.Poller, "wait", wait)
    run_trigger(RunwayJobTrigger(submit()))
    assert seen == [pytest.approx(RECORD_LIFETIME_S, abs=5)]


def test_each_change_of_status_is_logged_once(gateway: Emulator, logged: Callable[[], str]) -> None:
    gateway.add_fault("submit:job_latency:seconds=2")
    gateway.add_fault("status:unknown_status:times=2,state=PAUSED")
    request_id = submit()
    run_trigger(make_trigger(request_id))
    lines = [line for line in logged().splitlines() if f"Job {request_id}:" in line]
    assert sum("PAUSED" in line for line in lines) == 1
    assert sum("PROCESSING" in line for line in lines) == 1


def test_a_kill_logs_that_the_job_goes_on(gateway: Emulator, logged: Callable[[], str]) -> None:
    request_id = submit()
    before = count_requests(gateway)
    asyncio.run(make_trigger(request_id, submitted_at=1.79e9).on_kill())
    line = next(line for line in logged().splitlines() if "the API has no cancel" in line)
    assert request_id in line
    assert "is billed" in line
    assert count_requests(gateway) == before


def test_the_event_comes_no_sooner_than_the_shortest_wait(gateway: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted from the start of the trigger, for a completed job and for an error alike."""
    monkeypatch.setattr(timing, "_current", replace(timing.get_timing(), min_wait_s=0.5))
    for request_id in (submit(), "../unusable"):
        began = time.monotonic()
        run_trigger(make_trigger(request_id, submitted_at=time.time() - 100))
        assert time.monotonic() - began >= 0.5
