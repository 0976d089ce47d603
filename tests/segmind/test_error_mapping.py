"""Each answer that is no success becomes the error that says what to do next; no text of it holds a key."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.exceptions import (
    BadConnectionError,
    BadRequestError,
    NoUsableResponseError,
    OutOfCreditsError,
    RefusedError,
    RunwayError,
    SpendLimitError,
    ThrottledError,
    UnauthorizedError,
    UnreachableError,
)
from airflow_provider_runway.segmind.error_mapping import (
    REFUSED_STATUSES,
    extract_error_text,
    map_failure_to_error,
    map_response_to_error,
    sanitize_text,
)
from airflow_provider_runway.segmind.http import FailureKind, Request, Response, TransportFailure

Make = Callable[..., Response]
KEY = "SG_0123456789abcdef"


@pytest.mark.parametrize("form", [pytest.param({"error": "because"}, id="json"), pytest.param(b"<html>", id="html")])
@pytest.mark.parametrize("status", REFUSED_STATUSES)
def test_each_status_of_the_table_is_its_error(get: Request, answer: Make, status: int, form: Any) -> None:
    kind, advice = REFUSED_STATUSES[status]
    error = map_response_to_error(get, answer(status, form))
    assert type(error) is kind
    assert str(error).endswith(advice)
    assert ("(because)" in str(error)) == isinstance(form, dict)
    assert error.facts == {"call": "status", "http_status": status}


@pytest.mark.parametrize("status", [*REFUSED_STATUSES, 402])
def test_only_a_submit_is_said_to_be_free_of_charge(get: Request, answer: Make, status: int) -> None:
    submit = Request("submit", "POST", "https://api.segmind.com/v2/a", idempotent=False)
    assert str(map_response_to_error(submit, answer(status, {"error": "because"}))).endswith(" so nothing is billed.")
    assert "billed" not in str(map_response_to_error(get, answer(status, {"error": "because"})))


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        pytest.param(100, NoUsableResponseError, id="100"),
        pytest.param(200, NoUsableResponseError, id="a success that was none"),
        *(pytest.param(status, BadRequestError, id=str(status)) for status in (301, 302, 303, 307, 308)),
        pytest.param(402, RefusedError, id="a 4xx that nobody listed"),
        pytest.param(418, RefusedError, id="418"),
        *(pytest.param(status, NoUsableResponseError, id=str(status)) for status in (500, 502, 503, 504, 520, 599)),
        pytest.param(429, ThrottledError, id="429"),
    ],
)
def test_every_other_status_has_its_kind(get: Request, answer: Make, status: int, kind: type[RunwayError]) -> None:
    assert type(map_response_to_error(get, answer(status, {"error": "x"}))) is kind


def test_a_redirect_says_why_it_is_not_followed(get: Request, answer: Make) -> None:
    assert "the key stays with the connection's own hosts" in str(map_response_to_error(get, answer(307, b"<html>")))


@pytest.mark.parametrize(
    ("body", "advice"),
    [
        pytest.param({"error": "Missing Authorization or x-api-key in header"}, "No key arrived", id="no key"),
        pytest.param(
            {"error": "unauthorized", "error_description": "Missing Authorization or x-api-key in header"},
            "No key arrived",
            id="no key, in the auth surface's envelope",
        ),
        pytest.param(
            {"error": "unauthorized", "error_description": "API key is invalid", "status_code": 401},
            "Put a valid key",
            id="the auth surface's envelope",
        ),
        pytest.param({"error": "Unauthorized. API key is invalid or no longer active."}, "Put a valid key", id="bad"),
        pytest.param("Unauthorized", "Put a valid key", id="a bare text"),
    ],
)
def test_the_two_kinds_of_401_are_told_apart(get: Request, answer: Make, body: Any, advice: str) -> None:
    error = map_response_to_error(get, answer(401, body))
    assert isinstance(error, UnauthorizedError)
    assert advice in str(error)


@pytest.mark.parametrize(
    ("text", "kind", "advice"),
    [
        pytest.param("Insufficient credits", OutOfCreditsError, "Top up", id="credits"),
        pytest.param("Your balance is too low", OutOfCreditsError, "Top up", id="balance"),
        pytest.param("Team spend limit reached", SpendLimitError, "spend limit", id="team limit"),
        pytest.param("Spend limit of team credits reached", SpendLimitError, "spend limit", id="the first row wins"),
        pytest.param("Invalid content type", BadRequestError, "application/json", id="content type"),
        pytest.param("Unsupported Content-Type", BadRequestError, "application/json", id="content-type"),
        pytest.param("Parameter not acceptable: ratio", BadRequestError, "parameter", id="parameter"),
        pytest.param("", BadRequestError, "parameter", id="no text"),
    ],
)
def test_the_kinds_of_406_are_told_apart_by_their_text(
    get: Request, answer: Make, text: str, kind: type[RunwayError], advice: str
) -> None:
    error = map_response_to_error(get, answer(406, {"error": text}))
    assert type(error) is kind
    assert advice in str(error)


def test_a_429_says_when_to_come_back(get: Request, answer: Make, now: float) -> None:
    error = map_response_to_error(get, answer(429, {"error": "rate_limit_exceeded"}, retry_after="7"))
    assert isinstance(error, ThrottledError)
    assert error.reset_at == error.facts["reset_at"] == now + 7


@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        pytest.param(FailureKind.NOT_SENT, UnreachableError, "Nothing was sent", id="not sent"),
        pytest.param(FailureKind.MAYBE_SENT, NoUsableResponseError, "may have arrived", id="lost"),
        pytest.param(FailureKind.UNTRUSTED, BadConnectionError, '"verify"', id="untrusted"),
    ],
)
def test_each_fault_is_the_error_of_what_it_proves(
    get: Request, kind: FailureKind, error: type[RunwayError], words: str
) -> None:
    found = map_failure_to_error(get, TransportFailure(kind, f"ConnectionError at {KEY}.invalid"))
    assert type(found) is error
    assert words in str(found)
    assert KEY not in str(found)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param({"error": "a", "error_description": "b", "message": "c"}, "a: b: c", id="all that speaks"),
        pytest.param({"detail": {"message": "m"}}, "m", id="an object in it"),
        pytest.param({"error": 7}, "", id="no text"),
        pytest.param([], "", id="a list"),
        pytest.param({"error": " two \n lines "}, "two lines", id="one line"),
    ],
)
def test_the_apis_own_words_are_quoted(answer: Make, body: Any, said: str) -> None:
    assert extract_error_text(answer(400, body)) == said


def test_html_is_not_quoted(answer: Make, html: bytes) -> None:
    assert extract_error_text(answer(502, html)) == ""


def test_a_long_text_is_cut() -> None:
    assert len(sanitize_text("word " * 1000)) == 300


@given(before=st.text(), after=st.text())
def test_a_quote_never_holds_a_key(before: str, after: str) -> None:
    body = json.dumps({"error": f"{before} {KEY} {after}", "message": KEY}).encode()
    assert KEY not in extract_error_text(Response(401, {}, body))


@given(st.binary())
def test_any_body_can_be_quoted(body: bytes) -> None:
    assert isinstance(extract_error_text(Response(400, {}, body)), str)
