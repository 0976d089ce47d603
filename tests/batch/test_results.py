"""The table of a batch's results and its manifest, and reading the table back."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from airflow_provider_runway.batch import read_results
from airflow_provider_runway.batch.batch_rows import parse_row
from airflow_provider_runway.batch.results import (
    STATUS_MEANINGS,
    RowResult,
    RowStatus,
    build_manifest,
    get_row_status,
    write_results,
)
from airflow_provider_runway.exceptions import RunwayError, list_error_classes
from airflow_provider_runway.segmind.jobs import JobSummary

ROW = parse_row(3, {"custom_id": "shoe-1", "prompt_text": "it turns", "model": "runway-gen4-turbo"}, {})
JOB = JobSummary(
    "abc",
    "COMPLETED",
    "runway-gen4-turbo",
    output_urls=("https://cdn.example/a.mp4",),
    output_paths=("s3://b/shoe-1.mp4",),
    cost=0.5,
    seed=17,
    submitted_at=1_800_000_000.0,
    completed_at=1_800_000_040.0,
)
SUCCESS = RowResult.from_job(ROW, RowStatus.SUCCESS, JOB)


def make_results(count: int) -> Iterator[RowResult]:
    """Rows of every status in turn; those that succeed cost USD 0.50."""
    statuses = list(RowStatus)
    for index in range(count):
        status = statuses[index % len(statuses)]
        cost = 0.5 if status is RowStatus.SUCCESS else None
        yield RowResult(f"row-{index:06}", index, status, cost=cost, submitted_at=1_800_000_000.0 + index)


def test_a_result_has_the_columns_of_the_table_in_their_order() -> None:
    columns = {
        "custom_id": "shoe-1",
        "index": 3,
        "status": "success",
        "prompt_text": "it turns",
        "output_url": "https://cdn.example/a.mp4",
        "output_path": "s3://b/shoe-1.mp4",
        "request_id": "abc",
        "model": "runway-gen4-turbo",
        "cost": 0.5,
        "seed": 17,
        "error": None,
        "submitted_at": "2027-01-15T08:00:00+00:00",
        "completed_at": "2027-01-15T08:00:40+00:00",
    }
    assert list(SUCCESS.to_json().items()) == list(columns.items())


def test_a_result_survives_the_table() -> None:
    assert RowResult.from_json(json.loads(json.dumps(SUCCESS.to_json()))) == SUCCESS
    bare = RowResult.from_job(ROW, RowStatus.NOT_SUBMITTED, error="The batch stopped.")
    assert RowResult.from_json(bare.to_json()) == bare
    assert bare.model == "runway-gen4-turbo"


def test_every_status_has_a_meaning() -> None:
    assert set(STATUS_MEANINGS) == set(RowStatus)


@pytest.mark.parametrize("error", list_error_classes(), ids=lambda error: error.code)
def test_every_error_of_this_package_has_a_status(error: type[RunwayError]) -> None:
    assert get_row_status(error("x")) is not RowStatus.SUCCESS


def test_a_status_says_what_may_be_billed(subtests: pytest.Subtests) -> None:
    for code, status in (
        ("bad_input", RowStatus.INVALID_INPUT),
        ("bad_request", RowStatus.INVALID_INPUT),
        ("bad_connection", RowStatus.NOT_SUBMITTED),
        ("out_of_credits", RowStatus.NOT_SUBMITTED),
        ("throttled", RowStatus.NOT_SUBMITTED),
        ("unanswered", RowStatus.UNKNOWN),
        ("submission_unknown", RowStatus.UNKNOWN),
        ("wait_expired", RowStatus.UNKNOWN),
        ("job_failed", RowStatus.ERROR),
        ("content_blocked", RowStatus.BLOCKED),
        ("record_expired", RowStatus.EXPIRED),
        ("output_lost", RowStatus.ERROR),
        ("download_failed", RowStatus.ERROR),
    ):
        with subtests.test(code=code, status=status):
            error = next(error for error in list_error_classes() if error.code == code)
            assert get_row_status(error("x")) is status


def test_the_counts_sum_to_the_number_of_rows(tmp_path: Path) -> None:
    table = write_results(make_results(20), str(tmp_path))
    assert sum(table.counts.values()) == table.request_count == 20
    assert table.counts == {status.value: 3 for status in RowStatus} | {"unknown": 2}
    assert table.cost == 1.5
    assert (table.submitted_at, table.completed_at) == (1_800_000_000.0, None)


def test_a_manifest_stays_small_and_is_plain_json(tmp_path: Path) -> None:
    manifest = build_manifest(write_results(make_results(5000), f"{tmp_path}/"), estimated_cost=2500.0, kept=9)
    assert json.loads(json.dumps(manifest)) == manifest
    assert len(json.dumps(manifest)) < 1000
    assert manifest["result_uri"] == str(tmp_path / "results.jsonl")
    assert (manifest["request_count"], manifest["rejoin_key"], manifest["kept"]) == (5000, "custom_id", 9)
    assert (manifest["cost"], manifest["estimated_cost"], manifest["terminal_reason"]) == (357.5, 2500.0, "partial")


@pytest.mark.parametrize(
    ("statuses", "stopped", "reason"),
    [
        pytest.param([RowStatus.SUCCESS], None, "succeeded", id="all"),
        pytest.param([RowStatus.SUCCESS, RowStatus.UNKNOWN], None, "partial", id="some"),
        pytest.param(
            [RowStatus.ERROR, RowStatus.NOT_SUBMITTED], "stop_after_failures", "stop_after_failures", id="stop"
        ),
        pytest.param([RowStatus.SUCCESS], "stop_after_failures", "succeeded", id="a stop that came too late"),
    ],
)
def test_the_manifest_says_why_the_batch_ended(
    tmp_path: Path, statuses: list[RowStatus], stopped: str | None, reason: str
) -> None:
    results = (RowResult(str(index), index, status) for index, status in enumerate(statuses))
    manifest = build_manifest(write_results(results, str(tmp_path)), estimated_cost=None, stopped=stopped)
    assert manifest["terminal_reason"] == reason


def test_the_table_reads_back_row_by_row_by_manifest_and_by_uri(tmp_path: Path) -> None:
    table = write_results([SUCCESS, *make_results(2)], str(tmp_path))
    rows = read_results(build_manifest(table, estimated_cost=None))
    assert next(rows) == SUCCESS.to_json()
    assert [row["status"] for row in rows] == ["success", "error"]
    assert len(list(read_results(table.uri))) == 3


def test_the_table_is_written_to_and_read_from_another_storage(memory_storage: MemoryFileSystem) -> None:
    table = write_results([SUCCESS], "memory://bucket/run=1/")
    assert table.uri == "memory://bucket/run=1/results.jsonl"
    assert list(memory_storage.store) == ["/bucket/run=1/results.jsonl"]
    assert list(read_results(table.uri)) == [SUCCESS.to_json()]


def test_a_table_that_breaks_off_leaves_the_earlier_one_as_it_was(tmp_path: Path) -> None:
    write_results(make_results(2), str(tmp_path))

    def break_off() -> Iterator[RowResult]:
        yield SUCCESS
        raise RunwayError("a worker that ends here")

    with pytest.raises(RunwayError):
        write_results(break_off(), str(tmp_path))
    assert len(list(read_results(str(tmp_path / "results.jsonl")))) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["results.jsonl"]


def test_what_is_no_manifest_is_refused(subtests: pytest.Subtests) -> None:
    for manifest in (None, {}, {"result_uri": 3}, ["x"]):
        with (
            subtests.test(manifest=manifest),
            pytest.raises(ValueError, match="takes the manifest that the batch's task returned"),
        ):
            list(read_results(manifest))


@pytest.mark.parametrize("line", ["{", "[]", '{"a": 1}'])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "results.jsonl").write_text(line)
    with pytest.raises(ValueError, match="Line 1 of"):
        list(read_results(str(tmp_path / "results.jsonl")))
