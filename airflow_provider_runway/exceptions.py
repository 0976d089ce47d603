"""Every error that this package raises on purpose, sorted by what a caller can do about it::

    RunwayError
    ├── StoppedBeforeSendingError               nothing left this machine, so nothing is billed; fix it
    │   ├── BadConnectionError     the Airflow connection: no key, a malformed address, a certificate
    │   ├── BadInputError          the arguments of the job: a missing field, a value that is not allowed
    │   ├── CostLimitError         the jobs would cost more than the task's ``cost_limit``
    │   ├── DailyCostLimitError    the jobs would cost more than the connection's ``daily_cost_limit``
    │   └── BalanceTooLowError     the jobs would cost more than the account has
    ├── RefusedError               the API refused it and would refuse it again; nothing is billed; fix it
    │   ├── BadRequestError        400, 405, 422 at the submit, 406 for a parameter or the content type
    │   ├── UnauthorizedError      401: no key arrived, or the key is not valid
    │   ├── ForbiddenError         403: the account may not use this model
    │   ├── NotFoundError          404: no such model, or no such record (it may have expired)
    │   ├── OutOfCreditsError      406: the balance is too small
    │   ├── SpendLimitError        406: the team's spend limit is reached
    │   └── ModelRetiredError      410: the model is no longer served
    ├── NoUsableResponseError      no usable response, which says nothing about the job; ask again
    │   ├── ThrottledError         429: refused before anything ran; ``reset_at`` says when to return
    │   ├── HistoryNotSettledError  a submit may have become a job; ``retry_at`` says when to ask the history again
    │   ├── SpendNotKnownError     the history does not tell what was spent today, so nothing was submitted
    │   └── UnreachableError       no byte of the request left, so even a submit may be repeated
    ├── SubmitOutcomeUnknownError  a submit may have become a billed job whose id is not known; look at the bill
    ├── JobFailedError             the job ran and failed; it is not billed, and a new job may succeed
    │   └── ContentBlockedError    the content rules refused it, so the same inputs will never succeed
    ├── RecordExpiredError         the record is gone, and the history does not know the job either
    ├── OutputMissingError         the job completed, so it is billed, and shows no output anywhere
    ├── WaitTimeoutError           the wait is over; the job goes on, and may succeed and be billed
    └── DownloadFailedError        the output exists and is paid for; only fetching it failed
        └── OutputRejectedError    it would fail again: too large, or at a URL that is not allowed

The base is plain ``Exception``: only operators and sensors turn these errors into Airflow's own (fail, retry or
skip). Any other exception that leaves this package is a bug in it.
"""

from __future__ import annotations

from typing import Any, ClassVar


class RunwayError(Exception):
    """Base of all errors of this package.

    :param message: a sentence for people; it never holds a key, a prompt or an image.
    :param facts: JSON-safe values for programs, such as ``request_id`` or ``status``.
    """

    #: Names the class in events between triggerer and worker. A code is never changed and never used again.
    code: ClassVar[str] = "error"

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.facts = facts


class StoppedBeforeSendingError(RunwayError):
    """Nothing left this machine."""

    code = "not_sent"


class BadConnectionError(StoppedBeforeSendingError):
    """The Airflow connection cannot be used as it is."""

    code = "bad_connection"


class BadInputError(StoppedBeforeSendingError):
    """The job's arguments would be refused, or would cost money for nothing."""

    code = "bad_input"


class CostLimitError(StoppedBeforeSendingError):
    """The task's ``cost_limit`` would be exceeded, or it cannot be known that it would not. Nothing was submitted."""

    code = "cost_limit"


class DailyCostLimitError(StoppedBeforeSendingError):
    """The connection's ``daily_cost_limit`` would be exceeded. Nothing was submitted."""

    code = "daily_cost_limit"


class BalanceTooLowError(StoppedBeforeSendingError):
    """The account's balance is smaller than the estimate. Nothing was submitted."""

    code = "balance_too_low"


class RefusedError(RunwayError):
    """The API understood the request and refused it. The same request will be refused again."""

    code = "refused"


class BadRequestError(RefusedError):
    """HTTP 400, 405, 406 for a parameter, 422 at the submit, or a redirect of a GET."""

    code = "bad_request"


class UnauthorizedError(RefusedError):
    """HTTP 401."""

    code = "unauthorized"


class ForbiddenError(RefusedError):
    """HTTP 403."""

    code = "forbidden"


class NotFoundError(RefusedError):
    """HTTP 404."""

    code = "not_found"


class OutOfCreditsError(RefusedError):
    """HTTP 406 with a text about credits."""

    code = "out_of_credits"


class SpendLimitError(RefusedError):
    """HTTP 406 with a text about the team's spend limit."""

    code = "spend_limit"


class ModelRetiredError(RefusedError):
    """HTTP 410."""

    code = "retired"


class NoUsableResponseError(RunwayError):
    """No usable response: a 5xx, HTML, a cut body, a lost connection. Nothing is known about the job."""

    code = "unanswered"


class ThrottledError(NoUsableResponseError):
    """HTTP 429. Nothing ran and nothing was queued.

    :param reset_at: epoch seconds from which on the API accepts requests again; None when it did not say.
    """

    code = "throttled"

    def __init__(self, message: str, *, reset_at: float | None = None, **facts: Any) -> None:
        super().__init__(message, reset_at=reset_at, **facts)
        self.reset_at = reset_at


class HistoryNotSettledError(NoUsableResponseError):
    """A submit may have become a job, and the account's history does not tell yet. Nothing more was sent.

    :param retry_at: epoch seconds at which the history is asked again.
    """

    code = "history_not_settled"

    def __init__(self, message: str, *, retry_at: float = 0.0, **facts: Any) -> None:
        super().__init__(message, retry_at=retry_at, **facts)
        self.retry_at = retry_at


class SpendNotKnownError(NoUsableResponseError):
    """The account's history does not tell what was spent today, so a ``daily_cost_limit`` let nothing be submitted."""

    code = "spend_not_known"


class UnreachableError(NoUsableResponseError):
    """The connection could not be made in time, so not one byte of the request left."""

    code = "unreachable"


class SubmitOutcomeUnknownError(RunwayError):
    """A submit may have become a billable job, and its id is not known."""

    code = "submission_unknown"


class JobFailedError(RunwayError):
    """The job ran and ended as FAILED. Failed jobs are not billed."""

    code = "job_failed"


class ContentBlockedError(JobFailedError):
    """The content rules refused the prompt or the image."""

    code = "content_blocked"


class RecordExpiredError(RunwayError):
    """The job's record is gone after its hour, and the history has no row of it."""

    code = "record_expired"


class OutputMissingError(RunwayError):
    """The job completed without an output. It is billed, so no new job is submitted automatically."""

    code = "output_lost"


class WaitTimeoutError(RunwayError):
    """The deadline passed while the job was still running."""

    code = "wait_expired"


class DownloadFailedError(RunwayError):
    """The finished video could not be stored. Fetching it again costs nothing."""

    code = "download_failed"


class OutputRejectedError(DownloadFailedError):
    """The finished video is rejected: it is larger than allowed, or its URL is not allowed."""

    code = "output_refused"


def omit_nothing_was_sent(message: object) -> str:
    """Return an error's message without the sentence "Nothing was sent.", for a text that says itself what was."""
    return str(message).replace(" Nothing was sent.", "")


#: The attribute of Airflow's exception that holds the error of this package.
ATTACHED_ERROR = "runway_error"


def find_runway_error(exception: BaseException | None) -> RunwayError | None:
    """Return the error of this package behind the exception of a failed task; None where there is none.

    Callbacks and retry policies get Airflow's exceptions, such as ``context["exception"]``. The error behind one has
    the class, the ``code`` and the ``facts`` to decide by.
    """
    error = exception if isinstance(exception, RunwayError) else getattr(exception, ATTACHED_ERROR, None)
    return error if isinstance(error, RunwayError) else None


def list_error_classes(base: type[RunwayError] = RunwayError) -> list[type[RunwayError]]:
    """Return this class and all its subclasses, the base first."""
    return [base, *(error for child in base.__subclasses__() for error in list_error_classes(child))]
