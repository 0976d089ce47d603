"""The journal of a batch: many files are merged into one that means the same, also while another execution writes."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_runway.batch.batch_journal import MAX_FILES, BatchJournal, JournalContent
from airflow_provider_runway.batch.batch_rows import BatchRow
from airflow_provider_runway.batch.results import RowResult, RowStatus
from airflow_provider_runway.batch.row_state import format_entry, format_outcome, format_result
from airflow_provider_runway.compat import make_storage_path
from airflow_provider_runway.exceptions import NoUsableResponseError
from airflow_provider_runway.segmind.jobs import JobState, JobSummary
from airflow_provider_runway.segmind.wait_outcome import WaitOutcome, failed_outcome
from airflow_provider_runway.submission.journal import JournalEntry, Phase
from airflow_provider_runway.submission.journal_session import TaskAttempt

INTENT = JournalEntry(Phase.INTENT, "f", "m", 0, 7, 1, 2, 1000.0, image_digest="i", expires_at=1030.0)


def make_journal(folder: Path, try_number: int = 1) -> BatchJournal:
    attempt = TaskAttempt(try_number=try_number, max_tries=2, earliest_submit_at=0.0, journal=None)
    return BatchJournal(str(folder), make_storage_path, {"task_id": "t"}, attempt, logging.getLogger("tests"))


def submitted(request_id: str, **changes: Any) -> JournalEntry:
    return replace(INTENT, phase=Phase.SUBMITTED, request_id=request_id, **changes)


def ended(request_id: str) -> WaitOutcome:
    return failed_outcome(JobSummary(request_id, status=JobState.FAILED.value, model="m"), "why")


def result(custom_id: str, request_id: str | None, status: RowStatus, code: str | None) -> bytes:
    row = BatchRow(0, custom_id, {"prompt_text": "a", "model": "m"})
    job = None if request_id is None else JobSummary(request_id, model="m", cost=0.5)
    return format_result(custom_id, RowResult.from_job(row, status, job, code and "why"), 1, code)


#: What different processes wrote about rows, in the order of the files.
HISTORY: list[bytes] = [
    format_entry("intent", INTENT),
    format_entry("late intent", submitted("a")),
    format_entry("late intent", replace(INTENT, sent_at=1001.0)),
    format_entry("two ids", submitted("b")),
    format_entry("two ids", submitted("c")),
    format_entry("replaced", submitted("d")),
    result("replaced", "d", RowStatus.ERROR, "job_failed"),
    format_entry("replaced", submitted("e", generation=1, previous_request_ids=("d",))),
    format_entry("replaced", replace(INTENT, sent_at=1002.0)),
    format_entry("ended", submitted("f")),
    format_outcome("ended", ended("f"), 1),
    format_entry("done", submitted("g")),
    result("done", "g", RowStatus.SUCCESS, None),
    result("refused", None, RowStatus.INVALID_INPUT, "bad_request"),
]


def write_history(folder: Path) -> JournalContent:
    """Write each line into a file of its own, and some rows more, until there are too many files."""
    journal = make_journal(folder)
    journal.write_start(journal.open())
    more = [format_entry(f"row-{number}", submitted(f"id-{number}")) for number in range(MAX_FILES - len(HISTORY))]
    for line in [*HISTORY, *more]:
        journal.write_lines("wave", {"": line})
    content = make_journal(folder).open()
    assert len(list_files(folder)) == MAX_FILES
    journal.write_lines("wave", {"": format_entry("last", INTENT)})
    return content


def list_files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "_journal").glob("*.jsonl"))


def test_more_than_forty_files_are_merged_into_one_that_means_the_same(tmp_path: Path) -> None:
    before = write_history(tmp_path).rows
    merging = make_journal(tmp_path).open()
    (name,) = list_files(tmp_path)
    assert "-merged-" in name
    after = make_journal(tmp_path).open()
    assert merging.rows.pop("last") == after.rows.pop("last")
    assert after.rows == merging.rows == before
    assert after.rows["late intent"].request_id == "a"
    assert after.rows["two ids"].entry == submitted(
        "c", image_digest=None, expires_at=None, previous_request_ids=("b",)
    )
    assert after.rows["replaced"].request_id == "e"
    assert after.damaged == []


def test_the_old_files_stay_where_another_execution_took_over_before_the_deletes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = write_history(tmp_path).rows
    old = make_journal(tmp_path)
    write, names = old.folder.write, list_files(tmp_path)

    def write_and_be_taken_over(name: str, data: bytes) -> None:
        write(name, data)
        if "-merged-" in name:
            monkeypatch.setattr("airflow_provider_runway.batch.batch_journal.MAX_FILES", 1_000)
            make_journal(tmp_path, try_number=2).open()

    monkeypatch.setattr(old.folder, "write", write_and_be_taken_over)
    with pytest.raises(NoUsableResponseError, match="taken over"):
        old.open()
    assert set(names) < set(list_files(tmp_path))
    after = make_journal(tmp_path, try_number=2).open().rows
    assert after.pop("last").entry == INTENT
    assert after == before


def test_files_that_are_merged_while_a_successor_reads_are_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = write_history(tmp_path).rows
    successor = make_journal(tmp_path, try_number=2)
    list_names = successor.folder.list_names

    def list_after_the_merged_file_was_written() -> list[str]:
        old = make_journal(tmp_path)
        monkeypatch.setattr(old, "check_owner", lambda: None)  # it checked just before the successor took over
        monkeypatch.setattr(old, "_read_owner", lambda: {"token": "", "try_number": 0})
        monkeypatch.setattr(old, "_write_json", lambda *_: None)
        names: list[str] = []
        delete = old.folder.delete

        def delete_after_the_listing(name: str) -> None:
            if not names:
                names.extend(list_names())
            delete(name)

        monkeypatch.setattr(old.folder, "delete", delete_after_the_listing)
        old.open()
        return names

    monkeypatch.setattr(successor.folder, "list_names", list_after_the_merged_file_was_written)
    content = successor.open()
    assert content.damaged == []
    assert content.rows.pop("last").entry == INTENT
    assert content.rows == before
