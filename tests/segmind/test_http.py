"""Requests as values: which hosts may receive the key, what a path segment may hold, and what can be a body."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_runway.exceptions import BadConnectionError, BadInputError
from airflow_provider_runway.segmind.http import (
    BaseUrls,
    FailureKind,
    Request,
    Response,
    encode_json,
    make_expired_failure,
    parse_origin,
    safe_path_segment,
)

LOCAL = BaseUrls("http://localhost:8081", "https://storage.example:444/base/", "https://history.example/rows")
SUBMIT = Request("submit", "POST", "https://h", body=b"secret", idempotent=False, not_after=100.0)


def test_only_the_connections_own_hosts_receive_the_key(subtests: pytest.Subtests) -> None:
    for case, url, may in (
        ("the gateway, in any case", "HTTP://LOCALHOST:8081/v2/m", True),
        ("the storage, any path", "https://storage.example:444/elsewhere", True),
        ("the scheme's own port, written out", "https://history.example:443/", True),
        ("another scheme", "https://localhost:8081/", False),
        ("another port", "http://localhost/", False),
        ("a host that begins alike", "http://localhost.evil.example:8081/", False),
        ("a host that ends alike", "http://xlocalhost:8081/", False),
        ("a subdomain", "https://images.history.example/", False),
        ("the host as a user", "http://localhost:8081@evil.example/", False),
        ("the host in a path", "http://evil.example/http://localhost:8081/", False),
        ("a user part", "http://user:pw@localhost:8081/", False),
        ("an unreadable port", "http://localhost:port/", False),
        ("no scheme", "//localhost:8081/", False),
    ):
        with subtests.test(case):
            assert LOCAL.may_receive_key(url) is may


def test_a_malformed_base_url_is_refused_without_its_password(subtests: pytest.Subtests) -> None:
    for field in ("gateway", "storage", "history"):
        with subtests.test(field=field):
            for url in ("", "localhost", "ftp://x", "https://u:p@x", "https://x:99999", "https://["):
                with pytest.raises(BadConnectionError) as caught:
                    BaseUrls(**{field: url})
                assert ":p@" not in str(caught.value)


def test_urls_are_built_from_the_base_urls() -> None:
    assert LOCAL.make_model_url("v2", "m") == "http://localhost:8081/v2/m"
    assert LOCAL.make_record_url("r-1") == "http://localhost:8081/v2/requests/r-1"
    assert LOCAL.make_history_row_url("r-1") == "https://history.example/rows/r-1"
    assert LOCAL.storage == "https://storage.example:444/base"


def test_an_origin_is_scheme_host_and_port() -> None:
    assert parse_origin("http://h/x?y#z") == ("http", "h", 80)
    assert parse_origin("https://h:1") == ("https", "h", 1)


@given(st.text("abAB09._-/\\%?#@: é\n\x00", max_size=20) | st.text())
def test_a_path_segment_never_leads_to_another_path(text: str) -> None:
    try:
        found = safe_path_segment("model", text)
    except BadInputError as problem:
        assert "model=" in str(problem)
    else:
        assert found == text
        assert urlsplit(f"https://h/v2/{found}").path == f"/v2/{found}"
        assert ".." not in found


def test_an_id_that_would_lead_to_another_path_is_refused(subtests: pytest.Subtests) -> None:
    for make_url in (LOCAL.make_record_url, LOCAL.make_history_row_url):
        with subtests.test(make_url=make_url):
            for request_id in ("", "../x", "a/b", "a?b=c", None, 7, "-r"):
                with pytest.raises(BadInputError, match="request_id="):
                    make_url(request_id)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner), max_leaves=9))
def test_a_body_is_the_json_of_its_value(value: Any) -> None:
    assert json.loads(encode_json(value)) == value


@pytest.mark.parametrize(
    "value",
    [datetime(2026, 8, 27, tzinfo=UTC), float("nan"), "secret \ud83d", {1, 2}],
    ids=["date", "NaN", "half", "set"],
)
def test_what_has_no_form_in_json_is_refused_and_not_quoted(value: Any) -> None:
    with pytest.raises(BadInputError, match="Nothing was sent") as caught:
        encode_json({"promptText": value})
    assert "secret" not in str(caught.value)


def test_neither_bodies_nor_prompts_are_in_a_repr() -> None:
    assert "secret" not in repr(SUBMIT)
    assert "secret" not in repr(Response(200, {}, b"secret"))


@given(st.binary())
def test_any_body_can_be_asked_for_its_json(body: bytes) -> None:
    assert isinstance(Response(200, {}, body).json_object(), dict)


def test_a_request_expires_after_its_latest_time() -> None:
    assert [SUBMIT.has_expired(now) for now in (99.0, 100.0, 100.1)] == [False, False, True]
    assert not Request("status", "GET", "https://h").has_expired(1e12)
    failure = make_expired_failure(SUBMIT, 103.5)
    assert (failure.kind, failure.received_at) == (FailureKind.NOT_SENT, 103.5)
    assert "3.5 s too late" in failure.detail


def test_the_date_header_tells_how_far_the_servers_clock_is_off(subtests: pytest.Subtests) -> None:
    for date, offset_s in (
        ("Fri, 15 Jan 2027 08:05:00 GMT", 300.0),
        ("Fri, 15 Jan 2027 07:55:00 GMT", -300.0),
        ("yesterday", None),
        (None, None),
    ):
        with subtests.test(date=date, offset_s=offset_s):
            headers = {} if date is None else {"date": date}
            assert Response(200, headers, received_at=1_800_000_000.0).clock_offset_s == offset_s
