"""What a job came to survives the way through events and XCom, as JSON types only."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_runway.exceptions import (
    ContentBlockedError,
    JobFailedError,
    OutputMissingError,
    RecordExpiredError,
    RunwayError,
    ThrottledError,
    WaitTimeoutError,
    list_error_classes,
)
from airflow_provider_runway.segmind.history import HistoryRow
from airflow_provider_runway.segmind.job_summary import JobSummary
from airflow_provider_runway.segmind.jobs import JobRecord, JobState
from airflow_provider_runway.segmind.user_messages import how_to_resume, job_still_running, may_be_billed
from airflow_provider_runway.segmind.wait_outcome import (
    OutcomeKind,
    WaitOutcome,
    expired_outcome,
    failed_outcome,
    missing_output_outcome,
    stopped_outcome,
    timed_out_outcome,
)

BORN = 1_800_000_000.0
URL, OTHER = "https://images.segmind.com/a.mp4", "https://images.segmind.com/b.mp4"
METRICS = {"cost": 0.5, "remaining_credits": 9.5, "total_time": 27.4}
QUEUED = JobSummary("r-1", model="runway-gen3-alphaturbo", seed=7, submitted_at=BORN)
RESULT = JobRecord("r-1", JobState.COMPLETED, "COMPLETED", metrics=METRICS, output_urls=(URL, OTHER))
DONE = QUEUED.update_from_record(RESULT, BORN + 30)

#: The XCom contract of the design, in its order.
CONTRACT = [
    *("request_id", "status", "model", "output_url", "output_urls", "output_path", "cost", "remaining_credits"),
    *("metrics", "seed", "submitted_at", "completed_at", "record_expires_at"),
]

ENDINGS = [
    pytest.param(WaitOutcome(OutcomeKind.COMPLETED, DONE), "completed", None, id="completed"),
    pytest.param(failed_outcome(QUEUED, "Generation failed"), "failed", JobFailedError, id="failed"),
    pytest.param(failed_outcome(QUEUED, "RAI content block"), "failed", ContentBlockedError, id="content block"),
    pytest.param(failed_outcome(QUEUED, None), "failed", JobFailedError, id="failed without a reason"),
    pytest.param(missing_output_outcome(DONE), "failed", OutputMissingError, id="output lost"),
    pytest.param(expired_outcome(QUEUED), "expired", RecordExpiredError, id="expired"),
    pytest.param(timed_out_outcome(QUEUED), "timeout", WaitTimeoutError, id="timeout"),
    pytest.param(
        stopped_outcome(QUEUED, ThrottledError("slow down", reset_at=1.0)), "error", ThrottledError, id="broken off"
    ),
    pytest.param(stopped_outcome(QUEUED, RunwayError("a bug")), "error", RunwayError, id="a bug"),
]


def test_a_report_tells_the_xcom_contract_in_json_types() -> None:
    told = DONE.add_output_paths(["/videos/r-1.mp4"]).to_json()
    assert list(told) == CONTRACT
    assert json.loads(json.dumps(told)) == told
    assert told["output_url"] == URL
    assert (told["cost"], told["remaining_credits"], told["output_path"]) == (0.5, 9.5, "/videos/r-1.mp4")
    assert told["record_expires_at"] == "2027-01-15T09:00:00+00:00"


@pytest.mark.parametrize(
    "report", [JobSummary("r-1"), QUEUED, DONE, DONE.add_output_paths(["x"])], ids=["bare", "queued", "done", "stored"]
)
def test_a_report_comes_back_as_it_went(report: JobSummary) -> None:
    told = report.to_json()
    assert list(told) == CONTRACT
    assert JobSummary.from_json(json.loads(json.dumps(told))).to_json() == told


def test_the_historys_row_fills_what_the_record_did_not_say() -> None:
    row = HistoryRow("r-1", "m", JobState.COMPLETED, 0.5, {"seed": "77"}, (URL,), 27.4, None, BORN - 5)
    report = JobSummary("r-1").update_from_history(row, BORN + 4000)
    assert (report.model, report.seed, report.submitted_at, report.cost) == ("m", 77, BORN - 5, 0.5)
    assert report.metrics == {"total_time": 27.4}
    known = DONE.update_from_history(HistoryRow("r-1", "other", JobState.UNKNOWN, output_urls=(OTHER,)), BORN + 4000)
    assert (known.model, known.seed, known.cost, known.metrics) == (QUEUED.model, 7, 0.5, METRICS)
    assert known.output_urls == (OTHER,)


def test_what_only_the_submitter_knows_is_kept() -> None:
    seen = JobSummary("r-1", status="COMPLETED", model="seen", output_urls=(URL,), seed=None, submitted_at=BORN + 9)
    merged_with = QUEUED.merged_with(seen)
    assert (merged_with.model, merged_with.seed, merged_with.submitted_at) == (QUEUED.model, 7, BORN)
    assert merged_with.output_urls == (URL,)
    assert JobSummary("r-1").merged_with(DONE) == DONE


@pytest.mark.parametrize(("ending", "status", "error"), ENDINGS)
def test_every_ending_comes_back_from_its_event(
    ending: WaitOutcome, status: str, error: type[RunwayError] | None
) -> None:
    event = json.loads(json.dumps(ending.to_event()))
    assert event == ending.to_event()
    assert set(event) == {"status", "request_id", "job", "error"}
    assert (event["status"], event["request_id"]) == (status, "r-1")
    back = WaitOutcome.from_event(event)
    assert back.to_event() == event
    raised = back.to_error()
    assert type(raised) is (error or type(None))
    if raised is not None:
        assert str(raised) == ending.error
        assert raised.facts["request_id"] == "r-1"


def test_every_outcome_is_among_the_endings() -> None:
    assert {row.values[1] for row in ENDINGS} == {outcome.value for outcome in OutcomeKind}  # type: ignore[index]


@pytest.mark.parametrize(
    "event", [None, 7, "done", [], {}, {"status": "completed"}, {"status": "done"}, {7: 1, "a": 2}]
)
def test_what_is_no_event_of_ours_says_so(event: Any) -> None:
    with pytest.raises(ValueError, match=r"no event of a RunwayJobTrigger|not a valid Outcome"):
        WaitOutcome.from_event(event)


def test_an_event_with_half_a_job_says_so() -> None:
    event = WaitOutcome(OutcomeKind.COMPLETED, DONE).to_event()
    with pytest.raises(ValueError, match="RunwayJobTrigger"):
        WaitOutcome.from_event(event | {"job": {"request_id": "r-1"}})


def test_a_code_of_another_version_is_still_an_error() -> None:
    event = failed_outcome(QUEUED, "x").to_event()
    raised = WaitOutcome.from_event(event | {"job": event["job"] | {"code": "of_the_future"}}).to_error()
    assert type(raised) is RunwayError


@pytest.mark.parametrize("error", list_error_classes())
def test_every_error_of_the_tree_comes_back_by_its_code(error: type[RunwayError]) -> None:
    raised = WaitOutcome.from_event(stopped_outcome(QUEUED, error("x")).to_event()).to_error()
    assert type(raised) is error


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        pytest.param(failed_outcome(QUEUED, "x"), ["r-1", "not billed", "submits a new job"], id="failed"),
        pytest.param(failed_outcome(QUEUED, "nsfw"), ["r-1", "not billed", "change them"], id="blocked"),
        pytest.param(missing_output_outcome(DONE), ["r-1", "It is billed", "support"], id="lost"),
        pytest.param(expired_outcome(QUEUED), ["r-1", "is billed", "request id"], id="expired"),
    ],
)
def test_an_ending_says_what_is_billed_and_what_to_do(ending: WaitOutcome, words: list[str]) -> None:
    for raw_status in words:
        assert raw_status in (ending.error or "")


@pytest.mark.parametrize(
    "said",
    [
        pytest.param(timed_out_outcome(QUEUED).error, id="timeout"),
        pytest.param(stopped_outcome(QUEUED, RunwayError("x.")).error, id="broken off"),
        pytest.param(job_still_running("r-1", BORN, "the task was ended"), id="killed"),
        pytest.param(f"{how_to_resume('r-1', BORN)} billed", id="way back"),
    ],
)
def test_who_leaves_a_job_behind_says_id_bill_until_when_and_the_way_back(said: str) -> None:
    for raw_status in ("r-1", "billed", "2027-01-15T09:00:00+00:00", 'RunwayJobSensor(request_id="r-1")'):
        assert raw_status in said
    assert ".." not in said


def test_an_unknown_submission_moment_is_said_in_words() -> None:
    assert "for an hour from its submission" in how_to_resume("r-1", None)


def test_a_submit_without_an_answer_says_what_may_be_billed_and_both_ways_on() -> None:
    said = may_be_billed("runway-gen3-alphaturbo", "f00d", BORN, "the history cannot be had")
    for raw_status in (
        "runway-gen3-alphaturbo",
        "2027-01-15T08:00:00+00:00",
        "f00d",
        "USD",
        "request_id=",
        "durable=False",
    ):
        assert raw_status in said
