"""Files of a batch's journal that cannot be read, and many that are merged: no row is paid twice, and none is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow_runtime import TaskInstance, WorkerDied, run_task
from batches import find_wrong_rows, make_batch, make_rows, read_table
from submits import add_neighbour, count_own_posts, list_own_billable_ids, list_own_jobs, set_connection_extra

from airflow_provider_runway.batch import batch_journal
from airflow_provider_runway.batch.atomic_record_files import RecordFolder
from airflow_provider_runway.compat import AirflowFailException
from airflow_provider_runway.emulator import Emulator

pytestmark = pytest.mark.usefixtures("connection", "quick")

ROW_COUNT = 4


@pytest.fixture(autouse=True)
def short_timeouts(monkeypatch: pytest.MonkeyPatch, gateway: Emulator, connection: str) -> None:
    """A lost submit cannot be judged while its response may still come, and the history shows another account's job."""
    set_connection_extra(monkeypatch, timeout=[0.5, 0.5])
    add_neighbour(gateway)


def submit_all(ti: TaskInstance, folder: Path) -> Path:
    """Submit all rows, lose the worker, and return the file of the wave."""
    with pytest.raises(TaskDeferred):
        make_batch(folder, make_rows(ROW_COUNT)).execute(ti.context())
    return find_files(folder, "wave")[-1]


def find_files(folder: Path, kind: str) -> list[Path]:
    return sorted((folder / "_journal").glob(f"*-{kind}-*.jsonl"))


def run_next_try(ti: TaskInstance, folder: Path) -> Any:
    ti.retry()
    return run_task(lambda: make_batch(folder, make_rows(ROW_COUNT)), ti)


def assert_each_row_is_paid_once(gateway: Emulator, manifest: Any) -> None:
    assert find_wrong_rows(gateway, read_table(manifest)) == []
    assert len(list_own_billable_ids(gateway)) == ROW_COUNT


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "a line that breaks off": lambda data: data[: data.index(b"\n") + 100],
    "empty": lambda _: b"",
    "binary": lambda _: b"\x00\xff\xfe\x89PNG" * 20,
    "lines that say nothing known": lambda _: b'{"row": "row-0"}\n{"row": "row-1", "entri": {}}\n',
    "entries of another shape": lambda _: b'{"row": "row-0", "entry": ["submitted"]}\n',
    "lines about no row": lambda _: b'{"entry": {}}\n',
    "deep": lambda _: b"[" * 100_000,
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=list(DAMAGES))
def test_jobs_whose_file_is_damaged_are_found_in_the_history(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, logged: Callable[[], str], damage: Callable[[bytes], bytes]
) -> None:
    wave = submit_all(ti, tmp_path)
    wave.write_bytes(damage(wave.read_bytes()))
    assert_each_row_is_paid_once(gateway, run_next_try(ti, tmp_path))
    assert count_own_posts(gateway) == ROW_COUNT
    assert f"The file {wave.name} of the batch's journal in {tmp_path}/_journal cannot be read" in logged()
    assert not wave.exists()


def test_rows_that_the_history_cannot_tell_of_are_unknown_and_a_later_try_finds_them(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path
) -> None:
    submit_all(ti, tmp_path).write_bytes(b"{")
    gateway.add_fault("history:server_error:times=0,status=503")
    manifest = run_next_try(ti, tmp_path)
    assert manifest["counts"]["unknown"] == ROW_COUNT
    assert count_own_posts(gateway) == ROW_COUNT
    gateway.clear_faults()
    ti.clear()
    manifest = run_task(lambda: make_batch(tmp_path, make_rows(ROW_COUNT)), ti)
    assert_each_row_is_paid_once(gateway, manifest)
    assert count_own_posts(gateway) == ROW_COUNT


@pytest.mark.parametrize("point", ["write", "delete"])
def test_a_damaged_file_stays_until_each_of_its_rows_has_a_line_again(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    wave = submit_all(ti, tmp_path)
    wave.write_bytes(b"\xff")
    original: Any = getattr(RecordFolder, point)

    def die(folder: RecordFolder, name: str, *data: bytes) -> None:
        if "-presumed-" in name or name == wave.name:
            raise WorkerDied(f"at the {point} of {name}")
        original(folder, name, *data)

    with monkeypatch.context() as dying:
        dying.setattr(RecordFolder, point, die)
        with pytest.raises(WorkerDied):
            run_next_try(ti, tmp_path)
    assert wave.exists()
    assert bool(find_files(tmp_path, "presumed")) == (point == "delete")
    assert_each_row_is_paid_once(gateway, run_next_try(ti, tmp_path))
    assert count_own_posts(gateway) == ROW_COUNT


@pytest.mark.parametrize("is_all_in_one_file", [False, True], ids=["its own file", "one file with the failed jobs"])
def test_a_job_that_replaced_a_failed_one_is_found_although_its_line_is_lost(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, is_all_in_one_file: bool
) -> None:
    gateway.add_fault(f"submit:job_fails:times={ROW_COUNT}")
    run_task(lambda: make_batch(tmp_path, make_rows(ROW_COUNT)), ti)
    (first,) = find_files(tmp_path, "wave")
    failed_jobs = first.read_bytes()
    gateway.clear_faults()
    ti.clear()
    second = submit_all(ti, tmp_path)
    assert second != first
    if is_all_in_one_file:
        for file in (tmp_path / "_journal").glob("*.jsonl"):
            file.unlink()
        second.write_bytes(failed_jobs + b'{"row": "row-0", "res')
    else:
        second.write_bytes(b"")
    assert_each_row_is_paid_once(gateway, run_next_try(ti, tmp_path))
    assert len(list_own_jobs(gateway)) == 2 * ROW_COUNT, "the failed jobs and their successors"


def test_a_damaged_name_of_the_owner_ends_no_batch(gateway: Emulator, ti: TaskInstance, tmp_path: Path) -> None:
    submit_all(ti, tmp_path)
    (tmp_path / "_journal" / "owner.json").write_bytes(b"{")
    assert_each_row_is_paid_once(gateway, run_next_try(ti, tmp_path))


def test_a_damaged_batch_file_is_named_with_a_way_on_that_pays_nothing_again(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path
) -> None:
    submit_all(ti, tmp_path)
    (tmp_path / "_journal" / "batch.json").write_bytes(b"{")
    with pytest.raises(AirflowFailException, match=r"batch\.json .* delete this file alone and clear the task"):
        run_next_try(ti, tmp_path)
    (tmp_path / "_journal" / "batch.json").unlink()
    assert_each_row_is_paid_once(gateway, run_next_try(ti, tmp_path))
    assert count_own_posts(gateway) == ROW_COUNT


def test_a_journal_that_is_merged_at_each_opening_pays_each_row_once(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_journal, "MAX_FILES", 1)
    gateway.add_fault("submit:job_fails:times=2")
    gateway.add_fault("submit:cut_after:skip=2,times=1")
    run_task(lambda: make_batch(tmp_path, make_rows(ROW_COUNT)), ti)
    gateway.clear_faults()
    ti.clear()
    assert_each_row_is_paid_once(gateway, run_task(lambda: make_batch(tmp_path, make_rows(ROW_COUNT)), ti))
    assert len(list_own_jobs(gateway)) == ROW_COUNT + 2
    posts = count_own_posts(gateway)
    assert_each_row_is_paid_once(gateway, run_next_try(ti, tmp_path))
    assert count_own_posts(gateway) == posts


@pytest.mark.parametrize("deletes", [0, 1, 2])
def test_a_worker_that_dies_between_the_merged_file_and_the_last_delete_loses_nothing(
    gateway: Emulator, ti: TaskInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deletes: int
) -> None:
    gateway.add_fault("submit:job_fails:times=1")
    run_task(lambda: make_batch(tmp_path, make_rows(ROW_COUNT)), ti)
    gateway.clear_faults()
    ti.clear()
    submit_all(ti, tmp_path)
    names = [path.name for path in sorted((tmp_path / "_journal").glob("*.jsonl"))]
    assert len(names) > deletes
    delete, deleted = RecordFolder.delete, []

    def delete_or_die(folder: RecordFolder, name: str) -> None:
        if len(deleted) == deletes:
            raise WorkerDied(f"before the delete of {name}")
        deleted.append(name)
        delete(folder, name)

    monkeypatch.setattr(batch_journal, "MAX_FILES", 1)
    with monkeypatch.context() as dying:
        dying.setattr(RecordFolder, "delete", delete_or_die)
        with pytest.raises(WorkerDied):
            run_next_try(ti, tmp_path)
    assert deleted == names[:deletes]
    assert len(find_files(tmp_path, "merged")) == 1
    assert_each_row_is_paid_once(gateway, run_next_try(ti, tmp_path))
    assert count_own_posts(gateway) == ROW_COUNT + 1
