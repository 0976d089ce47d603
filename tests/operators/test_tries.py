"""Retry, clear and changed inputs: which of them finds the old job, and which asks for a new one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow_runtime import TaskInstance, WorkerDied, let_pass, run_task
from submits import only_job
from tasks import assert_contract, generate

from airflow_provider_runway.compat import AirflowException, AirflowFailException
from airflow_provider_runway.emulator import Emulator

pytestmark = pytest.mark.usefixtures("connection", "quick")

#: Both forms of the task, and both ways of waiting.
FORMS: dict[str, Callable[..., Any]] = {
    "submits only": partial(generate, wait_for_completion=False),
    "waits deferred": generate,
    "polls in the worker": partial(generate, deferrable=False),
}
WAITING = {name: form for name, form in FORMS.items() if name != "submits only"}


@pytest.fixture
def ti(newest_airflow: bool) -> TaskInstance:
    """The first try, on either kind of Airflow."""
    return TaskInstance(has_store=newest_airflow)


def _fails(make: Callable[[], Any], ti: TaskInstance, said: str) -> AirflowException:
    with pytest.raises(AirflowException, match=said) as caught:
        run_task(make, ti)
    return caught.value


@pytest.mark.parametrize("form", WAITING)
def test_a_retry_after_the_wait_ran_out_finds_the_job_again(gateway: Emulator, ti: TaskInstance, form: str) -> None:
    gateway.add_fault("submit:job_latency:seconds=30")
    error = _fails(partial(WAITING[form], timeout=0.1), ti, "the deadline passed")
    assert not isinstance(error, AirflowFailException)
    assert only_job(gateway) in str(error)
    let_pass(gateway, ti, 60)
    ti.retry()
    outcome = run_task(WAITING[form], ti)
    assert_contract(outcome)
    assert outcome["request_id"] == only_job(gateway)
    assert outcome["status"] == "COMPLETED"
    assert gateway.ledger()["posts"] == 1


@pytest.mark.parametrize("form", FORMS)
def test_a_retry_while_the_job_runs_waits_for_it(gateway: Emulator, ti: TaskInstance, form: str) -> None:
    gateway.add_fault("submit:job_latency:seconds=0.3")
    generate(wait_for_completion=False).execute(ti.context())
    ti.retry()
    assert run_task(FORMS[form], ti)["request_id"] == only_job(gateway)


@pytest.mark.parametrize("form", WAITING)
def test_a_retry_after_a_failed_job_submits_a_new_one(
    gateway: Emulator, ti: TaskInstance, form: str, newest_airflow: bool
) -> None:
    gateway.add_fault("submit:job_fails:error=Generation failed")
    error = _fails(WAITING[form], ti, "Generation failed. It is not billed")
    assert not isinstance(error, AirflowFailException)
    ti.retry()
    outcome = run_task(WAITING[form], ti)
    ledger = gateway.ledger()
    assert (ledger["accepted"], ledger["billable"]) == (2, 1)
    first, second = (job["body"]["seed"] for job in ledger["jobs"])
    assert outcome["seed"] == second
    if newest_airflow:
        assert first != second, "the same body might fail the same way"


@pytest.mark.parametrize("form", WAITING)
def test_a_content_block_is_final_and_is_not_retried(gateway: Emulator, ti: TaskInstance, form: str) -> None:
    blocked = partial(WAITING[form], prompt_text="something forbidden")
    assert isinstance(_fails(blocked, ti, "It is not billed"), AirflowFailException)


def test_a_burned_retry_after_a_content_block_sends_nothing(gateway: Emulator) -> None:
    ti = TaskInstance()
    blocked = partial(generate, prompt_text="something forbidden")
    _fails(blocked, ti, "Content blocked")
    ti.retry()
    error = _fails(blocked, ti, "change them")
    assert isinstance(error, AirflowFailException)
    assert gateway.ledger()["posts"] == 1


def test_a_clear_after_a_content_block_tries_once_more(gateway: Emulator) -> None:
    ti = TaskInstance()
    gateway.add_fault("submit:content_block")
    _fails(generate, ti, "Content blocked")
    ti.clear()
    assert run_task(generate, ti)["status"] == "COMPLETED"


@pytest.mark.parametrize("form", FORMS)
def test_a_clear_after_a_success_makes_a_new_job(gateway: Emulator, form: str) -> None:
    ti = TaskInstance()
    first = run_task(FORMS[form], ti)
    ti.clear(run_finished=True)
    second = run_task(FORMS[form], ti)
    assert second["request_id"] != first["request_id"]
    assert second["seed"] != first["seed"]
    assert gateway.ledger()["billable"] == 2


def test_a_retry_after_that_clear_does_not_make_a_third(gateway: Emulator) -> None:
    ti = TaskInstance()
    run_task(generate, ti)
    ti.clear()
    ti.store.crash_at = {ti.store.writes + 3}  # intent, id, and then the delivery
    with pytest.raises(WorkerDied):
        run_task(generate, ti)
    ti.retry()
    run_task(generate, ti)
    assert gateway.ledger()["billable"] == 2


def test_without_a_store_a_clear_gives_the_job_that_is_paid_for(gateway: Emulator) -> None:
    """Nothing tells there whether the job was delivered; a clear of a finished run moves the run's start, too."""
    ti = TaskInstance(has_store=False)
    first = run_task(generate, ti)
    let_pass(gateway, ti, 1000)
    ti.clear(run_finished=True)
    assert run_task(generate, ti)["request_id"] == first["request_id"]
    assert gateway.ledger()["posts"] == 1


@pytest.mark.parametrize("run_finished", [True, False], ids=["of a finished run", "of a living run"])
def test_a_clear_after_the_wait_ran_out_finds_the_job_again(
    gateway: Emulator, ti: TaskInstance, run_finished: bool
) -> None:
    gateway.add_fault("submit:job_latency:seconds=30")
    _fails(partial(generate, timeout=0.1), ti, "the deadline passed")
    let_pass(gateway, ti, 1000)
    ti.clear(run_finished=run_finished)
    assert run_task(generate, ti)["request_id"] == only_job(gateway)
    assert gateway.ledger()["posts"] == 1


def test_a_clear_while_the_task_runs_finds_the_job_again(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:job_latency:seconds=0.3")
    with pytest.raises(TaskDeferred):
        generate().execute(ti.context())
    ti.clear_while_running()
    assert run_task(generate, ti)["request_id"] == only_job(gateway)


def test_a_clear_while_the_task_is_deferred_finds_the_job_again(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:job_latency:seconds=0.3")
    with pytest.raises(TaskDeferred):
        generate().execute(ti.context())
    ti.clear()
    assert run_task(generate, ti)["request_id"] == only_job(gateway)


@pytest.mark.parametrize("form", FORMS)
def test_a_changed_prompt_makes_a_new_job(gateway: Emulator, form: str, said: Callable[[], str]) -> None:
    ti = TaskInstance()
    first = run_task(FORMS[form], ti)
    ti.retry()
    second = run_task(partial(FORMS[form], prompt_text="another prompt"), ti)
    assert second["request_id"] != first["request_id"]
    line = next(line for line in said().splitlines() if "the inputs changed since the last job" in line)
    assert first["request_id"] in line


def test_a_changed_prompt_after_a_lost_answer_makes_a_new_job(gateway: Emulator) -> None:
    ti = TaskInstance()
    gateway.add_fault("submit:cut_after")
    gateway.add_fault("history:history_down:times=0")
    assert isinstance(_fails(generate, ti, "may exist and be billed"), AirflowFailException)
    ti.clear()
    assert run_task(partial(generate, prompt_text="another prompt"), ti)["status"] == "COMPLETED"
    assert gateway.ledger()["posts"] == 2


def test_a_lost_id_that_the_author_names_ends_the_doubt(gateway: Emulator) -> None:
    """As the refusal advises: look it up in the console, set request_id, run the task again."""
    ti = TaskInstance()
    gateway.add_fault("submit:cut_after")
    gateway.add_fault("history:history_down:times=0")
    _fails(generate, ti, "may exist and be billed")
    ti.clear()
    assert run_task(partial(generate, request_id=only_job(gateway)), ti)["status"] == "COMPLETED"
    ti.retry()
    assert run_task(generate, ti)["request_id"] == only_job(gateway)
    ti.clear()
    run_task(generate, ti)
    assert gateway.ledger()["billable"] == 2, "a clear after the delivery asks for a new job"


@pytest.mark.parametrize("form", WAITING)
def test_a_job_whose_record_expired_is_delivered_from_the_history(
    gateway: Emulator, ti: TaskInstance, form: str
) -> None:
    generate(wait_for_completion=False).execute(ti.context())
    let_pass(gateway, ti, 7200)
    ti.retry()
    outcome = run_task(WAITING[form], ti)
    assert_contract(outcome)
    assert outcome["output_url"] == gateway.ledger()["jobs"][0]["output_url"]
    assert (outcome["cost"], gateway.ledger()["posts"]) == (0.5, 1)


def test_a_job_that_is_gone_everywhere_is_not_paid_for_again(gateway: Emulator) -> None:
    ti = TaskInstance()
    request_id = generate(wait_for_completion=False).execute(ti.context())["request_id"]
    ti.retry()
    gateway.expire()
    gateway.add_fault("history_one:not_found:times=0")
    error = _fails(generate, ti, "no record of it")
    assert isinstance(error, AirflowFailException)
    assert request_id in str(error)
    assert gateway.ledger()["posts"] == 1


def test_a_job_that_completed_without_an_output_is_not_paid_for_again(gateway: Emulator) -> None:
    ti = TaskInstance()
    gateway.add_fault("submit:lost_output")
    for _ in range(2):
        error = _fails(generate, ti, "completed without an output")
        assert isinstance(error, AirflowFailException)
        ti.retry()
    assert gateway.ledger()["posts"] == 1


def test_without_durability_a_retry_pays_again(gateway: Emulator, newest_airflow: bool) -> None:
    ti = TaskInstance(has_store=newest_airflow)
    make = partial(generate, wait_for_completion=False, durable=False)
    make().execute(ti.context())
    ti.retry()
    make().execute(ti.context())
    assert gateway.ledger()["billable"] == 2
    assert ti.store.values == {}
