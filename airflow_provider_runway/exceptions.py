"""Every error that this package raises on purpose, sorted by what the caller can do next.

RunwayError
├── NotSentError               fix it: nothing left this machine, so nothing is billed
│   ├── BadConnectionError     the Airflow connection: no key, a malformed address, a certificate
│   └── BadInputError          the arguments of the job: a missing field, a value that is not allowed
├── RefusedError               fix it: the API said no and would say it again; nothing is billed
│   ├── BadRequestError        400, 405, 422 at the submit, 406 for a parameter or the content type
│   ├── UnauthorizedError      401: no key arrived, or the key is not valid
│   ├── ForbiddenError         403: the account may not use this model
│   ├── NotFoundError          404: no such model, or no such record (never was, or expired)
│   ├── OutOfCreditsError      406: the balance is too small
│   ├── SpendLimitError        406: the team's spend limit is reached
│   └── ModelRetiredError      410: the model is no longer served
├── NoUsableResponseError      ask again: no usable answer, which says nothing about the job
│   ├── ThrottledError         429: refused before anything ran; ``reset_at`` says when to come back
│   ├── HistoryNotSettledError  a submit may have become a job; ``retry_at`` says when to ask the history again
│   └── UnreachableError       no byte of the request left: safe to repeat, a submit too
├── SubmitOutcomeUnknownError  look at the bill: a submit may have become a job whose id is not known
├── JobFailedError             the job ran and failed; it is not billed, a new job may succeed
│   └── ContentBlockedError    ... and the same inputs will never succeed
├── RecordExpiredError         the record is gone, and the history does not know the job either
├── OutputMissingError         the job completed, so it is billed, and shows no output anywhere
├── WaitTimeoutError           look later: the waiting ended; the job may still end well, and be billed
└── DownloadFailedError        the video exists and is paid for; only fetching it failed
    └── OutputRejectedError    ... and would again: too large, or at an address that is not to be asked

The tree stands on plain ``Exception``: only operators and sensors turn it into Airflow's own
fail, retry or skip. Any other exception that leaves this package is a bug in it.
"""

from __future__ import annotations

from typing import Any, ClassVar


class RunwayError(Exception):
    """Base of the tree.

    :param message: a sentence for people; it never holds a key, a prompt or an image.
    :param facts: JSON-safe values for programs, such as ``request_id`` or ``status``.
    """

    #: Crosses the border between triggerer and worker: never reused, never reworded.
    code: ClassVar[str] = "error"

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.facts = facts


class NotSentError(RunwayError):
    """Fix it: nothing left this machine."""

    code = "not_sent"


class BadConnectionError(NotSentError):
    """The Airflow connection cannot be used as it is."""

    code = "bad_connection"


class BadInputError(NotSentError):
    """The job's arguments would be refused, or would cost money for nothing."""

    code = "bad_input"


class RefusedError(RunwayError):
    """The API understood and said no; the same call will fail again."""

    code = "refused"


class BadRequestError(RefusedError):
    """HTTP 400, 405, 406 for a parameter, 422 at the submit, or a redirect."""

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
    """No usable answer: a 5xx, HTML, a cut body, a lost line. Nothing is known about the job."""

    code = "unanswered"


class ThrottledError(NoUsableResponseError):
    """HTTP 429. Nothing ran and nothing was queued.

    :param reset_at: epoch seconds from which on the API listens again; None when it did not say.
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


class UnreachableError(NoUsableResponseError):
    """The connection could not be made, so not one byte of the request left."""

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
    """The job's record is gone after its hour, and the history has nothing either."""

    code = "record_expired"


class OutputMissingError(RunwayError):
    """The job completed without an output. It is billed, so no new one is submitted by itself."""

    code = "output_lost"


class WaitTimeoutError(RunwayError):
    """The deadline passed while the job was still alive."""

    code = "wait_expired"


class DownloadFailedError(RunwayError):
    """The finished video could not be stored. Fetching it again costs nothing."""

    code = "download_failed"


class OutputRejectedError(DownloadFailedError):
    """The finished video is not taken: it is larger than allowed, or its address is none to be asked."""

    code = "output_refused"


def list_error_classes(base: type[RunwayError] = RunwayError) -> list[type[RunwayError]]:
    """Return the tree as a list, base first: what a codec or a test walks."""
    return [base, *(error for child in base.__subclasses__() for error in list_error_classes(child))]
