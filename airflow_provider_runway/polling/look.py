"""One look at a job, and a wait made of looks: flows that a worker and a triggerer drive alike."""

from __future__ import annotations

from dataclasses import replace

from airflow_provider_runway.exceptions import NotFound, Refused, RunwayError, Unauthorized
from airflow_provider_runway.polling.latency import LatencyModel
from airflow_provider_runway.polling.schedule import LONE_PRICE_S, next_look
from airflow_provider_runway.polling.vigil import Vigil
from airflow_provider_runway.segmind import calls
from airflow_provider_runway.segmind.ending import Ending, Outcome, expired, failed, lost_output, timed_out
from airflow_provider_runway.segmind.flow import Clock, Flow, Pause, Tell, carry_out, when
from airflow_provider_runway.segmind.jobs import FINAL, JobState, JobStatus
from airflow_provider_runway.segmind.models import expected_latency_s
from airflow_provider_runway.segmind.report import JobReport
from airflow_provider_runway.segmind.retry import ONCE, RetryPolicy
from airflow_provider_runway.segmind.wire import Endpoints


def look_once(at: Endpoints, report: JobReport, policy: RetryPolicy = ONCE) -> Flow[Ending | JobStatus]:
    """Look at a job: its ending, or its status while it lives. The output is fetched with the end.

    A record that is gone is looked for in the account's history, which knows jobs of any age.

    :raises Unanswered: no usable answer. :raises Refused: the API said no, about the caller.
    """
    looked = yield from look_at_status(at, report, policy)
    if isinstance(looked, Ending) or looked.state is not JobState.COMPLETED:
        return looked
    return (yield from fetch_ending(at, report, policy))


def look_at_status(at: Endpoints, report: JobReport, policy: RetryPolicy = ONCE) -> Flow[Ending | JobStatus]:
    """Ask for a job's status alone: COMPLETED is not an ending yet, for the output is still to be fetched."""
    try:
        looked = yield from carry_out(calls.status(at, report.request_id), policy)
    except NotFound:
        return (yield from _look_in_history(at, report, policy))
    return _failure(report, looked) if looked.state is JobState.FAILED else looked


def fetch_ending(at: Endpoints, report: JobReport, policy: RetryPolicy = ONCE) -> Flow[Ending | JobStatus]:
    """Ask for the record of a job whose status says COMPLETED: its ending, or its status where the record lags."""
    try:
        result = yield from carry_out(calls.result(at, report.request_id), policy)
    except NotFound:
        return (yield from _look_in_history(at, report, policy))
    if result.state is JobState.FAILED:
        return _failure(report, result)
    if not result.output_urls and result.state is not JobState.COMPLETED:
        return result
    done = report.finished(result, (yield from when(Clock())))
    if result.output_urls:
        return Ending(Outcome.COMPLETED, replace(done, status=JobState.COMPLETED.value))
    try:
        found = yield from _look_in_history(at, done, policy)
    except Refused:
        return lost_output(done)
    return found if isinstance(found, Ending) and found.outcome is Outcome.COMPLETED else lost_output(done)


def _failure(report: JobReport, looked: JobStatus) -> Ending:
    return failed(replace(report, status=looked.state.value, metrics=looked.metrics), looked.error)


def _look_in_history(at: Endpoints, report: JobReport, policy: RetryPolicy) -> Flow[Ending | JobStatus]:
    try:
        row = yield from carry_out(calls.history_row(at, report.request_id), policy)
    except NotFound:
        return expired(report)
    if not row.output_urls and row.state not in FINAL:
        return JobStatus(report.request_id, row.state, row.state.value)
    line = f"Job {report.request_id}: its record shows no output; the account's history has its row."
    now = yield from when(Tell(line))
    if row.state is JobState.FAILED:
        return failed(replace(report, status=row.state.value), row.error)
    if row.output_urls:
        return Ending(Outcome.COMPLETED, replace(report.from_history(row, now), status=JobState.COMPLETED.value))
    return lost_output(report.from_history(row, now))


def watch(at: Endpoints, report: JobReport, deadline: float, now: float) -> Flow[Ending]:
    """Look at a job until it ends or the deadline passes (epoch seconds, both).

    429, 5xx, resets, HTML and cut answers never end the wait; only the job, the deadline, or a
    refusal does. One line of log for each change of state. The last look lands on the deadline.

    :raises Unauthorized: the key is not accepted (any more): read the connection afresh, once.
    """
    model = LatencyModel(expected_latency_s(report.model))
    vigil = Vigil(report, now if report.submitted_at is None else report.submitted_at)
    looked_s = floor_s = 0.0
    while True:
        left_s = deadline - now
        age_s = now - vigil.born
        pause_s = next_look(model, age_s, left_s, LONE_PRICE_S, looked_s=looked_s, floor_s=floor_s)
        if pause_s is not None:
            now = yield from when(Pause(pause_s))
        elif left_s > 0:
            return timed_out(report)  # the API listens again only after the deadline
        looked_s, floor_s = now - vigil.born, 0.0
        try:
            looked = yield from look_once(at, report)
        except Unauthorized:
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
            return timed_out(report)
