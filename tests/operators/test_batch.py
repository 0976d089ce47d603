"""Many jobs in one task: waves, results, retries and clears, against the emulator's ledger."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from airflow_runtime import TaskInstance, run_task
from batches import find_wrong_rows, make_batch, make_rows, read_table
from submits import list_own_billable_ids

from airflow_provider_runway.emulator import Emulator

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
    print(logged())
