"""Whatever becomes of a submit's response, one request is one billable job: counted in the emulator's ledger."""

from __future__ import annotations

import pytest
from airflow_runtime import PROMPT, TaskInstance
from submits import (
    READ_TIMEOUT_S,
    count_own_posts,
    count_requests,
    get_only_job_id,
    list_own_jobs,
    set_connection_extra,
    submit_or_resume,
)

from airflow_provider_runway.airflow_errors import may_retry_task
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.emulator.fault_kinds import FAULTS
from airflow_provider_runway.exceptions import NoUsableResponseError, RefusedError, SubmitOutcomeUnknownError

pytestmark = pytest.mark.usefixtures("connection", "quick")

#: The gateway accepted the job, and the response does not say so.
ACCEPTED = [
    "cut_after",
    "error_after_accept:status=500",
    "error_after_accept:status=504",
    "html_200",
    "empty_body",
    *(f"nonsense_json:body={body}" for body in FAULTS["nonsense_json"].params["body"]),
    "cut_body",
    "missing_request_id",
    "slow:seconds=0.8,accept=before",
    # The job comes into being only after the client has given up waiting.
    "slow:seconds=0.55,accept=after",
]
#: Nothing was accepted, and the response does not prove it.
NOT_ACCEPTED = [
    "cut_before",
    "server_error:status=500",
    "server_error:status=503",
    "html_200:accepted=false",
    "redirect",
]
#: Nothing was accepted, and the response says so.
REFUSED = ["refuse_auth", "forbidden", "not_found", "out_of_credits", "team_limit", "bad_parameter", "retired"]
#: Faults that leave the response as it is.
HARMLESS = {"rate_limited", "foreign_status_url", "drip"}
#: Walked with its statuses by a test of its own.
ELSEWHERE = {"proxy_status"}

HISTORY_DOWN = "history:history_down:times=0"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch, short_timeouts: None) -> None:
    set_connection_extra(monkeypatch, timeout=[0.3, READ_TIMEOUT_S])


@pytest.mark.parametrize("fault", ACCEPTED)
def test_a_job_whose_response_was_lost_is_adopted(gateway: Emulator, ti: TaskInstance, fault: str) -> None:
    gateway.add_fault(f"submit:{fault}")
    job = submit_or_resume(ti)
    assert job.request_id == get_only_job_id(gateway)
    assert count_own_posts(gateway) == 1
    assert ti.store.entry["request_id"] == job.request_id


@pytest.mark.parametrize(
    ("status", "body"),
    [
        *((status, "json") for status in (302, 408, 409, 425, 499, 500, 502, 503, 504)),
        *((status, "html") for status in (200, 400, 403, 404, 422)),
        (401, "empty"),
    ],
)
def test_a_status_that_a_proxy_can_send_proves_nothing(
    gateway: Emulator, ti: TaskInstance, status: int, body: str
) -> None:
    gateway.add_fault(f"submit:proxy_status:status={status},body={body}")
    assert submit_or_resume(ti).request_id == get_only_job_id(gateway)
    assert count_own_posts(gateway) == 1


def test_a_job_whose_history_row_is_late_is_adopted(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:cut_after")
    gateway.add_fault("submit:history_late:times=0,seconds=0.2")
    assert submit_or_resume(ti).request_id == get_only_job_id(gateway)


@pytest.mark.parametrize("fault", NOT_ACCEPTED)
def test_a_submit_that_was_surely_not_accepted_is_sent_once_more(
    gateway: Emulator, ti: TaskInstance, fault: str
) -> None:
    gateway.add_fault(f"submit:{fault}")
    assert submit_or_resume(ti).request_id == get_only_job_id(gateway)
    assert count_own_posts(gateway) == 2


@pytest.mark.parametrize("fault", ["cut_after", "cut_before", "slow:seconds=0.55,accept=after"])
def test_the_same_holds_without_a_journal(gateway: Emulator, fault: str) -> None:
    gateway.add_fault(f"submit:{fault}")
    assert submit_or_resume(TaskInstance(has_store=False)).request_id == get_only_job_id(gateway)


@pytest.mark.parametrize("fault", ["cut_after", "cut_before"])
def test_nothing_more_is_sent_while_the_history_is_down(gateway: Emulator, ti: TaskInstance, fault: str) -> None:
    gateway.add_fault(f"submit:{fault}")
    gateway.add_fault(HISTORY_DOWN)
    for _ in range(2):
        with pytest.raises(SubmitOutcomeUnknownError):
            submit_or_resume(ti)
        assert count_own_posts(gateway) == 1
        ti.retry()
    gateway.clear_faults()
    assert submit_or_resume(ti).request_id == get_only_job_id(gateway)


def test_an_account_whose_history_shows_nothing_proves_nothing(
    ti: TaskInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Emulator(time_scale=0.001) as empty:
        set_connection_extra(
            monkeypatch, {"host": empty.url, "password": empty.test_key}, history_url=empty.history_url
        )
        empty.add_fault("submit:cut_before")
        with pytest.raises(SubmitOutcomeUnknownError, match="no complete row of this account at all"):
            submit_or_resume(ti)
        assert count_own_posts(empty) == 1


@pytest.mark.parametrize("fault", REFUSED)
def test_a_refused_submit_leaves_no_doubt_behind(gateway: Emulator, ti: TaskInstance, fault: str) -> None:
    gateway.add_fault(f"submit:{fault}")
    with pytest.raises(RefusedError):
        submit_or_resume(ti)
    assert list_own_jobs(gateway) == []
    assert ti.store.entry["phase"] == "withdrawn"
    ti.retry()
    assert submit_or_resume(ti).request_id == get_only_job_id(gateway)
    assert count_requests(gateway, "history") == 0, "there was nothing to look for"


def test_every_fault_that_fits_a_submit_is_in_one_of_the_lists() -> None:
    of_the_response = {
        name for name, fault in FAULTS.items() if "submit" in fault.calls and "submit" not in fault.job_calls
    }
    of_the_job = {
        "lost_output",
        "output_shape",
        "job_fails",
        "content_block",
        "job_sticks",
        "job_latency",
        "history_late",
    }
    listed = {rule.partition(":")[0] for rule in (*ACCEPTED, *NOT_ACCEPTED, *REFUSED)}
    assert of_the_response - of_the_job <= listed | HARMLESS | ELSEWHERE


def test_a_throttled_submit_waits_for_the_reset_and_is_sent_again(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:rate_limited:window=0.05")
    assert submit_or_resume(ti).request_id == get_only_job_id(gateway)
    assert count_own_posts(gateway) == 2


def test_a_status_address_on_another_host_is_not_used(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:foreign_status_url")
    assert submit_or_resume(ti).request_id == get_only_job_id(gateway)


@pytest.mark.parametrize("has_store", [True, False], ids=["with a journal", "without one"])
def test_a_second_submit_without_a_response_ends_the_try(gateway: Emulator, has_store: bool) -> None:
    gateway.add_fault("submit:server_error:times=0,status=502")
    with pytest.raises(NoUsableResponseError, match="2 submits of this try had no usable response") as caught:
        submit_or_resume(TaskInstance(has_store=has_store))
    assert may_retry_task(caught.value)
    assert count_own_posts(gateway) == 2
    assert list_own_jobs(gateway) == []


@pytest.mark.parametrize("second", ["submit:server_error:status=502", "submit:cut_after"], ids=["refused", "accepted"])
def test_the_try_after_two_submits_without_a_response_pays_at_most_once(
    gateway: Emulator, ti: TaskInstance, second: str
) -> None:
    gateway.add_fault("submit:server_error:status=502")
    gateway.add_fault(second)
    with pytest.raises(NoUsableResponseError, match="2 submits of this try"):
        submit_or_resume(ti)
    ti.retry()
    assert submit_or_resume(ti).request_id == get_only_job_id(gateway)


def test_the_refusal_says_what_may_be_billed_and_how_to_go_on(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:cut_after")
    gateway.add_fault(HISTORY_DOWN)
    with pytest.raises(SubmitOutcomeUnknownError) as caught:
        submit_or_resume(ti)
    text = str(caught.value)
    for part in (ti.store.entry["model"], ti.store.entry["fingerprint"], "+00:00", "USD", "console"):
        assert part in text, f"{part!r} is missing"
    for way in ('request_id="…"', 'on_orphaned_intent="resubmit"', '{"on_orphaned_intent": "resubmit"}', "until"):
        assert way in text
    assert PROMPT not in text


def test_a_person_who_looked_can_have_the_job_submitted_again(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:cut_before")
    gateway.add_fault(HISTORY_DOWN)
    with pytest.raises(SubmitOutcomeUnknownError):
        submit_or_resume(ti)
    ti.clear()
    assert submit_or_resume(ti, on_orphaned_intent="resubmit").request_id == get_only_job_id(gateway)
    assert count_own_posts(gateway) == 2


def test_who_wants_to_pay_again_still_gets_the_job_that_can_be_found(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:cut_after")
    assert submit_or_resume(ti, on_orphaned_intent="resubmit").request_id == get_only_job_id(gateway)
    assert count_own_posts(gateway) == 1
