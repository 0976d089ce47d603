"""Which of our errors is worth a retry of the task: the one place where they become Airflow's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from airflow_provider_runway.compat import AirflowException, AirflowFailException
from airflow_provider_runway.exceptions import (
    ContentBlocked,
    DownloadFailed,
    JobFailed,
    NotSent,
    OutputLost,
    OutputRefused,
    RecordExpired,
    Refused,
    RunwayError,
    SubmissionUnknown,
    Unanswered,
    WaitExpired,
)

#: error -> may a retry help? The most specific class counts. A retry never pays twice: it finds the
#: job of the earlier try. Where it is False, Airflow's retries are skipped.
RETRY_HELPS: dict[type[RunwayError], bool] = {
    RunwayError: True,
    NotSent: False,
    Refused: False,
    Unanswered: True,
    SubmissionUnknown: False,
    JobFailed: True,
    ContentBlocked: False,
    RecordExpired: False,
    OutputLost: False,
    WaitExpired: True,
    DownloadFailed: True,
    OutputRefused: False,
}


def retry_helps(error: RunwayError) -> bool:
    """May a retry of the task end better?"""
    return next(RETRY_HELPS[kind] for kind in type(error).__mro__ if kind in RETRY_HELPS)


def as_airflow(error: RunwayError) -> AirflowException:
    """Return Airflow's error for one of ours: final, or worth a retry."""
    return AirflowException(str(error)) if retry_helps(error) else AirflowFailException(str(error))


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Turn our errors into Airflow's at the edge of an operator."""
    try:
        yield
    except RunwayError as error:
        raise as_airflow(error) from error
