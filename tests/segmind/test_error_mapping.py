"""Each unsuccessful response becomes the error that says what to do next. Of a submit, few prove a refusal."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.exceptions import (
    BadConnectionError,
    BadRequestError,
    NotFoundError,
    NoUsableResponseError,
    OutOfCreditsError,
    RefusedError,
    SpendLimitError,
    ThrottledError,
    UnauthorizedError,
    UnreachableError,
)
from airflow_provider_runway.segmind.error_mapping import (
    MAX_RESET_S,
    REFUSED_STATUSES,
    extract_error_text,
    is_content_block_error,
    map_response_to_error,
    map_transport_failure_to_error,
    parse_rate_limit_reset,
    sanitize_text,
)
from airflow_provider_runway.segmind.http import FailureKind, Request, Response, TransportFailure
from airflow_provider_runway.segmind.models import describe_unknown_model
from airflow_provider_runway.segmind.numbers_and_times import format_timestamp

Respond = Callable[..., Response]
KEY = "SG_0123456789abcdef"
JSON_ERROR = {"error": "because"}
NOW = 1_787_824_800.0  # 2026-08-27T10:00:00Z


@pytest.mark.parametrize("status", REFUSED_STATUSES)
def test_a_documented_json_error_is_a_refusal_of_a_get_and_of_a_submit(
    get: Request, submit: Request, respond: Respond, status: int
) -> None:
    kind, advice = REFUSED_STATUSES[status]
    of_get, of_submit = (map_response_to_error(each, respond(status, JSON_ERROR)) for each in (get, submit))
    assert (type(of_get), type(of_submit)) == (kind, kind)
    assert str(of_get) == f"status: HTTP {status} (because). {advice}"
    if status == 404:  # a submit has no request id yet
        advice = describe_unknown_model(submit.url.rsplit("/", 1)[-1])
    assert str(of_submit) == f"submit: HTTP {status} (because). {advice} Nothing was accepted, so nothing is billed."
    assert of_get.facts == {"call": "status", "http_status": status}


#: What a proxy can send after the API has accepted a job: none of it refuses a submit.
PROVES_NOTHING = [
    ("timeouts and conflicts of a proxy", (408, 409, 425, 499), JSON_ERROR),
    ("server faults", (500, 502, 503, 504, 520), JSON_ERROR),
    ("redirects", (301, 302, 303, 307, 308), JSON_ERROR),
    ("a 4xx that the API does not document", (402, 413, 418, 451), JSON_ERROR),
    ("a success that names no job", (100, 200, 204), JSON_ERROR),
    ("a web page", tuple(REFUSED_STATUSES), b"<html>"),
    ("plain text", tuple(REFUSED_STATUSES), b"Forbidden"),
    ("an empty body", tuple(REFUSED_STATUSES), b""),
    ("cut JSON", tuple(REFUSED_STATUSES), b'{"error": "cut'),
    ("JSON of another gateway", tuple(REFUSED_STATUSES), {"message": "Forbidden"}),
    ("JSON without a reason", tuple(REFUSED_STATUSES), {"error": ""}),
]


def test_any_other_response_to_a_submit_proves_nothing(
    subtests: pytest.Subtests, submit: Request, respond: Respond
) -> None:
    for case, statuses, body in PROVES_NOTHING:
        with subtests.test(case):
            for status in statuses:
                error = map_response_to_error(submit, respond(status, body))
                assert type(error) is NoUsableResponseError
                assert "billed" not in str(error)


def test_a_429_refuses_a_submit_whatever_its_body(submit: Request, respond: Respond) -> None:
    for body in (JSON_ERROR, b"<html>", b""):
        assert type(map_response_to_error(submit, respond(429, body))) is ThrottledError


def test_a_get_is_repeated_where_that_may_help(subtests: pytest.Subtests, get: Request, respond: Respond) -> None:
    for case, status, body, kind in (
        ("a redirect", 307, b"<html>", BadRequestError),
        ("a 4xx that is not documented", 402, JSON_ERROR, RefusedError),
        ("a 404 without a body", 404, b"", NotFoundError),
        ("a web page", 404, b"<html>", NoUsableResponseError),
        ("a proxy's timeout", 408, JSON_ERROR, NoUsableResponseError),
        ("a server fault", 520, JSON_ERROR, NoUsableResponseError),
        ("a success that is none", 200, b"", NoUsableResponseError),
    ):
        with subtests.test(case):
            assert type(map_response_to_error(get, respond(status, body))) is kind


def test_a_redirect_says_why_it_is_not_followed(get: Request, submit: Request, respond: Respond) -> None:
    for request in (get, submit):
        assert "the key stays with the connection's own hosts" in str(map_response_to_error(request, respond(307, b"")))


def test_the_two_kinds_of_401_are_told_apart(subtests: pytest.Subtests, get: Request, respond: Respond) -> None:
    for body, advice in (
        ({"error": "Missing Authorization or x-api-key in header"}, "No key arrived"),
        ({"error": "unauthorized", "error_description": "Missing Authorization in header"}, "No key arrived"),
        ({"error": "unauthorized", "error_description": "API key is invalid", "status_code": 401}, "Put a valid key"),
        ("Unauthorized", "Put a valid key"),
    ):
        with subtests.test(body=body, advice=advice):
            error = map_response_to_error(get, respond(401, body))
            assert isinstance(error, UnauthorizedError)
            assert advice in str(error)


def test_the_kinds_of_406_are_told_apart_by_their_text(
    subtests: pytest.Subtests, submit: Request, respond: Respond
) -> None:
    for text, kind, advice in (
        ("Insufficient credits", OutOfCreditsError, "Top up"),
        ("Your balance is too low", OutOfCreditsError, "Top up"),
        ("Spend limit of team credits reached", SpendLimitError, "spend limit"),
        ("Invalid content type", BadRequestError, "application/json"),
        ("Unsupported Content-Type", BadRequestError, "application/json"),
        ("Parameter not acceptable: ratio", BadRequestError, "parameter"),
    ):
        with subtests.test(text=text, kind=kind, advice=advice):
            error = map_response_to_error(submit, respond(406, {"error": text}))
            assert type(error) is kind
            assert advice in str(error)


def test_each_transport_failure_is_the_error_of_what_it_proves(subtests: pytest.Subtests, get: Request) -> None:
    for kind, error, words in (
        (FailureKind.NOT_SENT, UnreachableError, "Nothing was sent"),
        (FailureKind.MAYBE_SENT, NoUsableResponseError, "may have arrived"),
        (FailureKind.UNTRUSTED, BadConnectionError, '"verify"'),
    ):
        with subtests.test(kind=kind, error=error, words=words):
            found = map_transport_failure_to_error(get, TransportFailure(kind, f"ConnectionError at {KEY}.invalid"))
            assert type(found) is error
            assert words in str(found)
            assert KEY not in str(found)


def test_the_apis_own_words_are_quoted(subtests: pytest.Subtests, respond: Respond) -> None:
    for case, body, text in (
        ("several texts", {"error": "a", "error_description": "b", "message": "c"}, "a: b: c"),
        ("an object in it", {"detail": {"message": "m"}}, "m"),
        ("no text", {"error": 7}, ""),
        ("one line", {"error": " two \n lines "}, "two lines"),
        ("HTML is not quoted", b"<html>", ""),
    ):
        with subtests.test(case):
            assert extract_error_text(respond(400, body)) == text


def test_a_long_text_is_cut() -> None:
    assert len(sanitize_text("word " * 1000)) == 300


@given(before=st.text(), after=st.text())
def test_a_quote_never_holds_a_key(before: str, after: str) -> None:
    body = json.dumps({"error": f"{before} {KEY} {after}", "message": KEY}).encode()
    assert KEY not in extract_error_text(Response(401, {}, body))


@given(st.binary(), st.integers(min_value=100, max_value=599), st.booleans())
def test_any_response_can_be_mapped(body: bytes, status: int, idempotent: bool) -> None:
    error = map_response_to_error(Request("x", "GET", "https://h", idempotent=idempotent), Response(status, {}, body))
    assert isinstance(error, RefusedError | NoUsableResponseError)


RESET = "x-rate-limit-reset-at-utc"


def test_the_reset_of_the_rate_limit_is_read(subtests: pytest.Subtests) -> None:
    for case, headers, after_s in (
        ("ISO", {RESET: "2026-08-27T10:00:30Z"}, 30.0),
        ("ISO without T and zone", {RESET: "2026-08-27 10:00:30"}, 30.0),
        ("epoch seconds", {RESET: str(int(NOW) + 30)}, 30.0),
        ("epoch milliseconds", {RESET: str((int(NOW) + 30) * 1000)}, 30.0),
        ("Retry-After in seconds", {"retry-after": "30"}, 30.0),
        ("Retry-After as a date", {"retry-after": "Thu, 27 Aug 2026 10:00:30 GMT"}, 30.0),
        ("the later one counts", {"retry-after": "5", RESET: str(NOW + 30)}, 30.0),
        ("a time in the past", {RESET: "2020-01-01T00:00:00Z"}, 0.0),
        ("a time too far away", {"retry-after": "86400"}, MAX_RESET_S),
        ("no time", {RESET: "soon", "retry-after": "?"}, None),
        ("a word that means a time", {RESET: "now"}, None),
        ("no header", {}, None),
    ):
        with subtests.test(case):
            assert parse_rate_limit_reset(headers, NOW) == (None if after_s is None else NOW + after_s)


@given(reset=st.text(), after=st.text(), seconds=st.integers(min_value=-3600, max_value=3600))
@pytest.mark.filterwarnings("ignore::dateutil.parser.UnknownTimezoneWarning")
def test_a_reset_is_always_near(reset: str, after: str, seconds: int) -> None:
    found = parse_rate_limit_reset({RESET: reset, "retry-after": after}, NOW)
    assert found is None or NOW <= found <= NOW + MAX_RESET_S
    written = format_timestamp(NOW + seconds) or ""
    assert parse_rate_limit_reset({RESET: written}, NOW) == NOW + min(max(seconds, 0), MAX_RESET_S)


def test_a_429_carries_its_reset(get: Request, respond: Respond, now: float) -> None:
    error = map_response_to_error(get, respond(429, {"error": "rate_limit_exceeded"}, retry_after="7"))
    assert isinstance(error, ThrottledError)
    assert error.reset_at == error.facts["reset_at"] == now + 7


def test_these_texts_are_a_content_block(subtests: pytest.Subtests) -> None:
    for error in (
        "Content blocked by RAI",
        "The prompt violates our safety policy",
        "NSFW-content",
        "Content policy violation",
        "Blocked by content filter",
        "Your image was rejected",
        "Flagged by moderation",
        "The input has prohibited material",
        "Inappropriate content",
    ):
        with subtests.test(error=error):
            assert is_content_block_error(error)


def test_these_texts_are_no_content_block(subtests: pytest.Subtests) -> None:
    for error in (
        "Failed to fetch content",
        "Failed to fetch the image: blocked by CORS policy",
        "Could not download image: the bucket policy denies access",
        "Error while downloading image from storage with a strict safety policy: timed out",
        "Image download failed: content policy of the host",
        "The image could not be fetched: access is prohibited",
        "Cannot read the image: flagged as broken",
        "Unsupported content type text/html: image rejected",
        "unsupported content",
        "Terms: see our policy page",
        "Generation failed: bad trait in terrain",
        "Discontented",
        "",
        None,
    ):
        with subtests.test(error=error):
            assert not is_content_block_error(error)
