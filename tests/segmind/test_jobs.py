"""The states of a job, and its summary, which keeps what is known and goes through events and XCom as JSON types."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.segmind.jobs import FINAL_STATES, NEXT_STATES, JobRecord, JobState, JobStatus, JobSummary

SUBMITTED_AT = 1_800_000_000.0
URL, OTHER = "https://images.segmind.com/a.mp4", "https://images.segmind.com/b.mp4"
FRAME = "https://images.segmind.com/a.png"
METRICS = {"cost": 0.5, "remaining_credits": 9.5, "total_time": 27.4}
QUEUED = JobSummary("r-1", model="runway-gen3-alphaturbo", seed=7, submitted_at=SUBMITTED_AT)
RECORD = JobRecord("r-1", JobState.COMPLETED, "COMPLETED", None, METRICS, (URL, OTHER), FRAME)
DONE = QUEUED.update_from_record(RECORD, SUBMITTED_AT + 30)
STORED = DONE.add_output_paths(["/v/1.mp4", "/v/2.mp4"])

#: The XCom contract of the design, in its order.
CONTRACT = [
    *("request_id", "status", "model", "output_url", "output_urls", "output_path", "output_paths", "last_frame_url"),
    *("prompt_text", "cost", "remaining_credits", "metrics", "seed", "submitted_at", "completed_at"),
    "record_expires_at",
]


def test_the_table_has_every_documented_state_and_only_the_two_ends_are_final() -> None:
    assert set(NEXT_STATES) == set(JobState)
    assert set(JobState) == {"QUEUED", "PROCESSING", "COMPLETED", "FAILED", "UNKNOWN"}
    assert {JobState.COMPLETED, JobState.FAILED} == FINAL_STATES
    assert [JobStatus("r", state).is_final for state in JobState] == [state in FINAL_STATES for state in JobState]


def test_every_state_that_is_not_final_can_reach_both_ends() -> None:
    for state in set(JobState) - FINAL_STATES:
        assert FINAL_STATES <= NEXT_STATES[state] <= set(JobState) - {state}


def test_an_undocumented_status_is_unknown() -> None:
    for raw_status in ("CANCELLED", "", None, 7, ["QUEUED"], {"status": "QUEUED"}):
        assert JobState.parse(raw_status) is JobState.UNKNOWN


@given(st.text())
def test_any_text_is_some_state(raw_status: str) -> None:
    assert JobState.parse(raw_status) in JobState


def test_the_xcom_has_the_keys_of_the_contract_and_json_types() -> None:
    xcom = STORED.to_xcom("a prompt")
    assert list(xcom) == CONTRACT
    assert json.loads(json.dumps(xcom)) == xcom
    assert (xcom["output_url"], xcom["output_urls"], xcom["last_frame_url"]) == (URL, [URL, OTHER], FRAME)
    assert (xcom["output_path"], xcom["output_paths"]) == ("/v/1.mp4", ["/v/1.mp4", "/v/2.mp4"])
    assert (xcom["cost"], xcom["remaining_credits"], xcom["prompt_text"]) == (0.5, 9.5, "a prompt")
    assert xcom["record_expires_at"] == "2027-01-15T09:00:00+00:00"


def test_the_prompt_is_in_no_other_json() -> None:
    assert list(STORED.to_json()) == [name for name in CONTRACT if name != "prompt_text"]


@pytest.mark.parametrize("summary", [JobSummary("r-1"), QUEUED, STORED], ids=["bare", "queued", "stored"])
def test_a_summary_is_the_same_after_a_way_as_json(summary: JobSummary) -> None:
    value = summary.to_json()
    assert JobSummary.from_json(json.loads(json.dumps(value))).to_json() == value


def test_what_only_the_submitter_knows_is_kept() -> None:
    seen = JobSummary("r-1", status="COMPLETED", model="seen", output_urls=(URL,), submitted_at=SUBMITTED_AT + 9)
    merged = QUEUED.merged_with(seen)
    assert (merged.model, merged.seed, merged.submitted_at) == (QUEUED.model, 7, SUBMITTED_AT)
    assert merged.output_urls == (URL,)
    assert JobSummary("r-1").merged_with(DONE) == DONE
