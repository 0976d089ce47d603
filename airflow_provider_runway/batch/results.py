"""The results of a batch: a table with a line for each row (``results.jsonl``), and the manifest that goes to XCom.

The table is written in one step, and read as a stream: neither needs memory for all rows at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.exceptions import (
    BadInputError,
    BadRequestError,
    ContentBlockedError,
    HistoryNotSettledError,
    ModelRetiredError,
    NotFoundError,
    NoUsableResponseError,
    RecordExpiredError,
    RefusedError,
    RunwayError,
    StoppedBeforeSendingError,
    SubmitOutcomeUnknownError,
    ThrottledError,
    UnreachableError,
    WaitTimeoutError,
)
from airflow_provider_runway.outputs.storage import open_text, write_in_one_step
from airflow_provider_runway.segmind.numbers_and_times import format_timestamp, parse_timestamp

if TYPE_CHECKING:
    from airflow_provider_runway.batch.batch_rows import BatchRow
    from airflow_provider_runway.segmind.jobs import JobSummary

#: The name of the table in the folder ``result_path``.
RESULTS_FILE_NAME = "results.jsonl"
#: Raised with every change of the manifest or the table that a reader of the old one would misread.
SCHEMA_VERSION = 1


class RowStatus(StrEnum):
    """How a row of a batch ended. The words stand in the table and in the manifest's ``counts``."""

    SUCCESS = "success"
    ERROR = "error"
    BLOCKED = "blocked"
    EXPIRED = "expired"
    INVALID_INPUT = "invalid_input"
    NOT_SUBMITTED = "not_submitted"
    UNKNOWN = "unknown"


#: status -> what it means, and what is billed.
STATUS_MEANINGS: Mapping[RowStatus, str] = {
    RowStatus.SUCCESS: "there is a video; it is billed",
    RowStatus.ERROR: "the job failed, or its video could not be stored; `error` says whether it is billed",
    RowStatus.BLOCKED: "the content rules refused the prompt or the image; nothing is billed, and the same would be "
    "refused again",
    RowStatus.EXPIRED: "the job's record was deleted before its end was seen; if it completed, it is billed",
    RowStatus.INVALID_INPUT: "the API refused the row's inputs; nothing is billed",
    RowStatus.NOT_SUBMITTED: "nothing was sent for the row, such as after `stop_after_failures` or `cost_limit`; "
    "nothing is billed",
    RowStatus.UNKNOWN: "the job may be running, or billed; `error` says how to find out",
}

#: error -> the status of its row. The most specific class counts.
STATUS_OF_ERROR: Mapping[type[RunwayError], RowStatus] = {
    RunwayError: RowStatus.ERROR,
    StoppedBeforeSendingError: RowStatus.NOT_SUBMITTED,
    BadInputError: RowStatus.INVALID_INPUT,
    RefusedError: RowStatus.NOT_SUBMITTED,
    BadRequestError: RowStatus.INVALID_INPUT,
    NotFoundError: RowStatus.INVALID_INPUT,
    ModelRetiredError: RowStatus.INVALID_INPUT,
    NoUsableResponseError: RowStatus.UNKNOWN,
    HistoryNotSettledError: RowStatus.UNKNOWN,
    ThrottledError: RowStatus.NOT_SUBMITTED,
    UnreachableError: RowStatus.NOT_SUBMITTED,
    SubmitOutcomeUnknownError: RowStatus.UNKNOWN,
    WaitTimeoutError: RowStatus.UNKNOWN,
    ContentBlockedError: RowStatus.BLOCKED,
    RecordExpiredError: RowStatus.EXPIRED,
}


def get_row_status(error: RunwayError | None) -> RowStatus:
    """Return the status of a row whose job ended with this error; None: with its video."""
    if error is None:
        return RowStatus.SUCCESS
    return next(STATUS_OF_ERROR[kind] for kind in type(error).__mro__ if kind in STATUS_OF_ERROR)


@dataclass(frozen=True, slots=True)
class RowResult:
    """One line of the table, its columns in order. Times are epoch seconds here, ISO 8601 (UTC) in the table.

    :param cost: USD; None where it is not known. :param error: a sentence for people.
    """

    custom_id: str
    index: int
    status: RowStatus
    prompt_text: str | None = None
    output_url: str | None = None
    output_path: str | None = None
    request_id: str | None = None
    model: str | None = None
    cost: float | None = None
    seed: int | None = None
    error: str | None = None
    submitted_at: float | None = None
    completed_at: float | None = None

    @classmethod
    def from_job(
        cls, row: BatchRow, status: RowStatus, job: JobSummary | None = None, error: str | None = None
    ) -> RowResult:
        """Return the result of a row. :param job: what is known of its job; None: there is none."""
        prompt_text = row.arguments.get("prompt_text")
        return cls(
            custom_id=row.custom_id,
            index=row.index,
            status=status,
            prompt_text=prompt_text if isinstance(prompt_text, str) else None,
            output_url=job.output_url if job else None,
            output_path=job.output_path if job else None,
            request_id=job.request_id if job else None,
            model=job.model if job and job.model else row.arguments.get("model"),
            cost=job.cost if job else None,
            seed=job.seed if job else None,
            error=error,
            submitted_at=job.submitted_at if job else None,
            completed_at=job.completed_at if job else None,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the line's columns."""
        columns: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        columns["status"] = self.status.value
        columns["submitted_at"] = format_timestamp(self.submitted_at)
        columns["completed_at"] = format_timestamp(self.completed_at)
        return columns

    @classmethod
    def from_json(cls, columns: Mapping[str, Any]) -> RowResult:
        """Return the result that :meth:`to_json` wrote."""
        times = {name: parse_timestamp(columns[name]) for name in ("submitted_at", "completed_at")}
        known = {name: columns[name] for name in cls.__slots__}
        return cls(**{**known, **times, "status": RowStatus(columns["status"])})


@dataclass(frozen=True, slots=True)
class ResultSummary:
    """A table that was written, and what its rows add up to.

    :param counts: the number of rows of each status. :param cost: USD, of the rows whose cost is known.
    """

    uri: str
    counts: Mapping[str, int]
    cost: float
    submitted_at: float | None
    completed_at: float | None

    @property
    def request_count(self) -> int:
        """The number of rows."""
        return sum(self.counts.values())


def get_results_uri(result_path: str) -> str:
    """Return where the table of a batch is."""
    return f"{result_path.rstrip('/')}/{RESULTS_FILE_NAME}"


def write_results(results: Iterable[RowResult], result_path: str) -> ResultSummary:
    """Write the table into the folder ``result_path`` in one step, and count its rows. It replaces an earlier one.

    :raises OSError: it could not be stored; an earlier table stays as it was.
    """
    counts = dict.fromkeys((status.value for status in RowStatus), 0)
    cost = 0.0
    submitted_at: float | None = None
    completed_at: float | None = None
    uri = get_results_uri(result_path)
    with write_in_one_step(uri) as sink:
        for result in results:
            sink.write(json.dumps(result.to_json(), ensure_ascii=False).encode() + b"\n")
            counts[result.status.value] += 1
            cost += result.cost or 0.0
            if result.submitted_at is not None:
                submitted_at = min(result.submitted_at, submitted_at or result.submitted_at)
            if result.completed_at is not None:
                completed_at = max(result.completed_at, completed_at or result.completed_at)
    return ResultSummary(uri, counts, round(cost, 6), submitted_at, completed_at)


def choose_terminal_reason(counts: Mapping[str, int], stopped: str | None = None) -> str:
    """Return why a batch ended: "succeeded", "partial", or why it stopped before all rows were submitted.

    :param stopped: a word for that, such as "stop_after_failures" or "cost_limit".
    """
    if all(count == 0 for status, count in counts.items() if status != RowStatus.SUCCESS):
        return "succeeded"
    return stopped or "partial"


def build_manifest(
    table: ResultSummary, *, estimated_cost: float | None, stopped: str | None = None, kept: int = 0
) -> dict[str, Any]:
    """Return what the task of a batch returns: plain JSON, small whatever the number of rows.

    :param estimated_cost: USD, of all rows; None where a price is not known.
    :param stopped: as in :func:`choose_terminal_reason`.
    :param kept: rows that had succeeded in an earlier try, or before a clear.
    """
    return {
        "schema_version": SCHEMA_VERSION,
        "result_uri": table.uri,
        "request_count": table.request_count,
        "counts": dict(table.counts),
        "cost": table.cost,
        "estimated_cost": estimated_cost,
        "kept": kept,
        "ordered": True,
        "rejoin_key": "custom_id",
        "terminal_reason": choose_terminal_reason(table.counts, stopped),
        "submitted_at": format_timestamp(table.submitted_at),
        "completed_at": format_timestamp(table.completed_at),
    }


def read_results(manifest: Mapping[str, Any] | str, conn_id: str | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of a batch's table as dicts, in the order of the batch, one at a time.

    Each has ``custom_id``, ``index``, ``status``, ``prompt_text``, ``output_url``, ``output_path``, ``request_id``,
    ``model``, ``cost`` (USD), ``seed``, ``error``, ``submitted_at`` and ``completed_at``::

        @task
        def list_videos(manifest: dict) -> list[str]:
            return [row["output_url"] for row in read_results(manifest) if row["status"] == "success"]

    :param manifest: what the batch's task returned, or the URI of a table.
    :param conn_id: the connection for the storage, where the URI names none.
    :raises ValueError: this is no manifest, or the file is no table of a batch.
    """
    uri = manifest if isinstance(manifest, str) else _get_result_uri(manifest)
    with open_text(uri, conn_id) as text:
        for number, line in enumerate(text, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as problem:
                raise ValueError(f"Line {number} of {uri} is not JSON: {problem}.") from None
            if not isinstance(row, dict) or "custom_id" not in row:
                raise ValueError(f"Line {number} of {uri} is no result of a batch.")
            yield row


def _get_result_uri(manifest: Any) -> str:
    uri = manifest.get("result_uri") if isinstance(manifest, Mapping) else None
    if not isinstance(uri, str):
        raise ValueError(
            "read_results takes the manifest that the batch's task returned, which has a result_uri, or the URI of "
            f"its table; this is of type {type(manifest).__name__}."
        )
    return uri
