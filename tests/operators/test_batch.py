"""Many jobs in one task: waves, results, retries and clears, against the emulator's ledger."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow_runtime import TaskInstance, resume, run_task, run_trigger
from batches import find_wrong_rows, make_batch, make_rows, read_table
from submits import list_own_billable_ids, set_connection_extra

from airflow_provider_runway.batch.results import RowStatus
from airflow_provider_runway.compat import AirflowException, AirflowFailException
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.task_deferral import TRIGGER_FAILED

pytestmark = pytest.mark.usefixtures("connection", "quick")


@pytest.mark.parametrize("deferrable", [True, False], ids=["deferrable", "in the worker"])
def test_each_row_is_one_job_whose_video_is_in_the_table(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, logged: Callable[[], str], deferrable: bool
) -> None:
    manifest = run_task(lambda: make_batch(tmp_path, make_rows(30), deferrable=deferrable), ti)
    table = read_table(manifest)
    assert [row["custom_id"] for row in table] == [f"row-{index}" for index in range(30)]
    assert find_wrong_rows(gateway, table) == []
    assert len(list_own_billable_ids(gateway)) == 30
    assert manifest["counts"]["success"] == manifest["request_count"] == 30
    assert manifest["cost"] == pytest.approx(sum(row["cost"] for row in table))
    assert (tmp_path / "row-7.mp4").stat().st_size > 0
    assert "Wave 1: 30 submitted" in logged()


def test_a_clear_is_free_for_what_succeeded_and_submits_failed_rows_again(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, logged: Callable[[], str]
) -> None:
    gateway.add_fault("submit:job_fails:times=3")
    first = run_task(lambda: make_batch(tmp_path, make_rows(10)), ti)
    assert first["counts"]["error"] == 3
    assert first["terminal_reason"] == "partial"
    gateway.clear_faults()
    ti.clear()
    second = run_task(lambda: make_batch(tmp_path, make_rows(10)), ti)
    assert find_wrong_rows(gateway, read_table(second)) == []
    assert len(list_own_billable_ids(gateway)) == 10
    assert len(gateway.ledger()["jobs"]) == 13
    assert "7 rows have their videos already" in logged()
    ti.clear(run_finished=True)
    posts = gateway.ledger()["posts"]
    assert run_task(lambda: make_batch(tmp_path, make_rows(10)), ti)["counts"]["success"] == 10
    assert gateway.ledger()["posts"] == posts


def test_a_retry_of_a_batch_that_must_be_whole_submits_the_failed_rows_alone(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path
) -> None:
    gateway.add_fault("submit:job_fails:times=2")
    with pytest.raises(AirflowException, match=r"no video for 2 of 8 rows .* Its table: .*results\.jsonl"):
        run_task(lambda: make_batch(tmp_path, make_rows(8), fail_on_partial_error=True), ti)
    assert ti.xcom("return_value")["counts"] == {**dict.fromkeys(RowStatus, 0), "success": 6, "error": 2}
    ti.retry()
    manifest = run_task(lambda: make_batch(tmp_path, make_rows(8), fail_on_partial_error=True), ti)
    assert find_wrong_rows(gateway, read_table(manifest)) == []
    assert len(list_own_billable_ids(gateway)) == 8


def test_changed_rows_are_new_jobs_after_a_clear_and_added_ones_are_submitted(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, logged: Callable[[], str]
) -> None:
    run_task(lambda: make_batch(tmp_path, make_rows(5)), ti)
    rows = [{"custom_id": "new", "prompt_text": "added first"}, *make_rows(4)]
    rows[2]["prompt_text"] = "changed"
    ti.retry()
    manifest = run_task(lambda: make_batch(tmp_path, rows), ti)
    assert "1 rows changed since an earlier try submitted them" in logged()
    assert len(list_own_billable_ids(gateway)) == 6, "a retry resumes the job of a changed row"
    assert manifest["counts"]["success"] == 5
    ti.clear()
    manifest = run_task(lambda: make_batch(tmp_path, rows), ti)
    text = logged()
    assert "1 rows changed since they were submitted" in text
    assert "1 rows of earlier tries are no longer in the batch" in text
    assert find_wrong_rows(gateway, read_table(manifest)) == []
    jobs = [job for job in gateway.ledger()["jobs"] if job["billable"]]
    assert len(jobs) == 7
    assert len({job["body"]["seed"] for job in jobs}) == 7, "no two jobs of a batch share a seed"


def test_enough_failures_stop_the_submitting(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, connection: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_runway.operators.batch_execution.compute_wave_size", lambda *_: 10)
    wait_for_all = "airflow_provider_runway.triggers.wave_wait.is_worth_waking"
    monkeypatch.setattr(wait_for_all, lambda *_, out, **__: out == 0)
    gateway.add_fault("submit:job_fails:times=0")
    manifest = run_task(lambda: make_batch(tmp_path, make_rows(40), stop_after_failures=5), ti)
    assert manifest["terminal_reason"] == "stop_after_failures"
    assert manifest["counts"]["error"] == len(gateway.ledger()["jobs"]) == 10
    assert manifest["counts"]["not_submitted"] == 40 - manifest["counts"]["error"]
    assert list_own_billable_ids(gateway) == []


def test_an_account_without_credits_ends_the_submitting_and_fails_the_task(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path
) -> None:
    gateway.add_fault("submit:out_of_credits:skip=4,times=0")
    with pytest.raises(AirflowFailException, match=r"no video for \d+ of 20 rows"):
        run_task(lambda: make_batch(tmp_path, make_rows(20)), ti)
    table = read_table(str(tmp_path / "results.jsonl"))
    delivered = [row for row in table if row["status"] == "success"]
    assert len(delivered) == len(list_own_billable_ids(gateway)) == 4
    assert {row["status"] for row in table} == {"success", "not_submitted"}
    gateway.clear_faults()
    ti.clear()
    manifest = run_task(lambda: make_batch(tmp_path, make_rows(20)), ti)
    assert find_wrong_rows(gateway, read_table(manifest)) == []
    assert len(list_own_billable_ids(gateway)) == 20


def test_a_rate_limit_delays_a_batch_and_fails_no_row(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection_extra(monkeypatch, requests_per_minute=None)
    gateway.add_fault("submit:rate_limited:skip=12,times=10,window=1")
    manifest = run_task(lambda: make_batch(tmp_path, make_rows(40)), ti)
    assert find_wrong_rows(gateway, read_table(manifest)) == []
    assert len(list_own_billable_ids(gateway)) == 40


def test_a_folder_of_another_run_is_refused(gateway: Emulator, ti: TaskInstance, tmp_path: Path) -> None:
    run_task(lambda: make_batch(tmp_path, make_rows(2)), ti)
    other = TaskInstance(run_id="another run")
    with pytest.raises(AirflowFailException, match="results of another task instance"):
        run_task(lambda: make_batch(tmp_path, make_rows(2)), other)
    assert len(gateway.ledger()["jobs"]) == 2


def test_what_a_deferral_carries_is_small_and_has_no_secrets(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path
) -> None:
    with pytest.raises(TaskDeferred) as caught:
        make_batch(tmp_path, make_rows(400)).execute(ti.context())
    deferred = caught.value
    event = run_trigger(deferred.trigger)
    stored = json.dumps([deferred.trigger.serialize(), deferred.kwargs, event])
    assert len(stored) < 2_000
    assert gateway.test_key not in stored
    assert "scene" not in stored


def test_a_row_that_cannot_be_found_is_unknown_and_holds_up_no_other(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_connection_extra(monkeypatch, timeout=[0.5, 0.5])
    gateway.add_fault("submit:cut_after:times=1")
    gateway.add_fault("history:server_error:times=0,status=503")
    manifest = run_task(lambda: make_batch(tmp_path, make_rows(6)), ti)
    assert (manifest["counts"]["unknown"], manifest["counts"]["success"]) == (1, 5)
    (unknown,) = [row for row in read_table(manifest) if row["status"] == "unknown"]
    assert "may" in unknown["error"]
    gateway.clear_faults()
    ti.clear()
    manifest = run_task(lambda: make_batch(tmp_path, make_rows(6)), ti)
    assert find_wrong_rows(gateway, read_table(manifest)) == []
    assert len(list_own_billable_ids(gateway)) == 6, "the next try finds the job, and pays nothing"


def test_a_batch_that_is_not_durable_pays_again(gateway: Emulator, ti: TaskInstance, tmp_path: Path) -> None:
    run_task(lambda: make_batch(tmp_path, make_rows(3), durable=False), ti)
    ti.retry()
    manifest = run_task(lambda: make_batch(tmp_path, make_rows(3), durable=False), ti)
    assert manifest["counts"]["success"] == 3
    assert len(list_own_billable_ids(gateway)) == 6


def test_a_trigger_failure_loses_nothing(gateway: Emulator, ti: TaskInstance, tmp_path: Path) -> None:
    with pytest.raises(TaskDeferred):
        make_batch(tmp_path, make_rows(5)).execute(ti.context())
    failed = {"error": "Trigger failure"}
    with pytest.raises(TaskDeferred) as caught:
        make_batch(tmp_path, make_rows(5)).resume_execution(TRIGGER_FAILED, failed, ti.context())
    event = run_trigger(caught.value.trigger)
    manifest = resume(make_batch(tmp_path, make_rows(5)), ti, caught.value, event)
    assert find_wrong_rows(gateway, read_table(manifest)) == []
    assert len(list_own_billable_ids(gateway)) == 5
