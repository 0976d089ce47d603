"""A whole wait, on a clock that only pauses move: deadlines, floors, newborn records, and the log's lines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_runway.exceptions import UnauthorizedError
from airflow_provider_runway.polling.latency import LatencyDistribution
from airflow_provider_runway.polling.poll import poll_until_done
from airflow_provider_runway.polling.schedule import SHORTEST_GAP_S, SINGLE_JOB_POLL_COST_S, next_poll_delay_s
from airflow_provider_runway.polling.wait_state import NEWBORN_S
from airflow_provider_runway.segmind.http import BaseUrls, FailureKind, TransportFailure
from airflow_provider_runway.segmind.job_summary import JobSummary
from airflow_provider_runway.segmind.models import DEFAULT_MODEL, expected_latency_s
from airflow_provider_runway.segmind.timestamps import format_timestamp
from airflow_provider_runway.segmind.wait_outcome import OutcomeKind

URL = "https://images.segmind.com/a.mp4"
DONE = (200, {"status": "COMPLETED"})
RESULT = (200, {"status": "COMPLETED", "output": URL, "metrics": {"cost": 0.5}})
QUEUED, PROCESSING = (200, {"status": "QUEUED"}), (200, {"status": "PROCESSING"})
GONE = (404, {"error": "Request not found or expired"})
KNOWN = (200, {"request_id": "r-1", "model_status": "COMPLETED", "generation_url": URL})
PENDING = (200, {"request_id": "r-1", "model_status": "PENDING"})
Drive = Callable[..., Any]
MODEL = LatencyDistribution(expected_latency_s(DEFAULT_MODEL))
FIRST_S = next_poll_delay_s(MODEL, 0.0, 900.0, SINGLE_JOB_POLL_COST_S) or 0.0

#: Noise that never fails a job, each in another way.
NOISE = [
    pytest.param((429, {"error": "rate_limit_exceeded"}), id="429"),
    *(pytest.param((status, b"<html>"), id=str(status)) for status in (500, 502, 503, 504)),
    pytest.param((200, b"<html>"), id="HTML 200"),
    pytest.param((200, b""), id="empty"),
    pytest.param((200, b'{"status": "QUE'), id="cut"),
    pytest.param((200, {"status": "COMPLETED", "request_id": "r-2"}), id="another job"),
    pytest.param(TransportFailure(FailureKind.MAYBE_SENT, "ServerDisconnected"), id="reset"),
    pytest.param(TransportFailure(FailureKind.NOT_SENT, "ClientConnectorError"), id="refused"),
]


@pytest.fixture
def wait_for(drive: Drive, now: float) -> Drive:
    """Watch the job ``r-1``, submitted ``age_s`` ago, for ``left_s`` at most."""

    def wait(left_s: float = 900.0, age_s: float | None = 0.0, **sayings: Any) -> Any:
        born = None if age_s is None else now - age_s
        report = JobSummary("r-1", model=DEFAULT_MODEL, submitted_at=born)
        return drive(poll_until_done(BaseUrls(), report, now + left_s, now), **sayings)

    return wait


def after(seconds: float, then: Any = DONE, before: Any = PROCESSING) -> Callable[[float], Any]:
    """A job that changes after so many seconds."""
    return lambda at_s: then if at_s >= seconds else before


def test_a_finished_job_ends_the_wait_with_its_output(wait_for: Drive) -> None:
    wait = wait_for(status=after(27), result=RESULT)
    assert (wait.value.kind, wait.value.job.output_url) == (OutcomeKind.COMPLETED, URL)
    assert wait.times()[0] == pytest.approx(FIRST_S)
    assert wait.times()[-1] <= 27 * 1.1 + 1


def test_a_job_that_ended_long_ago_is_seen_after_a_moment(wait_for: Drive) -> None:
    wait = wait_for(status=DONE, result=RESULT, age_s=FIRST_S - 0.5)
    assert wait.times() == [SHORTEST_GAP_S]


@pytest.mark.parametrize("left_s", [0.3, 5.0, 40.0, 123.4])
def test_the_last_look_lands_on_the_deadline_and_there_is_none_after_it(wait_for: Drive, left_s: float) -> None:
    wait = wait_for(left_s, status=PROCESSING)
    assert wait.value.kind is OutcomeKind.TIMEOUT
    assert wait.times()[-1] == pytest.approx(left_s)
    assert len(set(wait.times())) == len(wait.times())


def test_a_job_that_ends_in_the_final_gap_is_still_seen(wait_for: Drive) -> None:
    wait = wait_for(40.0, status=after(40.0), result=RESULT)
    assert wait.value.kind is OutcomeKind.COMPLETED


@pytest.mark.parametrize("left_s", [0.0, -3600.0])
def test_a_deadline_that_is_past_still_gets_one_look(wait_for: Drive, left_s: float) -> None:
    assert wait_for(left_s, status=DONE, result=RESULT, age_s=60).value.kind is OutcomeKind.COMPLETED
    late = wait_for(left_s, status=PROCESSING, age_s=60)
    assert (late.value.kind, len(late.looks)) == (OutcomeKind.TIMEOUT, 1)


def test_a_timeout_says_how_to_pick_the_job_up(wait_for: Drive, now: float) -> None:
    said = wait_for(60, status=PROCESSING).value.error
    for raw_status in (
        "r-1",
        "billed when it completes",
        format_timestamp(now + 3600),
        'RunwayJobSensor(request_id="r-1")',
    ):
        assert raw_status in said


@pytest.mark.parametrize("noise", NOISE)
def test_noise_never_ends_a_wait_and_is_told_once(wait_for: Drive, noise: Any) -> None:
    wait = wait_for(status=after(60, before=noise), result=[noise, noise, RESULT])
    assert wait.value.kind is OutcomeKind.COMPLETED
    assert [log_step.problem for log_step in wait.told] == [True]
    assert wait.lines[0].startswith("Job r-1: ")


@pytest.mark.parametrize("noise", NOISE)
def test_noise_until_the_deadline_is_a_timeout_and_no_failure(wait_for: Drive, noise: Any) -> None:
    wait = wait_for(60, status=noise)
    assert wait.value.kind is OutcomeKind.TIMEOUT
    assert wait.times()[-1] == pytest.approx(60)


def test_noise_that_comes_back_is_told_again(wait_for: Drive) -> None:
    wait = wait_for(status=[(503, b""), (503, b""), QUEUED, (503, b""), (503, b""), DONE], result=RESULT)
    assert [log_step.problem for log_step in wait.told] == [True, False, True]


@pytest.mark.parametrize("reset_s", [5.0, 45.0, 100.0])
def test_the_reset_of_a_429_is_waited_for(wait_for: Drive, now: float, reset_s: float) -> None:
    def status(at_s: float) -> Any:
        moment = now + FIRST_S + reset_s
        return (429, {}, {"x-rate-limit-reset-at-utc": str(moment)}) if at_s < FIRST_S + reset_s - 1e-6 else DONE

    wait = wait_for(status=status, result=RESULT)
    assert wait.times() == pytest.approx([FIRST_S, FIRST_S + reset_s])


def test_a_reset_beyond_the_deadline_is_not_hammered(wait_for: Drive) -> None:
    wait = wait_for(60, status=(429, {}, {"retry-after": "100"}))
    assert wait.value.kind is OutcomeKind.TIMEOUT
    assert len(wait.looks) == 1


def test_one_line_is_told_for_each_change_of_state(wait_for: Drive) -> None:
    wait = wait_for(status=[QUEUED, QUEUED, PROCESSING, PROCESSING, QUEUED, DONE], result=RESULT)
    assert wait.lines == ["Job r-1: QUEUED", "Job r-1: PROCESSING", "Job r-1: QUEUED"]
    assert not any(log_step.problem for log_step in wait.told)


def test_an_unknown_status_warns_once_and_is_looked_at_again(wait_for: Drive) -> None:
    odd = (200, {"status": "THROTTLED"})
    wait = wait_for(status=[odd, odd, odd, DONE], result=RESULT)
    assert wait.value.kind is OutcomeKind.COMPLETED
    assert [(log_step.line, log_step.problem) for log_step in wait.told] == [
        ("Job r-1: THROTTLED, which is no documented state; looking again", True)
    ]


def test_a_completed_job_without_an_output_asks_the_history_then_fails(wait_for: Drive) -> None:
    wait = wait_for(status=DONE, result=DONE, history_one=GONE)
    assert (wait.value.kind, wait.value.code) == (OutcomeKind.FAILED, "output_lost")
    assert [name for name, _ in wait.looks] == ["status", "result", "history_one"]


@pytest.mark.parametrize(
    ("row", "outcome"),
    [
        pytest.param(KNOWN, "completed", id="completed"),
        pytest.param((200, {"request_id": "r-1", "model_status": "FAILED", "error": "x"}), "failed", id="failed"),
        pytest.param(GONE, "expired", id="expired"),
    ],
)
@pytest.mark.parametrize("age_s", [None, 3700.0])
def test_a_record_that_is_gone_ends_as_the_history_says(
    wait_for: Drive, row: Any, outcome: str, age_s: float | None
) -> None:
    wait = wait_for(status=GONE, history_one=row, age_s=age_s)
    assert wait.value.kind == outcome
    assert len(wait.looks) == 2


def test_a_newborn_record_may_be_missing(wait_for: Drive) -> None:
    born = after(NEWBORN_S - 5, then=PROCESSING, before=GONE)
    wait = wait_for(status=lambda at_s: DONE if at_s > 60 else born(at_s), result=RESULT, history_one=GONE)
    assert wait.value.kind is OutcomeKind.COMPLETED
    assert wait.lines == ["Job r-1: PROCESSING"]


def test_a_record_that_stays_missing_is_expired_when_it_is_newborn_no_more(wait_for: Drive) -> None:
    wait = wait_for(status=GONE, history_one=GONE)
    assert wait.value.kind is OutcomeKind.EXPIRED
    assert NEWBORN_S <= wait.times()[-1] <= NEWBORN_S * 1.1 + 2


def test_a_row_that_is_pending_is_told_once_however_often_it_is_seen(wait_for: Drive) -> None:
    wait = wait_for(status=GONE, history_one=after(100, then=KNOWN, before=PENDING), age_s=10)
    assert wait.value.kind is OutcomeKind.COMPLETED
    assert len(wait.times()) > 3
    assert len(wait.lines) == 2


def test_a_refused_key_is_for_the_caller(wait_for: Drive) -> None:
    assert isinstance(wait_for(status=[QUEUED, (401, {})]).error, UnauthorizedError)


@pytest.mark.parametrize(
    "refusal", [(403, {"error": "no"}), (307, b""), TransportFailure(FailureKind.UNTRUSTED, "certificate")]
)
def test_another_refusal_breaks_the_wait_off_and_keeps_the_way_back(wait_for: Drive, refusal: Any) -> None:
    wait = wait_for(status=refusal)
    assert wait.value.kind is OutcomeKind.ERROR
    assert 'RunwayJobSensor(request_id="r-1")' in wait.value.error


def test_an_id_that_is_none_breaks_off_before_anything_is_sent(drive: Drive, now: float) -> None:
    wait = drive(poll_until_done(BaseUrls(), replace(JobSummary("x"), request_id="../x"), now + 60, now))
    assert (wait.value.kind, wait.looks) == (OutcomeKind.ERROR, [])


@pytest.mark.parametrize("ahead_s", [10.0, 600.0])
def test_a_clock_behind_the_submitters_delays_nothing(wait_for: Drive, ahead_s: float) -> None:
    wait = wait_for(status=after(27), result=RESULT, age_s=-ahead_s)
    assert wait.times()[0] == pytest.approx(FIRST_S)


def test_a_usual_job_costs_few_requests(wait_for: Drive) -> None:
    wait = wait_for(status=after(expected_latency_s(DEFAULT_MODEL)), result=RESULT)
    assert len(wait.looks) <= 9
