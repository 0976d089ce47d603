"""What is to be done for a row, from what the journal says of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from airflow_provider_runway.batch.results import RowStatus
from airflow_provider_runway.batch.row_decision import BatchTry, RowStep, decide_row
from airflow_provider_runway.batch.row_state import RowState, SeenOutcome, StoredResult, merge_entries
from airflow_provider_runway.exceptions import (
    ContentBlockedError,
    DownloadFailedError,
    JobFailedError,
    RecordExpiredError,
    WaitTimeoutError,
)
from airflow_provider_runway.segmind.jobs import JobSummary
from airflow_provider_runway.segmind.wait_outcome import OutcomeKind, WaitOutcome
from airflow_provider_runway.submission.decision_input import HistoryLookup, OnOrphanedIntent
from airflow_provider_runway.submission.journal import JournalEntry, Phase

FIRST = BatchTry(try_number=1, max_tries=2, had_journal=True)
RETRY = replace(FIRST, try_number=2)
CLEARED = replace(FIRST, try_number=2, max_tries=3)


def make_entry(phase: Phase, request_id: str | None = None, generation: int = 0) -> JournalEntry:
    return JournalEntry(phase, "same", "model", generation, 7, 1, 2, 0.0, request_id)


def make_state(
    phase: Phase | None = Phase.SUBMITTED, *, seen: str | None = "none", result: RowStatus | None = None, code: str = ""
) -> RowState:
    """Return a state of try 1. :param seen: the code of the outcome of its wait; None: its job completed."""
    request_id = "job" if phase is Phase.SUBMITTED else None
    state = RowState(None if phase is None else make_entry(phase, request_id))
    if seen != "none":
        kind = OutcomeKind.COMPLETED if seen is None else OutcomeKind.FAILED
        state.outcome = SeenOutcome(WaitOutcome(kind, JobSummary("job"), seen, seen), 1)
    if result is not None:
        state.result = StoredResult(result, request_id, 1, code or None, None, b"[]")
    return state


@pytest.mark.parametrize(
    ("state", "current", "step"),
    [
        pytest.param(make_state(None), FIRST, RowStep.SUBMIT, id="nothing was sent"),
        pytest.param(make_state(None), RETRY, RowStep.SUBMIT, id="nothing was sent, says the journal"),
        pytest.param(
            make_state(None), replace(RETRY, had_journal=False), RowStep.ASK_HISTORY, id="the journal is lost"
        ),
        pytest.param(
            make_state(None), replace(RETRY, is_damaged=True), RowStep.ASK_HISTORY, id="a file cannot be read"
        ),
        pytest.param(make_state(Phase.INTENT), RETRY, RowStep.ASK_HISTORY, id="a submit in doubt"),
        pytest.param(make_state(Phase.NOT_ACCEPTED), RETRY, RowStep.SUBMIT, id="a submit that was not accepted"),
        pytest.param(make_state(), RETRY, RowStep.WAIT, id="a job that is out"),
        pytest.param(make_state(seen=None), FIRST, RowStep.STORE, id="a job that completed"),
        pytest.param(make_state(seen=JobFailedError.code), FIRST, RowStep.FAIL, id="a job that failed in this try"),
        pytest.param(make_state(seen=JobFailedError.code), RETRY, RowStep.SUBMIT, id="one that failed in an earlier"),
        pytest.param(make_state(seen=ContentBlockedError.code), RETRY, RowStep.FAIL, id="a blocked one, on a retry"),
        pytest.param(make_state(seen=ContentBlockedError.code), CLEARED, RowStep.SUBMIT, id="a blocked one, cleared"),
        pytest.param(make_state(seen=RecordExpiredError.code), CLEARED, RowStep.FAIL, id="one that is gone"),
        pytest.param(make_state(seen=WaitTimeoutError.code), FIRST, RowStep.FAIL, id="one that took too long"),
        pytest.param(make_state(seen=WaitTimeoutError.code), RETRY, RowStep.WAIT, id="one that took too long before"),
        pytest.param(make_state(result=RowStatus.SUCCESS), RETRY, RowStep.NOTHING, id="a success, on a retry"),
        pytest.param(make_state(result=RowStatus.SUCCESS), CLEARED, RowStep.NOTHING, id="a success, cleared"),
        pytest.param(
            make_state(result=RowStatus.ERROR, code=JobFailedError.code), FIRST, RowStep.NOTHING, id="failed already"
        ),
        pytest.param(
            make_state(result=RowStatus.ERROR, code=JobFailedError.code), RETRY, RowStep.SUBMIT, id="failed before"
        ),
        pytest.param(
            make_state(seen=None, result=RowStatus.ERROR, code=DownloadFailedError.code),
            RETRY,
            RowStep.STORE,
            id="a video that could not be stored",
        ),
        pytest.param(
            make_state(Phase.INTENT, result=RowStatus.UNKNOWN, code="submission_unknown"),
            RETRY,
            RowStep.ASK_HISTORY,
            id="one that was unknown before",
        ),
    ],
)
def test_a_row_is_decided_as_a_single_job_is(state: RowState, current: BatchTry, step: RowStep) -> None:
    assert decide_row(state, current).step is step


@pytest.mark.parametrize(
    ("history", "policy", "step"),
    [
        (HistoryLookup.ABSENT, OnOrphanedIntent.FAIL, RowStep.SUBMIT),
        (HistoryLookup.NOT_SETTLED, OnOrphanedIntent.FAIL, RowStep.WAIT_FOR_HISTORY),
        (HistoryLookup.UNCLEAR, OnOrphanedIntent.FAIL, RowStep.REFUSE),
        (HistoryLookup.UNCLEAR, OnOrphanedIntent.RESUBMIT, RowStep.SUBMIT),
    ],
)
def test_a_row_in_doubt_follows_the_history(history: HistoryLookup, policy: OnOrphanedIntent, step: RowStep) -> None:
    current = replace(RETRY, on_orphaned_intent=policy)
    assert decide_row(make_state(Phase.INTENT), current, history=history).step is step


def test_a_success_whose_inputs_changed_is_kept_by_a_retry_and_replaced_after_a_clear() -> None:
    state = make_state(result=RowStatus.SUCCESS)
    assert decide_row(state, RETRY, is_same=False).step is RowStep.NOTHING
    decision = decide_row(state, CLEARED, is_same=False)
    assert (decision.step, decision.is_new_generation) == (RowStep.SUBMIT, True)


def test_an_id_is_never_forgotten_whatever_a_stopped_process_writes_late() -> None:
    intent, job = make_entry(Phase.INTENT), make_entry(Phase.SUBMITTED, "job")
    assert merge_entries(job, intent).request_id == merge_entries(intent, job).request_id == "job"
    other = make_entry(Phase.SUBMITTED, "other")
    assert merge_entries(job, other).previous_request_ids == ("job",)
    later = make_entry(Phase.INTENT, generation=1)
    assert merge_entries(later, job) == replace(later, previous_request_ids=("job",))
    assert merge_entries(job, later) == replace(later, previous_request_ids=("job",))
