"""One poll of a job, and a wait made of polls, as sans-IO exchanges for workers and triggerers."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_runway.exceptions import NotFoundError, RefusedError, RunwayError, UnauthorizedError
from airflow_provider_runway.history.search import make_history_row_call
from airflow_provider_runway.polling.latency import make_latency_estimator
from airflow_provider_runway.polling.schedule import SINGLE_JOB_POLL_COST_S, next_poll_delay_s
from airflow_provider_runway.polling.wait_state import WaitState
from airflow_provider_runway.segmind import api_calls
from airflow_provider_runway.segmind.exchange import Exchange, GetTimeStep, LogStep, SleepStep, execute, run_step
from airflow_provider_runway.segmind.http import BaseUrls
from airflow_provider_runway.segmind.jobs import FINAL_STATES, JobState, JobStatus, JobSummary
from airflow_provider_runway.segmind.retry import NO_RETRY, RetryPolicy
from airflow_provider_runway.segmind.wait_outcome import (
    OutcomeKind,
    WaitOutcome,
    expired_outcome,
    failed_outcome,
    missing_output_outcome,
)


def poll_once(
    base_urls: BaseUrls, summary: JobSummary, policy: RetryPolicy = NO_RETRY
) -> Exchange[WaitOutcome | JobStatus]:
    """Poll a job: return its outcome with the output if it ended, else its status.

    Where the record is gone, the account's history is read, which knows jobs of any age.

    :raises NoUsableResponseError: no usable response. :raises RefusedError: the API refused the call itself.
    """
    result = yield from poll_status(base_urls, summary, policy)
    if isinstance(result, WaitOutcome) or result.state is not JobState.COMPLETED:
        return result
    return (yield from fetch_outcome(base_urls, summary, policy))


def poll_status(
    base_urls: BaseUrls, summary: JobSummary, policy: RetryPolicy = NO_RETRY
) -> Exchange[WaitOutcome | JobStatus]:
    """Read a job's status only. COMPLETED is not an outcome yet, because the output is still to be fetched."""
    try:
        status = yield from execute(api_calls.make_status_call(base_urls, summary.request_id), policy)
    except NotFoundError:
        return (yield from _read_history(base_urls, summary, policy))
    return _failed(summary, status) if status.state is JobState.FAILED else status


def fetch_outcome(
    base_urls: BaseUrls, summary: JobSummary, policy: RetryPolicy = NO_RETRY
) -> Exchange[WaitOutcome | JobStatus]:
    """Read the record of a job whose status is COMPLETED; return its status where the record lags behind."""
    try:
        record = yield from execute(api_calls.make_result_call(base_urls, summary.request_id), policy)
    except NotFoundError:
        return (yield from _read_history(base_urls, summary, policy))
    if record.state is JobState.FAILED:
        return _failed(summary, record)
    if not record.output_urls and record.state is not JobState.COMPLETED:
        return record
    done = summary.update_from_record(record, (yield from run_step(GetTimeStep())))
    if record.output_urls:
        return WaitOutcome(OutcomeKind.COMPLETED, replace(done, status=JobState.COMPLETED.value))
    try:
        found = yield from _read_history(base_urls, done, policy)
    except RefusedError:
        return missing_output_outcome(done)
    if isinstance(found, WaitOutcome) and found.kind is OutcomeKind.COMPLETED:
        return found
    return missing_output_outcome(done)


def _failed(summary: JobSummary, status: JobStatus) -> WaitOutcome:
    return failed_outcome(replace(summary, status=status.state.value, metrics=status.metrics), status.error)


def _read_history(base_urls: BaseUrls, summary: JobSummary, policy: RetryPolicy) -> Exchange[WaitOutcome | JobStatus]:
    """Return what the account's history says about a job whose record is gone or has no output."""
    try:
        row = yield from execute(make_history_row_call(base_urls, summary.request_id), policy)
    except NotFoundError:
        return expired_outcome(summary)
    if not row.output_urls and row.state not in FINAL_STATES:
        return JobStatus(summary.request_id, row.state, row.state.value)
    line = f"Job {summary.request_id}: its record has no output, so the account's history was read."
    now = yield from run_step(LogStep(line))
    if row.state is JobState.FAILED:
        return failed_outcome(replace(summary, status=row.state.value), row.error)
    done = row.add_to_summary(summary, now)
    if row.output_urls:
        return WaitOutcome(OutcomeKind.COMPLETED, replace(done, status=JobState.COMPLETED.value))
    return missing_output_outcome(done)


def poll_until_done(base_urls: BaseUrls, summary: JobSummary, deadline: float, now: float) -> Exchange[WaitOutcome]:
    """Poll a job until it ends or the deadline passes. Both times are epoch seconds.

    429, 5xx, connection resets, HTML and truncated responses never end the wait. Only the job, the deadline or a
    refusal does. Each change of status is logged once. The last poll is at the deadline.

    :raises UnauthorizedError: the key is not accepted (any more); the caller may read the connection again.
    """
    latency = make_latency_estimator(summary.model)
    state = WaitState(summary, now if summary.submitted_at is None else summary.submitted_at)
    last_polled_age_s = min_delay_s = 0.0
    while True:
        left_s, age_s = deadline - now, now - state.started_at
        delay_s = next_poll_delay_s(
            latency,
            age_s,
            left_s,
            SINGLE_JOB_POLL_COST_S,
            last_polled_age_s=last_polled_age_s,
            min_delay_s=min_delay_s,
        )
        if delay_s is not None:
            now = yield from run_step(SleepStep(delay_s))
        elif left_s > 0:
            return state.on_deadline()  # the API accepts requests again only after the deadline
        last_polled_age_s, min_delay_s = now - state.started_at, 0.0
        try:
            result = yield from poll_once(base_urls, summary)
        except UnauthorizedError:
            raise
        except RunwayError as error:
            outcome, line, min_delay_s = state.on_error(error, now)
        else:
            outcome, line = state.on_status(result, now)
        if line is not None:
            yield line
        if outcome is not None:
            return outcome
        if delay_s is None or delay_s >= left_s:
            return state.on_deadline()
