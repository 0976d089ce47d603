"""What one poll means for a wait: whether it is over, and what is worth a log line."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_runway.exceptions import (
    BadConnectionError,
    BadInputError,
    ForbiddenError,
    NoUsableResponseError,
    RunwayError,
    ThrottledError,
    UnreachableError,
)
from airflow_provider_runway.polling.wait_state import RECORD_GRACE_S, WaitState
from airflow_provider_runway.segmind.jobs import JobState, JobStatus, JobSummary
from airflow_provider_runway.segmind.wait_outcome import OutcomeKind, WaitOutcome

START = 1_800_000_000.0
SUMMARY = JobSummary("r-1", model="m", submitted_at=START)
LATER = START + RECORD_GRACE_S


def make_state(*, submitted_at: float | None = START) -> WaitState:
    return WaitState(replace(SUMMARY, submitted_at=submitted_at), START)


def make_status(state: JobState, raw_status: str | None = None) -> JobStatus:
    return JobStatus("r-1", state, state.value if raw_status is None else raw_status)


@pytest.mark.parametrize("kind", OutcomeKind)
def test_an_outcome_ends_the_wait(kind: OutcomeKind) -> None:
    outcome = WaitOutcome(kind, SUMMARY)
    assert make_state().on_status(outcome, LATER) == (outcome, None)


def test_a_missing_record_of_a_young_job_ends_nothing(subtests: pytest.Subtests) -> None:
    for age_s in (-50.0, 0.0, RECORD_GRACE_S - 0.1):
        with subtests.test(age_s=age_s):
            assert make_state().on_status(WaitOutcome(OutcomeKind.EXPIRED, SUMMARY), START + age_s) == (None, None)


def test_a_status_is_logged_when_it_changes_and_ends_nothing(subtests: pytest.Subtests) -> None:
    for state in (JobState.QUEUED, JobState.PROCESSING, JobState.COMPLETED):
        with subtests.test(state=state):
            wait = make_state()
            results = [wait.on_status(make_status(state), LATER) for _ in range(3)]
            assert [outcome for outcome, _ in results] == [None] * 3
            assert [line and (line.line, line.problem) for _, line in results] == [
                (f"Job r-1: {state.value}", False)
            ] + [None] * 2


def test_each_undocumented_status_is_one_warning() -> None:
    wait = make_state()
    words = ["PAUSED", "PAUSED", "THROTTLED", "THROTTLED"]
    lines = [wait.on_status(make_status(JobState.UNKNOWN, word), LATER)[1] for word in words]
    assert [line and line.problem for line in lines] == [True, None, True, None]
    assert "PAUSED" in str(lines[0])
    assert "THROTTLED" in str(lines[2])


def test_a_failed_poll_ends_nothing_and_is_logged_once_until_a_response_comes(subtests: pytest.Subtests) -> None:
    for kind in (NoUsableResponseError, UnreachableError, ThrottledError):
        with subtests.test(kind=kind):
            wait = make_state()
            results = [wait.on_error(kind("no use."), LATER) for _ in range(3)]
            assert [outcome for outcome, _, _ in results] == [None] * 3
            assert [line is None for _, line, _ in results] == [False, True, True]
            assert results[0][1] is not None
            assert results[0][1].problem
            assert results[0][1].line == "Job r-1: no use. Polling goes on until the deadline."
            wait.on_status(make_status(JobState.PROCESSING), LATER)
            assert wait.on_error(kind("no use."), LATER)[1] is not None


def test_a_failed_poll_does_not_log_the_known_status_again() -> None:
    wait = make_state()
    wait.on_status(make_status(JobState.PROCESSING), LATER)
    wait.on_error(NoUsableResponseError("a 503."), LATER)
    assert wait.on_status(make_status(JobState.PROCESSING), LATER) == (None, None)


def test_the_pause_lasts_until_the_reset_of_a_429(subtests: pytest.Subtests) -> None:
    for case, error, pause_s in (
        ("reset to come", ThrottledError("429.", reset_at=LATER + 12.5), 12.5),
        ("reset in the past", ThrottledError("429.", reset_at=LATER - 12.5), 0.0),
        ("no reset", ThrottledError("429."), 0.0),
        ("no 429", NoUsableResponseError("503."), 0.0),
    ):
        with subtests.test(case):
            assert make_state().on_error(error, LATER)[2] == pause_s


@pytest.mark.parametrize("kind", [ForbiddenError, BadInputError, BadConnectionError], ids=lambda kind: kind.code)
def test_a_refusal_ends_the_wait_and_says_how_to_resume(kind: type[RunwayError]) -> None:
    wait = make_state()
    wait.on_error(NoUsableResponseError("503."), LATER)
    outcome, line, pause_s = wait.on_error(kind("The API said no."), LATER)
    assert outcome is not None
    assert (outcome.kind, outcome.code, line, pause_s) == (OutcomeKind.ERROR, kind.code, None, 0.0)
    assert "The API said no." in str(outcome.error)
    assert 'RunwayJobSensor(request_id="r-1")' in str(outcome.error)
