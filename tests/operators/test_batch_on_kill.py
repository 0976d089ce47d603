"""A batch's task is ended by a person: nothing more is sent or stored, and a clear pays for each row once."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow_runtime import TaskInstance, rebuild_trigger, resume, run_task, run_trigger
from batches import find_wrong_rows, make_batch, make_rows, read_table
from submits import count_own_posts, list_own_billable_ids

from airflow_provider_runway.batch.row_state import parse_lines
from airflow_provider_runway.compat import AirflowException
from airflow_provider_runway.emulator import Emulator
from airflow_provider_runway.submission.journal import Phase

pytestmark = pytest.mark.usefixtures("connection", "quick")

ROW_COUNT = 40


@contextmanager
def end_task(operator: Any, is_time: Callable[[], bool], *, raises: bool) -> Iterator[None]:
    """Send SIGTERM to the task's process as soon as it is time.

    :param raises: whether the handler raises, as Airflow 2 does; Airflow 3 only calls ``on_kill``.
    """

    def on_term(*_: Any) -> None:
        operator.on_kill()
        if raises:
            raise AirflowException("Task received SIGTERM signal")

    def send() -> None:
        deadline = time.monotonic() + 20
        while not is_time() and time.monotonic() < deadline:
            time.sleep(0.005)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, on_term)
    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield
    finally:
        sender.join()
        signal.signal(signal.SIGTERM, before)


def list_journal_lines(folder: Path, kind: str) -> list[dict[str, Any]]:
    files = sorted((folder / "_journal").glob(f"*-{kind}-*.jsonl"))
    return [record for file in files for record in parse_lines(file.read_bytes())]


def list_videos(folder: Path) -> list[str]:
    return [path.name for path in folder.glob("*.mp4")]


@pytest.mark.parametrize("raises", [False, True], ids=["as Airflow 3 does", "as Airflow 2 does"])
def test_a_task_that_is_ended_in_a_wave_submits_no_more_and_a_clear_submits_the_others_once(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, logged: Callable[[], str], raises: bool
) -> None:
    gateway.add_fault("submit:slow:times=0,seconds=0.15,accept=before")
    operator = make_batch(tmp_path, make_rows(ROW_COUNT))
    with (
        end_task(operator, lambda: count_own_posts(gateway) >= 10, raises=raises),
        pytest.raises(AirflowException, match="SIGTERM" if raises else "nothing more is submitted or stored"),
    ):
        operator.execute(ti.context())
    sent = count_own_posts(gateway)
    assert 10 <= sent < ROW_COUNT
    phases = Counter(line["entry"]["phase"] for line in list_journal_lines(tmp_path, "wave"))
    assert phases == {Phase.SUBMITTED.value: sent, Phase.NOT_ACCEPTED.value: ROW_COUNT - sent}
    (line,) = [line for line in logged().splitlines() if "The task was ended. About" in line]
    count = int(line.partition("About ")[2].split()[0])
    assert 0 < count <= sent
    assert f"journal in {tmp_path}/_journal keeps their ids" in line
    gateway.clear_faults()
    ti.clear_while_running()
    manifest = run_task(lambda: make_batch(tmp_path, make_rows(ROW_COUNT)), ti)
    assert find_wrong_rows(gateway, read_table(manifest)) == []
    assert len(list_own_billable_ids(gateway)) == count_own_posts(gateway) == ROW_COUNT


@pytest.mark.parametrize("raises", [False, True], ids=["as Airflow 3 does", "as Airflow 2 does"])
def test_a_task_that_is_ended_while_it_stores_begins_no_further_video(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, raises: bool
) -> None:
    with pytest.raises(TaskDeferred) as caught:
        make_batch(tmp_path, make_rows(ROW_COUNT)).execute(ti.context())
    event = run_trigger(caught.value.trigger)
    gateway.add_fault("output:slow:times=0,seconds=0.2")
    operator = make_batch(tmp_path, make_rows(ROW_COUNT))
    with (
        end_task(operator, lambda: len(list_videos(tmp_path)) >= 3, raises=raises),
        pytest.raises(AirflowException, match="SIGTERM" if raises else "nothing more is submitted or stored"),
    ):
        resume(operator, ti, caught.value, event)
    stored = len(list_videos(tmp_path))
    assert 3 <= stored < ROW_COUNT
    assert len(list_journal_lines(tmp_path, "results")) == stored
    assert not (tmp_path / "results.jsonl").exists()
    gateway.clear_faults()
    ti.clear_while_running()
    manifest = run_task(lambda: make_batch(tmp_path, make_rows(ROW_COUNT)), ti)
    assert find_wrong_rows(gateway, read_table(manifest)) == []
    assert len(list_own_billable_ids(gateway)) == count_own_posts(gateway) == ROW_COUNT


def test_a_task_that_is_ended_before_any_job_is_out_logs_nothing_of_a_bill(
    tmp_path: Path, logged: Callable[[], str]
) -> None:
    make_batch(tmp_path, make_rows(2)).on_kill()
    text = logged()
    assert "No job of it is out" in text
    assert "billed" not in text


def test_a_trigger_whose_task_is_ended_logs_how_many_jobs_go_on_and_where_their_ids_are(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, logged: Callable[[], str]
) -> None:
    with pytest.raises(TaskDeferred) as caught:
        make_batch(tmp_path, make_rows(3)).execute(ti.context())
    logged()
    requests = len(gateway.http_requests())
    asyncio.run(rebuild_trigger(caught.value.trigger).on_kill())
    (line,) = [line for line in logged().splitlines() if "the API has no cancel" in line]
    assert "3 jobs that were out go on" in line
    assert f"journal in {tmp_path}/_journal keeps their ids" in line
    assert len(gateway.http_requests()) == requests
