"""Whatever becomes of a submit's answer, one order is one billable job: counted in the emulator's ledger."""

from __future__ import annotations

import pytest
from airflow_runtime import TaskInstance
from submits import READ_TIMEOUT_S, count, hold, only_job, set_extra

from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.emulator.fault_table import FAULTS
from airflow_provider_runway.exceptions import RefusedError, SubmitOutcomeUnknownError

pytestmark = pytest.mark.usefixtures("connection", "quick")

#: The gateway took the job, and the answer says nothing of it.
ACCEPTED = [
    "cut_after",
    *(f"error_after_accept:status={status}" for status in (500, 502, 503, 504)),
    "html_200",
    "empty_body",
    *(f"nonsense_json:body={body}" for body in FAULTS["nonsense_json"].params["body"]),
    "cut_body",
    "missing_request_id",
    "slow:seconds=0.8,accept=before",
    # The job begins to exist only after the client has given up waiting.
    "slow:seconds=0.55,accept=after",
]
#: Nothing was accepted, and the answer does not prove it.
NOT_ACCEPTED = ["cut_before", "server_error:status=500", "server_error:status=503", "html_200:accepted=false"]
#: Nothing was accepted, and the answer says so.
REFUSED = [
    "refuse_auth",
    "forbidden",
    "not_found",
    "out_of_credits",
    "team_limit",
    "bad_parameter",
    "retired",
    "redirect",
]

#: How the history behaves -> the rule that makes it so.
HISTORY = {"on time": None, "late": "submit:history_late:times=0,seconds=0.2"}
DOWN = "history:history_down:times=0"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch, connection: str) -> None:
    set_extra(monkeypatch, timeout=READ_TIMEOUT_S)


def strike(gateway: Emulator, fault: str, history: str = "on time") -> None:
    gateway.add_fault(f"submit:{fault}")
    if (rule := HISTORY[history]) is not None:
        gateway.add_fault(rule)


@pytest.mark.parametrize("history", HISTORY)
@pytest.mark.parametrize("fault", ACCEPTED)
def test_a_job_whose_answer_was_lost_is_adopted(gateway: Emulator, ti: TaskInstance, fault: str, history: str) -> None:
    strike(gateway, fault, history)
    report = hold(ti)
    assert report.request_id == only_job(gateway)
    assert gateway.ledger()["posts"] == 1
    assert ti.store.entry["request_id"] == report.request_id


@pytest.mark.parametrize("history", HISTORY)
@pytest.mark.parametrize("fault", NOT_ACCEPTED)
def test_a_submit_that_surely_came_to_nothing_is_sent_once_more(
    gateway: Emulator, ti: TaskInstance, fault: str, history: str
) -> None:
    strike(gateway, fault, history)
    assert hold(ti).request_id == only_job(gateway)
    assert gateway.ledger()["posts"] == 2


@pytest.mark.parametrize("fault", [*ACCEPTED, *NOT_ACCEPTED])
def test_without_a_store_the_same_holds(gateway: Emulator, fault: str) -> None:
    strike(gateway, fault)
    assert hold(TaskInstance(has_store=False)).request_id == only_job(gateway)


@pytest.mark.parametrize("fault", [*ACCEPTED, *NOT_ACCEPTED])
def test_nothing_more_is_sent_while_the_history_is_down(gateway: Emulator, ti: TaskInstance, fault: str) -> None:
    strike(gateway, fault)
    gateway.add_fault(DOWN)
    with pytest.raises(SubmitOutcomeUnknownError):
        hold(ti)
    assert gateway.ledger()["posts"] == 1
    ti.retry()
    with pytest.raises(SubmitOutcomeUnknownError):
        hold(ti)
    assert gateway.ledger()["posts"] == 1
    gateway.clear_faults()
    ti.retry()
    assert hold(ti).request_id == only_job(gateway)


@pytest.mark.parametrize("fault", REFUSED)
def test_a_refused_submit_leaves_no_doubt_behind(gateway: Emulator, ti: TaskInstance, fault: str) -> None:
    strike(gateway, fault)
    with pytest.raises(RefusedError):
        hold(ti)
    assert gateway.ledger()["accepted"] == 0
    assert ti.store.entry["phase"] == "withdrawn"
    ti.retry()
    assert hold(ti).request_id == only_job(gateway)
    assert count(gateway, "history") == 0, "there was nothing to look for"


def test_every_fault_that_fits_a_submit_is_in_one_of_the_lists() -> None:
    struck = {name: fault.get_stage("submit") for name, fault in FAULTS.items() if "submit" in fault.calls}
    fates_of_the_job = {name for name, stage in struck.items() if stage == "job"}
    told = {rule.partition(":")[0] for rule in (*ACCEPTED, *NOT_ACCEPTED, *REFUSED)}
    harmless = {"rate_limited", "foreign_status_url"}
    assert set(struck) == told | harmless | fates_of_the_job


def test_a_throttled_submit_waits_for_the_reset_and_is_sent_again(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:rate_limited:window=0.05")
    assert hold(ti).request_id == only_job(gateway)
    assert gateway.ledger()["posts"] == 2


def test_a_status_address_on_another_host_is_not_used(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:foreign_status_url")
    assert hold(ti).request_id == only_job(gateway)


def test_a_gateway_that_never_answers_is_not_asked_for_ever(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:server_error:times=0,status=502")
    with pytest.raises(SubmitOutcomeUnknownError, match="3 submits in a row had no answer"):
        hold(ti)
    assert gateway.ledger() | {"jobs": []} == {"posts": 3, "accepted": 0, "billable": 0, "billed_usd": 0, "jobs": []}


def test_the_refusal_says_what_a_person_needs_at_night(gateway: Emulator, ti: TaskInstance) -> None:
    strike(gateway, "cut_after")
    gateway.add_fault(DOWN)
    with pytest.raises(SubmitOutcomeUnknownError) as caught:
        hold(ti)
    text = str(caught.value)
    entry = ti.store.entry
    for part in (entry["model"], entry["fingerprint"], "+00:00", "may exist and be billed", "USD", "console"):
        assert part in text, f"{part!r} is missing"
    for way_on in ("request_id=", "durable=False"):
        assert way_on in text
    assert "lighthouse" not in text


def test_two_jobs_that_could_be_ours_are_both_named_in_the_log(
    gateway: Emulator, caplog: pytest.LogCaptureFixture
) -> None:
    twins = [TaskInstance(has_store=False, task_id=name) for name in ("one", "two")]
    first = hold(twins[0], seed=7)
    strike(gateway, "cut_after")
    second = hold(twins[1], seed=7)
    others = {job["request_id"] for job in gateway.ledger()["jobs"]}
    assert {first.request_id, second.request_id} <= others
    assert all(request_id in caplog.text for request_id in others)
