"""The tables of the docs about results: of a job, of a batch, and of each row of a batch."""

from __future__ import annotations

from collections.abc import Iterable

from airflow_provider_runway.batch.results import STATUS_MEANINGS, ResultSummary, RowResult, RowStatus, build_manifest
from airflow_provider_runway.segmind.jobs import OUTPUT_KEYS, JobSummary

#: What each key of a task's result means. A key of the code that is missing here fails the generation.
RESULT_KEYS = {
    "request_id": "the job's id; pushed before the first poll",
    "status": "`COMPLETED`; `QUEUED` from a task that only submits",
    "model": "the model's slug",
    "output_url": "URL of the video; public, kept by Segmind for 7 days",
    "output_urls": "all URLs, for a model with several outputs",
    "output_path": "path of the stored file, with `output_path`",
    "output_paths": "paths of all stored files, for a model with several outputs",
    "last_frame_url": "URL of the last frame as an image, where the model returns one: the next clip can begin with it",
    "prompt_text": "the task's prompt; None from the sensor",
    "cost": "cost of the job, USD",
    "remaining_credits": "balance of the account after the job, USD",
    "metrics": "the API's measurements: `queue_time`, `inference_time`, `total_time` in seconds, and more",
    "seed": "the seed as sent",
    "submitted_at": "time of the submission, ISO 8601, UTC",
    "completed_at": "time at which the completion was seen",
    "record_expires_at": "one hour after the submission; later only the account's history has the job",
}
#: What each column of ``results.jsonl`` means. A column of the code that is missing here fails the generation.
COLUMNS = {
    "custom_id": "the row's name: its own, or `row-000017` for the row with index 17",
    "index": "the row's place among the rows; the first has 0",
    "status": "[how it ended](#how-a-row-can-end)",
    "prompt_text": "the prompt that was sent",
    "output_url": "URL of the video; public, kept by Segmind for 7 days",
    "output_path": "path of the stored video",
    "request_id": "the job's id",
    "model": "the model's slug",
    "cost": "USD",
    "seed": "the job's seed, also one that the operator derived",
    "error": "why there is no video, in a sentence",
    "submitted_at": "ISO 8601, in UTC",
    "completed_at": "ISO 8601, in UTC: when the completion was seen",
}
#: The same for the keys of the manifest.
MANIFEST_KEYS = {
    "schema_version": "changes when a reader of the old form would misread the new one",
    "result_uri": "where `results.jsonl` is",
    "request_count": "the number of rows",
    "counts": "the number of rows of each status; their sum is `request_count`",
    "cost": "USD, of all rows whose cost is known, those of earlier tries among them",
    "estimated_cost": "USD, of all rows by their prices; None where a price is not known",
    "kept": "rows that had succeeded before this try",
    "ordered": "True: the table has the rows in their order",
    "rejoin_key": "`custom_id`: the column that joins the table to your rows",
    "terminal_reason": "`succeeded`, `partial` (some rows have no video), or why no more rows were submitted, such as "
    "`stop_after_failures` or `cost_limit`",
    "submitted_at": "when the first job was submitted",
    "completed_at": "when the last one was seen completed",
}


def list_result_rows() -> Iterable[list[str]]:
    """Return a row for each key of a task's result."""
    keys = JobSummary("request-id").to_xcom(None)
    return ([f"`{key}`{' *' if key in ('request_id', *OUTPUT_KEYS) else ''}", RESULT_KEYS[key]] for key in keys)


def list_column_rows() -> Iterable[list[str]]:
    """Return a row for each column of the table of results."""
    return ([f"`{name}`", COLUMNS[name]] for name in RowResult("", 0, RowStatus.SUCCESS).to_json())


def list_manifest_rows() -> Iterable[list[str]]:
    """Return a row for each key of the manifest."""
    table = ResultSummary("", {}, 0.0, None, None)
    return ([f"`{name}`", MANIFEST_KEYS[name]] for name in build_manifest(table, estimated_cost=None))


def list_row_status_rows() -> Iterable[list[str]]:
    """Return a row for each status of a row."""
    return ([f"`{status.value}`", meaning] for status, meaning in STATUS_MEANINGS.items())
