"""What the evidence of an account check means: tables of rows and verdicts, without any I/O."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_runway.checks.account_evidence import AccountEvidence
from airflow_provider_runway.checks.account_findings import (
    Answer,
    Finding,
    Level,
    LostSubmitVerdict,
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


def test_the_verdict_on_lost_submits(subtests: pytest.Subtests) -> None:
    for case, evidence, answer, reason in (
        ("a complete row", make_evidence(make_row()), Answer.YES, "its seed"),
        ("nested inputs", make_evidence(make_row(request_body={"input": {"Seed": "7"}})), Answer.YES, "its seed"),
        ("rows without a seed", make_evidence(NO_SEED), Answer.YES, "prompt and image decide"),
        ("an unfinished row", make_evidence(make_row(), PENDING), Answer.YES, "its seed"),
        ("an empty history", make_evidence(), Answer.UNKNOWN, "has no rows yet"),
        (
            "an unreadable history",
            make_evidence(page=None, history_problem=NoUsableResponseError("no")),
            Answer.NO,
            "could not be read",
        ),
        ("bad key", AccountEvidence(credits_problem=UnauthorizedError("no")), Answer.UNKNOWN, "could not be read"),
        ("rows without ids", make_evidence(make_row(request_id=None)), Answer.NO, "request id"),
        ("without inputs", make_evidence(make_row(request_body=None)), Answer.NO, "prompt or the seed"),
        ("rows without times", make_evidence(make_row(model_created="soon")), Answer.YES, "its seed"),
        ("one is bare", make_evidence(make_row(), make_row(request_body=None)), Answer.UNKNOWN, "1 of 2 rows lack"),
        ("one item is no row", make_evidence(make_row(), unreadable=1), Answer.UNKNOWN, "1 of 2 rows lack"),
    ):
        with subtests.test(case):
            verdict = decide_if_lost_submit_can_be_found(evidence)
            assert verdict.answer is answer
            assert reason in verdict.reason


def test_the_level_of_each_finding(subtests: pytest.Subtests) -> None:
    for case, evidence, name, level in (
        ("valid key", make_evidence(), "key", Level.OK),
        ("bad key", AccountEvidence(credits_problem=UnauthorizedError("no")), "key", Level.PROBLEM),
        ("low balance", make_evidence(credits=Credits(0.2, 0.3)), "balance", Level.WARNING),
        ("no balance", make_evidence(credits=Credits(0, 0, is_known=False)), "balance", Level.UNKNOWN),
        ("4 s off", make_evidence(clock_offset_s=-4.0), "clock", Level.OK),
        ("5 minutes off", make_evidence(clock_offset_s=300.0), "clock", Level.WARNING),
        ("no Date header", make_evidence(clock_offset_s=None), "clock", Level.UNKNOWN),
        ("rate limit", make_evidence(rate_limit_headers=("x-ratelimit",)), "rate_limit", Level.OK),
        ("no rate limit", make_evidence(), "rate_limit", Level.UNKNOWN),
        ("no rows", make_evidence(), "history", Level.UNKNOWN),
        ("no findings about rows without rows", make_evidence(), "row_id", None),
        ("unreadable items", make_evidence(make_row(), unreadable=2), "history", Level.WARNING),
        ("no seed", make_evidence(NO_SEED), "row_seed", Level.WARNING),
        (
            "a time without a zone",
            make_evidence(make_row(model_created="2027-01-15 07:00:00")),
            "row_zone",
            Level.WARNING,
        ),
        ("finished rows only", make_evidence(make_row()), "row_delay", Level.UNKNOWN),
        ("an unfinished row", make_evidence(make_row(), PENDING), "row_delay", Level.OK),
        (
            "a refused filter",
            make_evidence(make_row(), refused_filters=frozenset({"status"})),
            "filters",
            Level.WARNING,
        ),
        (
            "a time in the future",
            make_evidence(make_row(model_created="2027-01-15T20:00:00")),
            "row_clock",
            Level.WARNING,
        ),
    ):
        with subtests.test(case):
            assert level_of(evidence, name) is level


def test_when_the_row_of_a_job_appears(subtests: pytest.Subtests) -> None:
    for state, row, text, level in (
        (JobState.PROCESSING, make_row(), "its row is there, before the job's end, and complete", Level.OK),
        (JobState.PROCESSING, PENDING, "before the job's end, and not complete", Level.OK),
        (JobState.PROCESSING, None, "its row is not there while it is running", Level.OK),
        (JobState.COMPLETED, make_row(), "its row is there, and complete", Level.OK),
        (JobState.COMPLETED, None, "not there yet, although it has ended", Level.WARNING),
    ):
        with subtests.test(state=state, row=row, text=text, level=level):
            evidence = make_evidence(job_id="0b1c", job_status=JobStatus("0b1c", state), job_row=row)
            (finding,) = (each for each in list_findings(evidence) if each.name == "job")
            assert text in finding.text
            assert finding.level is level


def test_the_exit_code(subtests: pytest.Subtests) -> None:
    for level, answer, code in (
        (Level.OK, Answer.YES, 0),
        (Level.WARNING, Answer.UNKNOWN, 0),
        (Level.OK, Answer.NO, 1),
        (Level.PROBLEM, Answer.YES, 1),
    ):
        with subtests.test(level=level, answer=answer, code=code):
            assert (
                get_exit_code([Finding("key", Level.OK, ""), Finding("x", level, "")], LostSubmitVerdict(answer, ""))
                == code
            )


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
