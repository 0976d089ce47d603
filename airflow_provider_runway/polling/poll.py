"""One look at a job, and a wait made of looks: flows that a worker and a triggerer drive alike."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_runway.exceptions import NotFoundError, RefusedError, RunwayError, UnauthorizedError
from airflow_provider_runway.polling.latency import LatencyDistribution
from airflow_provider_runway.polling.schedule import SINGLE_JOB_POLL_COST_S, next_poll_delay_s
from airflow_provider_runway.polling.wait_state import WaitState
from airflow_provider_runway.segmind import endpoints
from airflow_provider_runway.segmind.exchange import Exchange, GetTime, LogLine, Sleep, execute, run_step
from airflow_provider_runway.segmind.http import BaseUrls
from airflow_provider_runway.segmind.job_summary import JobSummary
from airflow_provider_runway.segmind.jobs import FINAL_STATES, JobState, JobStatus
from airflow_provider_runway.segmind.models import expected_latency_s
from airflow_provider_runway.segmind.retry import NO_RETRY, RetryPolicy
from airflow_provider_runway.segmind.wait_outcome import (
    OutcomeKind,
    WaitOutcome,
    expired_outcome,
    failed_outcome,
    missing_output_outcome,
    timed_out_outcome,
)


def poll_once(
    base_urls: BaseUrls, report: JobSummary, policy: RetryPolicy = NO_RETRY
) -> Exchange[WaitOutcome | JobStatus]:
    """Look at a job: its ending, or its status while it lives. The output is fetched with the end.

    A record that is gone is looked for in the account's history, which knows jobs of any age.

    :raises NoUsableResponseError: no usable answer. :raises RefusedError: the API said no, about the caller.
    """
    looked = yield from poll_status(base_urls, report, policy)
    if isinstance(looked, WaitOutcome) or looked.state is not JobState.COMPLETED:
        return looked
    return (yield from fetch_outcome(base_urls, report, policy))


def poll_status(
    base_urls: BaseUrls, report: JobSummary, policy: RetryPolicy = NO_RETRY
) -> Exchange[WaitOutcome | JobStatus]:
    """Ask for a job's status alone: COMPLETED is not an ending yet, for the output is still to be fetched."""
    try:
        looked = yield from execute(endpoints.make_status_call(base_urls, report.request_id), policy)
    except NotFoundError:
        return (yield from _look_in_history(base_urls, report, policy))
    return _failure(report, looked) if looked.state is JobState.FAILED else looked


def fetch_outcome(
    base_urls: BaseUrls, report: JobSummary, policy: RetryPolicy = NO_RETRY
) -> Exchange[WaitOutcome | JobStatus]:
    """Ask for the record of a job whose status says COMPLETED: its ending, or its status where the record lags."""
    try:
        result = yield from execute(endpoints.make_result_call(base_urls, report.request_id), policy)
    except NotFoundError:
        return (yield from _look_in_history(base_urls, report, policy))
    if result.state is JobState.FAILED:
        return _failure(report, result)
    if not result.output_urls and result.state is not JobState.COMPLETED:
        return result
    done = report.update_from_record(result, (yield from run_step(GetTime())))
    if result.output_urls:
        return WaitOutcome(OutcomeKind.COMPLETED, replace(done, status=JobState.COMPLETED.value))
    try:
        found = yield from _look_in_history(base_urls, done, policy)
    except RefusedError:
        return missing_output_outcome(done)
    return (
        found
        if isinstance(found, WaitOutcome) and found.kind is OutcomeKind.COMPLETED
        else missing_output_outcome(done)
    )


def _failure(report: JobSummary, looked: JobStatus) -> WaitOutcome:
    return failed_outcome(replace(report, status=looked.state.value, metrics=looked.metrics), looked.error)


def _look_in_history(base_urls: BaseUrls, report: JobSummary, policy: RetryPolicy) -> Exchange[WaitOutcome | JobStatus]:
    try:
        row = yield from execute(endpoints.make_history_row_call(base_urls, report.request_id), policy)
    except NotFoundError:
        return expired_outcome(report)
    if not row.output_urls and row.state not in FINAL_STATES:
        return JobStatus(report.request_id, row.state, row.state.value)
    line = f"Job {report.request_id}: its record shows no output; the account's history has its row."
    now = yield from run_step(LogLine(line))
    if row.state is JobState.FAILED:
        return failed_outcome(replace(report, status=row.state.value), row.error)
    if row.output_urls:
        return WaitOutcome(
            OutcomeKind.COMPLETED, replace(report.update_from_history(row, now), status=JobState.COMPLETED.value)
        )
    return missing_output_outcome(report.update_from_history(row, now))


def poll_until_done(base_urls: BaseUrls, report: JobSummary, deadline: float, now: float) -> Exchange[WaitOutcome]:
    """Look at a job until it ends or the deadline passes (epoch seconds, both).

    429, 5xx, resets, HTML and cut answers never end the wait; only the job, the deadline, or a
    refusal does. One line of log for each change of state. The last look lands on the deadline.

    :raises UnauthorizedError: the key is not accepted (any more): read the connection afresh, once.
    """
    model = LatencyDistribution(expected_latency_s(report.model))
    vigil = WaitState(report, now if report.submitted_at is None else report.submitted_at)
    last_polled_age_s = floor_s = 0.0
    while True:
        left_s = deadline - now
        age_s = now - vigil.born
        pause_s = next_poll_delay_s(
            model, age_s, left_s, SINGLE_JOB_POLL_COST_S, last_polled_age_s=last_polled_age_s, floor_s=floor_s
        )
        if pause_s is not None:
            now = yield from run_step(Sleep(pause_s))
        elif left_s > 0:
            return timed_out_outcome(report)  # the API listens again only after the deadline
        last_polled_age_s, floor_s = now - vigil.born, 0.0
        try:
            looked = yield from poll_once(base_urls, report)
        except UnauthorizedError:
            raise
        except RunwayError as problem:
            ending, line, floor_s = vigil.stumble(problem, now)
        else:
            ending, line = vigil.judge(looked, now)
        if line is not None:
            yield line
        if ending is not None:
            return ending
        if pause_s is None or pause_s >= left_s:
            return timed_out_outcome(report)
