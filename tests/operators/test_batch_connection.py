"""The connection of a batch is deleted, or loses its key, while jobs are out: none of them is lost or paid twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow_runtime import TaskInstance, resume, run_task, run_trigger
from batches import find_wrong_rows, make_batch, make_rows, read_table
from submits import count_own_posts, list_own_billable_ids, set_connection_extra

from airflow_provider_runway.compat import AirflowException, AirflowFailException
from airflow_provider_runway.emulator import Emulator

pytestmark = pytest.mark.usefixtures("connection", "quick")

ROW_COUNT, WAVE_SIZE = 10, 4


def delete_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_RUNWAY_DEFAULT")


def empty_key(monkeypatch: pytest.MonkeyPatch) -> None:
    set_connection_extra(monkeypatch, {"password": ""})


@pytest.fixture(params=[delete_connection, empty_key], ids=["deleted", "without a key"])
def break_connection(request: pytest.FixtureRequest) -> Callable[[pytest.MonkeyPatch], None]:
    """Return what makes the connection unusable."""
    chosen: Callable[[pytest.MonkeyPatch], None] = request.param
    return chosen


@pytest.fixture(autouse=True)
def small_waves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_provider_runway.operators.batch_execution.compute_wave_size", lambda *_: WAVE_SIZE)


def submit_first_wave(ti: TaskInstance, folder: Path) -> TaskDeferred:
    with pytest.raises(TaskDeferred) as caught:
        make_batch(folder, make_rows(ROW_COUNT)).execute(ti.context())
    return caught.value


def assert_each_row_is_paid_once(gateway: Emulator, manifest: Any) -> None:
    assert find_wrong_rows(gateway, read_table(manifest)) == []
    assert len(list_own_billable_ids(gateway)) == count_own_posts(gateway) == ROW_COUNT


@pytest.mark.parametrize("is_gone_for_the_trigger", [False, True], ids=["after the wait", "during the wait"])
def test_the_error_says_which_jobs_are_paid_and_a_retry_with_the_connection_delivers_all(
    gateway: Emulator,
    ti: TaskInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    break_connection: Callable[[pytest.MonkeyPatch], None],
    is_gone_for_the_trigger: bool,
) -> None:
    wait_for_all = "airflow_provider_runway.triggers.wave_wait.is_worth_waking"
    monkeypatch.setattr(wait_for_all, lambda *_, out, **__: out == 0)
    deferred = submit_first_wave(ti, tmp_path)
    event = None if is_gone_for_the_trigger else run_trigger(deferred.trigger)
    with monkeypatch.context() as without:
        break_connection(without)
        event = event or run_trigger(deferred.trigger)
        with pytest.raises(AirflowException, match="Restore the connection") as caught:
            resume(make_batch(tmp_path, make_rows(ROW_COUNT)), ti, deferred, event)
    assert not isinstance(caught.value, AirflowFailException), "a retry goes on"
    text = str(caught.value.__dict__)
    state = "are out and are billed when they complete" if is_gone_for_the_trigger else "are completed and billed"
    for words in ("'runway_default'", f"{WAVE_SIZE} jobs {state}", f"{tmp_path}/_journal", "nothing is paid again"):
        assert words in text
    assert "Nothing was sent" not in text
    assert not (tmp_path / "results.jsonl").exists()
    ti.retry()
    assert_each_row_is_paid_once(gateway, run_task(lambda: make_batch(tmp_path, make_rows(ROW_COUNT)), ti))


def test_a_batch_without_any_job_says_that_nothing_was_sent(
    gateway: Emulator,
    ti: TaskInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    break_connection: Callable[[pytest.MonkeyPatch], None],
) -> None:
    break_connection(monkeypatch)
    with pytest.raises(AirflowFailException, match="Nothing was sent"):
        run_task(lambda: make_batch(tmp_path, make_rows(ROW_COUNT)), ti)
    assert count_own_posts(gateway) == 0


def test_a_connection_that_only_the_triggerer_cannot_use_ends_no_row(
    gateway: Emulator,
    ti: TaskInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    logged: Callable[[], str],
    break_connection: Callable[[pytest.MonkeyPatch], None],
) -> None:
    def run_trigger_without_connection(trigger: Any) -> Any:
        with monkeypatch.context() as without:
            break_connection(without)
            return run_trigger(trigger)

    monkeypatch.setattr("airflow_runtime.run_trigger", run_trigger_without_connection)
    assert_each_row_is_paid_once(gateway, run_task(lambda: make_batch(tmp_path, make_rows(ROW_COUNT)), ti))
    text = logged()
    assert "The triggerer could not use the connection 'runway_default' for" in text
    assert "polling in the worker instead" in text


def test_a_batch_that_is_done_needs_no_connection(
    gateway: Emulator,
    ti: TaskInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    break_connection: Callable[[pytest.MonkeyPatch], None],
) -> None:
    run_task(lambda: make_batch(tmp_path, make_rows(ROW_COUNT)), ti)
    break_connection(monkeypatch)
    ti.clear()
    assert_each_row_is_paid_once(gateway, run_task(lambda: make_batch(tmp_path, make_rows(ROW_COUNT)), ti))
