"""Sends the POST of an intent that is written down, and says what came of it. The only place that submits a job."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_provider_runway.exceptions import (
    NoUsableResponseError,
    RefusedError,
    RunwayError,
    StoppedBeforeSendingError,
    SubmitOutcomeUnknownError,
)
from airflow_provider_runway.segmind.jobs import JobState
from airflow_provider_runway.segmind.timing import get_timing
from airflow_provider_runway.submission.journal import JournalEntry, Phase

if TYPE_CHECKING:
    from airflow_provider_runway.hooks.runway import RunwayHook


@dataclass(frozen=True, slots=True)
class SubmitResult:
    """What came of one POST.

    :param entry: what the journal has to say now: SUBMITTED with the id, NOT_ACCEPTED, or the intent, still in doubt.
    :param error: why there is no id; None where there is one.
    :param ended_at: epoch seconds at which nothing of this POST was under way any more.
    """

    entry: JournalEntry
    ended_at: float
    state: JobState = JobState.QUEUED
    error: RunwayError | None = None


def send_intent(hook: RunwayHook, intent: JournalEntry, body: Mapping[str, Any]) -> SubmitResult:
    """Send the POST of an intent, unless it has expired. The intent must be in the journal already.

    The caller writes the entry of the result into the journal before it does anything else.
    """
    try:
        job = hook.submit(intent.model, body, get_timing().submit_retry, not_after=intent.expires_at)
    except SubmitOutcomeUnknownError as error:
        in_doubt = replace(intent, unanswered_submits=intent.unanswered_submits + 1)
        return SubmitResult(in_doubt, time.time(), error=error)
    except (StoppedBeforeSendingError, RefusedError, NoUsableResponseError) as error:
        # Never sent, refused or throttled: certainly no job. The next try must not look for one.
        return SubmitResult(replace(intent, phase=Phase.NOT_ACCEPTED), time.time(), error=error)
    submitted = replace(intent, phase=Phase.SUBMITTED, request_id=job.request_id, sent_at=job.submitted_at)
    return SubmitResult(submitted, time.time(), job.state)
