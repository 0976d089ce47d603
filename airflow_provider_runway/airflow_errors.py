"""Turns this package's errors into Airflow's: which ones end a task for good, and which ones may be retried."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from airflow_provider_runway.compat import AirflowException, AirflowFailException
from airflow_provider_runway.exceptions import (
    ATTACHED_ERROR,
    BadConnectionError,
    ContentBlockedError,
    DownloadFailedError,
    JobFailedError,
    NoUsableResponseError,
    OutputMissingError,
    OutputRejectedError,
    RecordExpiredError,
    RefusedError,
    RunwayError,
    StoppedBeforeSendingError,
    SubmitOutcomeUnknownError,
    WaitTimeoutError,
)

#: The error itself stands in one line of a log, an e-mail or a callback; all its sentences are logged before it.
MAX_ERROR_LENGTH = 300
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z\"'])")


class LogErrors(Protocol):
    """The log of a task, as far as it is used here."""

    def error(self, message: str, /, *values: Any) -> Any:
        """Log an error."""


#: error -> whether a retry of the task may help. The most specific class counts. A retry never pays twice, because it
#: finds the job of the earlier try. Where it is False, Airflow's retries are skipped.
MAY_RETRY_TASK: dict[type[RunwayError], bool] = {
    RunwayError: True,
    StoppedBeforeSendingError: False,
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
    """May a retry of the task succeed? After a bad connection, too, where there are jobs already."""
    if isinstance(error, BadConnectionError) and ("request_id" in error.facts or "jobs_out" in error.facts):
        return True
    return next(MAY_RETRY_TASK[kind] for kind in type(error).__mro__ if kind in MAY_RETRY_TASK)


def to_airflow_error(error: RunwayError, log: LogErrors | None = None) -> AirflowException:
    """Return Airflow's error for one of this package: one that ends the task, or one that may be retried.

    :param log: gets one line for each sentence of the error, for Airflow's log pane does not wrap lines. The error
        that is returned is short then.
    """
    message = str(error)
    if log is not None:
        for sentence in split_sentences(message):
            log.error("%s", sentence)
        if not isinstance(error, StoppedBeforeSendingError):  # the problems of an input are all needed
            message = shorten(message)
    kind = AirflowException if may_retry_task(error) else AirflowFailException
    return attach_error(kind(message), error)


def attach_error(exception: AirflowException, error: RunwayError) -> AirflowException:
    """Let :func:`find_runway_error` find this package's error in Airflow's, and return Airflow's."""
    setattr(exception, ATTACHED_ERROR, error)
    return exception


def split_sentences(message: str) -> list[str]:
    """Return the sentences of a message."""
    return _SENTENCE_END.split(message)


def shorten(message: str) -> str:
    """Return the first sentence of a message, and those that follow it as long as they are short together."""
    first, *others = split_sentences(message)
    for sentence in others:
        if len(first) + len(sentence) >= MAX_ERROR_LENGTH:
            break
        first = f"{first} {sentence}"
    return first


@contextmanager
def raise_as_airflow_errors(log: LogErrors) -> Iterator[None]:
    """Log this package's errors and raise them as Airflow's. Operators do all their work inside."""
    try:
        yield
    except RunwayError as error:
        raise to_airflow_error(error, log) from None  # the cause would show the whole message a second time
