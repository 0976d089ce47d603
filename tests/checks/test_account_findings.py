"""What the evidence of an account check means: tables of rows and verdicts, without any I/O."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_runway.checks.account_evidence import AccountEvidence
from airflow_provider_runway.checks.account_findings import (
    Answer,
    Finding,
    Level,
    Verdict,
    decide_if_lost_submit_can_be_found,
    get_exit_code,
    list_findings,
    summarize_for_connection_test,
)
from airflow_provider_runway.exceptions import NoUsableResponseError, UnauthorizedError
from airflow_provider_runway.history.rows import HistoryRow, Page, parse_row
from airflow_provider_runway.segmind.jobs import Credits, JobState, JobStatus

NOW = 1_800_000_000.0
ROW = {
    "request_id": "0b1c",
    "model_name": "runway-gen3-alphaturbo",
    "model_status": "COMPLETED",
    "request_body": "{'promptText': 'a cat', 'promptImage': 'https://a.example/1.png', 'seed': 7}",
    "model_created": "2027-01-15T07:00:00Z",
}


def make_row(**changes: Any) -> HistoryRow:
    """Return a history row; None removes a field."""
    row = parse_row({name: value for name, value in {**ROW, **changes}.items() if value is not None})
    assert row is not None
    return row


def make_evidence(*rows: HistoryRow, unreadable: int = 0, **changes: Any) -> AccountEvidence:
    page = Page(list(rows), row_count=len(rows) + unreadable, unreadable_count=unreadable)
    usual = {"checked_at": NOW, "credits": Credits(10.0, 0.0), "clock_offset_s": 0.4, "page": page}
    return AccountEvidence(**{**usual, **changes})


def level_of(evidence: AccountEvidence, name: str) -> Level | None:
    return next((finding.level for finding in list_findings(evidence) if finding.name == name), None)


NO_SEED = make_row(request_body='{"prompt": "a cat"}')
PENDING = make_row(request_id="0b1d", model_status="PENDING", request_body=None)


@pytest.mark.parametrize(
    ("evidence", "answer", "reason"),
    [
        pytest.param(make_evidence(make_row()), Answer.YES, "its seed", id="a complete row"),
        pytest.param(
            make_evidence(make_row(request_body={"input": {"Seed": "7"}})), Answer.YES, "its seed", id="nested inputs"
        ),
        pytest.param(make_evidence(NO_SEED), Answer.YES, "prompt and image decide", id="rows without a seed"),
        pytest.param(make_evidence(make_row(), PENDING), Answer.YES, "its seed", id="an unfinished row"),
        pytest.param(make_evidence(), Answer.UNKNOWN, "has no rows yet", id="an empty history"),
        pytest.param(
            make_evidence(page=None, history_problem=NoUsableResponseError("no")),
            Answer.NO,
            "could not be read",
            id="an unreadable history",
        ),
        pytest.param(
            AccountEvidence(credits_problem=UnauthorizedError("no")),
            Answer.UNKNOWN,
            "could not be read",
            id="bad key",
        ),
        pytest.param(make_evidence(make_row(request_id=None)), Answer.NO, "request id", id="rows without ids"),
        pytest.param(make_evidence(make_row(request_body=None)), Answer.NO, "prompt or the seed", id="without inputs"),
        pytest.param(make_evidence(make_row(model_created="soon")), Answer.YES, "its seed", id="rows without times"),
        pytest.param(
            make_evidence(make_row(), make_row(request_body=None)), Answer.UNKNOWN, "1 of 2 rows lack", id="one is bare"
        ),
        pytest.param(
            make_evidence(make_row(), unreadable=1), Answer.UNKNOWN, "1 of 2 rows lack", id="one item is no row"
        ),
    ],
)
def test_the_verdict_on_lost_submits(evidence: AccountEvidence, answer: Answer, reason: str) -> None:
    verdict = decide_if_lost_submit_can_be_found(evidence)
    assert verdict.answer is answer
    assert reason in verdict.reason


@pytest.mark.parametrize(
    ("evidence", "name", "level"),
    [
        pytest.param(make_evidence(), "key", Level.OK, id="valid key"),
        pytest.param(AccountEvidence(credits_problem=UnauthorizedError("no")), "key", Level.PROBLEM, id="bad key"),
        pytest.param(make_evidence(credits=Credits(0.2, 0.3)), "balance", Level.WARNING, id="low balance"),
        pytest.param(make_evidence(credits=Credits(0, 0, is_known=False)), "balance", Level.UNKNOWN, id="no balance"),
        pytest.param(make_evidence(clock_offset_s=-4.0), "clock", Level.OK, id="4 s off"),
        pytest.param(make_evidence(clock_offset_s=300.0), "clock", Level.WARNING, id="5 minutes off"),
        pytest.param(make_evidence(clock_offset_s=None), "clock", Level.UNKNOWN, id="no Date header"),
        pytest.param(make_evidence(rate_limit_headers=("x-ratelimit",)), "rate_limit", Level.OK, id="rate limit"),
        pytest.param(make_evidence(), "rate_limit", Level.UNKNOWN, id="no rate limit"),
        pytest.param(make_evidence(), "history", Level.UNKNOWN, id="no rows"),
        pytest.param(make_evidence(), "row_id", None, id="no findings about rows without rows"),
        pytest.param(make_evidence(make_row(), unreadable=2), "history", Level.WARNING, id="unreadable items"),
        pytest.param(make_evidence(NO_SEED), "row_seed", Level.WARNING, id="no seed"),
        pytest.param(
            make_evidence(make_row(model_created="2027-01-15 07:00:00")),
            "row_zone",
            Level.WARNING,
            id="a time without a zone",
        ),
        pytest.param(make_evidence(make_row()), "row_delay", Level.UNKNOWN, id="finished rows only"),
        pytest.param(make_evidence(make_row(), PENDING), "row_delay", Level.OK, id="an unfinished row"),
        pytest.param(
            make_evidence(make_row(), refused_filters=frozenset({"status"})),
            "filters",
            Level.WARNING,
            id="a refused filter",
        ),
        pytest.param(
            make_evidence(make_row(model_created="2027-01-15T20:00:00")),
            "row_clock",
            Level.WARNING,
            id="a time in the future",
        ),
    ],
)
def test_the_level_of_each_finding(evidence: AccountEvidence, name: str, level: Level | None) -> None:
    assert level_of(evidence, name) is level


@pytest.mark.parametrize(
    ("state", "row", "text", "level"),
    [
        (JobState.PROCESSING, make_row(), "its row is there, before the job's end, and complete", Level.OK),
        (JobState.PROCESSING, PENDING, "before the job's end, and not complete", Level.OK),
        (JobState.PROCESSING, None, "its row is not there while it is running", Level.OK),
        (JobState.COMPLETED, make_row(), "its row is there, and complete", Level.OK),
        (JobState.COMPLETED, None, "not there yet, although it has ended", Level.WARNING),
    ],
)
def test_when_the_row_of_a_job_appears(state: JobState, row: HistoryRow | None, text: str, level: Level) -> None:
    evidence = make_evidence(job_id="0b1c", job_status=JobStatus("0b1c", state), job_row=row)
    (finding,) = (each for each in list_findings(evidence) if each.name == "job")
    assert text in finding.text
    assert finding.level is level


@pytest.mark.parametrize(
    ("level", "answer", "code"),
    [
        (Level.OK, Answer.YES, 0),
        (Level.WARNING, Answer.UNKNOWN, 0),
        (Level.OK, Answer.NO, 1),
        (Level.PROBLEM, Answer.YES, 1),
    ],
)
def test_the_exit_code(level: Level, answer: Answer, code: int) -> None:
    assert get_exit_code([Finding("key", Level.OK, ""), Finding("x", level, "")], Verdict(answer, "")) == code


def test_the_summary_names_what_a_user_must_know() -> None:
    is_usable, text = summarize_for_connection_test(make_evidence(make_row(), clock_offset_s=600.0))
    assert is_usable
    for part in ("The key is valid.", "10.00 USD", "600 s behind", "can be found again: yes, because"):
        assert part in text
    assert "rows have" not in text


def test_the_summary_of_an_unusable_key_is_its_error() -> None:
    assert summarize_for_connection_test(AccountEvidence(credits_problem=UnauthorizedError("Wrong key."))) == (
        False,
        "Wrong key.",
    )
