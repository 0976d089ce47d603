"""Maps a response that is not usable, a missing one, or a job's error text to the error that it means.

Source: the status table of the model's page, and the vendor's docs for 405, 410, 422 and for the kinds of 406, which
differ by their text only. Of a submit, nothing but a documented JSON error of the API itself proves that no job was
accepted. Every other status may come from a proxy that lost the API's own response.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

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
from airflow_provider_runway.segmind.models import describe_unknown_model
from airflow_provider_runway.segmind.numbers_and_times import parse_number, parse_timestamp

#: status -> (error, what to do about it). 406 and 401 are told apart by their text, below.
REFUSED_STATUSES: Mapping[int, tuple[type[RefusedError], str]] = {
    400: (BadRequestError, "Correct the fields that it names."),
    401: (UnauthorizedError, "Put a valid key into the connection's password."),
    403: (ForbiddenError, "Ask Segmind to permit this model for the account, or choose another one."),
    404: (NotFoundError, "Check the request id: records live for one hour."),
    405: (BadRequestError, "Check the connection's host: this address does not take such a request."),
    406: (BadRequestError, "Correct the parameter that it names."),
    410: (ModelRetiredError, "This model is no longer served; choose another one."),
    422: (BadRequestError, "Correct the fields that it names."),
}
#: (text in the error, error, what to do). The first row that fits wins.
KINDS_OF_406: tuple[tuple[str, type[RefusedError], str], ...] = (
    ("limit", SpendLimitError, "The team's spend limit is reached: raise it in Segmind's console, then run again."),
    ("credit", OutOfCreditsError, "Top up the account in Segmind's console, then run again."),
    ("balance", OutOfCreditsError, "Top up the account in Segmind's console, then run again."),
    ("content type", BadRequestError, "The gateway wants application/json: look for a proxy that rewrites requests."),
    ("content-type", BadRequestError, "The gateway wants application/json: look for a proxy that rewrites requests."),
)
#: Statuses below 500 that proxies send of their own accord: timeouts, conflicts, a client that hung up.
PROXY_STATUSES = frozenset({408, 409, 425, 499})
#: A reset farther away than this is not believed: the rate limit counts per minute.
MAX_RESET_S = 120.0

#: Phrases in the error text of a FAILED job that mean "the same inputs will never succeed".
#: The API has no state or code for it ("Content / RAI blocks surface as FAILED").
BLOCKED_PHRASES = (
    r"rai",
    r"nsfw",
    r"moderat(ed|ion|or)",
    r"flagged",
    r"prohibited",
    r"safety",
    r"unsafe",
    r"sensitive",
    r"violat(e|es|ed|ing|ion|ions)",
    r"(content|usage|use) (policy|policies|guidelines?|rules?|filters?|filtering|blocks?|blocked)",
    r"(content|prompt|image|video|input) (is |was |has been )?(blocked|rejected|refused|not allowed|inappropriate)",
    r"(blocked|rejected|refused|disallowed|inappropriate|harmful|explicit|adult|violent|restricted) content",
)
#: Phrases that mean "an input could not be fetched". A text with one of them is not about what the input shows,
#: whatever else it says: "blocked by CORS policy", "failed to fetch content".
_CANNOT = r"(failed|failure|unable|not|cannot|couldn t|can t|error|while)"
FETCH_PHRASES = (
    rf"{_CANNOT} (to )?(fetch|download|retriev|load|read|access|open|reach|resolv|connect|decod)(e|ing)?",
    rf"{_CANNOT} (to )?be (fetched|downloaded|retrieved|loaded|read|accessed|opened|reached|resolved|decoded)",
    r"(fetch|download|retriev|load)(e|ed|es|ing|al)? (\w+ ){0,4}(fail(ed|ure|s)?|errors?|timed out|timeouts?)",
    r"cors",
    r"cross origin",
    r"referrer policy",
    r"content (type|length|encoding|disposition)",
)

_KEY = re.compile(r"SG_[0-9A-Za-z]+")
_MAX_TEXT_LENGTH = 300


def map_response_to_error(request: Request, response: Response) -> RunwayError:
    """Return the error that an unsuccessful response means."""
    facts = {"call": request.call, "http_status": response.status}
    summary = f"{request.call}: HTTP {response.status}"
    text = extract_error_text(response)
    if text:
        summary += f" ({text.rstrip('.')})"
    if response.status == 429:
        reset_at = parse_rate_limit_reset(response.headers, response.received_at)
        return ThrottledError(f"{summary}. The account's requests a minute are used up.", reset_at=reset_at, **facts)
    if not _is_refusal(request, response):
        return NoUsableResponseError(f"{summary}{_describe_unusable(response)}", **facts)
    if response.status < 400:
        return BadRequestError(f"{summary}{_describe_unusable(response)}", **facts)
    error, advice = REFUSED_STATUSES.get(response.status, (RefusedError, "The same request would be refused again."))
    if response.status == 406:
        error, advice = _classify_406(text)
    elif response.status == 401 and "missing" in text.lower():
        advice = "No key arrived: look for a proxy that removes the x-api-key header."
    elif response.status == 404 and request.call == "submit":
        advice = describe_unknown_model(request.url.rsplit("/", 1)[-1])
    # A GET bills nothing either way, and the job that it asks about may be billed. So only a submit says this.
    billed = "" if request.idempotent else " Nothing was accepted, so nothing is billed."
    return error(f"{summary}. {advice}{billed}", **facts)


def map_transport_failure_to_error(request: Request, failure: TransportFailure) -> RunwayError:
    """Return the error that a request without a response means."""
    summary = f"{request.call}: {sanitize_text(failure.detail)}"
    if failure.kind is FailureKind.UNTRUSTED:
        return BadConnectionError(
            f"{summary}. The host's certificate was not accepted; nothing was sent. For a private certificate "
            'authority set the extra "verify" to its file.',
            call=request.call,
        )
    if failure.kind is FailureKind.NOT_SENT:
        billed = "" if request.idempotent else " Nothing is billed."
        return UnreachableError(
            f"{summary}. Nothing was sent.{billed} Check that the host is right and that its server runs.",
            call=request.call,
        )
    return NoUsableResponseError(f"{summary}. The request may have arrived.", call=request.call)


def _is_refusal(request: Request, response: Response) -> bool:
    """Did the API itself refuse the request, so that the same one would be refused again?"""
    if response.status in PROXY_STATUSES or response.status >= 500 or response.status < 300:
        return False
    if not request.idempotent:
        return response.status in REFUSED_STATUSES and has_error_envelope(response)
    return response.status < 400 or not response.is_html


def has_error_envelope(response: Response) -> bool:
    """Is the body the API's own form of an error, ``{"error": …}`` with a text in it?"""
    return bool(_find_text(response.json_object().get("error")).strip())


def _describe_unusable(response: Response) -> str:
    if 300 <= response.status < 400:
        return (
            ": redirects are not followed, so that the key stays with the connection's own hosts. Set the "
            "connection's host to the address that responds."
        )
    if response.status < 500 and response.is_html:
        return ", a web page and no response of the API. Check the connection's host, and any proxy on the way."
    return ". That is no usable response of the API."


def _classify_406(text: str) -> tuple[type[RefusedError], str]:
    for word, error, advice in KINDS_OF_406:
        if word in text.lower():
            return error, advice
    return REFUSED_STATUSES[406]


def extract_error_text(response: Response) -> str:
    """Return the API's own words about what went wrong, short and without a key; "" for HTML.

    An ``error`` may be text, or an object with a text in it; the auth surface adds a description.
    """
    body = response.json()
    if isinstance(body, str):
        return sanitize_text(body)
    if not isinstance(body, dict):
        return ""
    texts = [_find_text(body.get(name)) for name in ("error", "error_description", "detail", "message")]
    return sanitize_text(": ".join(text for text in texts if text))


def _find_text(value: object) -> str:
    if isinstance(value, dict):
        return _find_text(value.get("message") or value.get("error") or value.get("detail"))
    return value if isinstance(value, str) else ""


def sanitize_text(text: str) -> str:
    """Return foreign text fit for a log: one line, not long, no key in it."""
    line = _KEY.sub("SG_***", " ".join(text.split()))
    return line if len(line) <= _MAX_TEXT_LENGTH else line[: _MAX_TEXT_LENGTH - 1] + "…"


def parse_rate_limit_reset(headers: Mapping[str, str], now: float) -> float | None:
    """Return the epoch second from which on the API accepts requests again after a 429, or None if it did not say.

    Reads ``x-rate-limit-reset-at-utc`` in the forms of ``parse_timestamp``, and ``retry-after`` as seconds or as an
    HTTP date; the later one counts. A time in the past becomes ``now``, one beyond :data:`MAX_RESET_S` is cut to it.
    """
    seconds = parse_number(headers.get("retry-after"))
    resets = [
        parse_timestamp(headers.get("retry-after")) if seconds is None else now + seconds,
        parse_timestamp(headers.get("x-rate-limit-reset-at-utc")),
    ]
    known = [reset_at for reset_at in resets if reset_at is not None]
    return min(max(now, *known), now + MAX_RESET_S) if known else None


def raise_for_status(request: Request, response: Response) -> None:
    """Raise the error that a response outside 200-299 means."""
    if not 200 <= response.status < 300:
        raise map_response_to_error(request, response)


def make_unusable_error(request: Request, response: Response, why: str) -> NoUsableResponseError:
    """Return the error for a response with a status of success and a body that cannot be used."""
    kind = response.headers.get("content-type", "no content type")
    size = len(response.body)
    return NoUsableResponseError(
        f"{request.call}: HTTP {response.status} with {size} bytes of {kind} is not usable: {why}.",
        call=request.call,
        http_status=response.status,
    )


def is_content_block_error(error: str | None) -> bool:
    """Does a FAILED job's error text say that the content was refused, and not that an input could not be fetched?"""
    words = "".join(letter if letter.isalnum() else " " for letter in (error or "").lower()).split()
    text = " ".join(words)
    return _has_phrase(BLOCKED_PHRASES, text) and not _has_phrase(FETCH_PHRASES, text)


def _has_phrase(phrases: tuple[str, ...], text: str) -> bool:
    return re.search(rf"\b({'|'.join(phrases)})\b", text) is not None
