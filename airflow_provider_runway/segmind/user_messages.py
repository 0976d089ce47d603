"""The sentences that people need when money may be involved: what is billed, until when, what to do."""

from __future__ import annotations

import re
from datetime import timedelta

from airflow_provider_runway.segmind.jobs import OUTPUT_LIFETIME_S, RECORD_LIFETIME_S
from airflow_provider_runway.segmind.timestamps import format_timestamp

#: Between "//" and "@": it may be a secret, and messages are logged.
_USER_PART = re.compile(r"//[^/?#]*@")


def how_to_resume(request_id: str, submitted_at: float | None) -> str:
    """Return how to pick up a job without paying again."""
    until = (
        "for an hour from its submission"
        if submitted_at is None
        else f"until {format_timestamp(submitted_at + RECORD_LIFETIME_S)}"
    )
    return (
        f"Its record lives {until}, its row in the account's history longer. To pick it up without paying again: "
        f'RunwayJobSensor(request_id="{request_id}"), or request_id="{request_id}" on the RunwayGenerateOperator.'
    )


def job_still_running(request_id: str, submitted_at: float | None, why: str) -> str:
    """Return what to say of a job that is left while it may still end well."""
    back = how_to_resume(request_id, submitted_at)
    return f"Job {request_id}: {why.rstrip('.')}. The job goes on and is billed when it completes. {back}"


def may_be_billed(model: str, fingerprint: str, at: float, why: str) -> str:
    """Return what to say where a submit may have become a job that cannot be found."""
    return (
        f"A submit of model {model} at or after {format_timestamp(at)} (inputs {fingerprint}) had no answer, "
        f"and {why}. One job may exist and be billed (about USD 0.50 to 1.00), so nothing more was sent. "
        "Look for it in the request history of Segmind's console. If it is there: set request_id=… on "
        "the operator, and run the task again; that does not pay again. If it is not: set durable=False on the "
        "operator, and clear the task, which pays once more."
    )


def where_output_is(url: str, submitted_at: float | None) -> str:
    """Return where the output of a completed job is, and how long at least."""
    until = "for 7 days" if submitted_at is None else f"until {format_timestamp(submitted_at + OUTPUT_LIFETIME_S)}"
    return f"The output is at {_USER_PART.sub('//', url)} {until}."


def retry_after_expiry_warning(retry_delay_s: float) -> str | None:
    """Return a warning where the next retry comes only after the job's record is gone; None where it is in time."""
    if retry_delay_s < RECORD_LIFETIME_S:
        return None
    delay, lifetime = (timedelta(seconds=round(seconds)) for seconds in (retry_delay_s, RECORD_LIFETIME_S))
    return (
        f"A retry of this task would come after {delay}, and Segmind deletes a job's record {lifetime} after its "
        "submission (record_expires_at). The retry would not pay again, but it would depend on the account's history "
        "to find the job. A retry_delay of some minutes is safer."
    )
