"""Notices for errors and logs: whether a job is billed, until when it can be had, and what to do."""

from __future__ import annotations

import re
from datetime import timedelta

from airflow_provider_runway.segmind.jobs import OUTPUT_LIFETIME_S, RECORD_LIFETIME_S, JobSummary
from airflow_provider_runway.segmind.numbers_and_times import format_timestamp, parse_number

#: Between "//" and "@" of a URL. It may hold a password, and messages are logged.
_USER_PART = re.compile(r"//[^/?#]*@")


def how_to_resume(request_id: str, submitted_at: float | None) -> str:
    """Return how to resume a job without paying again."""
    until = (
        "for an hour from its submission"
        if submitted_at is None
        else f"until {format_timestamp(submitted_at + RECORD_LIFETIME_S)}"
    )
    return (
        f"Its record lives {until}, its row in the account's history longer. "
        f'To resume it without paying again: RunwayJobSensor(request_id="{request_id}"). '
        f'Or set request_id="{request_id}" on the RunwayGenerateOperator and clear the task.'
    )


def describe_running_job(request_id: str, submitted_at: float | None, why: str) -> str:
    """Return the message about a job that goes on while nothing waits for it any more."""
    resume = how_to_resume(request_id, submitted_at)
    return f"Job {request_id}: {why.rstrip('.')}. The job goes on and is billed when it completes. {resume}"


def describe_possible_job(model: str, fingerprint: str, sent_at: float, why: str) -> str:
    """Return what to say where a submit may have become a job that cannot be found, and how to go on."""
    return (
        f"One job of model {model} may exist and be billed when it completes (about USD 0.50 to 1.00), but it cannot "
        f"be found. A submit at {format_timestamp(sent_at)} or later (inputs {fingerprint}) had no usable response, "
        f"and the account's history does not settle it: {why.rstrip('.')}. Nothing more was sent. "
        "Look for the job in the request history of Segmind's console. Its record lives until "
        f"{format_timestamp(sent_at + RECORD_LIFETIME_S)} at least, its history row longer. "
        'If it is there: set request_id="…" on the operator and clear the task, which does not pay again. '
        'If it is not: set on_orphaned_intent="resubmit" and clear the task, which pays for one more job. '
        "To decide without a change of code, give the operator "
        "on_orphaned_intent=\"{{ dag_run.conf.get('on_orphaned_intent', 'fail') }}\". "
        'Then the run conf {"on_orphaned_intent": "resubmit"} says the same.'
    )


def describe_output_location(url: str, submitted_at: float | None) -> str:
    """Return where the output of a completed job is, and until when at least."""
    until = "for 7 days" if submitted_at is None else f"until {format_timestamp(submitted_at + OUTPUT_LIFETIME_S)}"
    return f"The output is at {_USER_PART.sub('//', url)} {until}."


def make_late_retry_warning(retry_delay_s: float) -> str | None:
    """Return a warning where the next retry comes only after the job's record is gone; None where it is in time."""
    if retry_delay_s < RECORD_LIFETIME_S:
        return None
    delay, lifetime = (timedelta(seconds=round(seconds)) for seconds in (retry_delay_s, RECORD_LIFETIME_S))
    return (
        f"A retry of this task would come after {delay}, and Segmind deletes a job's record {lifetime} after its "
        "submission (record_expires_at). The retry would not pay again, but it would depend on the account's history "
        "to find the job. A retry_delay of some minutes is safer."
    )


def describe_completed(job: JobSummary) -> str:
    """Return the log line of a completed job: its seconds, its cost and the URL of its output without the query."""
    facts = ["COMPLETED"]
    if (seconds := _total_seconds(job)) is not None:
        facts.append(f"{seconds:.0f} s")
    facts.append("cost not known" if job.cost is None else f"cost {job.cost:.2f} USD")
    if job.output_url is not None:
        facts.append(f"output at {hide_url_secrets(job.output_url)}")
    return f"Job {job.request_id}: {', '.join(facts)}."


def describe_unstored_job(job: JobSummary, why: str) -> str:
    """Return the message about a completed job whose output cannot be stored now."""
    where = "" if job.output_url is None else f" The output is at {hide_url_secrets(job.output_url)}."
    return (
        f"Job {job.request_id} is completed and billed, but its output cannot be stored. {why} "
        f"Then clear the task, which stores the output and submits nothing.{where}"
    )


def hide_url_secrets(url: str) -> str:
    """Return a URL without its query, fragment and user part, which may be secrets."""
    return _USER_PART.sub("//", re.split("[?#]", url, maxsplit=1)[0])


def _total_seconds(job: JobSummary) -> float | None:
    if (total_s := parse_number((job.metrics or {}).get("total_time"))) is not None:
        return total_s
    if job.submitted_at is None or job.completed_at is None:
        return None
    return max(job.completed_at - job.submitted_at, 0.0)
