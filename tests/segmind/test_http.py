"""Requests as values: which hosts may see the key, what can stand in a path, and what can be a body."""

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
    Request,
    Response,
    encode_json,
    parse_origin,
    safe_path_segment,
)

LOCAL = BaseUrls("http://localhost:8081", "https://storage.example:444/base/", "https://history.example/rows")


@pytest.mark.parametrize(
    ("url", "may"),
    [
        pytest.param("http://localhost:8081/v2/m", True, id="gateway"),
        pytest.param("HTTP://LOCALHOST:8081/", True, id="case does not matter"),
        pytest.param("https://storage.example:444/elsewhere", True, id="storage, any path"),
        pytest.param("https://history.example:443/", True, id="the scheme's own port, written out"),
        pytest.param("https://localhost:8081/", False, id="another scheme"),
        pytest.param("http://localhost/", False, id="another port"),
        pytest.param("http://localhost:80811/", False, id="a port that begins alike"),
        pytest.param("http://localhost.evil.example:8081/", False, id="a host that begins alike"),
        pytest.param("http://xlocalhost:8081/", False, id="a host that ends alike"),
        pytest.param("https://images.history.example/", False, id="a subdomain"),
        pytest.param("https://example/", False, id="the domain above"),
        pytest.param("http://localhost:8081@evil.example/", False, id="the host as a user"),
        pytest.param("http://evil.example/http://localhost:8081/", False, id="the host in a path"),
        pytest.param("http://evil.example#localhost:8081", False, id="the host in a fragment"),
        pytest.param("http://user:pw@localhost:8081/", False, id="a user part"),
        pytest.param("http://127.0.0.1:8081/", False, id="the same machine by another name"),
        pytest.param("ftp://localhost:8081/", False, id="no http"),
        pytest.param("http://localhost:port/", False, id="an unreadable port"),
        pytest.param("http://[::1", False, id="broken"),
        pytest.param("//localhost:8081/", False, id="no scheme"),
        pytest.param("", False, id="empty"),
    ],
)
def test_the_key_is_for_the_connections_own_hosts(url: str, may: bool) -> None:
    assert LOCAL.may_receive_key(url) is may


@pytest.mark.parametrize("field", ["gateway", "storage", "history"])
@pytest.mark.parametrize(
    "url", ["", "localhost", "ftp://x", "https://", "https://u:p@x", "https://x:99999", "https://["]
)
def test_an_address_that_is_none_is_refused(field: str, url: str) -> None:
    with pytest.raises(BadConnectionError) as caught:
        BaseUrls(**{field: url})
    assert str(caught.value).endswith(".")
    assert ":p@" not in str(caught.value)


def test_addresses_are_built_from_the_parts() -> None:
    assert LOCAL.make_model_url("v2", "m") == "http://localhost:8081/v2/m"
    assert LOCAL.make_record_url("r-1") == "http://localhost:8081/v2/requests/r-1"
    assert LOCAL.make_history_row_url("r-1") == "https://history.example/rows/r-1"
    assert LOCAL.storage == "https://storage.example:444/base"


@pytest.mark.parametrize("host", ["http://h", "http://h:1"])
def test_an_origin_is_scheme_host_and_port(host: str) -> None:
    parts = urlsplit(host)
    assert parse_origin(host + "/x?y#z") == (parts.scheme, parts.hostname, parts.port or 80)


@given(st.text("abAB09._-/\\%?#@: é\n\x00", max_size=20) | st.text())
def test_a_segment_cannot_leave_its_place(text: str) -> None:
    try:
        found = safe_path_segment("model", text)
    except BadInputError as problem:
        assert "model=" in str(problem)
    else:
        assert found == text
        assert not set("/\\%?#@: ") & set(found)
        assert ".." not in found
        assert urlsplit(f"https://h/v2/{found}").path == f"/v2/{found}"


@pytest.mark.parametrize("name", ["make_record_url", "make_history_row_url"])
@pytest.mark.parametrize("request_id", ["", "../x", "a/b", "a?b=c", None, 7, "r 1", "-r"])
def test_an_id_that_would_leave_its_path_is_refused(name: str, request_id: Any) -> None:
    with pytest.raises(BadInputError, match="request_id="):
        getattr(LOCAL, name)(request_id)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner), max_leaves=9))
def test_a_body_is_the_json_of_its_value(value: Any) -> None:
    assert json.loads(encode_json(value)) == value


@pytest.mark.parametrize(
    "value",
    [
        pytest.param({"when": datetime(2026, 8, 27, tzinfo=UTC)}, id="a date"),
        pytest.param({"x": float("nan")}, id="NaN"),
        pytest.param({"promptText": "secret \ud83d"}, id="half a character"),
        pytest.param({"x": {1, 2}}, id="a set"),
    ],
)
def test_what_is_no_json_is_bad_input_and_not_quoted(value: Any) -> None:
    with pytest.raises(BadInputError, match="Nothing was sent") as caught:
        encode_json({"model": "m", **value})
    assert "secret" not in str(caught.value)


def test_neither_bodies_nor_prompts_are_in_a_repr() -> None:
    assert "secret" not in repr(Request("submit", "POST", "https://h", body=b"secret"))
    assert "secret" not in repr(Response(200, {}, b"secret"))


@given(st.binary())
def test_any_body_can_be_asked_for_its_json(body: bytes) -> None:
    assert isinstance(Response(200, {}, body).json_object(), dict)
