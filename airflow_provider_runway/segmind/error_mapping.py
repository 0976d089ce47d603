"""An answer that is not a success, as the error it means.

One table for the whole package. Source: the status table of the model's page, and the vendor's
docs for 405, 410, 422 and for the kinds of 406, which differ by their text only.
"""

from __future__ import annotations

import re

from airflow_provider_runway.exceptions import (
    BadConnectionError,
    BadRequestError,
    ForbiddenError,
    ModelRetiredError,
    NotFoundError,
    NoUsableResponseError,
    OutOfCreditsError,
    RefusedError,
    RunwayError,
    SpendLimitError,
    ThrottledError,
    UnauthorizedError,
    UnreachableError,
)
from airflow_provider_runway.segmind.http import FailureKind, Request, Response, TransportFailure
from airflow_provider_runway.segmind.resets import parse_rate_limit_reset

#: status -> (error, what to do about it). 406 and 401 are told apart by their text, below.
REFUSED_STATUSES: dict[int, tuple[type[RefusedError], str]] = {
    400: (BadRequestError, "Correct the fields that it names."),
    401: (UnauthorizedError, "Put a valid key into the connection's password."),
    403: (ForbiddenError, "Ask Segmind to permit this model for the account, or choose another one."),
    404: (NotFoundError, "Check the model's name, or the request id: records live for one hour."),
    405: (BadRequestError, "Check the connection's host: this address does not take such a request."),
    406: (BadRequestError, "Correct the parameter that it names."),
    410: (ModelRetiredError, "This model is no longer served; choose another one."),
    422: (BadRequestError, "Correct the fields that it names."),
}
#: (word in the text, error, what to do). The first row that fits wins.
_KINDS_OF_406: tuple[tuple[str, type[RefusedError], str], ...] = (
    ("limit", SpendLimitError, "The team's spend limit is reached: raise it in Segmind's console, then run again."),
    ("credit", OutOfCreditsError, "Top up the account in Segmind's console, then run again."),
    ("balance", OutOfCreditsError, "Top up the account in Segmind's console, then run again."),
    ("content type", BadRequestError, "The gateway wants application/json: look for a proxy that rewrites requests."),
    ("content-type", BadRequestError, "The gateway wants application/json: look for a proxy that rewrites requests."),
)
_KEY = re.compile(r"SG_[0-9A-Za-z]+")
_LONGEST_QUOTE = 300


def map_response_to_error(request: Request, heard: Response) -> RunwayError:
    """Return the error that an unsuccessful response means."""
    facts = {"call": request.call, "http_status": heard.status}
    said = f"{request.call}: HTTP {heard.status}"
    if text := extract_error_text(heard):
        said += f" ({text.rstrip('.')})"
    if heard.status == 429:
        reset_at = parse_rate_limit_reset(heard.headers, heard.received_at)
        return ThrottledError(f"{said}. The account's requests a minute are used up.", reset_at=reset_at, **facts)
    if heard.status >= 500 or heard.status < 300:
        return NoUsableResponseError(f"{said}. That is no usable answer.", **facts)
    if heard.status < 400:
        return BadRequestError(
            f"{said}: redirects are not followed, so that the key stays with the connection's own hosts. "
            "Set the connection's host to the address that answers.",
            **facts,
        )
    error, advice = REFUSED_STATUSES.get(heard.status, (RefusedError, "The same request would be refused again."))
    if heard.status == 406:
        error, advice = _kind_of_406(text)
    elif heard.status == 401 and "missing" in text.lower():
        advice = "No key arrived: look for a proxy that removes the x-api-key header."
    # A GET bills nothing either way, and the job it asks about may well be billed: only of a submit it is news.
    billed = "" if request.idempotent else " Nothing was accepted, so nothing is billed."
    return error(f"{said}. {advice}{billed}", **facts)


def _kind_of_406(text: str) -> tuple[type[RefusedError], str]:
    for raw_status, error, advice in _KINDS_OF_406:
        if raw_status in text.lower():
            return error, advice
    return REFUSED_STATUSES[406]


def map_failure_to_error(request: Request, fault: TransportFailure) -> RunwayError:
    """Return the error that a request without a response means."""
    said = f"{request.call}: {sanitize_text(fault.detail)}"
    if fault.kind is FailureKind.UNTRUSTED:
        return BadConnectionError(
            f"{said}. The host's certificate was not accepted; nothing was sent. For a private certificate "
            'authority set the extra "verify" to its file.',
            call=request.call,
        )
    if fault.kind is FailureKind.NOT_SENT:
        return UnreachableError(f"{said}. Nothing was sent.", call=request.call)
    return NoUsableResponseError(f"{said}. The request may have arrived.", call=request.call)


def extract_error_text(answer: Response) -> str:
    """Return the API's own words about what went wrong, short and without a key; "" for HTML.

    An ``error`` may be text, or an object with a text in it; the auth surface adds a description.
    """
    body = answer.json()
    if isinstance(body, str):
        return sanitize_text(body)
    if not isinstance(body, dict):
        return ""
    texts = [_text(body.get(name)) for name in ("error", "error_description", "detail", "message")]
    return sanitize_text(": ".join(text for text in texts if text))


def _text(value: object) -> str:
    if isinstance(value, dict):
        return _text(value.get("message") or value.get("error") or value.get("detail"))
    return value if isinstance(value, str) else ""


def sanitize_text(text: str) -> str:
    """Return foreign text fit for a log: one line, not long, no key in it."""
    line = _KEY.sub("SG_***", " ".join(text.split()))
    return line if len(line) <= _LONGEST_QUOTE else line[: _LONGEST_QUOTE - 1] + "…"
