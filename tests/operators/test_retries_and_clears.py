"""Which retry, clear or change of inputs resumes the old job, and which submits a new one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow_runtime import TaskInstance, advance_time, run_task
from submits import get_only_job_id
from tasks import assert_contract, make_operator

from airflow_provider_runway.compat import AirflowException, AirflowFailException
from airflow_provider_runway.emulator import Emulator

pytestmark = pytest.mark.usefixtures("connection", "quick")

submit_only = partial(make_operator, wait_for_completion=False)
poll_in_worker = partial(make_operator, deferrable=False)
FORMS = pytest.mark.parametrize(
    "make",
    [
        pytest.param(submit_only, id="submits only"),
        pytest.param(make_operator, id="deferrable"),
        pytest.param(poll_in_worker, id="polls in the worker"),
    ],
)


@pytest.fixture
def ti(has_state_store: bool) -> TaskInstance:
    """The first try, on either kind of Airflow."""
    return TaskInstance(has_store=has_state_store)


def run_failing(make: Callable[[], Any], ti: TaskInstance, match: str) -> AirflowException:
    """Run the task, which fails, and return its error."""
    with pytest.raises(AirflowException, match=match) as caught:
        run_task(make, ti)
    return caught.value


@pytest.mark.parametrize("make", [make_operator, poll_in_worker], ids=["deferrable", "polls in the worker"])
def test_a_retry_after_a_timeout_resumes_the_job(gateway: Emulator, ti: TaskInstance, make: Callable[..., Any]) -> None:
    gateway.add_fault("submit:job_latency:seconds=30")
    error = run_failing(partial(make, timeout=0.1), ti, "the deadline passed")
    assert not isinstance(error, AirflowFailException)
    assert get_only_job_id(gateway) in str(error)
    advance_time(gateway, ti, 60)
    ti.retry()
    result = run_task(make, ti)
    assert_contract(result)
    assert (result["request_id"], result["status"]) == (get_only_job_id(gateway), "COMPLETED")
    assert gateway.ledger()["posts"] == 1


@FORMS
def test_a_retry_while_the_job_runs_resumes_it(gateway: Emulator, make: Callable[..., Any]) -> None:
    ti = TaskInstance()
    gateway.add_fault("submit:job_latency:seconds=0.3")
    submit_only().execute(ti.context())
    ti.retry()
    assert run_task(make, ti)["request_id"] == get_only_job_id(gateway)


def test_a_retry_after_a_failed_job_submits_a_new_one(
    gateway: Emulator, ti: TaskInstance, has_state_store: bool
) -> None:
    gateway.add_fault("submit:job_fails:error=Generation failed")
    error = run_failing(make_operator, ti, "Generation failed")
    assert not isinstance(error, AirflowFailException)
    ti.retry()
    result = run_task(make_operator, ti)
    ledger = gateway.ledger()
    assert (ledger["accepted"], ledger["billable"]) == (2, 1)
    first, second = (job["body"]["seed"] for job in ledger["jobs"])
    assert result["seed"] == second
    assert (first != second) is has_state_store, "without a store both tries have the same generation"


def test_a_content_block_is_final_and_a_burned_retry_sends_nothing(gateway: Emulator) -> None:
    ti = TaskInstance()
    blocked = partial(make_operator, prompt_text="something forbidden")
    for _ in range(2):
        assert isinstance(run_failing(blocked, ti, "Content blocked"), AirflowFailException)
        ti.retry()
    assert gateway.ledger()["posts"] == 1


def test_a_clear_after_a_content_block_submits_once_more(gateway: Emulator) -> None:
    ti = TaskInstance()
    gateway.add_fault("submit:content_block")
    run_failing(make_operator, ti, "Content blocked")
    ti.clear()
    assert run_task(make_operator, ti)["status"] == "COMPLETED"


@FORMS
def test_a_clear_after_a_success_submits_a_new_job_once(gateway: Emulator, make: Callable[..., Any]) -> None:
    ti = TaskInstance()
    first = run_task(make, ti)
    ti.clear(run_finished=True)
    second = run_task(make, ti)
    assert (second["request_id"], second["seed"]) != (first["request_id"], first["seed"])
    ti.retry()
    assert run_task(make, ti)["request_id"] == second["request_id"]
    assert gateway.ledger()["billable"] == 2


def test_without_a_store_a_clear_finds_the_job_that_is_paid_for(gateway: Emulator) -> None:
    """Nothing there records a delivery, and clearing a finished run moves the run's start date."""
    ti = TaskInstance(has_store=False)
    first = run_task(make_operator, ti)
    advance_time(gateway, ti, 1000)
    ti.clear(run_finished=True)
    assert run_task(make_operator, ti)["request_id"] == first["request_id"]
    assert gateway.ledger()["posts"] == 1


@pytest.mark.parametrize("run_finished", [True, False], ids=["finished run", "running run"])
def test_a_clear_after_a_timeout_resumes_the_job(gateway: Emulator, ti: TaskInstance, run_finished: bool) -> None:
    gateway.add_fault("submit:job_latency:seconds=30")
    run_failing(partial(make_operator, timeout=0.1), ti, "the deadline passed")
    advance_time(gateway, ti, 1000)
    ti.clear(run_finished=run_finished)
    assert run_task(make_operator, ti)["request_id"] == get_only_job_id(gateway)
    assert gateway.ledger()["posts"] == 1


@pytest.mark.parametrize("clear", [TaskInstance.clear, TaskInstance.clear_while_running], ids=["deferred", "running"])
def test_a_clear_of_a_task_that_has_not_ended_resumes_the_job(
    gateway: Emulator, ti: TaskInstance, clear: Callable[[TaskInstance], None]
) -> None:
    gateway.add_fault("submit:job_latency:seconds=0.3")
    with pytest.raises(TaskDeferred):
        make_operator().execute(ti.context())
    clear(ti)
    assert run_task(make_operator, ti)["request_id"] == get_only_job_id(gateway)


def test_changed_inputs_after_a_clear_submit_a_new_job_and_the_log_says_why(
    gateway: Emulator, logged: Callable[[], str]
) -> None:
    ti = TaskInstance()
    gateway.add_fault("submit:job_latency:seconds=30")
    run_failing(partial(make_operator, timeout=0.1), ti, "the deadline passed")
    first_id = get_only_job_id(gateway)
    ti.clear()
    second = run_task(partial(make_operator, prompt_text="another prompt"), ti)
    assert second["request_id"] != first_id
    (line,) = [line for line in logged().splitlines() if "its inputs changed" in line]
    assert first_id in line


@FORMS
def test_changed_inputs_on_a_retry_resume_the_job(
    gateway: Emulator, make: Callable[..., Any], logged: Callable[[], str]
) -> None:
    """As a presigned URL or a time in the prompt changes them."""
    ti = TaskInstance()
    submit_only().execute(ti.context())
    ti.retry()
    assert run_task(partial(make, prompt_text="another prompt"), ti)["request_id"] == get_only_job_id(gateway)
    assert "The inputs changed since the earlier try submitted" in logged()


def test_a_lost_job_that_the_author_names_is_delivered(gateway: Emulator) -> None:
    """As the refusal advises: find the job in the console, set request_id, and run the task again."""
    ti = TaskInstance()
    gateway.add_fault("submit:cut_after")
    gateway.add_fault("history:history_down:times=0")
    run_failing(make_operator, ti, "may exist and be billed")
    ti.clear()
    named = partial(make_operator, request_id=get_only_job_id(gateway))
    assert run_task(named, ti)["status"] == "COMPLETED"
    gateway.clear_faults()
    ti.retry()
    assert run_task(make_operator, ti)["request_id"] == get_only_job_id(gateway)
    ti.clear()
    run_task(make_operator, ti)
    assert gateway.ledger()["billable"] == 2, "a clear after the delivery asks for a new job"


def test_a_job_whose_record_expired_is_delivered_from_the_history(gateway: Emulator, ti: TaskInstance) -> None:
    submit_only().execute(ti.context())
    advance_time(gateway, ti, 7200)
    ti.retry()
    result = run_task(make_operator, ti)
    assert_contract(result)
    assert result["output_url"] == gateway.ledger()["jobs"][0]["output_url"]
    assert (result["cost"], gateway.ledger()["posts"]) == (0.5, 1)


def test_a_job_that_is_gone_everywhere_is_paid_for_again_only_on_request(
    gateway: Emulator, logged: Callable[[], str]
) -> None:
    ti = TaskInstance()
    with pytest.raises(TaskDeferred):
        make_operator().execute(ti.context())
    request_id = get_only_job_id(gateway)
    gateway.expire()
    gateway.add_fault("history_one:not_found:times=0")
    for prepare, policy in ((ti.retry, "fail"), (ti.retry, "resubmit"), (ti.clear, "fail")):
        prepare()
        error = run_failing(partial(make_operator, on_orphaned_intent=policy), ti, "no record")
        assert isinstance(error, AirflowFailException)
        assert request_id in str(error)
        assert 'set on_orphaned_intent="resubmit"' in logged()
    assert gateway.ledger()["posts"] == 1
    ti.clear()
    assert run_task(partial(submit_only, on_orphaned_intent="resubmit"), ti)["request_id"] != request_id
    assert gateway.ledger()["posts"] == 2


def test_a_job_that_completed_without_an_output_is_not_paid_for_again(gateway: Emulator) -> None:
    ti = TaskInstance()
    gateway.add_fault("submit:lost_output")
    for _ in range(2):
        assert isinstance(run_failing(make_operator, ti, "completed without an output"), AirflowFailException)
        ti.retry()
    assert gateway.ledger()["posts"] == 1


def test_a_task_that_is_not_durable_pays_again_on_a_retry(gateway: Emulator, ti: TaskInstance) -> None:
    make = partial(submit_only, durable=False)
    make().execute(ti.context())
    ti.retry()
    make().execute(ti.context())
    assert gateway.ledger()["billable"] == 2
    assert ti.store.values == {}
