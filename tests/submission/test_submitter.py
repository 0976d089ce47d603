"""One job a task instance: with an emptied store, a store that fails, two tries at once, wrong clocks, and files."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow_runtime import StateStore, TaskInstance, run_task
from submits import (
    add_neighbour,
    count_own_posts,
    get_only_job_id,
    list_own_billable_ids,
    list_own_jobs,
    set_connection_extra,
    submit_or_resume,
)
from tasks import make_operator

from airflow_provider_runway.compat import AirflowException
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.exceptions import (
    BadInputError,
    HistoryNotSettledError,
    NoUsableResponseError,
    SubmitOutcomeUnknownError,
)
from airflow_provider_runway.hooks.runway import RunwayHook
from airflow_provider_runway.inputs.build_request import build_request
from airflow_provider_runway.segmind import timing
from airflow_provider_runway.segmind.timing import get_timing
from airflow_provider_runway.submission.decision import decide
from airflow_provider_runway.submission.journal import KEY
from airflow_provider_runway.submission.submitter import Submitter
from airflow_provider_runway.task_context import TaskContext

pytestmark = pytest.mark.usefixtures("connection", "quick")

LOG = logging.getLogger("tests.submission")


class FailingStore(StateStore):
    """A store that refuses to write entries of some phases, or to read."""

    def __init__(self, *phases: str, can_read: bool = True) -> None:
        super().__init__()
        self.phases = phases
        self.can_read = can_read

    def get(self, key: str, default: Any = None) -> Any:
        if not self.can_read:
            raise ConnectionError("the store is down")
        return super().get(key, default)

    def set(self, key: str, value: Any) -> None:
        if value["phase"] in self.phases:
            raise ConnectionError("the store is full")
        super().set(key, value)


def retry(ti: TaskInstance) -> None:
    ti.retry()


def clear(ti: TaskInstance) -> None:
    ti.clear()


def clear_finished_run(ti: TaskInstance) -> None:
    ti.clear(run_finished=True)


@pytest.mark.parametrize("what_follows", [retry, clear, clear_finished_run, TaskInstance.clear_while_running])
@pytest.mark.parametrize("fault", ["", "submit:cut_after"], ids=["submitted", "response lost"])
def test_a_store_that_was_emptied_never_pays_twice(
    gateway: Emulator, ti: TaskInstance, what_follows: Callable[[TaskInstance], None], fault: str
) -> None:
    """As Airflow 3.4 does with a clear."""
    if fault:
        gateway.add_fault(fault)
    first = submit_or_resume(ti, deliver=True)
    for _ in range(3):
        ti.store.values.clear()
        what_follows(ti)
        assert submit_or_resume(ti).request_id == first.request_id
    assert list_own_billable_ids(gateway) == [first.request_id]


def test_after_an_emptied_store_a_job_that_failed_is_submitted_again(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:job_fails")
    submit_or_resume(ti)
    gateway.advance(60)
    ti.store.values.clear()
    ti.retry()
    job = submit_or_resume(ti)
    assert list_own_billable_ids(gateway) == [job.request_id]
    assert len(list_own_jobs(gateway)) == 2


def test_the_first_try_writes_down_that_nothing_was_sent_so_that_a_retry_need_not_ask(
    gateway: Emulator, ti: TaskInstance
) -> None:
    with pytest.raises(BadInputError):
        submit_or_resume(ti, prompt_text="")
    ti.retry()
    submit_or_resume(ti)
    assert [request["call"] for request in gateway.http_requests()].count("history") == 0


def test_an_entry_that_cannot_be_read_is_not_taken_for_an_empty_journal(gateway: Emulator, ti: TaskInstance) -> None:
    first = submit_or_resume(ti)
    ti.store.set(KEY, {"phase": "of another release"})
    assert submit_or_resume(ti).request_id == first.request_id
    assert count_own_posts(gateway) == 1


def test_without_a_store_that_can_be_read_nothing_is_sent(gateway: Emulator) -> None:
    ti = TaskInstance(store=FailingStore(can_read=False))
    with pytest.raises(NoUsableResponseError, match="Nothing was sent"):
        submit_or_resume(ti)
    assert count_own_posts(gateway) == 0


def test_without_a_written_intent_nothing_is_sent(gateway: Emulator) -> None:
    with pytest.raises(NoUsableResponseError, match="the store is full"):
        submit_or_resume(TaskInstance(store=FailingStore("intent")))
    assert count_own_posts(gateway) == 0


@pytest.mark.parametrize("phase", ["submitted", "delivered"])
def test_a_store_that_refuses_a_write_loses_nothing_that_the_log_does_not_name(
    gateway: Emulator, phase: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ti = TaskInstance(store=FailingStore(phase))
    job = submit_or_resume(ti, deliver=True)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert any(job.request_id in line for line in warnings)
    ti.retry()
    assert submit_or_resume(ti).request_id == job.request_id
    assert list_own_billable_ids(gateway) == [job.request_id]


def test_the_id_is_logged_before_the_journal_is_written(
    gateway: Emulator, ti: TaskInstance, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    ti.store.crash_at = {3}
    with pytest.raises(BaseException, match="write 3"):
        submit_or_resume(ti)
    assert f"Job {get_only_job_id(gateway)}: submitted" in caplog.text


def test_a_try_whose_successor_has_written_sends_nothing_more(gateway: Emulator, ti: TaskInstance) -> None:
    earlier = TaskContext.from_airflow(ti.context())
    with RunwayHook() as hook:
        request = _build_request(hook, earlier)
        stopped = Submitter(hook, earlier.attempt, LOG)
        stopped.record_start()
        known_before = stopped._read_journal(request)
        assert known_before.journal.value == "not accepted"
        ti.retry()
        job = submit_or_resume(ti)
        with pytest.raises(NoUsableResponseError, match="Another try of this task has written"):
            stopped._submit(request, decide(known_before))
    assert ti.store.entry["request_id"] == job.request_id
    assert list_own_billable_ids(gateway) == [job.request_id]


def test_a_task_that_waits_for_the_history_holds_no_worker_slot(gateway: Emulator, ti: TaskInstance) -> None:
    gateway.add_fault("submit:cut_before")
    with pytest.raises(TaskDeferred) as deferred:
        make_operator().execute(ti.context())
    assert deferred.value.method_name == "submit_again"
    assert "lighthouse" not in json.dumps(deferred.value.kwargs)


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize("fault", ["cut_before", "cut_after"])
def test_operators_with_and_without_a_store_end_with_one_job(
    gateway: Emulator, has_state_store: bool, deferrable: bool, fault: str
) -> None:
    gateway.add_fault(f"submit:{fault}")
    ti = TaskInstance(has_store=has_state_store)
    result = run_task(lambda: make_operator(deferrable=deferrable), ti)
    assert result["request_id"] == get_only_job_id(gateway)


@pytest.mark.parametrize("deferrable", [True, False])
@pytest.mark.parametrize("durable", [True, False])
def test_without_a_journal_a_try_that_waits_for_the_history_remembers_its_own_submit(
    gateway: Emulator, deferrable: bool, durable: bool
) -> None:
    gateway.add_fault("submit:cut_after")
    gateway.add_fault("submit:history_late:times=0,seconds=0.4")
    ti = TaskInstance(has_store=False)
    result = run_task(lambda: make_operator(deferrable=deferrable, durable=durable), ti)
    assert result["request_id"] == get_only_job_id(gateway)


def test_without_a_journal_the_deferral_carries_what_is_known(gateway: Emulator) -> None:
    ti = TaskInstance(has_store=False)
    gateway.add_fault("submit:cut_before")
    with pytest.raises(TaskDeferred) as deferred:
        make_operator().execute(ti.context())
    entry = deferred.value.kwargs["journal_entry"]
    assert (entry["phase"], entry["unanswered_submits"]) == ("intent", 1)


@pytest.mark.parametrize("offset_s", [-300.0, 300.0])
@pytest.mark.parametrize("fault", ["cut_after", "cut_before"])
def test_clocks_that_are_five_minutes_off_do_no_harm(
    ti: TaskInstance, monkeypatch: pytest.MonkeyPatch, offset_s: float, fault: str
) -> None:
    with Emulator(time_scale=0.001, clock_offset=offset_s) as gateway:
        add_neighbour(gateway)
        set_connection_extra(
            monkeypatch, {"host": gateway.url, "password": gateway.test_key}, history_url=gateway.history_url
        )
        gateway.add_fault(f"submit:{fault}")
        assert submit_or_resume(ti).request_id == get_only_job_id(gateway)
        assert count_own_posts(gateway) == (1 if fault == "cut_after" else 2)


class TestJournalFiles:
    """With ``[runway] journal_path`` every Airflow keeps the promise exactly."""

    @pytest.fixture(autouse=True)
    def folder(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        monkeypatch.setenv("AIRFLOW__RUNWAY__JOURNAL_PATH", str(tmp_path / "journal"))
        return tmp_path / "journal"

    @pytest.fixture
    def ti(self, has_state_store: bool) -> TaskInstance:
        return TaskInstance(has_store=has_state_store)

    def test_the_files_win_over_the_task_state_store(self, ti: TaskInstance, folder: Path) -> None:
        job = submit_or_resume(ti)
        (path,) = folder.iterdir()
        assert json.loads(path.read_text())[KEY]["request_id"] == job.request_id
        assert ti.store.values == {}

    def test_a_retry_finds_the_job_without_the_history(self, gateway: Emulator, ti: TaskInstance) -> None:
        first = submit_or_resume(ti)
        ti.retry()
        assert submit_or_resume(ti).request_id == first.request_id
        assert [request["call"] for request in gateway.http_requests()].count("history") == 0

    def test_a_clear_of_a_failed_task_resumes_and_one_of_a_delivered_task_makes_a_new_job(
        self, gateway: Emulator, ti: TaskInstance
    ) -> None:
        first = submit_or_resume(ti)
        ti.clear()
        assert submit_or_resume(ti, deliver=True).request_id == first.request_id
        ti.clear(run_finished=True)
        second = submit_or_resume(ti, deliver=True)
        assert list_own_billable_ids(gateway) == [first.request_id, second.request_id]

    def test_a_retry_after_a_failed_job_submits_at_once(self, gateway: Emulator, ti: TaskInstance) -> None:
        gateway.add_fault("submit:job_fails")
        submit_or_resume(ti)
        gateway.advance(60)
        ti.retry()
        job = submit_or_resume(ti)
        assert list_own_billable_ids(gateway) == [job.request_id]

    def test_a_folder_that_cannot_be_written_ends_the_task_before_the_submit(
        self, gateway: Emulator, ti: TaskInstance, folder: Path
    ) -> None:
        folder.write_text("a file where the folder should be")
        with pytest.raises(NoUsableResponseError, match="journal"):
            submit_or_resume(ti)
        assert count_own_posts(gateway) == 0


def test_an_orphan_policy_that_is_none_is_refused_before_anything_is_sent(gateway: Emulator, ti: TaskInstance) -> None:
    with pytest.raises(AirflowException, match='allowed: "fail", "resubmit"'):
        make_operator(on_orphaned_intent="perhaps").execute(ti.context())
    assert count_own_posts(gateway) == 0


def test_resubmit_pays_again_only_where_the_history_cannot_tell(
    gateway: Emulator, ti: TaskInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.add_fault("submit:cut_after")
    gateway.add_fault("history:history_down:times=0")
    with pytest.raises(SubmitOutcomeUnknownError):
        submit_or_resume(ti)
    ti.clear()
    submit_or_resume(ti, on_orphaned_intent="resubmit")
    first, second = (job["body"]["seed"] for job in list_own_jobs(gateway))
    assert first != second, "the author must be able to tell the two jobs apart"


def test_an_intent_of_a_living_try_is_not_judged_before_it_has_expired(
    gateway: Emulator, ti: TaskInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where the history refuses to respond at all, which would else be final."""
    monkeypatch.setattr(timing, "_current", replace(get_timing(), intent_margin_s=30.0))
    ti.store.crash_at = {3}
    with pytest.raises(BaseException, match="write 3"):
        submit_or_resume(ti)
    gateway.add_fault("history:forbidden:times=0")
    ti.retry()
    task = TaskContext.from_airflow(ti.context())
    began = time.time()
    with RunwayHook() as hook, pytest.raises(HistoryNotSettledError, match=r"[^.]\. Nothing is sent before") as caught:
        Submitter(hook, task.attempt, LOG, on_orphaned_intent="resubmit").submit_or_resume(_build_request(hook, task))
    assert caught.value.retry_at > began
    assert count_own_posts(gateway) == 1


def _build_request(hook: RunwayHook, task: TaskContext) -> Any:
    arguments = {"prompt_text": "a lighthouse", "prompt_image": "https://pictures.example/1.png", "duration": 5}
    return build_request(
        hook,
        task.identity,
        task.make_shared_upload_cache(),
        model="runway-gen3-alphaturbo",
        arguments=arguments,
        extra=None,
    )
