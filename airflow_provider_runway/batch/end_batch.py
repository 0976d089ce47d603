"""The end of a batch: its table of results, its manifest, and the error where its task is to fail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.batch.results import ResultSummary, RowResult, RowStatus, build_manifest, write_results
from airflow_provider_runway.exceptions import (
    CostLimitError,
    JobFailedError,
    NoUsableResponseError,
    RunwayError,
    list_error_classes,
)
from airflow_provider_runway.spending.estimate import Estimate

if TYPE_CHECKING:
    from airflow_provider_runway.batch.batch_rows import BatchRow
    from airflow_provider_runway.batch.row_state import RowState
    from airflow_provider_runway.batch.survey import Survey

#: Why no more rows were submitted: what fits the limit is submitted; or nothing is, where not all can be checked.
COST_LIMIT_REACHED, COST_LIMIT_REFUSED = "cost_limit", "cost_limit_refused"
#: Why a batch stopped before all rows were submitted, where that is not the failure of its task.
_STOPS_BY_AUTHOR = {"stop_after_failures", COST_LIMIT_REACHED}
_ERRORS_BY_CODE: dict[str, type[RunwayError]] = {
    **{error.code: error for error in list_error_classes()},
    COST_LIMIT_REFUSED: CostLimitError,
}


@dataclass(frozen=True, slots=True)
class BatchEnd:
    """How a batch ended.

    :param stopped: a word for why no more rows were submitted; None: all were. :param stop_text: the same in words.
    """

    result_path: str
    try_number: int
    stopped: str | None
    stop_text: str | None
    fail_on_partial_error: bool


def end_batch(
    end: BatchEnd, rows: Iterable[BatchRow], states: Mapping[str, RowState], survey: Survey
) -> tuple[dict[str, Any], RunwayError | None]:
    """Write the table; return the manifest, and the error with which the task is to fail.

    :raises NoUsableResponseError: the storage did not take the table. A retry only writes it.
    """
    try:
        table = write_results(_list_results(end, rows, states), end.result_path)
    except OSError as problem:
        raise NoUsableResponseError(
            f"The table of results cannot be written into {end.result_path}: {problem}. All videos are stored; a retry "
            "writes the table, and nothing is paid again."
        ) from problem
    manifest = build_manifest(
        table, estimated_cost=Estimate(survey.jobs).total_usd, stopped=end.stopped, kept=survey.kept
    )
    return manifest, _find_error(end, table)


def _list_results(end: BatchEnd, rows: Iterable[BatchRow], states: Mapping[str, RowState]) -> Iterator[RowResult]:
    for row in rows:
        state = states.get(row.custom_id)
        if state is not None and state.result is not None and state.has_result_of(end.try_number):
            yield state.result.to_row_result(row)
        else:
            why = end.stop_text or "it was added to the rows after the last wave"
            yield RowResult.from_job(row, RowStatus.NOT_SUBMITTED, None, f"Not submitted: {why}. Nothing is billed.")


def _find_error(end: BatchEnd, table: ResultSummary) -> RunwayError | None:
    """Return the error of a batch that was stopped by the account, or whose author wants one for any failed row."""
    left = table.request_count - table.counts[RowStatus.SUCCESS]
    counts = ", ".join(f"{count} {status}" for status, count in table.counts.items() if count)
    summary = f"The batch has no video for {left} of {table.request_count} rows ({counts}). Its table: {table.uri}."
    again = "A retry or a clear submits the failed rows alone; the others are kept."
    if end.stopped is not None and end.stopped not in _STOPS_BY_AUTHOR and left:
        error = _ERRORS_BY_CODE.get(end.stopped, NoUsableResponseError)
        return error(f"{summary} Nothing more was submitted: {end.stop_text}. {again}")
    if end.fail_on_partial_error and left:
        return JobFailedError(f"{summary} {again}")
    return None
