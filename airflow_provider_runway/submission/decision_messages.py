"""Messages about a decision: the log line of what becomes of an earlier submit, and the errors that end a try."""

from __future__ import annotations

from airflow_provider_runway.exceptions import (
    NoUsableResponseError,
    OutputMissingError,
    RecordExpiredError,
    RunwayError,
    SubmitOutcomeUnknownError,
)
from airflow_provider_runway.segmind.billing_advice import describe_possible_job
from airflow_provider_runway.segmind.numbers_and_times import format_timestamp
from airflow_provider_runway.segmind.wait_outcome import WaitOutcome
from airflow_provider_runway.submission.classify_earlier_submit import classify_earlier_submit, find_earlier_submit_rule
from airflow_provider_runway.submission.decision_input import DecisionInput, EarlierSubmitResult
from airflow_provider_runway.submission.journal import JournalEntry


def describe_decision(entry: JournalEntry | None, known: DecisionInput, why: str, what_follows: str) -> str | None:
    """Return the log line of what becomes of an earlier submit; None where there was none."""
    if entry is None or classify_earlier_submit(known) is EarlierSubmitResult.NOTHING:
        return None
    earlier = f"Job {entry.request_id} of an earlier submit" if entry.request_id else "An earlier submit without an id"
    reason = find_earlier_submit_rule(known).why
    return f"{earlier} (model {entry.model}, {format_timestamp(entry.sent_at)}): {reason}; {why}. {what_follows}."


def make_unanswered_error(model: str, count: int) -> NoUsableResponseError:
    """Return the error of a try whose submits had no usable response.

    It is worth a retry: the next try asks the history first, because the intent is in the journal.
    """
    return NoUsableResponseError(
        f"{count} submits of this try had no usable response, so it sends no more. One job of model "
        f"{model} may exist and be billed when it completes. A retry, or a clear of the task, asks the "
        "account's history before anything is sent."
    )


def make_refusal(model: str, fingerprint: str, sent_at: float, why: str) -> SubmitOutcomeUnknownError:
    """Return the error where a job may exist that cannot be found, so that nothing more is sent."""
    return SubmitOutcomeUnknownError(describe_possible_job(model, fingerprint, sent_at, why), fingerprint=fingerprint)


def make_final_error(request_id: str | None, outcome: WaitOutcome | None, why: str) -> RunwayError:
    """Return the error of a job whose outcome is final."""
    error = outcome.to_error() if outcome else None
    if error is None:
        return RunwayError(f"Job {request_id}: {why}.")
    if isinstance(error, RecordExpiredError | OutputMissingError):
        way_out = (
            'To have a new job, which is billed again: set on_orphaned_intent="resubmit" on the operator and '
            "clear the task."
        )
        return type(error)(f"{error} {way_out}", **error.facts)
    return error
