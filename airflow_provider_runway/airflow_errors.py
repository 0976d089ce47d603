"""Turns this package's errors into Airflow's: which ones end a task for good, and which ones may be retried."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_runway.compat import AirflowException, AirflowFailException
from airflow_provider_runway.exceptions import (
    ContentBlockedError,
    DownloadFailedError,
    JobFailedError,
    NotSentError,
    NoUsableResponseError,
    OutputMissingError,
    OutputRejectedError,
    RecordExpiredError,
    RefusedError,
    RunwayError,
    SubmitOutcomeUnknownError,
    WaitTimeoutError,
)

#: error -> whether a retry of the task may help. The most specific class counts. A retry never pays twice, because it
#: finds the job of the earlier try. Where it is False, Airflow's retries are skipped.
MAY_RETRY_TASK: dict[type[RunwayError], bool] = {
    RunwayError: True,
    NotSentError: False,
    RefusedError: False,
    NoUsableResponseError: True,
    SubmitOutcomeUnknownError: False,
    JobFailedError: True,
    ContentBlockedError: False,
    RecordExpiredError: False,
    OutputMissingError: False,
    WaitTimeoutError: True,
    DownloadFailedError: True,
    OutputRejectedError: False,
}


def may_retry_task(error: RunwayError) -> bool:
    """May a retry of the task succeed?"""
    return next(MAY_RETRY_TASK[kind] for kind in type(error).__mro__ if kind in MAY_RETRY_TASK)


def to_airflow_error(error: RunwayError) -> AirflowException:
    """Return Airflow's error for one of this package: one that ends the task, or one that may be retried."""
    return AirflowException(str(error)) if may_retry_task(error) else AirflowFailException(str(error))


@contextmanager
def raise_as_airflow_errors() -> Iterator[None]:
    """Raise this package's errors as Airflow's. Operators do all their work inside."""
    try:
        yield
    except RunwayError as error:
        raise to_airflow_error(error) from error
